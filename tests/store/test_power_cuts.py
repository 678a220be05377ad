"""Power fails, or the disk does, at every single operation of every store; what was called durable is there.

The disk in memory says in its own words what it injects and what it must not inject.
"""

import errno
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from hems.domain.override import ChargeNow
from hems.ports import Files
from hems.store.documents import Documents
from hems.store.findings import Finding, Findings
from tests.support.crash_files import PLAIN, CrashFiles, PowerCut, Survival
from tests.support.stores import (
    FOREVER_AT,
    START_AT,
    StillClock,
    chunk,
    episode,
    journal,
    minute,
    outbox,
    override,
    telemetry_log,
)

PATTERNS = [(how, 0) for how in PLAIN] + [(Survival.CHANCE, seed) for seed in range(4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Writes numbers to a store and notes which were called durable; says which of those are not there."""

    write: Callable[[Files, list[int]], None]
    lost: Callable[[Files, list[int], Findings], list[int]]


def write_documents(files: Files, durable: list[int]) -> None:
    documents = Documents.open(files, "overrides", kind=ChargeNow, findings=Findings())
    for number in range(6):
        kept = documents.put(f"k{number % 2}", override(number, padding=number * 701 % 1_500))
        durable += [number] if kept else []


def lost_documents(files: Files, durable: list[int], findings: Findings) -> list[int]:
    documents = Documents.open(files, "overrides", kind=ChargeNow, findings=findings)
    lost = []
    for key in (0, 1):
        newest = max((number for number in durable if number % 2 == key), default=None)
        value = documents.get(f"k{key}")
        assert value is None or value == override(int(value.id), padding=int(value.id) * 701 % 1_500)
        if newest is not None and (value is None or int(value.id) < newest):
            lost.append(newest)
    return lost


def write_telemetry(files: Files, durable: list[int]) -> None:
    log = telemetry_log(files, Findings())
    for number in range(20):
        kept = log.append_chunk(chunk(number))
        durable += [number] if kept else []


def lost_telemetry(files: Files, durable: list[int], findings: Findings) -> list[int]:
    chunks = list(telemetry_log(files, findings).read(START_AT, FOREVER_AT))
    found = Counter(int(each.values["n"][0] or 0) for each in chunks)
    assert all(each.values == chunk(number).values for each, number in zip(chunks, sorted(found), strict=True))
    return [number for number in durable if found[number] != 1]


def write_outbox(files: Files, durable: list[int]) -> None:
    """Every third round the receiver takes two and says so; what it has is negative in the list."""
    clock = StillClock()
    store = outbox(files, Findings(), clock)
    for number in range(1, 28):
        clock.mono_s += 20.0
        if store.append(minute(number)):
            durable.append(number)
        if number % 3 == 0:
            for each in store.pending(2):
                durable.append(-each.seq)
                store.acknowledge(each)
    store.close()


def lost_outbox(files: Files, durable: list[int], findings: Findings) -> list[int]:
    kept = outbox(files, findings, StillClock()).pending(1_000)
    assert all(each == minute(each.seq) for each in kept)
    there = {each.seq for each in kept} | {-number for number in durable if number < 0}
    return [number for number in durable if number > 0 and number not in there]


def write_episodes(files: Files, durable: list[int]) -> None:
    log = journal(files, Findings())
    for number in range(0, 16, 2):
        if log.append([episode(number), episode(number + 1)]):
            durable += [number, number + 1]


def lost_episodes(files: Files, durable: list[int], findings: Findings) -> list[int]:
    found = list(journal(files, findings).read(START_AT, FOREVER_AT))
    numbers = Counter(int(each.summary.energy_wh or 0) for each in found)
    assert all(each == episode(int(each.summary.energy_wh or 0)) for each in found)
    return [number for number in durable if numbers[number] != 1]


def explained(finding: Finding) -> bool:
    """Torn ends are cut; of two lines that were not durable yet the second one alone may have reached the disk."""
    return "cut off" in finding.text or ("damaged and left out" in finding.text and "episodes" in finding.place)


CASES = {
    "documents": Case(write=write_documents, lost=lost_documents),
    "telemetry": Case(write=write_telemetry, lost=lost_telemetry),
    "outbox": Case(write=write_outbox, lost=lost_outbox),
    "episodes": Case(write=write_episodes, lost=lost_episodes),
}


def operations_of(case: Case) -> int:
    files = CrashFiles()
    case.write(files, [])
    return files.operations


def cut_at(case: Case, stop_at: int, *, seed: int = 0) -> tuple[CrashFiles, list[int]]:
    files = CrashFiles(stop_at=stop_at, seed=seed)
    durable: list[int] = []
    with pytest.raises(PowerCut):
        case.write(files, durable)
    return files, durable


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
            files, durable = cut_at(case, stop_at, seed=seed)
            assert_nothing_lost(
                case, files.after_power_cut(how, seed=seed), durable, f"{files.done[-1]}, {how}, {seed}"
            )


@pytest.mark.parametrize("name", CASES)
def test_power_that_fails_again_while_a_store_is_opened_loses_nothing_either(name: str):
    case = CASES[name]
    for stop_at in range(1, operations_of(case) + 1, 2):
        for again_at in (1, 2, 3):
            files, durable = cut_at(case, stop_at, seed=stop_at)
            found = files.after_power_cut(Survival.CHANCE, seed=stop_at)
            found.stop_at = again_at
            with suppress(PowerCut):  # some recover in fewer operations
                case.lost(found, durable, Findings())
            left = found.after_power_cut(Survival.CHANCE, seed=again_at)
            assert_nothing_lost(case, left, durable, f"{files.done[-1]}, then {found.done[-1:]}")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "input/output error"])
@pytest.mark.parametrize("name", CASES)
def test_an_operation_that_fails_is_no_reason_to_stop_and_nothing_is_missing_in_the_end(name: str, code: int):
    """The next write that works takes with it what was not durable, so that all of it is there."""
    case = CASES[name]
    everything = run_to_end(case, CrashFiles())
    early = [number for number in everything if 0 < number < max(everything) - 2]
    for stop_at in range(1, operations_of(case) + 1):
        for seed in range(2):
            files = CrashFiles(stop_at=stop_at, error=code, seed=seed)
            durable = run_to_end(case, files)
            assert_nothing_lost(case, files.after_power_cut(Survival.NOTHING), durable, files.done[stop_at - 1])
            assert case.lost(files, [*durable, *early], Findings()) == [], files.done[stop_at - 1]


def run_to_end(case: Case, files: Files) -> list[int]:
    durable: list[int] = []
    case.write(files, durable)
    return durable
