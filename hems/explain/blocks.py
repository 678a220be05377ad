"""Why a plan is as it is: per device the hours in which it does one thing, each with its reason in a sentence."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from hems.domain.plan import BatteryPlan, CarPlan, Decider, Explanation, HeatPlan, Plan
from hems.domain.site import Battery, Charger, Device, DeviceId, HeatPump, PvPlant, Site
from hems.domain.snapshot import PlanBlock
from hems.domain.time import floor_to
from hems.explain.words import cents, kilowatts

IDLE_W = 50.0
WHY_MAX = 140
NOTABLE_EUR_PER_KWH = 0.005
"""Half a cent per kWh is no alternative worth a word."""
BEYOND_EUR_PER_KWH = 1.0
"""No tariff asks as much: it is the price of a wish."""
AHEAD = timedelta(hours=30)


def blocks_of(plan: Plan, site: Site, now_at: datetime) -> tuple[PlanBlock, ...]:
    """Blocks of the next hours by device, in the order of the site; none for a plan that nobody solved."""
    if plan.explanation is None:
        return ()
    start_at = floor_to(now_at, plan.grid.slot_s)
    first = plan.grid.index_at(start_at)
    if first is None:
        return ()
    last = max(first + 1, plan.grid.whole_slots_before(start_at + AHEAD))
    reasons = {each.device_id: each for each in plan.explanation.devices}
    return tuple(
        _block(device, plan, plan.explanation, begin, end)
        for device in site.devices
        if device.id in reasons
        for begin, end in _spans(_power_w(plan, device.id), first, last)
    )


def _spans(power_w: tuple[float, ...], first: int, last: int) -> Iterator[tuple[int, int]]:
    """Slots in a row in which the power has one direction, or none."""
    begin = first
    for slot in range(first + 1, min(last, len(power_w)) + 1):
        if slot == min(last, len(power_w)) or _direction(power_w[slot]) != _direction(power_w[begin]):
            yield begin, slot
            begin = slot


def _direction(power_w: float) -> int:
    return (power_w > IDLE_W) - (power_w < -IDLE_W)


def _power_w(plan: Plan, device_id: DeviceId) -> tuple[float, ...]:
    """Load convention."""
    taking: tuple[BatteryPlan | CarPlan | HeatPlan, ...] = (*plan.batteries, *plan.cars, *plan.heat)
    found = {each.device_id: each.power_w for each in reversed(taking)}
    found |= {each.device_id: tuple(-own for own in each.production_power_w) for each in plan.pv}
    return found.get(device_id, ())


def value_of(plan: Plan, device_id: DeviceId) -> tuple[float, ...] | None:
    """Worth of a kWh in a battery or a car per slot."""
    stores: tuple[BatteryPlan | CarPlan, ...] = (*plan.batteries, *plan.cars)
    return next((each.value_eur_per_kwh for each in stores if each.device_id == device_id), None)


def _block(device: Device, plan: Plan, explanation: Explanation, begin: int, end: int) -> PlanBlock:
    own = next(each for each in explanation.devices if each.device_id == device.id)
    power_w = sum(_power_w(plan, device.id)[begin:end]) / (end - begin)
    decider = Counter(own.decided_by[begin:end]).most_common(1)[0][0]
    alternative = min(own.alternative_eur_per_kwh[begin:end])
    price = sum(explanation.marginal_price_eur_per_kwh[begin:end]) / (end - begin)
    values = value_of(plan, device.id)
    value = None if values is None else values[end - 1]
    return PlanBlock(
        device_id=device.id,
        start_at=plan.grid.slot_start(begin),
        end_at=plan.grid.slot_start(end),
        power_w=round(power_w, 1),
        decided_by=decider,
        price_eur_per_kwh=price,
        alternative_eur_per_kwh=alternative,
        value_eur_per_kwh=value,
        what=_what(device, power_w),
        why=why_of(device, power_w, decider, alternative=alternative, price=price, value=value),
    )


def _what(device: Device, power_w: float) -> str:
    direction = _direction(power_w)
    if direction == 0:
        return "Not charging" if isinstance(device, Charger) else "No sun" if isinstance(device, PvPlant) else "Resting"
    match device:
        case HeatPump():
            verb = "Heating"
        case PvPlant():
            verb = "Making power"
        case _:
            verb = "Charging" if direction > 0 else "Giving power"
    return f"{verb}, {kilowatts(power_w)}"


def why_of(
    device: Device, power_w: float, decider: Decider, *, alternative: float, price: float, value: float | None
) -> str:
    """The reason with the price that decides, and what another time would cost."""
    reason = _reason(device, _direction(power_w), decider, price, value)
    other = _other(_direction(power_w), decider, alternative)
    text = f"{reason}; {other}" if other else reason
    return f"{(text if len(text) < WHY_MAX else reason)[: WHY_MAX - 1]}."


def _other(direction: int, decider: Decider, alternative: float) -> str:
    told = {Decider.PRICE, Decider.POWER_MAX, Decider.OWN_SUN, Decider.PEAK, Decider.COMFORT}
    if decider not in told or not NOTABLE_EUR_PER_KWH <= alternative < BEYOND_EUR_PER_KWH:
        return ""
    if direction == 0:
        return f"now it would cost {cents(alternative)} more per kWh"
    return f"another time would cost {cents(alternative)} more per kWh"


def _reason(device: Device, direction: int, decider: Decider, price: float, value: float | None) -> str:
    match decider:
        case Decider.PRICE:
            return _price_reason(device, direction, price, value)
        case Decider.OWN_SUN:
            return "The roof makes more than the house needs"
        case Decider.POWER_MAX if isinstance(device, PvPlant):
            return "All that the sun gives" if direction else "The sun gives nothing"
        case Decider.POWER_MAX:
            return f"It cannot do more, and a kWh costs the house {cents(price)} now"
        case Decider.POWER_MIN:
            return "It cannot run slower" if direction else "It could only run faster than it pays"
        case Decider.FULL:
            return "It is full, as far as it may be"
        case Decider.EMPTY:
            return "It is down to its reserve"
        case Decider.CONNECTION:
            return "The fuse or the connection leaves no more"
        case Decider.OPERATOR:
            return "The grid operator leaves no more"
        case Decider.PEAK:
            return "More would raise the month's peak, which costs extra"
        case Decider.COMMITMENT:
            return "As promised for the flex event"
        case Decider.AWAY:
            return "No car is expected to be there" if isinstance(device, Charger) else "Not yet allowed"
        case Decider.DONE:
            return "It has what it needs by then"
        case Decider.COMFORT:
            return "Needed to stay warm enough" if direction else "Warm enough"
        case Decider.PROTECTION:
            return "Once started it runs for a while" if direction else "Once stopped it rests for a while"
        case Decider.INDIFFERENT:
            return "Another time would cost the same"


def _price_reason(device: Device, direction: int, price: float, value: float | None) -> str:
    costs = f"a kWh costs the house {cents(price)} now"
    if isinstance(device, PvPlant):
        return f"More would not pay: {costs}"
    if isinstance(device, Battery) and value is not None:
        kept = f"stored it is worth {cents(value)}"
        if direction == 0:
            return f"Kept for later: {kept}, and {costs}"
        return f"{costs[0].upper()}{costs[1:]}, {kept}"
    if direction == 0:
        return "Waiting for cheaper power" if price > 0 else "Waiting"
    return f"Cheap enough: {costs}"
