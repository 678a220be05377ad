"""A heat pump by its thermostat: along the lower edge of its comfort, hot water first."""

import math
from dataclasses import dataclass, replace

from hems.domain.problem import HeatInput, TankInput
from hems.domain.time import SlotGrid
from hems.planning.constraints.heat import room_after_c, tank_after_c
from hems.planning.reading import ON_W, on_off_slots

HYGIENE_HEAD_START = 2.0
"""A hygiene run begins this many times earlier than full power alone would need: draws, losses, the room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatState:
    """Where a heat pump stands at the beginning of a slot."""

    room_c: float
    tank_c: float
    running: bool
    state_s: float
    clean: bool
    """The hygiene run is done, or none is asked for."""


def first_state(pump: HeatInput) -> HeatState:
    """As measured."""
    tank_c = pump.tank.temperature_c if pump.tank else 0.0
    asked = pump.tank.hygiene if pump.tank else None
    return HeatState(
        room_c=pump.room.temperature_c if pump.room else 0.0,
        tank_c=tank_c,
        running=pump.running,
        state_s=pump.state_s,
        clean=asked is None or tank_c >= asked.temperature_c,
    )


def next_state(
    pump: HeatInput, state: HeatState, *, room_w: float, tank_w: float, slot: int, grid: SlotGrid
) -> HeatState:
    """After a slot with these powers."""
    on = room_w + tank_w > ON_W
    tank_c = tank_after_c(pump.tank, state.tank_c, tank_w, slot, grid.slot_h) if pump.tank else 0.0
    asked = pump.tank.hygiene if pump.tank else None
    return replace(
        state,
        room_c=room_after_c(pump.room, state.room_c, room_w, slot, grid.slot_h) if pump.room else 0.0,
        tank_c=tank_c,
        running=on,
        state_s=grid.slot_s + (state.state_s if on == state.running else 0.0),
        clean=state.clean or asked is None or tank_c >= asked.temperature_c,
    )


def is_protected(pump: HeatInput, state: HeatState, slot: int, grid: SlotGrid) -> bool:
    """Whether it runs to protect itself or the household: minimum run, hygiene run."""
    return must_run(pump, state) or (pump.tank is not None and _hygiene_due(pump, pump.tank, state, slot, grid))


def thermostat_w(
    pump: HeatInput, state: HeatState, *, offered_w: float, slot: int, grid: SlotGrid
) -> tuple[float, float]:
    """Electrical power for the room and for the tank, at most ``offered_w`` together [W].

    In the first hours the smallest power that it can run at and that is enough; what that is too much goes to whoever
    asked. Runs and rests last as long as they must, unless nothing is offered.
    """
    room_w, tank_w = _needed_w(pump, state, slot, grid)
    needed_w = min(room_w + tank_w, pump.power_max_w)
    if slot >= on_off_slots(grid):
        total_w = min(needed_w, offered_w)
    elif not state.running and state.state_s < pump.min_rest_s:
        total_w = 0.0
    elif needed_w > ON_W or must_run(pump, state):
        total_w = _runnable_w(pump, needed_w, offered_w)
    else:
        total_w = 0.0
    if pump.room is None or (tank_w > 0 and room_w <= 0):
        return 0.0, total_w
    tank_w = min(tank_w, total_w)
    return total_w - tank_w, tank_w


def must_run(pump: HeatInput, state: HeatState) -> bool:
    """Whether its minimum run is not over."""
    return state.running and state.state_s < pump.min_run_s


def least_w(pump: HeatInput) -> float:
    """The smallest power at which it counts as running; more than its largest where it cannot run."""
    return min(_levels_w(pump), default=max(pump.power_min_w, 2 * ON_W))


def _levels_w(pump: HeatInput) -> list[float]:
    return [each for each in pump.levels_w if each > ON_W]


def _runnable_w(pump: HeatInput, needed_w: float, offered_w: float) -> float:
    """The smallest power that is enough, or the largest that is offered; 0 if none is."""
    if not pump.levels_w:
        power_w = min(max(needed_w, least_w(pump)), pump.power_max_w, offered_w)
        return power_w if power_w >= least_w(pump) else 0.0
    offered = [each for each in _levels_w(pump) if each <= offered_w]
    return next((each for each in offered if each >= needed_w), offered[-1] if offered else 0.0)


def _needed_w(pump: HeatInput, state: HeatState, slot: int, grid: SlotGrid) -> tuple[float, float]:
    """Power that ends the slot at the lower edges, >= 0: the temperature rises in proportion to it."""
    room_w = tank_w = 0.0
    room, tank = pump.room, pump.tank
    if room is not None:
        resting_c = room_after_c(room, state.room_c, 0.0, slot, grid.slot_h)
        per_kw = room_after_c(room, state.room_c, 1000.0, slot, grid.slot_h) - resting_c
        room_w = _power_for(room.comfort_min_c[slot] - resting_c, per_kw)
    if tank is not None:
        edge_c = tank.temperature_min_c
        if tank.hygiene is not None and _hygiene_due(pump, tank, state, slot, grid):
            edge_c = max(edge_c, tank.hygiene.temperature_c)
        resting_c = tank_after_c(tank, state.tank_c, 0.0, slot, grid.slot_h)
        per_kw = tank_after_c(tank, state.tank_c, 1000.0, slot, grid.slot_h) - resting_c
        tank_w = _power_for(edge_c - resting_c, per_kw)
    return room_w, tank_w


def _power_for(missing_k: float, per_kw: float) -> float:
    """Without an effect that can be told from rounding none is needed."""
    return max(0.0, missing_k / per_kw * 1000) if per_kw > 1e-9 else 0.0


def _hygiene_due(pump: HeatInput, tank: TankInput, state: HeatState, slot: int, grid: SlotGrid) -> bool:
    if state.clean or tank.hygiene is None or pump.power_max_w <= ON_W:
        return False
    heat_wh = tank.capacity_wh_per_k * (tank.hygiene.temperature_c - state.tank_c)
    slots = heat_wh / tank.cop_ratio[slot] / pump.power_max_w / grid.slot_h * HYGIENE_HEAD_START
    return 0 < grid.whole_slots_before(tank.hygiene.by_at) - slot <= math.ceil(slots) + 1
