"""The link on the wire: every register holds its own address there, so that a wrong answer cannot go unnoticed."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from hems_drivers.modbus.backoff import Backoff
from hems_drivers.modbus.link import Link
from hems_drivers.modbus.request import (
    BrokenReplyError,
    ConnectionLostError,
    Function,
    LinkDownError,
    LinkError,
    NoReplyError,
    Priority,
    ReconnectedError,
    Refusal,
    RefusedError,
    TcpEndpoint,
)
from tests.support.eventually import clock_at, eventually
from tests.support.modbus import (
    FAST,
    Peer,
    Script,
    asked,
    compiled,
    libmodbus,
    links,
    registers,
    rtu,
    scripted,
    serial_line,
    tcp,
)

SPEED = 50.0
"""House seconds in a real one: pauses pass quickly, timeouts stay real."""
KINDS = ("tcp", "rtu over tcp", "serial")


@asynccontextmanager
async def wired(kind: str, script: Script, folder: Path) -> AsyncIterator[tuple[Link, Peer]]:
    """A link to a scripted peer; on the serial line socat stands between."""
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(scripted(script, rtu=kind != "tcp"))
        house = links(clock_at(SPEED), FAST)
        if kind == "serial":
            near, _ = await stack.enter_async_context(serial_line(folder, far=f"tcp:127.0.0.1:{peer.port}"))
            link = house.rtu(near)
        else:
            link = house.at(TcpEndpoint(host="127.0.0.1", port=peer.port, rtu_framing=kind != "tcp"))
        await stack.enter_async_context(link.in_use())
        yield link, peer


def answer(kind: str, request: bytes) -> bytes:
    """The right one."""
    at = 7 if kind == "tcp" else 1
    body = registers(*asked(request, at=at))
    return tcp(request, body) if kind == "tcp" else rtu(request, body)


async def read(link: Link, address: int, *, count: int = 2, unit: int = 1) -> tuple[int, ...]:
    return await link.read(unit=unit, address=address, count=count)


async def read_until_answered(link: Link, address: int) -> tuple[int, ...]:
    """Ask again and again, as a driver does; whatever is answered is right, or this fails."""
    async with asyncio.timeout(15):
        while True:
            try:
                words = await read(link, address)
            except LinkError:
                await asyncio.sleep(0.005)  # noqa: TID251 - real time: the peer is a real process
                continue
            assert words == (address, address + 1)
            return words


@pytest.mark.parametrize("kind", KINDS)
async def test_a_late_reply_is_nobodys_answer(kind: str, tmp_path: Path):
    """The answer to register 100 comes when 200 has been asked for: same unit, function and length."""
    late: list[bytes] = []

    async def script(request: bytes, send, writer) -> None:
        if not late:
            late.append(answer(kind, request))
            loop = asyncio.get_running_loop()
            loop.call_later(FAST.reply_timeout_s + 0.03, writer.write, late[0])
        else:
            send(answer(kind, request))

    async with wired(kind, script, tmp_path) as (link, _):
        with pytest.raises(NoReplyError, match="no answer within"):
            await read(link, 100)
        assert await read_until_answered(link, 200) == (200, 201)
        assert await read_until_answered(link, 300) == (300, 301)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next(kind: str, tmp_path: Path):
    """A second copy of each answer, which arrives while the line is idle."""
    again: list[asyncio.TimerHandle] = []

    async def script(request: bytes, send, writer) -> None:
        send(answer(kind, request))
        if len(again) < 2:
            again.append(asyncio.get_running_loop().call_later(0.03, writer.write, answer(kind, request)))

    async with wired(kind, script, tmp_path) as (link, _):
        for address in (100, 200, 300):
            assert await read_until_answered(link, address)
            if address < 300:
                await eventually(lambda: link.connection is None, what="the second copy")
        assert link.connection_count == (1 if kind == "serial" else 3)


def half(kind: str, request: bytes) -> bytes:
    return answer(kind, request)[:6]


def noise(_kind: str, _request: bytes) -> bytes:
    return b"\xa5" * 11


def body(content: bytes, *, unit: int = 1) -> Callable[[str, bytes], bytes]:
    def flawed(kind: str, request: bytes) -> bytes:
        return framed(kind, request, content, unit=unit)

    return flawed


FLAWS: dict[str, Callable[[str, bytes], bytes]] = {
    "half a frame": half,
    "one register less": body(registers(100, 1)),
    "one register more": body(registers(100, 3)),
    "no register": body(b"\x03\x00"),
    "another function": body(b"\x04" + registers(100, 2)[1:]),
    "another unit": body(registers(100, 2), unit=9),
    "noise": noise,
}


def framed(kind: str, request: bytes, body: bytes, *, unit: int = 1) -> bytes:
    if kind == "tcp":
        return tcp(request[:6] + bytes([unit]) + request[7:], body)
    return rtu(bytes([unit]) + request[1:], body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flaw", FLAWS)
async def test_a_broken_reply_is_told_and_the_next_request_is_answered(kind: str, flaw: str, tmp_path: Path):
    async def script(request: bytes, send, _writer) -> None:
        bad = asked(request, at=7 if kind == "tcp" else 1)[0] == 100
        send(FLAWS[flaw](kind, request) if bad else answer(kind, request))

    async with wired(kind, script, tmp_path) as (link, peer):
        with pytest.raises(NoReplyError if flaw == "half a frame" else BrokenReplyError):
            await read(link, 100)
        assert await read_until_answered(link, 200) == (200, 201)
        assert peer.connection_count == (1 if kind == "serial" else 2)


async def test_another_transaction_number_is_refused_and_zero_is_taken(tmp_path: Path):
    async def script(request: bytes, send, _writer) -> None:
        address, count = asked(request, at=7)
        send(tcp(request, registers(address, count), transaction={100: 77, 200: 0}.get(address)))

    async with wired("tcp", script, tmp_path) as (link, _):
        with pytest.raises(BrokenReplyError, match="answers transaction 77, asked was 1"):
            await read(link, 100)
        assert await read_until_answered(link, 200) == (200, 201)


@pytest.mark.parametrize("half", [0, 5])
async def test_a_peer_that_goes_mid_reply_is_noticed_at_once(half: int, tmp_path: Path):
    """Closed in order or reset, before or in the middle of its reply."""

    async def script(request: bytes, send, writer) -> None:
        if asked(request, at=7)[0] == 100:
            send(answer("tcp", request)[:half])
            writer.transport.abort() if half else writer.close()
        else:
            send(answer("tcp", request))

    async with wired("tcp", script, tmp_path) as (link, _):
        begin_s = asyncio.get_running_loop().time()
        with pytest.raises(ConnectionLostError, match="ended the connection"):
            await read(link, 100)
        assert asyncio.get_running_loop().time() - begin_s < FAST.reply_timeout_s
        assert await read_until_answered(link, 200) == (200, 201)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [2, 4, 6, 11, 0x63])
async def test_an_exception_is_an_answer_and_the_connection_stays(kind: str, code: int, tmp_path: Path):
    async def script(request: bytes, send, _writer) -> None:
        bad = asked(request, at=7 if kind == "tcp" else 1)[0] == 100
        send(framed(kind, request, bytes([0x83, code])) if bad else answer(kind, request))

    async with wired(kind, script, tmp_path) as (link, peer):
        with pytest.raises(RefusedError, match=f"exception {code}") as caught:
            await read(link, 100)
        assert caught.value.code == code
        assert caught.value.unit_is_silent == (code == Refusal.GATEWAY_NO_ANSWER)
        assert await read_until_answered(link, 200) == (200, 201)
        assert peer.connection_count == link.connection_count == 1


async def test_a_silent_unit_behind_a_gateway_is_paused_and_its_neighbour_is_not(tmp_path: Path):
    async def script(request: bytes, send, _writer) -> None:
        send(tcp(request, b"\x83\x0b") if request[6] == 9 else answer("tcp", request))

    async with wired("tcp", script, tmp_path) as (link, peer):
        with pytest.raises(RefusedError, match="the unit behind the gateway is silent"):
            await read(link, 100, unit=9)
        with pytest.raises(LinkDownError, match="given a pause"):
            await read(link, 100, unit=9)
        assert await read(link, 200) == (200, 201)
        assert [request[6] for request in peer.requests] == [9, 1]


async def test_a_refused_connect_is_told_once_and_tried_again_with_growing_pauses(caplog):
    async def script(request: bytes, send, _writer) -> None:
        send(answer("tcp", request))

    async with scripted(script) as peer:
        port = peer.port
    link = links(clock_at(SPEED)).tcp("127.0.0.1", port)
    async with link.in_use():
        with pytest.raises(LinkDownError, match="cannot connect; is it switched on"):
            await read(link, 100)
        with pytest.raises(LinkDownError, match="no connection"):
            await read(link, 100)
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
        async with asyncio.timeout(5):
            while link.connection_count == 0:
                with suppress(LinkError):
                    await read(link, 100)
                await asyncio.sleep(0.005)  # noqa: TID251 - real time
        server.close()
        await server.wait_closed()
    assert sum("cannot connect" in record.message for record in caplog.records) == 1


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
