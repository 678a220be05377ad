"""What is expected of the hours ahead: everything that a planning problem needs beside the state of the house."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hems.domain.forecast import Forecast
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class StayEnd:
    """One way in which a stay may end."""

    at: datetime
    """The car leaves."""
    energy_wh: float
    """What its session should have got by then, AC side [Wh]."""
    probability_ratio: float
    """How likely this end is, 0..1; those of one stay add up to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarTask:
    """A car's stay: what it should have got by when. Present from ``arrival_at`` on."""

    device_id: DeviceId
    """The charger."""
    arrival_at: datetime
    departure_at: datetime
    session_target_wh: float
    """Energy of the whole session, AC side [Wh]."""
    ends: tuple[StayEnd, ...] = ()
    """All the ends that are likely, by time; empty where the household has told the one above.

    The energy that is expected to be missing at departure is the sum of ``probability * max(0, energy - charged by
    at)``, and the car is ready with the probability of all ends that are met."""
    probability_ratio: float = 1.0
    """How likely the car comes at all, 0..1; 1 for one that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Forecasts, prices and wishes on one slot grid, one value per slot."""

    grid: SlotGrid
    import_price_eur_per_kwh: tuple[float, ...]
    export_price_eur_per_kwh: tuple[float, ...]
    published_count: int
    """Slots from the first on with published prices; the rest is predicted."""
    load: Forecast
    pv: Mapping[DeviceId, Forecast]
    cars: tuple[CarTask, ...] = ()
    """Of the cars that are there, and of those that are known to come."""
    expected_cars: tuple[CarTask, ...] = ()
    """Of stays that are only likely, by the habits that the house has seen."""
    outdoor_c: tuple[float, ...] | None = None
    """Outdoor temperature per slot; None where nobody knows it."""
    month_peak_w: float = 0.0
    """Highest mean import of a quarter hour of this local month that a capacity tariff counts, so far."""
    year_balance_wh: float | None = None
    """Import less export with which a net-metered billing year is to end, without this horizon; None: not netted."""
    heat: Mapping[DeviceId, Forecast] = field(default_factory=dict)
    """What each heat pump will draw, from its past alone: for the hours in which nobody can plan it."""
