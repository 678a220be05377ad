"""The whole demo as its users start it: a process with its children, its page and its broker."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from hems.runtime.clock import SystemClock

CLOCK = SystemClock()
PAUSE = threading.Event()
"""Never set: somewhere to wait."""
LIVE = re.compile(r"A simulated house is live: (http://\S+)")
BROKER = re.compile(r"Its MQTT broker: 127\.0\.0\.1:(\d+)")


@dataclass
class RunningDemo:
    """A demo that is live."""

    process: subprocess.Popen[str]
    url: str = ""
    broker_port: int = 0
    lines: list[str] = field(default_factory=list)

    def get(self, path: str) -> Any:
        """An answer of the API."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the API says to a command."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}{path}", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            content = answer.read()
        return json.loads(content) if content else None

    def device(self, kind: str) -> dict[str, Any]:
        """One device of the present state."""
        devices: list[dict[str, Any]] = self.get("api/v1/state")["devices"]
        return next(each for each in devices if each["kind"] == kind)

    def until(self, condition: Callable[[], Any], *, within_s: float, what: str) -> Any:
        """The first true answer."""
        ends_s = CLOCK.monotonic_s() + within_s
        while CLOCK.monotonic_s() < ends_s:
            if found := condition():
                return found
            PAUSE.wait(0.2)
        raise AssertionError(f"{what}: not within {within_s} s; the last lines were:\n" + "\n".join(self.lines[-20:]))

    def family(self) -> list[psutil.Process]:
        """The process and everything that it started."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]


@contextmanager
def running_demo(*arguments: str, state_dir: Path | None = None, live_within_s: float = 60.0) -> Iterator[RunningDemo]:
    """Start ``hems demo`` on a free port, wait until its page answers, and end it with Ctrl-C."""
    with starting_demo(*arguments, state_dir=state_dir) as demo:

        def find(pattern: re.Pattern[str]) -> str | None:
            if demo.process.poll() is not None:
                raise AssertionError("the demo ended:\n" + "\n".join(demo.lines))
            return next((found.group(1) for line in demo.lines if (found := pattern.search(line))), None)

        demo.url = demo.until(lambda: find(LIVE), within_s=live_within_s, what="a live page")
        demo.broker_port = int(demo.until(lambda: find(BROKER), within_s=5, what="a broker"))
        yield demo


@contextmanager
def starting_demo(*arguments: str, state_dir: Path | None = None) -> Iterator[RunningDemo]:
    """As :func:`running_demo`, without waiting for anything."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    more = [] if state_dir is None else ["--state-dir", str(state_dir)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hems", "demo", "--port", str(port), *more, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    demo = RunningDemo(process=process)

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            demo.lines.append(line.rstrip())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()

    try:
        yield demo
    finally:
        stop(process)
        listener.join(timeout=5)
        if process.stdout is not None:
            process.stdout.close()


def stop(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, as a terminal sends it to the foreground."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
