"""What an envelope is made of: the expected need of everything but the batteries, with how unsure it is."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from hems.app.outlook import Known
from hems.app.planner_loop import Planned
from hems.app.posing import override_power_w
from hems.control import heat
from hems.control.estimate import Estimate
from hems.control.exchange import export_ceilings, import_ceilings
from hems.control.headroom import dependable_power_w, nameplate_w
from hems.control.state import ControlState
from hems.domain.command import Limit
from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.override import ChargeNow
from hems.domain.plan import HeatPlan, Plan
from hems.domain.site import DeviceId, HeatPump, Site
from hems.domain.time import Now, SlotGrid
from hems.flexibility.hold import HoldBattery, HoldInput

BAND_RATIO = 2.0
"""An 80 % band reaches 1.28 standard deviations, 99 % 2.58: twice as far. Measured in docs/performance.md."""
CHANGE_LEVELS = (0.01, 0.99)
"""Of the changes seen from one quarter hour to a later one."""
CHANGES_MIN = 60
"""Fewer changes seen say nothing of their hundredth part; then the forecast's band counts alone."""
AROUND_SLOTS = 4
"""Changes are taken from an hour before to an hour after the same time of day."""
SLOTS_PER_DAY = 96
OWN_METER_W = 100.0
"""Chargers, inverters and the grid meter agree within one or two per cent of some kilowatts."""
HEAT_TOLERANCE_RATIO = 1.1
FUSE_SLOTS = 12
"""Quarter hours that the longest hold block can reach from the end of the validity."""
VALID_S = 600
"""Twice the time between two envelopes. A shorter promise has less to fear of what the battery does before it is taken
up: 5 kW and 10 kWh, half full, hold -2.0 to 3.4 kW for an hour instead of -1.1 to 2.5 kW at 20 minutes."""


def car_power_max_w(site: Site, plan: Plan) -> dict[DeviceId, tuple[float, ...]]:
    """Most that each charger takes per slot of the plan while a setpoint is followed: what the plan gives it.

    A charger without a car, or with one that is full, could get another at any moment; that one waits until the
    setpoint has ended.
    """
    planned = {each.device_id: each.power_w for each in plan.cars}
    nothing = (0.0,) * plan.grid.count
    return {charger.id: planned.get(charger.id, nothing) for charger in site.chargers}


def hold_input(
    site: Site,
    state: ControlState,
    seen: Estimate,
    planned: Planned,
    limits: Sequence[Limit],
    overrides: Sequence[ChargeNow],
    now: Now,
) -> HoldInput:
    """The house as an envelope sees it: batteries, and the band in which all else is expected to stay."""
    plan, outlook = planned.decided.plan, planned.outlook
    count = plan.grid.count
    cars_max_w = _cars_max_w(state, seen, planned, overrides, now)
    heat_max_w = _heat_max_w(state, seen, planned, now)
    pv = tuple(outlook.pv.values())
    low_w, high_w = [], []
    history = uncontrolled(planned.known)
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
        need_low_w, need_high_w = max(0.0, load_low_w) - sun_high_w, load_high_w - max(0.0, sun_low_w)
        near = near_band_w(history, plan.grid.slot_start(slot), now)
        if near is not None:
            # Both are right in their way; what they agree on is narrower. Where they do not meet, the recent counts.
            need_low_w, need_high_w = max(need_low_w, near[0]), min(need_high_w, near[1])
            if need_low_w > need_high_w:
                need_low_w, need_high_w = near
        low_w.append(need_low_w - OWN_METER_W)
        high_w.append(need_high_w + cars_max_w[slot] + heat_max_w[slot] + OWN_METER_W)
    # The fuse leaves this for all that we control together, whatever the house does by itself.
    fuse_max_w = min(low_w[:FUSE_SLOTS]) + dependable_power_w(state)
    return HoldInput(
        now_at=now.at,
        grid=plan.grid,
        residual_low_w=tuple(low_w),
        residual_high_w=tuple(high_w),
        batteries=tuple(_batteries(site, seen)),
        import_max_w=min([fuse_max_w, *_import_limits_w(site, limits, min(low_w))]),
        export_max_w=min((each.power_max_w for each in export_ceilings(site, limits)), default=None),
        valid_s=VALID_S,
    )


def _import_limits_w(site: Site, limits: Sequence[Limit], own_w: float) -> list[float]:
    """What contract and operator let in; where he dims devices, beside what the household draws at least."""
    dimmed_w = [each.dimmed_power_max_w for each in limits if each.dimmed_power_max_w is not None]
    return [each.power_max_w for each in import_ceilings(site, limits)] + [
        power_w + max(0.0, own_w) for power_w in dimmed_w
    ]


def _cars_max_w(
    state: ControlState, seen: Estimate, planned: Planned, overrides: Sequence[ChargeNow], now: Now
) -> list[float]:
    """Most that all chargers together draw per slot while a setpoint is followed.

    What the plan gives, what the household has asked for (it is stronger than a setpoint), and everything that a
    charger can give which does not answer: nobody can hold that one back.
    """
    plan, outlook = planned.decided.plan, planned.outlook
    asked = {each.device_id: each for each in overrides}
    total_w = [0.0] * plan.grid.count
    for charger_id, series in car_power_max_w(state.site, plan).items():
        charger = next(each for each in state.site.chargers if each.id == charger_id)
        for slot, planned_w in enumerate(series):
            if charger_id not in seen.chargers:
                total_w[slot] += nameplate_w(charger)
            elif charger_id in asked:
                total_w[slot] += max(planned_w, override_power_w(state, asked[charger_id], outlook, slot, now))
            else:
                total_w[slot] += planned_w
    return total_w


def _heat_max_w(state: ControlState, seen: Estimate, planned: Planned, now: Now) -> list[float]:
    """Most that all heat pumps together draw per slot: as planned, else what their past makes likely."""
    plans = {each.device_id: each for each in planned.decided.plan.heat}
    grid = planned.decided.plan.grid
    each_w = [[0.0] * grid.count]
    for pump in state.site.heat_pumps:
        if pump.id in plans and pump.id in seen.heat_pumps:
            each_w.append(_planned_heat_max_w(state, pump, plans[pump.id], grid, now))
        else:
            each_w.append(_likely_heat_max_w(pump, planned.outlook.heat.get(pump.id), grid))
    return list(map(sum, zip(*each_w, strict=True)))


def _likely_heat_max_w(pump: HeatPump, drawn: Forecast | None, grid: SlotGrid) -> list[float]:
    """As its past makes likely; all that it can draw where it has none."""
    if drawn is None:
        return [pump.power_max_w] * grid.count
    return [
        min(pump.power_max_w, mean_w + BAND_RATIO * max(0.0, high_w - mean_w))
        for mean_w, high_w in zip(drawn.mean_w, drawn.p90_w, strict=True)
    ]


def _planned_heat_max_w(state: ControlState, pump: HeatPump, plan: HeatPlan, grid: SlotGrid, now: Now) -> list[float]:
    """As planned; all that it can draw where it may have rested for longer than it lets itself be held."""
    found, rested_s = [], heat.held_s(state, pump, now)
    for slot, planned_w in enumerate(plan.power_w):
        left_s = max(0.0, (grid.slot_start(slot + 1) - now.at) / timedelta(seconds=1))
        before_s = rested_s
        if left_s > 0:
            # It may run at the start of its slot only, and rest from then on.
            runs = heat.runs_in(plan, slot, grid.slot_h)
            rested_s = grid.slot_s if runs else rested_s + min(grid.slot_s, left_s)
        # One that was let go is told to run some minutes later only.
        by_itself = pump.rest_max_s is not None and max(before_s, rested_s) > pump.rest_max_s
        found.append(pump.power_max_w if by_itself else planned_w * HEAT_TOLERANCE_RATIO)
    return found


def uncontrolled(known: Known) -> SlotHistory:
    """Load less sun per slot, as far as both were measured [W]; negative is surplus."""
    load, total = known.load, list(known.load.mean_w)
    for plant in known.pv.values():
        offset = round((load.start_at - plant.start_at) / timedelta(seconds=load.slot_s))
        for index, load_w in enumerate(total):
            sun_w = plant.mean_w[index + offset] if 0 <= index + offset < len(plant.mean_w) else None
            total[index] = None if load_w is None or sun_w is None else load_w - sun_w
    return SlotHistory(start_at=load.start_at, mean_w=tuple(total), slot_s=load.slot_s)


def near_band_w(history: SlotHistory, start_at: datetime, now: Now) -> tuple[float, float] | None:
    """Where a slot's need should lie when it changes from the last measured one as it has on the days before.

    None for slots more than half a day ahead, and where too little was measured.
    """
    ended = [index for index, value in enumerate(history.mean_w) if value is not None][-1:]
    if not ended or history.end_at > now.at:
        return None
    last = ended[0]
    lead = round((start_at - history.start_at) / timedelta(seconds=history.slot_s)) - last
    age = len(history.mean_w) - 1 - last
    if not 0 < lead <= SLOTS_PER_DAY // 2 or age > 1:
        return None
    changes = sorted(_changes(history.mean_w, last, lead))
    if len(changes) < CHANGES_MIN:
        return None
    lowest, highest = (changes[round(level * (len(changes) - 1))] for level in CHANGE_LEVELS)
    from_w = history.mean_w[last]
    assert from_w is not None
    return from_w + lowest, from_w + highest


def _changes(values: Sequence[float | None], last: int, lead: int) -> list[float]:
    found = []
    for days in range(1, len(values) // SLOTS_PER_DAY + 1):
        for around in range(-AROUND_SLOTS, AROUND_SLOTS + 1):
            index = last - days * SLOTS_PER_DAY + around
            if index >= 0 and index + lead < len(values):
                before_w, after_w = values[index], values[index + lead]
                if before_w is not None and after_w is not None:
                    found.append(after_w - before_w)
    return found


def _batteries(site: Site, seen: Estimate) -> list[HoldBattery]:
    """Batteries that answer and say what they hold."""
    found = []
    for battery in site.batteries:
        values = seen.batteries.get(battery.id)
        if values is not None and values.stored_wh is not None:
            found.append(
                HoldBattery(
                    battery=battery,
                    stored_wh=values.stored_wh,
                    charge_power_max_w=values.charge_power_max_w,
                    discharge_power_max_w=values.discharge_power_max_w,
                )
            )
    return found
