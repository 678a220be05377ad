"""Getting a plan: ask the worker, check the answer, and always go on with something."""

from dataclasses import dataclass

from hems.domain.errors import WorkerError
from hems.domain.events import Event, PlanAdopted, PlanRefused
from hems.domain.plan import Origin, Plan
from hems.domain.problem import PlanningProblem
from hems.domain.time import Now
from hems.planning.fallback import fallback_plan
from hems.ports import Planner
from hems.runtime.planner import checked_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The plan to go on with, and what happened."""

    plan: Plan
    refused: bool
    events: tuple[Event, ...]


class PlanDesk:
    """Asks one planner. A worker's answer is untrusted: it is parsed, checked, and only then adopted."""

    def __init__(self, planner: Planner) -> None:
        """Use a planner for every question."""
        self._planner = planner

    def replan(self, problem: PlanningProblem, current: Plan | None, now: Now) -> Decided:
        """A new plan; without a good one the current plan while it lasts, then a plan by rules. Never raises."""
        try:
            plan = checked_plan(problem, self._planner.answer(problem))
        except WorkerError as error:
            return _without(problem, current, now, str(error))
        adopted = PlanAdopted(at=now.at, issued_at=plan.issued_at, origin=plan.origin)
        return Decided(plan=plan, refused=False, events=(adopted,))


def _without(problem: PlanningProblem, current: Plan | None, now: Now, why: str) -> Decided:
    # Rules made now know more than rules made earlier: only a solver's plan is worth keeping.
    if current is not None and current.origin is Origin.SOLVER and current.grid.index_at(now.at) is not None:
        refused = PlanRefused(at=now.at, problem=why, instead="old plan")
        return Decided(plan=current, refused=True, events=(refused,))
    refused = PlanRefused(at=now.at, problem=why, instead="rules")
    return Decided(plan=fallback_plan(problem), refused=True, events=(refused,))
