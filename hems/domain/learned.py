"""What was learned of a device against what the site file says, and whether the household agreed to plan with it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from hems.domain.documents import STRICT
from hems.domain.heat import ordinary_hours
from hems.domain.site import DeviceId

WORTH_RATIO = 0.03
"""No plan gets better for less than this much of what it is made with, and nobody wants to be asked about it."""


OTHER_HOURS_RATIO = 0.2
"""From this part of a day's hot water on in other hours than planned, it is worth asking; of a simulated ordinary
household what was learned in nine days and more is within 0.08 of it."""


class Fact(StrEnum):
    """What can be learned of a device, with its unit in the name."""

    CHARGING_POWER_W = "charging_power_w"
    """What the car draws when it is offered all that the charger has, AC side."""
    CAPACITY_WH = "capacity_wh"
    """Of a battery between 0 and 100 %, DC side."""
    ROUND_TRIP_RATIO = "round_trip_ratio"
    """Energy out of a battery per energy into it, AC side."""
    LOSS_W_PER_K = "loss_w_per_k"
    """Heat that the rooms lose."""
    TIME_CONSTANT_H = "time_constant_h"
    """Heat capacity of the rooms over their loss."""
    DRAW_WH_PER_DAY = "draw_wh_per_day"
    """Heat tapped as hot water on a mean day."""


class Consent(StrEnum):
    """Where a fact stands between being seen and being planned with."""

    OBSERVING = "observing"
    """Measured, and within its doubt what is planned with already."""
    SUGGESTED = "suggested"
    """Further from what is planned with than its doubt: the household is asked."""
    IN_USE = "in_use"
    DECLINED = "declined"
    """Asked and refused; asked again only when the measurement moves by more than its doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A measured value. ``doubt`` is half the width of a band of about 95 %, in the unit of the value, > 0."""

    value: float
    doubt: float
    count: int
    """Measurements that speak: quarter hours, swings, windows or days; each estimator says which."""
    since_at: datetime
    """The oldest of them."""
    hours_ratio: tuple[float, ...] = ()
    """Of what goes by the time of day: share of each of 24 local hours, adding up to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedFact:
    """A fact of a device. Where it stands follows from its numbers, so that there is nothing to keep in step."""

    __pydantic_config__: ClassVar = STRICT

    device_id: DeviceId
    fact: Fact
    told: float
    """What the site file says."""
    value: float
    doubt: float
    count: int
    since_at: datetime
    learned_at: datetime
    used: float | None = None
    """What the household agreed to plan with; it stays so until it agrees to another. None: the site file's."""
    declined: float | None = None
    """The value that it last refused."""
    by: str | None = None
    """Who decided last: a name or a role."""
    hours_ratio: tuple[float, ...] = ()
    """Of hot water: share of each of 24 local hours. It is agreed to and declined with the value."""
    used_hours_ratio: tuple[float, ...] = ()
    """Empty: plans go by the hours of ordinary households."""
    declined_hours_ratio: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """Names it in the store, at the API and on the command line."""
        return f"{self.device_id}.{self.fact}"

    @property
    def planned(self) -> float:
        """What plans are made with now."""
        return self.told if self.used is None else self.used

    @property
    def consent(self) -> Consent:
        """Where it stands."""
        least = max(self.doubt, WORTH_RATIO * self.planned)
        other_hours = apart_ratio(self.hours_ratio, self.used_hours_ratio) > OTHER_HOURS_RATIO
        if abs(self.value - self.planned) > least or other_hours:
            refused = self.declined is not None and abs(self.value - self.declined) <= least
            refused = refused and apart_ratio(self.hours_ratio, self.declined_hours_ratio) <= OTHER_HOURS_RATIO
            return Consent.DECLINED if refused else Consent.SUGGESTED
        return Consent.OBSERVING if self.used is None else Consent.IN_USE


def apart_ratio(hours: tuple[float, ...], others: tuple[float, ...]) -> float:
    """Part of a day that lies in other hours, 0..1; without ``others`` those of ordinary households count."""
    if not hours:
        return 0.0
    return sum(abs(one - other) for one, other in zip(hours, others or ordinary_hours(), strict=True)) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedView:
    """A fact as page, API and command line show it."""

    __pydantic_config__: ClassVar = STRICT

    key: str
    consent: Consent
    sentence: str
    """What was seen, in plain words; a question where it is suggested."""
    fact: LearnedFact


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedViews:
    """Everything that was learned, suggestions first."""

    __pydantic_config__: ClassVar = STRICT

    facts: tuple[LearnedView, ...]
