"""What a grid operator's box publishes, as heartbeats and limits; in virtual time, and once through mosquitto."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.domain.operator import LimitWrite, Way
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring
from hems.runtime.mqtt import MqttLink
from hems.sim.memory_mqtt import MemoryBroker
from hems.sim.virtual_time import VirtualClock, run
from hems_drivers.mqtt import OperatorBox
from tests.support.eventually import START_AT, clock_at, eventually, running
from tests.support.mqtt import broker_in

LIMIT = LimitSource(way=Way.CONSUMPTION, limit=MqttPoint(topic="box", path=("lpc", "w")))
STAGES = LimitSource(
    way=Way.PRODUCTION,
    contacts=tuple(
        LimitContact(state=MqttPoint(topic=f"k{number}"), limited="on", free="off", limit_w=limit_w)
        for number, limit_w in enumerate((6_000.0, 3_000.0, 0.0))
    ),
)


@dataclass
class Inbox:
    """Remembers what it is told; refuses what is below 0."""

    told: list[str | tuple[Way, LimitWrite]] = field(default_factory=list)

    def heartbeat(self) -> None:
        self.told.append("alive")

    async def write(self, way: Way, wanted: LimitWrite) -> str | None:
        self.told.append((way, wanted))
        return "below 0 W" if wanted.limit_w is not None and wanted.limit_w < 0 else None

    def taken(self) -> list[str | tuple[Way, LimitWrite]]:
        told, self.told = self.told, []
        return told


@dataclass
class Scene:
    """A box at a broker, and what came of it."""

    broker: MemoryBroker
    clock: VirtualClock
    inbox: Inbox

    async def say(self, topic: str, payload: str, *, retain: bool = False) -> list[str | tuple[Way, LimitWrite]]:
        self.broker.publish(topic, payload, retain=retain)
        await self.clock.sleep_until(self.clock.monotonic_s() + 1.0)
        return self.inbox.taken()


@asynccontextmanager
async def scene(
    *sources: LimitSource, heartbeat: str | None = None, before: dict[str, str] | None = None
) -> AsyncIterator[Scene]:
    broker, clock, inbox = MemoryBroker(), VirtualClock(START_AT), Inbox()
    for topic, payload in (before or {}).items():
        broker.publish(topic, payload, retain=True)
    link = broker.link()
    box = OperatorBox(OperatorWiring(connection="b", heartbeat_topic=heartbeat, sources=sources), link, clock)
    async with running(link.run()), running(box.run(inbox)):
        await clock.sleep_until(1.0)
        yield Scene(broker, clock, inbox)


def virtually(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    run(main())


def limited(limit_w: float | None, way: Way = Way.CONSUMPTION) -> tuple[Way, LimitWrite]:
    return way, LimitWrite(limit_w=limit_w)


def test_a_limit_is_a_heartbeat_and_a_write() -> None:
    async def test() -> None:
        async with scene(LIMIT) as here:
            assert await here.say("box", '{"lpc": {"w": 4200}}') == ["alive", limited(4_200.0)]
            assert await here.say("box", '{"lpc": {"w": null}}') == ["alive", limited(None)]
            assert await here.say("box", '{"lpc": {"w": "none"}}') == ["alive", limited(None)]

    virtually(test)


@pytest.mark.parametrize("payload", ["", "{}", '{"lpc": {}}', '{"lpc": {"w": "4 kW"}}', "\x00", '{"lpc": {"w": true}}'])
def test_what_is_no_limit_sets_nobody_free(payload: str, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with scene(LIMIT) as here:
            await here.say("box", '{"lpc": {"w": 4200}}')
            assert await here.say("box", payload) == ["alive", limited(4_200.0)]
            await here.say("box", payload)

    virtually(test)
    assert sum("what was told before it goes on" in each.getMessage() for each in caplog.records) == 1


def test_contacts_count_when_all_are_known_and_the_smallest_that_is_closed_holds() -> None:
    async def test() -> None:
        async with scene(STAGES) as here:
            assert await here.say("k0", "off") == ["alive"]
            assert await here.say("k1", "off") == ["alive"]
            assert await here.say("k2", "off") == ["alive", limited(None, Way.PRODUCTION)]
            assert await here.say("k0", "on") == ["alive", limited(6_000.0, Way.PRODUCTION)]
            assert await here.say("k1", "on") == ["alive", limited(3_000.0, Way.PRODUCTION)]
            assert await here.say("k2", "unavailable") == ["alive", limited(0.0, Way.PRODUCTION)]

    virtually(test)


def test_what_is_retained_is_known_and_proves_no_life() -> None:
    async def test() -> None:
        async with scene(LIMIT, heartbeat="alive", before={"box": '{"lpc": {"w": 3000}}'}) as here:
            assert here.inbox.taken() == [limited(3_000.0)]  # whoever takes it asks for a heartbeat first
            assert await here.say("alive", "1") == ["alive", limited(3_000.0)]
            assert await here.say("box", '{"lpc": {"w": 2000}}') == [limited(2_000.0)]

    virtually(test)


def test_what_was_said_before_a_long_silence_is_not_taken_for_news() -> None:
    async def test() -> None:
        async with scene(LIMIT, heartbeat="alive") as here:
            await here.say("alive", "1")
            assert await here.say("box", '{"lpc": {"w": null}}') == [limited(None)]
            await here.clock.sleep_until(500.0)
            assert await here.say("alive", "1") == ["alive"]
            assert await here.say("box", '{"lpc": {"w": 2000}}') == [limited(2_000.0)]

    virtually(test)


def test_a_refusal_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with scene(LIMIT) as here:
            for _ in range(3):
                await here.say("box", '{"lpc": {"w": -5}}')

    virtually(test)
    assert [each.getMessage() for each in caplog.records] == [
        "the grid operator's limit on consumption is refused: below 0 W"
    ]


@given(st.lists(st.tuples(st.sampled_from(["box", "k0", "k1", "k2", "alive"]), st.binary(max_size=40)), max_size=6))
def test_no_bytes_stop_it(said: list[tuple[str, bytes]]) -> None:
    async def test() -> None:
        async with scene(LIMIT, STAGES, heartbeat="alive") as here:
            for topic, payload in said:
                here.broker.publish(topic, payload)
            assert (await here.say("alive", "1"))[0] == "alive"

    virtually(test)


async def test_a_box_at_a_real_broker(tmp_path: Path) -> None:
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto's clients are not installed")
    inbox = Inbox()
    async with broker_in(tmp_path) as broker:
        clock = clock_at(1.0)
        link = MqttLink(broker.connection, client_id="hems", will=None, clock=clock, random=random.Random(1))
        wiring = OperatorWiring(connection="b", heartbeat_topic="alive", sources=(LIMIT,))
        box = OperatorBox(wiring, link, clock)
        await _pub(broker.port, "box", '{"lpc": {"w": 4200}}', "-r")
        async with running(link.run()), running(box.run(inbox)):
            await eventually(lambda: limited(4_200.0) in inbox.told)
            assert "alive" not in inbox.told
            await _pub(broker.port, "alive", "1")
            await eventually(lambda: "alive" in inbox.told)
            await _pub(broker.port, "box", '{"lpc": {"w": null}}', "-r")
            await eventually(lambda: limited(None) in inbox.told)


async def _pub(port: int, topic: str, payload: str, *flags: str) -> None:
    command = await asyncio.create_subprocess_exec("mosquitto_pub", "-p", str(port), "-t", topic, "-m", payload, *flags)
    assert await command.wait() == 0
