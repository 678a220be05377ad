"""Grid connection: its limits, the grid operator's, and what was promised."""

from collections.abc import Iterator, Sequence

from hems.domain.plan import Plan, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.problem import PlanningProblem, Series
from hems.planning.constraints.findings import POWER_TOLERANCE_W, TOLERANCES, bent_in_sum, outside
from hems.planning.reading import limited_ranges, uncontrolled_w


def unmet(problem: PlanningProblem, grid_w: Sequence[float]) -> Iterator[UnmetWish]:
    """Connection and operator's limit, passed because of what nothing controls; promises missed."""
    grid = problem.grid
    for wish, imports, exports in (
        (Wish.CONNECTION, problem.import_power_max_w, problem.export_power_max_w),
        (Wish.OPERATOR, problem.operator_import_max_w, problem.operator_export_max_w),
    ):
        over = [
            max(
                power_w - imports[slot] if imports is not None else 0.0,
                -power_w - exports[slot] if exports is not None else 0.0,
            )
            for slot, power_w in enumerate(grid_w)
        ]
        yield from bent_in_sum(grid, wish, over)
    for commitment in problem.commitments:
        off = [
            0.0 if asked_w is None else abs(power_w - asked_w) - commitment.tolerance_w
            for power_w, asked_w in zip(grid_w, commitment.grid_power_w, strict=True)
        ]
        yield from bent_in_sum(grid, Wish.COMMITMENT, off, kind=RemedyKind.LOWER_PROMISE)


def violations(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """The site adds up, and no limit is passed by more than what nothing controls makes it."""
    for slot, told_w in enumerate(plan.grid_power_w):
        right_w = _sum_w(problem, plan, slot)
        if abs(told_w - right_w) > POWER_TOLERANCE_W:
            yield f"site: {told_w:.1f} W at the connection in slot {slot}, the devices add up to {right_w:.1f} W"
            break
    alone = uncontrolled_w(problem)
    for name, imports, exports in (
        ("connection", problem.import_power_max_w, problem.export_power_max_w),
        ("operator's limit", problem.operator_import_max_w, problem.operator_export_max_w),
    ):
        lower, upper = limited_ranges(
            alone, import_max_w=_or_none(imports, len(alone)), export_max_w=_or_none(exports, len(alone))
        )
        yield from outside(name, plan.grid_power_w, lower, upper, TOLERANCES[Unit.W])


def _or_none(limits: Series | None, count: int) -> Series:
    return (float("inf"),) * count if limits is None else limits


def _sum_w(problem: PlanningProblem, plan: Plan, slot: int) -> float:
    total_w = problem.load_power_w[slot]
    for family in (plan.cars, plan.heat, plan.appliances, plan.inverters):
        total_w += sum(each.power_w[slot] for each in family)
    for battery, charged in zip(problem.batteries, plan.batteries, strict=True):
        total_w += charged.power_w[slot] if battery.inverter_id is None else 0.0
    for plant, made in zip(problem.pv, plan.pv, strict=True):
        total_w -= made.production_power_w[slot] if plant.inverter_id is None else 0.0
    return total_w
