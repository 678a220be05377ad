"""Room and tank folded into electrical energy: how much a heat pump must and may have used by the end of each slot.

Below the lower edge somebody is cold, above the upper one too warm. The losses are taken at the edge itself, so both
edges are slightly wide where the temperature moves in between (at most the band's width times the loss).
"""

from collections.abc import Sequence
from itertools import accumulate
from zoneinfo import ZoneInfo

from hems.domain.heat import cop_ratio, expected_draw_w, room_capacity_wh_per_k, tank_capacity_wh_per_k
from hems.domain.problem import HeatInput
from hems.domain.reading import HeatPumpValues
from hems.domain.site import HeatPump, RoomModel, TankModel
from hems.domain.time import SlotGrid, time_of_day_s

TANK_ROOM_C = 18.0
"""Temperature around a tank [degrees C]."""


def heat_band(
    pump: HeatPump, values: HeatPumpValues, *, outdoor_c: Sequence[float], grid: SlotGrid, zone: ZoneInfo
) -> HeatInput:
    """Energy band of a heat pump from where it stands now.

    Args:
        pump: what it heats.
        values: measured temperatures; an unknown one counts as the middle of its band.
        outdoor_c: expected outdoor temperature per slot.
        grid: slots.
        zone: for the daily pattern of hot water.

    Returns:
        The band, clipped to what the pump can run, so that it never asks for the impossible.
    """
    cops = [cop_ratio(pump, outdoor) for outdoor in outdoor_c]
    low_wh = [0.0] * grid.count
    high_wh = [0.0] * grid.count
    if pump.room is not None:
        room_c = _known(values.room_c, pump.room.comfort_min_c, pump.room.comfort_max_c)
        _add_room(low_wh, high_wh, pump.room, room_c, outdoor_c, cops, grid)
    if pump.tank is not None:
        tank_c = _known(values.tank_c, pump.tank.temperature_min_c, pump.tank.temperature_max_c)
        draws_w = [expected_draw_w(pump.tank, time_of_day_s(at, zone) / 3600) for at in grid.starts()]
        _add_tank(low_wh, high_wh, pump.tank, tank_c, draws_w, cops, grid)
    reachable_wh = [pump.power_max_w * grid.slot_h * (slot + 1) for slot in range(grid.count)]
    low_wh = [max(0.0, min(low, most)) for low, most in zip(accumulate(low_wh, max), reachable_wh, strict=True)]
    return HeatInput(
        device_id=pump.id,
        power_min_w=pump.power_min_w,
        power_max_w=pump.power_max_w,
        energy_min_wh=tuple(low_wh),
        energy_max_wh=tuple(max(low, high) for low, high in zip(low_wh, accumulate(high_wh, max), strict=True)),
    )


def _known(measured_c: float | None, low_c: float, high_c: float) -> float:
    return (low_c + high_c) / 2 if measured_c is None else measured_c


def _add_room(
    low_wh: list[float],
    high_wh: list[float],
    room: RoomModel,
    room_c: float,
    outdoor_c: Sequence[float],
    cops: Sequence[float],
    grid: SlotGrid,
) -> None:
    capacity = room_capacity_wh_per_k(room)
    for edge_c, edge_wh in ((room.comfort_min_c, low_wh), (room.comfort_max_c, high_wh)):
        used_wh = capacity * (edge_c - room_c) / cops[0]
        for slot, outdoor in enumerate(outdoor_c):
            used_wh += room.loss_w_per_k * max(edge_c - outdoor, 0.0) * grid.slot_h / cops[slot]
            edge_wh[slot] += max(used_wh, 0.0)


def _add_tank(
    low_wh: list[float],
    high_wh: list[float],
    tank: TankModel,
    tank_c: float,
    draws_w: Sequence[float],
    cops: Sequence[float],
    grid: SlotGrid,
) -> None:
    capacity = tank_capacity_wh_per_k(tank)
    for edge_c, edge_wh in ((tank.temperature_min_c, low_wh), (tank.temperature_max_c, high_wh)):
        used_wh = capacity * (edge_c - tank_c) / cops[0]
        for slot, draw_w in enumerate(draws_w):
            used_wh += (draw_w + tank.loss_w_per_k * max(edge_c - TANK_ROOM_C, 0.0)) * grid.slot_h / cops[slot]
            edge_wh[slot] += max(used_wh, 0.0)
