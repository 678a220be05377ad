"""Our own planner on the same problems, in a process of its own like the others: JSON in, JSON out.

Parsing the problem and writing the plan are timed apart from planning, since the others are given their inputs as
objects.
"""

import json
import os
import resource
import sys
import time
from itertools import pairwise
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
started_s = time.process_time()
from benchmarks.peers.documents import announced  # noqa: E402
from hems.domain.plan import Plan  # noqa: E402
from hems.domain.problem import PlanningProblem  # noqa: E402
from hems.planning import reading  # noqa: E402
from hems.solving import plan as planner  # noqa: E402
from hems.wire import fast_json, parse  # noqa: E402

IMPORT_S = time.process_time() - started_s
IMPORT_MB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
ON_OFF_S = reading.ON_OFF_S
DAY_S = 86_400


class Clock:
    """Process CPU time of three steps, in seconds."""

    def __init__(self) -> None:
        self.parse_s: list[float] = []
        self.solve_s: list[float] = []
        self.write_s: list[float] = []

    def plan(self, line: str | bytes, gap_eur: float | None) -> str:
        """One plan by the worker's own path; without a gap by the product's own."""
        marks = [time.process_time()]
        problem = parse(PlanningProblem, line, source="problem")
        marks.append(time.process_time())
        solved = planner.solve(problem, None if gap_eur is None else planner.Gap(ratio=0.0, eur=gap_eur))
        marks.append(time.process_time())
        text = fast_json(solved.plan)
        marks.append(time.process_time())
        steps = (self.parse_s, self.solve_s, self.write_s)
        for series, (before_s, after_s) in zip(steps, pairwise(marks), strict=True):
            series.append(after_s - before_s)
        return text.decode()


def told(line: str, plan: Plan) -> bytes:
    """A later problem as the house poses it: with what the plan in force announced."""
    return fast_json(announced(parse(PlanningProblem, line, source="problem"), plan))


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """``everywhere``: smallest powers hold in every slot as the peers have it, not in the first hours only."""
    reading.ON_OFF_S = 14 * DAY_S if job["everywhere"] else ON_OFF_S
    first, later = Clock(), Clock()
    for _ in range(job["rounds"]):
        found = first.plan(job["problem"], job["gap_eur"])
    in_force = parse(Plan, found, source="plan")
    return {
        "new_s": first.solve_s,
        "parse_s": first.parse_s,
        "write_s": first.write_s,
        "plan": found,
        "drifted": [later.plan(told(each, in_force), job["gap_again_eur"]) for each in job["drifted"]],
        "again_s": later.solve_s,
    }


def main() -> None:
    """One job per line in, one answer per line out; the first line tells what importing takes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the solver prints as it likes
    answers.write(json.dumps({"import_s": IMPORT_S, "import_mb": IMPORT_MB}) + "\n")
    answers.flush()
    for line in sys.stdin:
        found = answer(json.loads(line))
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.write(json.dumps(found) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
