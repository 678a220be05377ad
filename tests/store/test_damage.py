"""Every byte of small stores is flipped, every tail cut, blocks are zeroed: never a crash, never a wrong value."""

import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from hems.domain.override import ChargeNow
from hems.ports import Files
from hems.store.documents import Documents
from hems.store.findings import Findings
from hems.store.history import History, SlotValue
from tests.support.crash_files import CrashFiles
from tests.support.stores import (
    FOREVER_AT,
    START_AT,
    StillClock,
    chunk,
    episode,
    journal,
    keep_now,
    minute,
    outbox,
    override,
    slot_value,
    telemetry_log,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A store with a few values; ``read`` gives whatever it still has, each of which must be one that was put."""

    path: str
    write: Callable[[Files], list[object]]
    read: Callable[[Files, Findings], list[object]]


def write_documents(files: Files) -> list[object]:
    documents = Documents.open(files, "overrides", kind=ChargeNow, findings=Findings())
    values = [override(number) for number in range(2)]
    for number, value in enumerate(values):
        documents.put(str(number), value)
    return list(values)


def read_documents(files: Files, findings: Findings) -> list[object]:
    return list(Documents.open(files, "overrides", kind=ChargeNow, findings=findings).all().values())


def write_telemetry(files: Files) -> list[object]:
    log = telemetry_log(files, Findings())
    return [each for each in map(chunk, range(4)) if log.append_chunk(each)]


def read_telemetry(files: Files, findings: Findings) -> list[object]:
    return list(telemetry_log(files, findings).read(START_AT, FOREVER_AT))


def write_outbox(files: Files) -> list[object]:
    store = outbox(files, Findings(), StillClock())
    return [each for each in map(minute, range(4)) if keep_now(store, each)]


def write_cursor(files: Files) -> list[object]:
    minutes = write_outbox(files)
    store = outbox(files, Findings(), StillClock())
    store.acknowledge(store.pending(2)[-1])
    store.close()
    return minutes


def read_outbox(files: Files, findings: Findings) -> list[object]:
    return list(outbox(files, findings, StillClock()).pending(100))


def write_episodes(files: Files) -> list[object]:
    log = journal(files, Findings())
    return [each for each in map(episode, range(4)) if log.append([each])]


def read_episodes(files: Files, findings: Findings) -> list[object]:
    return list(journal(files, findings).read(START_AT, FOREVER_AT))


CASES = {
    "document": Case(path="documents/overrides.json", write=write_documents, read=read_documents),
    "telemetry": Case(path="telemetry/00000001.seg", write=write_telemetry, read=read_telemetry),
    "outbox": Case(path="outbox/00000001.seg", write=write_outbox, read=read_outbox),
    "cursor": Case(path="outbox/cursor", write=write_cursor, read=read_outbox),
    "episodes": Case(path="episodes/2024-06-10-001.jsonl", write=write_episodes, read=read_episodes),
}


def damaged(content: bytes) -> Iterator[bytes]:
    """Each byte flipped in one bit, each prefix, zeros from each 16th byte on, and nothing but noise."""
    used = len(content.rstrip(b"\0"))
    for at in range(used):
        yield content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :]
        yield content[:at]
    for at in range(0, used, 16):
        yield content[:at] + bytes(len(content) - at)
        yield content[:at] + bytes(16) + content[at + 16 :]
    yield random.Random(1).randbytes(len(content))


@pytest.mark.parametrize("name", CASES)
def test_damage_anywhere_is_told_and_what_is_still_read_is_what_was_written(name: str):
    case = CASES[name]
    whole = CrashFiles()
    written = case.write(whole)
    content = whole.read(case.path) or b""
    before = {path: whole.read(path) for path in (case.path, f"{case.path}.prev", *others(whole, case.path))}
    for spoiled in damaged(content):
        files = CrashFiles()
        for path, each in before.items():
            if each is not None:
                files.write(path, each)
        files.write(case.path, spoiled)
        findings = Findings()
        found = case.read(files, findings)
        assert all(each in written for each in found)
        assert findings.failing == ()
        if name != "cursor" and len(found) < len(written) and spoiled.rstrip(b"\0") and spoiled != content:
            cut_between_records = content.startswith(spoiled)
            assert findings.found or cut_between_records, "a loss that nobody is told of"
        if name == "cursor":
            assert found[-2:] == written[-2:], "a damaged cursor repeats, it never skips"
        assert case.read(files, Findings()) == found, "opened again it is the same"


def others(files: CrashFiles, path: str) -> list[str]:
    folder = path.rpartition("/")[0]
    return [f"{folder}/{name}" for name in files.names(folder) if f"{folder}/{name}" != path]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_damaged_record_costs_itself_alone(number: int):
    files = CrashFiles()
    write_telemetry(files)
    content = bytearray(files.read("telemetry/00000001.seg") or b"")
    starts = [at for at in range(len(content)) if content.startswith(b"\xc5hs\x1a", at)]
    content[starts[number] + 30] ^= 1
    files.write("telemetry/00000001.seg", bytes(content))
    findings = Findings()
    kept = [chunk(each) for each in range(4) if each != number]
    assert read_telemetry(files, findings) == kept
    assert [each.text for each in findings.found if "damaged from byte" in each.text]


def test_damage_in_the_history_is_set_aside_or_left_out_and_never_believed(memory_path: Path):
    """SQLite sees damage to its structure, the checksum of a row sees the rest.

    A row whose key changed is not found where it is looked for: that is the one loss that nobody is told of.
    """
    path = memory_path / "history.sqlite"
    history = History(path, Findings())
    history.put_slots([slot_value(number) for number in range(40)])
    history.close()
    content = path.read_bytes()
    damage_seen = 0
    for at in [*range(0, 200, 11), *range(4_096, len(content), 149)]:
        for each in memory_path.iterdir():
            each.unlink()
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x15]) + content[at + 1 :])
        findings = Findings()
        history = History(path, findings)
        found = history.slots("load_w", START_AT, START_AT + timedelta(hours=10))
        assert all(value in (None, float(number)) for number, value in enumerate(found))
        damage_seen += bool(findings.found)
        assert history.put_slots([slot_value(7)])
        assert history.slots("load_w", slot_value(7).start_at, slot_value(8).start_at) == [7.0]
        history.close()
    assert damage_seen > 5


def test_a_number_that_changed_inside_a_row_is_left_out(tmp_path: Path):
    path = tmp_path / "history.sqlite"
    history = History(path, Findings())
    history.put_slots([slot_value(0), slot_value(1)])
    history.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE slot SET value = 99.0 WHERE value = 1.0")
    database.close()
    findings = Findings()
    history = History(path, findings)
    assert history.slots("load_w", START_AT, START_AT + timedelta(minutes=30)) == [0.0, None]
    assert [each.text for each in findings.found] == ["a damaged row of slot is left out"]
    history.close()


def test_unknown_is_kept_as_unknown(tmp_path: Path):
    history = History(tmp_path / "history.sqlite", Findings())
    values = (None, float("nan"), float("inf"), -0.0, 1e300)
    history.put_slots(
        SlotValue(series="x", start_at=START_AT + timedelta(minutes=15 * number), value=value)
        for number, value in enumerate(values)
    )
    found = history.slots("x", START_AT, START_AT + timedelta(minutes=75))
    assert found == [None, None, None, 0.0, 1e300]
    history.close()


def test_what_is_unknown_replaces_nothing_that_was_measured(tmp_path: Path):
    history = History(tmp_path / "history.sqlite", Findings())
    for value in (400.0, None, float("nan")):
        assert history.put_slots([SlotValue(series="x", start_at=START_AT, value=value)])
    assert history.slots("x", START_AT, START_AT + timedelta(minutes=15)) == [400.0]
    assert history.put_slots([SlotValue(series="x", start_at=START_AT, value=300.0)])
    assert history.slots("x", START_AT, START_AT + timedelta(minutes=15)) == [300.0]
    history.close()
