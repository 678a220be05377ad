"""Physics of stored energy: one statement per rule, shared by planner, tick, simulator's checkers."""

import math

from hems.domain.power import PowerRange
from hems.domain.site import Battery


def sustainable_power(stored_wh: float, battery: Battery, duration_s: float) -> PowerRange:
    """Constant power that a battery can hold for a whole interval.

    Positive charges, negative discharges, AC side. The range always contains 0 W, also for a battery found
    outside its window: it may then only move back in.

    Args:
        stored_wh: energy above empty at the start, DC side [Wh].
        battery: window, converter limits, efficiencies.
        duration_s: length of the interval, > 0 [s].

    Returns:
        Lower bound <= 0 <= upper bound [W].

    Raises:
        ValueError: duration not positive, or stored energy not a number: deciding what to do about a silent
            battery is the caller's job.

    Source: energy balance; losses are paid when charging (AC to DC) and again when discharging (DC to AC).
    """
    if duration_s <= 0:
        raise ValueError(f"duration_s must be positive, got {duration_s}")
    if math.isnan(stored_wh):
        raise ValueError("stored_wh is unknown (nan): handle a silent battery before asking")
    hours = duration_s / 3600
    room_w = max(0.0, battery.ceiling_wh - stored_wh) / battery.charge_efficiency_ratio / hours
    draw_w = max(0.0, stored_wh - battery.floor_wh) * battery.discharge_efficiency_ratio / hours
    return PowerRange(
        lower_w=-min(draw_w, battery.discharge_power_max_w), upper_w=min(room_w, battery.charge_power_max_w)
    )


def stored_change_wh(power_w: float, battery: Battery, duration_s: float) -> float:
    """Change of stored energy at a constant AC power [Wh]; positive when charging."""
    energy_wh = power_w * duration_s / 3600
    if energy_wh >= 0:
        return energy_wh * battery.charge_efficiency_ratio
    return energy_wh / battery.discharge_efficiency_ratio
