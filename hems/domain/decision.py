"""Control episodes: why a device did what it did, from when to when.

An episode opens when the deciding rule, its numbers, its source or a limit of a device changes, and closes with
a summary of what was commanded. Every actuator value lies in exactly one episode.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from hems.domain.command import Authority, LimitedBy
from hems.domain.documents import STRICT
from hems.domain.reasons import Reason
from hems.domain.site import DeviceId

EPISODE_SCHEMA: Literal["hems/decision-episode/1"] = "hems/decision-episode/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was commanded (or, for a meter, measured) during an episode, load convention."""

    power_min_w: float | None
    """None: nothing was known in the whole episode."""
    power_mean_w: float | None
    power_max_w: float | None
    energy_wh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEpisode:
    """One device, one reason, one stretch of time ``[opened_at, closed_at)``."""

    __pydantic_config__: ClassVar = STRICT

    device_id: DeviceId
    opened_at: datetime
    closed_at: datetime
    authority: Authority
    """Who decided."""
    reason: Reason
    limited_by: tuple[LimitedBy, ...]
    """What held the device back from what the reason wanted; the limits' watts as at the opening."""
    summary: Summary
    plan_issued_at: datetime | None
    """The plan in force; None while rules ran."""
    schema: Literal["hems/decision-episode/1"] = EPISODE_SCHEMA
