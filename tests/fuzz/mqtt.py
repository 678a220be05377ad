"""Arbitrary and mutated payloads against what reads them: ``python -m tests.fuzz.mqtt --count 100000 --seed 1``.

Nothing may raise; what comes out is a finite number of bounded size, or nothing; a switch is on, off, or nothing.
"""

import argparse
import json
import math
import random

from hems.domain.wiring import MqttPoint, MqttRelay
from hems_drivers.payload import MAGNITUDE_MAX, is_on, number

PATH = ("a", "1", "power")
RELAY = MqttRelay(command_topic="set", state=MqttPoint(topic="state", path=PATH))
PLAIN_RELAY = MqttRelay(command_topic="set", state=MqttPoint(topic="state"))
VALUES = (
    "0", "-0.0", "12.5", "1e3", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "true", "null", '"12"', '"on"', "[]",
    "{}", "9" * 400, "9" * 5000, "0x1F", "1_0", "٣", "--1", "1e", ".5", "5.", "[" * 3000, '{"a":' * 3000, '"\ud800"',
)  # fmt: skip


def payload(rng: random.Random) -> bytes:
    """A payload of a device that is right, odd, broken or hostile."""
    value = rng.choice(VALUES)
    text = value if rng.random() < 0.3 else f'{{"a": [0, {{"power": {value}}}], "b": {rng.choice(VALUES)}}}'
    data = bytearray(text.encode("utf-8", errors="surrogatepass"))
    for _ in range(rng.choice((0, 0, 1, 3))):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    return bytes(data)


def attack(count: int, seed: int) -> dict[str, int]:
    """Read that many payloads."""
    rng = random.Random(seed)
    tally = {"read": 0, "numbers": 0, "switches": 0}
    for _ in range(count):
        data = payload(rng)
        for path in ((), PATH):
            found = number(data, path)
            assert found is None or (math.isfinite(found) and abs(found) <= MAGNITUDE_MAX), data
            tally["numbers"] += found is not None
            if found is not None:
                assert not path or isinstance(json.loads(data)["a"][1]["power"], int | float), data
        for relay in (RELAY, PLAIN_RELAY):
            state = is_on(data, relay)
            assert state in (True, False, None), data
            tally["switches"] += state is not None
        tally["read"] += 1
    return tally


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--count", type=int, default=2000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    print(attack(given.count, given.seed))  # noqa: T201
