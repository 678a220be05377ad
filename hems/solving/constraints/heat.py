"""Heat pumps: one compressor, a room and a tank as heat capacities, on or off in the first hours."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hems.domain.problem import HeatInput, RoomInput, TankInput
from hems.planning.reading import fixed_run_slots
from hems.solving.frame import Fixing, Frame, windows, without_pauses
from hems.solving.program import Flags, Indices, Numbers

WIDE_K = 200.0
"""Further than any temperature can be from its band [K]."""
KELVIN_WEIGHT_RATIO = 5.0
"""A kelvin and hour weighs as much as so many kWh and hours at least: small rooms are not to be missed cheaply."""

BEHIND_RATIO = 0.05
"""Of the smallest power for a slot: no more may be missing before a pump is on, comfort is mostly at its
lower edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatColumns:
    """Where a heat pump is in the program."""

    room: Indices | None
    """Electrical power into the room, one per slot; None without a room."""
    tank: Indices | None
    room_c: Indices | None
    """Temperature of the room at the end of each slot."""
    tank_c: Indices | None
    on: Indices
    """Binaries of the first slots; none where it may run at any power."""
    levels: tuple[Indices, ...]
    """Binaries, one per level and slot of ``on``."""
    level_kw: tuple[float, ...]
    smallest_kw: float
    run_slots: int
    rest_slots: int
    running: bool
    must_run: int
    must_rest: int
    announced: tuple[Fixing, ...] = ()

    def rounded(self, values: Numbers, *, steady: bool = False) -> Iterable[Fixing]:
        """On where it has half its smallest power, or in time for what was heated; runs and rests made long enough."""
        powers = [columns for columns in (self.room, self.tank) if columns is not None]
        power_kw = np.array(sum(values[columns[: len(self.on)]] for columns in powers))
        wanted = without_pauses(self._in_time(power_kw)) if steady else power_kw >= 0.5 * self.smallest_kw
        on = self._long_enough(wanted)
        yield self.on, on
        if self.levels:
            best = np.argmin([np.abs(power_kw - level) for level in self.level_kw], axis=0)
            for number, columns in enumerate(self.levels):
                yield columns, on * (best == number)

    def resting(self) -> Iterable[Fixing]:
        """Off, whatever that cuts short."""
        for columns in (self.on, *self.levels):
            yield columns, np.zeros(len(columns))

    def _in_time(self, power_kw: Numbers) -> Flags:
        """Slots in which the smallest power keeps up with a power that may be below it."""
        wanted = np.zeros(len(power_kw), dtype=bool)
        ahead_kw = 0.0
        for slot, asked_kw in enumerate(power_kw):
            wanted[slot] = asked_kw - ahead_kw > BEHIND_RATIO * self.smallest_kw
            ahead_kw += max(asked_kw, self.smallest_kw) * wanted[slot] - asked_kw
        return wanted

    def _long_enough(self, wanted: Flags) -> Numbers:
        on = np.zeros(len(wanted))
        state, left = self.running, self.must_run if self.running else self.must_rest
        for slot, wish in enumerate(wanted):
            if left <= 0 and bool(wish) != state:
                state = not state
                left = self.run_slots if state else self.rest_slots
            on[slot] = float(state)
            left -= 1
        return on


def put_heat(frame: Frame, pump: HeatInput) -> HeatColumns:
    """Columns of one heat pump."""
    program = frame.program
    room = tank = room_c = tank_c = None
    if pump.room is not None:
        room = _power(frame, pump)
        room_c = _room(frame, pump.room, room)
    if pump.tank is not None:
        tank = _power(frame, pump)
        tank_c = _tank(frame, pump.tank, tank)
    powers = [each for each in (room, tank) if each is not None]
    if len(powers) > 1:
        rows = program.rows(frame.count, upper=pump.power_max_w / 1000)
        frame.own_rows.append(rows)
        for each in powers:
            program.put(rows, each, 1.0)
    switched = bool(powers) and pump.power_max_w > 0 and (pump.power_min_w > 0 or bool(pump.levels_w))
    on = program.binaries(frame.exact if switched else 0, cost=_calm(frame, pump) if switched else 0.0)
    run_slots = max(1, math.ceil(pump.min_run_s / frame.problem.grid.slot_s))
    rest_slots = max(1, math.ceil(pump.min_rest_s / frame.problem.grid.slot_s))
    must_run, must_rest = fixed_run_slots(pump, frame.problem.grid)
    levels = _levels(frame, pump, on, powers) if switched else ()
    columns = HeatColumns(
        room=room,
        tank=tank,
        room_c=room_c,
        tank_c=tank_c,
        on=on,
        levels=levels,
        level_kw=tuple(level / 1000 for level in pump.levels_w) if levels else (),
        smallest_kw=pump.power_min_w / 1000 if not levels else pump.levels_w[0] / 1000,
        run_slots=run_slots,
        rest_slots=rest_slots,
        running=pump.running,
        must_run=must_run,
        must_rest=must_rest,
        announced=((on[: len(pump.announced_on)], np.array(pump.announced_on[: len(on)], dtype=float)),),
    )
    if switched:
        if not levels:
            _between(frame, pump, on, powers)
        _runs(frame, pump, columns)
        frame.switches.append(columns)
    return columns


def _power(frame: Frame, pump: HeatInput) -> Indices:
    columns = frame.program.columns(frame.count, upper=pump.power_max_w / 1000)
    frame.place(columns, 1.0, circuit_id=pump.circuit_id, phases=pump.phases, slots=frame.slots)
    return columns


def _calm(frame: Frame, pump: HeatInput) -> Numbers:
    announced = np.zeros(frame.exact)
    for slot, on in enumerate(pump.announced_on[: frame.exact]):
        announced[slot] = -1.0 if on else 1.0
    return frame.problem.change_cost_eur * announced


def _between(frame: Frame, pump: HeatInput, on: Indices, powers: list[Indices]) -> None:
    """``smallest * on <= power <= largest * on``."""
    program = frame.program
    at_least, at_most = program.rows(len(on), lower=0.0), program.rows(len(on), upper=0.0)
    for rows, limit_kw in ((at_least, pump.power_min_w / 1000), (at_most, pump.power_max_w / 1000)):
        for columns in powers:
            program.put(rows, columns[: len(on)], 1.0)
        program.put(rows, on, -limit_kw)
        frame.own_rows.append(rows)


def _levels(frame: Frame, pump: HeatInput, on: Indices, powers: list[Indices]) -> tuple[Indices, ...]:
    """One level at a time: ``power = sum of level powers``, ``on = sum of level binaries``."""
    if not pump.levels_w:
        return ()
    program = frame.program
    found = tuple(program.binaries(len(on)) for _ in pump.levels_w)
    power_rows, on_rows = program.rows(len(on), lower=0.0, upper=0.0), program.rows(len(on), lower=0.0, upper=0.0)
    frame.own_rows.append(power_rows)
    for columns in powers:
        program.put(power_rows, columns[: len(on)], 1.0)
    program.put(on_rows, on, -1.0)
    for columns, level_w in zip(found, pump.levels_w, strict=True):
        program.put(power_rows, columns, -level_w / 1000)
        program.put(on_rows, columns, 1.0)
    return found


def _runs(frame: Frame, pump: HeatInput, columns: HeatColumns) -> None:
    """Starts and stops, long enough runs and rests; what the present state demands can be broken at a price."""
    program, on = frame.program, columns.on
    count = len(on)
    if columns.run_slots > 1 or columns.rest_slots > 1 or pump.start_cost_eur > 0:
        start = program.columns(count, upper=1.0, cost=pump.start_cost_eur)
        stop = program.columns(count, upper=1.0)
        before = np.zeros(count)
        before[0] = float(pump.running)
        rows = program.rows(count, lower=-before, upper=-before)
        program.put(rows, start, 1.0)
        program.put(rows, stop, -1.0)
        program.put(rows, on, -1.0)
        program.put(rows[1:], on[:-1], 1.0)
        if pump.start_cost_eur > 0:
            frame.count_starts(start)
        for length, event, sign in ((columns.run_slots, start, -1.0), (columns.rest_slots, stop, 1.0)):
            if length > 1:
                within = program.rows(count, upper=0.0 if sign < 0 else 1.0)
                program.put(within, on, sign)
                pairs = [(slot, first) for slot, earlier in windows(count, length) for first in earlier]
                program.put(within[[slot for slot, _ in pairs]], event[[first for _, first in pairs]], 1.0)
    for slots, sign in ((columns.must_run, 1.0), (columns.must_rest, -1.0)):
        held = on[: min(slots, count)]
        broken = program.columns(len(held), upper=1.0, cost=frame.weights.protection)
        rows = program.rows(len(held), lower=1.0 if sign > 0 else 0.0)
        program.put(rows, held, sign)
        program.put(rows, broken, 1.0)


def _room(frame: Frame, room: RoomInput, power: Indices) -> Indices:
    outdoor, gains = np.array(room.outdoor_c), np.array(room.gains_w)
    temperature = _storage(
        frame,
        power,
        start_c=room.temperature_c,
        capacity_wh_per_k=room.capacity_wh_per_k,
        loss_w_per_k=room.loss_w_per_k,
        around_c=outdoor,
        gains_w=gains,
        cop_ratio=np.array(room.cop_ratio),
    )
    cost = _kelvin_cost(frame, room.capacity_wh_per_k, np.array(room.cop_ratio))
    frame.soft_lower(
        temperature, bound=np.array(room.comfort_min_c), miss_max=np.inf, cost=frame.weights.heat_min * cost
    )
    frame.soft_upper(
        temperature, bound=np.array(room.comfort_max_c), miss_max=np.inf, cost=frame.weights.heat_max * cost
    )
    return temperature


def _tank(frame: Frame, tank: TankInput, power: Indices) -> Indices:
    temperature = _storage(
        frame,
        power,
        start_c=tank.temperature_c,
        capacity_wh_per_k=tank.capacity_wh_per_k,
        loss_w_per_k=tank.loss_w_per_k,
        around_c=np.full(frame.count, tank.ambient_c),
        gains_w=-np.array(tank.draws_w),
        cop_ratio=np.array(tank.cop_ratio),
    )
    cost = _kelvin_cost(frame, tank.capacity_wh_per_k, np.array(tank.cop_ratio))
    frame.soft_lower(temperature, bound=tank.temperature_min_c, miss_max=np.inf, cost=frame.weights.heat_min * cost)
    highest = tank.temperature_max_c
    if tank.hygiene is not None:
        highest = max(highest, tank.hygiene.temperature_c)
        _hygiene(frame, temperature, tank)
    frame.soft_upper(temperature, bound=highest, miss_max=np.inf, cost=frame.weights.heat_max * cost)
    return temperature


def _hygiene(frame: Frame, temperature: Indices, tank: TankInput) -> None:
    """Hot once by an instant: a binary per hour says when, what is missing is priced per kelvin."""
    assert tank.hygiene is not None
    program, grid = frame.program, frame.problem.grid
    until = grid.whole_slots_before(tank.hygiene.by_at)
    if until == 0 or tank.hygiene.by_at > grid.end_at:
        return
    step = max(1, 3600 // grid.slot_s)
    slots = np.arange(until - 1, -1, -step)[::-1]
    hot = program.binaries(len(slots))
    program.put(np.repeat(program.rows(1, lower=1.0, upper=1.0), len(slots)), hot, 1.0)
    missing = program.columns(1, upper=np.inf, cost=frame.weights.protection)
    # Without its binary a slot demands no more than any tank has.
    rows = program.rows(len(slots), lower=tank.hygiene.temperature_c - WIDE_K)
    program.put(rows, temperature[slots], 1.0)
    program.put(rows, hot, -WIDE_K)
    program.put(rows, np.repeat(missing, len(slots)), 1.0)
    frame.switches.append(OneOf(columns=hot))


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """Binaries of which exactly one is 1."""

    columns: Indices
    announced: tuple[Fixing, ...] = ()

    def rounded(self, values: Numbers, *, steady: bool = False) -> Iterable[Fixing]:  # noqa: ARG002
        """The likeliest one."""
        chosen = np.zeros(len(self.columns))
        chosen[int(np.argmax(values[self.columns]))] = 1.0
        yield self.columns, chosen

    def resting(self) -> Iterable[Fixing]:
        """As late as it may be."""
        chosen = np.zeros(len(self.columns))
        chosen[-1] = 1.0
        yield self.columns, chosen


def _storage(
    frame: Frame,
    power: Indices,
    *,
    start_c: float,
    capacity_wh_per_k: float,
    loss_w_per_k: float,
    around_c: Numbers,
    gains_w: Numbers,
    cop_ratio: Numbers,
) -> Indices:
    """Temperature at the end of each slot: the exact solution for constant power within a slot."""
    program, hours = frame.program, frame.slot_h
    keep = math.exp(-hours * loss_w_per_k / capacity_wh_per_k)
    per_w = (1 - keep) / loss_w_per_k if loss_w_per_k > 1e-9 else hours / capacity_wh_per_k
    drift = per_w * gains_w + (1 - keep) * around_c
    temperature = program.columns(frame.count, lower=-np.inf, upper=np.inf)
    start = drift.copy()
    start[0] += keep * start_c
    rows = program.rows(frame.count, lower=start, upper=start)
    program.put(rows, temperature, 1.0)
    program.put(rows[1:], temperature[:-1], -keep)
    program.put(rows, power, -1000 * per_w * cop_ratio)
    return temperature


def _kelvin_cost(frame: Frame, capacity_wh_per_k: float, cop_ratio: Numbers) -> float:
    """KWh of electricity in a kelvin, times hours of a slot; not less than a few."""
    return max(KELVIN_WEIGHT_RATIO, capacity_wh_per_k / 1000 / float(np.mean(cop_ratio))) * frame.slot_h
