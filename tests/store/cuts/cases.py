"""What is written to each store before the power goes, and what must be there afterwards.

A seed draws the order of writes, their sizes, and when the receiver takes something. The disk in memory says in its own
words what it injects and what it must not inject.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hems.domain.operator import KeptLimit
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
    keep_now,
    kept_limit,
    minute,
    outbox,
    override,
    telemetry_log,
)

PATTERNS = [(how, 0) for how in PLAIN] + [(Survival.CHANCE, seed) for seed in range(4)]
KEYS = 3


class MixedError(Exception):
    """Something is there that nobody ever wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Writes numbers to a store and notes which were called durable; says which of those are not there.

    ``add`` opens the store and adds one more number; ``lost`` raises MixedError where a whole record is none that was
    written.
    """

    write: Callable[[Files, list[int], random.Random], None]
    add: Callable[[Files, int], bool]
    lost: Callable[[Files, list[int], Findings], list[int]]


def require(whole: bool, what: object) -> None:
    if not whole:
        raise MixedError(str(what)[:200])


def sized(number: int) -> ChargeNow:
    return override(number, padding=number * 701 % 1_500)


def write_documents(files: Files, durable: list[int], dice: random.Random) -> None:
    documents = Documents.open(files, "overrides", kind=ChargeNow, findings=Findings())
    for step in range(8):
        number = step * KEYS + dice.randrange(KEYS)
        kept = documents.put(f"k{number % KEYS}", sized(number))
        durable += [number] if kept else []


def lost_documents(files: Files, durable: list[int], findings: Findings) -> list[int]:
    documents = Documents.open(files, "overrides", kind=ChargeNow, findings=findings)
    lost = []
    for key in range(KEYS):
        newest = max((number for number in durable if number % KEYS == key), default=None)
        value = documents.get(f"k{key}")
        require(value is None or value == sized(int(value.id)), value)
        if newest is not None and (value is None or int(value.id) < newest):
            lost.append(newest)
    return lost


def write_limits(files: Files, durable: list[int], dice: random.Random) -> None:
    """Limits of the grid operator come, and every third word is an end; the other way has limits beside it."""
    documents = Documents.open(files, "operator-limits", kind=KeptLimit, findings=Findings())
    for number in range(1, 10):
        if dice.random() < 0.4:
            documents.put("production", kept_limit(number))
        ends = limit_after(number) is None
        kept = documents.remove("consumption") if ends else documents.put("consumption", kept_limit(number))
        durable += [number] if kept else []


def limit_after(number: int) -> KeptLimit | None:
    return kept_limit(number) if number % 3 else None


def lost_limits(files: Files, durable: list[int], findings: Findings) -> list[int]:
    """In force is the last word that was called durable, or the one that was on its way."""
    documents = Documents.open(files, "operator-limits", kind=KeptLimit, findings=findings)
    for value in documents.all().values():
        require(value == kept_limit(int(value.limit_w)), value)
    last = max(durable, default=0)
    return [] if documents.get("consumption") in (limit_after(last), limit_after(last + 1)) else [last]


def write_telemetry(files: Files, durable: list[int], dice: random.Random) -> None:
    log = telemetry_log(files, Findings())
    for number in range(dice.randrange(4), 20):
        kept = log.append_chunk(chunk(number))
        durable += [number] if kept else []


def lost_telemetry(files: Files, durable: list[int], findings: Findings) -> list[int]:
    chunks = list(telemetry_log(files, findings).read(START_AT, FOREVER_AT))
    found = Counter(int(each.values["n"][0] or 0) for each in chunks)
    for each, number in zip(chunks, sorted(found), strict=False):
        require(each.values == chunk(number).values, each)
    return [number for number in durable if found[number] != 1]


def write_outbox(files: Files, durable: list[int], dice: random.Random) -> None:
    """Now and then the receiver takes some and says so; what it has is negative in the list."""
    clock = StillClock()
    store, waiting = outbox(files, Findings(), clock), list[int]()
    for number in range(1, 58):
        clock.mono_s += 20.0
        waiting.append(number)
        if store.append(minute(number)):
            durable += waiting
            waiting.clear()
        if dice.random() < 0.3:
            for each in store.pending(dice.randrange(1, 4)):
                durable.append(-each.seq)
                store.acknowledge(each)
    store.close()


def lost_outbox(files: Files, durable: list[int], findings: Findings) -> list[int]:
    kept = outbox(files, findings, StillClock()).pending(1_000)
    for each in kept:
        require(each == minute(each.seq), each)
    there = {each.seq for each in kept} | {-number for number in durable if number < 0}
    return [number for number in durable if number > 0 and number not in there]


def write_episodes(files: Files, durable: list[int], dice: random.Random) -> None:
    log = journal(files, Findings())
    number = 0
    while number < 16:
        several = range(number, number + dice.randrange(1, 4))
        if log.append([episode(each) for each in several]):
            durable += several
        number = several.stop


def lost_episodes(files: Files, durable: list[int], findings: Findings) -> list[int]:
    found = list(journal(files, findings).read(START_AT, FOREVER_AT))
    numbers = Counter(int(each.summary.energy_wh or 0) for each in found)
    for each in found:
        require(each == episode(int(each.summary.energy_wh or 0)), each)
    return [number for number in durable if numbers[number] != 1]


def explained(finding: Finding) -> bool:
    """Torn ends are cut; of two records that were not durable yet the second one alone may have reached the disk."""
    second = {"episodes": "damaged and left out", "outbox": "damaged from byte"}.get(finding.place.partition("/")[0])
    return "cut off" in finding.text or (second is not None and second in finding.text)


def add_document(files: Files, number: int) -> bool:
    documents = Documents.open(files, "overrides", kind=ChargeNow, findings=Findings())
    return documents.put(f"k{number % KEYS}", sized(number))


def add_limit(files: Files, number: int) -> bool:
    """For the other way, which :func:`lost_limits` does not look at: no number of its own."""
    documents = Documents.open(files, "operator-limits", kind=KeptLimit, findings=Findings())
    documents.put("production", kept_limit(number))
    return False


def add_chunk(files: Files, number: int) -> bool:
    return telemetry_log(files, Findings()).append_chunk(chunk(number))


def add_minute(files: Files, number: int) -> bool:
    return keep_now(outbox(files, Findings(), StillClock()), minute(number))


def add_episode(files: Files, number: int) -> bool:
    return journal(files, Findings()).append([episode(number)])


CASES = {
    "documents": Case(write=write_documents, add=add_document, lost=lost_documents),
    "operator limits": Case(write=write_limits, add=add_limit, lost=lost_limits),
    "telemetry": Case(write=write_telemetry, add=add_chunk, lost=lost_telemetry),
    "outbox": Case(write=write_outbox, add=add_minute, lost=lost_outbox),
    "episodes": Case(write=write_episodes, add=add_episode, lost=lost_episodes),
}


def run_to_end(case: Case, files: Files, *, seed: int = 0) -> list[int]:
    """What was called durable."""
    durable: list[int] = []
    case.write(files, durable, random.Random(seed))
    return durable


def operations_of(case: Case, *, seed: int = 0) -> int:
    files = CrashFiles()
    run_to_end(case, files, seed=seed)
    return files.operations


def cut_at(case: Case, files: CrashFiles, *, seed: int = 0) -> list[int]:
    """Write until the power goes; what had been called durable by then."""
    durable: list[int] = []
    try:
        case.write(files, durable, random.Random(seed))
    except PowerCut:
        return durable
    raise AssertionError("the power did not go")
