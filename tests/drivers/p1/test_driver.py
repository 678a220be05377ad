"""The P1 driver over a real pseudo-terminal and real sockets. A fast clock makes half a minute short."""

import asyncio
import logging
import os
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hems.domain.command import HeatPumpPower
from hems.domain.errors import OperatingError
from hems.domain.reading import GridValues
from hems.domain.site import DeviceId, GridMeter
from hems.domain.wiring import DsmrConnection
from hems.ports import DeviceReading, Driver, Outcome
from hems_drivers.p1 import p1_driver
from hems_drivers.p1.driver import DAMAGED, NOTHING, POWERLESS, STOPPED, UNREADABLE
from tests.support import p1
from tests.support.eventually import clock_at, eventually, running
from tests.support.simulated import order

METER = GridMeter(id=DeviceId("grid"), name="Grid", period_s=1.0)
FAST = 200.0
"""Half a minute of the house in 150 ms."""


class Line:
    """A pseudo-terminal: what is sent to ``master`` is read from the serial port ``path``."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)

    def send(self, data: bytes) -> None:
        assert os.write(self.master, data) == len(data)

    def speed(self) -> int:
        speed: int = termios.tcgetattr(self.master)[4]
        return speed

    def pull_out(self) -> None:
        """Both ends are gone, and so is the path."""
        if self.master >= 0:
            os.close(self.master)
            os.close(self._slave)
            self.master = -1


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.pull_out()


class Seen:
    """Collects readings."""

    def __init__(self) -> None:
        self.readings: list[DeviceReading] = []

    def __call__(self, device_id: DeviceId, reading: DeviceReading) -> None:
        assert device_id == METER.id
        self.readings.append(reading)

    @property
    def powers_w(self) -> list[float]:
        return [each.value.power_w for each in self.readings if isinstance(each.value, GridValues)]


def driver_at(path: str, *, speed: float = 1.0) -> Driver:
    return p1_driver(DsmrConnection(serial_port=path), meter=METER, clock=clock_at(speed))


async def test_telegrams_from_a_serial_port_become_readings_with_the_second_of_their_arrival(line: Line):
    clock, seen = clock_at(1.0), Seen()
    driver = p1_driver(DsmrConnection(serial_port=line.path), meter=METER, clock=clock)
    async with running(driver.run(seen)):
        await eventually(lambda: line.speed() == termios.B115200)
        line.send(p1.dutch_v5(import_kw=1.193)[200:])  # somewhere in the middle of a telegram
        line.send(p1.dutch_v5(import_kw=0.5))
        await eventually(lambda: seen.readings)
        line.send(p1.dutch_v5(export_kw=2.0))
        await eventually(lambda: len(seen.readings) == 2)
    assert seen.powers_w == [500.0, -2000.0]
    assert 0 <= seen.readings[0].mono_s <= seen.readings[1].mono_s <= clock.monotonic_s()
    assert driver.devices == {METER.id}


async def test_an_old_meter_is_tried_at_its_own_speed_when_nothing_is_understood(line: Line):
    seen = Seen()
    async with running(driver_at(line.path, speed=FAST).run(seen)):
        await eventually(lambda: line.speed() == termios.B115200)
        await eventually(lambda: line.speed() == termios.B9600)
        line.send(p1.dutch_v2(import_kw=1.5))
        await eventually(lambda: seen.powers_w == [1500.0])
        line.send(p1.dutch_v2(import_kw=1.6) * 2)
        await eventually(lambda: len(seen.powers_w) == 3)
        assert line.speed() == termios.B9600


async def test_a_port_that_cannot_be_set_as_an_old_meter_needs_is_read_as_a_newer_one(line: Line):
    """A pseudo-terminal has neither parity nor seven bits: asked for nothing else than that, it refuses."""
    driver, seen = driver_at(line.path, speed=FAST), Seen()
    async with running(driver.run(seen)):
        await eventually(lambda: line.speed() == termios.B9600)
    async with running(driver.run(seen)):
        await eventually(lambda: line.speed() == termios.B115200)
        line.send(p1.dutch_v5(import_kw=1.0))
        await eventually(lambda: seen.powers_w == [1000.0])


async def test_a_port_that_is_not_there_is_an_error_with_advice(tmp_path: Path):
    with pytest.raises(OperatingError, match="plug in the P1 cable"):
        await driver_at(str(tmp_path / "ttyUSB9")).run(Seen())
    with pytest.raises(OperatingError, match="not a serial port"):
        await driver_at("/dev/null").run(Seen())


async def test_a_port_that_another_program_reads_is_left_to_it(line: Line):
    seen = Seen()
    async with running(driver_at(line.path).run(seen)):
        await eventually(lambda: line.speed() == termios.B115200)
        line.send(p1.dutch_v5())
        await eventually(lambda: seen.readings)
        with pytest.raises(OperatingError, match="another program"):
            await driver_at(line.path).run(Seen())


async def test_an_adapter_that_is_pulled_out_ends_the_run_until_it_is_back(line: Line):
    seen = Seen()
    task = asyncio.create_task(driver_at(line.path, speed=FAST).run(seen))
    await eventually(lambda: line.speed() == termios.B115200)
    line.send(p1.dutch_v5())
    await eventually(lambda: seen.readings)
    line.pull_out()
    with pytest.raises(OperatingError, match="is not there"):
        async with asyncio.timeout(20):
            await task


class Reader:
    """A P1 reader in the network that can hang up, fall silent and come back."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.greeting = b""
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        writer.write(self.greeting)
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def send(self, data: bytes) -> None:
        self.writers[-1].write(data)


@asynccontextmanager
async def network_reader() -> AsyncIterator[Reader]:
    made = Reader()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def network_driver(reader: Reader, *, speed: float = FAST) -> Driver:
    return p1_driver(DsmrConnection(host="127.0.0.1", tcp_port=reader.port), meter=METER, clock=clock_at(speed))


@pytest.mark.parametrize(
    ("sent", "trouble"),
    [
        (b"", NOTHING),
        (b"\x00\xf8\x80" * 50, UNREADABLE),
        (p1.dutch_v5(import_kw=1.0).replace(b"01.000", b"02.000"), DAMAGED),
        (p1.signed(["/X", "", "1-0:1.8.1(000001.000*kWh)"]), POWERLESS),
    ],
    ids=["nothing", "unreadable", "damaged", "powerless"],
)
async def test_what_is_wrong_is_said_once_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture, sent: bytes, trouble: str
):
    caplog.set_level(logging.INFO, "hems_drivers.p1")
    seen = Seen()
    async with network_reader() as reader, running(network_driver(reader).run(seen)):
        reader.greeting = sent
        await eventually(lambda: len(reader.writers) == 4)
        (warning,) = [each.getMessage() for each in caplog.records]
        assert trouble in warning
        assert f"127.0.0.1:{reader.port}" in warning
        reader.greeting = p1.dutch_v5(import_kw=1.0)
        await eventually(lambda: seen.readings)
        assert "arrive again" in caplog.records[1].getMessage()


async def test_a_reader_that_falls_silent_without_hanging_up_is_connected_anew(caplog: pytest.LogCaptureFixture):
    seen = Seen()
    async with network_reader() as reader, running(network_driver(reader).run(seen)):
        await eventually(lambda: reader.writers)
        reader.send(p1.dutch_v5(import_kw=1.0))
        await eventually(lambda: len(seen.readings) == 1)
        await eventually(lambda: len(reader.writers) == 2)
        assert STOPPED in caplog.text
        reader.send(p1.dutch_v5(import_kw=2.0))
        await eventually(lambda: len(seen.readings) == 2)
    assert seen.powers_w == [1000.0, 2000.0]


async def test_a_reader_that_goes_away_is_found_again_and_its_absence_said_once(caplog: pytest.LogCaptureFixture):
    seen = Seen()
    async with network_reader() as reader, running(network_driver(reader).run(seen)):
        await eventually(lambda: reader.writers)
        reader.send(p1.dutch_v5(import_kw=1.0))
        await eventually(lambda: len(seen.readings) == 1)
        await reader.stop()
        await eventually(lambda: "cannot be read" in caplog.text)
        reader.writers.clear()
        await reader.start()
        await eventually(lambda: reader.writers)
        reader.send(p1.dutch_v5(import_kw=2.0))
        await eventually(lambda: len(seen.readings) == 2)
    assert caplog.text.count("cannot be read") == 1


async def test_a_tenth_of_damaged_telegrams_is_said_once_and_good_ones_still_count(caplog: pytest.LogCaptureFixture):
    good = p1.dutch_v5(import_kw=1.0)
    seen = Seen()
    async with network_reader() as reader, running(network_driver(reader, speed=1.0).run(seen)):
        await eventually(lambda: reader.writers)
        for index in range(200):
            reader.send(good.replace(b"01.000", b"02.000") if index % 10 == 0 else good)
        await eventually(lambda: len(seen.readings) == 180)
    assert set(seen.powers_w) == {1000.0}
    assert caplog.text.count("of the telegrams are damaged") == 1


async def test_a_meter_takes_no_commands(line: Line):
    driver = driver_at(line.path)
    answer = await driver.apply(order(METER.id, HeatPumpPower(power_w=0.0), mono_s=0.0))
    assert answer.outcome is Outcome.REJECTED
    await driver.rest()
