"""Home batteries."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from hems.domain.plan import BatteryPlan, Plan, Remedy, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.problem import BatteryInput, PlanningProblem, Series
from hems.planning.constraints.findings import POWER_TOLERANCE_W, TOLERANCES, bent_at_worst, outside
from hems.planning.constraints.inverter import dc_efficiency_ratio
from hems.planning.reading import inverter_members, taper_limit_w


def stored_wh(battery: BatteryInput, power_w: Sequence[float], slot_h: float) -> Series:
    """Energy above empty at the end of each slot, DC side [Wh]; losses on the way in and on the way out."""
    changes = (
        each * slot_h * battery.charge_efficiency_ratio
        if each >= 0
        else each * slot_h / battery.discharge_efficiency_ratio
        for each in power_w
    )
    return tuple(accumulate(changes, initial=battery.stored_wh))[1:]


def wear_eur(battery: BatteryInput, power_w: Sequence[float], slot_h: float) -> float:
    """Cost of what is taken out [EUR]."""
    return sum(max(0.0, -each) for each in power_w) * slot_h / 1000 * battery.cycle_cost_eur_per_kwh


def unmet(problem: PlanningProblem, battery: BatteryInput, stored: Sequence[float]) -> Iterator[UnmetWish]:
    """Reserve, and the way back into the window."""
    below = [battery.reserve_wh - each for each in stored]
    beyond = [max(battery.floor_wh - each, each - battery.ceiling_wh) for each in stored]
    for wish, missing in ((Wish.RESERVE, below), (Wish.WINDOW, beyond)):
        yield from bent_at_worst(
            problem.grid, wish, battery.device_id, missing, unit=Unit.WH, kind=RemedyKind.WANT_LESS
        )


def unmet_restrictions(
    problem: PlanningProblem, *, batteries_w: Sequence[Series], pv_w: Sequence[Series], grid_w: Sequence[float]
) -> Iterator[UnmetWish]:
    """Own surplus only into batteries that never charge from the grid, nothing into it out of those that never sell.

    Powers on an inverter's DC bus count with its efficiency: what they are worth on AC.
    """
    surplus_w = _surplus_w(problem, pv_w)
    ratios = dc_efficiency_ratio(problem, problem.batteries)

    def sum_w(members: Sequence[int], slot: int, sign: float) -> float:
        return sum(max(0.0, sign * ratios[index] * batteries_w[index][slot]) for index in members)

    thrifty = [index for index, each in enumerate(problem.batteries) if not each.charges_from_grid]
    bought_w = [max(0.0, sum_w(thrifty, slot, 1.0) - surplus) for slot, surplus in enumerate(surplus_w)]
    yield from _restriction(problem, Wish.GRID_CHARGE, thrifty, bought_w)
    keeping = [index for index, each in enumerate(problem.batteries) if not each.sells]
    sold_w = [
        max(0.0, min(sum_w(keeping, slot, -1.0), -grid_w[slot] - surplus)) for slot, surplus in enumerate(surplus_w)
    ]
    yield from _restriction(problem, Wish.SELLING, keeping, sold_w)


def _surplus_w(problem: PlanningProblem, pv_w: Sequence[Series]) -> list[float]:
    """PV beyond the load; what does not fit through a hybrid inverter is surplus whatever the load [W]."""
    surplus = []
    plants = [pv_w[index] for index, each in enumerate(problem.pv) if each.inverter_id is None]
    buses = [
        (inverter, [pv_w[index] for index in members.pv])
        for inverter, members in zip(problem.inverters, inverter_members(problem), strict=True)
    ]
    for slot, load_w in enumerate(problem.load_power_w):
        made_w, beyond_w = sum(each[slot] for each in plants), 0.0
        for inverter, on_bus in buses:
            worth_w = sum(each[slot] for each in on_bus) * inverter.efficiency_ratio
            made_w += min(worth_w, inverter.give_power_max_w)
            beyond_w += max(0.0, worth_w - inverter.give_power_max_w)
        surplus.append(max(0.0, made_w - load_w) + beyond_w)
    return surplus


def _restriction(
    problem: PlanningProblem, wish: Wish, members: Sequence[int], over_w: Sequence[float]
) -> Iterator[UnmetWish]:
    total_wh = sum(over_w) * problem.grid.slot_h
    if total_wh > TOLERANCES[Unit.WH]:
        first = next(slot for slot, each in enumerate(over_w) if each > 0)
        yield UnmetWish(
            wish=wish,
            device_id=problem.batteries[members[0]].device_id if len(members) == 1 else None,
            shortfall=total_wh,
            unit=Unit.WH,
            at=problem.grid.slot_start(first),
            remedy=Remedy(kind=RemedyKind.WANT_LESS, amount=total_wh, unit=Unit.WH),
        )


def violations(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """Power limits, tapers, the balance of stored energy, its window."""
    count = problem.grid.count
    for battery, planned in zip(problem.batteries, plan.batteries, strict=True):
        name = f"battery {battery.device_id}"
        lower = [-battery.discharge_power_max_w] * count
        yield from outside(name, planned.power_w, lower, [battery.charge_power_max_w] * count)
        yield from _balance(name, battery, planned, problem.grid.slot_h)
        yield from _window(name, battery, planned)
        yield from _tapers(name, battery, planned)


def _balance(name: str, battery: BatteryInput, planned: BatteryPlan, slot_h: float) -> Iterator[str]:
    right_wh = battery.stored_wh
    for slot, (power_w, told_wh) in enumerate(zip(planned.power_w, planned.stored_wh, strict=True)):
        into_wh, out_of_wh = max(power_w, 0.0) * slot_h, max(-power_w, 0.0) * slot_h
        right_wh += into_wh * battery.charge_efficiency_ratio - out_of_wh / battery.discharge_efficiency_ratio
        if abs(told_wh - right_wh) > TOLERANCES[Unit.WH]:
            yield f"{name}: {told_wh:.1f} Wh stored after slot {slot}, its power makes it {right_wh:.1f} Wh"
            return


def _window(name: str, battery: BatteryInput, planned: BatteryPlan) -> Iterator[str]:
    for slot, (before_wh, after_wh) in enumerate(pairwise((battery.stored_wh, *planned.stored_wh))):
        lower_wh = min(battery.floor_wh, before_wh) - TOLERANCES[Unit.WH]
        upper_wh = max(battery.ceiling_wh, before_wh) + TOLERANCES[Unit.WH]
        if not lower_wh <= after_wh <= upper_wh:
            yield f"{name}: {after_wh:.1f} Wh after slot {slot} is outside its window, {before_wh:.1f} Wh before"
            return


def _tapers(name: str, battery: BatteryInput, planned: BatteryPlan) -> Iterator[str]:
    """A tolerance of energy is one of power, by the slope of the line."""
    for slot, (power_w, after_wh) in enumerate(zip(planned.power_w, planned.stored_wh, strict=True)):
        if power_w > 0:
            taper, power_max_w, end_wh = battery.charge_taper, battery.charge_power_max_w, battery.ceiling_wh
            spared_wh = after_wh - TOLERANCES[Unit.WH]
        else:
            taper, power_max_w, end_wh = battery.discharge_taper, battery.discharge_power_max_w, battery.floor_wh
            spared_wh = after_wh + TOLERANCES[Unit.WH]
        limit_w = taper_limit_w(taper, power_max_w=power_max_w, end_wh=end_wh, stored_wh=spared_wh)
        if abs(power_w) > limit_w + POWER_TOLERANCE_W:
            yield f"{name}: {power_w:.1f} W in slot {slot}, its taper leaves {limit_w:.1f} W at {after_wh:.1f} Wh"
            return
