"""A solved problem that can be solved again with one thing otherwise: what every reason and price claims is tried."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hems.domain.plan import Explanation
from hems.domain.problem import CircuitInput, PlanningProblem, Series
from hems.domain.site import MAIN, DeviceId
from hems.planning.plausible import plausible
from hems.solving.house import House, house_of
from hems.solving.mathopt import Solution, UnsolvedError, solve_linear, solve_whole
from hems.solving.pattern import Allowed, with_wholes
from hems.solving.plan import Gap, _bill_eur, best  # the very solution whose duals are told
from hems.solving.program import Arrays, Indices
from hems.solving.reasons import explain
from hems.solving.weights import Weights, weights_for

NEAR_KW = 0.002
LEAST_KW = 0.02
"""Moves smaller than this drown in rounding."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A problem, its program and the optimum as near as the planner finds it."""

    problem: PlanningProblem
    weights: Weights
    house: House
    arrays: Arrays
    solution: Solution
    explanation: Explanation
    gap_eur: float
    """How far the plan may be from the optimum."""

    @property
    def cost_eur(self) -> float:
        return self.solution.cost * self.weights.unit

    @property
    def rounding_eur(self) -> float:
        return 2e-5 + 1e-7 * abs(self.cost_eur)


@dataclass(frozen=True, kw_only=True)
class Move:
    """Energy moved into or out of a slot: other powers of the device, one set for each way to do it."""

    device_id: DeviceId
    slot: int
    energy_kwh: float
    said_eur_per_kwh: float
    ways: tuple[Mapping[int, float], ...]


def tried(problem: PlanningProblem) -> Tried | None:
    """The solved problem; None where the solution is not the optimum of the program as it was posed.

    That is a battery outside its window, or prices beyond the solver's arithmetic.
    """
    problem = plausible(problem)
    weights = weights_for(problem)
    house = house_of(problem, weights)
    arrays = house.program.frozen(cost_unit=weights.unit)
    gap_eur = Gap().eur + Gap().ratio * _bill_eur(problem)
    try:
        allowed = Allowed(searched=gap_eur / weights.unit, announced=problem.announced_gap_eur / weights.unit)
        solution = best(house, arrays, allowed).solution
        explanation = explain(problem, house, arrays, solution, unit=weights.unit)
    except UnsolvedError:
        return None
    found = Tried(
        problem=problem,
        weights=weights,
        house=house,
        arrays=arrays,
        solution=solution,
        explanation=explanation,
        gap_eur=gap_eur,
    )
    again = cost_with(found, {})
    return found if again is not None and abs(again - found.cost_eur) < found.rounding_eur else None


def cost_with(at: Tried, powers: Mapping[int, float], *, switching: bool = False) -> float | None:
    """Least cost with these powers, the on/off pattern as it was or free; None where that is impossible [EUR]."""
    lower, upper = at.arrays.lower.copy(), at.arrays.upper.copy()
    if not switching:
        lower[at.arrays.whole] = upper[at.arrays.whole] = np.round(at.solution.values[at.arrays.whole])
    for column, power_kw in powers.items():
        lower[column] = upper[column] = power_kw
    arrays = replace(at.arrays, lower=lower, upper=upper)
    try:
        if switching and len(arrays.whole):
            arrays = with_wholes(arrays, solve_whole(arrays, gap=at.gap_eur / at.weights.unit))
        return solve_linear(arrays, start=at.solution).cost * at.weights.unit
    except UnsolvedError:
        return None


def moves(at: Tried, rng: random.Random, count: int) -> Iterator[Move]:
    """Up to a kWh into and out of random slots of every device, as far as its power allows."""
    said = {each.device_id: each.alternative_eur_per_kwh for each in at.explanation.devices}
    for device_id, columns in _devices(at):
        for _ in range(count):
            # Half of them in the first hours, where devices are really on or off.
            slot = rng.randrange(at.problem.grid.count if rng.random() < 0.5 else min(24, at.problem.grid.count))
            step_kw = rng.choice([1.0, 0.3, 0.05]) / at.problem.grid.slot_h
            for energy_kwh, ways in _steps(at, [each[slot] for each in columns], step_kw):
                yield Move(
                    device_id=device_id,
                    slot=slot,
                    energy_kwh=energy_kwh,
                    said_eur_per_kwh=said[device_id][slot],
                    ways=ways,
                )


def _devices(at: Tried) -> Iterator[tuple[DeviceId, list[Indices]]]:
    seen: set[DeviceId] = set()
    for device_id, columns in (
        *(
            (each.device_id, [own.charge, own.discharge])
            for each, own in zip(at.problem.batteries, at.house.batteries, strict=True)
        ),
        *(
            (
                each.device_id,
                [*(mode.power for mode in own.modes), *([own.discharge] if own.discharge is not None else [])],
            )
            for each, own in zip(at.problem.cars, at.house.cars, strict=True)
        ),
        *(
            (each.device_id, [power for power in (own.room, own.tank) if power is not None])
            for each, own in zip(at.problem.heat, at.house.heat, strict=True)
        ),
        *((each.device_id, [own]) for each, own in zip(at.problem.pv, at.house.pv, strict=True) if own is not None),
    ):
        if device_id not in seen and columns:  # odd problems use a name twice
            seen.add(device_id)
            yield device_id, columns


def _steps(at: Tried, columns: list[int], step_kw: float) -> Iterator[tuple[float, tuple[Mapping[int, float], ...]]]:
    values, upper, slot_h = at.solution.values, at.arrays.upper, at.problem.grid.slot_h
    flowing = [column for column in columns if values[column] > NEAR_KW]
    held = {column: float(values[column]) for column in columns}
    if len(flowing) == 1:
        for sign in (1, -1):
            to_kw = float(min(max(values[flowing[0]] + sign * step_kw, 0.0), upper[flowing[0]]))
            change_kw = abs(to_kw - values[flowing[0]])
            if change_kw >= LEAST_KW:
                yield change_kw * slot_h, ({**held, flowing[0]: to_kw},)
    elif not flowing:
        able = [column for column in columns if upper[column] >= LEAST_KW]
        if able:
            to_kw = float(min(step_kw, *(upper[column] for column in able), 1e9))
            rest = dict.fromkeys(columns, 0.0)
            yield to_kw * slot_h, tuple({**rest, column: to_kw} for column in able)


def priced_again(at: Tried, problem: PlanningProblem) -> float | None:
    """Least cost of a problem that differs in numbers only, the on/off pattern and penalties as they were [EUR]."""
    arrays = house_of(plausible(problem), at.weights).program.frozen(cost_unit=at.weights.unit)
    if len(arrays.lower) != len(at.arrays.lower):
        return None
    try:
        return solve_linear(with_wholes(arrays, at.solution.values)).cost * at.weights.unit
    except UnsolvedError:
        return None


def with_load(problem: PlanningProblem, slot: int, energy_kwh: float) -> PlanningProblem:
    """More load in a slot, on three phases."""
    change_w = energy_kwh * 1000 / problem.grid.slot_h
    return replace(
        problem,
        load_power_w=_changed(problem.load_power_w, slot, change_w),
        circuits=tuple(_with_load(each, slot, change_w / 3) for each in problem.circuits),
    )


def _with_load(circuit: CircuitInput, slot: int, change_w: float) -> CircuitInput:
    if circuit.circuit_id != MAIN or circuit.phase_load_w is None:
        return circuit
    first, second, third = (_changed(each, slot, change_w) for each in circuit.phase_load_w)
    return replace(circuit, phase_load_w=(first, second, third))


def with_room(problem: PlanningProblem, slot: int, energy_kwh: float) -> PlanningProblem:
    """More room at the connection in a slot, both ways."""
    change_w = energy_kwh * 1000 / problem.grid.slot_h
    return replace(
        problem,
        import_power_max_w=_changed(problem.import_power_max_w, slot, change_w),
        export_power_max_w=_changed(problem.export_power_max_w, slot, change_w),
    )


def _changed(series: Series, slot: int, change: float) -> Series:
    return (*series[:slot], series[slot] + change, *series[slot + 1 :])
