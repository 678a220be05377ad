"""The planner behind a process boundary: one long-lived worker, replaced when it fails, its plans checked."""

from typing import Self

from hems.domain.errors import BadInputError, WorkerError
from hems.domain.plan import Plan
from hems.domain.problem import PlanningProblem
from hems.planning.answer import PlanAnswer, PlanRefusal
from hems.planning.check import violations
from hems.ports import Spawn
from hems.runtime.line_worker import LineWorker
from hems.wire import fast_json, parse

PLAN_WORKER = "hems.workers.plan"

DEADLINE_S = 20.0
"""Two hundred times the ordinary plan; a Pi at its worst needs a tenth of it."""

JOBS_MAX = 100
"""Then a fresh worker, once a day: what a search in native code leaves behind shall not add up. A house that searches
in every plan maps 400 MB after some hundred; a start costs 0.35 s of CPU."""

MEMORY_MAX_BYTES = 1024 * 1024 * 1024
"""Address space. A worker maps 200 MB after ten plans of 48 h and touches 97 MB of it."""

FINDINGS_SHOWN_MAX = 3


class WorkerPlanner:
    """Implements :class:`hems.ports.Planner`. Starts its worker with the first problem."""

    def __init__(self, spawn: Spawn, *, deadline_s: float = DEADLINE_S, module: str = PLAN_WORKER) -> None:
        """``module`` is the worker to run; tests name misbehaving ones."""
        self._worker = LineWorker(
            spawn,
            module,
            name="plan worker",
            deadline_s=deadline_s,
            memory_max_bytes=MEMORY_MAX_BYTES,
            jobs_max=JOBS_MAX,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answer(self, problem: PlanningProblem) -> bytes:
        """The worker's answer, untrusted: give it to :func:`checked_plan`.

        After a failure the worker is gone and the next call starts another.

        Raises:
            WorkerError: no answer; says why in one sentence.
        """
        line = self._worker.ask(fast_json(problem))
        if not line.startswith(b'{"plan":'):
            self.close()
        if line.startswith(b'{"error":'):
            raise WorkerError(f"plan worker: {_refusal(line)}")
        return line

    def close(self) -> None:
        """End the worker, from any thread; no process is left. The next problem starts another."""
        self._worker.close()


def checked_plan(problem: PlanningProblem, answer: bytes) -> Plan:
    """The plan in a worker's answer, if it is true to the problem. What to do without one is the caller's choice.

    Raises:
        WorkerError: not an answer, or a plan that breaks a rule; says which in one sentence.
    """
    try:
        plan = parse(PlanAnswer, answer, source="answer").plan
    except BadInputError as error:
        raise WorkerError(f"plan worker: {str(error).splitlines()[0]}") from None
    found = violations(problem, plan)
    if found:
        more = f" (and {len(found) - FINDINGS_SHOWN_MAX} more)" if len(found) > FINDINGS_SHOWN_MAX else ""
        raise WorkerError(f"plan refused: {'; '.join(found[:FINDINGS_SHOWN_MAX])}{more}")
    return plan


def _refusal(line: bytes) -> str:
    try:
        return parse(PlanRefusal, line, source="answer").error.splitlines()[0]
    except (BadInputError, IndexError):
        return "an error without words"
