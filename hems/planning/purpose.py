"""What a battery's power is meant for, read from the net flows of a slot."""

from hems.domain.plan import Purpose

NOTHING_W = 10.0
"""Below this a power is no intention: measurement noise of a house is larger [W]."""


def purpose_of(*, battery_power_w: float, grid_power_w: float) -> Purpose:
    """The intention behind one battery's power, given where the house ends up at the connection.

    Both in load convention [W]. Charging while the house imports buys for later, else it stores what is left
    over; discharging while the house exports sells, else it covers what is missing.
    """
    if abs(battery_power_w) < NOTHING_W:
        return Purpose.HOLD
    if battery_power_w > 0:
        return Purpose.CHARGE_FROM_GRID if grid_power_w > NOTHING_W else Purpose.STORE_SURPLUS
    return Purpose.SELL if grid_power_w < -NOTHING_W else Purpose.COVER_LOAD
