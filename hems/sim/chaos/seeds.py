"""One seed: a house, its faults, its runs; and what many seeds come to."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import hems
from hems.ports import Files, Planner
from hems.sim.chaos.application import at_an_hour, run_application
from hems.sim.chaos.houses import ChaosHouse, draw_house
from hems.sim.chaos.outcome import Outcome
from hems.sim.chaos.script import (
    AROUND_THE_DAEMON,
    AROUND_THE_TICK,
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Injected,
    Script,
    WorldFault,
    dice_of,
    draw_script,
    in_order,
)
from hems.sim.chaos.steps import run_steps
from hems.store import document

FAULTS_PER_DAY = 16
FAULTS_PER_HOUR = 14
"""In the hour of the whole application, which follows the days of each seed."""
PLAN_S, OFTEN_PLAN_S = HOUR_S, 15 * MINUTE_S
QUIET_S = 2 * HOUR_S + 10 * MINUTE_S
"""Without faults at the end of a run: two plan cycles and some."""
SCHEMA = "hems/chaos-report/1"


def script_of(house: ChaosHouse, seed: int, *, days: int) -> Script:
    """Faults of the step drive: the last two hours are for getting well."""
    return draw_script(
        dice_of(seed, "script"),
        house.site,
        from_s=MINUTE_S,
        until_s=days * DAY_S - QUIET_S,
        count=FAULTS_PER_DAY * days,
        world=AROUND_THE_TICK,
    )


def application_script_of(house: ChaosHouse, seed: int) -> Script:
    """Faults of the hour of the whole application: within its first forty minutes, two kills among them."""
    dice, until_s = dice_of(seed, "application"), 40 * MINUTE_S
    drawn = draw_script(
        dice, house.site, from_s=MINUTE_S, until_s=until_s, count=FAULTS_PER_HOUR, world=AROUND_THE_DAEMON
    )
    kills = (
        Injected(fault=WorldFault.KILLED, start_s=dice.randrange(MINUTE_S, until_s - MINUTE_S), duration_s=duration_s)
        for duration_s in (3, 20)
    )
    return in_order((*kills, *drawn))


def run_seed(seed: int, *, days: int, planner: Planner) -> list[dict[str, Any]]:
    """All runs of a seed, as JSON."""
    house = draw_house(seed, days=days)
    script = script_of(house, seed, days=days)
    plan_s = OFTEN_PLAN_S if seed // 4 % 8 == 0 else PLAN_S
    steps = run_steps(house, seed, script, until_s=days * DAY_S, plan_s=plan_s, planner=planner)
    hour = at_an_hour(house, seed)
    whole = run_application(hour, seed, application_script_of(hour, seed), until_s=HOUR_S, planner=planner)
    return [_as_json(house, each) for each in (steps, whole)]


def _as_json(house: ChaosHouse, outcome: Outcome) -> dict[str, Any]:
    return {"kind": house.kind, **asdict(outcome)}


class Shelf:
    """Finished seeds in a folder, so that figures of several sittings add up.

    What is kept belongs to one state of the source and one number of days: others are never mixed with it.
    """

    def __init__(self, files: Files, *, days: int) -> None:
        """Beside others of the same folder."""
        self._files = files
        self._key = f"{_source_digest()}-{days}d"

    def find(self, seed: int) -> list[dict[str, Any]] | None:
        """What came of a seed; None: not run yet."""
        content = self._files.read(self._name(seed))
        return None if content is None else json.loads(content)

    def keep(self, seed: int, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Raises OSError where the disk does not take it."""
        document.save(self._files, self._name(seed), json.dumps(outcomes).encode())

    def _name(self, seed: int) -> str:
        return f"chaos-{self._key}-{seed}.json"


@cache
def _source_digest() -> str:
    found = hashlib.sha256()
    root = Path(hems.__file__).parent
    for path in sorted(root.rglob("*.py")):
        found.update(f"{path.relative_to(root)}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def total(done: Mapping[int, Sequence[Mapping[str, Any]]], *, days: int, took_s: float) -> dict[str, Any]:
    """Everything that was seen, as JSON.

    Args:
        done: what came of each seed.
        days: of the step drive, per seed.
        took_s: wall time of this sitting [s].
    """
    runs = [(seed, each) for seed, outcomes in done.items() for each in outcomes]
    faults: Counter[str] = Counter()
    longest: Counter[str] = Counter()
    for _, each in runs:
        faults.update(each["faults"])
        longest |= Counter(each["longest_over_s"])
    recoveries_s = sorted(time_s for _, each in runs for time_s in each["recoveries_s"])
    broken = [{"seed": seed, "drive": each["drive"], **one} for seed, each in runs for one in each["broken"]]
    return {
        "schema": SCHEMA,
        "version": hems.__version__,
        "source": _source_digest(),
        "seeds": len(done),
        "days": days,
        "house_days": _house_days(runs),
        "kinds": dict(Counter(outcomes[0]["kind"] for outcomes in done.values())),
        "faults": sum(faults.values()),
        "faults_by_kind": dict(sorted(faults.items())),
        "violations": sum(each["broken_count"] for _, each in runs),
        "violations_by_rule": dict(Counter(each["rule"] for each in broken)),
        "crashes": sum(each["rule"] == "crash" for each in broken),
        "longest_above_limit_s": dict(sorted(longest.items())),
        "recoveries": len(recoveries_s),
        "recovery_s_median": recoveries_s[len(recoveries_s) // 2] if recoveries_s else None,
        "recovery_s_longest": recoveries_s[-1] if recoveries_s else None,
        "plans": sum(each["plans"] for _, each in runs),
        "restarts": sum(each["restarts"] for _, each in runs),
        "promises": sum(each["promises"] for _, each in runs),
        "promises_over_restarts": sum(each["promises_over_restarts"] for _, each in runs),
        "took_s": round(took_s, 1),
        "broken": [
            {**each, "again": f"hems chaos --seeds 1 --first-seed {each['seed']} --days {days}"} for each in broken[:50]
        ],
    }


def _house_days(runs: Sequence[tuple[int, Mapping[str, Any]]]) -> dict[str, float]:
    found: Counter[str] = Counter()
    for _, each in runs:
        found[each["drive"]] += each["house_s"]
    by_drive = {drive: round(house_s / DAY_S, 2) for drive, house_s in sorted(found.items())}
    return {**by_drive, "all": round(sum(found.values()) / DAY_S, 2)}
