"""What a car at a charger should do: by the owner's word, by its departure, or left to the prices."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hems.control.estimate import Estimate
from hems.control.headroom import dependable_power_w
from hems.control.intent import Intent
from hems.control.merit import Storage
from hems.control.moment import Moment
from hems.control.state import ControlState, SwitchMemory
from hems.control.want import Want
from hems.domain import reasons
from hems.domain.asked import Asked
from hems.domain.command import Authority
from hems.domain.override import ChargeNow
from hems.domain.plan import CarPlan
from hems.domain.reading import CarState, ChargerValues
from hems.domain.reasons import Reason
from hems.domain.site import CarHabit, Charger, DeviceId
from hems.domain.time import Now, next_local_time

MUST_CHARGE_SLACK_S = 900.0
"""Full power starts this long before it would be too late: one re-planning interval [s]."""

MUST_CHARGE_AHEAD_S = 300.0
"""One that had to begin goes on until it is this much further from being too late [s], with less power the further.
It gets what is left of the fuse, perhaps twice what can be depended on: at full power it was ahead after three minutes,
stopped, and had to begin again, all morning."""

CAR_DONE_WH = 1.0
"""Less than this missing is done: no charger's counter resolves it."""

ASLEEP_S = 150.0
"""A car that takes nothing of an offer for longer is asleep: most start within two minutes [s]."""

LATE_MAX = timedelta(hours=2)
"""A car that is there for longer than this after its usual departure does not leave today."""

NEXT_DAY_MIN = timedelta(hours=23)
"""From a usual departure to the next one: the shortest civil day."""

PLAN_WAIT_S = 30.0
"""How long a car waits for a plan that knows it: 5 s until one is asked for, and what a small computer needs [s]."""


def owner_decided(charger: Charger, values: ChargerValues, overrides: Sequence[ChargeNow], now: Now) -> Intent | None:
    """The owner's word on a car that is there and wants power; None where nothing was said, or it has ended."""
    for each in overrides:
        if each.device_id == charger.id and now.at < each.until_at:
            if values.car in (CarState.ABSENT, CarState.FINISHED):
                return None
            want = Want(device_id=charger.id, power_w=charger.power_max_w, urgent=True, authority=Authority.HOUSEHOLD)
            return Intent(want=want, reason=reasons.OwnerCharges(until_at=each.until_at))
    return None


def unplanned_since_mono_s(
    state: ControlState, seen: Estimate, moment: Moment | None, now: Now
) -> dict[DeviceId, float]:
    """Since when there has been a car that a plan should know and none does, per charger, monotonic [s].

    Silence changes nothing. Plans have no place for a full car, nor for one of which the household has told no habit.
    """
    found: dict[DeviceId, float] = {}
    for charger in state.site.chargers:
        before_s, values = state.unplanned_since_mono_s.get(charger.id), seen.chargers.get(charger.id)
        if values is None:
            if before_s is not None:
                found[charger.id] = before_s
        elif charger.habit is not None and _is_unplanned(charger, values, moment, now):
            found[charger.id] = now.mono_s if before_s is None else before_s
    return found


def _is_unplanned(charger: Charger, values: ChargerValues, moment: Moment | None, now: Now) -> bool:
    wants = values.car not in (CarState.ABSENT, CarState.FINISHED)
    return wants and car_plan_of(moment, charger.id, now) is None


def awaits_plan(unplanned_since_s: float | None, now: Now) -> bool:
    """Whether a plan that knows the car at a charger should come any moment.

    The one in force is older than the car, or the plan was for a car that should have left, or we have just started.
    Without a trusted clock there is no plan.
    """
    return now.wall_trusted and unplanned_since_s is not None and now.mono_s - unplanned_since_s < PLAN_WAIT_S


def decided(
    state: ControlState,
    charger: Charger,
    values: ChargerValues,
    car_plan: CarPlan | None,
    now: Now,
    *,
    plan_comes: bool,
    below_peak_w: float = math.inf,
) -> Intent | None:
    """What a car does whatever the prices say; None: the merit order decides.

    ``below_peak_w`` is what the month's peak leaves to it: where more would cost money, a car that must charge takes no
    more than gets it ready in time. By plain full power a night's charge would make the peak of the month.
    """

    def intent(power_w: float, reason: Reason, *, urgent: bool = False) -> Intent:
        return Intent(want=Want(device_id=charger.id, power_w=power_w, urgent=urgent), reason=reason)

    if values.car is CarState.ABSENT:
        return intent(0.0, reasons.NoCar())
    if values.car is CarState.FINISHED:
        return intent(0.0, reasons.CarFinished())
    if car_plan is None and plan_comes:
        return intent(_least_w(charger, values), reasons.WaitsForPlan())
    if car_plan is None or car_plan.value_eur_per_kwh is None:
        return _unless_asleep(state, charger, now) or intent(charger.power_max_w, reasons.ChargesOnPlugIn())
    missing_wh = _missing_wh(values, car_plan)
    if missing_wh < CAR_DONE_WH:
        return intent(0.0, reasons.CarFinished())
    late_at = None if charger.habit is None else missed_departure_at(charger.habit, state.site.zone, now)
    if late_at is not None and car_plan.departure_at < late_at + NEXT_DAY_MIN:
        # An aggregator was promised that it would be gone: this is stronger than prices, and weaker than that.
        return _unless_asleep(state, charger, now) or intent(charger.power_max_w, reasons.ChargesLate(ready_at=late_at))
    dependable_w = min(charger.power_max_w, dependable_power_w(state))
    needed_s = missing_wh * 3600 / max(dependable_w, charger.power_min_w)
    left_s = (car_plan.departure_at - now.at) / timedelta(seconds=1)
    slack_s = left_s - needed_s - MUST_CHARGE_SLACK_S
    goes_on = _had_to_charge(state, charger) and values.car is CarState.CHARGING
    if slack_s >= (MUST_CHARGE_AHEAD_S if goes_on else 0.0):
        return None
    in_time_w = missing_wh * 3600 / max(left_s - MUST_CHARGE_SLACK_S, 1.0)
    full_w = min(charger.power_max_w, max(in_time_w, below_peak_w, charger.power_min_w))
    spared_w = max(0.0, full_w - _least_w(charger, values)) * max(0.0, slack_s) / MUST_CHARGE_AHEAD_S
    reason = reasons.MustCharge(departure_at=car_plan.departure_at)
    return _unless_asleep(state, charger, now) or intent(full_w - spared_w, reason, urgent=True)


def need_w(values: ChargerValues, car_plan: CarPlan, now: Now) -> float:
    """Mean power from now on that has the car ready when it leaves, >= 0 [W]."""
    left_s = (car_plan.departure_at - now.at) / timedelta(seconds=1)
    return max(0.0, _missing_wh(values, car_plan)) * 3600 / max(left_s, 1.0)


def _missing_wh(values: ChargerValues, car_plan: CarPlan) -> float:
    return car_plan.session_energy_wh + car_plan.energy_needed_wh - values.session_energy_wh


def _had_to_charge(state: ControlState, charger: Charger) -> bool:
    before = state.episodes.get(charger.id)
    return before is not None and isinstance(before.reason, reasons.MustCharge)


def missed_departure_at(habit: CarHabit, zone: ZoneInfo, now: Now) -> datetime | None:
    """The usual departure that has passed today, as long as the car may still leave; None: there is none."""
    ready_at = next_local_time(now.at - LATE_MAX, habit.departure_s, zone)
    return ready_at if ready_at <= now.at else None


def _least_w(charger: Charger, values: ChargerValues) -> float:
    """What keeps a car going that charges, on the phases it has; nothing for one that has not begun [W].

    A pause of seconds wears the contactor, so does a change of phases, and some cars do not wake up again.
    """
    if values.car is not CarState.CHARGING:
        return 0.0
    present_w = charger.power_at_w(current_a=charger.current_min_a, phase_count=values.phase_count)
    return max(charger.power_min_w, present_w)


def _unless_asleep(state: ControlState, charger: Charger, now: Now) -> Intent | None:
    ignored_since = state.switches.get(charger.id, SwitchMemory()).ignored_since_mono_s
    if ignored_since is None or now.mono_s - ignored_since < ASLEEP_S:
        return None
    return Intent(want=Want(device_id=charger.id, power_w=charger.power_max_w), reason=reasons.CarAsleep())


def held_to_promise(charger: Charger, intent: Intent, asked: Asked) -> Intent:
    """What is not urgent takes no more than the promise counted on."""
    most_w, want = asked.car_power_max_w.get(charger.id), intent.want
    if most_w is None or want.urgent or want.power_w is None or want.power_w <= most_w:
        return intent
    return replace(intent, want=replace(want, power_w=most_w if most_w >= charger.power_min_w else 0.0))


def car_plan_of(moment: Moment | None, charger_id: DeviceId, now: Now) -> CarPlan | None:
    """The plan for the car at a charger; None where the plan of the moment has none, or for a car that should be gone.

    A departure that has passed is no reason to hurry, and what was needed by then says nothing of the next journey.
    """
    cars = () if moment is None else moment.plan.cars
    return next((each for each in cars if each.device_id == charger_id and now.at < each.departure_at), None)


def storage_of(
    charger: Charger, car_plan: CarPlan, moment: Moment, *, drawn_power_w: float, power_max_w: float
) -> Storage:
    """A car whose charging the merit order decides, at most at ``power_max_w`` [W]."""
    values = car_plan.value_eur_per_kwh
    worth = 0.0 if values is None else values[moment.slot]
    return Storage(
        device_id=charger.id,
        charge_power_min_w=charger.power_min_w,
        charge_power_max_w=0.0 if power_max_w < charger.power_min_w else min(power_max_w, charger.power_max_w),
        discharge_power_max_w=0.0,
        bid_eur_per_kwh=worth,
        ask_eur_per_kwh=worth,
        planned_power_w=car_plan.power_w[moment.slot],
        drawn_power_w=drawn_power_w,
    )
