"""Why each device does in each slot what it does, read from the program with its on/off pattern fixed.

Two questions are answered per device and slot: which price or limit decides, and what the next best alternative would
cost. The second is the reduced cost of the device's columns, without the part that belongs to its own limits: what the
optimum loses at least per kWh that is moved into the slot, or out of it, by convexity for any amount. Prices hold for
small changes around the plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hems.domain.plan import Decider, DeviceReasons, Explanation
from hems.domain.power import ALL_PHASES
from hems.domain.problem import ApplianceInput, BatteryInput, CarInput, HeatInput, PlanningProblem, PvInput
from hems.domain.site import MAIN, DeviceId
from hems.planning.reading import fixed_run_slots
from hems.solving.constraints.appliance import ApplianceColumns
from hems.solving.constraints.battery import BatteryColumns
from hems.solving.constraints.car import CarColumns
from hems.solving.constraints.heat import HeatColumns
from hems.solving.house import House
from hems.solving.mathopt import Solution
from hems.solving.program import Arrays, Flags, Indices, Numbers

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
    """Per column: what a kWh more costs, negative: would save, if the device's own limits did not matter."""
    limits: tuple[tuple[Flags, Decider], ...]
    """Slots in which a limit of the whole site decides, strongest first."""
    on_sun: Flags
    """Slots in which the sun gives more than the load takes, and nothing is bought."""

    def limited(self, otherwise: Sequence[tuple[Flags, Decider]], last: Decider) -> tuple[Decider, ...]:
        """Per slot the first that holds: what is the device's own, then the site's limits, then ``last``."""
        choices = [*otherwise, *self.limits]
        found = np.full(self.problem.grid.count, list(Decider).index(last))
        for holds, decider in reversed(choices):
            found[holds] = list(Decider).index(decider)
        return tuple(list(Decider)[index] for index in found)


def explain(problem: PlanningProblem, house: House, arrays: Arrays, solution: Solution, *, unit: float) -> Explanation:
    """Prices inside the plan, and reasons per device.

    Args:
        problem: plausible.
        house: its program.
        arrays: the program's coefficients.
        solution: with the pattern fixed; costs counted in ``unit``.
        unit: EUR per unit of cost.
    """
    per_kwh = unit / problem.grid.slot_h
    duals = solution.duals * per_kwh
    lost = solution.reduced_costs * per_kwh + _own_limits(house, arrays, duals)
    limit_price = _limit_price(house, solution, lost, duals)
    grid_kw = solution.values[house.connection.import_power] - solution.values[house.connection.export_power]
    scene = _Scene(
        problem=problem,
        house=house,
        values=solution.values,
        lost=lost,
        limits=(
            (limit_price > TIE_EUR_PER_KWH, Decider.CONNECTION),
            (_active(house.connection.operator_rows, duals, problem), Decider.OPERATOR),
            (_active(house.connection.commitment_rows, duals, problem), Decider.COMMITMENT),
            (_active(house.connection.peak_rows, duals, problem), Decider.PEAK),
        ),
        on_sun=(grid_kw <= NEAR_KW) & _has_surplus(problem),
    )
    devices = (
        *(_battery(scene, each, at) for each, at in zip(problem.batteries, house.batteries, strict=True)),
        *(_car(scene, each, at) for each, at in zip(problem.cars, house.cars, strict=True)),
        *(_heat(scene, each, at) for each, at in zip(problem.heat, house.heat, strict=True)),
        *(_appliance(scene, each, at) for each, at in zip(problem.appliances, house.appliances, strict=True)),
        *(_pv(scene, each, at) for each, at in zip(problem.pv, house.pv, strict=True) if at is not None),
    )
    return Explanation(
        marginal_price_eur_per_kwh=_series(_load_price(problem, house, duals)),
        limit_price_eur_per_kwh=_series(limit_price),
        devices=devices,
    )


def _own_limits(house: House, arrays: Arrays, duals: Numbers) -> Numbers:
    """Per column what the rows of its device's own limits add to the price of a kWh."""
    own = np.zeros(len(arrays.row_lower), dtype=bool)
    own[house.own_rows] = True
    entries = own[arrays.rows]
    added = np.zeros(len(arrays.lower))
    np.add.at(added, arrays.columns[entries], arrays.coefficients[entries] * duals[arrays.rows[entries]])
    return added


def _load_price(problem: PlanningProblem, house: House, duals: Numbers) -> Numbers:
    """What a kWh more load costs: it also takes room of the main fuse, a third of it on each phase, and surplus."""
    price = -duals[house.balance]
    for circuit in house.circuits:
        if circuit.circuit_id == MAIN:
            there = circuit.rows >= 0
            price[there] -= circuit.sign * duals[circuit.rows[there]] / len(ALL_PHASES)
    surplus = _has_surplus(problem)
    for rows in house.surplus_rows:
        price -= np.where(surplus, duals[rows], 0.0)
    return price


def _has_surplus(problem: PlanningProblem) -> Flags:
    """Slots in which the sun is expected to give more than the load takes."""
    expected_w = np.zeros(problem.grid.count)
    for plant in problem.pv:
        expected_w += np.array(plant.production_power_w)
    found: Flags = expected_w > np.array(problem.load_power_w)
    return found


def _limit_price(house: House, solution: Solution, lost: Numbers, duals: Numbers) -> Numbers:
    """What a kWh more room at the connection, and on each phase of every fuse, would save, >= 0."""
    at = house.connection
    price = np.zeros(len(at.import_power))
    for columns in (at.import_power, at.export_power):
        full = solution.values[columns] > NEAR_KW
        price += np.where(full, np.maximum(-lost[columns], 0.0), 0.0)
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
    most = (charge >= battery.charge_power_max_w / 1000 - NEAR_KW) | (
        discharge >= battery.discharge_power_max_w / 1000 - NEAR_KW
    )
    reasons = (
        (full & ~giving, Decider.FULL),
        (empty & ~charging, Decider.EMPTY),
        (most & (charging | giving), Decider.POWER_MAX),
        (charging & scene.on_sun, Decider.OWN_SUN),
        (~charging & ~giving & (alternative < TIE_EUR_PER_KWH), Decider.INDIFFERENT),
    )
    return _reasons(battery.device_id, scene.limited(reasons, Decider.PRICE), alternative)


def _car(scene: _Scene, car: CarInput, at: CarColumns) -> DeviceReasons:
    none = np.zeros(scene.problem.grid.count)
    power = sum((scene.values[mode.power] for mode in at.modes), start=none)
    most_kw = np.max([mode.limit_kw for mode in at.modes], axis=0) if at.modes else none
    given = scene.values[at.discharge] if at.discharge is not None else none
    charged = np.cumsum(power) * scene.problem.grid.slot_h
    columns = [mode.power for mode in at.modes] + ([at.discharge] if at.discharge is not None else [])
    alternative = _alternative(scene, *columns)
    charging, giving = power > NEAR_KW, given > NEAR_KW
    idle = ~charging & ~giving
    give_kw = car.discharge.power_max_w / 1000 if car.discharge is not None else 0.0
    reasons = (
        (~at.connected, Decider.AWAY),
        (charging & (power >= most_kw - NEAR_KW), Decider.POWER_MAX),
        (giving & (given >= give_kw - NEAR_KW), Decider.POWER_MAX),
        (charging & (np.abs(power - car.power_min_w / 1000) < NEAR_KW), Decider.POWER_MIN),
        (charging & scene.on_sun, Decider.OWN_SUN),
        (idle & (charged >= car.energy_needed_wh / 1000 - NEAR_KWH), Decider.DONE),
        (idle & _too_little(scene, *columns), Decider.POWER_MIN),
        (idle & (alternative < TIE_EUR_PER_KWH), Decider.INDIFFERENT),
    )
    return _reasons(car.device_id, scene.limited(reasons, Decider.PRICE), alternative)


def _heat(scene: _Scene, pump: HeatInput, at: HeatColumns) -> DeviceReasons:
    count = scene.problem.grid.count
    powers = [each for each in (at.room, at.tank) if each is not None]
    power = sum((scene.values[each] for each in powers), start=np.zeros(count))
    running = power > NEAR_KW
    alternative = _alternative(scene, *powers)
    at_level = running & (np.arange(count) < len(at.on)) & bool(at.levels)
    alternative[at_level] = 0.0  # between two levels there is nothing to compare with
    must_run, must_rest = fixed_run_slots(pump, scene.problem.grid)
    fixed = np.arange(count) < max(must_run, must_rest)
    reasons = (
        (fixed, Decider.PROTECTION),
        (_at_edge(scene, pump, at), Decider.COMFORT),
        (running & (power >= pump.power_max_w / 1000 - NEAR_KW), Decider.POWER_MAX),
        (running & (np.abs(power - pump.power_min_w / 1000) < NEAR_KW), Decider.POWER_MIN),
        (running & scene.on_sun, Decider.OWN_SUN),
        (~running & _too_little(scene, *powers), Decider.POWER_MIN),
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


def _appliance(scene: _Scene, appliance: ApplianceInput, at: ApplianceColumns) -> DeviceReasons:
    """The alternative is the next best start: lateness, fuses and the price of a change counted."""
    count, slot_h = scene.problem.grid.count, scene.problem.grid.slot_h
    energy_kwh = sum(appliance.profile_w) / 1000 * slot_h
    if len(at.start) == 0:
        under_way = (Decider.PROTECTION if appliance.started_at is not None else Decider.AWAY,) * count
        return _reasons(appliance.device_id, under_way, np.zeros(count))
    lost_eur = scene.lost[at.start] * slot_h
    chosen = at.candidates.index(at.start_slot(scene.values))
    others = np.delete(lost_eur, chosen) - lost_eur[chosen]
    loss = max(0.0, float(np.min(others, initial=np.inf)) / energy_kwh) if energy_kwh > 0 and len(others) else 0.0
    decided = Decider.PRICE if loss > TIE_EUR_PER_KWH else Decider.INDIFFERENT
    return _reasons(appliance.device_id, (decided,) * count, np.full(count, loss))


def _pv(scene: _Scene, plant: PvInput, at: Indices) -> DeviceReasons:
    free = scene.values[at] >= np.array(plant.production_power_w) / 1000 - NEAR_KW
    return _reasons(
        plant.device_id, scene.limited(((free, Decider.POWER_MAX),), Decider.PRICE), _alternative(scene, at)
    )


def _alternative(scene: _Scene, *columns: Indices) -> Numbers:
    """The least that a kWh more or less loses: where it flows either way that is possible, at rest to start it."""
    if not columns:
        return np.zeros(scene.problem.grid.count)
    lost = np.array([scene.lost[each] for each in columns])
    flows = np.array([scene.values[each] > NEAR_KW for each in columns])
    while_flowing = np.min(np.where(flows, np.abs(lost), np.inf), axis=0)
    at_rest = np.min(np.maximum(lost, 0.0), axis=0)
    found: Numbers = np.where(flows.any(axis=0), while_flowing, at_rest)
    return found


def _too_little(scene: _Scene, *columns: Indices) -> Flags:
    """A kWh here would pay, but not as much as the device takes at least."""
    found = np.zeros(scene.problem.grid.count, dtype=bool)
    for each in columns:
        found |= scene.lost[each] < -TIE_EUR_PER_KWH
    return found


def _reasons(device_id: DeviceId, decided_by: tuple[Decider, ...], alternative: Numbers) -> DeviceReasons:
    return DeviceReasons(device_id=device_id, decided_by=decided_by, alternative_eur_per_kwh=_series(alternative))


def _series(prices: Numbers) -> tuple[float, ...]:
    clean = np.clip(np.round(prices, 6), -PRICE_MAX_EUR_PER_KWH, PRICE_MAX_EUR_PER_KWH) + 0.0
    return tuple(clean.tolist())
