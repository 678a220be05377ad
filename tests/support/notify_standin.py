"""What systemd does for a service of ``Type=notify`` with a watchdog, without systemd.

Starts a command with NOTIFY_SOCKET and WATCHDOG_USEC, waits until it is ready, counts its signs of life, sends SIGABRT
when one is missing, kills what does not die of it, and starts the command again, as also when it ends by itself.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

ABORT_S = 2.0
"""Real seconds between SIGABRT and SIGKILL."""


class NotifyStandin:
    """One supervised command. ``events`` is what happened, in order: start, ready, stopping, missed, ended CODE."""

    def __init__(
        self, command: Sequence[str], *, folder: Path, watchdog_s: float, environment: Mapping[str, str] | None = None
    ) -> None:
        self.events: list[str] = []
        self.pings = 0
        self.starts = 0
        self.status = ""
        self.log_path = folder / "command.log"
        """Standard output and error of all runs."""
        self.process: asyncio.subprocess.Process | None = None
        self._command = tuple(command)
        self._watchdog_s = watchdog_s
        self._address = folder / "notify"
        self._environment = dict(os.environ if environment is None else environment)
        self._changed = asyncio.Condition()
        self.is_wanted = True
        """Whether it is started again when it ends."""

    async def until(self, condition: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until a condition on these counters holds."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            output = self.log_path.read_text()[-2_000:]
            raise AssertionError(f"not in {timeout_s} s; events {self.events}, output:\n{output}") from None

    async def until_ready(self, *, timeout_s: float, times: int = 1) -> None:
        """Wait for the READY of the given run."""
        await self.until(lambda: self.events.count("ready") >= times, timeout_s=timeout_s)

    async def supervise(self) -> None:
        """Run the command again and again."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.setblocking(False)
            listener.bind(str(self._address))
            while self.is_wanted:
                await self._run_once(listener)

    async def terminate(self, *, timeout_s: float) -> int:
        """SIGTERM as ``systemctl stop`` sends it; the exit code."""
        self.is_wanted = False
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def _run_once(self, listener: socket.socket) -> None:
        environment = self._environment | {
            "NOTIFY_SOCKET": str(self._address),
            "WATCHDOG_USEC": str(round(self._watchdog_s * 1e6)),
        }
        with self.log_path.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        self.starts += 1
        await self._happened("start")
        ended = asyncio.create_task(self.process.wait())
        watched = asyncio.create_task(self._watch(listener))
        try:
            await asyncio.wait({ended, watched}, return_when=asyncio.FIRST_COMPLETED)
            if watched.done():
                watched.result()
                await self._happened("missed")
                self.process.send_signal(signal.SIGABRT)
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(ended), ABORT_S)
        finally:
            watched.cancel()
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            code = await ended
        await self._happened(f"ended {code}")

    async def _watch(self, listener: socket.socket) -> None:
        """Returns when a sign of life is missing."""
        loop = asyncio.get_running_loop()
        ends_s: float | None = None  # a status is no sign of life, so it does not move this
        while True:
            left_s = None if ends_s is None else max(ends_s - loop.time(), 0.0)
            try:
                text = (await asyncio.wait_for(loop.sock_recv(listener, 4_096), left_s)).decode()
            except TimeoutError:
                return
            for line in text.splitlines():
                name, _, value = line.partition("=")
                match name:
                    case "READY":
                        ends_s = loop.time() + self._watchdog_s
                        await self._happened("ready")
                    case "STOPPING":
                        ends_s = None
                        await self._happened("stopping")
                    case "WATCHDOG":
                        self.pings += 1
                        ends_s = None if ends_s is None else loop.time() + self._watchdog_s
                        await self._happened(None)
                    case "STATUS":
                        self.status = value
                        await self._happened(None)

    async def _happened(self, event: str | None) -> None:
        async with self._changed:
            if event is not None:
                self.events.append(event)
            self._changed.notify_all()


@asynccontextmanager
async def supervised(
    command: Sequence[str], *, folder: Path, watchdog_s: float, environment: Mapping[str, str] | None = None
) -> AsyncIterator[NotifyStandin]:
    """A stand-in that supervises a command until the end of the block; no process is left."""
    standin = NotifyStandin(command, folder=folder, watchdog_s=watchdog_s, environment=environment)
    task = asyncio.create_task(standin.supervise())
    try:
        yield standin
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def python(program: str) -> tuple[str, ...]:
    """Command that runs a program text in this interpreter."""
    return (sys.executable, "-X", "faulthandler", "-c", program)
