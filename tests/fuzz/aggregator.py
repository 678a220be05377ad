"""Mutated commands against a home: ``python -m tests.fuzz.aggregator --count 100000 --seed 1``.

Nothing may raise, everything gets one answer that is a valid message, and nothing is accepted but a setpoint that an
independent reading of its bytes finds inside the promise, fresh and new, or the end of an event that was accepted.
"""

import argparse
import json
import random
from collections import Counter
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from hems import wire
from hems.aggregator.judge import CommandJudge
from hems.aggregator.messages import AckMessage
from hems.aggregator.ulid import new_ulid
from hems.domain.flex import Envelope
from hems.ports import MqttMessage
from hems.sim import virtual_time
from hems.sim.virtual_time import VirtualClock
from tests.support.aggregator_home import BASE, START_AT, AggregatorEnd, MemorySequences, RecordingHouse, envelope_at

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1e308, -1e308, 5e-324, 2**31, 2**53, 2**64, 10**400, "", "0", "x" * 70_000, [], [[]],
    {}, "2026-01-15T12:00:00Z", "2026-01-15T12:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59",
    "\x00", "\ud800", [0.0] * 2_000, [1e400], "e" * 64,
)  # fmt: skip
PIECES = (b"{", b"}", b"[", b'"', b",", b"NaN", b"Infinity", b"1e999", b"\x00", b"\xff", b"\\ud800", b"null", b" " * 40)


def mutated_document(frame: dict[str, Any], dice: random.Random) -> bytes:
    """A command with some values changed, keys dropped or added, then perhaps some bytes of its text."""
    document = json.loads(json.dumps(frame))
    for _ in range(dice.choice((0, 0, 1, 1, 1, 2, 3))):
        level = document["body"] if dice.random() < 0.6 and isinstance(document.get("body"), dict) else document
        keys = [*level, "extra"]
        key = dice.choice(keys)
        match dice.randrange(4):
            case 0:
                level.pop(key, None)
            case 1 if key in level and isinstance(level[key], int | float) and abs(level[key]) < 2**64:
                level[key] += dice.choice((-1, 1, -1_000_000, 1_000_000, 0.5))
            case 2 if "power_w" in level:
                level["power_w"] = [dice.uniform(-6_000, 7_000) for _ in range(dice.randint(1, 8))]
            case _:
                level[key] = deepcopy(dice.choice(VALUES))
    text = bytearray(json.dumps(document).encode())
    for _ in range(dice.choice((0, 0, 0, 0, 0, 0, 1, 2, 5))):
        at = dice.randrange(len(text) + 1)
        to = min(len(text), at + dice.randint(1, 20))
        match dice.randrange(4):
            case 0 if at < len(text):
                text[at] ^= 1 << dice.randrange(8)
            case 1:
                del text[at:to]
            case 2:
                text[at:at] = text[at:to]
            case _:
                text[at:at] = dice.choice(PIECES)
    return bytes(text)


def may_be_accepted(kind: str, payload: bytes, envelope: Envelope, now_at: datetime, seq: int) -> bool:
    """The contract in other words than the product's: plain json and comparisons. ``seq``: the last one taken."""
    document = json.loads(payload)
    fresh = abs(_instant(document["ts"]) - now_at) <= timedelta(seconds=30) and _instant(document["exp"]) > now_at
    new = isinstance(document["seq"], int) and document["seq"] > seq
    if kind == "cancel" or not (fresh and new):
        return fresh and new
    body = document["body"]
    seconds = body["step_s"] * len(body["power_w"])
    low_w, high_w = (-4_000, 5_000) if seconds <= 900 else (-3_000, 4_000)
    start_at = _instant(body["start_at"])
    return (
        body["envelope_id"] == envelope.envelope_id
        and now_at < envelope.valid_until_at
        and now_at - timedelta(seconds=30) <= start_at < envelope.valid_until_at
        and body["step_s"] >= 60
        and 0 < seconds <= 3_600
        and all(low_w <= power_w <= high_w for power_w in body["power_w"])
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def _attack(count: int, seed: int) -> Counter[str]:
    dice = random.Random(seed)
    clock = VirtualClock(START_AT)
    house, sequences, far = RecordingHouse(clock), MemorySequences(), AggregatorEnd(clock)
    judge = CommandJudge(house, sequences, clock)
    tally: Counter[str] = Counter()
    for number in range(count):
        if number % 500 == 0:
            house.in_force = envelope_at(clock.now(), number=number)
            house.accepted.clear()
        if number % 10 == 0:
            sequences.seq = 0  # a mutation may have raised it for long: that is its sender's right
        assert house.in_force is not None
        clock.trusted = dice.random() < 0.98
        kind = dice.choice(("setpoint", "setpoint", "setpoint", "cancel"))
        usual = [dice.uniform(-3_000, 4_000) for _ in range(dice.randint(1, 4))]
        event_id, revision = f"event-{dice.randrange(5_000)}", dice.randrange(3)
        setpoint = far.setpoint(house.in_force, *usual, event_id=event_id, revision=revision)
        frame = (
            setpoint
            if kind == "setpoint"
            else far.cancel(dice.choice([key[0] for key in house.accepted] or [event_id]))
        )
        payload = mutated_document(frame, dice)
        topic = f"{BASE}/cmd/{dice.choice((kind,) * 30 + ('other', '', 'setpoint', 'cancel'))}"
        message = MqttMessage(topic=topic, payload=payload, retained=dice.random() < 0.01)
        known = dict(house.accepted)
        last_seq = sequences.seq
        answer = await judge.answer(message)
        ack = AckMessage(id=new_ulid(clock.now(), dice), seq=number, ts=clock.now(), exp=None, body=answer)
        wire.parse(AckMessage, wire.canonical(ack), source="answer")
        tally[answer.result if answer.refusal is None else answer.refusal.code.value] += 1
        if answer.refusal is None:
            told = topic.rpartition("/")[2]
            assert clock.trusted
            assert not message.retained
            assert may_be_accepted(told, payload, house.in_force, clock.now(), last_seq), payload
        else:
            assert house.accepted == known, f"refused and done all the same: {payload!r}"
        await clock.sleep_until(clock.monotonic_s() + 1.0)
    return tally


def attack(count: int, seed: int) -> Counter[str]:
    """Send that many mutated commands to one home; how often each answer was given."""
    return virtual_time.run(_attack(count, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(dict(attack(asked.count, asked.seed)))  # noqa: T201


if __name__ == "__main__":
    main()
