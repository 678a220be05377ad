"""Whether devices do what they are told. A write that was acknowledged proves nothing; the measured power does."""

from collections.abc import Mapping
from datetime import datetime

from hems.control.estimate import OVERDRAW_RATIO, OVERDRAW_W, Estimate
from hems.control.state import ControlState
from hems.domain.events import DeviceDoesNotFollow, DeviceFollowsAgain, Event
from hems.domain.reading import BatteryValues
from hems.domain.site import Battery, Controllable, DeviceId, PvPlant
from hems.domain.time import Now

ASTRAY_S = 60.0
"""Chargers take half a minute to obey and inverters ramp for some seconds: shorter than this is no disobedience [s]."""
EFFECT_MIN_W = 500.0
"""A battery that is told less may do nothing: converters have a smallest power of some hundred watts."""
EFFECT_RATIO = 0.25
"""A battery that does at least this part of what it was told follows; ramps and limits take the rest."""


def astray(state: ControlState, seen: Estimate, now: Now) -> dict[DeviceId, float]:
    """Since when each device that does not follow has done something else, monotonic [s]."""
    found: dict[DeviceId, float] = {}
    for device in state.site.controllables:
        told_w, measured_w = state.told_power_w.get(device.id), seen.power_w(device.id)
        if told_w is not None and measured_w is not None and not follows(device, told_w, measured_w, seen):
            found[device.id] = state.astray_since_mono_s.get(device.id, now.mono_s)
    return found


def follows(device: Controllable, told_w: float, measured_w: float, seen: Estimate) -> bool:
    """Whether a measured power is what a command may lead to, load convention [W].

    Less than told is no disobedience, but for a battery: a car, a heat pump and the sun take or give what they can.
    """
    match device:
        case PvPlant():
            return measured_w >= told_w * OVERDRAW_RATIO - OVERDRAW_W
        case Battery():
            return _battery_follows(told_w, measured_w, seen.batteries.get(device.id))
        case _:
            return measured_w <= max(told_w, 0.0) * OVERDRAW_RATIO + OVERDRAW_W


def _battery_follows(told_w: float, measured_w: float, values: BatteryValues | None) -> bool:
    lowest_w = min(told_w, 0.0) * OVERDRAW_RATIO - OVERDRAW_W
    highest_w = max(told_w, 0.0) * OVERDRAW_RATIO + OVERDRAW_W
    if not lowest_w <= measured_w <= highest_w:
        return False
    able_w = None
    if values is not None:
        able_w = values.charge_power_max_w if told_w > 0 else values.discharge_power_max_w
    expected_w = abs(told_w) if able_w is None else min(abs(told_w), able_w)
    return expected_w < EFFECT_MIN_W or measured_w * (1 if told_w > 0 else -1) >= EFFECT_RATIO * expected_w


def changes(
    before: ControlState, since_mono_s: Mapping[DeviceId, float], seen: Estimate, now: Now, at: datetime
) -> tuple[Event, ...]:
    """Disobedience that has lasted long enough, told once, and its end. Silence ends nothing."""
    found: list[Event] = []
    for device in before.site.controllables:
        was = _known_astray(before, device.id)
        since_s = since_mono_s.get(device.id)
        if since_s is not None and not was and now.mono_s - since_s >= ASTRAY_S:
            told_w, measured_w = before.told_power_w[device.id], seen.power_w(device.id)
            assert measured_w is not None
            found.append(
                DeviceDoesNotFollow(
                    at=at, device_id=device.id, told_w=round(told_w, 1), measured_w=round(measured_w, 1)
                )
            )
        elif since_s is None and was and device.id not in seen.silent:
            found.append(DeviceFollowsAgain(at=at, device_id=device.id))
    return tuple(found)


def _known_astray(state: ControlState, device_id: DeviceId) -> bool:
    since_s = state.astray_since_mono_s.get(device_id)
    return since_s is not None and state.ticked_mono_s is not None and state.ticked_mono_s - since_s >= ASTRAY_S
