"""Counterparts that speak Modbus: other people's stacks, and a peer that sends exactly the bytes it is told to."""

import asyncio
import json
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from sunspec2.file.client import FileClientModel  # type: ignore[import-untyped]

from hems.ports import Clock
from hems.runtime.clock import SystemClock
from hems_drivers.modbus.link import Links, LinkTiming
from hems_drivers.sunspec.models import Block
from tests.support.eventually import eventually

FOLDER = Path(__file__).parents[1] / "drivers" / "sunspec"
MODULES = Path(__file__).parents[1] / "counterparts" / "node_modules"
MARKER, END = [0x5375, 0x6E53], [0xFFFF, 0]
BASE = 40_000
FAST = LinkTiming(gap_s=0.0, connect_timeout_s=5.0, reply_timeout_s=0.3, quarantine_s=0.3)
PATIENT = LinkTiming(gap_s=0.0, connect_timeout_s=5.0, reply_timeout_s=1.5)
"""For servers in processes of their own, on a machine that has other work."""


def links(clock: Clock | None = None, timing: LinkTiming = PATIENT) -> Links:
    return Links(clock=clock or SystemClock(confirmed=lambda: True), random=Random(1), timing=timing)


def need(*tools: str) -> None:
    """Skip visibly where a counterpart is not installed."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


# Images, built by the SunSpec Alliance's own library


def model(model_id: int, points: Mapping[str, object]) -> list[int]:
    """Registers of a model from its header on; what is not given is "not implemented"."""
    content = FileClientModel(model_id=model_id, data={"ID": model_id, **points}).get_mb()
    words = list(struct.unpack(f">{len(content) // 2}H", content))
    words[1] = len(words) - 2
    return words


def block(model_id: int, points: Mapping[str, object]) -> Block:
    """The same as read by the driver."""
    return Block(model_id=model_id, words=tuple(model(model_id, points)))


COMMON = {"Mn": "Maker", "Md": "Box 6", "Vr": "1.0", "SN": "S-1"}
INVERTER = {"W": 2000, "W_SF": 0, "St": 4, "A": 30, "A_SF": -1}
NAMEPLATE = {"DERTyp": 82, "WRtg": 600, "WRtg_SF": 1}
SETTINGS = {"WMax": 6000, "WMax_SF": 0}
CURTAILMENT = {
    "Conn": 1, "WMaxLimPct": 10000, "WMaxLimPct_SF": -2, "WMaxLimPct_RvrtTms": 0, "WMaxLim_Ena": 0,
}  # fmt: skip
STORAGE = {
    "WChaMax": 500, "WChaMax_SF": 1, "StorCtl_Mod": 0, "ChaState": 5000, "ChaState_SF": -2, "ChaGriSet": 1,
    "OutWRte": 10000, "InWRte": 10000, "InOutWRte_SF": -2, "InOutWRte_RvrtTms": 0,
}  # fmt: skip
BATTERY = {
    "SoC": 5000, "SoC_SF": -2, "W": -800, "W_SF": 0, "V": 400, "V_SF": 0,
    "AChaMax": 100, "ADisChaMax": 120, "AMax_SF": -1, "ChaSt": 4,
}  # fmt: skip
METER = {"W": -150, "WphA": 50, "WphB": -120, "WphC": -80, "W_SF": 1}


def hybrid(**changes: Mapping[str, object]) -> list[list[int]]:
    """Models of a hybrid inverter; ``m124={...}`` changes points of a model."""
    models: dict[int, Mapping[str, object]] = {
        1: COMMON, 103: INVERTER, 120: NAMEPLATE, 121: SETTINGS, 123: CURTAILMENT, 124: STORAGE, 203: METER,
        802: BATTERY,
    }  # fmt: skip
    return [model(number, {**points, **changes.get(f"m{number}", {})}) for number, points in models.items()]


def image(models: Sequence[Sequence[int]], *, end: Sequence[int] = END) -> list[int]:
    """A whole map."""
    return [*MARKER, *(word for each in models for word in each), *end]


def place(words: Sequence[int], model_id: int) -> int:
    """Address of a model's header in a map with true lengths."""
    at = 2
    while words[at] != model_id:
        at += 2 + words[at + 1]
    return BASE + at


# Other people's servers


@dataclass
class Server:
    """A counterpart in a process of its own."""

    process: asyncio.subprocess.Process
    port: int
    wrote: list[str] = field(default_factory=list)
    """Bytes of each write as they came, from the unit on."""
    words: "asyncio.Queue[int]" = field(default_factory=asyncio.Queue)

    async def ask(self, line: str) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        return await asyncio.wait_for(self.words.get(), 10)

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            verb, value = line.split()
            if verb == "wrote":
                self.wrote.append(value)
            elif verb == "word":
                self.words.put_nowait(int(value))


@asynccontextmanager
async def started(*command: str) -> AsyncIterator[Server]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    verb, port = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().split()
    assert verb == "port"
    server = Server(process, int(port))
    listening = asyncio.create_task(server.listen())
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await listening


@asynccontextmanager
async def modbus_serial(
    folder: Path, words: Sequence[int], *, start: int = BASE, read_only: Sequence[int] = ()
) -> AsyncIterator[Server]:
    """npm's modbus-serial, holding an image."""
    need("node")
    if not (MODULES / "modbus-serial").exists():
        pytest.skip("tests/counterparts is not installed (npm ci)")
    path = folder / "image.json"
    path.write_text(json.dumps({"start": start, "words": list(words), "read_only": list(read_only)}))
    async with started("node", str(FOLDER / "modbus_server.js"), str(path)) as server:
        yield server


Tables = Mapping[str, Mapping[int, int]]
"""Of a unit: values by address in coils, inputs (discrete), holding and registers (input)."""


@asynccontextmanager
async def units(folder: Path, tables: Mapping[int, Tables], *, device: str | None = None) -> AsyncIterator[Server]:
    """npm's modbus-serial with bits and registers of several units, on TCP or a serial line."""
    need("node")
    if not (MODULES / "modbus-serial").exists():
        pytest.skip("tests/counterparts is not installed (npm ci)")
    path = folder / "units.json"
    path.write_text(json.dumps({"device": device, "units": tables}))
    async with started("node", str(FOLDER.parent / "modbus" / "units_server.js"), str(path)) as server:
        yield server


def compiled(folder: Path) -> Path:
    """The libmodbus server."""
    need("gcc", "pkg-config")
    ask = ["pkg-config", "--cflags", "--libs", "libmodbus"]
    flags = subprocess.run(ask, capture_output=True, text=True, check=False)
    if flags.returncode != 0:
        pytest.skip("libmodbus is not installed (libmodbus-dev)")
    program = folder / "modbus_server"
    source = str(FOLDER / "modbus_server.c")
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", str(program), source, *flags.stdout.split()], check=True)  # noqa: S607
    return program


@asynccontextmanager
async def libmodbus(
    program: Path, folder: Path, words: Sequence[int], *, start: int = BASE, device: str | None = None
) -> AsyncIterator[Server]:
    """libmodbus, holding an image, on TCP or a serial line."""
    path = folder / "image.bin"
    path.write_bytes(struct.pack(f">{len(words)}H", *words))
    async with started(str(program), str(path), str(start), *([device] if device else [])) as server:
        yield server


@asynccontextmanager
async def serial_line(folder: Path, *, far: str | None = None) -> AsyncIterator[tuple[str, str]]:
    """Two ends of a serial line; with ``far`` the other end is that address of socat."""
    need("socat")
    near, other = folder / "near", folder / "far"
    line = f"pty,raw,echo=0,link={near}"
    process = await asyncio.create_subprocess_exec("socat", line, far or f"pty,raw,echo=0,link={other}")
    try:
        await eventually(lambda: near.exists() and (far is not None or other.exists()), what="socat")
        yield str(near), str(other)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


# A peer that sends what it is told

Send = Callable[[bytes], None]
Script = Callable[[bytes, Send, asyncio.StreamWriter], Awaitable[None]]
"""Called with each request as it came, how to send, and the connection."""


@dataclass
class Peer:
    """A server that does what a script says with every request."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connection_count: int = 0
    refuses: bool = False
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def hang_up(self) -> None:
        """End all connections."""
        for writer in self.writers:
            writer.transport.abort()


@asynccontextmanager
async def scripted(script: Script, *, rtu: bool = False, one_at_a_time: bool = False) -> AsyncIterator[Peer]:
    peer, tasks = Peer(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if peer.refuses or (one_at_a_time and peer.writers):
            writer.transport.abort()
            return
        peer.connection_count += 1
        peer.writers.add(writer)
        try:
            while True:
                request = await _request(reader, rtu=rtu)
                peer.requests.append(request)
                await script(request, writer.write, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            peer.writers.discard(writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _request(reader: asyncio.StreamReader, *, rtu: bool) -> bytes:
    if not rtu:
        head = await reader.readexactly(6)
        return head + await reader.readexactly(int.from_bytes(head[4:], "big"))
    head = await reader.readexactly(7)
    return head + await reader.readexactly(1 if head[1] != 16 else head[6] + 2)


def tcp(request: bytes, body: bytes, *, transaction: int | None = None) -> bytes:
    """A frame that answers a request with these bytes after the unit."""
    head = request[:2] if transaction is None else transaction.to_bytes(2, "big")
    return head + b"\0\0" + (len(body) + 1).to_bytes(2, "big") + request[6:7] + body


def crc(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def rtu(request: bytes, body: bytes) -> bytes:
    """The same on a serial line."""
    frame = request[:1] + body
    return frame + crc(frame)


def registers(address: int, count: int) -> bytes:
    """A right answer to a read: every register holds its own address."""
    return bytes([3, 2 * count]) + struct.pack(f">{count}H", *range(address, address + count))


def asked(request: bytes, *, at: int) -> tuple[int, int]:
    """Address and count of a read; ``at`` is where the function is."""
    address, count = struct.unpack(">HH", request[at + 1 : at + 5])
    return address, count
