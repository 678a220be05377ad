"""PV plants."""

from collections.abc import Iterator

from hems.domain.plan import Plan
from hems.domain.problem import PlanningProblem
from hems.planning.constraints.findings import outside


def violations(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """No more than forecast, and exactly that where it cannot be curtailed."""
    for plant, planned in zip(problem.pv, plan.pv, strict=True):
        lower = [0.0] * problem.grid.count if plant.curtailable else plant.production_power_w
        yield from outside(f"pv {plant.device_id}", planned.production_power_w, lower, plant.production_power_w)
