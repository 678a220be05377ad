"""From a planning problem to the cheapest plan, with the worth of energy in every slot and the reasons for it.

Steps. Solve the relaxed linear program: for a house without anything to switch that is the plan. Else take the on/off
pattern that was announced, or round one, and solve again from the same basis (2 ms): mostly that is proven good
enough, by the distance to the relaxed bound, or to a higher one that counts the starts that are needed. Only where it
is not, a search for whole numbers looks for the pattern.
The last step is always a linear program with the pattern fixed, for exact powers and for duals.
"""

from dataclasses import dataclass, replace

import numpy as np

from hems.domain.plan import Origin, Plan
from hems.domain.problem import CarInput, PlanningProblem, Series
from hems.planning.outcome import Powers, Values, plan_of
from hems.planning.plausible import plausible
from hems.planning.reading import connected_ratio
from hems.solving.constraints.battery import BatteryColumns
from hems.solving.constraints.car import CarColumns
from hems.solving.hedge import hedged
from hems.solving.house import House, house_of, without_temptation
from hems.solving.mathopt import Solution, UnsolvedError, solve_linear
from hems.solving.pattern import Allowed, Found, fixed_to, with_pattern
from hems.solving.program import Arrays, Numbers
from hems.solving.reasons import explain
from hems.solving.weights import weights_for

GAP_EUR = 0.005
"""Half a cent per plan: cost crosses zero, where a relative gap never closes."""

GAP_RATIO = 0.002
"""Of the bill, not of the objective: an unreachable wish puts thousands of EUR of penalty into the objective."""

HOUSE_LOAD_MAX_W = 50_000.0
"""More is no household's load but a corrupt forecast: the gap must not grow with it."""

BOTH_WAYS_KW = 1e-5
"""A device that takes and gives more than this in one slot burns energy."""

LESSER_KW = 1e-7
"""The lesser of both may be 400 times smaller, at the efficiency of 5 % that an inverter has at least."""

ON_KW = 1e-3
"""A car that charges with less is off."""

EDGE_KWH = 1e-6
"""A battery this close to its window is back inside; the solver is exact to a tenth of it."""

REPAIRS_MAX = 4
"""Rounds of forbidding the lesser direction slot by slot, before it is forbidden everywhere."""

VALUE_MAX_EUR_PER_KWH = 10.0
"""Duals are cut here. A wish out of reach prices energy by its penalty, in the thousands; the day-ahead market is
capped at 4 to 5 EUR/kWh, so 10 outranks every real price and can still be shown and compared."""

MILLIWATTS = 3
"""Decimals of a watt that a plan keeps: below it there is only the solver's rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far from the optimum a plan may be: the sum of both."""

    ratio: float = GAP_RATIO
    eur: float = GAP_EUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A plan and which solver found its pattern."""

    plan: Plan
    solver: str


def solve(problem: PlanningProblem, gap: Gap | None = None) -> Solved:
    """The cheapest plan within half a cent and 0.2 % of the bill, wishes kept in their order.

    Raises:
        UnsolvedError: beyond the solver's arithmetic; no problem is infeasible by itself.
    """
    gap = gap or Gap()
    problem = plausible(problem)
    weights = weights_for(problem)
    house = house_of(problem, weights)
    arrays = house.program.frozen(cost_unit=weights.unit)
    allowed = Allowed(
        searched=(gap.eur + gap.ratio * _bill_eur(problem)) / weights.unit,
        announced=problem.announced_gap_eur / weights.unit,
    )
    try:
        found = best(house, arrays, allowed)
    except UnsolvedError:
        found = Found(arrays=arrays, solution=_cautious(house, arrays), solver="glop, cautious")
    solution = found.solution
    plan = plan_of(
        problem,
        _powers(problem, house, solution),
        values=_values(problem, house, solution.duals * weights.unit),
        origin=Origin.SOLVER,
        explanation=explain(problem, house, arrays, solution, unit=weights.unit),
    )
    plan = replace(plan, gap_eur=round(found.gap * weights.unit, 6))
    return Solved(plan=hedged(problem, plan), solver=found.solver)


def _bill_eur(problem: PlanningProblem) -> float:
    """What load and cars cost at the mean price: the size of the numbers that matter to a household [EUR]."""
    price = float(np.mean(np.abs(problem.import_price_eur_per_kwh)))
    load_w = np.minimum(problem.load_power_w, HOUSE_LOAD_MAX_W)
    energy_wh = float(load_w.sum()) * problem.grid.slot_h + sum(car.energy_needed_wh for car in problem.cars)
    return price * energy_wh / 1000


def best(house: House, arrays: Arrays, allowed: Allowed) -> Found:
    """The optimum within a gap, and who found its pattern."""
    relaxed = solve_linear(arrays)
    if not any(_is_outside(battery, arrays) for battery in house.batteries):
        found = with_pattern(house, arrays, relaxed, allowed)
        return replace(found, solution=_one_way(house, found.arrays, found.solution))
    try:
        settled = _settled(house, arrays, _one_way(house, arrays, relaxed))
        found = with_pattern(house, settled, solve_linear(settled, start=relaxed), allowed)
        return replace(found, solution=_one_way(house, found.arrays, found.solution))
    except UnsolvedError:
        # Running devices may leave less for the way back than they would if they could run at any power.
        found = with_pattern(house, arrays, relaxed, allowed)
        settled = _settled(house, found.arrays, _one_way(house, found.arrays, found.solution))
        solution = _one_way(house, settled, solve_linear(settled, start=found.solution))
        return replace(found, arrays=settled, solution=solution)


def _cautious(house: House, arrays: Arrays) -> Solution:
    """A plan where no best one was found: export earns no more than import costs, everything as rounded.

    Without the binaries of the connection, and with batteries outside their window asked for nothing but not to
    move further out, resting is always a point of the program.
    """
    upper = arrays.upper.copy()
    for battery in house.batteries:
        if _is_outside(battery, arrays):
            below = arrays.lower[battery.energy[0]] < battery.floor_kwh
            upper[battery.discharge if below else battery.charge] = 0.0
    arrays = replace(arrays, cost=without_temptation(house, arrays.cost), upper=upper)
    relaxed = solve_linear(arrays)
    patterns = [
        [switch.rounded(relaxed.values) for switch in house.switches],
        [switch.resting() for switch in house.switches],
    ]
    for pattern in patterns:
        fixed = fixed_to(arrays, pattern)
        lower, upper = fixed.lower.copy(), fixed.upper.copy()
        lower[house.connection.importing], upper[house.connection.importing] = 0.0, 1.0
        fixed = replace(fixed, lower=lower, upper=upper)
        try:
            return _one_way(house, fixed, solve_linear(fixed))
        except UnsolvedError:
            continue
    raise UnsolvedError("no pattern fits")


def _settled(house: House, arrays: Arrays, relaxed: Solution) -> Arrays:
    """The program in which a battery found outside its window only moves back in, and then stays.

    The window is physics or warranty: no wish may push a battery further out. The slot from which on it is back
    for good is taken from the relaxed solution.
    """
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    for battery in house.batteries:
        if _is_outside(battery, arrays):
            below = lower[battery.energy[0]] < battery.floor_kwh
            edge_kwh, sign = (battery.floor_kwh, 1.0) if below else (battery.ceiling_kwh, -1.0)
            away = np.flatnonzero(sign * relaxed.values[battery.energy] < sign * edge_kwh - EDGE_KWH)
            first = int(away[-1]) + 1 if len(away) else 0
            (lower if below else upper)[battery.energy[first:]] = edge_kwh - sign * 2 * EDGE_KWH
            upper[(battery.discharge if below else battery.charge)[: first + 1]] = 0.0
            if battery.outside is not None:
                upper[battery.outside[first:]] = 2 * EDGE_KWH
    return replace(arrays, lower=lower, upper=upper)


def _is_outside(battery: BatteryColumns, arrays: Arrays) -> bool:
    start = battery.energy[0]
    return bool(arrays.lower[start] < battery.floor_kwh or arrays.upper[start] > battery.ceiling_kwh)


def _one_way(house: House, arrays: Arrays, solution: Solution) -> Solution:
    """The solution without a device that takes and gives at once, or a car that charges in two ways at once.

    The lesser direction of each such slot is forbidden and the program solved again; new slots may turn up, so
    the last round forbids the lesser direction everywhere.
    """
    upper = arrays.upper.copy()
    for round_number in range(REPAIRS_MAX + 1):
        found = False
        for into, out in house.one_way:
            takes, gives = solution.values[into], solution.values[out]
            both = (np.minimum(takes, gives) > LESSER_KW) & (np.maximum(takes, gives) > BOTH_WAYS_KW)
            found |= bool(both.any())
            closed = np.ones_like(both) if round_number == REPAIRS_MAX else both
            upper[into[closed & (takes < gives)]] = 0.0
            upper[out[closed & (takes >= gives)]] = 0.0
        if not found:
            break
        solution = solve_linear(replace(arrays, upper=upper), start=solution)
    return solution


def _powers(problem: PlanningProblem, house: House, solution: Solution) -> Powers:
    """Watts on the problem's grid, without the solver's rounding noise."""
    values = solution.values
    none = tuple([0.0] * problem.grid.count)
    return Powers(
        batteries=tuple(
            _watts(
                values[at.charge] - values[at.discharge],
                lower_w=-battery.discharge_power_max_w,
                upper_w=battery.charge_power_max_w,
            )
            for battery, at in zip(problem.batteries, house.batteries, strict=True)
        ),
        cars=tuple(_car_w(problem, car, at, values) for car, at in zip(problem.cars, house.cars, strict=True)),
        car_phases=tuple(_phases(car, at, values) for car, at in zip(problem.cars, house.cars, strict=True)),
        room_heat=tuple(
            none if at.room is None else _watts(values[at.room], upper_w=pump.power_max_w)
            for pump, at in zip(problem.heat, house.heat, strict=True)
        ),
        tank_heat=tuple(
            none if at.tank is None else _watts(values[at.tank], upper_w=pump.power_max_w)
            for pump, at in zip(problem.heat, house.heat, strict=True)
        ),
        starts=tuple(at.start_slot(values) for at in house.appliances),
        pv=tuple(
            plant.production_power_w if at is None else _watts(values[at], upper_w=np.array(plant.production_power_w))
            for plant, at in zip(problem.pv, house.pv, strict=True)
        ),
    )


def _car_w(problem: PlanningProblem, car: CarInput, at: CarColumns, values: Numbers) -> Series:
    charged_kw = sum((values[mode.power] for mode in at.modes), start=np.zeros(problem.grid.count))
    given_kw = values[at.discharge] if at.discharge is not None else np.zeros(problem.grid.count)
    share = np.array(connected_ratio(car, problem.grid))
    give_max_w = car.discharge.power_max_w if car.discharge is not None else 0.0
    return _watts(charged_kw - given_kw, upper_w=car.power_max_w * share, lower_w=-give_max_w * share)


def _phases(car: CarInput, at: CarColumns, values: Numbers) -> tuple[int, ...]:
    """Conductors per slot: those of the mode with the most power; 0 where it does not charge."""
    if not at.modes:
        return (0,) * len(at.connected)
    powers_kw = np.array([values[mode.power] for mode in at.modes])
    counts = np.array([len(mode.phases) for mode in car.modes])
    chosen = counts[np.argmax(powers_kw, axis=0)]
    off = powers_kw.max(axis=0) <= ON_KW
    if at.discharge is not None:
        off |= values[at.discharge] > BOTH_WAYS_KW
    return tuple(np.where(off, 0, chosen).tolist())


def _watts(kilowatts: Numbers, *, upper_w: float | Numbers, lower_w: float | Numbers = 0.0) -> Series:
    clean = np.clip(np.round(kilowatts * 1000, MILLIWATTS), lower_w, upper_w) + 0.0  # no negative zero
    return tuple(clean.tolist())


def _values(problem: PlanningProblem, house: House, duals: Numbers) -> Values:
    """Worth of one more kWh: stored at the end of a slot, or charged in a slot in which the car is connected."""
    return Values(
        batteries=tuple(_worth(-duals[at.balance]) for at in house.batteries),
        cars=tuple(_worth(_car_worth(at, duals, problem.grid.count)) for at in house.cars),
    )


def _car_worth(at: CarColumns, duals: Numbers, count: int) -> Numbers:
    worth = np.zeros(count)
    for row, covered in at.needs:
        worth[:covered] += duals[row]
    return worth * at.connected


def _worth(duals: Numbers) -> Series:
    clean = np.clip(np.round(duals, 6), -VALUE_MAX_EUR_PER_KWH, VALUE_MAX_EUR_PER_KWH) + 0.0
    return tuple(clean.tolist())
