"""What is expected of the hours ahead: everything that a planning problem needs beside the state of the house."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hems.domain.forecast import Forecast, PriceCurve
from hems.domain.site import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class CarTask:
    """A car's stay: what it should have got by when. Present from ``arrival_at`` on."""

    device_id: DeviceId
    """The charger."""
    arrival_at: datetime
    departure_at: datetime
    session_target_wh: float
    """Energy of the whole session, AC side [Wh]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Forecasts, prices and wishes on one slot grid."""

    load: Forecast
    pv: Mapping[DeviceId, Forecast]
    prices: PriceCurve
    cars: tuple[CarTask, ...] = ()
    outdoor_c: tuple[float, ...] | None = None
    """Outdoor temperature per slot; None where nobody knows it."""
