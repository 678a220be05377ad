"""The decision record and small documents, on a disk in memory and on a real one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hems.domain.command import Authority
from hems.domain.decision import DecisionEpisode, Summary
from hems.domain.errors import RecordDamagedError
from hems.domain.reasons import Waits
from hems.domain.site import DeviceId
from hems.ports import Files
from hems.runtime.files import SystemFiles
from hems.store import document
from hems.store.episodes import EpisodeLog, find, read
from tests.support.crash_files import PLAIN, CrashFiles, PowerCut, Survival

NOON_AT = datetime(2024, 6, 10, 12, tzinfo=UTC)
BATTERY, CHARGER = DeviceId("battery"), DeviceId("charger")


def episode(hour: int, device_id: DeviceId = BATTERY) -> DecisionEpisode:
    opened_at = NOON_AT + timedelta(hours=hour)
    return DecisionEpisode(
        device_id=device_id,
        opened_at=opened_at,
        closed_at=opened_at + timedelta(hours=1),
        authority=Authority.PLAN,
        reason=Waits(),
        limited_by=(),
        summary=Summary(power_min_w=0.0, power_mean_w=0.0, power_max_w=0.0, energy_wh=0.0),
        plan_issued_at=None,
    )


@pytest.fixture(params=["in memory", "on disk"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return CrashFiles() if request.param == "in memory" else SystemFiles(tmp_path)


def test_a_log_is_read_in_the_order_of_writing(files: Files):
    log = EpisodeLog(files, "log")
    log.append([episode(0), episode(1)])
    log.append([])
    log.append([episode(2)])
    log.sync()
    assert list(read(files, "log")) == [episode(0), episode(1), episode(2)]
    assert log.size == len(files.read("log") or b"")


def test_a_log_opened_at_a_size_goes_on_there(files: Files):
    log = EpisodeLog(files, "log")
    log.append([episode(0)])
    kept = log.size
    log.append([episode(1)])
    again = EpisodeLog(files, "log", size=kept)
    again.append([episode(5)])
    assert list(read(files, "log")) == [episode(0), episode(5)]


def test_a_log_that_is_shorter_than_it_should_be_is_not_filled_up(files: Files):
    EpisodeLog(files, "log").append([episode(0)])
    with pytest.raises(RecordDamagedError, match="it was cut or replaced"):
        EpisodeLog(files, "log", size=10_000)
    with pytest.raises(RecordDamagedError, match="has 0 bytes and had 5"):
        EpisodeLog(files, "nowhere", size=5)


def test_a_moment_belongs_to_the_episode_that_began_with_it(files: Files):
    log = EpisodeLog(files, "log")
    log.append([episode(0), episode(0, CHARGER), episode(1), episode(1, CHARGER)])
    edge_at = NOON_AT + timedelta(hours=1)
    assert find(files, "log", device_id=CHARGER, at=edge_at) == episode(1, CHARGER)
    assert find(files, "log", device_id=BATTERY, at=edge_at - timedelta(seconds=1)) == episode(0)
    assert find(files, "log", device_id=BATTERY, at=None) == episode(1)
    assert find(files, "log", device_id=BATTERY, at=NOON_AT + timedelta(hours=2)) is None
    assert find(files, "log", device_id=DeviceId("boiler"), at=None) is None


@pytest.mark.parametrize("spoil", [lambda line: line[:-9], lambda line: b"\0" * len(line), lambda _line: b"{}"])
def test_a_damaged_line_is_named_by_its_number(files: Files, spoil: Callable[[bytes], bytes]):
    log = EpisodeLog(files, "log")
    log.append([episode(0), episode(1), episode(2)])
    first, second, third = (files.read("log") or b"").splitlines()
    files.write("log", b"\n".join([first, spoil(second), third]))
    with pytest.raises(RecordDamagedError, match="log:2"):
        list(read(files, "log"))


@pytest.mark.parametrize("how", [*PLAIN, Survival.CHANCE], ids=lambda how: how.name.lower())
def test_a_document_is_the_old_or_the_new_one_after_a_power_cut(how: Survival):
    for stop_at in (1, 2, 3):
        for seed in range(8):
            files = CrashFiles(seed=seed)
            document.save(files, "doc", b"old" * 50)
            files.stop_at, files.operations = stop_at, 0
            with pytest.raises(PowerCut):
                document.save(files, "doc", b"new" * 80)
            found = files.after_power_cut(how, seed=seed).read("doc")
            assert found in (b"old" * 50, b"new" * 80)


def test_a_saved_document_survives_whatever_is_not_synced_afterwards():
    files = CrashFiles()
    document.save(files, "doc", b"kept")
    files.write("other", b"lost")
    left = files.after_power_cut(Survival.NOTHING)
    assert left.read("doc") == b"kept"
    assert left.read("other") is None


def test_the_disk_in_memory_loses_what_a_careless_program_would():
    """The layer itself: content renamed without a sync is gone in some pattern, an overwrite in place tears."""
    files = CrashFiles()
    files.write("doc", b"old")
    files.sync("doc")
    files.write("doc.new", b"fresh")
    files.rename("doc.new", "doc")
    assert {files.after_power_cut(how).read("doc") for how in PLAIN} >= {b"", b"fresh", bytes(5)}
    files = CrashFiles()
    files.write("doc", b"long and old")
    files.sync("doc")
    files.write("doc", b"new")
    assert len({files.after_power_cut(how).read("doc") for how in PLAIN}) >= 3


def test_memory_and_disk_agree_on_what_the_port_promises(files: Files):
    files.write("folder/a", b"1")
    files.remove("folder/a")
    files.remove("folder/a")
    assert files.read("folder/a") is None
    with pytest.raises(FileNotFoundError):
        files.sync("folder/a")
