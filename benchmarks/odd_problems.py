"""Ten thousand random planning problems through one long-lived worker, absurd and contradictory ones among them.

    python -m benchmarks.odd_problems --problems 10000 --state FOLDER

Resumable: what is done is in the folder, and a later call goes on. Counts who made each plan (solver, or the rules
where the worker had no answer or a wrong one), what the check found, how long it took, and how often the cost of a plan
differs from the independent bill by more than 0.1 %. Exits with 1 where a problem is left without a plan that passes.
"""

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hems.domain.errors import WorkerError
from hems.domain.plan import Plan
from hems.domain.problem import PlanningProblem
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from hems.planning.plausible import plausible
from hems.runtime.planner import WorkerPlanner, checked_plan
from hems.runtime.worker_process import spawn
from tests.support.metering import conduct_of, metered
from tests.support.odd_problems import odd_problem

SAVED_EVERY = 100


@dataclass(slots=True)
class Tally:
    """What has been seen so far."""

    done: int = 0
    origins: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    """Seed and reason of each problem that the worker had no good answer to."""
    unplanned: dict[str, str] = field(default_factory=dict)
    dear: dict[str, str] = field(default_factory=dict)
    """Plans whose cost is not that of the independent bill."""
    slowest_s: float = 0.0


def main() -> int:
    """Run, save, print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--problems", type=int, default=10_000)
    words.add_argument("--state", type=Path, required=True)
    words.add_argument("--minutes", type=float, default=1e9, help="stop after so long; a later call goes on")
    asked = words.parse_args()
    asked.state.mkdir(parents=True, exist_ok=True)
    path = asked.state / "planning.json"
    tally = _read(path)
    end_s = time.perf_counter() + 60 * asked.minutes
    with WorkerPlanner(spawn) as planner:
        while tally.done < asked.problems and time.perf_counter() < end_s:
            _one(planner, tally.done, tally)
            tally.done += 1
            if tally.done % SAVED_EVERY == 0:
                _write(path, tally)
    _write(path, tally)
    print(json.dumps(_as_json(tally), indent=2))
    return 1 if tally.unplanned or tally.dear else 0


def _one(planner: WorkerPlanner, seed: int, tally: Tally) -> None:
    problem = odd_problem(seed)
    started_s = time.perf_counter()
    try:
        plan = checked_plan(problem, planner.answer(problem))
    except WorkerError as error:
        tally.refused[str(seed)] = str(error)[:200]
        plan = fallback_plan(problem)
        found = violations(problem, plan)
        if found:
            tally.unplanned[str(seed)] = "; ".join(found[:2])
    tally.slowest_s = max(tally.slowest_s, round(time.perf_counter() - started_s, 2))
    tally.origins[plan.origin.value] += 1
    difference = _off_the_bill(problem, plan)
    if difference is not None:
        tally.dear[str(seed)] = difference


def _off_the_bill(problem: PlanningProblem, plan: Plan) -> str | None:
    bill = metered(plausible(problem), conduct_of(plan))
    if abs(bill.cost_eur - plan.cost_eur) <= 1e-4 + 1e-3 * abs(plan.cost_eur):
        return None
    return f"told {plan.cost_eur:.4f}, metered {bill.cost_eur:.4f}"


def _read(path: Path) -> Tally:
    if not path.exists():
        return Tally()
    stored: dict[str, Any] = json.loads(path.read_text())
    return Tally(**(stored | {"origins": Counter(stored["origins"])}))


def _write(path: Path, tally: Tally) -> None:
    path.write_text(json.dumps(_as_json(tally)))


def _as_json(tally: Tally) -> dict[str, Any]:
    return {name: getattr(tally, name) for name in Tally.__dataclass_fields__}


if __name__ == "__main__":
    sys.exit(main())
