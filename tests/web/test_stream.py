"""The event stream: what is new, not too often, to everybody, and over when the server goes."""

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass, replace

import aiohttp
import pytest

from hems.web import stream
from tests.support.fake_house import FakeHouse, served
from tests.support.page_scenes import day
from tests.support.web import Web

SOON_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    name: str
    document: dict[str, object]
    at_s: float


async def next_event(answer: aiohttp.ClientResponse) -> Event:
    lines: list[str] = []
    async with asyncio.timeout(SOON_S):
        while (line := (await answer.content.readline()).decode().rstrip("\n")) or not lines:
            if not line and answer.content.at_eof():
                raise EOFError
            lines.append(line)
    fields = dict(line.split(": ", 1) for line in lines)
    return Event(
        name=fields["event"], document=json.loads(fields["data"]), at_s=asyncio.get_running_loop().time()
    )  # fmt: skip


async def next_state(answer: aiohttp.ClientResponse) -> Event:
    while (event := await next_event(answer)).name != "state":
        pass
    return event


async def test_the_state_comes_at_once_and_a_heartbeat_with_the_version(web: Web) -> None:
    async with web.http.get("/api/v1/stream") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        state, beat = await next_event(answer), await next_event(answer)
    assert (state.name, state.document["seq"]) == ("state", web.house.snapshot().seq)
    assert beat.name == "hb"
    async with web.http.get("/") as page:
        assert f"static/{beat.document['version']}/app.mjs" in await page.text()


async def test_many_changes_are_one_event_a_second_and_the_last_one_counts(web: Web) -> None:
    async with web.http.get("/api/v1/stream") as answer:
        await next_state(answer)
        web.house.put(day())
        first = await next_state(answer)
        for _ in range(50):
            web.house.put(day())
        last = await next_state(answer)
    assert last.document["seq"] == web.house.latest.seq
    assert last.at_s - first.at_s > 0.9 * stream.STATE_PERIOD_S


async def test_a_quiet_house_still_beats(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    async with web.http.get("/api/v1/stream") as answer:
        names = [(await next_event(answer)).name for _ in range(4)]
    assert names == ["state", "hb", "hb", "hb"]


async def test_more_readers_than_it_can_serve_are_refused_and_a_place_comes_free(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CLIENTS_MAX", 2)
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.02)
    first = await web.http.get("/api/v1/stream")
    second = await web.http.get("/api/v1/stream")
    async with web.http.get("/api/v1/stream") as answer:
        assert answer.status == 503
        assert "close one" in (await answer.json())["error"]
    first.close()
    status = 503
    async with asyncio.timeout(SOON_S):
        while status != 200:  # until the server has noticed
            async with web.http.get("/api/v1/stream") as answer:
                status = answer.status
    second.close()


async def test_a_reader_that_takes_nothing_is_dropped_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STATE_PERIOD_S", 0.001)
    monkeypatch.setattr(stream, "WRITE_TIMEOUT_S", 0.3)
    house = FakeHouse()
    house.put(replace(day(), site="x" * 500_000))
    async with (
        served(house) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", read_bufsize=2**20) as http,
        contextlib.AsyncExitStack() as stack,
    ):
        sleeper = stack.enter_context(socket.socket())
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeper.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sleeper, ("127.0.0.1", port))
        await loop.sock_sendall(sleeper, b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
        async with http.get("/api/v1/stream") as answer:
            until_s = loop.time() + 3 * stream.WRITE_TIMEOUT_S
            while loop.time() < until_s:
                house.put(house.latest)
                while (await next_state(answer)).document["seq"] != house.latest.seq:
                    pass
        async with asyncio.timeout(SOON_S):
            while await _received(sleeper):
                house.put(house.latest)


async def test_a_server_that_stops_ends_its_streams_at_once() -> None:
    house = FakeHouse()
    async with aiohttp.ClientSession() as http:
        async with served(house) as port:
            answer = await http.get(f"http://127.0.0.1:{port}/api/v1/stream")
            await next_state(answer)
            stopping_s = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopping_s < 1.5
        async with asyncio.timeout(SOON_S):
            assert await _read_to_the_end(answer)
        answer.close()


async def _received(sock: socket.socket) -> bool:
    """Whether the other side still has it open."""
    try:
        return bool(await asyncio.get_running_loop().sock_recv(sock, 2**20))
    except ConnectionResetError:
        return False


async def _read_to_the_end(answer: aiohttp.ClientResponse) -> bool:
    try:
        while not answer.content.at_eof():
            await answer.content.readany()
    except aiohttp.ClientError:
        pass
    return True
