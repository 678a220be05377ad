"""What an envelope is made of: the expected need of everything but the batteries, with how unsure it is."""

from collections.abc import Mapping, Sequence

from hems.app.planner_loop import Planned
from hems.control.estimate import Estimate
from hems.control.exchange import export_ceilings, import_ceilings
from hems.control.headroom import dependable_power_w
from hems.control.state import ControlState
from hems.domain.command import Limit
from hems.domain.plan import Plan
from hems.domain.reading import CarState
from hems.domain.site import DeviceId, Site
from hems.domain.time import Now
from hems.flexibility.hold import HoldBattery, HoldInput

BAND_RATIO = 2.0
"""An 80 % band reaches 1.28 standard deviations, 99 % 2.58: twice as far. Measured in docs/performance.md."""
OWN_METER_W = 100.0
"""Chargers, inverters and the grid meter agree within one or two per cent of some kilowatts."""
HEAT_TOLERANCE_RATIO = 1.1
VALID_S = 600
"""Twice the time between two envelopes. A shorter promise has less to fear of what the battery does before it is taken
up: 5 kW and 10 kWh, half full, hold -2.0 to 3.4 kW for an hour instead of -1.1 to 2.5 kW at 20 minutes."""


def car_power_max_w(site: Site, seen: Estimate, plan: Plan) -> dict[DeviceId, tuple[float, ...]]:
    """Most that each charger takes per slot of the plan while a setpoint is followed: what the plan gives it.

    A charger at which no car is could get one at any moment; it then waits until the setpoint has ended.
    """
    planned = {each.device_id: each.power_w for each in plan.cars}
    nothing = (0.0,) * plan.grid.count
    return {
        charger.id: planned.get(charger.id, nothing)
        for charger in site.chargers
        if charger.id in seen.chargers and seen.chargers[charger.id].car is not CarState.FINISHED
    }


def hold_input(
    site: Site,
    state: ControlState,
    seen: Estimate,
    planned: Planned,
    limits: Sequence[Limit],
    now: Now,
    car_max_w: Mapping[DeviceId, Sequence[float]],
) -> HoldInput:
    """The house as an envelope sees it: batteries, and the band in which all else is expected to stay."""
    plan, outlook = planned.decided.plan, planned.outlook
    count = plan.grid.count
    heat_max_w = [sum(each.power_w[slot] for each in plan.heat) * HEAT_TOLERANCE_RATIO for slot in range(count)]
    cars_max_w = [sum(each[slot] for each in car_max_w.values()) for slot in range(count)]
    pv = tuple(outlook.pv.values())
    low_w, high_w = [], []
    for slot in range(count):
        load, sun = outlook.load, pv
        load_w = load.mean_w[slot]
        load_low_w = load_w - BAND_RATIO * max(0.0, load_w - load.p10_w[slot])
        load_high_w = load_w + BAND_RATIO * max(0.0, load.p90_w[slot] - load_w)
        sun_low_w = sum(each.mean_w[slot] - BAND_RATIO * max(0.0, each.mean_w[slot] - each.p10_w[slot]) for each in sun)
        sun_high_w = sum(
            each.mean_w[slot] + BAND_RATIO * max(0.0, each.p90_w[slot] - each.mean_w[slot]) for each in sun
        )
        sun_high_w = min(sun_high_w, sum(plant.peak_w for plant in site.pv))
        low_w.append(max(0.0, load_low_w) - sun_high_w - OWN_METER_W)
        high_w.append(load_high_w - max(0.0, sun_low_w) + cars_max_w[slot] + heat_max_w[slot] + OWN_METER_W)
    charge_room_w = max(0.0, dependable_power_w(state) - max(cars_max_w) - max(heat_max_w, default=0.0))
    return HoldInput(
        now_at=now.at,
        grid=plan.grid,
        residual_low_w=tuple(low_w),
        residual_high_w=tuple(high_w),
        batteries=tuple(_batteries(site, seen, charge_room_w)),
        import_max_w=min((each.power_max_w for each in import_ceilings(site, limits)), default=None),
        export_max_w=min((each.power_max_w for each in export_ceilings(site, limits)), default=None),
        valid_s=VALID_S,
    )


def _batteries(site: Site, seen: Estimate, charge_room_w: float) -> list[HoldBattery]:
    """Batteries that answer; what the fuse can always bear is split like their power."""
    answering = [each for each in site.batteries if each.id in seen.batteries]
    whole_w = sum(each.charge_power_max_w for each in answering)
    found = []
    for battery in answering:
        values = seen.batteries[battery.id]
        if values.stored_wh is None:
            continue
        share_w = charge_room_w * battery.charge_power_max_w / whole_w if whole_w > 0 else 0.0
        said_w = values.charge_power_max_w
        found.append(
            HoldBattery(
                battery=battery,
                stored_wh=values.stored_wh,
                charge_power_max_w=share_w if said_w is None else min(share_w, said_w),
                discharge_power_max_w=values.discharge_power_max_w,
            )
        )
    return found
