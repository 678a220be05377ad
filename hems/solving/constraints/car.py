"""Cars: charging power by mode, smallest power in the first hours, energy given back."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from hems.domain.problem import CarInput
from hems.planning.reading import connected_ratio
from hems.solving.constraints.car_energy import ModeColumns, TaperColumns, needs, put_state, put_taper
from hems.solving.frame import Fixing, Frame, without_pauses
from hems.solving.program import Flags, Indices, Numbers

NOTHING_KW = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class CarColumns:
    """Where a car is in the program."""

    modes: tuple[ModeColumns, ...]
    discharge: Indices | None
    part: Indices
    """Binaries of which one may be 1: the slot in which it charges, in its lowest mode, for part of the time."""
    taper: TaperColumns | None
    connected: Flags
    needs: tuple[tuple[Indices, int], ...]
    """Rows whose dual is the worth of a charged kWh, each with the number of slots that it covers."""
    announced: tuple[Fixing, ...] = ()
    """Slots that were announced off. Where on was announced the way to charge is free, and its change is priced."""

    def rounded(self, values: Numbers, *, steady: bool = False) -> Iterable[Fixing]:
        """On where it has its smallest power at least, in the highest mode that it can; one part-slot."""
        wanted = {slot: sum(values[mode.power[slot]] for mode in self.modes) for slot in self._switched()}
        eased = self._eased(values)
        taken: set[int] = set()
        for mode in reversed(self.modes):
            power_kw = np.array([wanted[int(slot)] for slot in mode.on_slots])
            free = np.array([int(slot) not in taken for slot in mode.on_slots], dtype=bool)
            on = free & (power_kw >= mode.smallest_kw - 1e-6)
            if mode is not self.modes[0]:
                taken.update(int(slot) for slot in mode.on_slots[on])
                yield mode.on, on.astype(float)
            else:
                by_itself = free & np.isin(mode.on_slots, np.flatnonzero(eased)) & (power_kw > NOTHING_KW)
                on |= by_itself
                if steady:
                    on |= free & without_pauses(on | ~free)
                part = (_part_beside if steady else _part_slot)(power_kw * free, on, free)
                yield mode.on, (on & ~part).astype(float)
                yield self.part, part.astype(float)
        if self.taper is not None:
            yield self.taper.eased, eased.astype(float)

    def resting(self) -> Iterable[Fixing]:
        """Off."""
        eased = () if self.taper is None else (self.taper.eased,)
        for columns in (*(mode.on for mode in self.modes), self.part, *eased):
            yield columns, np.zeros(len(columns))

    def _eased(self, values: Numbers) -> Flags:
        """First slots in which it takes all that its taper leaves, and that is less than its smallest power."""
        if self.taper is None or not self.modes:
            return np.zeros(0, dtype=bool)
        slots = np.arange(len(self.taper.eased))
        power_kw = np.array(sum(values[mode.power[slots]] for mode in self.modes))
        line_kw = self.taper.top_kw - self.taper.slope * values[self.taper.state[slots]]
        switched = self.modes[0].on_slots < len(slots)
        smallest_kw = np.full(len(slots), 0.0)
        smallest_kw[self.modes[0].on_slots[switched]] = self.modes[0].smallest_kw[switched]
        eased: Flags = (power_kw > NOTHING_KW) & (power_kw >= line_kw - 1e-6) & (power_kw < smallest_kw - 1e-6)
        return eased

    def _switched(self) -> set[int]:
        return {int(slot) for mode in self.modes for slot in mode.on_slots}


def _part_slot(power_kw: Numbers, on: Flags, free: Flags) -> Flags:
    """The slot that may be below the smallest power: the fullest of those that are, else the least of the others."""
    chosen = np.zeros_like(on)
    between = ~on & free & (power_kw > NOTHING_KW)
    if between.any():
        chosen[np.argmax(np.where(between, power_kw, -1.0))] = True
    elif on.any():
        chosen[np.argmin(np.where(on, power_kw, np.inf))] = True
    return chosen


def _part_beside(power_kw: Numbers, on: Flags, free: Flags) -> Flags:
    """The slot before or after a run, the fuller one: elsewhere charging for part of a slot is a start of its own."""
    chosen = np.zeros_like(on)
    charging = on | ~free
    beside = ~charging & (np.append(charging[1:], False) | np.append(False, charging[:-1]))
    if beside.any():
        chosen[np.argmax(np.where(beside, power_kw, -1.0))] = True
    return chosen


def put_car(frame: Frame, car: CarInput) -> CarColumns:
    """Columns of one car."""
    share = np.array(connected_ratio(car, frame.problem.grid))
    room_kwh = float(share.sum()) * frame.slot_h * car.power_max_w / 1000
    needed_kwh = min(car.energy_needed_wh / 1000, room_kwh)
    most_kwh = needed_kwh if car.energy_max_wh is None else min(car.energy_max_wh / 1000, room_kwh)
    can_give = car.discharge is not None and car.discharge.power_max_w > 0
    cap_kw = np.inf if can_give else most_kwh / frame.slot_h
    modes = tuple(_mode(frame, car, index, share, cap_kw) for index in range(len(car.modes)))
    _one_mode(frame, modes)
    part = _part(frame, car, modes)
    if car.switch_cost_eur > 0:
        starts = [
            _starts(frame, car, mode, part if index == 0 else None, before=car.charging_mode == index)
            for index, mode in enumerate(modes)
        ]
        if starts:
            frame.count_starts(np.concatenate(starts))
    discharge = _discharge(frame, car, modes, part, share) if can_give else None
    taper = None
    if discharge is not None or car.taper is not None:
        state = put_state(frame, car, modes, discharge, most_kwh=most_kwh)
        taper = put_taper(frame, car, modes, state)
    wanted = needs(frame, car, modes, discharge, needed_kwh=needed_kwh, most_kwh=most_kwh, share=share)
    columns = CarColumns(
        modes=modes,
        discharge=discharge,
        part=part,
        taper=taper,
        connected=share > 0,
        needs=wanted,
        announced=tuple(_announced_off(car, modes, part)),
    )
    if any(len(mode.on) for mode in modes):
        frame.switches.append(columns)
    return columns


def _mode(frame: Frame, car: CarInput, index: int, share: Numbers, cap_kw: float) -> ModeColumns:
    program, mode = frame.program, car.modes[index]
    largest_kw = np.minimum(mode.power_max_w / 1000 * share, cap_kw)
    waiting = frame.weights.waiting_per_h * np.arange(frame.count) * frame.slot_h * frame.slot_h
    power = program.columns(frame.count, upper=largest_kw, cost=waiting)
    slots = frame.slots
    frame.place(power, 1.0, circuit_id=car.circuit_id, phases=mode.phases, slots=slots)
    smallest_kw = np.minimum(mode.power_min_w / 1000 * share, largest_kw)[: frame.exact]
    on_slots = np.flatnonzero((smallest_kw > 0) | ((len(car.modes) > 1) & (largest_kw[: frame.exact] > 0)))
    on = program.binaries(len(on_slots), cost=_calm(frame, car, on_slots))
    at_least = program.rows(len(on_slots), lower=0.0)
    program.put(at_least, power[on_slots], 1.0)
    program.put(at_least, on, -smallest_kw[on_slots])
    frame.own_rows.append(at_least)
    return ModeColumns(
        power=power,
        on=on,
        on_slots=on_slots,
        limit_kw=largest_kw,
        smallest_kw=smallest_kw[on_slots],
        at_least=at_least,
    )


def _calm(frame: Frame, car: CarInput, slots: Indices) -> Numbers:
    """Cost of being on: what it costs where off was announced, negative where on was."""
    announced = np.zeros(frame.count)
    for slot, on in enumerate(car.announced_on[: frame.count]):
        announced[slot] = -1.0 if on else 1.0
    return frame.problem.change_cost_eur * announced[slots]


def _starts(frame: Frame, car: CarInput, mode: ModeColumns, part: Indices | None, *, before: bool) -> Indices:
    """``start >= charging - charging in the slot before``, at a price; the part-slot charges too.

    In a part-slot a charge begins or ends: one between two others is a pause, ``start >= on + part + on - 2``.
    """
    program, slots = frame.program, mode.on_slots
    start = program.columns(len(slots), upper=1.0, cost=car.switch_cost_eur)
    first = np.where(slots == 0, float(before), 0.0)
    follows = np.flatnonzero(np.diff(slots) == 1) + 1
    rows = program.rows(len(slots), lower=-first)
    program.put(rows, start, 1.0)
    for charging in (mode.on,) if part is None else (mode.on, part):
        program.put(rows, charging, -1.0)
        program.put(rows[follows], charging[follows - 1], 1.0)
    if part is not None:
        rows = program.rows(len(follows), lower=first[follows - 1] - 2.0)
        program.put(rows, start[follows], 1.0)
        program.put(rows, mode.on[follows], -1.0)
        program.put(rows, part[follows - 1], -1.0)
        earlier = np.isin(follows - 1, follows)
        program.put(rows[earlier], mode.on[follows[earlier] - 2], -1.0)
    return start


def _one_mode(frame: Frame, modes: tuple[ModeColumns, ...]) -> None:
    """One mode at a time; in later hours a mixture within a slot, of which the repair keeps the larger part."""
    if len(modes) < 2:
        return
    program = frame.program
    possible = np.all([mode.limit_kw > 0 for mode in modes], axis=0)
    later = np.flatnonzero(possible & (frame.slots >= frame.exact))
    rows = program.rows(len(later), upper=1.0)
    frame.own_rows.append(rows)
    for mode in modes:
        program.put(rows, mode.power[later], 1.0 / mode.limit_kw[later])
    for lower, higher in combinations(modes, 2):
        frame.one_way.append((lower.power[frame.exact :], higher.power[frame.exact :]))


def _part(frame: Frame, car: CarInput, modes: tuple[ModeColumns, ...]) -> Indices:
    """Upper bounds of the switched slots, one mode in each, and the part-slot of the lowest mode."""
    program = frame.program
    if not modes:
        return program.binaries(0)
    lowest = modes[0]
    part = program.binaries(len(lowest.on_slots), cost=_calm(frame, car, lowest.on_slots))
    for mode in modes:
        at_most = program.rows(len(mode.on_slots), upper=0.0)
        program.put(at_most, mode.power[mode.on_slots], 1.0)
        program.put(at_most, mode.on, -mode.largest_kw)
        frame.own_rows.append(at_most)
        if mode is lowest:
            program.put(at_most, part, -mode.largest_kw)
    program.put(np.repeat(program.rows(1, upper=1.0), len(part)), part, 1.0)
    one = program.rows(frame.exact, upper=1.0)
    for mode in modes:
        program.put(one[mode.on_slots], mode.on, 1.0)
    program.put(one[lowest.on_slots], part, 1.0)
    return part


def _discharge(frame: Frame, car: CarInput, modes: tuple[ModeColumns, ...], part: Indices, share: Numbers) -> Indices:
    """Power given back, on the conductors of the highest mode; never in a slot in which it charges."""
    assert car.discharge is not None
    program, most_kw = frame.program, car.discharge.power_max_w / 1000
    cost = frame.weights.cycling + car.discharge.cycle_cost_eur_per_kwh
    columns = frame.program.columns(
        frame.count,
        upper=car.discharge.power_max_w / 1000 * share,
        cost=(cost + np.where(frame.wasteful, frame.weights.waste, 0.0)) * frame.slot_h,
    )
    frame.place(columns, -1.0, circuit_id=car.circuit_id, phases=car.modes[-1].phases, slots=frame.slots)
    frame.one_way.extend((mode.power, columns) for mode in modes)
    rows = program.rows(frame.exact, upper=most_kw)
    frame.own_rows.append(rows)
    program.put(rows, columns[: frame.exact], 1.0)
    for index, mode in enumerate(modes):
        program.put(rows[mode.on_slots], mode.on, most_kw)
        if index == 0:
            program.put(rows[mode.on_slots], part, most_kw)
    return columns


def _announced_off(car: CarInput, modes: tuple[ModeColumns, ...], part: Indices) -> Iterator[Fixing]:
    off = np.array([slot for slot, on in enumerate(car.announced_on) if not on], dtype=np.int64)
    for index, mode in enumerate(modes):
        there = np.isin(mode.on_slots, off)
        yield mode.on[there], np.zeros(int(there.sum()))
        if index == 0:
            yield part[there], np.zeros(int(there.sum()))
