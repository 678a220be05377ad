"""The one state model: what page, API, MQTT and command line say of the house at a moment (``hems/state/1``)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from hems.domain.documents import STRICT
from hems.domain.events import Mode
from hems.domain.operator import LimitState, Way
from hems.domain.override import ChargeNow
from hems.domain.plan import Decider, Origin
from hems.domain.site import DeviceId

STATE_SCHEMA: Literal["hems/state/1"] = "hems/state/1"
PLAN_VIEW_SCHEMA: Literal["hems/plan-view/1"] = "hems/plan-view/1"

Kind = Literal["grid_meter", "pv", "battery", "charger", "heat_pump"]
Actor = Literal["plan", "you", "grid_operator", "aggregator", "device", "safety"]


class PlainState(StrEnum):
    """The eight words for what a device does; the same in page, API, MQTT and logs."""

    RUNNING = "running"
    WAITING = "waiting"
    PAUSED_BY_YOU = "paused_by_you"
    HELD = "held"
    """On purpose, by the plan."""
    LIMITED = "limited"
    """By someone: see ``actor``."""
    FINISHED = "finished"
    NOT_CONNECTED = "not_connected"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """One device as a person reads it. Power in load convention; ``age_s`` is that of the value."""

    id: DeviceId
    name: str
    kind: Kind
    state: PlainState
    power_w: float | None
    age_s: float | None
    level_pct: float | None
    """State of charge of a battery."""
    session_energy_wh: float | None
    room_c: float | None
    tank_c: float | None
    headline: str
    """What, why; at most 140 characters."""
    next: str | None
    """What comes, when and why."""
    next_at: datetime | None
    reason_code: str
    actor: Actor
    since_at: datetime
    override: ChargeNow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStatus:
    """The plan in force."""

    issued_at: datetime
    origin: Origin
    age_s: float
    trouble: str | None
    """Why there is no newer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStatus:
    """What a kWh costs and earns now, and how far prices are known."""

    import_eur_per_kwh: float
    export_eur_per_kwh: float
    published_until_at: datetime | None
    """None: none is known, the fallback of the site file counts."""
    source: str
    """In words, with a warning where they are synthetic, old or a fallback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorStatus:
    """The link to the aggregator and what it steers."""

    connected: bool
    setpoint_w: float | None
    until_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLimit:
    """Where the grid operator's limit of one way stands."""

    way: Way
    covers: tuple[DeviceId, ...]
    """Devices that are limited together, the household's own load not counted; none: the whole exchange with the grid.
    """
    state: LimitState
    limit_w: float | None
    """What holds now, >= 0; None: no limit."""
    until_at: datetime | None
    """When it ends by itself; None: nobody says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorStatus:
    """Who may limit the house by law, and whether he does."""

    name: str
    limits: tuple[OperatorLimit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that the household should know now; the first one is shown, the others count as "+2 more"."""

    level: Literal["problem", "limit", "event", "info"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The house at a moment."""

    __pydantic_config__: ClassVar = STRICT

    seq: int
    """Grows with every snapshot."""
    at: datetime
    clock_trusted: bool
    site: str
    timezone: str
    currency: str
    simulated: str | None
    """For a house that does not exist: what is simulated, as "demo house, 60 times real time"."""
    mode: Mode
    grid_power_w: float | None
    grid_age_s: float | None
    home_power_w: float | None
    """What nothing controls and nothing meters but the sum; None while a device is silent that is part of it."""
    devices: tuple[DeviceView, ...]
    price: PriceStatus
    plan: PlanStatus | None
    aggregator: AggregatorStatus | None
    """None: there is none in the site file."""
    notices: tuple[Notice, ...]
    operator: OperatorStatus | None = None
    """None: no grid operator is connected."""
    written_bytes_day: int | None = None
    """Sent to the disk in the last 24 hours, or since the start; None: not counted."""
    schema: Literal["hems/state/1"] = STATE_SCHEMA


Series = tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSeries:
    """One device on the time axis of a plan view, one value per slot; None: not measured, or not planned."""

    id: DeviceId
    name: str
    kind: Kind
    power_w: Series
    """Mean, load convention."""
    level_pct: Series
    """At the end of the slot; empty for devices without a level."""
    value_eur_per_kwh: Series = ()
    """Worth of one more kWh in it at the end of the slot; empty where nothing knows it."""
    decided_by: tuple[Decider | None, ...] = ()
    """What decides its power; None for the past, empty where nobody solved anything."""
    alternative_eur_per_kwh: Series = ()
    """What a kWh moved from or into the slot costs more at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanBlock:
    """Hours in which a device does one thing, and why."""

    device_id: DeviceId
    start_at: datetime
    end_at: datetime
    power_w: float
    """Mean, load convention."""
    decided_by: Decider
    """What decides most of it."""
    price_eur_per_kwh: float
    """What a kWh more of load costs the house meanwhile, all consequences counted."""
    alternative_eur_per_kwh: float
    """What a kWh of it costs more at another time, at least."""
    value_eur_per_kwh: float | None
    """Worth of a stored kWh at its end; None without storage."""
    what: str
    """As "Charging, 7.4 kW"."""
    why: str
    """At most 140 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """What the plan does otherwise since it changed last, in words."""

    at: datetime
    text: str
    """First of all what and why, at most 140 characters."""
    devices: tuple[str, ...]
    """Each device that does something else, in a sentence."""
    inputs: tuple[str, ...]
    """What the plan is made of and changed, with its cost, the heaviest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """Yesterday's end, now and what is planned on one time axis (``hems/plan-view/1``).

    The first ``past_count`` slots are measured, the rest is planned; the slot under way is planned.
    """

    __pydantic_config__: ClassVar = STRICT

    at: datetime
    timezone: str
    currency: str
    start_at: datetime
    slot_s: int
    past_count: int
    import_eur_per_kwh: Series
    export_eur_per_kwh: Series
    published_count: int
    """Slots from the first on with a published price; the rest is expected."""
    price_source: str
    grid_power_w: Series
    load_power_w: Series
    import_power_max_w: Series
    devices: tuple[DeviceSeries, ...]
    issued_at: datetime | None
    origin: Origin | None
    cost_eur: float | None
    """Expected over the planned slots, less the worth of what is stored at the end."""
    unmet: tuple[str, ...]
    """Wishes that the plan bends, each in a sentence."""
    marginal_eur_per_kwh: Series = ()
    """What a kWh more of load costs the house in a planned slot, all consequences counted; empty without a solver."""
    blocks: tuple[PlanBlock, ...] = ()
    """By device and time, from the present slot on."""
    changed: ChangeView | None = None
    """None: nothing notable in the last hours."""
    schema: Literal["hems/plan-view/1"] = PLAN_VIEW_SCHEMA
