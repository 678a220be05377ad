"""What waits for the aggregator."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.domain.flex import TelemetryMinute
from hems.ports import Files
from hems.runtime.files import SystemFiles
from hems.store.findings import Findings
from hems.store.outbox import SegmentOutbox, quarter_hours
from tests.support.crash_files import CrashFiles
from tests.support.stores import StillClock, keep_now, minute


class CountedFiles(CrashFiles):
    """Knows how much was read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_bytes = 0

    def read_at(self, path: str, offset: int, count: int) -> bytes:
        content = super().read_at(path, offset, count)
        self.read_bytes += len(content)
        return content


def opened(
    files: Files, *, clock: StillClock | None = None, segment: int = 2_048, total: int = 64 << 20
) -> SegmentOutbox:
    return SegmentOutbox(
        files, "outbox", Findings(), clock or StillClock(), segment_max_bytes=segment, total_max_bytes=total
    )


def seqs(minutes: Sequence[TelemetryMinute]) -> list[int]:
    return [each.seq for each in minutes]


def test_records_wait_in_order_until_they_are_acknowledged(tmp_path: Path):
    store = opened(SystemFiles(tmp_path))
    assert all(keep_now(store, minute(seq)) for seq in range(50))
    assert seqs(store.pending(3)) == [0, 1, 2]
    assert seqs(store.pending(3)) == [0, 1, 2]
    store.acknowledge(minute(1))
    assert seqs(store.pending(3)) == [2, 3, 4]
    store.acknowledge(minute(1))
    store.acknowledge(minute(40))
    assert seqs(store.pending(100)) == list(range(2, 50))
    store.acknowledge(minute(49))
    assert store.pending(10) == []
    keep_now(store, minute(50))
    assert seqs(store.pending(10)) == [50]


def test_acknowledged_records_stay_so_after_a_clean_stop_and_may_come_twice_after_a_kill(tmp_path: Path):
    store = opened(SystemFiles(tmp_path))
    for seq in range(20):
        keep_now(store, minute(seq))
    store.pending(20)
    store.acknowledge(minute(9))
    assert seqs(opened(SystemFiles(tmp_path)).pending(100)) == list(range(20))
    store.close()
    assert seqs(opened(SystemFiles(tmp_path)).pending(100)) == list(range(10, 20))


def test_the_cursor_is_written_once_a_quarter_of_an_hour_of_house_time_at_most():
    files, clock = CrashFiles(), StillClock()
    store = opened(files, clock=clock, segment=1 << 20)
    for seq in range(600):
        clock.mono_s += 15.0
        keep_now(store, minute(seq))
        store.acknowledge(store.pending(1)[0])
    assert len([each for each in files.done if each == "rename outbox/cursor"]) == 10
    assert seqs(opened(files).pending(1_000)) == [599]


def test_minutes_that_are_fetched_soon_are_never_written():
    files = CrashFiles()
    store = opened(files)
    for seq in range(1_440):
        store.append(minute(seq))
        assert seqs(store.pending(10)) == [seq]
        store.acknowledge(minute(seq))
    assert files.done == []


def test_minutes_that_nobody_fetches_share_a_flush_and_a_stop_writes_the_rest():
    files = CrashFiles()
    store = opened(files, segment=1 << 20)
    durable = [store.append(minute(seq)) for seq in range(13)]
    assert [seq for seq, each in enumerate(durable) if each] == [4, 9]
    assert len([each for each in files.done if each.startswith("write_at")]) == 2
    assert seqs(store.pending(100)) == list(range(13))
    assert seqs(opened(files).pending(100)) == list(range(10))
    store.close()
    assert seqs(opened(files).pending(100)) == list(range(13))


def test_what_is_acknowledged_is_deleted_by_the_segment():
    files = CrashFiles()
    store = opened(files)
    for seq in range(200):
        keep_now(store, minute(seq))
    assert len(files.names("outbox")) > 5
    store.acknowledge(store.pending(1_000)[-1])
    assert len(files.names("outbox")) == 1
    assert store.pending(10) == []


def test_asking_for_a_few_reads_a_few():
    files = CountedFiles()
    store = opened(files, segment=4 << 20)
    for seq in range(3_000):
        keep_now(store, minute(seq))
    store.pending(2_000)
    store.acknowledge(minute(1_900))
    files.read_bytes = 0
    assert seqs(store.pending(3)) == [1_901, 1_902, 1_903]
    assert files.read_bytes <= 1 << 16


def test_a_cursor_from_another_life_skips_nothing():
    files = CrashFiles()
    store = opened(files)
    for seq in range(5):
        keep_now(store, minute(seq))
    store.acknowledge(store.pending(5)[-1])
    store.close()
    cursor = files.read("outbox/cursor") or b""
    fresh = CrashFiles()
    store = opened(fresh)
    for seq in range(10):
        keep_now(store, minute(seq, boot="another"))
    fresh.write("outbox/cursor", cursor)
    assert seqs(opened(fresh).pending(100)) == list(range(10))


def test_a_long_outage_thins_the_oldest_and_drops_at_last(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    files = CrashFiles()
    store = opened(files, segment=2_048, total=8_192)
    for seq in range(900):
        keep_now(store, minute(seq))
    assert sum(files.size(f"outbox/{name}") or 0 for name in files.names("outbox")) <= 8_192
    left = store.pending(10_000)
    durations_s = [each.duration_s for each in left]
    assert durations_s == sorted(durations_s, reverse=True) or durations_s.count(900) > 5
    assert left[-1] == minute(899)
    assert seqs(left) == sorted(seqs(left))
    thinned = [each for each in left if each.duration_s == 900]
    assert thinned
    assert all(each.grid_power_w == pytest.approx(each.seq - 7) for each in thinned)
    said = [record.getMessage() for record in caplog.records]
    assert len([each for each in said if "means of 15 min" in each]) == 1
    assert len([each for each in said if "are dropped" in each]) <= 1
    assert seqs(opened(files).pending(10_000)) == seqs(left)


def test_thinning_keeps_the_energy_of_what_is_not_acknowledged():
    files = CrashFiles()
    store = opened(files, segment=2_048, total=6_144)
    acknowledged = -1
    for seq in range(150):
        keep_now(store, minute(seq))
        if seq == 20:
            store.pending(8)
            store.acknowledge(minute(7))
            acknowledged = 7
    left = store.pending(10_000)
    covered_s = sum(each.duration_s for each in left)
    assert covered_s == (150 - acknowledged - 1) * 60
    energy = sum((each.grid_power_w or 0.0) * each.duration_s for each in left)
    assert energy == pytest.approx(sum(range(8, 150)) * 60)


def test_minutes_of_another_mode_or_boot_are_not_mixed():
    minutes = [minute(0), minute(1), minute(2, mode="degraded"), minute(3, boot="c"), minute(15, boot="c")]
    assert [(each.seq, each.duration_s) for each in quarter_hours(minutes)] == [(1, 120), (2, 60), (3, 60), (15, 60)]


def test_the_link_is_served_from_memory_when_there_is_no_disk(tmp_path: Path):
    folder = tmp_path / "state"
    folder.write_text("no folder")
    store = opened(SystemFiles(folder))
    assert not any(keep_now(store, minute(seq)) for seq in range(5))
    store.acknowledge(store.pending(2)[-1])
    assert seqs(store.pending(10)) == [2, 3, 4]
    folder.unlink()
    assert keep_now(store, minute(5))
    assert seqs(store.pending(10)) == [2, 3, 4, 5]
    assert seqs(opened(SystemFiles(folder)).pending(10)) == [2, 3, 4, 5]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["append", "take", "restart", "stop"]), st.integers(1, 9)), max_size=40))
def test_whatever_happens_in_between_each_record_is_received(steps: list[tuple[str, int]]):
    files, clock = CrashFiles(), StillClock()
    store = opened(files, clock=clock, segment=512)
    received: list[int] = []
    seq = 0
    for step, count in steps:
        clock.mono_s += 13.0
        if step == "append":
            for _ in range(count):
                seq += 1
                keep_now(store, minute(seq))
        elif step == "take":
            taken = store.pending(count)
            received += seqs(taken)
            for each in taken[-1:]:
                store.acknowledge(each)
        else:
            if step == "stop":
                store.close()
            store = opened(files, clock=clock, segment=512)
    received += seqs(store.pending(1_000))
    assert sorted(set(received)) == list(range(1, seq + 1))
