"""A heat pump as the planner sees it: what it heats, where that stands, and how long it has been running."""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from hems.control.state import SwitchMemory
from hems.domain.heat import cop_ratio, expected_draw_w, room_capacity_wh_per_k, tank_capacity_wh_per_k
from hems.domain.plan import Plan
from hems.domain.problem import HeatInput, RoomInput, TankInput
from hems.domain.reading import HeatPumpValues
from hems.domain.site import HeatPump, RoomModel, TankModel
from hems.domain.time import Now, SlotGrid, time_of_day_s
from hems.planning.reading import on_off_slots

TANK_ROOM_C = 18.0
"""Temperature around a tank where no room is measured [degrees C]."""
RUNNING_W = 1.0
LONG_S = 1e9


def heat_input(
    pump: HeatPump,
    values: HeatPumpValues,
    *,
    memory: SwitchMemory,
    outdoor_c: Sequence[float],
    grid: SlotGrid,
    zone: ZoneInfo,
    announced: Plan | None,
    now: Now,
) -> HeatInput:
    """One heat pump from where it stands now.

    Args:
        pump: what it heats.
        values: measured temperatures; an unknown one counts as the middle of its band.
        memory: when it was last switched.
        outdoor_c: expected outdoor temperature per slot.
        grid: slots.
        zone: for the daily pattern of hot water.
        announced: the plan in force.
        now: this moment.
    """
    cops = tuple(cop_ratio(pump, outdoor) for outdoor in outdoor_c)
    switched_s = memory.switched_mono_s
    return HeatInput(
        device_id=pump.id,
        power_min_w=pump.power_min_w,
        power_max_w=pump.power_max_w,
        room=None if pump.room is None else _room(pump.room, values.room_c, outdoor_c, cops),
        tank=None if pump.tank is None else _tank(pump.tank, values, cops, grid, zone),
        running=memory.running,
        state_s=LONG_S if switched_s is None else max(0.0, now.mono_s - switched_s),
        min_run_s=pump.min_run_s,
        min_rest_s=pump.min_rest_s,
        rest_max_s=pump.rest_max_s,
        announced_on=announced_on(announced, pump, grid),
    )


def announced_on(plan: Plan | None, pump: HeatPump, grid: SlotGrid) -> tuple[bool, ...]:
    """Whether the plan in force runs a heat pump, from the first slot of a grid on."""
    series = next((each.power_w for each in plan.heat if each.device_id == pump.id), ()) if plan else ()
    return running_from(plan, series, grid)


def running_from(plan: Plan | None, power_w: Sequence[float], grid: SlotGrid) -> tuple[bool, ...]:
    """Whether a planned power is above zero, from the first slot of a grid on as far as the plan was exact."""
    if plan is None:
        return ()
    passed = round((grid.start_at - plan.grid.start_at) / timedelta(seconds=grid.slot_s))
    if passed < 0:
        return ()
    return tuple(each > RUNNING_W for each in power_w[passed : on_off_slots(plan.grid)])


def _known(measured_c: float | None, low_c: float, high_c: float) -> float:
    return (low_c + high_c) / 2 if measured_c is None else measured_c


def _room(room: RoomModel, measured_c: float | None, outdoor_c: Sequence[float], cops: tuple[float, ...]) -> RoomInput:
    count = len(cops)
    return RoomInput(
        temperature_c=_known(measured_c, room.comfort_min_c, room.comfort_max_c),
        comfort_min_c=(room.comfort_min_c,) * count,
        comfort_max_c=(room.comfort_max_c,) * count,
        capacity_wh_per_k=room_capacity_wh_per_k(room),
        loss_w_per_k=room.loss_w_per_k,
        outdoor_c=tuple(outdoor_c),
        gains_w=(0.0,) * count,
        cop_ratio=cops,
    )


def _tank(
    tank: TankModel, values: HeatPumpValues, cops: tuple[float, ...], grid: SlotGrid, zone: ZoneInfo
) -> TankInput:
    return TankInput(
        temperature_c=_known(values.tank_c, tank.temperature_min_c, tank.temperature_max_c),
        temperature_min_c=tank.temperature_min_c,
        temperature_max_c=tank.temperature_max_c,
        capacity_wh_per_k=tank_capacity_wh_per_k(tank),
        loss_w_per_k=tank.loss_w_per_k,
        ambient_c=TANK_ROOM_C if values.room_c is None else values.room_c,
        draws_w=tuple(expected_draw_w(tank, time_of_day_s(at, zone) / 3600) for at in grid.starts()),
        cop_ratio=cops,
    )
