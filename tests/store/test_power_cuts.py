"""Power fails, or the disk does, at every single operation of every store; what was called durable is there.

Many more images: ``python -m tests.store.cuts --images 10000``.
"""

import errno
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hems.ports import Files
from hems.store.findings import Findings
from tests.store.cuts.cases import CASES, PATTERNS, Case, cut_at, explained, operations_of, run_to_end
from tests.support.crash_files import CrashFiles, PowerCut, Survival

ROOT = Path(__file__).parents[2]


def assert_nothing_lost(case: Case, files: Files, durable: list[int], where: str) -> None:
    findings = Findings()
    assert case.lost(files, durable, findings) == [], where
    assert [each for each in findings.found if not explained(each)] == [], where
    assert findings.failing == (), where


@pytest.mark.parametrize("name", CASES)
def test_a_power_cut_at_any_operation_loses_nothing_durable(name: str):
    case = CASES[name]
    for stop_at in range(1, operations_of(case) + 1):
        for how, seed in PATTERNS:
            files = CrashFiles(stop_at=stop_at, seed=seed)
            durable = cut_at(case, files)
            assert_nothing_lost(
                case, files.after_power_cut(how, seed=seed), durable, f"{files.done[-1]}, {how}, {seed}"
            )


@pytest.mark.parametrize("name", CASES)
def test_power_that_fails_again_while_a_store_is_opened_loses_nothing_either(name: str):
    case = CASES[name]
    for stop_at in range(1, operations_of(case) + 1, 2):
        for again_at in (1, 2, 3):
            files = CrashFiles(stop_at=stop_at, seed=stop_at)
            durable = cut_at(case, files)
            found = files.after_power_cut(Survival.CHANCE, seed=stop_at)
            found.stop_at = again_at
            with suppress(PowerCut):  # some recover in fewer operations
                case.lost(found, durable, Findings())
            left = found.after_power_cut(Survival.CHANCE, seed=again_at)
            assert_nothing_lost(case, left, durable, f"{files.done[-1]}, then {found.done[-1:]}")


@pytest.mark.parametrize("lasting", [1, 4])
@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=["full", "input/output error", "read-only"]
)
@pytest.mark.parametrize("name", CASES)
def test_an_operation_that_fails_is_no_reason_to_stop_and_nothing_is_missing_in_the_end(
    name: str, code: int, lasting: int
):
    """The next write that works takes with it what was not durable, so that all of it is there."""
    case = CASES[name]
    everything = [number for number in run_to_end(case, CrashFiles()) if number > 0]
    for stop_at in range(1, operations_of(case) + 1):
        for seed in range(2):
            files = CrashFiles(stop_at=stop_at, error=code, lasting=lasting, seed=seed)
            durable = run_to_end(case, files)
            assert_nothing_lost(case, files.after_power_cut(Survival.NOTHING), durable, files.done[stop_at - 1])
            if max(durable, default=0) == max(everything):
                assert case.lost(files, [*durable, *everything], Findings()) == [], files.done[stop_at - 1]


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS], ids=["input/output error", "read-only"])
@pytest.mark.parametrize("name", CASES)
def test_a_disk_that_fails_while_a_store_is_opened_costs_nothing_that_it_has(name: str, code: int):
    """After a power cut, so that there are torn ends and half-made files; then something is added."""
    case = CASES[name]
    for stop_at in range(1, operations_of(case) + 1):
        for lasting in (1, 2, 50):
            files = CrashFiles(stop_at=stop_at, seed=stop_at)
            durable = cut_at(case, files)
            found = files.after_power_cut(Survival.CHANCE, seed=stop_at)
            found.fail(code, stop_at=1, lasting=lasting)
            durable += [99] if case.add(found, 99) else []
            left = found.after_power_cut(Survival.NOTHING)
            assert_nothing_lost(case, left, durable, f"{files.done[-1]}, then {found.done[:lasting]}")


class BlindFiles(CrashFiles):
    """Folders cannot be listed while it is ``blind``."""

    blind = False

    def names(self, folder: str) -> list[str]:
        if self.blind:
            raise OSError(errno.EIO, "Input/output error")
        return super().names(folder)


@pytest.mark.parametrize("name", CASES)
def test_a_folder_that_cannot_be_listed_once_costs_nothing_that_is_in_it(name: str):
    case, files = CASES[name], BlindFiles()
    durable = run_to_end(case, files)
    files.blind = True
    durable += [99] if case.add(files, 99) else []
    files.blind = False
    assert_nothing_lost(case, files, durable, name)


@pytest.mark.parametrize(("variant", "code"), [("ours", 0), ("unsynced", 1)])
def test_the_long_run_counts_images_of_each_store_and_finds_one_that_does_not_sync(variant: str, code: int):
    command = [sys.executable, "-m", "tests.store.cuts", "--images", "60", "--seed", "4", "--variant", variant]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    for name in (*CASES, "history"):
        assert f"{name}: 60 images" in done.stdout
