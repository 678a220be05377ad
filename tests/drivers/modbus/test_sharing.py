"""Many users of one link: who goes first, who waits, when it opens and closes, and a serial line of another make."""

import asyncio
import struct
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from hems_drivers.modbus.backoff import Backoff
from hems_drivers.modbus.request import Function, LinkDownError, Priority, ReconnectedError, RefusedError
from tests.support.eventually import clock_at, eventually
from tests.support.modbus import FAST, asked, compiled, libmodbus, links, scripted, serial_line, tcp
from tests.support.modbus_link import answer, read, read_until_answered, wired


async def test_a_device_with_one_connection_is_shared_by_all_who_use_it():
    async def script(request: bytes, send, _writer) -> None:
        send(answer("tcp", request))

    async with scripted(script, one_at_a_time=True) as peer:
        house = links()
        first, second = house.tcp("127.0.0.1", peer.port), house.tcp("127.0.0.1", peer.port)
        assert first is second
        async with first.in_use(), second.in_use():
            both = await asyncio.gather(read(first, 100), read(second, 200, unit=2))
        assert list(both) == [(100, 101), (200, 201)]
        assert peer.connection_count == 1


async def test_steering_goes_first_then_fast_polls_and_old_requests_rise(tmp_path: Path):
    begun, go = asyncio.Event(), asyncio.Event()

    async def script(request: bytes, send, _writer) -> None:
        begun.set()
        await go.wait()
        if request[7] == 16:
            send(tcp(request, request[7:12]))
        else:
            send(answer("tcp", request))

    async with wired("tcp", script, tmp_path) as (link, peer):
        async with asyncio.TaskGroup() as group:
            group.create_task(read(link, 1))
            await begun.wait()
            for address, priority in ((10, Priority.DISCOVERY), (20, Priority.SLOW_POLL), (30, Priority.FAST_POLL)):
                group.create_task(link.read(unit=1, address=address, count=1, priority=priority))
            await asyncio.sleep(0)  # noqa: TID251 - let them queue
            group.create_task(link.write(unit=1, address=40, words=(5,)))
            await asyncio.sleep(0)  # noqa: TID251
            go.set()
        assert [asked(request, at=7)[0] for request in peer.requests] == [1, 40, 30, 20, 10]


async def test_a_request_whose_asker_has_left_is_not_sent(tmp_path: Path):
    begun, go = asyncio.Event(), asyncio.Event()

    async def script(request: bytes, send, _writer) -> None:
        begun.set()
        await go.wait()
        send(answer("tcp", request))

    async with wired("tcp", script, tmp_path) as (link, peer):
        first = asyncio.create_task(read(link, 1))
        await begun.wait()
        gone = asyncio.create_task(read(link, 2))
        await asyncio.sleep(0)  # noqa: TID251 - let it queue
        gone.cancel()
        first.cancel()  # on the wire: its answer must not become the next one's
        go.set()
        assert await read(link, 3) == (3, 4)
        assert [asked(request, at=7)[0] for request in peer.requests] == [1, 3]


async def test_long_reads_come_in_blocks_of_a_hundred(tmp_path: Path):
    async def script(request: bytes, send, _writer) -> None:
        send(answer("tcp", request))

    async with wired("tcp", script, tmp_path) as (link, peer):
        assert await read(link, 1000, count=230) == tuple(range(1000, 1230))
        assert [asked(request, at=7) for request in peer.requests] == [(1000, 100), (1100, 100), (1200, 30)]


async def test_a_write_meant_for_one_connection_is_not_sent_on_the_next(tmp_path: Path):
    async def script(request: bytes, send, writer) -> None:
        send(answer("tcp", request))
        if asked(request, at=7)[0] == 666:
            writer.close()

    async with wired("tcp", script, tmp_path) as (link, peer):
        await read(link, 100)
        known = link.connection_count
        await read(link, 666)
        await read_until_answered(link, 200)
        with pytest.raises(ReconnectedError):
            await link.write(unit=1, address=1, words=(1,), on_connection=known)
        assert all(request[7] == 3 for request in peer.requests)


async def test_the_gap_and_the_connect_delay_are_kept():
    """In house seconds, at ten times real time: 2 s after the connect, 1 s between requests."""
    times: list[float] = []
    clock = clock_at(10)

    async def script(request: bytes, send, _writer) -> None:
        times.append(clock.monotonic_s())
        send(answer("tcp", request))

    async with scripted(script) as peer:
        link = links(clock, replace(FAST, gap_s=1.0, connect_delay_s=2.0)).tcp("127.0.0.1", peer.port)
        async with link.in_use():
            begin_s = clock.monotonic_s()
            await asyncio.gather(read(link, 1), read(link, 2))
    assert times[0] - begin_s >= 2.0
    assert times[1] - times[0] >= 1.0


async def test_a_serial_line_with_libmodbus_at_its_end_reads_writes_and_refuses(tmp_path: Path):
    async with (
        serial_line(tmp_path) as (near, far),
        libmodbus(compiled(tmp_path), tmp_path, list(range(100, 140)), start=100, device=far) as server,
    ):
        link = links().rtu(near)
        async with link.in_use():
            assert await read(link, 110, count=10) == tuple(range(110, 120))
            await link.write(unit=1, address=110, words=(7, 8))
            await link.write(unit=1, address=112, words=(9,), function=Function.WRITE_SINGLE)
            assert await read(link, 109, count=5) == (109, 7, 8, 9, 113)
            with pytest.raises(RefusedError, match="no such register"):
                await read(link, 500)
        await eventually(lambda: len(server.wrote) == 2)
        assert server.wrote == ["0110006e00020400070008", "010600700009"]


async def test_a_port_that_is_not_there_is_said(tmp_path: Path):
    link = links().rtu(str(tmp_path / "nothing"))
    async with link.in_use():
        with pytest.raises(LinkDownError, match="is the adapter plugged in"):
            await read(link, 1)


async def test_whoever_comes_while_the_last_one_leaves_gets_a_whole_link():
    begun = asyncio.Event()

    async def script(request: bytes, send, _writer) -> None:
        begun.set()
        if asked(request, at=7)[0] != 1:
            send(answer("tcp", request))

    async with scripted(script) as peer:
        link = links().tcp("127.0.0.1", peer.port)

        async def leave() -> None:
            async with link.in_use():
                waiting = asyncio.create_task(read(link, 1))
                await begun.wait()
            with pytest.raises(LinkDownError, match="closed"):
                await waiting

        async def come() -> tuple[int, ...]:
            await begun.wait()
            await asyncio.sleep(0)  # noqa: TID251 - the other one is leaving now
            async with link.in_use():
                return await read(link, 2)

        _, words = await asyncio.gather(leave(), come())
    assert words == (2, 3)
    assert peer.connection_count == 2


@pytest.mark.parametrize("seed", range(5))
def test_pauses_double_up_to_a_minute_and_are_spread(seed: int):
    backoff, pauses_s = Backoff(Random(seed)), []
    for _ in range(12):
        backoff.failed(100.0)
        pauses_s.append(backoff.retry_mono_s - 100.0)
    for pause_s, middle_s in zip(pauses_s, [1, 2, 4, 8, 16, 32, *[60] * 6], strict=True):
        assert 0.8 * middle_s <= pause_s <= 1.2 * middle_s
    assert len(set(pauses_s[6:])) == 6
    assert backoff.succeeded(130.0) == 30.0
    assert backoff.succeeded(131.0) is None
    assert backoff.retry_mono_s < 0


async def test_the_link_closes_with_its_last_user_and_opens_for_the_next():
    async def script(request: bytes, send, _writer) -> None:
        send(answer("tcp", request))

    async with scripted(script) as peer:
        link = links().tcp("127.0.0.1", peer.port)
        for _ in range(2):
            async with link.in_use():
                assert await read(link, 5) == (5, 6)
        with pytest.raises(LinkDownError, match="not in use"):
            await read(link, 5)
        assert peer.connection_count == 2
        assert struct.unpack(">HH", peer.requests[0][8:]) == (5, 2)
