"""The session against a broker in memory, in virtual time."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hems.domain.flex import Direction, HoldBlock
from hems.sim import virtual_time
from tests.support.aggregator_home import BASE, START_AT, Home, at_home, delivery, home_online, minute
from tests.support.eventually import running


def test_birth_and_envelope_are_retained_and_the_will_says_offline() -> None:
    async def story(home: Home) -> None:
        state = json.loads(home.broker.retained[f"{BASE}/state"])
        assert state["schema"] == "hems/mqtt-state/1"
        assert state["body"] == {"online": True, "clock_trusted": True}
        envelope = json.loads(home.broker.retained[f"{BASE}/envelope"])
        assert home.house.in_force is not None
        assert envelope["body"]["envelope_id"] == home.house.in_force.envelope_id
        assert envelope["exp"] == envelope["body"]["valid_until_at"] == "2026-01-15T12:20:00Z"
        home.broker.stop()
        topic, payload, retain = home.link.will or ("", b"", False)
        assert (topic, retain, json.loads(payload)["body"]["online"]) == (f"{BASE}/state", True, False)

    at_home(story)


def test_after_each_reconnect_comes_birth_then_envelope_then_what_waited() -> None:
    async def story(home: Home) -> None:
        home.broker.stop()
        home.session.tell_delivery(delivery())
        home.outbox.minutes.append(minute(0))
        await home.pass_s(100.0)
        before = len(home.broker.published)
        home.broker.start()
        await home.pass_s(10.0)
        topics = [message.topic.removeprefix(f"{BASE}/") for message in home.broker.published[before:]]
        assert topics[:2] == ["state", "envelope"]
        assert sorted(topics[2:4]) == ["delivery", "telemetry/minutes"]

    at_home(story)


def test_a_new_envelope_is_published_once_and_an_expired_one_not_at_all() -> None:
    async def story(home: Home) -> None:
        await home.pass_s(30.0)
        assert len(home.sent("envelope")) == 1
        renewed = await home.renew_envelope()
        assert [each["body"]["envelope_id"] for each in home.sent("envelope")][1:] == [renewed.envelope_id]
        await home.pass_s(2_000.0)
        home.broker.stop()
        await home.pass_s(1.0)
        home.broker.start()
        await home.pass_s(5.0)
        assert len(home.sent("envelope")) == 2

    at_home(story)


def test_live_values_are_sent_every_five_seconds_at_most_and_never_twice() -> None:
    async def story(home: Home) -> None:
        for second in range(60):
            home.session.tell_live(at=home.clock.now(), grid_power_w=float(second), setpoint_w=None, mode="normal")
            await home.pass_s(1.0)
        live = home.sent("telemetry")
        assert 11 <= len(live) <= 13
        assert live[-1]["body"]["setpoint_w"] is None
        await home.pass_s(60.0)
        assert len(home.sent("telemetry")) <= len(live) + 1

    at_home(story)


def test_a_setpoint_inside_the_envelope_is_offered_to_the_house_and_acknowledged() -> None:
    async def story(home: Home) -> None:
        frame = home.far.setpoint(home.house.in_force, 4_000.0, -3_000.0, 1_500.0)
        answer = await home.ask("setpoint", frame)
        expected = {
            "reply_to": frame["id"],
            "event_id": "event-1",
            "revision": 0,
            "result": "accepted",
            "refusal": None,
        }
        assert answer == expected
        assert [setpoint.power_w for setpoint in home.house.offered] == [(4_000.0, -3_000.0, 1_500.0)]
        assert home.house.offered[0].start_at.tzname() == "UTC"

    at_home(story)


def test_a_setpoint_outside_is_refused_with_the_bound_that_it_breaks() -> None:
    async def story(home: Home) -> None:
        answer = await home.ask("setpoint", home.far.setpoint(home.house.in_force, 4_000.0, 4_000.1))
        assert answer["result"] == "refused"
        assert answer["refusal"]["code"] == "outside_envelope"
        assert answer["refusal"]["violated"] == {"bound": "up 3600 s", "step": 1, "asked_w": 4000.1, "limit_w": 4000}
        assert home.house.accepted == {}

    at_home(story)


def test_the_same_message_again_gets_the_same_answer_and_the_house_is_not_asked_again() -> None:
    async def story(home: Home) -> None:
        frame = home.far.setpoint(home.house.in_force, 1_000.0)
        answers = [await home.ask("setpoint", frame) for _ in range(3)]
        assert answers[0] == answers[1] == answers[2]
        assert len(home.house.offered) == 1

    at_home(story)


def test_the_same_revision_in_a_new_message_gets_the_same_answer() -> None:
    async def story(home: Home) -> None:
        for power_w, result in ((1_000.0, "accepted"), (9_000.0, "refused")):
            same = {"event_id": f"event-{power_w:.0f}", "start_at": home.clock.now().isoformat()}
            first = await home.ask("setpoint", home.far.setpoint(home.house.in_force, power_w, **same))
            second = await home.ask("setpoint", home.far.setpoint(home.house.in_force, power_w, **same))
            assert (first["result"], second["result"]) == (result, result)
            assert first["refusal"] == second["refusal"]
        assert len(home.house.accepted) == 1

    at_home(story)


def test_a_refusal_stays_until_the_revision_is_raised_even_if_the_house_could_by_then() -> None:
    async def story(home: Home) -> None:
        small = home.house.in_force
        assert small is not None
        same = {"start_at": home.clock.now().isoformat()}
        first = await home.ask("setpoint", home.far.setpoint(small, 5_500.0, **same))
        roomier = HoldBlock(direction=Direction.UP, power_w=6_000.0, duration_s=900)
        home.house.in_force = replace(small, hold_blocks=(roomier, *small.hold_blocks))
        assert await home.ask("setpoint", home.far.setpoint(small, 5_500.0, **same)) | {"reply_to": ""} == first | {
            "reply_to": ""
        }
        raised = await home.ask("setpoint", home.far.setpoint(small, 5_500.0, **same, revision=1))
        assert raised["result"] == "accepted"

    at_home(story)


def test_a_revision_with_another_content_is_refused() -> None:
    async def story(home: Home) -> None:
        await home.ask("setpoint", home.far.setpoint(home.house.in_force, 1_000.0))
        answer = await home.ask("setpoint", home.far.setpoint(home.house.in_force, 1_001.0))
        assert answer["refusal"]["code"] == "replay"
        assert "raise the revision" in answer["refusal"]["text"]
        answer = await home.ask("setpoint", home.far.setpoint(home.house.in_force, 1_001.0, revision=1))
        assert answer["result"] == "accepted"

    at_home(story)


def test_a_commitment_can_be_cancelled_once() -> None:
    async def story(home: Home) -> None:
        await home.ask("setpoint", home.far.setpoint(home.house.in_force, 1_000.0))
        assert (await home.ask("cancel", home.far.cancel()))["result"] == "accepted"
        answer = await home.ask("cancel", home.far.cancel())
        assert (answer["result"], answer["refusal"]["code"]) == ("refused", "stale")
        assert home.house.cancelled == ["event-1"]

    at_home(story)


def shifted(frame: dict[str, Any], key: str, seconds: float) -> dict[str, Any]:
    return frame | {key: (START_AT + timedelta(seconds=1 + seconds)).isoformat()}


@pytest.mark.parametrize(
    ("spoil", "code", "asked_count"),
    [
        (lambda frame: shifted(frame, "ts", -31), "clock", 0),
        (lambda frame: shifted(frame, "ts", 31), "clock", 0),
        (lambda frame: shifted(frame, "exp", -1), "stale", 0),
        (lambda frame: frame | {"seq": 0}, "replay", 0),
        (lambda frame: frame | {"seq": True}, "not_supported", 0),
        (lambda frame: frame | {"seq": 2**53}, "not_supported", 0),
        (lambda frame: frame | {"seq": str(frame["seq"])}, "not_supported", 0),
        (lambda frame: frame | {"schema": "hems/mqtt-setpoint/2"}, "not_supported", 0),
        (lambda frame: frame | {"id": "me"}, "not_supported", 0),
        (lambda frame: frame | {"sig": "none"}, "not_supported", 0),
        (lambda frame: frame | {"ts": "2026-01-15T12:00:01"}, "not_supported", 0),
        (lambda frame: frame | {"exp": None}, "not_supported", 0),
        (lambda frame: {key: value for key, value in frame.items() if key != "exp"}, "not_supported", 0),
        (lambda frame: frame | {"body": frame["body"] | {"power_w": []}}, "not_supported", 0),
        (lambda frame: frame | {"body": frame["body"] | {"power_w": ["1000"]}}, "not_supported", 0),
        (lambda frame: frame | {"body": frame["body"] | {"step_s": 10}}, "not_supported", 1),
        (lambda frame: frame | {"body": frame["body"] | {"start_at": "9999-12-31T23:59:59Z"}}, "not_supported", 0),
        (lambda frame: frame | {"body": frame["body"] | {"start_at": "0001-01-01T00:00:00+14:00"}}, "not_supported", 0),
        (lambda frame: frame | {"body": frame["body"] | {"envelope_id": "7" * 26}}, "stale", 1),
        (lambda frame: frame | {"body": frame["body"] | {"power_w": [1e308]}}, "outside_envelope", 1),
    ],
)
def test_what_is_late_replayed_malformed_or_outside_is_refused(
    spoil: Callable[[dict[str, Any]], dict[str, Any]], code: str, asked_count: int
) -> None:
    async def story(home: Home) -> None:
        answer = await home.ask("setpoint", spoil(home.far.setpoint(home.house.in_force, 1_000.0)))
        assert answer["refusal"]["code"] == code, answer
        assert home.house.accepted == {}
        assert len(home.house.offered) == asked_count

    at_home(story)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", None),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 60_000, "deeply"),
        (b" " * 70_000, "at most 65536"),
        (b'{"seq": NaN}', "NaN is not a number"),
        (b'{"seq": 1, "seq": 2}', '"seq" is there twice'),
        (b'{"a": {"\\ud800": 1, "\\ud800": 2}}', "is there twice"),
        (b'{"seq": ' + b"9" * 5_000 + b"}", "not JSON"),
        (b"null", "setpoint"),
    ],
)
def test_bytes_that_are_no_command_are_answered_in_one_line(payload: bytes, words: str | None) -> None:
    async def story(home: Home) -> None:
        if words is None:
            home.broker.publish(f"{BASE}/cmd/setpoint", payload, qos=1)
            await home.pass_s(1.0)
            assert home.sent("ack") == []
            return
        answer = await home.ask("setpoint", payload)
        assert answer["refusal"]["code"] == "not_supported"
        assert words in answer["refusal"]["text"]
        assert len(answer["refusal"]["text"]) <= 300
        assert "\n" not in answer["refusal"]["text"]

    at_home(story)


def test_an_unknown_kind_of_command_is_answered_with_those_that_there_are() -> None:
    async def story(home: Home) -> None:
        frame = home.far.setpoint(home.house.in_force, 1_000.0)
        answer = await home.ask("reboot", frame)
        assert answer["reply_to"] == frame["id"]
        assert answer["refusal"]["text"] == "cmd/reboot is not known, there are cmd/setpoint and cmd/cancel"

    at_home(story)


def test_a_retained_command_is_refused_at_each_connect_and_never_obeyed() -> None:
    async def story(home: Home) -> None:
        home.broker.stop()
        await home.pass_s(1.0)
        frame = home.far.setpoint(home.house.in_force, 1_000.0)
        home.broker.retained[f"{BASE}/cmd/setpoint"] = json.dumps(frame).encode()
        home.broker.start()
        await home.pass_s(2.0)
        assert [answer["body"]["refusal"]["code"] for answer in home.sent("ack")] == ["replay"]
        assert home.house.offered == []

    at_home(story)


def test_without_a_trusted_clock_no_command_is_taken() -> None:
    async def story(home: Home) -> None:
        home.clock.trusted = False
        answer = await home.ask("setpoint", home.far.setpoint(home.house.in_force, 1_000.0))
        assert answer["refusal"]["code"] == "clock"
        assert home.house.offered == []
        await home.pass_s(2.0)
        home.clock.trusted = True
        await home.pass_s(2.0)
        assert [each["body"]["clock_trusted"] for each in home.sent("state")] == [True, False, True]

    at_home(story)


def test_recorded_traffic_that_is_played_again_changes_nothing_not_even_after_a_restart() -> None:
    async def main() -> None:
        async with home_online() as home:
            frames = [("setpoint", home.far.setpoint(home.house.in_force, 1_000.0)), ("cancel", home.far.cancel())]
            for kind, frame in frames:
                assert (await home.ask(kind, frame))["result"] == "accepted"
            offered = list(home.house.offered)
        restarted = Home(home.broker, home.clock)
        restarted.house, restarted.sequences = home.house, home.sequences
        restarted.session = restarted.session_on(restarted.link)
        async with running(restarted.link.run()), running(restarted.session.run()):
            await restarted.pass_s(1.0)
            for wait_s in (1.0, 60.0, 3_600.0):
                for kind, frame in frames:
                    answer = await restarted.ask(kind, frame)
                    assert answer["refusal"]["code"] in ("replay", "stale")
                await restarted.pass_s(wait_s)
        assert home.house.offered == offered
        assert home.house.accepted == {}

    virtual_time.run(main())


def test_a_flood_is_cut_to_ten_and_then_one_a_second() -> None:
    async def story(home: Home) -> None:
        await home.pass_s(60.0)
        for _ in range(500):
            frame = home.far.setpoint(home.house.in_force, 1_000.0)
            home.broker.publish(f"{BASE}/cmd/setpoint", json.dumps(frame), qos=1)
        await home.pass_s(1.0)
        assert len(home.sent("ack")) == 10
        assert (await home.ask("cancel", home.far.cancel()))["result"] == "accepted"

    at_home(story)


def test_a_flood_and_a_row_of_refusals_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def story(home: Home) -> None:
        for _ in range(120):
            for _ in range(3):
                home.broker.publish(f"{BASE}/cmd/a\nb", b"[]", qos=1)
            await home.pass_s(1.0)
        assert "\n" not in home.sent("ack")[-1]["body"]["refusal"]["text"]

    with caplog.at_level("INFO", logger="hems.aggregator"):
        at_home(story)
    told = [record.getMessage() for record in caplog.records if record.name.startswith("hems.aggregator")]
    assert len(told) == 2
    assert "more than one command a second" in "".join(told)
    assert not any("\n" in each for each in told)
