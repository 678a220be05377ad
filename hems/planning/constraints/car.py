"""Cars at their chargers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import accumulate, pairwise

from hems.domain.plan import CarPlan, Plan, Remedy, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.problem import CarInput, PlanningProblem, Series
from hems.domain.time import SlotGrid
from hems.planning.constraints.findings import POWER_TOLERANCE_W, TOLERANCES, outside
from hems.planning.reading import (
    ON_W,
    chargeable_later_wh,
    connected_ratio,
    energy_max_wh,
    mode_on,
    on_off_slots,
    taper_limit_w,
)

READY_WH = 100.0
"""A car that lacks less is ready: half a kilometre."""
LATER_POWER_MIN_W = 1.0
"""A car that charges slower is not helped by a later departure."""


def charged_wh(car: CarInput, power_w: Sequence[float], slot_h: float) -> Series:
    """Charged since the start of the grid at the end of each slot, less what was taken out as charged energy [Wh]."""
    back_ratio = car.discharge.round_trip_efficiency_ratio if car.discharge else 1.0
    return tuple(accumulate(each * slot_h / (1.0 if each >= 0 else back_ratio) for each in power_w))


def wear_eur(car: CarInput, power_w: Sequence[float], phase_count: Sequence[int], grid: SlotGrid) -> float:
    """Cost of what is taken out of the car, of its starts and of changes between phases [EUR]."""
    given_kwh = sum(max(0.0, -each) for each in power_w) * grid.slot_h / 1000
    per_kwh = car.discharge.cycle_cost_eur_per_kwh if car.discharge else 0.0
    present = 0 if car.charging_mode is None else len(car.modes[car.charging_mode].phases)
    switches = sum(
        before != after and after > 0 for before, after in pairwise((present, *phase_count[: on_off_slots(grid)]))
    )
    return given_kwh * per_kwh + switches * car.switch_cost_eur


def ready_ratio(car: CarInput, power_w: Sequence[float], grid: SlotGrid) -> float | None:
    """How likely the car has what it needs when it leaves: the targets that are met, of all that may come."""
    likely = [each for each in car.targets if not each.minimum]
    total = sum(each.probability_ratio for each in likely)
    if total <= 0:
        return None
    states = (0.0, *charged_wh(car, power_w, grid.slot_h))
    met = [
        each.probability_ratio
        for each in likely
        if states[grid.whole_slots_before(each.at)] + chargeable_later_wh(car, grid, each.at)
        >= each.energy_wh - READY_WH
    ]
    return round(sum(met) / total, 4)


def unmet(problem: PlanningProblem, car: CarInput, power_w: Sequence[float]) -> Iterator[UnmetWish]:
    """Certain targets and the departure; what may happen has a price instead."""
    states = charged_wh(car, power_w, problem.grid.slot_h)
    for target in car.targets:
        if target.minimum or target.probability_ratio >= 1:
            wish = Wish.MINIMUM if target.minimum else Wish.DEPARTURE
            yield from _missing(problem.grid, car, states, wish=wish, at=target.at, energy_wh=target.energy_wh)
    yield from _missing(
        problem.grid, car, states, wish=Wish.DEPARTURE, at=car.departure_at, energy_wh=car.energy_needed_wh
    )


def _missing(
    grid: SlotGrid, car: CarInput, states: Series, *, wish: Wish, at: datetime, energy_wh: float
) -> Iterator[UnmetWish]:
    ended = grid.whole_slots_before(at)
    reached_wh = states[ended - 1] if ended else 0.0
    missing_wh = energy_wh - reached_wh - chargeable_later_wh(car, grid, at)
    if missing_wh > TOLERANCES[Unit.WH]:
        helps = car.power_max_w >= LATER_POWER_MIN_W and energy_wh <= energy_max_wh(car)
        yield UnmetWish(
            wish=wish,
            device_id=car.device_id,
            shortfall=missing_wh,
            unit=Unit.WH,
            at=at,
            remedy=Remedy(kind=RemedyKind.LATER, amount=missing_wh / car.power_max_w * 3600, unit=Unit.S)
            if helps
            else Remedy(kind=RemedyKind.WANT_LESS, amount=missing_wh, unit=Unit.WH),
        )


def violations(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """Powers while connected and in a mode, energy inside what the car holds, smallest powers in the first hours."""
    for car, planned in zip(problem.cars, plan.cars, strict=True):
        name = f"car {car.device_id}"
        if planned.session_energy_wh != car.session_energy_wh:
            yield f"{name}: session energy {planned.session_energy_wh:g} Wh, posed {car.session_energy_wh:g} Wh"
        if planned.departure_at != car.departure_at:
            yield f"{name}: its departure is not that of the problem"
        if planned.ready_ratio != ready_ratio(car, planned.power_w, problem.grid):
            yield f"{name}: how likely it is ready does not follow from its power"
        if abs(planned.energy_needed_wh - car.energy_needed_wh) > TOLERANCES[Unit.WH]:
            yield f"{name}: the energy it needs is not that of the problem"
        connected = connected_ratio(car, problem.grid)
        yield from _powers(name, car, planned, connected)
        yield from _energy(name, car, planned, problem.grid.slot_h)
        part_slots = _part_slots(car, planned, connected, problem.grid)
        if len(part_slots) > 1:
            yield f"{name}: below its smallest power in slots {part_slots}"


def _powers(name: str, car: CarInput, planned: CarPlan, connected: Series) -> Iterator[str]:
    modes = [mode_on(car, each) for each in planned.phase_count]
    for slot, (count, mode) in enumerate(zip(planned.phase_count, modes, strict=True)):
        if count and mode is None:
            yield f"{name}: it cannot charge on {count} phases, slot {slot}"
            return
        if count and planned.power_w[slot] < POWER_TOLERANCE_W:
            yield f"{name}: on {count} phases without charging, slot {slot}"
            return
    upper = [mode.power_max_w * share if mode else ON_W for mode, share in zip(modes, connected, strict=True)]
    give_max_w = car.discharge.power_max_w if car.discharge else 0.0
    yield from outside(name, planned.power_w, [-give_max_w * share for share in connected], upper)


def _energy(name: str, car: CarInput, planned: CarPlan, slot_h: float) -> Iterator[str]:
    """What it has by the end of each slot, and what its taper leaves of the power there."""
    most_wh, spare_wh = energy_max_wh(car), TOLERANCES[Unit.WH]
    least_wh = -car.discharge.available_wh if car.discharge else 0.0
    back_ratio = car.discharge.round_trip_efficiency_ratio if car.discharge else 1.0
    has_wh = 0.0
    for slot, power_w in enumerate(planned.power_w):
        has_wh += max(power_w, 0.0) * slot_h - max(-power_w, 0.0) * slot_h / back_ratio
        if has_wh > most_wh + spare_wh:
            yield f"{name}: {has_wh:.0f} Wh by the end of slot {slot}, {most_wh:.0f} Wh is what it takes"
            return
        if has_wh < least_wh - spare_wh:
            yield f"{name}: {has_wh:.0f} Wh by the end of slot {slot}, {least_wh:.0f} Wh is what it gives"
            return
        limit_w = taper_limit_w(car.taper, power_max_w=car.power_max_w, end_wh=most_wh, stored_wh=has_wh - spare_wh)
        if power_w > limit_w + POWER_TOLERANCE_W:
            yield f"{name}: {power_w:.1f} W in slot {slot}, its taper leaves {limit_w:.1f} W at {has_wh:.0f} Wh"
            return


def _part_slots(car: CarInput, planned: CarPlan, connected: Series, grid: SlotGrid) -> list[int]:
    """Slots below the mode's smallest power, unless the car in its taper takes no more by itself."""
    states = charged_wh(car, planned.power_w, grid.slot_h)
    found = []
    for slot in range(on_off_slots(grid)):
        mode = mode_on(car, planned.phase_count[slot])
        if mode is None:
            continue
        line_w = taper_limit_w(
            car.taper, power_max_w=car.power_max_w, end_wh=energy_max_wh(car), stored_wh=states[slot]
        )
        if planned.power_w[slot] < min(mode.power_min_w * connected[slot], line_w) - POWER_TOLERANCE_W:
            found.append(slot)
    return found
