"""The energy of a car: what it holds, how it slows down at the end of a charge, and what it needs by when."""

from dataclasses import dataclass

import numpy as np

from hems.domain.problem import CarInput, CarTarget
from hems.planning.reading import energy_max_wh
from hems.solving.frame import Frame
from hems.solving.program import Indices, Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeColumns:
    """One way to charge. ``on`` binaries belong to ``on_slots``; none where the smallest power is 0."""

    power: Indices
    """One per slot of the grid."""
    on: Indices
    on_slots: Indices
    limit_kw: Numbers
    """Most in each slot of the grid."""
    smallest_kw: Numbers
    """Smallest power of each slot with a binary."""
    at_least: Indices
    """Rows that demand it."""

    @property
    def largest_kw(self) -> Numbers:
        """Most in each slot with a binary."""
        return self.limit_kw[self.on_slots]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaperColumns:
    """Where a car's taper is in the program: ``power <= top - slope * state``."""

    state: Indices
    """Energy charged by the end of each slot."""
    top_kw: float
    slope: float
    eased: Indices
    """Binaries of the first slots: the car takes less than its smallest power by itself, and all that it can."""


def put_state(
    frame: Frame, car: CarInput, modes: tuple[ModeColumns, ...], discharge: Indices | None, *, most_kwh: float
) -> Indices:
    """Charged energy from the start on, inside what the car can give and take."""
    program, hours = frame.program, frame.slot_h
    available = car.discharge.available_wh / 1000 if car.discharge is not None else 0.0
    state = program.columns(frame.count, lower=-available, upper=most_kwh)
    rows = program.rows(frame.count, lower=0.0, upper=0.0)
    program.put(rows, state, 1.0)
    program.put(rows[1:], state[:-1], -1.0)
    for mode in modes:
        program.put(rows, mode.power, -hours)
    if discharge is not None and car.discharge is not None:
        program.put(rows, discharge, hours / car.discharge.round_trip_efficiency_ratio)
    return state


def put_taper(frame: Frame, car: CarInput, modes: tuple[ModeColumns, ...], state: Indices) -> TaperColumns | None:
    """Power below a line that falls with the charged energy, and on it where that is below the smallest power."""
    if car.taper is None or not modes:
        return None
    program, most_wh = frame.program, energy_max_wh(car)
    distance = (most_wh - car.taper.from_wh) / 1000
    fall = (car.power_max_w - car.taper.end_power_w) / 1000
    if distance <= 0 or fall <= 0:
        return None
    slope = fall / distance
    top_kw = car.taper.end_power_w / 1000 + slope * most_wh / 1000
    line = program.rows(frame.count, upper=top_kw)
    program.put(line, state, slope)
    eased = program.binaries(frame.exact if car.taper.end_power_w < max(each.power_min_w for each in car.modes) else 0)
    slots = np.arange(len(eased))
    available = car.discharge.available_wh / 1000 if car.discharge is not None else 0.0
    highest_kw = top_kw + slope * available
    on_line = program.rows(len(eased), lower=top_kw - highest_kw)
    program.put(on_line, state[slots], slope)
    program.put(on_line, eased, -highest_kw)
    for mode in modes:
        program.put(line, mode.power, 1.0)
        program.put(on_line, mode.power[slots], 1.0)
        here = np.isin(mode.on_slots, slots)
        program.put(mode.at_least[here], eased[mode.on_slots[here]], mode.smallest_kw[here])
    return TaperColumns(state=state, top_kw=top_kw, slope=slope, eased=eased)


def needs(
    frame: Frame,
    car: CarInput,
    modes: tuple[ModeColumns, ...],
    discharge: Indices | None,
    *,
    needed_kwh: float,
    most_kwh: float,
    share: Numbers,
) -> tuple[tuple[Indices, int], ...]:
    """The departure, and every earlier target; what is missing is priced by its rank or by how likely it is needed."""
    weights, grid = frame.weights, frame.problem.grid
    found = []
    if most_kwh > needed_kwh:
        _energy_row(frame, car, modes, discharge, frame.count, upper=most_kwh, missing_cost=None)
    exact = most_kwh <= needed_kwh
    row = _energy_row(
        frame,
        car,
        modes,
        discharge,
        frame.count,
        lower=needed_kwh,
        upper=needed_kwh if exact else np.inf,
        missing_cost=weights.departure,
    )
    found.append((row, frame.count))
    for target in car.targets:
        slots = grid.whole_slots_before(target.at)
        reachable = float(share[:slots].sum()) * frame.slot_h * car.power_max_w / 1000
        cost = _missing_cost(frame, car, target)
        energy = min(target.energy_wh / 1000, reachable, most_kwh)
        if energy > 0 and cost > 0:
            row = _energy_row(frame, car, modes, discharge, slots, lower=energy, missing_cost=cost)
            found.append((row, slots))
    return tuple(found)


def _missing_cost(frame: Frame, car: CarInput, target: CarTarget) -> float:
    if target.minimum:
        return frame.weights.minimum
    if target.probability_ratio >= 1:
        return frame.weights.departure
    return target.probability_ratio * car.missing_price_eur_per_kwh


def _energy_row(
    frame: Frame,
    car: CarInput,
    modes: tuple[ModeColumns, ...],
    discharge: Indices | None,
    slots: int,
    *,
    lower: float = -np.inf,
    upper: float = np.inf,
    missing_cost: float | None,
) -> Indices:
    """Energy charged in the first slots, plus what is missing, within bounds."""
    program = frame.program
    row = program.rows(1, lower=lower, upper=upper)
    repeated = np.repeat(row, slots)
    for mode in modes:
        program.put(repeated, mode.power[:slots], frame.slot_h)
    if discharge is not None and car.discharge is not None:
        program.put(repeated, discharge[:slots], -frame.slot_h / car.discharge.round_trip_efficiency_ratio)
    if missing_cost is not None:
        available = 0.0 if car.discharge is None else car.discharge.available_wh / 1000
        program.put(row, program.columns(1, upper=lower + available, cost=missing_cost), 1.0)
    return row
