"""The same problem gives the same plan, bit for bit: ``python -m benchmarks.determinism [--runs 100]``.

Each run is a process of its own, with another hash seed. Exits with 1 where two plans differ.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from collections import Counter

from hems.domain.problem import PlanningProblem
from hems.wire import fast_json
from tests.support.problems import full_problem, house_problem

HOUSES: dict[str, PlanningProblem] = {"battery, PV, car": house_problem(1), "the fullest house": full_problem(1)}


def main() -> int:
    """Run, compare, print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--runs", type=int, default=100)
    runs = words.parse_args().runs
    differing = 0
    for name, problem in HOUSES.items():
        plans = Counter(_digest(problem, run) for run in range(runs))
        print(f"{name}: {runs} processes, {len(plans)} different plan{'s' if len(plans) != 1 else ''}")
        differing += len(plans) > 1
    return 1 if differing else 0


def _digest(problem: PlanningProblem, run: int) -> str:
    """SHA-256 of the plan that a fresh worker makes; its CPU time is not part of it."""
    done = subprocess.run(
        [sys.executable, "-m", "hems.workers.plan"],
        input=fast_json(problem) + b"\n",
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": str(run)},
    )
    plan = done.stdout.split(b',"elapsed_s":')[0]
    assert plan.startswith(b'{"plan":'), done.stdout[:200]
    return hashlib.sha256(plan).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
