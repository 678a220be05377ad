"""The link on a bad wire: every register holds its own address there, so that a wrong answer cannot go unnoticed."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hems_drivers.modbus.request import (
    BrokenReplyError,
    ConnectionLostError,
    LinkDownError,
    LinkError,
    NoReplyError,
    Refusal,
    RefusedError,
)
from tests.support.eventually import clock_at, eventually
from tests.support.modbus import FAST, asked, links, registers, rtu, scripted, tcp
from tests.support.modbus_link import KINDS, SPEED, answer, read, read_until_answered, wired


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
