"""Power cuts below SQLite, with the product's own statements and settings above it."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate, pairwise
from pathlib import Path

import apsw

from hems.store import database
from hems.store.database import Database, Row
from hems.store.findings import Findings
from hems.store.history import SLOT, TABLES, History
from tests.store.cuts.tally import Tally
from tests.support.crash_vfs import Pattern, RecordingVfs, left_after
from tests.support.stores import START_AT

NAME = "history.sqlite"
BATCHES = 40
ROWS_MAX = 8
AGAIN_RATIO = 0.25
"""Images that are opened, written to, and cut again while that goes on."""


class RecordedDatabase(Database):
    """The product's database on SQLite's other Python binding, whose VFS can be written in Python."""

    def _connected(self, target: str, *, writable: bool = True) -> sqlite3.Connection:
        connection = apsw.Connection(target, vfs=RecordingVfs.NAME)
        connection.execute("PRAGMA wal_autocheckpoint = 12")  # so that a short run has many of them
        self._prepare(connection, writable=writable)  # type: ignore[arg-type]
        return connection  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Batches of rows, and how many operations had been done when each was called durable, the opening first."""

    ends: tuple[int, ...]
    """Rows up to the end of each batch, 0 first."""
    durable_at: tuple[int, ...]

    def durable_rows(self, cut_at: int) -> int:
        return self.ends[sum(at <= cut_at for at in self.durable_at) - 1]


def rows_of(numbers: Sequence[int]) -> list[Row]:
    start_s = round(START_AT.timestamp())
    return [(start_s + 900 * at, "load_w", float(at)) for at in numbers]


@contextmanager
def recording() -> Iterator[RecordingVfs]:
    vfs = RecordingVfs()
    try:
        yield vfs
    finally:
        vfs.unregister()


@contextmanager
def not_waiting_for_the_disk() -> Iterator[None]:
    """The planted fault: synchronous NORMAL, which is enough for a kill and not for a power cut."""
    before = database.PRAGMAS
    journal, waiting, rest = before
    database.PRAGMAS = (journal, waiting.replace("FULL", "NORMAL"), rest)
    try:
        yield
    finally:
        database.PRAGMAS = before


def opened(folder: Path) -> RecordedDatabase:
    return RecordedDatabase(folder / NAME, TABLES, Findings(), free_space=lambda: False)


def write(folder: Path, vfs: RecordingVfs, chance: random.Random) -> Written:
    """Put batches of drawn sizes."""
    ends = (0, *accumulate(chance.randint(1, ROWS_MAX) for _ in range(BATCHES)))
    store = opened(folder)
    durable_at = [len(vfs.steps)]
    for first, end in pairwise(ends):
        assert store.put(SLOT, rows_of(range(first, end)))
        durable_at.append(len(vfs.steps))
    return Written(ends=ends, durable_at=tuple(durable_at))


def try_images(folder: Path, memory_path: Path, *, images: int, seed: int) -> Tally:
    """Images of one run, written below ``folder`` and looked at below ``memory_path``."""
    chance, tally = random.Random(seed), Tally()
    folder.mkdir()
    with recording() as vfs:
        written = write(folder, vfs, chance)
        steps = list(vfs.steps)
        for _ in range(images):
            cut_at = chance.randrange(written.durable_at[0], len(steps) + 1)
            image = left_after(steps[:cut_at], chance.choice(tuple(Pattern)), chance)
            again = chance.random() < AGAIN_RATIO
            if again:
                image = _cut_again(memory_path, image, vfs, written, chance)
            _put(memory_path, image)
            _look(memory_path, written, written.durable_rows(cut_at), tally)
            tally.twice += again
    return tally


def _put(folder: Path, image: dict[str, bytes]) -> None:
    for each in folder.iterdir():
        each.unlink()
    for name, content in image.items():
        (folder / name).write_bytes(content)


def _cut_again(
    folder: Path, image: dict[str, bytes], vfs: RecordingVfs, written: Written, chance: random.Random
) -> dict[str, bytes]:
    """Start on an image, write what had been written before, and lose power anywhere in that."""
    _put(folder, image)
    vfs.steps.clear()
    store = opened(folder)
    for first, end in pairwise(written.ends[:6]):
        store.put(SLOT, rows_of(range(first, end)))
    steps = vfs.steps[: chance.randrange(len(vfs.steps) + 1)]
    left = left_after(steps, chance.choice(tuple(Pattern)), chance, before=image)
    store.close()
    return left


def _look(folder: Path, written: Written, durable: int, tally: Tally) -> None:
    """Rows of a batch are there together or not at all, and nothing else is."""
    findings = Findings()
    history = History(folder / NAME, findings)
    slots = history.slots("load_w", START_AT, START_AT + timedelta(minutes=15 * written.ends[-1]))
    history.close()
    whole = all(
        slots[first:end] in ([None] * (end - first), [float(at) for at in range(first, end)])
        for first, end in pairwise(written.ends)
    )
    tally.count(
        lost=slots[:durable] != [float(at) for at in range(durable)],
        unreadable=bool(findings.found or findings.failing),
        mixed=not whole,
        where=f"{durable} rows durable, {len(slots) - slots.count(None)} there, {findings.found}",
    )
