"""Telegrams, read by a foreign parser, over TCP and over a serial line."""

import asyncio
import warnings
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import serial  # type: ignore[import-untyped]
from dsmr_parser import telegram_specifications  # type: ignore[import-untyped]
from dsmr_parser.parsers import TelegramParser  # type: ignore[import-untyped]

from hems.sim.servers.p1 import P1Meter, crc16
from tests.support.eventually import eventually, running
from tests.support.sim_servers import NOON_AT, live, living_house


def parsed(telegram: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TelegramParser(telegram_specifications.V5).parse(telegram.decode("ascii"), throw_ex=True)


def test_the_checksum_is_that_of_the_standard_vector() -> None:
    assert crc16(b"123456789") == 0xBB3D


def test_a_foreign_parser_takes_a_telegram_and_reads_the_house_out_of_it() -> None:
    living = living_house()
    meter = P1Meter(living, zone=living.house.site.zone)
    live(living, 10)
    read = parsed(meter.telegram(living.house.at))
    net_kw = float(read.CURRENT_ELECTRICITY_USAGE.value) - float(read.CURRENT_ELECTRICITY_DELIVERY.value)
    assert net_kw == pytest.approx(living.grid_power_w / 1000, abs=0.0006)
    l2_kw = float(read.INSTANTANEOUS_ACTIVE_POWER_L2_POSITIVE.value) - float(
        read.INSTANTANEOUS_ACTIVE_POWER_L2_NEGATIVE.value
    )
    assert l2_kw == pytest.approx(living.grid_phase_w[1] / 1000, abs=0.0006)
    assert read.P1_MESSAGE_TIMESTAMP.value.astimezone(UTC) == NOON_AT + timedelta(seconds=10)
    assert living.grid_power_w < 0, "at noon it exports, or half of this sees nothing"


@pytest.mark.parametrize(
    ("at", "stamp"),
    [
        (datetime(2025, 7, 1, 12, 0, 0, tzinfo=UTC), b"(250701140000S)"),
        (datetime(2025, 10, 26, 0, 30, 0, tzinfo=UTC), b"(251026023000S)"),
        (datetime(2025, 10, 26, 1, 30, 0, tzinfo=UTC), b"(251026023000W)"),
    ],
)
def test_the_hour_that_comes_twice_is_told_apart(at: datetime, stamp: bytes) -> None:
    living = living_house()
    assert stamp in P1Meter(living, zone=living.house.site.zone).telegram(at)


def test_counters_grow_by_what_flows_in_the_tariff_of_the_hour() -> None:
    living = living_house(at=datetime(2024, 9, 16, 20, 45, tzinfo=UTC))
    meter = P1Meter(living, zone=living.house.site.zone)
    reads = [parsed(meter.telegram(living.house.at))]
    for _ in range(2):
        for _ in range(15):
            living.step(60)
        reads.append(parsed(meter.telegram(living.house.at)))
    low, normal = (
        [float(getattr(read, f"ELECTRICITY_USED_TARIFF_{tariff}").value) for read in reads] for tariff in (1, 2)
    )
    assert low[0] == low[1] < low[2]
    assert normal[0] < normal[1] == normal[2]


async def test_each_house_second_has_its_telegram_for_every_reader_at_60_times_real_time() -> None:
    living = living_house(speed=60)
    async with P1Meter(living, zone=living.house.site.zone) as meter:
        await meter.endpoint.regain()
        readers = [await asyncio.open_connection("127.0.0.1", meter.endpoint.port) for _ in range(2)]
        await eventually(lambda: meter.endpoint.connections == 2)
        async with running(living.run()), asyncio.timeout(10):
            for reader, writer in readers:
                got = [parsed(await reader.readuntil(b"\r\n!") + await reader.readline()) for _ in range(60)]
                seconds = [read.P1_MESSAGE_TIMESTAMP.value for read in got]
                assert [after - before for before, after in pairwise(seconds)] == [timedelta(seconds=1)] * 59
                writer.close()


async def test_a_lost_meter_is_silent_and_goes_on_counting() -> None:
    living = living_house()
    async with P1Meter(living, zone=living.house.site.zone) as meter:
        await meter.endpoint.regain()
        reader, writer = await asyncio.open_connection("127.0.0.1", meter.endpoint.port)
        await eventually(lambda: meter.endpoint.connections == 1)
        meter.endpoint.lose()
        before_wh = living.export_wh
        live(living, 30)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
        writer.close()
        await meter.endpoint.regain()
        reader, writer = await asyncio.open_connection("127.0.0.1", meter.endpoint.port)
        await eventually(lambda: meter.endpoint.connections == 1)
        live(living, 1)
        assert parsed(await reader.readuntil(b"\r\n!") + await reader.readline())
        assert living.export_wh > before_wh
        writer.close()


async def test_telegrams_come_over_a_serial_line_too_and_a_slow_reader_loses_whole_ones() -> None:
    living = living_house()
    async with P1Meter(living, zone=living.house.site.zone) as meter:
        await meter.endpoint.regain()
        path = meter.open_terminal()
        live(living, 30)  # more than a terminal holds
        with serial.Serial(path, 115_200, timeout=5) as line:
            line.reset_input_buffer()
            live(living, 1)
            telegram = line.read_until(b"\r\n!") + line.readline()
    assert parsed(telegram)
