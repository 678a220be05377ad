"""Power fails below SQLite, with the product's own statements and settings above it."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from hems.store import database
from hems.store.database import Database, Row
from hems.store.findings import Findings
from hems.store.history import SLOT, TABLES, History
from tests.support.crash_vfs import Pattern, RecordingVfs, left_after
from tests.support.stores import START_AT

BATCHES = 40
ROWS = 4
IMAGES = 160


class RecordedDatabase(Database):
    """The product's database on SQLite's other Python binding, whose VFS can be written in Python."""

    def _connected(self, target: str, *, writable: bool = True) -> sqlite3.Connection:
        connection = apsw.Connection(target, vfs=RecordingVfs.NAME)
        connection.execute("PRAGMA wal_autocheckpoint = 12")  # so that a short run has many of them
        self._prepare(connection, writable=writable)  # type: ignore[arg-type]
        return connection  # type: ignore[return-value]


def batch(number: int) -> list[Row]:
    start_s = round(START_AT.timestamp())
    return [(start_s + 900 * at, "load_w", float(at)) for at in range(number * ROWS, (number + 1) * ROWS)]


@contextmanager
def recording() -> Iterator[RecordingVfs]:
    vfs = RecordingVfs()
    try:
        yield vfs
    finally:
        vfs.unregister()


def run(folder: Path, vfs: RecordingVfs) -> list[int]:
    """Put batches; how many operations had been done when each was called durable, the opening first."""
    store = RecordedDatabase(folder / "history.sqlite", TABLES, Findings(), free_space=lambda: False)
    durable_at = [len(vfs.steps)]
    for number in range(BATCHES):
        assert store.put(SLOT, batch(number))
        durable_at.append(len(vfs.steps))
    return durable_at


def lost_images(memory_path: Path, vfs: RecordingVfs, durable_at: list[int], *, images: int) -> tuple[int, int]:
    """Images that could not be read, and images that lack something durable."""
    chance = random.Random(1)
    patterns = tuple(Pattern)
    unreadable = lost = 0
    path = memory_path / "history.sqlite"
    for number in range(images):
        cut_at = chance.randrange(durable_at[0], len(vfs.steps) + 1)
        for each in path.parent.iterdir():
            each.unlink()
        for name, content in left_after(vfs.steps[:cut_at], patterns[number % len(patterns)], chance).items():
            (path.parent / name).write_bytes(content)
        findings = Findings()
        history = History(path, findings)
        slots = history.slots("load_w", START_AT, START_AT + timedelta(minutes=15 * BATCHES * ROWS))
        history.close()
        durable = ROWS * (sum(at <= cut_at for at in durable_at) - 1)
        wrong = any(value not in (None, float(at)) for at, value in enumerate(slots))
        in_part = (len(slots) - slots.count(None)) % ROWS != 0
        unreadable += bool(findings.found) or wrong or in_part
        lost += slots[:durable] != [float(at) for at in range(durable)]
    return unreadable, lost


def test_a_power_cut_below_the_history_loses_no_batch_that_was_durable(tmp_path: Path, memory_path: Path):
    with recording() as vfs:
        durable_at = run(tmp_path, vfs)
        assert lost_images(memory_path, vfs, durable_at, images=IMAGES) == (0, 0)


def test_the_same_cuts_find_a_history_that_does_not_wait_for_the_disk(
    tmp_path: Path, memory_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The planted fault: synchronous NORMAL, which is enough for a kill and not for a power cut."""
    relaxed = tuple(each.replace("FULL", "NORMAL") for each in database.PRAGMAS)
    monkeypatch.setattr(database, "PRAGMAS", relaxed)
    with recording() as vfs:
        durable_at = run(tmp_path, vfs)
        _, lost = lost_images(memory_path, vfs, durable_at, images=IMAGES // 4)
    assert lost > IMAGES // 40
