"""What leaves the house keeps its order and its times over outages, and none of it is lost."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from hems import wire
from hems.aggregator import MESSAGES, Topics
from hems.app.stored import OffloadedOutbox
from hems.domain.errors import BadInputError
from hems.domain.flex import CommitmentState, TelemetryMinute
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.sim.memory_mqtt import MemoryBroker
from hems.sim.virtual_time import VirtualClock
from hems.store.findings import Findings
from hems.store.outbox import SegmentOutbox
from tests.support.aggregator_home import (
    BASE,
    START_AT,
    Home,
    MemoryOutbox,
    at_home,
    delivery,
    home_online,
    minute,
)
from tests.support.eventually import running
from tests.support.living import direct


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_message_has_a_strict_schema(name: str) -> None:
    schema = wire.schema_of(TypeAdapter(MESSAGES[name]), title=name)
    assert schema["additionalProperties"] is False
    assert all(part.get("additionalProperties") is False for part in schema["$defs"].values() if "properties" in part)
    assert schema["properties"]["schema"]["const"] == f"hems/{name}/1"


def test_status_and_delivery_arrive_in_order_after_an_outage_with_their_own_times() -> None:
    async def story(home: Home) -> None:
        home.broker.stop()
        for state in (CommitmentState.TRACKING, CommitmentState.DEVIATING, CommitmentState.COMPLETED):
            home.session.tell_status(event_id="event-1", revision=0, state=state, at=home.clock.now())
            await home.pass_s(600.0)
        home.session.tell_delivery(delivery())
        assert home.delivered == []
        home.broker.start()
        await home.pass_s(10.0)
        statuses = home.sent("status")
        assert [each["body"]["state"] for each in statuses] == ["tracking", "deviating", "completed"]
        assert [each["ts"] for each in statuses] == [each["body"]["at"] for each in statuses]
        assert [each["body"]["event_id"] for each in home.sent("delivery")] == ["event-1"]
        assert home.delivered == [delivery()]

    at_home(story)


def test_a_delivery_that_was_not_acknowledged_is_sent_again_as_the_same_message() -> None:
    async def story(home: Home) -> None:
        home.broker.acknowledging = False
        home.session.tell_delivery(delivery())
        await home.pass_s(10.0)
        assert home.delivered == []
        home.broker.acknowledging = True
        home.broker.cut(home.link)
        await home.pass_s(10.0)
        first, second = home.sent("delivery")
        assert first == second
        assert home.delivered == [delivery()]

    at_home(story)


def test_seven_days_without_a_broker_lose_no_minute() -> None:
    count = 7 * 24 * 60

    async def story(home: Home) -> None:
        home.broker.stop()
        for number in range(count):
            home.outbox.minutes.append(minute(number))
            await home.pass_s(60.0)
        await home.renew_envelope()
        home.broker.start()
        started_s = home.clock.monotonic_s()
        while home.outbox.cursor < count:
            home.session.tell_live(at=home.clock.now(), grid_power_w=1.0, setpoint_w=None, mode="normal")
            await home.pass_s(1.0)
        took_s = home.clock.monotonic_s() - started_s
        arrived = [each for message in home.sent("telemetry/minutes") for each in message["body"]["minutes"]]
        assert [(each["boot"], each["seq"]) for each in arrived] == [("boot-1", number) for number in range(count)]
        assert arrived[-1]["start_at"] == (START_AT + timedelta(minutes=count - 1)).isoformat().replace("+00:00", "Z")
        assert len(home.sent("telemetry")) >= took_s / 6, "live values went on meanwhile"
        assert count / 60 - 2 <= took_s < 300, "one message of sixty minutes a second"
        assert max(map(len, home.broker.payloads(f"{BASE}/telemetry/minutes"))) < 16_384

    at_home(story)


def test_a_broker_that_comes_and_goes_repeats_minutes_and_never_skips_one() -> None:
    async def story(home: Home) -> None:
        home.outbox.minutes = [minute(number) for number in range(600)]
        for round_number in range(8):
            home.broker.acknowledging = bool(round_number % 2)
            known = home.outbox.cursor
            await home.pass_s(1.5)
            assert home.broker.acknowledging or home.outbox.cursor == known
            home.broker.cut(home.link)
        home.broker.acknowledging = True
        await home.pass_s(60.0)
        arrived = [each["seq"] for message in home.sent("telemetry/minutes") for each in message["body"]["minutes"]]
        assert list(dict.fromkeys(arrived)) == list(range(600))
        assert home.outbox.cursor == 600

    at_home(story)


def test_the_age_of_the_heartbeat_is_known_once_there_was_one() -> None:
    async def story(home: Home) -> None:
        assert home.session.heartbeat_age_s is None
        home.broker.publish("fx/1/agg/hb", b"{}")
        await home.pass_s(40.0)
        assert home.session.heartbeat_age_s == pytest.approx(40.0)

    at_home(story)


def test_sequence_numbers_grow_on_every_topic_even_when_the_clock_steps_back() -> None:
    async def story(home: Home) -> None:
        for _ in range(20):
            home.session.tell_live(at=home.clock.now(), grid_power_w=None, setpoint_w=None, mode="normal")
            await home.pass_s(6.0)
            home.clock.step_wall(-60.0)
        seqs = [each["seq"] for each in home.sent("telemetry")]
        assert len(seqs) > 10
        assert seqs == sorted(set(seqs))

    at_home(story)


@pytest.mark.parametrize("bad", ["", "a/b", "a+", "#", "Ä", "x" * 65])
def test_an_id_that_is_no_level_of_a_topic_is_refused(bad: str) -> None:
    with pytest.raises(BadInputError, match="1 to 64 letters"):
        Topics("agg", bad)
    with pytest.raises(BadInputError, match="1 to 64 letters"):
        Topics(bad, "home")


def test_every_message_that_leaves_is_one_of_the_published_schemas() -> None:
    async def story(home: Home) -> None:
        home.outbox.minutes = [minute(0)]
        home.session.tell_live(at=home.clock.now(), grid_power_w=None, setpoint_w=1.0, mode="normal")
        home.session.tell_status(event_id="e", revision=0, state=CommitmentState.TRACKING, at=home.clock.now())
        home.session.tell_delivery(delivery())
        await home.ask("setpoint", home.far.setpoint(home.house.in_force, 9e9))
        await home.pass_s(10.0)
        seen = set()
        for message in home.broker.published:
            if "/cmd/" not in message.topic:
                name = json.loads(message.payload)["schema"].split("/")[1]
                wire.parse(MESSAGES[name], message.payload, source=name)
                seen.add(name)
        assert seen == set(MESSAGES) - {"mqtt-setpoint", "mqtt-cancel"}

    at_home(story)


def test_an_outbox_that_fails_ends_the_session_for_whoever_supervises_it() -> None:
    class BrokenOutbox(MemoryOutbox):
        async def pending(self, count_max: int) -> list[TelemetryMinute]:
            raise RuntimeError(f"bug while reading {count_max}")

    async def main() -> None:
        home = Home(MemoryBroker(), VirtualClock(START_AT))
        home.outbox = BrokenOutbox()
        session = home.session_on(home.link)
        async with running(home.link.run()):
            with pytest.raises(ExceptionGroup):
                await session.run()

    virtual_time.run(main())


def test_seven_days_without_a_broker_come_from_disk_afterwards_whole_and_within_the_cap(tmp_path: Path) -> None:
    count = 7 * 1_440

    async def main() -> None:
        clock = VirtualClock(START_AT)
        findings = Findings()
        kept = SegmentOutbox(SystemFiles(tmp_path), "outbox", findings, clock)

        async with home_online(clock, OffloadedOutbox(kept, direct)) as home:
            home.broker.stop()
            for number in range(count):
                kept.append(minute(number))
            assert kept.save()
            assert len(kept.pending(count + 1)) == count
            home.broker.start()
            heard: list[tuple[str, int]] = []
            ends_s = home.clock.monotonic_s() + 3_600
            while len(heard) < count and home.clock.monotonic_s() < ends_s:
                await home.clock.sleep_until(home.clock.monotonic_s() + 10)
                messages = [json.loads(each) for each in home.broker.payloads(f"{BASE}/telemetry/minutes")]
                heard = [(each["boot"], each["seq"]) for message in messages for each in message["body"]["minutes"]]
        assert heard == [(minute(number).boot, minute(number).seq) for number in range(count)]
        assert findings.found == ()

    virtual_time.run(main())
    on_disk = sum(each.stat().st_size for each in (tmp_path / "outbox").iterdir())
    assert on_disk <= 64 * 2**20
