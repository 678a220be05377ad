"""What each device should do now, and why: the plan's values met with what is measured.

Without a plan for this moment the house goes on by rules: the battery serves the house's own use, a car charges when
it is plugged in, heat runs by thermostat. A car that the plan does not know yet waits half a minute for one that does,
if the household has told its habit. Nothing here protects anything; that is the guard's work.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hems.control import backup, batteries, cars, heat
from hems.control.estimate import Estimate
from hems.control.guard import lease_s
from hems.control.intent import Intent
from hems.control.merit import Cleared, Storage, clear
from hems.control.moment import RULES_BUY, RULES_SELL, Moment, moment_of
from hems.control.state import ControlState, HeatSlot
from hems.control.trade_reasons import battery_reason, car_reason
from hems.control.want import Want
from hems.domain import reasons
from hems.domain.asked import NOTHING_ASKED, Asked
from hems.domain.command import Authority
from hems.domain.plan import CarPlan, Plan
from hems.domain.site import DeviceId, PvPlant
from hems.domain.time import Now


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """All intents of a tick, and what has to be remembered of planned heat and of cars that no plan knows."""

    intents: Mapping[DeviceId, Intent]
    heat_slots: Mapping[DeviceId, HeatSlot]
    unplanned_since_mono_s: Mapping[DeviceId, float]


def dispatch(
    state: ControlState, seen: Estimate, plan: Plan | None, now: Now, asked: Asked = NOTHING_ASKED
) -> Dispatch:
    """Intents for every device that answers."""
    moment = moment_of(plan, now)
    if seen.is_island:
        return Dispatch(
            intents=backup.intents(state, seen),
            heat_slots=state.heat_slots,
            unplanned_since_mono_s=cars.unplanned_since_mono_s(state, seen, moment, now),
        )
    heating = heat.intents(state, seen, moment, now)
    intents: dict[DeviceId, Intent] = {
        device_id: Intent(want=want, reason=reason) for device_id, (want, reason) in heating.intents.items()
    }
    storages: list[Storage] = []
    planned_cars: dict[DeviceId, CarPlan] = {}
    unplanned_since_s = cars.unplanned_since_mono_s(state, seen, moment, now)
    below_peak_w = math.inf if moment is None else moment.peak_w - max(seen.residual_w or 0.0, 0.0)
    for charger in state.site.chargers:
        if (values := seen.chargers.get(charger.id)) is None:
            continue
        car_plan = cars.car_plan_of(moment, charger.id, now)
        plan_comes = cars.awaits_plan(unplanned_since_s.get(charger.id), now)
        decided = cars.owner_decided(charger, values, asked.overrides, now) or cars.decided(
            state, charger, values, car_plan, now, plan_comes=plan_comes, below_peak_w=below_peak_w
        )
        if decided is not None:
            intents[charger.id] = cars.held_to_promise(charger, decided, asked)
        elif moment is not None and car_plan is not None:
            planned_cars[charger.id] = car_plan
            storages.append(
                cars.storage_of(
                    charger,
                    car_plan,
                    moment,
                    drawn_power_w=values.power_w,
                    power_max_w=asked.car_power_max_w.get(charger.id, charger.power_max_w),
                )
            )
    storages += [
        batteries.storage_of(battery, seen.batteries[battery.id], moment, lease_s=lease_s(state, now))
        for battery in state.site.batteries
        if battery.id in seen.batteries
    ]
    if seen.residual_w is not None:
        fixed_w = sum(_counted_w(seen, intent) for intent in intents.values())
        net_w = seen.residual_w + fixed_w + sum(values.power_w for values in seen.pv.values())
    else:
        # Blind, nobody knows a surplus or a load; a car may still buy where that is cheap.
        net_w = 0.0
        storages = [each for each in storages if each.device_id in planned_cars]
    steered = _follows_setpoint(state, seen, asked, net_w, storages, planned_cars, moment, now)
    intents.update(steered)
    storages_left = [each for each in storages if each.device_id not in steered]
    for device_id, result in _clear(net_w, storages_left, moment).items():
        intents[device_id] = _storage_intent(state, device_id, result, moment, planned_cars.get(device_id))
    intents.update(_pv_intents(state, seen, moment, intents, storages))
    intents.update(_with_needs(state, seen, moment, intents, now))
    for device in state.site.controllables:
        if device.id in seen.silent:
            intents[device.id] = Intent(want=Want(device_id=device.id, power_w=None), reason=reasons.DeviceSilent())
        elif device.id not in intents:
            intents[device.id] = Intent(want=Want(device_id=device.id, power_w=0.0), reason=reasons.GridMeterSilent())
    return Dispatch(intents=intents, heat_slots=heating.slots, unplanned_since_mono_s=unplanned_since_s)


def _with_needs(
    state: ControlState, seen: Estimate, moment: Moment | None, intents: Mapping[DeviceId, Intent], now: Now
) -> dict[DeviceId, Intent]:
    """Cars again, with what they need: chargers share by it where not all fits."""
    found = {}
    for charger in state.site.chargers:
        values, car_plan = seen.chargers.get(charger.id), cars.car_plan_of(moment, charger.id, now)
        if values is not None and car_plan is not None and (intent := intents.get(charger.id)) is not None:
            want = replace(intent.want, need_w=cars.need_w(values, car_plan, now))
            found[charger.id] = replace(intent, want=want)
    return found


def _follows_setpoint(
    state: ControlState,
    seen: Estimate,
    asked: Asked,
    net_w: float,
    storages: Sequence[Storage],
    planned_cars: Mapping[DeviceId, CarPlan],
    moment: Moment | None,
    now: Now,
) -> dict[DeviceId, Intent]:
    """Batteries that together bring the house to the power asked for; empty without a setpoint, or blind.

    The rest of the house goes on as planned; what it does is measured and met. Several batteries share by what each
    can do; one whose charge is unknown can do nothing.
    """
    power_w = None if asked.setpoint is None or not now.wall_trusted else asked.setpoint.power_at_w(now.at)
    able = [
        (each, batteries.able_power(each, values, lease_s(state, now)))
        for each in state.site.batteries
        if (values := seen.batteries.get(each.id)) is not None and values.stored_wh is not None
    ]
    if asked.setpoint is None or power_w is None or seen.residual_w is None or not able:
        return {}
    others = _clear(net_w, [each for each in storages if each.device_id in planned_cars], moment)
    drawn_w = sum(min(each.power_w, seen.power_w(device_id) or 0.0) for device_id, each in others.items())
    reason = reasons.FollowsSetpoint(power_w=round(power_w, 1), until_at=asked.setpoint.end_at)
    return {
        device_id: Intent(want=Want(device_id=device_id, power_w=each_w, authority=Authority.SETPOINT), reason=reason)
        for device_id, each_w in batteries.shared_w(power_w - net_w - drawn_w, able).items()
    }


def _clear(net_w: float, storages: Sequence[Storage], moment: Moment | None) -> dict[DeviceId, Cleared]:
    if moment is None:
        return clear(net_w, storages, import_price_eur_per_kwh=RULES_BUY, export_price_eur_per_kwh=RULES_SELL)
    return clear(
        net_w,
        storages,
        import_price_eur_per_kwh=moment.buy_at,
        export_price_eur_per_kwh=moment.sell_at,
        peak_w=moment.peak_w,
    )


def _storage_intent(
    state: ControlState, device_id: DeviceId, cleared: Cleared, moment: Moment | None, car: CarPlan | None
) -> Intent:
    want = Want(device_id=device_id, power_w=cleared.power_w)
    if moment is None:
        return Intent(want=want, reason=reasons.SelfConsumes())
    if car is not None:
        return Intent(want=want, reason=car_reason(cleared, moment, car))
    battery = next(each for each in state.site.batteries if each.id == device_id)
    return Intent(want=want, reason=battery_reason(cleared, moment, battery))


def _pv_intents(
    state: ControlState,
    seen: Estimate,
    moment: Moment | None,
    intents: Mapping[DeviceId, Intent],
    storages: Sequence[Storage],
) -> dict[DeviceId, Intent]:
    """Plants produce freely unless selling costs money; then only what the house and its storages can take.

    What those make that cannot be limited comes first; the others share the rest. A silent plant makes what it makes:
    the residual is lower by it already.
    """
    answering = [plant for plant in state.site.pv if plant.id in seen.pv]
    found = {
        plant.id: Intent(want=Want(device_id=plant.id, power_w=None), reason=reasons.ProducesFreely())
        for plant in answering
    }
    if moment is None or moment.sell_at >= 0 or seen.residual_w is None:
        return found
    limitable = [plant for plant in answering if plant.curtailable]
    fixed_w = sum(seen.pv[plant.id].power_w for plant in answering if not plant.curtailable)
    own_use_w = _own_use_w(seen, seen.residual_w + fixed_w, intents, storages, moment.sell_at)
    cap_w = 0.0 if moment.buy_at < 0 else own_use_w
    reason = reasons.Curtails(export_price_eur_per_kwh=round(moment.sell_at, 3))
    for plant_id, share_w in _production_w(seen, limitable, cap_w).items():
        found[plant_id] = Intent(want=Want(device_id=plant_id, power_w=-share_w), reason=reason)
    return found


def _production_w(seen: Estimate, plants: Sequence[PvPlant], cap_w: float) -> dict[DeviceId, float]:
    """What each plant may make, together the cap: what it makes, and by its peak a share of what is left, >= 0 [W].

    The most that it made lately (3 s) counts, because a reading is behind the limit: with the last reading alone two
    ticks would work out two different splits in turn, each from its own, and move kilowatts between the roofs for ever.
    """
    made_w = {each.id: max(0.0, *(-drawn.phase_w.total for drawn in seen.drawn_lately[each.id])) for each in plants}
    total_w, peak_w = sum(made_w.values()), sum(each.peak_w for each in plants)
    if total_w > cap_w:
        return {plant_id: each_w * cap_w / total_w for plant_id, each_w in made_w.items()}
    return {each.id: made_w[each.id] + (cap_w - total_w) * each.peak_w / peak_w for each in plants}


def _own_use_w(
    seen: Estimate, need_w: float, intents: Mapping[DeviceId, Intent], storages: Sequence[Storage], sell_at: float
) -> float:
    """What could be used at home now, with all that nothing here decides as ``need_w``, negative is surplus [W].

    Storages count with all that they would take, not with what they take: while production is held back no surplus is
    measured, and they would wait for it for ever. A battery that is nearly full would take no more than it can.
    """
    storing = {
        each.device_id: each.able_power.clamp(each.charge_power_max_w)
        for each in storages
        if each.bid_eur_per_kwh > sell_at
    }
    others_w = sum(_counted_w(seen, intent) for device_id, intent in intents.items() if device_id not in storing)
    return max(0.0, need_w + others_w + sum(storing.values()))


def _counted_w(seen: Estimate, intent: Intent) -> float:
    """Nobody counts on more than a device draws already: a car may sleep, and the guard may hold it back [W].

    What goes by itself draws what it draws.
    """
    drawn_w, wanted_w = seen.power_w(intent.want.device_id) or 0.0, intent.want.power_w
    return drawn_w if wanted_w is None else min(wanted_w, drawn_w)
