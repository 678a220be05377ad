"""Appliances: a fixed profile that starts once."""

from collections.abc import Iterator
from datetime import timedelta

from hems.domain.plan import Plan, Remedy, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.problem import ApplianceInput, PlanningProblem
from hems.domain.time import SlotGrid
from hems.planning.constraints.findings import POWER_TOLERANCE_W, TOLERANCES
from hems.planning.reading import appliance_starts


def late_s(appliance: ApplianceInput, start: int, grid: SlotGrid) -> float:
    """By how much a start in this slot misses the deadline, >= 0 [s]."""
    ends_after = timedelta(seconds=(start + len(appliance.profile_w)) * grid.slot_s)
    return max(0.0, (grid.start_at - appliance.deadline_at + ends_after).total_seconds())


def unmet(problem: PlanningProblem, appliance: ApplianceInput, start: int) -> Iterator[UnmetWish]:
    """Done by its deadline."""
    late = late_s(appliance, start, problem.grid)
    if late > TOLERANCES[Unit.S]:
        yield UnmetWish(
            wish=Wish.APPLIANCE,
            device_id=appliance.device_id,
            shortfall=late,
            unit=Unit.S,
            at=appliance.deadline_at,
            remedy=Remedy(kind=RemedyKind.LATER, amount=late, unit=Unit.S),
        )


def start_of(problem: PlanningProblem, plan: Plan, index: int) -> int:
    """Slot in which a planned appliance starts; negative under way."""
    appliance = problem.appliances[index]
    if appliance.started_at is not None:
        return appliance_starts(appliance, problem.grid)[0]
    since = plan.appliances[index].start_at - problem.grid.start_at
    return round(since / timedelta(seconds=problem.grid.slot_s))


def violations(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """It starts on a slot, not before it may, once, and runs its whole profile; under way it goes on."""
    grid = problem.grid
    for index, (appliance, planned) in enumerate(zip(problem.appliances, plan.appliances, strict=True)):
        name = f"appliance {appliance.device_id}"
        start = start_of(problem, plan, index)
        if appliance.started_at is not None:
            if planned.start_at != appliance.started_at:
                yield f"{name}: under way since {appliance.started_at.isoformat()}, the plan says otherwise"
        elif start < 0 or planned.start_at < appliance.earliest_at:
            yield f"{name}: starts at {planned.start_at.isoformat()}, which is too early"
        elif planned.start_at != grid.slot_start(start):
            yield f"{name}: starts at {planned.start_at.isoformat()}, which is not the start of a slot"
        expected = [0.0] * grid.count
        for step, power_w in enumerate(appliance.profile_w):
            if 0 <= start + step < grid.count:
                expected[start + step] = power_w
        for slot, (told_w, right_w) in enumerate(zip(planned.power_w, expected, strict=True)):
            if abs(told_w - right_w) > POWER_TOLERANCE_W:
                yield f"{name}: {told_w:.1f} W in slot {slot}, its programme uses {right_w:.1f} W"
                break
