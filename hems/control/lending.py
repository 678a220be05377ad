"""Discharge that serves devices before the battery's own turn.

An import limit counts what the house buys: a car may charge with what the battery gives. The battery is decided after
the car, so what it gives is lent beforehand: no more than it is measured to give, is wanted to give on, and can.
"""

from collections.abc import Mapping

from hems.control.batteries import able_power
from hems.control.estimate import Estimate
from hems.control.exchange import Exchange
from hems.control.headroom import Headroom
from hems.domain.site import Battery, DeviceId, Site


def lend(
    site: Site,
    seen: Estimate,
    wanted_w: Mapping[DeviceId, float],
    room: Headroom,
    connection: Exchange,
    lease_s: float,
) -> None:
    """Book in ``connection`` what batteries lend; nothing while blind.

    Args:
        site: whose batteries.
        seen: this tick's estimate.
        wanted_w: power that the tick would like of each battery, charging positive [W].
        room: fuses, before anything is decided.
        connection: limits, before anything is decided.
        lease_s: for how long commands of this tick hold [s].
    """
    if seen.grid is None:
        return
    taken_w = 0.0
    for battery in site.batteries:
        values = seen.batteries.get(battery.id)
        if values is None or battery.id in seen.disobeying_w:
            continue
        asked_w = -max(wanted_w.get(battery.id, 0.0), able_power(battery, values, lease_s).lower_w)
        # Batteries before this one may give more than they lend: what they may take of a fuse is not there for it.
        fits_w = min([_fuse_w(room, battery), *connection.exports_w()]) - taken_w
        lent_w = min(asked_w, -values.power_w, fits_w)
        taken_w += max(asked_w, 0.0)
        if lent_w > 0:
            connection.lend(battery.id, lent_w)


def _fuse_w(room: Headroom, battery: Battery) -> float:
    left_w, _ = room.tightest(battery.circuit, battery.phases, importing=False)
    return max(0.0, left_w * len(battery.phases))
