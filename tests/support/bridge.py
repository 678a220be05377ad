"""The bridge's firmware as it runs in tests: the host program at a pseudo-terminal, and its core in this process."""

import asyncio
import ctypes
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hems.domain.errors import OperatingError

SOURCES = Path(__file__).parents[2] / "firmware-bridge"
VECTORS = SOURCES / "vectors"
WIRE_MAX_BYTES = 67


@dataclass(frozen=True, kw_only=True)
class Firmware:
    """What was built."""

    host: Path
    core: Path
    tests: Path


def built(folder: Path, *, version: int = 1) -> Firmware:
    """Everything for this machine, with every warning an error; ``version`` is the protocol it shall speak."""
    make = ["make", "-s", "-C", str(SOURCES), f"OUT={folder}", f"DEFINES=-DBRIDGE_VERSION={version}", "all"]
    subprocess.run(make, check=True)
    return Firmware(host=folder / "bridge-host", core=folder / "core.so", tests=folder / "test-bridge")


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    """Built once for all tests of a process."""
    return built(tmp_path_factory.mktemp("firmware"))


def vectors(name: str) -> Iterator[list[str]]:
    """Lines of a file of vectors, cut into their parts."""
    for line in (VECTORS / name).read_text().splitlines():
        if not line.startswith("#"):
            yield [part.strip() for part in line.split("|")]


@dataclass
class Host:
    """The host program."""

    process: asyncio.subprocess.Process
    port: Path
    outputs: list[tuple[int, int]] = field(default_factory=list)
    """Each change: how they stand, and the firmware's uptime [ms]."""

    def say(self, words: str) -> None:
        """See ports/host/host.c."""
        assert self.process.stdin is not None
        self.process.stdin.write(words.encode() + b"\n")

    async def pull_out(self) -> None:
        """As an adapter that is unplugged: the terminal is gone, and so is its name."""
        self.port.unlink(missing_ok=True)
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def plugged(program: Path, port: Path) -> AsyncIterator[Host]:
    """The firmware on a pseudo-terminal with that name, until it is pulled out or the block ends."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(str(program), str(port), stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    out = process.stdout
    assert await out.readline() == b"ready\n"
    host = Host(process, port)

    async def listen() -> None:
        while line := await out.readline():
            _, mask, uptime_ms = line.split()
            host.outputs.append((int(mask), int(uptime_ms)))

    listening = asyncio.create_task(listen())
    try:
        yield host
    finally:
        await host.pull_out()
        await listening


class Core:
    """The firmware's core, called in this process."""

    def __init__(self, firmware: Firmware) -> None:
        self.library = ctypes.CDLL(str(firmware.core))
        for name in ("shared_size", "bridge_receive", "frame_encode", "frame_decode"):
            getattr(self.library, name).restype = ctypes.c_size_t
        self.library.bridge_tick.restype = ctypes.c_uint8
        self._bridge = ctypes.create_string_buffer(self.library.shared_size())
        self._wire = ctypes.create_string_buffer(WIRE_MAX_BYTES)
        self.library.shared_init(self._bridge, ctypes.c_uint8(0))

    def tick(self, uptime_ms: int, inputs: int) -> int:
        """Outputs."""
        return int(self.library.bridge_tick(self._bridge, ctypes.c_uint32(uptime_ms), ctypes.c_uint8(inputs)))

    def receive(self, data: bytes) -> bytes:
        """All it answers."""
        answers = b""
        for byte in data:
            count = self.library.bridge_receive(self._bridge, ctypes.c_uint8(byte), self._wire)
            answers += self._wire.raw[:count]
        return answers

    def encode(self, payload: bytes) -> bytes:
        """A frame as C makes it; empty where it refuses."""
        count = self.library.frame_encode(payload, ctypes.c_size_t(len(payload)), self._wire)
        return self._wire.raw[:count]

    def decode(self, coded: bytes) -> bytes:
        """A payload as C finds it; empty where it is damaged."""
        place = ctypes.create_string_buffer(coded, max(1, len(coded)))
        count = self.library.frame_decode(place, ctypes.c_size_t(len(coded)))
        return place.raw[:count]


class Board:
    """A board in memory, whose line can be pulled out; lives in the loop's time."""

    def __init__(self, firmware: Firmware, *, tick_s: float = 0.05) -> None:
        self.core = Core(firmware)
        self.contacts = 0
        """Bit 0 is the first."""
        self.is_plugged = True
        self.outputs = 0
        self._tick_s = tick_s
        self._line: MemoryLine | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.outputs = self.core.tick(int(loop.time() * 1000), self.contacts)
            await asyncio.sleep(self._tick_s)  # noqa: TID251 - as a board's own loop

    def open(self, path: str) -> "MemoryLine":
        if not self.is_plugged:
            raise OperatingError(f"{path} is not there")
        self._line = MemoryLine(self)
        return self._line

    def pull_out(self) -> None:
        self.is_plugged = False
        if self._line is not None:
            self._line.stream.feed_eof()


class MemoryLine:
    """Implements :class:`hems_drivers.bridge.link.Line`."""

    def __init__(self, board: Board) -> None:
        self.stream = asyncio.StreamReader()
        self._board = board

    def write(self, data: bytes) -> None:
        if not self._board.is_plugged:
            raise OSError(5, "Input/output error")
        if answers := self._board.core.receive(data):
            self.stream.feed_data(answers)

    def close(self) -> None:
        """Nothing to give back."""
