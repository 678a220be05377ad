"""What the prediction worker is asked, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.site import DeviceId, PvPlane
from hems.domain.time import SlotGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantAsked:
    """A plant whose production is to be forecast."""

    device_id: DeviceId
    planes: tuple[PvPlane, ...]
    history: SlotHistory
    """What the sun gave, >= 0, None while it was held back [W]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpAsked:
    """A heat pump whose draw is to be forecast from its past alone."""

    device_id: DeviceId
    history: SlotHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """Where the house stands [degrees, north and east positive]."""

    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRequest:
    """Everything that a forecast may know."""

    issued_at: datetime
    grid: SlotGrid
    timezone: str
    place: Coordinates | None
    load: SlotHistory
    plants: tuple[PlantAsked, ...] = ()
    pumps: tuple[PumpAsked, ...] = ()
    ghi_wm2: SlotHistory | None = None
    """Global irradiance on the level as forecast, past slots and coming ones; None: nobody knows."""
    outdoor_c: SlotHistory | None = None
    """Outdoor temperature as forecast [degrees C]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Forecasts on the grid that was asked for."""

    load: Forecast
    pv: Mapping[DeviceId, Forecast] = field(default_factory=dict)
    heat: Mapping[DeviceId, Forecast] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionAnswer:
    """A worker's line: a prediction, or why there is none."""

    prediction: Prediction | None = None
    elapsed_s: float = 0.0
    """CPU time of parsing and forecasting."""
    error: str | None = None
