"""What a device does at this moment and why, for a card that shows its name and its power beside."""

from hems.domain import reasons
from hems.domain.decision import DecisionEpisode
from hems.domain.reading import CarState, ChargerValues
from hems.domain.site import Battery, Charger, Device, GridMeter, HeatPump, PvPlant, Site
from hems.explain.english import IDLE_W, consequence_of_silence, limit_clause, why

HEADLINE_MAX = 140
"""Characters of a headline; what is longer loses the limit, which the state on the card tells as well."""

CHARGES = (
    reasons.ChargesCheap,
    reasons.ChargesOnPlugIn,
    reasons.ChargesOnSurplus,
    reasons.FollowsPlan,
    reasons.MustCharge,
    reasons.ChargesLate,
    reasons.OwnerCharges,
)
"""Why a car should charge: no answer to why it does not."""


def headline(episode: DecisionEpisode, power_w: float | None, site: Site, car: ChargerValues | None = None) -> str:
    """One sentence of at most 140 characters.

    Args:
        episode: the open one, closed at this moment.
        power_w: measured now, load convention; None: not known.
        site: names and zone.
        car: what a charger says now; None: not known, or no charger.
    """
    device = next(each for each in site.devices if each.id == episode.device_id)
    if isinstance(episode.reason, reasons.DeviceSilent) or power_w is None:
        return f"Does not answer: {consequence_of_silence(device)}."
    doing = _doing(device, power_w)
    if isinstance(device, GridMeter):
        return f"{doing}."
    if isinstance(device, PvPlant) and abs(power_w) < IDLE_W and isinstance(episode.reason, reasons.ProducesFreely):
        return f"{doing}."
    if car is not None and isinstance(episode.reason, CHARGES) and _takes_nothing(car):
        return f"{doing}: power is offered, and the car takes nothing now."
    text = f"{doing}: {why(episode, device, site.zone)}"
    limit = limit_clause(episode.limited_by, device, episode.summary)
    for candidate in (f"{text}{limit}.", f"{text}."):
        if len(candidate) <= HEADLINE_MAX:
            return candidate
    return f"{text[: HEADLINE_MAX - 1].rstrip()}…"


def _takes_nothing(car: ChargerValues) -> bool:
    """Whether it is the car that does not charge: it starts, pauses by itself or sleeps."""
    return car.car is CarState.CONNECTED and car.offered_current_a > 0 and abs(car.power_w) < IDLE_W


def _doing(device: Device, power_w: float) -> str:
    idle = abs(power_w) < IDLE_W
    match device:
        case GridMeter():
            return "In balance" if idle else "Buying from the grid" if power_w > 0 else "Selling to the grid"
        case Battery():
            return "Resting" if idle else "Charging" if power_w > 0 else "Giving power"
        case Charger():
            return "Not charging" if idle else "Charging"
        case PvPlant():
            return "No sun" if idle else "Making power"
        case HeatPump():
            return "Resting" if idle else "Heating"
