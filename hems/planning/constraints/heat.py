"""Heat pumps, and the room and the tank that they heat."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from hems.domain.plan import HeatPlan, Plan, Remedy, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.problem import HeatInput, PlanningProblem, RoomInput, Series, TankInput
from hems.domain.time import SlotGrid
from hems.planning.constraints.findings import POWER_TOLERANCE_W, TOLERANCES, bent_at_worst, outside
from hems.planning.reading import ON_W, on_off_slots


def after_slot_c(
    start_c: float, *, surroundings_c: float, heat_w: float, loss_w_per_k: float, capacity_wh_per_k: float, hours: float
) -> float:
    """Temperature after a time of constant heat: exact solution of C dT/dt = heat - loss * (T - surroundings)."""
    if loss_w_per_k * hours < capacity_wh_per_k * 1e-12:
        return start_c + hours * heat_w / capacity_wh_per_k
    kept_ratio = math.exp(-hours * loss_w_per_k / capacity_wh_per_k)
    return kept_ratio * start_c + (1 - kept_ratio) * (surroundings_c + heat_w / loss_w_per_k)


def room_after_c(room: RoomInput, start_c: float, power_w: float, slot: int, hours: float) -> float:
    """Room temperature at the end of a slot, for this mean electrical power."""
    return after_slot_c(
        start_c,
        surroundings_c=room.outdoor_c[slot],
        heat_w=room.cop_ratio[slot] * power_w + room.gains_w[slot],
        loss_w_per_k=room.loss_w_per_k,
        capacity_wh_per_k=room.capacity_wh_per_k,
        hours=hours,
    )


def tank_after_c(tank: TankInput, start_c: float, power_w: float, slot: int, hours: float) -> float:
    """Tank temperature at the end of a slot, for this mean electrical power."""
    return after_slot_c(
        start_c,
        surroundings_c=tank.ambient_c,
        heat_w=tank.cop_ratio[slot] * power_w - tank.draws_w[slot],
        loss_w_per_k=tank.loss_w_per_k,
        capacity_wh_per_k=tank.capacity_wh_per_k,
        hours=hours,
    )


def room_c(room: RoomInput, power_w: Sequence[float], slot_h: float) -> Series:
    """Room temperature at the end of each slot."""
    states = [room.temperature_c]
    for slot, each in enumerate(power_w):
        states.append(room_after_c(room, states[-1], each, slot, slot_h))
    return tuple(states[1:])


def tank_c(tank: TankInput, power_w: Sequence[float], slot_h: float) -> Series:
    """Tank temperature at the end of each slot."""
    states = [tank.temperature_c]
    for slot, each in enumerate(power_w):
        states.append(tank_after_c(tank, states[-1], each, slot, slot_h))
    return tuple(states[1:])


def wear_eur(pump: HeatInput, power_w: Sequence[float], grid: SlotGrid) -> float:
    """Cost of starts in the first hours [EUR]."""
    on = (pump.running, *(each > ON_W for each in power_w[: on_off_slots(grid)]))
    return sum(after and not before for before, after in pairwise(on)) * pump.start_cost_eur


def unmet(
    problem: PlanningProblem, pump: HeatInput, *, power_w: Sequence[float], room: Sequence[float], tank: Sequence[float]
) -> Iterator[UnmetWish]:
    """Run, rest and hygiene; comfort of room and tank by their temperatures at the end of each slot."""
    grid = problem.grid
    yield from _run_and_rest(grid, pump, power_w)
    too_cold, too_warm = [], []
    if pump.tank is not None:
        yield from _hygiene(grid, pump, pump.tank, tank)
        too_cold.append([pump.tank.temperature_min_c - each for each in tank])
        if pump.tank.hygiene is None:
            too_warm.append([each - pump.tank.temperature_max_c for each in tank])
    if pump.room is not None:
        too_cold.append([low - each for low, each in zip(pump.room.comfort_min_c, room, strict=True)])
        too_warm.append([each - high for high, each in zip(pump.room.comfort_max_c, room, strict=True)])
    for wish, families in ((Wish.HEAT_MIN, too_cold), (Wish.HEAT_MAX, too_warm)):
        for missing in families:
            yield from bent_at_worst(grid, wish, pump.device_id, missing, unit=Unit.K, kind=RemedyKind.WIDER_BAND)


def _hygiene(grid: SlotGrid, pump: HeatInput, tank: TankInput, states: Sequence[float]) -> Iterator[UnmetWish]:
    if tank.hygiene is None:
        return
    by_at = tank.hygiene.by_at
    hottest_c = max(tank.temperature_c, *states[: grid.whole_slots_before(by_at)], -math.inf)
    missing_k = tank.hygiene.temperature_c - hottest_c
    if missing_k > TOLERANCES[Unit.K] and by_at <= grid.end_at:
        yield UnmetWish(
            wish=Wish.PROTECTION,
            device_id=pump.device_id,
            shortfall=missing_k,
            unit=Unit.K,
            at=by_at,
            remedy=Remedy(kind=RemedyKind.WIDER_BAND, amount=missing_k, unit=Unit.K),
        )


def _run_and_rest(grid: SlotGrid, pump: HeatInput, power_w: Sequence[float]) -> Iterator[UnmetWish]:
    """The run or rest that it is measured in: a limit may end it too soon."""
    missing_s = [0.0] * grid.count
    for slot in _ends(pump, power_w[: on_off_slots(grid)])[:1]:
        missing_s[slot] = _least_s(pump, running=pump.running) - pump.state_s - slot * grid.slot_s
    yield from bent_at_worst(grid, Wish.PROTECTION, pump.device_id, missing_s, unit=Unit.S, kind=RemedyKind.LATER)


def _ends(pump: HeatInput, power_w: Sequence[float]) -> list[int]:
    """Slots in which it is no longer in the state it was in before."""
    on = (pump.running, *(each > ON_W for each in power_w))
    return [slot for slot, (before, after) in enumerate(pairwise(on)) if before != after]


def _least_s(pump: HeatInput, *, running: bool) -> float:
    return pump.min_run_s if running else pump.min_rest_s


def violations(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """Powers that the pump can run at, and temperatures that follow from them."""
    for pump, planned in zip(problem.heat, plan.heat, strict=True):
        name = f"heat {pump.device_id}"
        yield from outside(name, planned.power_w, [0.0] * problem.grid.count, [pump.power_max_w] * problem.grid.count)
        yield from _levels(name, pump, planned, on_off_slots(problem.grid))
        yield from _too_short(name, pump, planned, problem.grid)
        room_w, tank_w = list(planned.power_w), list(planned.tank_power_w)
        if pump.tank is not None:
            yield from outside(f"{name} tank", tank_w, [0.0] * len(tank_w), planned.power_w)
            room_w = [both - each for both, each in zip(planned.power_w, tank_w, strict=True)]
            yield from _tank(name, pump.tank, tank_w, planned.tank_c, problem.grid.slot_h)
        if pump.room is not None:
            yield from _room(name, pump.room, room_w, planned.room_c, problem.grid.slot_h)
        elif any(abs(each) > POWER_TOLERANCE_W for each in room_w):
            yield f"{name}: it heats a room that it does not have"


def _levels(name: str, pump: HeatInput, planned: HeatPlan, exact: int) -> Iterator[str]:
    for slot, power_w in enumerate(planned.power_w[:exact]):
        if power_w <= ON_W:
            continue
        if pump.levels_w and all(abs(power_w - each) > POWER_TOLERANCE_W for each in pump.levels_w):
            yield f"{name}: {power_w:.1f} W in slot {slot} is none of its levels"
            return
        if not pump.levels_w and power_w < pump.power_min_w - POWER_TOLERANCE_W:
            yield f"{name}: {power_w:.1f} W in slot {slot} is below its smallest power of {pump.power_min_w:.0f} W"
            return


def _too_short(name: str, pump: HeatInput, planned: HeatPlan, grid: SlotGrid) -> Iterator[str]:
    """A run or rest that the plan itself begins, and ends too soon inside the first hours."""
    for began, ended in pairwise(_ends(pump, planned.power_w[: on_off_slots(grid)])):
        runs = planned.power_w[began] > ON_W
        lasts_s = (ended - began) * grid.slot_s
        if lasts_s < _least_s(pump, running=runs) - TOLERANCES[Unit.S]:
            yield f"{name}: it {'runs' if runs else 'rests'} for {lasts_s} s only from slot {began} on"
            return


def _room(name: str, room: RoomInput, power_w: Sequence[float], told: Series, hours: float) -> Iterator[str]:
    heat_w = [cop * each + gain for cop, each, gain in zip(room.cop_ratio, power_w, room.gains_w, strict=True)]
    rates = (room.loss_w_per_k, room.capacity_wh_per_k)
    yield from _follows(f"{name} room", room.temperature_c, room.outdoor_c, heat_w, rates, told, hours)


def _tank(name: str, tank: TankInput, power_w: Sequence[float], told: Series, hours: float) -> Iterator[str]:
    heat_w = [cop * each - draw for cop, each, draw in zip(tank.cop_ratio, power_w, tank.draws_w, strict=True)]
    rates, around_c = (tank.loss_w_per_k, tank.capacity_wh_per_k), [tank.ambient_c] * len(told)
    yield from _follows(f"{name} tank", tank.temperature_c, around_c, heat_w, rates, told, hours)


def _follows(
    name: str,
    start_c: float,
    around_c: Sequence[float],
    heat_w: Sequence[float],
    rates: tuple[float, float],
    told: Series,
    hours: float,
) -> Iterator[str]:
    """The told course against the energy balance of each slot.

    Written as start + (drift per hour) * (hours of it that last): ``-expm1(-x) / x`` of the slot for the time
    constant x, which needs no case for a perfect insulation but the limit 1.
    """
    loss, capacity = rates
    time_constants = hours * loss / capacity
    lasting_h = hours * (-math.expm1(-time_constants) / time_constants if time_constants > 0 else 1.0)
    right_c = start_c
    for slot, (outdoor_c, heat, told_c) in enumerate(zip(around_c, heat_w, told, strict=True)):
        right_c += (heat - loss * (right_c - outdoor_c)) / capacity * lasting_h
        if abs(told_c - right_c) > TOLERANCES[Unit.K] + 1e-9 * abs(right_c):
            yield f"{name}: {told_c:.2f} C after slot {slot}, its heat makes it {right_c:.2f} C"
            return
