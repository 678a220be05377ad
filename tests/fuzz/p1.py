"""Mutated telegrams against the framer and the parser: ``python -m tests.fuzz.p1 --count 100000 --seed 1``.

Nothing may raise, no telegram is accepted whose checksum, computed another way, is wrong, and every power is finite.
Half of the telegrams get the right checksum for their mutated content: what a meter with a fault of its own would send.
"""

import argparse
import math
import random
import re

from hems_drivers.p1.telegram import BUFFER_MAX_BYTES, Framer, parse
from tests.support import p1

SEEDS = (
    p1.dutch_v5(import_kw=1.193, phases_import_kw=(0.4, 0.5, 0.293)),
    p1.dutch_v4(export_kw=2.41),
    p1.dutch_v2(import_kw=0.61),
    p1.belgian(import_kw=3.0),
)
PIECES = (
    b"/",
    b"!",
    b"\r\n",
    b"!\r\n",
    b"!0000\r\n",
    b"(",
    b"*kW)",
    b"1-0:1.7.0(99.999*kW)\r\n",
    b"\x00",
    b"\xff" * 40,
)


def mutated(telegram: bytes, rng: random.Random) -> bytes:
    """A telegram with some bytes flipped, cut out, repeated, or something else put in."""
    data = bytearray(telegram)
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(data) + 1)
        to = min(at + rng.randint(1, 60), len(data))
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:to]
            case 2:
                data[at:at] = data[at:to]
            case 3:
                data[at:at] = rng.choice(PIECES)
            case 4:
                for digit in range(at, to):
                    if digit < len(data) and chr(data[digit]).isdigit():
                        data[digit] = rng.choice(b"0123456789")
            case _:
                data[at:to] = rng.randbytes(to - at)
    return p1.with_checksum(bytes(data)) if rng.random() < 0.5 else bytes(data)


def accepted_wrongly(stream: bytes, accepted: bytes) -> bool:
    """Whether something was accepted that stands nowhere in the stream with a right checksum, or with none."""
    ends = [match.end() for match in re.finditer(re.escape(accepted), stream)]
    digits = [re.match(rb"[0-9A-Fa-f]{0,4}", stream[end:]) for end in ends]
    sums = [found.group() for found in digits if found is not None]
    return not any(not each or int(each, 16) == p1.checksum(accepted) for each in sums)


def attack(count: int, seed: int) -> dict[str, int]:
    """Feed that many mutated telegrams, in pieces of random size, to framers that live for some of them."""
    rng = random.Random(seed)
    tally = {"fed": 0, "intact": 0, "damaged": 0, "with power": 0}
    while tally["fed"] < count:
        framer = Framer()
        stream = b""
        batch = rng.randint(1, min(20, count - tally["fed"]))
        for _ in range(batch):
            stream += mutated(rng.choice(SEEDS), rng)
        tally["fed"] += batch
        at = 0
        while at < len(stream):
            size = rng.choice((1, 7, 64, 500, 4096, 2 * BUFFER_MAX_BYTES))
            for telegram in framer.feed(stream[at : at + size]):
                if telegram is None:
                    tally["damaged"] += 1
                    continue
                assert not accepted_wrongly(stream, telegram), f"accepted with a wrong checksum: {telegram!r}"
                tally["intact"] += 1
                values = parse(telegram).values
                assert values is None or math.isfinite(values.power_w), f"no number in {telegram!r}"
                tally["with power"] += values is not None
            at += size
    return tally


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--count", type=int, default=2000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    print(attack(given.count, given.seed))  # noqa: T201
