"""``hems plan PROBLEM.json``: planning problem in, plan out."""

import sys
from pathlib import Path

from hems.domain.errors import BadInputError, WorkerError
from hems.domain.problem import PlanningProblem
from hems.planning.fallback import fallback_plan
from hems.runtime.planner import WorkerPlanner, checked_plan
from hems.runtime.worker_process import spawn
from hems.wire import canonical, parse

STANDARD_INPUT = Path("-")


def plan(path: Path) -> int:
    """Print the plan for a problem as canonical JSON; ``-`` reads the problem from standard input.

    The same way as in the daemon: solved by a worker process, checked, and by rules (``"origin": "rules"``, with
    a note on standard error) should the worker fail.

    Returns:
        Exit code: 0 with a plan, 2 for a file, JSON or document that cannot be used.
    """
    try:
        problem = _read(path)
    except BadInputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        with WorkerPlanner(spawn) as planner:
            made = checked_plan(problem, planner.answer(problem))
    except WorkerError as error:
        sys.stderr.write(f"{error}. This plan is by rules.\n")
        made = fallback_plan(problem)
    sys.stdout.write(canonical(made).decode() + "\n")
    return 0


def _read(path: Path) -> PlanningProblem:
    name = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        text = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{name}: {error.strerror}") from None
    return parse(PlanningProblem, text, source=name)
