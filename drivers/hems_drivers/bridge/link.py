"""The line to a bridge: opened when something is asked, thrown away after the first doubt."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

from hems.domain.errors import OperatingError
from hems_drivers.bridge.frames import Framer, frame
from hems_drivers.bridge.messages import (
    VERSION,
    Contacts,
    Hello,
    Request,
    body_of,
    contacts_of,
    hello_of,
    request,
)
from hems_drivers.serial_port import READ_MAX_BYTES, SerialPort, SerialSetting

log = logging.getLogger(__name__)

T = TypeVar("T")
SETTING = SerialSetting(baud=115200)
ANSWER_S = 0.3
"""Real seconds: an answer takes 5 ms on the line, and up to 20 ms through an adapter."""
TRIES = 3
HELLO_TRIES = 12
"""3.6 s: many boards reset when their port is opened, and their boot loader waits for two seconds."""
MUTE = "does not answer: is it the bridge's port, and is the firmware on the board (firmware-bridge/README.md)?"
FOREIGN = "says nothing that a bridge would say: is another device at this port?"
GONE = "was pulled out, or its board has restarted"


class Line(Protocol):
    """What a bridge is at the end of."""

    @property
    def stream(self) -> asyncio.StreamReader:
        """What arrives; ends where the line does."""

    def write(self, data: bytes) -> None:
        """Send, never wait. Raises OSError where the line has ended."""

    def close(self) -> None:
        """Give it back."""


def serial_line(path: str) -> Line:
    """The serial port of a bridge. Raises OperatingError and OSError as :class:`SerialPort` does."""
    return SerialPort(path, SETTING, plug="plug in the bridge")


class BridgeLink:
    """One bridge; for one question at a time."""

    def __init__(self, path: str, open_line: Callable[[str], Line] = serial_line) -> None:
        """Opens nothing yet."""
        self._path, self._open_line = path, open_line
        self._line: Line | None = None
        self._framer = Framer()
        self._sequence = 0
        self._has_heard = False
        self._met: Hello | None = None

    async def contacts(self) -> Contacts:
        """How they stand now; the line is opened where it is not open, and anew after each failure.

        Raises:
            OperatingError: no answer; the text says why and what to do.
        """
        try:
            if self._line is None:
                self._line = self._open_line(self._path)
                self._framer = Framer()
                self._meet(await self._ask(self._line, Request.HELLO, hello_of, tries=HELLO_TRIES))
            return await self._ask(self._line, Request.READ, contacts_of, tries=TRIES)
        except OSError as error:
            self.close()
            raise OperatingError(f"it {GONE} ({error.strerror or error})") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the port back."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def _ask(self, line: Line, kind: Request, read: Callable[[bytes], T | None], *, tries: int) -> T:
        self._has_heard = False
        for _ in range(tries):
            self._sequence = (self._sequence + 1) % 256
            line.write(frame(request(kind, self._sequence)))
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await self._answer(line, kind, read)
            except TimeoutError:
                continue
        raise OperatingError(f"it {FOREIGN if self._has_heard else MUTE}")

    async def _answer(self, line: Line, kind: Request, read: Callable[[bytes], T | None]) -> T:
        while data := await line.stream.read(READ_MAX_BYTES):
            self._has_heard = True
            for payload in self._framer.feed(data):
                body = body_of(payload, kind, self._sequence)
                if body is not None and (found := read(body)) is not None:
                    return found
        raise OperatingError(f"it {GONE}")

    def _meet(self, hello: Hello) -> None:
        """Say who it is where that is news."""
        before, self._met = self._met, hello
        if before is not None and before.firmware == hello.firmware:
            return
        log.info("%s: bridge with firmware %s and %d inputs", self._path, hello.firmware, hello.input_count)
        if not hello.is_understood:
            log.warning(
                "%s: the bridge speaks protocol %d to %d, and hems %d: its contacts are read, nothing else is used; "
                "put the firmware of this release on it",
                self._path, hello.oldest, hello.newest, VERSION,
            )  # fmt: skip
