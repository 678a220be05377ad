"""How calm planning is: whether a new plan switches otherwise than the one before had announced."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from hems.domain.plan import Plan
from hems.domain.site import DeviceId

ANNOUNCED = timedelta(hours=2)
"""What a household looks at and remembers of a plan."""
ON_W = 1.0


def switches_otherwise(before: Plan, after: Plan, at: datetime) -> bool | None:
    """Whether a device is on in the next two hours where it was announced off, or the reverse.

    Args:
        before: the plan in force.
        after: the one that follows it.
        at: now.

    Returns:
        None where both plans have no car, heat pump or appliance in common: there is nothing to announce.
    """
    old, new = _switched(before), _switched(after)
    common = old.keys() & new.keys()
    if not common:
        return None
    return any(_differ(before, old[each], after, new[each], at) for each in common)


def _switched(plan: Plan) -> dict[tuple[DeviceId, datetime | None], Sequence[float]]:
    """Power of everything that is on or off; a car by its stay, since another car is another matter."""
    found: dict[tuple[DeviceId, datetime | None], Sequence[float]] = {}
    for car in plan.cars:
        found[car.device_id, car.departure_at] = car.power_w
    found |= {(pump.device_id, None): pump.power_w for pump in plan.heat}
    found |= {(appliance.device_id, None): appliance.power_w for appliance in plan.appliances}
    return found


def _differ(before: Plan, old_w: Sequence[float], after: Plan, new_w: Sequence[float], at: datetime) -> bool:
    ahead = (after.grid.slot_start(slot) for slot in range(after.grid.count))
    for start_at in ahead:
        if start_at >= at + ANNOUNCED:
            return False
        earlier, later = before.grid.index_at(start_at), after.grid.index_at(start_at)
        if earlier is not None and later is not None and (old_w[earlier] > ON_W) != (new_w[later] > ON_W):
            return True
    return False
