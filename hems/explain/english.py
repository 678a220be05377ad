"""One English sentence per control episode: what was measured, then why, then what held it back.

The first part comes from the meter and the second from the rule's own numbers, so that the sentence is true even where
a device did something else than it was asked to do. No word that a home owner would have to look up.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from hems.domain import reasons
from hems.domain.command import LimitedBy, LimitRule
from hems.domain.decision import DecisionEpisode, Summary
from hems.domain.site import Battery, Charger, Device, HeatPump, PvPlant, Site
from hems.explain.words import cents, clock, kilowatts, power_span

IDLE_W = 30.0
"""Less than this is standing by: converters and contactors draw some watts."""


def sentence(episode: DecisionEpisode, site: Site) -> str:
    """What a device did during an episode, why, and what limited it."""
    device = next(each for each in site.devices if each.id == episode.device_id)
    text = f"{_what(device, episode.summary)}: {_why(episode.reason, site.zone)}"
    if episode.limited_by:
        text += f"; {_limit(episode.limited_by[0], episode.summary)}"
    return f"{text}."


def _what(device: Device, summary: Summary) -> str:
    low_w, high_w = summary.power_min_w, summary.power_max_w
    if low_w is None or high_w is None:
        return f"{device.name} does not answer"
    idle = max(abs(low_w), abs(high_w)) < IDLE_W
    match device:
        case Battery() if idle:
            return f"{device.name} rests"
        case Battery() if low_w >= -IDLE_W:
            return f"{device.name} charges with {power_span(low_w, high_w)}"
        case Battery() if high_w <= IDLE_W:
            return f"{device.name} gives {power_span(-high_w, -low_w)}"
        case Battery():
            return f"{device.name} moves between giving {kilowatts(-low_w)} and taking {kilowatts(high_w)}"
        case Charger():
            return (
                f"{device.name} gives no power" if idle else f"{device.name} charges with {power_span(low_w, high_w)}"
            )
        case PvPlant():
            return f"{device.name} makes nothing" if idle else f"{device.name} makes {power_span(-high_w, -low_w)}"
        case HeatPump():
            return f"{device.name} rests" if idle else f"{device.name} runs with {power_span(low_w, high_w)}"
        case _ if low_w >= 0:
            return f"The house draws {power_span(low_w, high_w)} from the grid"
        case _ if high_w <= 0:
            return f"The house feeds {power_span(-high_w, -low_w)} into the grid"
        case _:
            return f"The house moves between feeding in {kilowatts(-low_w)} and drawing {kilowatts(high_w)}"


def _why(reason: reasons.Reason, zone: ZoneInfo) -> str:
    """The deciding rule with its numbers; every reason has its words (a test walks the union)."""
    match reason:
        case reasons.Measures():
            return "this is measured, nothing is decided here"
        case reasons.StoresSurplus(value_eur_per_kwh=value, export_price_eur_per_kwh=price):
            return f"a stored kWh saves {cents(value)} later, selling it now brings {cents(price)}"
        case reasons.CoversLoad(value_eur_per_kwh=value, import_price_eur_per_kwh=price):
            return f"buying now costs {cents(price)}, keeping the kWh would save {cents(value)} later"
        case reasons.BuysForLater(value_eur_per_kwh=value, import_price_eur_per_kwh=price):
            return f"power costs {cents(price)} now, a stored kWh saves {cents(value)} later"
        case reasons.Sells(value_eur_per_kwh=value, export_price_eur_per_kwh=price):
            return f"selling brings {cents(price)} now, keeping the kWh would save {cents(value)} later"
        case reasons.KeepsForLater(value_eur_per_kwh=value, import_price_eur_per_kwh=price):
            return f"kept on purpose, a kWh saves {cents(value)} later and only {cents(price)} now"
        case reasons.LeavesRoom(value_eur_per_kwh=value, export_price_eur_per_kwh=price):
            return f"selling brings {cents(price)} now, a stored kWh would save {cents(value)} later"
        case reasons.Waits():
            return "nothing is left over to store and nothing worth covering"
        case reasons.FollowsPlan(import_price_eur_per_kwh=price):
            return f"power costs {cents(price)} now, so the plan's power is taken as it is"
        case reasons.SelfConsumes():
            return "there is no plan, so it stores what is left over and covers what is missing"
        case reasons.StaysIdle():
            return "nothing manages it"
        case reasons.Curtails(export_price_eur_per_kwh=price):
            return f"each kWh fed in would cost {cents(-price)}, so only what the house can use is made"
        case reasons.ProducesFreely():
            return "everything that the sun gives is welcome"
        case reasons.DeviceSilent():
            return "no usable answer, so it is told its safe value"
        case reasons.GridMeterSilent():
            return "the grid meter is silent, so only what fits the fuse at worst is allowed"
        case _:
            return _why_car_or_heat(reason, zone)


def _why_car_or_heat(reason: reasons.Reason, zone: ZoneInfo) -> str:
    match reason:
        case reasons.NoCar():
            return "no car is plugged in"
        case reasons.CarFinished():
            return "the car has what it needs"
        case reasons.CarAsleep(offered_current_a=amps):
            return f"{amps:.0f} A are offered and the car takes nothing; it may be asleep"
        case reasons.ChargesCheap(import_price_eur_per_kwh=price, departure_at=leaves):
            return f"{cents(price)} is among the cheapest until {clock(leaves, zone)}, when the car leaves"
        case reasons.ChargesOnSurplus(export_price_eur_per_kwh=price):
            return f"the roof makes more than the house needs, and selling it would bring {cents(price)}"
        case reasons.MustCharge(energy_missing_wh=missing, departure_at=leaves):
            return f"about {missing / 1000:.1f} kWh were still missing and the car leaves at {clock(leaves, zone)}"
        case reasons.WaitsForPrice():
            return _why_waiting(reason, zone)
        case reasons.ChargesOnPlugIn():
            return "there is no plan for it, so the car charges as soon as it is there"
        case reasons.HeatsAsPlanned(import_price_eur_per_kwh=price):
            return f"planned for now, at {cents(price)}"
        case reasons.RestsAsPlanned(next_at=None):
            return "warm enough for as long as the plan looks ahead"
        case reasons.RestsAsPlanned(next_at=datetime() as starts):
            return f"warm enough until {clock(starts, zone)}, when the plan heats again"
        case reasons.HeatsForComfort():
            return "room or hot water are at their lower end, heat comes before cost"
        case reasons.RestsWarmEnough():
            return "room and hot water are at their upper end"
        case reasons.RunsByThermostat():
            return "there is no plan for it, so it goes by its thermostat"
        case _:
            raise ValueError(f"no words for {reason.code}")


def _why_waiting(reason: reasons.WaitsForPrice, zone: ZoneInfo) -> str:
    leaves, price = clock(reason.departure_at, zone), reason.import_price_eur_per_kwh
    if reason.next_at is None or reason.next_price_eur_per_kwh is None:
        return f"power costs {cents(price)} now, the plan waits for sun; the car leaves at {leaves}"
    starts, later = clock(reason.next_at, zone), reason.next_price_eur_per_kwh
    if later < price:
        return f"power costs {cents(price)} now and {cents(later)} from {starts}; the car leaves at {leaves}"
    return f"power costs {cents(price)} now, the plan charges from {starts}; the car leaves at {leaves}"


def _limit(limit: LimitedBy, summary: Summary) -> str:
    left = kilowatts(abs(limit.limit_w))
    match limit.rule:
        case LimitRule.MAIN_FUSE:
            return f"the main fuse left it {left}"
        case LimitRule.CIRCUIT_FUSE:
            return f"the fuse of {limit.circuit} left it {left}"
        case LimitRule.CONNECTION_IMPORT | LimitRule.CONNECTION_EXPORT:
            return f"the connection's limit left it {left}"
        case LimitRule.OPERATOR_IMPORT | LimitRule.OPERATOR_EXPORT:
            return f"the grid operator's limit left it {left}"
        case LimitRule.METER_STALE:
            return "without the grid meter it rests"
        case LimitRule.WINDOW:
            charging = (summary.power_mean_w or 0.0) > 0
            return "it is nearly at an end of its range" if charging else "it is at an end of its range"
        case LimitRule.CURRENT_FLOOR:
            return "less than its smallest power was left"
        case LimitRule.MIN_RUN:
            return "once started it runs for a while"
        case LimitRule.MIN_REST:
            return "once stopped it rests for a while"
        case LimitRule.PHASE_DWELL:
            return "it changes its phases only now and then"
        case LimitRule.NAMEPLATE | LimitRule.BMS:
            return f"it cannot do more than {left}"
        case LimitRule.DEVICE_SILENT:
            return "it does not answer"
