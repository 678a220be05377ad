"""A minute of 1 Hz values as few bytes: differences of tenths, sorted by significance, deflated.

A value that changes little is a small difference, whose seven upper bytes are all equal; put side by side they cost
next to nothing.
"""

import json
import sys
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

RESOLUTION = 10
"""Steps per unit: a value is kept to one tenth."""
VALUE_MAX = 1e15
"""Beyond this (and for NaN) a value is not one: it is kept as unknown."""
ITEM_BYTES = 8
UNPACKED_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Values of consecutive seconds from ``start_at`` on, one sequence of the same length per name; None: unknown."""

    start_at: datetime
    """Kept to the millisecond."""
    values: Mapping[str, Sequence[float | None]]

    def __post_init__(self) -> None:
        if len({len(column) for column in self.values.values()}) > 1:
            raise ValueError("the columns of a chunk are of different lengths")

    @property
    def count(self) -> int:
        """Seconds that it covers."""
        return len(next(iter(self.values.values()), ()))


def encode(chunk: Chunk) -> bytes:
    """Values as bytes, without the start."""
    known = bytearray()
    steps = array("q")
    for column in chunk.values.values():
        before = 0
        for value in column:
            usable = value is not None and abs(value) < VALUE_MAX  # False for NaN
            known.append(usable)
            tenths = round(value * RESOLUTION) if value is not None and usable else before
            steps.append(tenths - before)
            before = tenths
    if sys.byteorder == "big":
        steps.byteswap()
    raw = steps.tobytes()
    head = json.dumps([chunk.count, *chunk.values], ensure_ascii=False, separators=(",", ":")).encode()
    planes = b"".join(raw[place::ITEM_BYTES] for place in range(ITEM_BYTES))
    return zlib.compress(head + b"\n" + bytes(known) + planes, level=9)


def decode(start_at: datetime, payload: bytes) -> Chunk:
    """Inverse of :func:`encode`, to the resolution.

    Raises:
        ValueError: these bytes were not made by it.
    """
    unpack = zlib.decompressobj()
    try:
        plain = unpack.decompress(payload, UNPACKED_MAX_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    head, _, body = plain.partition(b"\n")
    shape = json.loads(head)
    if not isinstance(shape, list) or not shape or not isinstance(shape[0], int):
        raise ValueError("no shape")
    count, *names = shape
    points = count * len(names)
    if len(body) != points * (1 + ITEM_BYTES):
        raise ValueError(f"{len(body)} bytes for {points} values")
    raw = bytearray(points * ITEM_BYTES)
    for place in range(ITEM_BYTES):
        raw[place::ITEM_BYTES] = body[points * (place + 1) : points * (place + 2)]
    steps = array("q", bytes(raw))
    if sys.byteorder == "big":
        steps.byteswap()
    columns = {}
    for number, name in enumerate(names):
        column = slice(number * count, (number + 1) * count)
        tenths = accumulate(steps[column])
        known = body[column]
        columns[str(name)] = tuple(
            step / RESOLUTION if there else None for step, there in zip(tenths, known, strict=True)
        )
    return Chunk(start_at=start_at, values=columns)
