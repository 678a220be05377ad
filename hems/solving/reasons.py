"""Why each device does in each slot what it does, read from the program with its on/off pattern fixed.

Two questions are answered per device and slot: which price or limit decides, and what the next best alternative would
cost. The second is the reduced cost of the device's columns: what the optimum loses per kWh that is moved into the
slot, or out of it. Both hold for small changes around the plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hems.domain.plan import Decider, DeviceReasons, Explanation
from hems.domain.problem import ApplianceInput, BatteryInput, CarInput, HeatInput, PlanningProblem, PvInput
from hems.domain.site import DeviceId
from hems.planning.reading import appliance_power_w, fixed_run_slots
from hems.solving.constraints.appliance import ApplianceColumns
from hems.solving.constraints.battery import BatteryColumns
from hems.solving.constraints.car import CarColumns
from hems.solving.constraints.heat import HeatColumns
from hems.solving.house import House
from hems.solving.mathopt import Solution
from hems.solving.program import Flags, Indices, Numbers

TIE_EUR_PER_KWH = 0.0015
"""Alternatives closer than this are the same to a household: the planner's tie-break costs are of this size."""
NEAR_KW = 0.002
NEAR_KWH = 0.002
NEAR_K = 0.02
PRICE_MAX_EUR_PER_KWH = 10.0
"""A wish out of reach prices energy by its penalty, in the thousands: cut as the values of stored energy are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """The solved program, per kWh."""

    problem: PlanningProblem
    house: House
    values: Numbers
    lost: Numbers
    """Per column: what a kWh more costs, negative: would save."""
    limits: tuple[tuple[Flags, Decider], ...]
    """Slots in which a limit of the whole site decides, strongest first."""
    grid_kw: Numbers

    def limited(self, otherwise: Sequence[tuple[Flags, Decider]], last: Decider) -> tuple[Decider, ...]:
        """Per slot the first that holds: what is the device's own, then the site's limits, then ``last``."""
        choices = [*otherwise, *self.limits]
        found = np.full(self.problem.grid.count, list(Decider).index(last))
        for holds, decider in reversed(choices):
            found[holds] = list(Decider).index(decider)
        return tuple(list(Decider)[index] for index in found)


def explain(problem: PlanningProblem, house: House, solution: Solution, *, unit: float) -> Explanation:
    """Prices inside the plan, and reasons per device.

    Args:
        problem: plausible.
        house: its program.
        solution: with the pattern fixed; costs counted in ``unit``.
        unit: EUR per unit of cost.
    """
    per_kwh = unit / problem.grid.slot_h
    duals = solution.duals * per_kwh
    limit_price = _limit_price(house, solution, duals, per_kwh)
    grid_kw = solution.values[house.connection.import_power] - solution.values[house.connection.export_power]
    scene = _Scene(
        problem=problem,
        house=house,
        values=solution.values,
        lost=solution.reduced_costs * per_kwh,
        limits=(
            (limit_price > TIE_EUR_PER_KWH, Decider.CONNECTION),
            (_active(house.connection.operator_rows, duals, problem), Decider.OPERATOR),
            (_active(house.connection.commitment_rows, duals, problem), Decider.COMMITMENT),
            (_active(house.connection.peak_rows, duals, problem), Decider.PEAK),
        ),
        grid_kw=grid_kw,
    )
    devices = (
        *(_battery(scene, each, at) for each, at in zip(problem.batteries, house.batteries, strict=True)),
        *(_car(scene, each, at) for each, at in zip(problem.cars, house.cars, strict=True)),
        *(_heat(scene, each, at) for each, at in zip(problem.heat, house.heat, strict=True)),
        *(
            _appliance(scene, each, at, -duals[house.balance])
            for each, at in zip(problem.appliances, house.appliances, strict=True)
        ),
        *(_pv(scene, each, at) for each, at in zip(problem.pv, house.pv, strict=True) if at is not None),
    )
    return Explanation(
        marginal_price_eur_per_kwh=_series(-duals[house.balance]),
        limit_price_eur_per_kwh=_series(limit_price),
        devices=devices,
    )


def _limit_price(house: House, solution: Solution, duals: Numbers, per_kwh: float) -> Numbers:
    """What a kWh more room at the connection or the fuses would save, >= 0."""
    at = house.connection
    price = np.zeros(len(at.import_power))
    for columns in (at.import_power, at.export_power):
        full = solution.values[columns] > NEAR_KW
        price += np.where(full, np.maximum(-solution.reduced_costs[columns] * per_kwh, 0.0), 0.0)
    for circuit in house.circuits:
        there = circuit.rows >= 0
        price[there] += np.maximum(-duals[circuit.rows[there]], 0.0)
    return price


def _active(families: Sequence[Indices], duals: Numbers, problem: PlanningProblem) -> Flags:
    found = np.zeros(problem.grid.count, dtype=bool)
    for rows in families:
        there = rows >= 0
        found[there] |= np.abs(duals[rows[there]]) > TIE_EUR_PER_KWH
    return found


def _battery(scene: _Scene, battery: BatteryInput, at: BatteryColumns) -> DeviceReasons:
    charge, discharge, energy = (scene.values[each] for each in (at.charge, at.discharge, at.energy))
    charging, giving = charge > NEAR_KW, discharge > NEAR_KW
    full = energy >= at.ceiling_kwh - NEAR_KWH
    reserve = max(at.floor_kwh, min(battery.reserve_wh / 1000, at.ceiling_kwh))
    empty = energy <= reserve + NEAR_KWH
    alternative = _alternative(scene, at.charge, at.discharge)
    flat = ~charging & ~giving & (alternative < TIE_EUR_PER_KWH)
    most = (charge >= battery.charge_power_max_w / 1000 - NEAR_KW) | (
        discharge >= battery.discharge_power_max_w / 1000 - NEAR_KW
    )
    own_sun = charging & (scene.grid_kw <= NEAR_KW)
    reasons = (
        (full & ~giving, Decider.FULL),
        (empty & ~charging, Decider.EMPTY),
        (most & (charging | giving), Decider.POWER_MAX),
        (own_sun, Decider.OWN_SUN),
        (flat, Decider.INDIFFERENT),
    )
    return _reasons(battery.device_id, scene.limited(reasons, Decider.PRICE), alternative)


def _car(scene: _Scene, car: CarInput, at: CarColumns) -> DeviceReasons:
    power = sum((scene.values[mode.power] for mode in at.modes), start=np.zeros(scene.problem.grid.count))
    charged = np.cumsum(power) * scene.problem.grid.slot_h
    needed = car.energy_needed_wh / 1000
    powers = [mode.power for mode in at.modes]
    alternative = _alternative(scene, *powers) if powers else np.zeros(len(power))
    charging = power > NEAR_KW
    reasons = (
        (~at.connected, Decider.AWAY),
        (~charging & (charged >= needed - NEAR_KWH), Decider.DONE),
        (charging & (power >= car.power_max_w / 1000 - NEAR_KW), Decider.POWER_MAX),
        (charging & (np.abs(power - car.power_min_w / 1000) < NEAR_KW), Decider.POWER_MIN),
        (charging & (scene.grid_kw <= NEAR_KW), Decider.OWN_SUN),
        (~charging & (alternative < TIE_EUR_PER_KWH), Decider.INDIFFERENT),
    )
    return _reasons(car.device_id, scene.limited(reasons, Decider.PRICE), alternative)


def _heat(scene: _Scene, pump: HeatInput, at: HeatColumns) -> DeviceReasons:
    count = scene.problem.grid.count
    powers = [each for each in (at.room, at.tank) if each is not None]
    power = sum((scene.values[each] for each in powers), start=np.zeros(count))
    alternative = _alternative(scene, *powers) if powers else np.zeros(count)
    running = power > NEAR_KW
    must_run, must_rest = fixed_run_slots(pump, scene.problem.grid)
    fixed = np.arange(count) < max(must_run, must_rest)
    reasons = (
        (fixed, Decider.PROTECTION),
        (_at_edge(scene, pump, at), Decider.COMFORT),
        (running & (power >= pump.power_max_w / 1000 - NEAR_KW), Decider.POWER_MAX),
        (running & (np.abs(power - pump.power_min_w / 1000) < NEAR_KW), Decider.POWER_MIN),
        (running & (scene.grid_kw <= NEAR_KW), Decider.OWN_SUN),
        (~running & (alternative < TIE_EUR_PER_KWH), Decider.INDIFFERENT),
    )
    return _reasons(pump.device_id, scene.limited(reasons, Decider.PRICE), alternative)


def _at_edge(scene: _Scene, pump: HeatInput, at: HeatColumns) -> Flags:
    """Room or tank is as cold, or as warm, as it may be at the end of the slot."""
    found = np.zeros(scene.problem.grid.count, dtype=bool)
    edges: list[tuple[Indices, ArrayLike, ArrayLike]] = []
    if pump.room is not None and at.room_c is not None:
        edges.append((at.room_c, pump.room.comfort_min_c, pump.room.comfort_max_c))
    if pump.tank is not None and at.tank_c is not None:
        edges.append((at.tank_c, pump.tank.temperature_min_c, pump.tank.temperature_max_c))
    for columns, low, high in edges:
        temperature = scene.values[columns]
        found |= (temperature <= np.asarray(low) + NEAR_K) | (temperature >= np.asarray(high) - NEAR_K)
    return found


def _appliance(scene: _Scene, appliance: ApplianceInput, at: ApplianceColumns, price: Numbers) -> DeviceReasons:
    """The alternative is the next best start, by the marginal prices of the plan."""
    grid = scene.problem.grid
    chosen = at.start_slot(scene.values)
    alternative = np.zeros(grid.count)
    under_way = len(at.start) == 0
    if not under_way:
        costs = {start: float(price @ appliance_power_w(appliance, start, grid)) for start in at.candidates[:-1]}
        energy = sum(appliance.profile_w)
        others = [cost for start, cost in costs.items() if start != chosen]
        if others and energy > 0 and chosen in costs:
            alternative[:] = max(0.0, (min(others) - costs[chosen]) / energy)
    decided = Decider.PROTECTION if under_way else Decider.PRICE
    return _reasons(appliance.device_id, (decided,) * grid.count, alternative)


def _pv(scene: _Scene, plant: PvInput, at: Indices) -> DeviceReasons:
    free = scene.values[at] >= np.array(plant.production_power_w) / 1000 - NEAR_KW
    return _reasons(
        plant.device_id, scene.limited(((free, Decider.POWER_MAX),), Decider.PRICE), _alternative(scene, at)
    )


def _alternative(scene: _Scene, *columns: Indices) -> Numbers:
    """The least that a change of one of these columns loses per kWh."""
    least: Numbers = np.min([np.abs(scene.lost[each]) for each in columns], axis=0)
    return least


def _reasons(device_id: DeviceId, decided_by: tuple[Decider, ...], alternative: Numbers) -> DeviceReasons:
    return DeviceReasons(device_id=device_id, decided_by=decided_by, alternative_eur_per_kwh=_series(alternative))


def _series(prices: Numbers) -> tuple[float, ...]:
    clean = np.clip(np.round(prices, 6), -PRICE_MAX_EUR_PER_KWH, PRICE_MAX_EUR_PER_KWH) + 0.0
    return tuple(clean.tolist())
