"""What changed since the last plan, in sentences of at most 140 characters."""

from hems.domain.change import DeviceChange, Input, InputChange, PlanChange
from hems.domain.site import Battery, Charger, DeviceId, HeatPump, Site
from hems.domain.snapshot import ChangeView
from hems.explain.words import clock, coming

SENTENCE_MAX = 140
INPUTS_MAX = 5
TOLD_EUR = 0.005
ALSO_EUR = 0.01
"""Inputs that matter less are not listed."""


def change_view(change: PlanChange, site: Site) -> ChangeView:
    """The change in words."""
    inputs = [each for each in change.inputs if each.weight_eur >= ALSO_EUR][:INPUTS_MAX]
    return ChangeView(
        at=change.at,
        text=change_sentence(change, site),
        devices=tuple(f"{_does(each, change, site)}." for each in change.devices),
        inputs=tuple(f"{_input(each, site)}{_money(each, site)}." for each in inputs),
    )


def change_sentence(change: PlanChange, site: Site) -> str:
    """Who does what otherwise, because of what: "Changed at 14:05: ..."."""
    begin = f"Changed at {clock(change.at, site.zone)}: "
    device = _does(change.devices[0], change, site)
    if change.cause is None:
        candidates = [f"{begin}{device}, after several small changes."]
    else:
        because = "because" if change.confirmed else "probably because"
        cause = _input(change.cause, site)
        if change.cause.device_id is None or cause.startswith(("A ", "The ")):
            cause = cause[0].lower() + cause[1:]
        candidates = [
            f"{begin}{device}, {because} {cause}{_money(change.cause, site)}.",
            f"{begin}{device}, {because} {cause}.",
        ]
    for each in (*candidates, f"{begin}{device}."):
        if len(each) <= SENTENCE_MAX:
            return each
    return f"{begin}{device}"[: SENTENCE_MAX - 1].rstrip() + "…"


def _does(change: DeviceChange, at: PlanChange, site: Site) -> str:
    device = next((each for each in site.devices if each.id == change.device_id), None)
    name = _name(change.device_id, site)
    before_at, after_at = change.start_before_at, change.start_after_at
    if isinstance(device, Battery) or before_at == after_at:
        return f"{name} {_energy(change)}"
    verb = _VERBS.get(type(device), "starts")
    if after_at is None:
        return f"{name} no longer {verb}"
    after = coming(after_at, at.at, site.zone)
    if before_at is None:
        return f"{name} now {verb} at {after}"
    return f"{name} now {verb} at {after} instead of {coming(before_at, at.at, site.zone)}"


_VERBS: dict[type, str] = {Charger: "charges", HeatPump: "heats"}


def _energy(change: DeviceChange) -> str:
    if abs(change.energy_wh) < change.moved_wh / 2:
        return f"moves {_kwh(change.moved_wh)} to other hours"
    return f"takes {_kwh(change.energy_wh)} {'more' if change.energy_wh > 0 else 'less'}"


def _input(change: InputChange, site: Site) -> str:
    name = "" if change.device_id is None else _name(change.device_id, site)
    energy = f"{_kwh(change.energy_wh)} {'more' if change.energy_wh > 0 else 'less'}"
    match change.changed:
        case Input.LOAD:
            return f"The house is expected to use {energy}"
        case Input.SUN:
            return f"{name} is expected to make {energy}"
        case Input.PRICES_PUBLISHED:
            return "New prices were published"
        case Input.PRICES:
            return "Prices are other than expected"
        case Input.CAR_CAME:
            return f"A car at {name} needs {_kwh(change.energy_wh)}"
        case Input.CAR_LEFT:
            return f"The car at {name} left"
        case Input.CAR_NEED:
            return f"The car at {name} needs {energy}"
        case Input.CAR_DEPARTURE:
            return f"The car at {name} comes or leaves at another time"
        case Input.STORED:
            return f"{name} has {energy} than expected"
        case Input.LIMIT:
            return "The limit of the connection changed"
        case Input.TEMPERATURE:
            return f"{name} has {energy} to heat"
        case Input.APPLIANCE:
            return f"{name} is to run" if change.energy_wh > 0 else f"{name} is not to run any more"
        case Input.PROMISE:
            return "What was promised to the aggregator changed"


def _name(device_id: DeviceId, site: Site) -> str:
    return next((each.name for each in site.devices if each.id == device_id), device_id)


def _kwh(energy_wh: float) -> str:
    return f"{abs(energy_wh) / 1000:.1f} kWh"


def _money(change: InputChange, site: Site) -> str:
    if abs(change.effect_eur) < TOLD_EUR:
        return ""
    return f" (about {abs(change.effect_eur):.2f} {site.currency} {'more' if change.effect_eur > 0 else 'less'})"
