"""What happened, in the past tense. The tick returns events; others record and tell them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from hems.domain.command import Authority
from hems.domain.site import DeviceId


class Mode(StrEnum):
    """How much the house can do at the moment."""

    NORMAL = "normal"
    DEGRADED = "degraded"
    """Something is missing; the rest goes on with tighter bounds."""
    GRID_LIMITED = "grid_limited"
    """A grid operator's limit is in force."""
    SAFE_HOLD = "safe_hold"
    """The grid meter is silent: every device at what fits at worst."""
    ISLANDED = "islanded"
    """The grid has failed: the battery's inverter feeds the house by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged:
    """The mode is another one."""

    at: datetime
    before: Mode
    after: Mode
    missing: tuple[DeviceId, ...]
    """Devices without a usable reading."""
    kind: Literal["mode_changed"] = "mode_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceWentSilent:
    """The last usable reading of a device became too old."""

    at: datetime
    device_id: DeviceId
    kind: Literal["device_went_silent"] = "device_went_silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFrozen:
    """The grid meter says the same with fresh times while devices change their power: it is not believed."""

    at: datetime
    device_id: DeviceId
    kind: Literal["meter_frozen"] = "meter_frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCameBack:
    """A silent device answers again."""

    at: datetime
    device_id: DeviceId
    kind: Literal["device_came_back"] = "device_came_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDoesNotFollow:
    """A device has done something else than it was told for too long, whatever it acknowledged."""

    at: datetime
    device_id: DeviceId
    told_w: float
    measured_w: float
    kind: Literal["device_does_not_follow"] = "device_does_not_follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFollowsAgain:
    """A device that did not follow does what it is told."""

    at: datetime
    device_id: DeviceId
    kind: Literal["device_follows_again"] = "device_follows_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEngaged:
    """A limit from outside came into force."""

    at: datetime
    authority: Authority
    source: str
    kind: Literal["limit_engaged"] = "limit_engaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLifted:
    """A limit from outside ended."""

    at: datetime
    authority: Authority
    source: str
    kind: Literal["limit_lifted"] = "limit_lifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseExceeded:
    """More current than the fuse's rating was measured, whoever caused it."""

    at: datetime
    circuit: str
    current_a: float
    kind: Literal["fuse_exceeded"] = "fuse_exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAdopted:
    """A new plan passed its check and is in force."""

    at: datetime
    issued_at: datetime
    origin: str
    kind: Literal["plan_adopted"] = "plan_adopted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRefused:
    """No plan came, or it failed its check; the text says what was wrong and what is used instead."""

    at: datetime
    problem: str
    instead: Literal["old plan", "rules"]
    kind: Literal["plan_refused"] = "plan_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRefused:
    """No forecast came from the worker, or it cannot be; the daemon makes a plainer one itself. Told once."""

    at: datetime
    problem: str
    kind: Literal["forecast_refused"] = "forecast_refused"


Event = (
    ModeChanged
    | DeviceWentSilent
    | MeterFrozen
    | DeviceCameBack
    | DeviceDoesNotFollow
    | DeviceFollowsAgain
    | LimitEngaged
    | LimitLifted
    | FuseExceeded
    | PlanAdopted
    | PlanRefused
    | ForecastRefused
)
