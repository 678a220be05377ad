"""Seconds of the house in segments."""

import math
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hems.runtime.files import SystemFiles
from hems.store.columns import RESOLUTION, VALUE_MAX, Chunk, decode, encode
from hems.store.findings import Findings
from hems.store.telemetry import TelemetryLog
from tests.support.crash_files import CrashFiles
from tests.support.stores import FOREVER_AT, START_AT, chunk

VALUES = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(st.integers(0, 70).flatmap(lambda n: st.dictionaries(st.text(), st.lists(VALUES, min_size=n, max_size=n))))
def test_values_come_back_to_a_tenth_and_unknown_as_unknown(values: dict[str, list[float | None]]):
    found = decode(START_AT, encode(Chunk(start_at=START_AT, values=values)))
    assert list(found.values) == list(values)
    for name, column in values.items():
        for before, after in zip(column, found.values[name], strict=True):
            if before is None or math.isnan(before) or abs(before) >= VALUE_MAX:
                assert after is None
            else:
                assert after is not None
                assert abs(after - before) <= 0.5 / RESOLUTION + abs(before) * 1e-15


def test_a_minute_of_fifty_values_is_small():
    values = {f"device {n}": [500.0 + (n * second) % 7 / 10 for second in range(60)] for n in range(50)}
    assert len(encode(Chunk(start_at=START_AT, values=values))) < 0.85 * 3_000


def test_a_span_is_read_across_segments_and_restarts(tmp_path: Path):
    files = SystemFiles(tmp_path)
    for start in (0, 20, 40):
        log = TelemetryLog(files, "telemetry", Findings(), segment_max_bytes=1_024)
        assert all(log.append_chunk(chunk(number)) for number in range(start, start + 20))
    names = files.names("telemetry")
    assert len(names) > 3
    assert not any((files.read(f"telemetry/{name}") or b"").endswith(bytes(64)) for name in names[:-1])
    log = TelemetryLog(files, "telemetry", Findings(), segment_max_bytes=1_024)
    assert list(log.read(START_AT, FOREVER_AT)) == [chunk(number) for number in range(60)]
    a, b = START_AT + timedelta(minutes=30, seconds=30), START_AT + timedelta(minutes=33)
    assert list(log.read(a, b)) == [chunk(30), chunk(31), chunk(32)]


def test_whole_segments_go_when_there_are_too_many():
    files = CrashFiles()
    log = TelemetryLog(files, "telemetry", Findings(), segment_max_bytes=1_024, total_max_bytes=4_096)
    for number in range(100):
        log.append_chunk(chunk(number))
    assert sum(files.size(f"telemetry/{name}") or 0 for name in files.names("telemetry")) <= 4_096
    left = list(log.read(START_AT, FOREVER_AT))
    assert left == [chunk(number) for number in range(100 - len(left), 100)]
    assert len(left) > 10


def test_a_clock_that_jumps_ahead_costs_one_segment_and_not_all():
    files = CrashFiles()
    log = TelemetryLog(files, "telemetry", Findings(), segment_max_bytes=1_024, age_max_d=1)
    for number in range(40):
        log.append_chunk(chunk(number))
    oldest = files.names("telemetry")[0]
    number = 10_000_000
    while files.names("telemetry")[0] == oldest:
        log.append_chunk(chunk(number))
        number += 1
    left = list(log.read(START_AT, FOREVER_AT))
    assert all(chunk(each) in left for each in range(20, 40))


def test_a_day_without_a_disk_stays_in_memory_and_is_written_when_there_is_one(tmp_path: Path):
    folder = tmp_path / "state"
    folder.write_text("a file where the state folder should be")
    findings = Findings()
    log = TelemetryLog(SystemFiles(folder), "telemetry", findings)
    assert not any(log.append_chunk(chunk(number)) for number in range(5))
    assert list(log.read(START_AT, FOREVER_AT)) == [chunk(number) for number in range(5)]
    assert "telemetry" in findings.failing
    folder.unlink()
    assert log.append_chunk(chunk(5))
    assert "telemetry" not in findings.failing
    again = TelemetryLog(SystemFiles(folder), "telemetry", Findings())
    assert list(again.read(START_AT, FOREVER_AT)) == [chunk(number) for number in range(6)]


def test_a_torn_end_is_told_once_and_gone():
    files = CrashFiles()
    TelemetryLog(files, "telemetry", Findings()).append_chunk(chunk(0))
    size = len((files.read("telemetry/00000001.seg") or b"").rstrip(b"\0"))
    files.write_at("telemetry/00000001.seg", size + 20, b"what was left of a record")
    first, second = Findings(), Findings()
    assert list(TelemetryLog(files, "telemetry", first).read(START_AT, FOREVER_AT)) == [chunk(0)]
    assert [each.text for each in first.found] == ["the last 45 bytes were no whole record and were cut off"]
    assert list(TelemetryLog(files, "telemetry", second).read(START_AT, FOREVER_AT)) == [chunk(0)]
    assert second.found == ()
