"""A served house in a process of its own, and a browser tab that looks at it."""

import signal
import subprocess
import sys

from playwright.sync_api import BrowserContext, Page, Request, expect

_OUTSIDE = """width => {
  const scrolls = element => element.closest('.table, .plot, .skip') !== null;
  return [...document.querySelectorAll('body *')].filter(element => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && !scrolls(element) && (box.right > width + 0.5 || box.left < -0.5);
  }).map(element => element.outerHTML.slice(0, 120));
}"""


def outside(page: Page, width: int) -> list[str]:
    """Beginnings of elements that reach beyond the page, other than in what scrolls by itself."""
    found: list[str] = page.evaluate(_OUTSIDE, width)
    return found


class Served:
    """A house in a process, which can be frozen, killed and started again on its port."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.support.fake_house", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def show(self, scene: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"scene {scene}\n")
        self.process.stdin.flush()

    def learn(self) -> None:
        """The car turns out to be slower than its charger; returns when the house knows."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("learn\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "learned\n"

    def stop(self) -> None:
        self.process.communicate(timeout=10)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Tab:
    """One page, and everything that went wrong in it."""

    def __init__(self, context: BrowserContext, server: Served) -> None:
        self.page: Page = context.new_page()
        self.server = server
        self.troubles: list[str] = []
        self.requests: list[Request] = []
        self.page.on("console", lambda line: self.troubles.append(line.text) if line.type != "log" else None)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - it wants a function

    def open(self, screen: str = "now") -> Page:
        self.page.goto(f"http://localhost:{self.server.port}/#/{screen}")
        expect(self.page.locator("header [role=status]")).not_to_have_text("Waiting")
        return self.page

    def pill(self, words: str) -> None:
        expect(self.page.locator("header [role=status]")).to_have_text(words, timeout=8_000)
