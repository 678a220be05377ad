"""Section 14a EnWG: the power that a German grid operator leaves to the devices that he may dim.

BNetzA decision BK6-22-300, annex 1, items 2.4 (which devices), 4.5.2 (how much). The table of simultaneity factors as
printed there; the same numbers are in three independent public implementations.
"""

from collections.abc import Sequence

from hems.domain.site import Battery, Charger, HeatPump, PvPlant

DEVICE_FLOOR_W = 4_200.0
"""Only devices that can draw more are dimmed, and one alone keeps this [W]."""
HEAT_ABOVE_W, HEAT_RATIO = 11_000.0, 0.4
"""Heat pumps that can draw more than this together keep this part of it instead of the first 4.2 kW."""
SIMULTANEITY = {2: 0.80, 3: 0.75, 4: 0.70, 5: 0.65, 6: 0.60, 7: 0.55, 8: 0.50}
SIMULTANEITY_FROM_NINE = 0.45

Dimmable = PvPlant | Battery | Charger | HeatPump


def dimmed(devices: Sequence[Dimmable]) -> tuple[Dimmable, ...]:
    """Devices above 4.2 kW: chargers and batteries each by itself, heat pumps by their sum."""
    heat_w = sum(each.power_max_w for each in devices if isinstance(each, HeatPump))

    def counts(device: Dimmable) -> bool:
        match device:
            case Charger():
                return device.power_max_w > DEVICE_FLOOR_W
            case Battery():
                return device.charge_power_max_w > DEVICE_FLOOR_W
            case HeatPump():
                return heat_w > DEVICE_FLOOR_W
            case PvPlant():
                return False

    return tuple(each for each in devices if counts(each))


def guaranteed_power_w(devices: Sequence[Dimmable]) -> float:
    """What the dimmed devices may draw from the grid together at least [W]; 0 without any.

    ``base + (n - 1) * factor * 4.2 kW``; all heat pumps count as one device.
    """
    heat_w = sum(each.power_max_w for each in devices if isinstance(each, HeatPump))
    others = sum(not isinstance(each, HeatPump) for each in devices)
    count = others + (heat_w > 0)
    if count == 0:
        return 0.0
    base_w = HEAT_RATIO * heat_w if heat_w > HEAT_ABOVE_W else DEVICE_FLOOR_W
    return base_w + (count - 1) * simultaneity_ratio(count) * DEVICE_FLOOR_W


def simultaneity_ratio(count: int) -> float:
    """Factor for a number of devices; 1 for one."""
    return 1.0 if count < 2 else SIMULTANEITY.get(count, SIMULTANEITY_FROM_NINE)
