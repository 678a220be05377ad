"""The daemon's decision record."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hems.domain.site import DeviceId
from hems.runtime.files import SystemFiles
from hems.store.findings import Findings
from hems.store.journal import EpisodeJournal
from tests.support.crash_files import CrashFiles
from tests.support.stores import CHARGER, FOREVER_AT, START_AT, episode

DAY = timedelta(days=1)


def opened(files: CrashFiles | SystemFiles, findings: Findings | None = None, **limits: int) -> EpisodeJournal:
    return EpisodeJournal(files, "episodes", findings or Findings(), **limits)


def test_episodes_lie_in_files_by_day_and_are_found_again(tmp_path: Path):
    log = opened(SystemFiles(tmp_path))
    numbers = range(0, 3 * 24 * 60, 30)
    for number in numbers:
        assert log.append([episode(number)])
    assert SystemFiles(tmp_path).names("episodes") == [f"2024-06-{day}-001.jsonl" for day in (10, 11, 12)]
    again = opened(SystemFiles(tmp_path))
    assert list(again.read(START_AT, FOREVER_AT)) == [episode(number) for number in numbers]
    assert list(again.read(START_AT + DAY, START_AT + DAY + timedelta(hours=1))) == [episode(1_440), episode(1_470)]
    assert again.find(device_id=CHARGER, at=None) == episode(numbers[-1])
    assert again.find(device_id=CHARGER, at=START_AT + timedelta(minutes=30)) == episode(30)
    assert again.find(device_id=CHARGER, at=START_AT + timedelta(minutes=31)) is None
    assert again.find(device_id=DeviceId("boiler"), at=None) is None
    assert log.append([])


def test_an_episode_over_midnight_is_found_on_both_days():
    log = opened(CrashFiles())
    night = replace(episode(1_400), closed_at=START_AT + DAY + timedelta(hours=1))
    log.append([episode(0)])
    log.append([night])
    for at in (night.opened_at, START_AT + DAY, night.closed_at - timedelta(seconds=1)):
        assert log.find(device_id=CHARGER, at=at) == night
    assert list(log.read(START_AT, START_AT + DAY)) == [episode(0), night]


def test_a_full_file_is_followed_by_another_of_the_same_day():
    files = CrashFiles()
    log = opened(files, file_max_bytes=1_000)
    for number in range(6):
        log.append([episode(number)])
    assert files.names("episodes")[:2] == ["2024-06-10-001.jsonl", "2024-06-10-002.jsonl"]
    assert all((files.size(f"episodes/{name}") or 0) <= 1_000 for name in files.names("episodes"))
    assert list(opened(files).read(START_AT, FOREVER_AT)) == [episode(number) for number in range(6)]


def test_old_days_go_one_at_a_time():
    files = CrashFiles()
    log = opened(files, kept_d=2)
    for day in range(5):
        log.append([episode(day * 1_440)])
    assert files.names("episodes") == [f"2024-06-{day}-001.jsonl" for day in (12, 13, 14)]


def test_a_clock_that_is_set_back_goes_on_in_the_newest_file():
    files = CrashFiles()
    log = opened(files)
    log.append([episode(1_440)])
    log.append([episode(0)])
    assert files.names("episodes") == ["2024-06-11-001.jsonl"]
    assert list(opened(files).read(START_AT, START_AT + timedelta(hours=1))) == [episode(0)]


@pytest.mark.parametrize("tail", [b"12345678 {", b"\0" * 300, b"half a line", b"\xff\n\xfe\n"])
def test_a_torn_end_is_cut_off_and_the_record_goes_on_there(tail: bytes):
    files = CrashFiles()
    log = opened(files)
    log.append([episode(0), episode(1)])
    files.append("episodes/2024-06-10-001.jsonl", tail)
    findings = Findings()
    again = opened(files, findings)
    assert bool(findings.found) == bool(tail.strip(b"\0"))
    again.append([episode(2)])
    assert list(opened(files).read(START_AT, FOREVER_AT)) == [episode(number) for number in range(3)]


def test_the_owner_is_still_told_why_when_there_is_no_disk(tmp_path: Path):
    folder = tmp_path / "state"
    folder.write_text("no folder")
    log = opened(SystemFiles(folder))
    assert not log.append([episode(0)])
    assert log.find(device_id=CHARGER, at=None) == episode(0)
    folder.unlink()
    assert log.append([episode(1)])
    assert list(opened(SystemFiles(folder)).read(START_AT, FOREVER_AT)) == [episode(0), episode(1)]
