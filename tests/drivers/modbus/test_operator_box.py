"""The grid operator's contacts and limits at Modbus: servers of another make, real lines, and every fault of both."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.domain.operator import LimitState, Way
from hems.domain.wiring import (
    LimitContact,
    LimitSource,
    ModbusConnection,
    ModbusRtuConnection,
    ModbusTcpConnection,
    MqttPoint,
    OperatorWiring,
    Register,
    RegisterType,
)
from hems_drivers.modbus.link import Links
from hems_drivers.modbus.operator_box import ModbusOperatorBox, runs, value
from hems_drivers.modbus.request import Function
from hems_drivers.sunspec.driver import sunspec_driver
from tests.support.eventually import clock_at, eventually, running
from tests.support.houses import home_a
from tests.support.modbus import (
    BASE,
    FAST,
    Peer,
    Send,
    asked,
    compiled,
    hybrid,
    image,
    libmodbus,
    links,
    rtu,
    scripted,
    serial_line,
    tcp,
    units,
)
from tests.support.operator_scene import SPEED, Scene, told_by


def contact(register: Register, limit_w: float = 4_200.0, *, limited: str = "on", free: str = "off") -> LimitContact:
    return LimitContact(state=point(register), limited=limited, free=free, limit_w=limit_w)


def point(register: Register) -> MqttPoint:
    return MqttPoint(topic="", path=(str(register),))


def wiring(*sources: LimitSource, registers: Sequence[Register], heartbeat: Register | None = None) -> OperatorWiring:
    return OperatorWiring(
        connection="box",
        heartbeat_topic=None,
        sources=sources,
        registers=tuple(registers),
        heartbeat=None if heartbeat is None else point(heartbeat),
    )


INPUT = Register(function=2, address=0)
BY_INPUT = wiring(LimitSource(way=Way.CONSUMPTION, contacts=(contact(INPUT),)), registers=(INPUT,))


@asynccontextmanager
async def scene(
    told: OperatorWiring, connection: ModbusConnection, folder: Path, *, house: Links | None = None
) -> AsyncIterator[Scene]:
    clock = clock_at(SPEED)
    house = house or links(clock, FAST)
    async with told_by(ModbusOperatorBox(told, connection, house, clock), clock, folder) as here:
        yield here


PLACES = {
    "coil": (Register(function=1, address=3), "coils", 1, 0),
    "discrete input": (Register(function=2, address=3), "inputs", 1, 0),
    "bit of a holding register": (Register(function=3, address=3, bit=5), "holding", 0xFF20, 0xFFDF),
    "bit of an input register": (Register(function=4, address=3, bit=15), "registers", 0x8000, 0x7FFF),
    "input register": (Register(function=4, address=3), "registers", 1, 0),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("opens", [False, True], ids=["closes to limit", "opens to limit"])
async def test_a_contact_limits_and_sets_free_wherever_the_module_has_it(place: str, opens: bool, tmp_path: Path):
    register, table, closed, opened = PLACES[place]
    limited, free = (opened, closed) if opens else (closed, opened)
    words = ("off", "on") if opens else ("on", "off")
    its = contact(register, limited=words[0], free=words[1])
    told = wiring(LimitSource(way=Way.CONSUMPTION, contacts=(its,)), registers=(register,))
    async with units(tmp_path, {7: {table: {3: free}}}) as server:
        at = ModbusTcpConnection(host="127.0.0.1", port=server.port, unit=7)
        async with scene(told, at, tmp_path) as here:
            await here.until(LimitState.UNLIMITED_CONTROLLED, None)
            await server.ask(f"set 7 {table} 3 {limited}")
            await here.until(LimitState.LIMITED, 4_200.0)
            await server.ask(f"set 7 {table} 3 {free}")
            await here.until(LimitState.UNLIMITED_CONTROLLED, None)


@pytest.mark.parametrize("function", [1, 2, 3, 4])
async def test_libmodbus_on_a_serial_line_tells_the_same(function: int, tmp_path: Path):
    """Stages of feed-in at four places in a row: the tighter one of two that are closed holds."""
    registers = [Register(function=function, address=100 + index) for index in range(3)]
    stages = tuple(contact(each, limit_w) for each, limit_w in zip(registers, (6_000.0, 3_000.0, 0.0), strict=True))
    told = wiring(LimitSource(way=Way.PRODUCTION, contacts=stages), registers=registers)
    async with (
        serial_line(tmp_path) as (near, far),
        libmodbus(compiled(tmp_path), tmp_path, [1, 1, 0], start=100, device=far),
        scene(told, ModbusRtuConnection(port=near), tmp_path) as here,
    ):
        await here.until(LimitState.LIMITED, 3_000.0, way=Way.PRODUCTION)


LIMIT = Register(function=3, address=1000, type=RegisterType.UINT32, scale=0.1, word_order="little")
ACTIVE = Register(function=3, address=1002)
BEAT = Register(function=4, address=5)
BY_VALUE = wiring(
    LimitSource(way=Way.CONSUMPTION, limit=point(LIMIT), active=contact(ACTIVE)),
    registers=(LIMIT, ACTIVE, BEAT),
    heartbeat=BEAT,
)


async def test_a_limit_in_registers_holds_while_it_is_active_and_its_heartbeat_moves(tmp_path: Path):
    held = {1000: 42_000, 1001: 0, 1002: 1}
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(units(tmp_path, {1: {"holding": held, "registers": {5: 1}}}))
        at = ModbusTcpConnection(host="127.0.0.1", port=server.port)
        here = await stack.enter_async_context(scene(BY_VALUE, at, tmp_path))

        async def beat() -> None:
            count = 1
            while True:
                count += 1
                await server.ask(f"set 1 registers 5 {count}")
                await asyncio.sleep(0.1)  # noqa: TID251 - 5 house seconds; the server is a real process

        await here.clock.sleep_until(here.clock.monotonic_s() + 30.0)
        assert here.line()[0] is LimitState.INIT  # it stands still: nobody is there
        async with running(beat()):
            await here.until(LimitState.LIMITED, 4_200.0)
            await server.ask("set 1 holding 1001 1")
            await here.until(LimitState.LIMITED, 10_753.6)
            await server.ask("set 1 holding 1002 0")
            await here.until(LimitState.UNLIMITED_CONTROLLED, None)
            await server.ask("set 1 holding 1002 7")  # neither 0 nor 1
            await here.until(LimitState.LIMITED, 10_753.6)
            await server.ask("set 1 holding 1002 0")
            await here.until(LimitState.UNLIMITED_CONTROLLED, None)
        await here.until_silent()
        async with running(beat()):
            await here.until(LimitState.UNLIMITED_CONTROLLED, None)


async def test_a_value_that_cannot_be_is_as_silence(tmp_path: Path):
    """A float that is none, and a register that is not there: the last limit goes on for two minutes."""
    limit = Register(function=3, address=10, type=RegisterType.FLOAT32)
    told = wiring(LimitSource(way=Way.CONSUMPTION, limit=point(limit)), registers=(limit,))
    high, low = struct.unpack(">HH", struct.pack(">f", 9_000.0))
    async with units(tmp_path, {1: {"holding": {10: high, 11: low}}}) as server:
        at = ModbusTcpConnection(host="127.0.0.1", port=server.port)
        async with scene(told, at, tmp_path) as here:
            await here.until(LimitState.LIMITED, 9_000.0)
            await server.ask(f"set 1 holding 10 {0x7FC0}")
            await here.until_silent()
            await server.ask(f"set 1 holding 10 {high}")
            await here.until(LimitState.LIMITED, 9_000.0)
            await server.ask("mood 1 2")
            await here.until_silent()


async def test_a_meter_and_the_contacts_share_one_line_and_one_connection(tmp_path: Path):
    """Unit 1 is a SunSpec meter, unit 3 the input module; the module dies, the meter goes on, the module comes back."""
    meter = {BASE + index: word for index, word in enumerate(image(hybrid()))}
    async with (
        serial_line(tmp_path) as (near, far),
        units(tmp_path, {1: {"holding": meter}, 3: {"inputs": {0: 0}}}, device=far) as server,
    ):
        clock = clock_at(SPEED)
        house = links(clock, FAST)
        driver = sunspec_driver(
            ModbusRtuConnection(port=near, unit=1),
            meter=home_a().meter, pv=None, battery=None, links=house, clock=clock,
        )  # fmt: skip
        heard: list[float] = []
        async with (
            running(driver.run(lambda _id, _reading: heard.append(clock.monotonic_s()))),
            scene(BY_INPUT, ModbusRtuConnection(port=near, unit=3), tmp_path, house=house) as here,
        ):
            await here.until(LimitState.UNLIMITED_CONTROLLED, None)
            await eventually(lambda: heard, what="the meter is read")
            await server.ask("set 3 inputs 0 1")
            await here.until(LimitState.LIMITED, 4_200.0)
            await server.ask("set 3 inputs 0 0")
            await here.until(LimitState.UNLIMITED_CONTROLLED, None)
            await server.ask("mood 3 silent")
            await here.until_silent()
            count = len(heard)
            await eventually(lambda: len(heard) >= count + 3, what="the meter goes on")
            await server.ask("mood 3 answers")
            await here.until(LimitState.UNLIMITED_CONTROLLED, None)
        assert house.rtu(near).connection_count == 1


def bits(kind: str, request: bytes, content: int) -> bytes:
    body = bytes([2, 1, content])
    return tcp(request, body) if kind == "tcp" else rtu(request, body)


def refusal(kind: str, request: bytes, code: int) -> bytes:
    body = bytes([0x82, code])
    return tcp(request, body) if kind == "tcp" else rtu(request, body)


@dataclass
class Module:
    """An input module on a bad wire: its contact is open, and it fails as it is told to."""

    kind: str
    fault: str = ""

    async def answer(self, request: bytes, send: Send, writer: asyncio.StreamWriter) -> None:
        right = bits(self.kind, request, 0)
        assert asked(request, at=7 if self.kind == "tcp" else 1) == (0, 1)
        match self.fault:
            case "":
                send(right)
            case "reset":
                writer.transport.abort()
            case "half a frame":
                send(right[: len(right) // 2])
            case "two bytes for one bit":
                body = bytes([2, 2, 0, 0])
                send(tcp(request, body) if self.kind == "tcp" else rtu(request, body))
            case "busy":
                send(refusal(self.kind, request, 6))
            case "no such input":
                send(refusal(self.kind, request, 2))
            case "failed":
                send(refusal(self.kind, request, 4))


@asynccontextmanager
async def module(kind: str, folder: Path) -> AsyncIterator[tuple[Module, Scene, Peer]]:
    its = Module(kind)
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(scripted(its.answer, rtu=kind != "tcp"))
        at: ModbusConnection = ModbusTcpConnection(host="127.0.0.1", port=peer.port)
        if kind == "serial":
            near, _ = await stack.enter_async_context(serial_line(folder, far=f"tcp:127.0.0.1:{peer.port}"))
            at = ModbusRtuConnection(port=near)
        here = await stack.enter_async_context(scene(BY_INPUT, at, folder))
        await here.until(LimitState.UNLIMITED_CONTROLLED, None)
        yield its, here, peer


SILENT = ("silence", "half a frame", "two bytes for one bit", "busy")


@pytest.mark.parametrize(
    ("kind", "fault"), [("tcp", "reset"), *((kind, fault) for kind in ("tcp", "serial") for fault in SILENT)]
)
async def test_no_answer_is_the_failsafe_after_two_minutes_and_not_before(kind: str, fault: str, tmp_path: Path):
    async with module(kind, tmp_path) as (its, here, _):
        its.fault = fault
        await here.until_silent()
        its.fault = ""
        await here.until(LimitState.UNLIMITED_CONTROLLED, None)


@pytest.mark.parametrize("fault", ["no such input", "failed"])
@pytest.mark.parametrize("kind", ["tcp", "serial"])
async def test_a_contact_that_is_refused_counts_as_closed_at_once_and_is_told_once(
    kind: str, fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with module(kind, tmp_path) as (its, here, peer):
        its.fault = fault
        await here.until(LimitState.LIMITED, 4_200.0)
        count = len(peer.requests)
        await eventually(lambda: len(peer.requests) > count + 3, what="it is asked again")
        assert here.line() == (LimitState.LIMITED, 4_200.0)
        its.fault = ""
        await here.until(LimitState.UNLIMITED_CONTROLLED, None)
    assert sum("refused" in record.getMessage() for record in caplog.records) == 1
    assert sum("taken as limited" in record.getMessage() for record in caplog.records) == 1


async def test_after_a_restart_the_limit_holds_before_the_unit_is_heard_and_as_long_as_it_is_not(tmp_path: Path):
    stage = wiring(LimitSource(way=Way.CONSUMPTION, contacts=(contact(INPUT, 2_000.0),)), registers=(INPUT,))
    async with units(tmp_path, {1: {"inputs": {0: 1}}}) as server:
        at = ModbusTcpConnection(host="127.0.0.1", port=server.port)
        async with scene(stage, at, tmp_path) as here:
            await here.until(LimitState.LIMITED, 2_000.0)
        await server.ask("mood 1 silent")
        async with scene(stage, at, tmp_path) as here:
            assert here.line() == (LimitState.INIT, 2_000.0)
            await here.until(LimitState.UNLIMITED_AUTONOMOUS, 4_200.0)
            await server.ask("mood 1 answers")
            await here.until(LimitState.LIMITED, 2_000.0)


def test_neighbours_are_read_at_once_and_nothing_between():
    registers = [
        Register(function=2, address=4),
        Register(function=2, address=3),
        Register(function=3, address=5, bit=1),
        Register(function=3, address=5, bit=9),
        Register(function=3, address=6, type=RegisterType.UINT32),
        Register(function=3, address=9),
        Register(function=4, address=10),
    ]
    assert runs(registers) == (
        ((Function.READ_DISCRETE, 3), 2),
        ((Function.READ_HOLDING, 5), 3),
        ((Function.READ_HOLDING, 9), 1),
        ((Function.READ_INPUT, 10), 1),
    )


INTEGERS = [each for each in RegisterType if not each.value.startswith("float")]


@given(st.sampled_from(INTEGERS), st.data(), st.booleans())
def test_a_number_is_read_as_it_was_written(type_: RegisterType, data: st.DataObject, little: bool):
    width = int(type_.value.lstrip("uint"))
    low = 0 if type_.value.startswith("u") else -(2 ** (width - 1))
    wanted = data.draw(st.integers(low, low + 2**width - 1))
    big = [wanted % 2**width >> shift & 0xFFFF for shift in range(width - 16, -1, -16)]
    words = {
        (Function.READ_INPUT, 8 + index): word for index, word in enumerate(reversed(big) if little else big)
    }  # fmt: skip
    register = Register(function=4, address=8, type=type_, word_order="little" if little else "big")
    assert value(register, words) == wanted
    assert json.loads(json.dumps(value(register, words))) == wanted


def test_floats_scales_and_what_was_not_read():
    words = {(Function.READ_HOLDING, 0): 0x45DA, (Function.READ_HOLDING, 1): 0xC000}
    wide = Register(function=3, address=0, type=RegisterType.FLOAT32)
    assert value(wide, words) == 7_000.0
    assert value(Register(function=3, address=0, type=RegisterType.FLOAT64), words) is None
    assert value(Register(function=3, address=1, type=RegisterType.INT16, scale=-10.0), words) == 163_840.0
    assert value(Register(function=4, address=0), words) is None
