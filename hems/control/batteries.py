"""What batteries can do now, what they offer to the merit order, and how several share what is asked of them."""

from collections.abc import Mapping, Sequence

from hems.control.merit import Storage
from hems.control.moment import RULES_WORTH, Moment
from hems.domain.plan import Purpose
from hems.domain.power import PowerRange
from hems.domain.reading import BatteryValues
from hems.domain.site import Battery, DeviceId
from hems.domain.storage import sustainable_power


def able_power(battery: Battery, values: BatteryValues, duration_s: float) -> PowerRange:
    """What a battery can do for a whole lease by nameplate, management and window; the guard grants no more.

    Nothing where its charge is unknown: it rests then. Nobody may count on more: what this battery cannot do, another
    one or a car may.
    """
    if values.stored_wh is None:
        return PowerRange(lower_w=0.0, upper_w=0.0)
    window = sustainable_power(values.stored_wh, battery, duration_s)
    charge_w, discharge_w = values.charge_power_max_w, values.discharge_power_max_w
    return PowerRange(
        lower_w=window.lower_w if discharge_w is None else max(window.lower_w, min(-discharge_w, 0.0)),
        upper_w=window.upper_w if charge_w is None else min(window.upper_w, max(charge_w, 0.0)),
    )


def storage_of(battery: Battery, values: BatteryValues, moment: Moment | None, *, lease_s: float) -> Storage:
    """A battery in the market of the moment, by its worth in the plan; without one between all prices."""
    planned_w, worth = 0.0, None
    holds = False
    if moment is not None:
        for each in moment.plan.batteries:
            if each.device_id == battery.id:
                planned_w = each.power_w[moment.slot]
                worth = None if each.value_eur_per_kwh is None else each.value_eur_per_kwh[moment.slot]
                holds = worth is None and each.purpose[moment.slot] is Purpose.HOLD
    if worth is not None:
        bid = worth * battery.charge_efficiency_ratio
        ask = max(worth, 0.0) / battery.discharge_efficiency_ratio
    else:
        middle = RULES_WORTH if moment is None else (max(moment.buy_at, 0.0) + moment.sell_at) / 2
        bid = ask = middle
    full = values.stored_wh is not None and values.stored_wh >= battery.ceiling_wh
    empty = values.stored_wh is not None and values.stored_wh <= battery.floor_wh
    return Storage(
        device_id=battery.id,
        charge_power_min_w=0.0,
        charge_power_max_w=0.0 if full or holds else battery.charge_power_max_w,
        discharge_power_max_w=0.0 if empty or holds else battery.discharge_power_max_w,
        bid_eur_per_kwh=bid,
        ask_eur_per_kwh=ask,
        planned_power_w=planned_w,
        able_power=able_power(battery, values, lease_s),
    )


def shared_w(power_w: float, able: Sequence[tuple[Battery, PowerRange]]) -> Mapping[DeviceId, float]:
    """A power in parts, each as large as what its battery can do that way; where none can do anything, by nameplate.

    What is more than all of them can do is shared as well: the guard cuts it, and says what limited it.
    """
    if power_w > 0:
        most_w = {battery.id: each.upper_w for battery, each in able}
        nameplate_w = {battery.id: battery.charge_power_max_w for battery, _ in able}
    else:
        most_w = {battery.id: -each.lower_w for battery, each in able}
        nameplate_w = {battery.id: battery.discharge_power_max_w for battery, _ in able}
    if sum(most_w.values()) <= 0:
        most_w = nameplate_w
    all_w = sum(most_w.values())
    return {device_id: power_w * each_w / all_w if all_w > 0 else 0.0 for device_id, each_w in most_w.items()}
