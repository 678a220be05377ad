"""When a heat pump runs: planned energy per slot, comfort before cost, thermostat where there is no plan."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from hems.control.estimate import Estimate
from hems.control.moment import Moment
from hems.control.state import ControlState, HeatSlot, SwitchMemory
from hems.control.switching import LET_GO_MIN_S
from hems.control.want import Want
from hems.domain import reasons
from hems.domain.plan import HeatPlan
from hems.domain.reading import HeatPumpValues
from hems.domain.reasons import Reason
from hems.domain.site import DeviceId, HeatPump
from hems.domain.time import Now

ROOM_HYSTERESIS_C = 0.3
"""Between switching on and off again by thermostat: an ordinary room controller's [K]."""
TANK_HYSTERESIS_C = 5.0
LEAST_RUN_WH = 1.0
"""No compressor starts for less; a solver's zero is not always exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heating:
    """Wants and reasons, and the heat already run in each device's slot."""

    intents: Mapping[DeviceId, tuple[Want, Reason]]
    slots: Mapping[DeviceId, HeatSlot]


def intents(state: ControlState, seen: Estimate, moment: Moment | None, now: Now) -> Heating:
    """What every answering heat pump should do."""
    found: dict[DeviceId, tuple[Want, Reason]] = {}
    slots: dict[DeviceId, HeatSlot] = {}
    for device in state.site.heat_pumps:
        values = seen.heat_pumps.get(device.id)
        if values is None:
            continue
        if not _knows_warmth(device, values):
            found[device.id] = Want(device_id=device.id, power_w=None), reasons.HeatsByItself()
            continue
        plans = () if moment is None else moment.plan.heat
        plan = next((each for each in plans if each.device_id == device.id), None)
        running = state.switches.get(device.id, SwitchMemory()).running
        if moment is None or plan is None:
            wanted = _by_thermostat(device, values, running=running)
            found[device.id] = _unless_held_too_long(state, device, wanted, now)
            continue
        slot_at = moment.plan.grid.slot_start(moment.slot)
        slots[device.id] = _heat_slot(state, device, values, slot_at, now)
        wanted = _as_planned(device, values, plan, moment, slots[device.id].energy_wh)
        found[device.id] = _unless_held_too_long(state, device, wanted, now)
    return Heating(intents=found, slots=slots)


def _heat_slot(state: ControlState, device: HeatPump, values: HeatPumpValues, slot_at: datetime, now: Now) -> HeatSlot:
    """Energy run so far in this slot: the present power counts for the time since the tick before."""
    before = state.heat_slots.get(device.id)
    if before is None or before.slot_start_at != slot_at or state.ticked_mono_s is None:
        return HeatSlot(slot_start_at=slot_at, energy_wh=0.0)
    gap_h = (now.mono_s - state.ticked_mono_s) / 3600
    return replace(before, energy_wh=before.energy_wh + values.power_w * gap_h)


def _as_planned(
    device: HeatPump, values: HeatPumpValues, plan: HeatPlan, moment: Moment, done_wh: float
) -> tuple[Want, Reason]:
    if too_cold(device, values):
        return Want(device_id=device.id, power_w=device.power_max_w, urgent=True), reasons.HeatsForComfort()
    if too_warm(device, values):
        return Want(device_id=device.id, power_w=0.0), reasons.RestsWarmEnough()
    mean_w = plan.power_w[moment.slot]
    wanted_wh = mean_w * moment.plan.grid.slot_h
    # Below its smallest power a pump runs at that power from the slot's start until the planned energy is in.
    if mean_w >= device.power_min_w or done_wh < wanted_wh - LEAST_RUN_WH:
        power_w = max(mean_w, device.power_min_w)
        price = round(moment.buy_at, 3)
        return Want(device_id=device.id, power_w=power_w), reasons.HeatsAsPlanned(import_price_eur_per_kwh=price)
    following = (slot for slot in range(moment.slot + 1, moment.plan.grid.count) if plan.power_w[slot] > 0)
    slot = next(following, None)
    next_at = None if slot is None else moment.plan.grid.slot_start(slot)
    return Want(device_id=device.id, power_w=0.0), reasons.RestsAsPlanned(next_at=next_at)


def _by_thermostat(device: HeatPump, values: HeatPumpValues, *, running: bool) -> tuple[Want, Reason]:
    on = too_cold(device, values) or (running and not _satisfied(device, values))
    power_w = device.power_max_w if on else 0.0
    return Want(device_id=device.id, power_w=power_w), reasons.RunsByThermostat(running=on)


def _unless_held_too_long(
    state: ControlState, device: HeatPump, wanted: tuple[Want, Reason], now: Now
) -> tuple[Want, Reason]:
    """What is wanted, or its own thermostat where it would be held at rest for longer than it lets itself be held.

    Only we count: the driver does as it is told, and the pump's own timer begins with the command or later.
    """
    if device.rest_max_s is None:
        return wanted
    let_go_s = state.switches.get(device.id, SwitchMemory()).let_go_since_mono_s
    if wanted[0].power_w == 0:
        let_go = held_s(state, device, now) >= device.rest_max_s
    else:
        let_go = let_go_s is not None and now.mono_s - let_go_s < LET_GO_MIN_S
    if not let_go:
        return wanted
    return Want(device_id=device.id, power_w=None), reasons.RestedLongEnough(rest_max_s=device.rest_max_s)


def held_s(state: ControlState, device: HeatPump, now: Now) -> float:
    """For how long a heat pump has been held at rest and has not run [s]."""
    since_mono_s = state.switches.get(device.id, SwitchMemory()).held_since_mono_s
    return 0.0 if since_mono_s is None else now.mono_s - since_mono_s


def runs_in(plan: HeatPlan, slot: int, slot_h: float) -> bool:
    """Whether a pump is meant to run in a slot of its plan, were it only for a minute."""
    return plan.power_w[slot] * slot_h > LEAST_RUN_WH


def _knows_warmth(device: HeatPump, values: HeatPumpValues) -> bool:
    return (device.room is None or values.room_c is not None) and (device.tank is None or values.tank_c is not None)


def too_cold(device: HeatPump, values: HeatPumpValues) -> bool:
    """Room or tank below its comfort band; an unknown temperature asks for nothing."""
    room = device.room is not None and values.room_c is not None and values.room_c < device.room.comfort_min_c
    tank = device.tank is not None and values.tank_c is not None and values.tank_c < device.tank.temperature_min_c
    return room or tank


def too_warm(device: HeatPump, values: HeatPumpValues) -> bool:
    """Everything that it heats is at the upper end of its band."""
    room = device.room is None or (values.room_c is not None and values.room_c >= device.room.comfort_max_c)
    tank = device.tank is None or (values.tank_c is not None and values.tank_c >= device.tank.temperature_max_c)
    return room and tank


def _satisfied(device: HeatPump, values: HeatPumpValues) -> bool:
    room, tank = device.room, device.tank
    room_ok = room is None or values.room_c is None or values.room_c >= room.comfort_min_c + ROOM_HYSTERESIS_C
    tank_ok = tank is None or values.tank_c is None or values.tank_c >= tank.temperature_min_c + TANK_HYSTERESIS_C
    return room_ok and tank_ok
