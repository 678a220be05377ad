"""From a planning problem to the cheapest plan, with the worth of energy in every slot.

Three steps. Solve the relaxed linear program: for a house without a car in its first hours that is the plan. Else
round its on/off pattern and solve again from the same basis (2 ms): mostly that is proven good enough, by the
distance to the relaxed bound. Only where it is not, SCIP looks for the pattern. The last step is always a linear
program with the pattern fixed, for exact powers and for duals.
"""

from dataclasses import dataclass, replace

import numpy as np

from hems.domain.plan import Origin, Plan
from hems.domain.problem import PlanningProblem
from hems.planning.outcome import Powers, Series, Values, plan_of
from hems.planning.plausible import connected_ratio, plausible
from hems.solving.house import BatteryColumns, House, house_of
from hems.solving.mathopt import Solution, UnsolvedError, solve_linear, solve_whole
from hems.solving.program import Arrays, Flags, Numbers
from hems.solving.weights import weights_for

GAP_EUR = 0.005
"""Half a cent per plan: cost crosses zero, where a relative gap never closes."""

GAP_RATIO = 0.001
"""Of the bill, not of the objective: an unreachable wish puts thousands of EUR of penalty into the objective."""

BOTH_WAYS_KW = 1e-5
"""A battery that charges and discharges more than this in one slot burns energy."""

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
class Solved:
    """A plan and which solver found its pattern."""

    plan: Plan
    solver: str


def solve(problem: PlanningProblem) -> Solved:
    """The cheapest plan within half a cent and 0.1 %, wishes kept in their order.

    Raises:
        UnsolvedError: beyond the solver's arithmetic; no problem is infeasible by itself.
    """
    problem = plausible(problem)
    weights = weights_for(problem)
    house = house_of(problem, weights)
    arrays = house.program.frozen(cost_unit=weights.unit)
    gap = (GAP_EUR + GAP_RATIO * _bill_eur(problem)) / weights.unit
    try:
        solution, solver = _best(house, arrays, gap=gap)
    except UnsolvedError:
        solution, solver = _cautious(house, arrays), "glop, cautious"
    plan = plan_of(
        problem,
        _powers(problem, house, solution),
        values=_values(problem, house, solution.duals * weights.unit),
        origin=Origin.SOLVER,
    )
    return Solved(plan=plan, solver=solver)


def _bill_eur(problem: PlanningProblem) -> float:
    """What load and cars cost at the mean price: the size of the numbers that matter to a household [EUR]."""
    price = float(np.mean(np.abs(problem.import_price_eur_per_kwh)))
    energy_wh = sum(problem.load_power_w) * problem.grid.slot_h + sum(car.energy_needed_wh for car in problem.cars)
    return price * energy_wh / 1000


def _best(house: House, arrays: Arrays, *, gap: float) -> tuple[Solution, str]:
    """The optimum within a gap, and who found its pattern."""
    relaxed = solve_linear(arrays)
    if any(_is_outside(battery, arrays) for battery in house.batteries):
        arrays = _settled(house, arrays, _one_way(house, arrays, relaxed))
        relaxed = solve_linear(arrays, start=relaxed)
    if len(arrays.whole) == 0:
        return _one_way(house, arrays, relaxed), "glop"
    if len(house.connection.tempting) == 0:  # else the relaxed bound is far away: it buys and sells at once
        rounded = _fixed(house, arrays, relaxed.values)
        solution = solve_linear(rounded, start=relaxed)
        if solution.cost - relaxed.cost <= gap:
            return _one_way(house, rounded, solution), "glop, pattern rounded"
    fixed = _fixed(house, arrays, solve_whole(arrays, gap=gap))
    return _one_way(house, fixed, solve_linear(fixed, start=relaxed)), "gscip"


def _cautious(house: House, arrays: Arrays) -> Solution:
    """A plan where no best one was found: export earns no more than import costs, cars as rounded.

    Without the binaries of the connection, and with batteries outside their window asked for nothing but not to
    move further out, resting is always a point of the program.
    """
    cost, upper = arrays.cost.copy(), arrays.upper.copy()
    tempting = house.connection.tempting
    cost[house.connection.export_power[tempting]] = -cost[house.connection.import_power[tempting]]
    for battery in house.batteries:
        if _is_outside(battery, arrays):
            below = arrays.lower[battery.energy[0]] < battery.floor_kwh
            upper[battery.discharge if below else battery.charge] = 0.0
    arrays = replace(arrays, cost=cost, upper=upper)
    fixed = _fixed(house, arrays, solve_linear(arrays).values)
    lower, upper = fixed.lower.copy(), fixed.upper.copy()
    lower[house.connection.importing], upper[house.connection.importing] = 0.0, 1.0
    fixed = replace(fixed, lower=lower, upper=upper)
    return _one_way(house, fixed, solve_linear(fixed))


def _fixed(house: House, arrays: Arrays, values: Numbers) -> Arrays:
    """The program with every whole number fixed to the pattern of ``values``.

    A car is on where it has its smallest power at least. One slot more may hold any power: the part-slot in
    which the last bit of energy is charged. A point of the program that is rounded down like this stays a point
    of it, but for the wish that misses the energy.
    """
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    for car in house.cars:
        power_kw = values[car.power[car.on_slots]]
        on = power_kw >= car.smallest_kw - 1e-6
        part = _part_slot(power_kw, on)
        on &= ~part
        lower[car.on], upper[car.on] = on, on
        lower[car.part], upper[car.part] = part, part
    importing = np.round(values[house.connection.importing])
    lower[house.connection.importing], upper[house.connection.importing] = importing, importing
    return replace(arrays, lower=lower, upper=upper)


def _part_slot(power_kw: Numbers, on: Flags) -> Flags:
    """The slot that may be below the smallest power: the fullest of those that are, else the least of the others."""
    chosen = np.zeros_like(on)
    between = ~on & (power_kw > BOTH_WAYS_KW)
    if between.any():
        chosen[np.argmax(np.where(between, power_kw, -1.0))] = True
    elif on.any():
        chosen[np.argmin(np.where(on, power_kw, np.inf))] = True
    return chosen


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
    return replace(arrays, lower=lower, upper=upper)


def _is_outside(battery: BatteryColumns, arrays: Arrays) -> bool:
    start = battery.energy[0]
    return bool(arrays.lower[start] < battery.floor_kwh or arrays.upper[start] > battery.ceiling_kwh)


def _one_way(house: House, arrays: Arrays, solution: Solution) -> Solution:
    """The solution without a battery that charges and discharges at once.

    The lesser direction of each such slot is forbidden and the program solved again; new slots may turn up, so
    the last round forbids the lesser direction everywhere.
    """
    upper = arrays.upper.copy()
    for round_number in range(REPAIRS_MAX + 1):
        found = False
        for battery in house.batteries:
            charge, discharge = solution.values[battery.charge], solution.values[battery.discharge]
            both = (charge > BOTH_WAYS_KW) & (discharge > BOTH_WAYS_KW)
            found |= bool(both.any())
            closed = np.ones_like(both) if round_number == REPAIRS_MAX else both
            upper[battery.charge[closed & (charge < discharge)]] = 0.0
            upper[battery.discharge[closed & (charge >= discharge)]] = 0.0
        if not found:
            break
        solution = solve_linear(replace(arrays, upper=upper), start=solution)
    return solution


def _powers(problem: PlanningProblem, house: House, solution: Solution) -> Powers:
    """Watts on the problem's grid, without the solver's rounding noise."""
    values = solution.values
    return Powers(
        batteries=tuple(
            _watts(
                values[at.charge] - values[at.discharge],
                lower_w=-battery.discharge_power_max_w,
                upper_w=battery.charge_power_max_w,
            )
            for battery, at in zip(problem.batteries, house.batteries, strict=True)
        ),
        cars=tuple(
            _watts(
                values[at.power],
                upper_w=car.power_max_w * np.array(connected_ratio(car, problem.grid)),
            )
            for car, at in zip(problem.cars, house.cars, strict=True)
        ),
        heat=tuple(
            _watts(values[at], upper_w=pump.power_max_w) for pump, at in zip(problem.heat, house.heat, strict=True)
        ),
        pv=tuple(
            plant.production_power_w if at is None else _watts(values[at], upper_w=np.array(plant.production_power_w))
            for plant, at in zip(problem.pv, house.pv, strict=True)
        ),
    )


def _watts(kilowatts: Numbers, *, upper_w: float | Numbers, lower_w: float = 0.0) -> Series:
    clean = np.clip(np.round(kilowatts * 1000, MILLIWATTS), lower_w, upper_w) + 0.0  # no negative zero
    return tuple(clean.tolist())


def _values(problem: PlanningProblem, house: House, duals: Numbers) -> Values:
    """Worth of one more kWh: stored at the end of a slot, or charged in a slot in which the car is connected."""
    return Values(
        batteries=tuple(_worth(-duals[at.balance]) for at in house.batteries),
        cars=tuple(
            _worth(duals[at.need] * (np.array(connected_ratio(car, problem.grid)) > 0))
            for car, at in zip(problem.cars, house.cars, strict=True)
        ),
    )


def _worth(duals: Numbers) -> Series:
    clean = np.clip(np.round(duals, 6), -VALUE_MAX_EUR_PER_KWH, VALUE_MAX_EUR_PER_KWH) + 0.0
    return tuple(clean.tolist())
