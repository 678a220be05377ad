"""Is a plan true to its problem? Verifies every plan before anyone acts on it, whoever made it.

What is demanded, besides finite numbers of the right shape (the rules of each device family are in
``hems.planning.constraints``, found here by sums of their own, not by those that made the plan):

* batteries inside their power limits and tapers; stored energy follows from power and efficiencies, stays in its
  window, and from outside the window never moves further out; what is behind a hybrid inverter fits through it;
* a car charges only while connected, on phases it can, never more than it takes, gives back no more than it may, and
  in the first six hours charges at 0 or at least its smallest power, with one part-slot as exception: a slot mean
  below the minimum is how the last bit of energy looks when the car charges for part of the slot. Later slots are a
  coarse outlook and may hold any mean;
* a heat pump runs at 0, between its smallest and largest power or at one of its levels in the same hours; the
  temperatures of room and tank follow;
* an appliance starts once, on a slot, not too early, and runs its whole programme;
* PV produces no more than forecast, and exactly that where it cannot be curtailed;
* the site adds up; connection, operator's limits and every phase of every fuse are exceeded by no more than what
  nothing controls, and then listed;
* every bent wish is listed with its size and remedy, no other; each part of the cost is right within 0.1 %.
"""

import math
from collections.abc import Iterator, Sequence

from hems.domain.plan import Plan, Unit, UnmetWish
from hems.domain.problem import PlanningProblem
from hems.planning.constraints import appliance, battery, car, circuit, connection, heat, inverter, pv
from hems.planning.constraints.findings import TOLERANCES
from hems.planning.outcome import unmet_wishes
from hems.planning.plausible import plausible
from hems.planning.reading import ON_W, on_off_slots
from hems.planning.tariff import carbon_price, peak_power_w

COST_TOLERANCE_RATIO = 0.001
COST_TOLERANCE_EUR = 0.0001
LARGE_TOLERANCE_RATIO = 1e-6
"""Of shortfalls so large that a tolerance of 1 Wh would be below the arithmetic."""


def violations(problem: PlanningProblem, plan: Plan) -> tuple[str, ...]:
    """Everything in which a plan is untrue to its problem, one sentence each; empty for a plan to act on."""
    problem = plausible(problem)
    shape = tuple(_shape(problem, plan))
    if shape:
        return shape
    families = (battery, inverter, car, heat, appliance, pv, connection, circuit)
    return (
        *(each for family in families for each in family.violations(problem, plan)),
        *_unmet(problem, plan),
        *_peak_power(problem, plan),
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
    if plan.carbon_price_eur_per_kwh != carbon_price(problem):
        yield "plan: its price of emissions is not that of the problem"
    for name in ("batteries", "cars", "heat", "pv", "appliances", "inverters"):
        planned, given = getattr(plan, name), getattr(problem, name)
        if [each.device_id for each in planned] != [each.device_id for each in given]:
            yield f"{name}: the plan's devices are not those of the problem"
            return
    for name, series, count in _series(problem, plan):
        if len(series) != count:
            yield f"{name} has {len(series)} values for {count} slots"
        elif not all(math.isfinite(each) for each in series):
            yield f"{name} holds a number that is not finite"
    for name, length in _lengths(plan):
        if length != problem.grid.count:
            yield f"{name} has {length} values for {problem.grid.count} slots"
    amounts = [amount for each in plan.unmet for amount in (each.shortfall, each.remedy.amount)]
    if not all(math.isfinite(each) for each in (*(value for _, value in _cost_parts(plan)), *amounts)):
        yield "plan: cost, a shortfall or a remedy is not finite"


def _series(problem: PlanningProblem, plan: Plan) -> Iterator[tuple[str, Sequence[float], int]]:
    """Every series of numbers with the length that it must have."""
    count = problem.grid.count
    yield "grid_power_w", plan.grid_power_w, count
    for battery_plan in plan.batteries:
        name = f"battery {battery_plan.device_id}"
        yield f"{name} power_w", battery_plan.power_w, count
        yield f"{name} stored_wh", battery_plan.stored_wh, count
        yield f"{name} value_eur_per_kwh", battery_plan.value_eur_per_kwh or (0.0,) * count, count
    for car_plan in plan.cars:
        name = f"car {car_plan.device_id}"
        yield f"{name} power_w", car_plan.power_w, count
        yield f"{name} value_eur_per_kwh", car_plan.value_eur_per_kwh or (0.0,) * count, count
    for pump, heat_plan in zip(problem.heat, plan.heat, strict=True):
        name = f"heat {pump.device_id}"
        yield f"{name} power_w", heat_plan.power_w, count
        yield f"{name} tank_power_w", heat_plan.tank_power_w, count if pump.tank else 0
        yield f"{name} tank_c", heat_plan.tank_c, count if pump.tank else 0
        yield f"{name} room_c", heat_plan.room_c, count if pump.room else 0
    for pv_plan in plan.pv:
        yield f"pv {pv_plan.device_id} production_power_w", pv_plan.production_power_w, count
    for appliance_plan in plan.appliances:
        yield f"appliance {appliance_plan.device_id} power_w", appliance_plan.power_w, count
    for inverter_plan in plan.inverters:
        yield f"inverter {inverter_plan.device_id} power_w", inverter_plan.power_w, count
    if plan.explanation is not None:
        yield "marginal_price_eur_per_kwh", plan.explanation.marginal_price_eur_per_kwh, count
        yield "limit_price_eur_per_kwh", plan.explanation.limit_price_eur_per_kwh, count
        for reasons in plan.explanation.devices:
            yield f"{reasons.device_id} alternative_eur_per_kwh", reasons.alternative_eur_per_kwh, count


def _lengths(plan: Plan) -> Iterator[tuple[str, int]]:
    for each in plan.batteries:
        yield f"battery {each.device_id} purpose", len(each.purpose)
    for own in plan.cars:
        yield f"car {own.device_id} phase_count", len(own.phase_count)
    if plan.explanation is not None:
        for reasons in plan.explanation.devices:
            yield f"{reasons.device_id} decided_by", len(reasons.decided_by)


def _unmet(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    expected = list(unmet_wishes(problem, plan))
    for told in plan.unmet:
        match = next((each for each in expected if _same(each, told)), None)
        if match is None:
            yield f"unmet: {_words(told)} is listed and not true"
        else:
            expected.remove(match)
    for missing in expected:
        yield f"unmet: {_words(missing)} is not listed"


def _same(right: UnmetWish, told: UnmetWish) -> bool:
    return (
        (right.wish, right.device_id, right.at, right.unit) == (told.wish, told.device_id, told.at, told.unit)
        and (right.circuit_id, right.phase) == (told.circuit_id, told.phase)
        and (right.remedy.kind, right.remedy.unit) == (told.remedy.kind, told.remedy.unit)
        and abs(right.shortfall - told.shortfall) <= TOLERANCES[right.unit] + LARGE_TOLERANCE_RATIO * right.shortfall
        and abs(right.remedy.amount - told.remedy.amount)
        <= TOLERANCES[right.remedy.unit] + LARGE_TOLERANCE_RATIO * right.remedy.amount
    )


def _words(unmet: UnmetWish) -> str:
    where = unmet.device_id or (f"circuit {unmet.circuit_id} {unmet.phase}" if unmet.circuit_id else "the site")
    return f"{unmet.wish} of {where} by {unmet.shortfall:.2f} {unmet.unit} at {unmet.at.isoformat()}"


def _peak_power(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    right = peak_power_w(problem, plan.grid_power_w)
    if [each is None for each in plan.peak_power_w] != [each is None for each in right]:
        yield "peak_power_w: it does not stand for the slots that count"
        return
    for slot, (told_w, right_w) in enumerate(zip(plan.peak_power_w, right, strict=True)):
        # Not "more than": what is not a number is not right either.
        if told_w is not None and right_w is not None and not abs(told_w - right_w) <= TOLERANCES[Unit.W]:
            yield f"peak_power_w: {told_w:.0f} W told for slot {slot}, {right_w:.0f} W by what is paid and planned"
            return


def _cost_parts(plan: Plan) -> tuple[tuple[str, float], ...]:
    cost = plan.cost
    return (
        ("energy", cost.energy_eur),
        ("peak", cost.peak_eur),
        ("carbon", cost.carbon_eur),
        ("wear", cost.wear_eur),
        ("stored", cost.stored_eur),
    )


def _cost(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    right = (
        _energy_eur(problem, plan),
        _peak_eur(problem, plan),
        _carbon_eur(problem, plan),
        _wear_eur(problem, plan),
        _stored_eur(problem, plan),
    )
    for (name, told_eur), right_eur in zip(_cost_parts(plan), right, strict=True):
        if abs(told_eur - right_eur) > COST_TOLERANCE_EUR + COST_TOLERANCE_RATIO * abs(right_eur):
            yield f"cost: {name} {told_eur:.4f} EUR told, {right_eur:.4f} EUR by its own powers and prices"


def _energy_eur(problem: PlanningProblem, plan: Plan) -> float:
    """Import at its price; the best paid export uses up what netting allows, the rest is surplus."""
    bought_eur, bought_kwh = 0.0, 0.0
    sales: list[tuple[float, float]] = []
    for slot, power_w in enumerate(plan.grid_power_w):
        kwh = power_w / 1000 * problem.grid.slot_h
        if kwh > 0:
            bought_eur += kwh * problem.import_price_eur_per_kwh[slot]
            bought_kwh += kwh
        else:
            sales.append((problem.export_price_eur_per_kwh[slot], -kwh))
    netting = problem.netting
    allowed_kwh = math.inf if netting is None else max(0.0, netting.balance_wh / 1000 + bought_kwh)
    for price, kwh in sorted(sales, reverse=True):
        netted_kwh = min(kwh, allowed_kwh)
        allowed_kwh -= netted_kwh
        bought_eur -= netted_kwh * price
        if netting is not None:
            bought_eur -= (kwh - netted_kwh) * netting.surplus_price_eur_per_kwh
    return bought_eur


def _peak_eur(problem: PlanningProblem, plan: Plan) -> float:
    total_eur = 0.0
    for peak in problem.peaks:
        reached_w = peak.paid_power_w
        for slot, power_w in enumerate(plan.grid_power_w):
            if not peak.counts or peak.counts[slot]:
                reached_w = max(reached_w, power_w)
        total_eur += (reached_w - peak.paid_power_w) / 1000 * peak.price_eur_per_kw
    return total_eur


def _carbon_eur(problem: PlanningProblem, plan: Plan) -> float:
    if problem.carbon is None:
        return 0.0
    total_eur = 0.0
    for grams, power_w in zip(problem.carbon.intensity_g_per_kwh, plan.grid_power_w, strict=True):
        if power_w > 0:
            total_eur += power_w * problem.grid.slot_h / 1e6 * grams * problem.carbon.price_eur_per_kg
    return total_eur


def _wear_eur(problem: PlanningProblem, plan: Plan) -> float:
    total_eur, exact = 0.0, on_off_slots(problem.grid)
    for given, stored in zip(problem.batteries, plan.batteries, strict=True):
        for power_w in stored.power_w:
            if power_w < 0:
                total_eur -= power_w * problem.grid.slot_h / 1000 * given.cycle_cost_eur_per_kwh
    for described, driven in zip(problem.cars, plan.cars, strict=True):
        mode = described.charging_mode
        phases = 0 if mode is None else len(described.modes[mode].phases)
        for slot, power_w in enumerate(driven.power_w):
            if power_w < 0 and described.discharge is not None:
                total_eur -= power_w * problem.grid.slot_h / 1000 * described.discharge.cycle_cost_eur_per_kwh
            if slot < exact and driven.phase_count[slot] not in (0, phases):
                total_eur += described.switch_cost_eur
            phases = driven.phase_count[slot]
    for pump, heated in zip(problem.heat, plan.heat, strict=True):
        rests = not pump.running
        for power_w in heated.power_w[:exact]:
            if rests and power_w > ON_W:
                total_eur += pump.start_cost_eur
            rests = power_w <= ON_W
    return total_eur


def _stored_eur(problem: PlanningProblem, plan: Plan) -> float:
    worths = [each.terminal_value_eur_per_kwh / 1000 for each in problem.batteries]
    return sum(worth * each.stored_wh[-1] for worth, each in zip(worths, plan.batteries, strict=True))
