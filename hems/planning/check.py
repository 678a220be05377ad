"""Is a plan true to its problem? Verifies every plan before anyone acts on it, whoever made it.

What is demanded, besides finite numbers of the right shape:

* devices inside their power limits; a battery's stored energy follows from its power and efficiencies, stays in
  its window, and from outside the window never moves further out;
* a car charges only while connected, never more than it needs, and in the first six hours at 0 or at least its
  smallest power, with one part-slot as exception: a slot mean below the minimum is how the last bit of energy
  looks when the car charges for part of the slot. Later slots are a coarse outlook and may hold any mean;
* a heat pump's slot mean lies anywhere from 0 to its maximum, for it may run for part of a slot;
* PV produces no more than forecast, and exactly that where it cannot be curtailed;
* the site adds up, the connection is exceeded by no more than load and PV that nothing controls, and then listed;
* every bent wish is listed with its size, no other; the cost is right within 0.1 %.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from hems.domain.plan import BatteryPlan, CarPlan, Plan, UnmetWish
from hems.domain.problem import BatteryInput, CarInput, PlanningProblem
from hems.planning.outcome import (
    OVER_LIMIT_TOLERANCE_W,
    Powers,
    cost_eur,
    excess_export_w,
    excess_import_w,
    grid_power_w,
    stored_wh,
    unmet_wishes,
)
from hems.planning.plausible import connected_ratio, on_off_slots, plausible

POWER_TOLERANCE_W = 0.5
ENERGY_TOLERANCE_WH = 1.0
COST_TOLERANCE_RATIO = 0.001
COST_TOLERANCE_EUR = 0.0001


def violations(problem: PlanningProblem, plan: Plan) -> tuple[str, ...]:
    """Everything in which a plan is untrue to its problem, one sentence each; empty for a plan to act on."""
    shape = tuple(_shape(problem, plan))
    if shape:
        return shape
    problem = plausible(problem)
    return (
        *_batteries(problem, plan),
        *_cars(problem, plan),
        *_heat(problem, plan),
        *_pv(problem, plan),
        *_site(problem, plan),
        *_unmet(problem, plan),
        *_cost(problem, plan),
    )


def _shape(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """Findings that make every other test meaningless."""
    if plan.grid != problem.grid:
        yield "plan: its slots are not those of the problem"
    if plan.issued_at != problem.issued_at:
        yield "plan: its time of issue is not that of the problem"
    if plan.import_price_eur_per_kwh != problem.import_price_eur_per_kwh:
        yield "plan: its import prices are not those of the problem"
    if plan.export_price_eur_per_kwh != problem.export_price_eur_per_kwh:
        yield "plan: its export prices are not those of the problem"
    for name, planned, given in (
        ("batteries", plan.batteries, problem.batteries),
        ("cars", plan.cars, problem.cars),
        ("heat", plan.heat, problem.heat),
        ("pv", plan.pv, problem.pv),
    ):
        if [each.device_id for each in planned] != [each.device_id for each in given]:
            yield f"{name}: the plan's devices are not those of the problem"
    for name, series in _series(plan):
        if len(series) != problem.grid.count:
            yield f"{name} has {len(series)} values for {problem.grid.count} slots"
        elif not all(math.isfinite(each) for each in series):
            yield f"{name} holds a number that is not finite"
    for battery in plan.batteries:
        if len(battery.purpose) != problem.grid.count:
            yield f"battery {battery.device_id} purpose has {len(battery.purpose)} values"
    if not math.isfinite(plan.cost_eur) or not all(math.isfinite(each.shortfall_wh) for each in plan.unmet):
        yield "plan: cost or a shortfall is not finite"


def _series(plan: Plan) -> Iterator[tuple[str, Sequence[float]]]:
    yield "grid_power_w", plan.grid_power_w
    for battery in plan.batteries:
        yield f"battery {battery.device_id} power_w", battery.power_w
        yield f"battery {battery.device_id} stored_wh", battery.stored_wh
        if battery.value_eur_per_kwh is not None:
            yield f"battery {battery.device_id} value_eur_per_kwh", battery.value_eur_per_kwh
    for car in plan.cars:
        yield f"car {car.device_id} power_w", car.power_w
        if car.value_eur_per_kwh is not None:
            yield f"car {car.device_id} value_eur_per_kwh", car.value_eur_per_kwh
    for pump in plan.heat:
        yield f"heat {pump.device_id} power_w", pump.power_w
    for plant in plan.pv:
        yield f"pv {plant.device_id} production_power_w", plant.production_power_w


def _outside(name: str, series: Sequence[float], lower: Sequence[float], upper: Sequence[float]) -> Iterator[str]:
    """The first slot outside its bounds."""
    for slot, (power_w, lower_w, upper_w) in enumerate(zip(series, lower, upper, strict=True)):
        if not lower_w - POWER_TOLERANCE_W <= power_w <= upper_w + POWER_TOLERANCE_W:
            yield f"{name}: {power_w:.1f} W in slot {slot} is outside {lower_w:.1f} .. {upper_w:.1f} W"
            return


def _batteries(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    count = problem.grid.count
    for battery, planned in zip(problem.batteries, plan.batteries, strict=True):
        name = f"battery {battery.device_id}"
        lower = [-battery.discharge_power_max_w] * count
        yield from _outside(name, planned.power_w, lower, [battery.charge_power_max_w] * count)
        yield from _balance(name, battery, planned, problem.grid.slot_h)
        yield from _window(name, battery, planned)


def _balance(name: str, battery: BatteryInput, planned: BatteryPlan, slot_h: float) -> Iterator[str]:
    expected = stored_wh(battery, planned.power_w, slot_h)
    for slot, (told_wh, right_wh) in enumerate(zip(planned.stored_wh, expected, strict=True)):
        if abs(told_wh - right_wh) > ENERGY_TOLERANCE_WH:
            yield f"{name}: {told_wh:.1f} Wh stored after slot {slot}, its power makes it {right_wh:.1f} Wh"
            return


def _window(name: str, battery: BatteryInput, planned: BatteryPlan) -> Iterator[str]:
    for slot, (before_wh, after_wh) in enumerate(pairwise((battery.stored_wh, *planned.stored_wh))):
        lower_wh = min(battery.floor_wh, before_wh) - ENERGY_TOLERANCE_WH
        upper_wh = max(battery.ceiling_wh, before_wh) + ENERGY_TOLERANCE_WH
        if not lower_wh <= after_wh <= upper_wh:
            yield f"{name}: {after_wh:.1f} Wh after slot {slot} is outside its window, {before_wh:.1f} Wh before"
            return


def _cars(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    count = problem.grid.count
    for car, planned in zip(problem.cars, plan.cars, strict=True):
        name = f"car {car.device_id}"
        if planned.session_energy_wh != car.session_energy_wh:
            yield f"{name}: session energy {planned.session_energy_wh:g} Wh, posed {car.session_energy_wh:g} Wh"
        if planned.departure_at != car.departure_at:
            yield f"{name}: its departure is not that of the problem"
        if abs(planned.energy_needed_wh - car.energy_needed_wh) > ENERGY_TOLERANCE_WH:
            yield f"{name}: the energy it needs is not that of the problem"
        connected = connected_ratio(car, problem.grid)
        yield from _outside(name, planned.power_w, [0.0] * count, [car.power_max_w * each for each in connected])
        charged_wh = sum(planned.power_w) * problem.grid.slot_h
        if charged_wh > car.energy_needed_wh + ENERGY_TOLERANCE_WH:
            yield f"{name}: charges {charged_wh:.0f} Wh and needs {car.energy_needed_wh:.0f} Wh"
        part_slots = _part_slots(car, planned, connected, on_off_slots(problem.grid))
        if len(part_slots) > 1:
            yield f"{name}: below its smallest power of {car.power_min_w:.0f} W in slots {part_slots}"


def _part_slots(car: CarInput, planned: CarPlan, connected: Sequence[float], exact: int) -> list[int]:
    return [
        slot
        for slot in range(exact)
        if POWER_TOLERANCE_W < planned.power_w[slot] < car.power_min_w * connected[slot] - POWER_TOLERANCE_W
    ]


def _heat(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    count = problem.grid.count
    for pump, planned in zip(problem.heat, plan.heat, strict=True):
        yield from _outside(f"heat {pump.device_id}", planned.power_w, [0.0] * count, [pump.power_max_w] * count)


def _pv(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    for plant, planned in zip(problem.pv, plan.pv, strict=True):
        lower = [0.0] * problem.grid.count if plant.curtailable else plant.production_power_w
        yield from _outside(f"pv {plant.device_id}", planned.production_power_w, lower, plant.production_power_w)


def _site(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    powers = Powers(
        batteries=tuple(each.power_w for each in plan.batteries),
        cars=tuple(each.power_w for each in plan.cars),
        heat=tuple(each.power_w for each in plan.heat),
        pv=tuple(each.production_power_w for each in plan.pv),
    )
    expected = grid_power_w(problem, powers)
    for slot, (told_w, right_w) in enumerate(zip(plan.grid_power_w, expected, strict=True)):
        if abs(told_w - right_w) > POWER_TOLERANCE_W:
            yield f"site: {told_w:.1f} W at the connection in slot {slot}, the devices add up to {right_w:.1f} W"
            break
    allowed_import = zip(problem.import_power_max_w, excess_import_w(problem), strict=True)
    allowed_export = zip(problem.export_power_max_w, excess_export_w(problem), strict=True)
    upper = [limit_w + excess_w + OVER_LIMIT_TOLERANCE_W for limit_w, excess_w in allowed_import]
    lower = [-limit_w - excess_w - OVER_LIMIT_TOLERANCE_W for limit_w, excess_w in allowed_export]
    yield from _outside("connection", plan.grid_power_w, lower, upper)


def _unmet(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    expected = list(
        unmet_wishes(
            problem,
            grid_w=plan.grid_power_w,
            stored=[each.stored_wh for each in plan.batteries],
            cars=[each.power_w for each in plan.cars],
            heat=[each.power_w for each in plan.heat],
        )
    )
    for told in plan.unmet:
        match = next((each for each in expected if _same(each, told)), None)
        if match is None:
            yield f"unmet: {_words(told)} is listed and not true"
        else:
            expected.remove(match)
    for missing in expected:
        yield f"unmet: {_words(missing)} is not listed"


def _same(first: UnmetWish, second: UnmetWish) -> bool:
    return (first.wish, first.device_id, first.at) == (second.wish, second.device_id, second.at) and abs(
        first.shortfall_wh - second.shortfall_wh
    ) <= ENERGY_TOLERANCE_WH


def _words(unmet: UnmetWish) -> str:
    return f"{unmet.wish} of {unmet.device_id or 'the site'} by {unmet.shortfall_wh:.0f} Wh at {unmet.at.isoformat()}"


def _cost(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    right_eur = cost_eur(problem, plan.grid_power_w, [each.stored_wh for each in plan.batteries])
    if abs(plan.cost_eur - right_eur) > COST_TOLERANCE_EUR + COST_TOLERANCE_RATIO * abs(right_eur):
        yield f"cost: {plan.cost_eur:.4f} EUR told, {right_eur:.4f} EUR by its own powers and prices"
