"""One English sentence per control episode: what was measured, then why, then what held it back.

The first part comes from the meter and the second from the rule's own numbers, so that the sentence is true even where
a device did something else than it was asked to do. No word that a home owner would have to look up.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from hems.domain import reasons
from hems.domain.command import LimitedBy, LimitRule
from hems.domain.decision import DecisionEpisode, Summary
from hems.domain.site import Battery, Charger, Device, GridMeter, HeatPump, PvPlant, Site
from hems.explain.words import brings, cents, coming, costs, kilowatts, power_span, saves, to_exchange, would_save

IDLE_W = 50.0
"""Less than this is standing by, and would be told as 0.0 kW: converters and contactors draw some watts."""
BEYOND_PRICE_EUR_PER_KWH = 1.0
"""A worth that no ordinary tariff reaches comes from a wish that ranks above cost (a departure, warmth)."""


def sentence(episode: DecisionEpisode, site: Site) -> str:
    """What a device did during an episode, why, and what limited it."""
    device = next(each for each in site.devices if each.id == episode.device_id)
    if isinstance(episode.reason, reasons.DeviceSilent):
        return f"{device.name} does not answer: {consequence_of_silence(device)}."
    text = f"{_what(device, episode.summary)}: {why(episode, device, site.zone)}"
    limit = limit_clause(episode.limited_by, device, episode.summary)
    return f"{text}{limit}."


def consequence_of_silence(device: Device) -> str:
    """What is done about a device that does not answer; of a meter also what somebody can do, as nobody tells it."""
    if isinstance(device, GridMeter):
        return "batteries rest, cars and heat get what fits the fuse at worst, and somebody should look at its cable"
    return "it is told its safe value, and the others make room for it"


def _what(device: Device, summary: Summary) -> str:
    low_w, high_w = summary.power_min_w, summary.power_max_w
    if low_w is None or high_w is None:
        return f"{device.name} has not been measured yet"
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
        case GridMeter() if low_w >= 0:
            return f"The house draws {power_span(low_w, high_w)} from the grid"
        case GridMeter() if high_w <= 0:
            return f"The house feeds {power_span(-high_w, -low_w)} into the grid"
        case GridMeter():
            return f"The house moves between feeding in {kilowatts(-low_w)} and drawing {kilowatts(high_w)}"


def why(episode: DecisionEpisode, device: Device, zone: ZoneInfo) -> str:
    """The deciding rule with its numbers; every reason has its words (a test walks the union)."""
    match episode.reason:
        case reasons.Measures():
            return "this is measured, nothing is decided here"
        case reasons.Waits():
            return "there is nothing that it could store or cover now"
        case reasons.SelfConsumes():
            return "there is no plan, so it stores what is left over and covers what is missing"
        case reasons.StaysIdle():
            return "nothing manages it"
        case reasons.Curtails(export_price_eur_per_kwh=price):
            return f"each kWh fed in would cost {cents(-price)}, so no more is made than the house could use"
        case reasons.ProducesFreely():
            return "everything that the sun gives is welcome"
        case reasons.GridMeterSilent():
            return "the grid meter is silent, so only what fits the fuse at worst is allowed"
        case reasons.FeedsIsland():
            return "the grid has failed, and the inverters feed the house by their own rules"
        case reasons.RunsInIsland(soc_min_pct=least_pct):
            return f"the grid has failed; it may run as long as the battery holds {least_pct:.0f} %"
        case reasons.RestsInIsland(soc_min_pct=None):
            return "the grid has failed, and the battery is kept for the rest of the house"
        case reasons.RestsInIsland(soc_min_pct=float(least_pct)):
            return f"the grid has failed; it runs again when the battery holds clearly more than {least_pct:.0f} %"
        case _:
            return _why_storage(episode, device, zone)


def _why_storage(episode: DecisionEpisode, device: Device, zone: ZoneInfo) -> str:
    match episode.reason:
        case reasons.StoresSurplus(value_eur_per_kwh=value) if value >= BEYOND_PRICE_EUR_PER_KWH:
            return "a stored kWh is needed later, whatever it costs"
        case reasons.StoresSurplus(value_eur_per_kwh=value, export_price_eur_per_kwh=price):
            return f"a stored kWh {saves(value)}, selling it now {brings(price)}"
        case reasons.CoversLoad(value_eur_per_kwh=value, import_price_eur_per_kwh=price):
            return f"buying now {costs(price)}, keeping the kWh {would_save(value)}"
        case reasons.BuysForLater(value_eur_per_kwh=value, import_price_eur_per_kwh=price):
            if value >= BEYOND_PRICE_EUR_PER_KWH:
                return f"buying now {costs(price)}, a stored kWh is needed later, whatever it costs"
            return f"buying now {costs(price)}, a stored kWh {saves(value)}"
        case reasons.Sells(value_eur_per_kwh=value, export_price_eur_per_kwh=price):
            return f"selling {brings(price)} now, keeping the kWh {would_save(value)}"
        case reasons.KeepsForLater(value_eur_per_kwh=value, import_price_eur_per_kwh=price):
            if value >= BEYOND_PRICE_EUR_PER_KWH:
                return "kept on purpose, a kWh is needed later, whatever it costs"
            return f"kept on purpose, a kWh {saves(value)}, buying now {costs(price)}"
        case reasons.LeavesRoom(value_eur_per_kwh=value, export_price_eur_per_kwh=price):
            return f"selling {brings(price)} now, a stored kWh {would_save(value)}"
        case reasons.SparesPeak(peak_power_w=peak_w):
            return f"more than {kilowatts(peak_w)} from the grid would raise the month's peak, which is paid for"
        case reasons.FollowsPlan(import_price_eur_per_kwh=price):
            return f"buying now {costs(price)}, so the plan's power is taken as it is"
        case _:
            return _why_car_or_heat(episode, device, zone)


def _why_car_or_heat(episode: DecisionEpisode, device: Device, zone: ZoneInfo) -> str:
    since_at = episode.opened_at
    match episode.reason:
        case reasons.NoCar():
            return "no car is plugged in"
        case reasons.CarFinished():
            return "the car has what it needs"
        case reasons.CarAsleep():
            return "power is offered and the car takes nothing; it may be asleep or have a timer of its own"
        case reasons.ChargesCheap(import_price_eur_per_kwh=price, departure_at=leaves):
            when = coming(leaves, since_at, zone)
            return f"buying now {costs(price)}, among the cheapest until the car leaves at {when}"
        case reasons.ChargesOnSurplus(export_price_eur_per_kwh=price):
            return f"power is left over, and selling it {brings(price)}"
        case reasons.MustCharge(departure_at=leaves):
            return f"there is no time left to wait before the car leaves at {coming(leaves, since_at, zone)}"
        case reasons.ChargesLate(ready_at=ready):
            return f"the car should have been ready at {coming(ready, since_at, zone)} and is still short"
        case reasons.WaitsForPrice() as waits:
            return _why_waiting(waits, since_at, zone)
        case reasons.ChargesOnPlugIn():
            return "there is no plan for it, so the car charges as soon as it is there"
        case reasons.WaitsForPlan():
            return "a plan that knows the car is being made"
        case reasons.HeatsAsPlanned(import_price_eur_per_kwh=price):
            return f"planned for now, buying {costs(price)}"
        case reasons.RestsAsPlanned(next_at=None):
            return "warm enough for as long as the plan looks ahead"
        case reasons.RestsAsPlanned(next_at=datetime() as starts):
            return f"warm enough until the plan heats again at {coming(starts, since_at, zone)}"
        case reasons.HeatsForComfort():
            return f"{_heated(device, 'or')} at the lower end, warmth comes before cost"
        case reasons.RestsWarmEnough():
            return f"{_heated(device, 'and')} at the upper end"
        case reasons.OwnerCharges(until_at=until):
            return f"you asked for it, until {coming(until, since_at, zone)}"
        case reasons.FollowsSetpoint(power_w=power_w, until_at=until):
            return f"a flex event asks the house to {to_exchange(power_w)} until {coming(until, since_at, zone)}"
        case reasons.HeatsByItself():
            return "nobody knows how warm it is, so its own thermostat decides"
        case reasons.RestedLongEnough(rest_max_s=rest_max_s):
            return f"nobody may hold it back for more than {rest_max_s / 3600:g} h, its own thermostat decides"
        case reasons.RunsByThermostat():
            return "there is no plan for it, so it goes by its thermostat"
        case reason:
            raise ValueError(f"no words for {reason.code}")


def _heated(device: Device, both: str) -> str:
    """What a heat pump warms, with its verb."""
    room = isinstance(device, HeatPump) and device.room is not None
    tank = isinstance(device, HeatPump) and device.tank is not None
    if room and tank:
        return f"rooms {both} hot water are"
    return "hot water is" if tank else "rooms are"


def _why_waiting(reason: reasons.WaitsForPrice, since_at: datetime, zone: ZoneInfo) -> str:
    leaves, price = coming(reason.departure_at, since_at, zone), reason.import_price_eur_per_kwh
    if reason.next_at is None or reason.next_price_eur_per_kwh is None:
        return f"buying now {costs(price)}, the plan waits for sun; the car leaves at {leaves}"
    starts, later = coming(reason.next_at, since_at, zone), reason.next_price_eur_per_kwh
    if later < price:
        return f"buying {costs(price)} now and {costs(later)} from {starts}; the car leaves at {leaves}"
    return f"buying now {costs(price)}, the plan charges from {starts}; the car leaves at {leaves}"


def limit_clause(limits: tuple[LimitedBy, ...], device: Device, summary: Summary) -> str:
    """What had the last word on the power, weakest authority as it may be; nothing where nothing limited it.

    Without watts: what a fuse leaves moves from minute to minute, and an episode is longer than that.
    """
    if not limits:
        return ""
    if isinstance(device, PvPlant):
        # A plant is always free to make more than it does: the limit holds, whether or not the sun reaches it.
        who = next((_OWNERS[each.rule] for each in reversed(limits) if each.rule in _OWNERS), None)
        return "" if who is None else f", as far as {who} allows"
    last = limits[-1]
    if last.rule is LimitRule.CURRENT_FLOOR and len(limits) > 1:
        return f"; {_limiting(limits[-2], summary)}, and too little is left for it to run"
    return f"; {_limiting(last, summary)}"


_OWNERS = {
    LimitRule.MAIN_FUSE: "the main fuse",
    LimitRule.CIRCUIT_FUSE: "its fuse",
    LimitRule.CONNECTION_IMPORT: "the limit of the connection",
    LimitRule.CONNECTION_EXPORT: "the limit of the connection",
    LimitRule.OPERATOR_IMPORT: "the grid operator",
    LimitRule.OPERATOR_EXPORT: "the grid operator",
}


def _limiting(limit: LimitedBy, summary: Summary) -> str:
    match limit.rule:
        case LimitRule.MAIN_FUSE:
            return "more could overload the main fuse"
        case LimitRule.CIRCUIT_FUSE:
            return f"more could overload the fuse of {limit.circuit}"
        case LimitRule.CONNECTION_IMPORT | LimitRule.CONNECTION_EXPORT:
            return "the limit of the connection allows no more"
        case LimitRule.OPERATOR_IMPORT | LimitRule.OPERATOR_EXPORT:
            return "the grid operator allows no more"
        case LimitRule.BACKUP_POWER:
            return "more could overload the inverter, which feeds the house alone"
        case LimitRule.METER_STALE:
            return "without the grid meter it rests"
        case LimitRule.WINDOW:
            moves = max(abs(summary.power_min_w or 0.0), abs(summary.power_max_w or 0.0)) >= IDLE_W
            return "it is nearly at an end of its range" if moves else "it is at an end of its range"
        case LimitRule.CURRENT_FLOOR:
            return "too little is left for it to run"
        case LimitRule.MIN_RUN:
            return "once started it runs for a while"
        case LimitRule.MIN_REST:
            return "once stopped it rests for a while"
        case LimitRule.PHASE_DWELL:
            return "it changes its phases only now and then"
        case LimitRule.NAMEPLATE:
            return f"it cannot do more than {kilowatts(limit.limit_w)}"
        case LimitRule.BMS:
            return "it cannot do more at present"
        case LimitRule.DEVICE_SILENT:
            return "it does not answer"
