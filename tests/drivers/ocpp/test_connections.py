"""Who may call, how often, and what becomes of those who may not."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from hems.domain.errors import OperatingError
from hems.domain.site import DeviceId
from hems.domain.wiring import OcppConnection
from hems_drivers.ocpp import door
from tests.support.ocpp import (
    IDENTITY,
    PASSWORD,
    DictMemory,
    House,
    StationError,
    charger,
    house_clock,
    pause,
    running,
    station,
    until,
    warnings,
)


def authorization(identity: str = IDENTITY, password: str = PASSWORD) -> Mapping[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{identity}:{password}".encode()).decode()}


def url(house: House, identity: str = IDENTITY) -> str:
    return f"http://127.0.0.1:{house.driver.bound_port}/ocpp/{identity}"


async def test_a_stranger_is_turned_away_with_401_and_never_read(caplog: pytest.LogCaptureFixture):
    strangers = [(IDENTITY, "wrong"), (IDENTITY, None), (IDENTITY, ""), ("CP-0043", PASSWORD), ("\x00ü", PASSWORD)]
    async with running() as house, station(house) as each:
        for identity, password in strangers:
            with pytest.raises(StationError) as refused:
                await each.connect(identity, password)
            assert refused.value.code == 401
        assert house.driver.refused == len(strangers)
        assert house.readings == []
        assert len(warnings(caplog)) == 1
        assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !!!", "Bearer abc", "Basic /////w==", "Basic " + base64.b64encode(b"no colon").decode()],
)
async def test_odd_credentials_are_turned_away(header: str):
    async with running() as house, aiohttp.ClientSession() as session:
        answer = await session.get(url(house), headers={"Authorization": header})
        assert answer.status == 401


async def test_the_password_of_one_charger_does_not_open_another():
    both = {
        name: (charger(id=DeviceId(name), name=name), OcppConnection(identity=name, password=f"secret of {name}"))
        for name in ("one", "other")
    }
    async with running(chargers=both) as house, aiohttp.ClientSession() as session:
        answer = await session.get(url(house, "one"), headers=authorization("other", "secret of other"))
        assert answer.status == 401


@pytest.mark.parametrize("protocols", [(), ("ocpp2.0.1",)])
async def test_a_station_that_does_not_speak_1_6_is_told_so(protocols: tuple[str, ...]):
    async with running() as house, aiohttp.ClientSession() as session:
        socket = await session.ws_connect(url(house), headers=authorization(), protocols=protocols)
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1002


async def test_the_newest_socket_of_a_station_wins():
    async with running(clock=house_clock(5)) as house, station(house) as each:
        await each.ready()
        await each.bring(house, 0)
        floors = len(each.profiles("TxDefaultProfile"))
        await each.connect()
        await until(lambda: each.closed, "the older one is closed", within_s=1.5)
        await each.status("Preparing")
        await until(lambda: len(each.profiles("TxDefaultProfile")) > floors, "the newer one is set up")
        await each.bring(house, 10)
        assert (await each.do("limit"))["limit"] == 10


async def test_a_reconnect_storm_is_slowed_down_and_the_house_goes_on():
    async with running(clock=house_clock(1)) as house, aiohttp.ClientSession() as session:
        loop = asyncio.get_running_loop()
        late_s: list[float] = []

        async def tick() -> None:
            while True:
                due_s = loop.time() + 0.01
                waker = asyncio.Event()
                loop.call_at(due_s, waker.set)
                await waker.wait()
                late_s.append(loop.time() - due_s)

        ticking = asyncio.create_task(tick())
        codes: list[int] = []
        for _ in range(100):
            try:
                async with session.ws_connect(url(house), headers=authorization(), protocols=("ocpp1.6",)):
                    codes.append(101)
            except aiohttp.WSServerHandshakeError as error:
                codes.append(error.status)
        ticking.cancel()
        assert codes.count(101) == 5
        assert codes.count(429) == 95
        assert sorted(late_s)[len(late_s) * 19 // 20] < 0.1


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def strangers(house: House) -> AsyncGenerator[Callable[..., Awaitable[list[Stream]]]]:
    """Opens connections that say nothing, of which some may be ended at once."""
    made: list[Stream] = []

    async def opened(count: int, *, address: str = "127.0.0.1") -> list[Stream]:
        port = house.driver.bound_port
        new = [await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)) for _ in range(count)]
        made.extend(new)
        await pause(0.2)
        return new

    try:
        yield opened
    finally:
        for _, writer in made:
            writer.transport.abort()


def ended(connections: list[Stream]) -> int:
    return sum(reader.at_eof() or reader.exception() is not None for reader, _ in connections)


async def test_a_connection_that_says_nothing_is_ended_and_a_charger_may_be_silent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(door, "HANDSHAKE_TIMEOUT_S", 0.5)
    async with running(clock=house_clock(1)) as house, station(house) as each, strangers(house) as opened:
        await each.connect()
        connections = await opened(3)
        reader, writer = connections[0]
        writer.write(b"GET /ocpp/CP-0042 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"401" in await reader.readuntil(b"\r\n\r\n")
        assert ended(connections) == 0
        await until(lambda: ended(connections) == 3, "all of them are ended", within_s=2)
        await each.call("Heartbeat")
        assert each.closed == []


async def test_a_stranger_who_opens_connections_leaves_room_for_the_chargers(caplog: pytest.LogCaptureFixture):
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
    async with (
        running() as house,
        strangers(house) as opened,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        first = await opened(60)
        assert ended(first) == 50
        async with session.ws_connect(url(house), headers=authorization(), protocols=("ocpp1.6",)):
            others = [*await opened(10, address="127.0.0.2"), *await opened(10, address="127.0.0.3")]
            assert ended([*first, *others]) == 60 + 20 - 19
        assert sum("more connections" in each for each in warnings(caplog)) == 1


async def test_a_port_that_is_taken_is_told_in_one_sentence():
    async with running() as house:
        with pytest.raises(OperatingError, match=r"port \d+ of 127\.0\.0\.1: .*in use"):
            async with running(port=house.driver.bound_port or 0):
                pass


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OperatingError("the disk does not take it")])
async def test_a_disk_that_is_full_is_told_once_and_charging_goes_on(
    error: Exception, caplog: pytest.LogCaptureFixture
):
    memory = DictMemory()
    memory.error = error
    async with running(memory=memory) as house, station(house) as each:
        await each.ready()
        ids = [await each.start(house.clock, tag=tag) for tag in ("A", "B", "C")]
        assert len(set(ids)) == 3
        assert sum("would not survive a restart" in each for each in warnings(caplog)) == 1


@pytest.mark.parametrize("content", [b"", b"{", b'{"last_transaction_id": "x"}', b"\xff\xfe", b"null"])
async def test_a_damaged_memory_is_told_and_left(content: bytes, caplog: pytest.LogCaptureFixture):
    memory = DictMemory()
    memory.content = content
    async with running(memory=memory):
        assert any("memory of the chargers" in each for each in warnings(caplog))


async def test_frames_that_are_not_ocpp_are_answered_or_left_and_told_once(caplog: pytest.LogCaptureFixture):
    async with running() as house, aiohttp.ClientSession() as session:
        async with session.ws_connect(url(house), headers=authorization(), protocols=("ocpp1.6",)) as socket:
            odd = [
                "",
                "[",
                "7",
                "{}",
                "[]",
                "[2]",
                '[9,"a",{}]',
                '[2,"a"]',
                "[" * 20_000,
                '[3,"nobody",{}]',
                '[4,"b","x"]',
            ]
            for text in odd:
                await socket.send_str(text)
            await socket.send_bytes(b"\x00")
            await socket.send_str('[2,"c",["BootNotification"],{}]')
            assert (await socket.receive_json())[:3] == [4, "c", "FormationViolation"]
            await socket.send_str('[2,"d","MakeCoffee",{}]')
            assert (await socket.receive_json())[:3] == [4, "d", "NotImplemented"]
            await socket.send_str('[2,"e","Heartbeat",{}]')
            assert (await socket.receive_json())[:2] == [3, "e"]
        assert sum("not OCPP" in each for each in warnings(caplog)) == 1


async def test_a_flood_of_frames_is_read_slowly():
    async with running(clock=house_clock(1)) as house, aiohttp.ClientSession() as session:
        socket = await session.ws_connect(url(house), headers=authorization(), protocols=("ocpp1.6",))
        started_s = house.clock.monotonic_s()
        for each in range(260):
            await socket.send_str(f'[2,"{each}","Heartbeat",{{}}]')
        for each in range(260):
            while json.loads((await socket.receive()).data)[:2] != [3, str(each)]:
                pass
        assert house.clock.monotonic_s() - started_s > 0.5
        await socket.close()


async def test_a_name_that_is_no_text_is_turned_away():
    async with running() as house, aiohttp.ClientSession() as session:
        answer = await session.get(URL(url(house, "%ff%fe"), encoded=True), headers=authorization())
        assert answer.status == 401
