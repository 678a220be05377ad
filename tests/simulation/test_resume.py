"""A run that stops at any moment, by choice, by power cut or by a full disk, ends as if it had not stopped."""

import errno
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hems import wire
from hems.domain.errors import BadInputError, OperatingError, RecordDamagedError
from hems.runtime.files import SystemFiles
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim import house as house_module
from hems.sim.household import Household
from hems.sim.report import figures
from hems.sim.settings import Settings
from hems.sim.simulate import Task, checkpoint_name, record_name, run_days
from hems.store.episodes import read
from tests.simulation.closed_loop import SEED, SITE, loop_of, two_weeks
from tests.support.crash_files import PLAIN, CrashFiles, PowerCut, Survival
from tests.support.simulated import START_AT

DATA = two_weeks()
NOON_AT = START_AT + timedelta(hours=10)
"""A car comes and goes on in the hours after, so that every short day closes episodes."""
SHORT_DAY_S = 3_600
OPERATIONS_MAX = 30
NAMES = (checkpoint_name("rules"), record_name("rules"))


@pytest.fixture(autouse=True, scope="module")
def one_household() -> Iterator[None]:
    """A household is a function of site, data and seed, and takes longer to make than these tests to run."""
    household = Household(site=SITE, data=DATA, seed=SEED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house_module, "Household", lambda **_: household)
        yield


def task(*, days: int, resume: bool, strategy: str = "rules", folder: Path = Path("run")) -> Task:
    asked = Settings(folder=Path(), start_at=NOON_AT, days=days, step_s=900)
    return Task(site=SITE, settings=asked, strategy=strategy, folder=folder, resume=resume)


def sit(files: CrashFiles | SystemFiles, *, days: int = 3, resume: bool = False, fingerprint: str = "same") -> Any:
    """One sitting of a run by rules with days of an hour; its figures."""
    loop, _ = loop_of("rules", DATA, start_at=NOON_AT, step_s=900)
    run_days(
        task(days=days, resume=resume),
        loop,
        files,
        fingerprint=fingerprint,
        progress=lambda *_: None,
        day_s=SHORT_DAY_S,
    )
    return figures(loop, end_eur=0.0)


@cache
def uninterrupted(days: int = 3) -> tuple[Any, bytes | None, tuple[str, ...]]:
    """Figures, decision record and operations of a run that nothing disturbs."""
    files = CrashFiles()
    result = sit(files, days=days)
    return result, files.read(NAMES[1]), tuple(files.done)


def cut(at: int, *, seed: int, days: int = 3, before: CrashFiles | None = None) -> CrashFiles | None:
    """The disk of a run (a resumed one where there was one before) that lost power; None where it ended first."""
    files = CrashFiles(stop_at=at, seed=seed) if before is None else before
    files.stop_at, files.operations = at, 0
    try:
        sit(files, days=days, resume=before is not None)
    except PowerCut:
        return files
    return None


def record(files: CrashFiles) -> bytes | None:
    return files.read(NAMES[1])


def test_the_run_under_test_writes_its_record_on_the_way():
    _, record_bytes, operations = uninterrupted()
    assert record_bytes is not None
    assert len(operations) < OPERATIONS_MAX
    assert sum(each.startswith("append") for each in operations) >= 3


@pytest.mark.parametrize("how", [*PLAIN, Survival.CHANCE], ids=lambda how: how.name.lower())
def test_after_a_power_cut_at_any_operation_a_resumed_run_ends_the_same(how: Survival):
    """Goal: no moment costs more than the day under way. Method: cut at every operation, let the disk keep what the
    pattern says, resume on what is left, compare with the run that nothing disturbed, byte for byte."""
    expected, expected_record, operations = uninterrupted()
    for at in range(1, len(operations) + 1):
        for seed in range(1 if how is not Survival.CHANCE else 4):
            files = cut(at, seed=seed)
            assert files is not None
            left = files.after_power_cut(how, seed=seed)
            where = f"{how.name}, seed {seed}, {files.done[-1]}"
            assert sit(left, resume=True) == expected, where
            assert record(left) == expected_record, where


@pytest.mark.parametrize("how", [Survival.NOTHING, Survival.EVERYTHING, Survival.CHANCE], ids=lambda how: how.name)
def test_a_power_cut_while_a_run_starts_anew_over_an_old_one_leaves_nothing_mixed(how: Survival):
    expected, expected_record, operations = uninterrupted()
    for at in range(1, len(operations) + 1):
        files = CrashFiles(seed=at)
        sit(files)
        files.stop_at, files.operations = at, 0
        with suppress(PowerCut):
            sit(files)
        left = files.after_power_cut(how, seed=at)
        assert sit(left, resume=True) == expected, files.done[-1]
        assert record(left) == expected_record, files.done[-1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    cuts=st.lists(st.tuples(st.integers(1, OPERATIONS_MAX), st.integers(0, 1000)), min_size=2, max_size=4),
    how=st.sampled_from(Survival),
)
def test_power_cuts_during_resumed_runs_change_nothing_either(cuts: list[tuple[int, int]], how: Survival):
    expected, expected_record, _ = uninterrupted()
    files: CrashFiles | None = None
    for at, seed in cuts:
        crashed = cut(at, seed=seed, before=files)
        files = files if crashed is None else crashed.after_power_cut(how, seed=seed)
    last = CrashFiles() if files is None else files
    last.stop_at = None
    assert sit(last, resume=True) == expected
    assert record(last) == expected_record


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["disk full", "disk broken"])
def test_a_disk_that_takes_no_more_is_one_message_and_the_last_checkpoint_stays_good(error: int):
    expected, expected_record, operations = uninterrupted()
    for at in range(1, len(operations) + 1):
        files = CrashFiles(stop_at=at, error=error, seed=at)
        with pytest.raises(OperatingError) as caught:
            sit(files)
        assert len(str(caught.value).splitlines()) == 1
        assert "go on with --resume" in str(caught.value)
        assert sit(files, resume=True) == expected, files.done[at - 1]
        assert record(files) == expected_record, files.done[at - 1]


def test_a_longer_run_goes_on_from_a_shorter_one():
    expected, expected_record, _ = uninterrupted(5)
    files = CrashFiles()
    sit(files, days=2)
    assert sit(files, days=5, resume=True) == expected
    assert record(files) == expected_record


def test_a_shorter_run_does_not_take_the_figures_of_a_longer_one():
    files = CrashFiles()
    sit(files, days=3)
    with pytest.raises(BadInputError, match="3 days are done already"):
        sit(files, days=2, resume=True)


def test_a_checkpoint_of_another_run_is_refused():
    files = CrashFiles()
    sit(files, days=1)
    with pytest.raises(BadInputError, match="another site, data, start, step or seed"):
        sit(files, days=2, resume=True, fingerprint="other")


def test_a_record_that_somebody_shortened_is_not_filled_up():
    files = CrashFiles()
    sit(files, days=2)
    files.truncate(NAMES[1], 100)
    with pytest.raises(RecordDamagedError, match="has 100 bytes and had"):
        sit(files, days=3, resume=True)


def meaning(content: bytes) -> object:
    try:
        read_back = json.loads(content)
        return read_back["run"], read_back["sha256"]
    except (ValueError, KeyError):
        return None


@settings(max_examples=40, deadline=None, derandomize=True)
@given(at=st.floats(0, 1, exclude_max=True), by=st.sampled_from([b"", b"7", b"null", b"}"]))
def test_a_checkpoint_that_somebody_changed_is_refused(at: float, by: bytes):
    files = CrashFiles()
    sit(files, days=1)
    content = files.read(NAMES[0]) or b""
    place = int(at * len(content))
    changed = content[:place] + by + content[place + 1 :]
    files.write(NAMES[0], changed)
    if meaning(changed) == meaning(content):
        sit(files, days=2, resume=True)
    else:
        with pytest.raises(BadInputError, match=r"checkpoint\.json: "):
            sit(files, days=2, resume=True)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b"\xff"])
def test_what_is_no_checkpoint_is_named(content: bytes):
    files = CrashFiles()
    sit(files, days=1)
    files.write(NAMES[0], content)
    with pytest.raises(BadInputError, match=r"rules\.checkpoint\.json: not a checkpoint"):
        sit(files, days=2, resume=True)


@pytest.mark.parametrize("strategy", ["unmanaged", "rules", "plan", "perfect"])
def test_each_strategy_stopped_and_resumed_equals_the_run_in_one_go(strategy: str, tmp_path: Path):
    def run(folder: Path, *, days: int, resume: bool = False) -> dict[str, Any]:
        start_at = START_AT + timedelta(days=10, hours=9)
        with closing(WorkerPlanner(spawn)) as planner:
            loop, _ = loop_of(strategy, DATA, start_at=start_at, planner=planner, step_s=300)
            told = task(days=days, resume=resume, strategy=strategy, folder=folder)
            run_days(
                told, loop, SystemFiles(folder), fingerprint="same", progress=lambda *_: None, day_s=6 * SHORT_DAY_S
            )
        return {key: value for key, value in figures(loop, end_eur=0.0).items() if key != "plan_time_p95_s"}

    expected = run(tmp_path / "whole", days=2)
    run(tmp_path / "parts", days=1)
    assert run(tmp_path / "parts", days=2, resume=True) == expected
    whole, parts = ((tmp_path / name / record_name(strategy)).read_bytes() for name in ("whole", "parts"))
    assert parts == whole
    assert expected["plans"] > 0 or strategy in ("unmanaged", "rules")


def test_the_record_of_a_run_reads_back_line_by_line_to_the_byte():
    files = CrashFiles()
    sit(files)
    lines = (record(files) or b"").splitlines()
    assert [wire.canonical(episode) for episode in read(files, NAMES[1])] == lines
