"""The house in words and numbers, from what the last tick left: the one state model that every skin shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hems.app.outlook import Prices
from hems.control import episodes
from hems.control.state import ControlState, OpenEpisode
from hems.control.tick import TickResult
from hems.domain import reasons
from hems.domain.asked import Asked
from hems.domain.command import Authority, LimitRule
from hems.domain.events import Mode
from hems.domain.operator import LimitState
from hems.domain.plan import Plan
from hems.domain.reading import CarState, ChargerValues, Image
from hems.domain.site import Battery, Charger, Device, DeviceId, GridMeter, HeatPump, PvPlant, Site
from hems.domain.snapshot import (
    Actor,
    AggregatorStatus,
    DeviceView,
    Kind,
    Notice,
    OperatorStatus,
    PlainState,
    PlanStatus,
    PriceStatus,
    Snapshot,
)
from hems.domain.time import Now
from hems.explain import consequence_of_silence, headline, island_notice, limit_notice, next_change
from hems.explain.words import clock, to_exchange

IDLE_W = 50.0

ACTORS: Mapping[Authority, Actor] = {
    Authority.DEVICE: "device",
    Authority.FUSE: "safety",
    Authority.OPERATOR: "grid_operator",
    Authority.HOUSEHOLD: "you",
    Authority.SETPOINT: "aggregator",
    Authority.PLAN: "plan",
}
HOLDING = (LimitRule.MAIN_FUSE, LimitRule.CIRCUIT_FUSE, LimitRule.CONNECTION_IMPORT, LimitRule.CONNECTION_EXPORT,
           LimitRule.METER_STALE, LimitRule.OPERATOR_IMPORT, LimitRule.OPERATOR_EXPORT)  # fmt: skip
"""Limits that come from outside a device and that a person should see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Everything of a moment that a snapshot tells, beside the tick itself."""

    seq: int
    now: Now
    image: Image
    plan: Plan | None
    plan_trouble: str | None
    priced: Prices
    """From the slot of this moment on."""
    price_source: str
    asked: Asked
    aggregator_connected: bool | None
    """None: there is none in the site file."""
    simulated: str | None
    not_following: frozenset[DeviceId]
    troubles: Sequence[Notice]
    """Of the daemon itself, of disk and prices; a problem among them degrades the house."""
    operator: OperatorStatus | None = None
    written_bytes_day: int | None = None


def snapshot_of(site: Site, result: TickResult, shown: Shown) -> Snapshot:
    """The house as of a tick."""
    now, seen = shown.now, result.estimate
    grid = shown.image.grid
    return Snapshot(
        seq=shown.seq,
        at=now.at,
        clock_trusted=now.wall_trusted,
        site=site.name,
        timezone=site.timezone,
        currency=site.currency,
        simulated=shown.simulated,
        mode=_mode(result.state.mode, shown),
        grid_power_w=None if seen.grid is None else round(seen.grid.power_w, 1),
        grid_age_s=None if grid is None else round(now.mono_s - grid.mono_s, 1),
        home_power_w=None if seen.load_w is None else round(seen.load_w, 1),
        devices=tuple(_device(site, device, result, shown) for device in site.devices),
        price=_price(site, shown),
        plan=None if shown.plan is None else _plan(shown.plan, shown),
        aggregator=_aggregator(shown),
        notices=tuple(_notices(site, result, shown)),
        operator=shown.operator,
        written_bytes_day=shown.written_bytes_day,
    )


def _mode(mode: Mode, shown: Shown) -> Mode:
    """The guard's mode; one that lacks nothing itself may be all that runs."""
    degraded = mode is Mode.NORMAL and any(each.level == "problem" for each in shown.troubles)
    return Mode.DEGRADED if degraded else mode


def _device(site: Site, device: Device, result: TickResult, shown: Shown) -> DeviceView:
    seen, now = result.estimate, shown.now
    is_meter = isinstance(device, GridMeter)
    power_w = (None if seen.grid is None else seen.grid.power_w) if is_meter else seen.power_w(device.id)
    episode = result.state.episodes[device.id]
    nobody_knows = device.id in seen.silent or seen.is_island or not now.wall_trusted
    ahead = None if nobody_knows else next_change(device, shown.plan, now.at, site)
    battery, pump, car = (seen.batteries.get(device.id), seen.heat_pumps.get(device.id), seen.chargers.get(device.id))
    override = next((each for each in shown.asked.overrides if each.device_id == device.id), None)
    level_pct = None
    if isinstance(device, Battery) and battery is not None and battery.stored_wh is not None:
        level_pct = round(100 * battery.stored_wh / device.capacity_wh, 1)
    return DeviceView(
        id=device.id,
        name=device.name,
        kind=kind_of(device),
        state=_plain_state(device, episode, power_w, shown),
        power_w=None if power_w is None else round(power_w, 1),
        age_s=_age_s(device, shown),
        level_pct=level_pct,
        session_energy_wh=None if car is None or car.car is CarState.ABSENT else round(car.session_energy_wh, 1),
        room_c=None if pump is None or pump.room_c is None else round(pump.room_c, 2),
        tank_c=None if pump is None or pump.tank_c is None else round(pump.tank_c, 1),
        headline=_headline(site, device, episode, power_w, car, now.at),
        next=None if ahead is None else ahead.text,
        next_at=None if ahead is None else ahead.at,
        reason_code=episode.reason.code,
        actor=ACTORS[episode.authority],
        since_at=episode.opened_at,
        override=override,
    )


def kind_of(device: Device) -> Kind:
    """The word for a kind of device in every document."""
    match device:
        case GridMeter():
            return "grid_meter"
        case PvPlant():
            return "pv"
        case Battery():
            return "battery"
        case Charger():
            return "charger"
        case HeatPump():
            return "heat_pump"


def _plain_state(device: Device, episode: OpenEpisode, power_w: float | None, shown: Shown) -> PlainState:
    reason = episode.reason
    if power_w is None or device.id in shown.not_following:
        return PlainState.PROBLEM
    match reason:
        case reasons.NoCar():
            return PlainState.NOT_CONNECTED
        case reasons.CarFinished():
            return PlainState.FINISHED
        case _ if any(each.rule in HOLDING for each in episode.limited_by):
            return PlainState.LIMITED
        case reasons.KeepsForLater() | reasons.LeavesRoom() | reasons.RestsAsPlanned() | reasons.RestsWarmEnough():
            return PlainState.HELD
        case reasons.Curtails():
            return PlainState.LIMITED
    if isinstance(device, GridMeter):
        return PlainState.RUNNING
    return PlainState.RUNNING if abs(power_w) >= IDLE_W else PlainState.WAITING


def _headline(
    site: Site, device: Device, episode: OpenEpisode, power_w: float | None, car: ChargerValues | None, at: datetime
) -> str:
    """The headline of the open episode, with the power of this moment instead of its whole span."""
    present = replace(episode, power_min_w=power_w, power_max_w=power_w, energy_ws=0.0, known_s=0.0)
    return headline(episodes.close(device.id, present, at), power_w, site, car)


def _age_s(device: Device, shown: Shown) -> float | None:
    image = shown.image
    reading = (
        image.grid
        if isinstance(device, GridMeter)
        else image.pv.get(device.id)
        or image.batteries.get(device.id)
        or image.chargers.get(device.id)
        or image.heat_pumps.get(device.id)
    )
    return None if reading is None else round(max(0.0, shown.now.mono_s - reading.mono_s), 1)


def _price(site: Site, shown: Shown) -> PriceStatus:
    priced = shown.priced
    slot = priced.grid.index_at(shown.now.at) or 0
    known = site.tariff.area is not None and priced.published_count > slot
    return PriceStatus(
        import_eur_per_kwh=round(priced.import_eur_per_kwh[slot], 4),
        export_eur_per_kwh=round(priced.export_eur_per_kwh[slot], 4),
        published_until_at=priced.grid.slot_start(priced.published_count) if known else None,
        source=shown.price_source,
    )


def _plan(plan: Plan, shown: Shown) -> PlanStatus:
    return PlanStatus(
        issued_at=plan.issued_at,
        origin=plan.origin,
        age_s=round(max(0.0, (shown.now.at - plan.issued_at).total_seconds()), 1),
        trouble=shown.plan_trouble,
    )


def _aggregator(shown: Shown) -> AggregatorStatus | None:
    if shown.aggregator_connected is None:
        return None
    setpoint = shown.asked.setpoint
    power_w = None if setpoint is None else setpoint.power_at_w(shown.now.at)
    return AggregatorStatus(
        connected=shown.aggregator_connected,
        setpoint_w=power_w,
        until_at=None if setpoint is None or power_w is None else setpoint.end_at,
    )


def _notices(site: Site, result: TickResult, shown: Shown) -> list[Notice]:
    """What a person should know, the worst first."""
    found: list[Notice] = []
    silent = result.estimate.silent
    found += [each for each in shown.troubles if each.level == "problem"]
    if result.state.fuse_exceeded:
        found.append(Notice(level="problem", text="The house draws more than its main fuse is rated for."))
    if site.meter.id in silent:
        what = "always says the same" if result.estimate.grid_is_frozen else "does not answer"
        text = f"{site.meter.name} {what}: {consequence_of_silence(site.meter)}."
        found.append(Notice(level="problem", text=text))
    if result.estimate.is_island:
        found.append(Notice(level="problem", text=_island(site, result)))
    found += _limits(site, shown)
    setpoint = shown.asked.setpoint
    if setpoint is not None and (power_w := setpoint.power_at_w(shown.now.at)) is not None:
        # What was agreed; what the house does is measured, and may not be known.
        text = f"Flex event until {clock(setpoint.end_at, site.zone)}: the house is to {to_exchange(power_w)}."
        found.append(Notice(level="event", text=text))
    for device in site.controllables:
        if device.id in silent:
            found.append(Notice(level="problem", text=f"{device.name} does not answer; the rest goes on without it."))
        elif device.id in shown.not_following:
            found.append(Notice(level="problem", text=f"{device.name} does not do what it is told."))
    if not shown.now.wall_trusted:
        text = "The clock is not confirmed yet: no prices and no plan until it is; the house goes on by simple rules."
        found.append(Notice(level="info", text=text))
    found += [each for each in shown.troubles if each.level != "problem"]
    return found


def _island(site: Site, result: TickResult) -> str:
    """That the grid is gone, and how long the batteries last if the house goes on as now."""
    feeding = result.estimate.feeding_batteries(site)
    left_wh = [
        None
        if values.stored_wh is None
        else max(0.0, values.stored_wh - battery.floor_wh) * battery.discharge_efficiency_ratio
        for battery, values in feeding
    ]
    return island_notice(
        [battery.name for battery, _ in feeding],
        None if None in left_wh else sum(each or 0.0 for each in left_wh),
        -sum(values.power_w for _, values in feeding),
    )


def _limits(site: Site, shown: Shown) -> list[Notice]:
    if shown.operator is None:
        return []
    return [
        Notice(
            level="problem" if each.state in (LimitState.FAILSAFE, LimitState.UNLIMITED_AUTONOMOUS) else "limit",
            text=limit_notice(
                shown.operator.name,
                each.way,
                each.state,
                each.limit_w,
                names=[device.name for device in site.controllables if device.id in each.covers],
                until_at=each.until_at,
                zone=site.zone,
            ),
        )
        for each in shown.operator.limits
        if each.limit_w is not None
    ]


def not_following(state: ControlState, now: Now, *, after_s: float) -> frozenset[DeviceId]:
    """Devices that have gone astray for at least this long."""
    return frozenset(
        device_id for device_id, since in state.astray_since_mono_s.items() if now.mono_s - since >= after_s
    )
