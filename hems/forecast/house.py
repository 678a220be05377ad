"""All forecasts that a house asks for, and whether an answer of somebody else can be used."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.prediction import PlantAsked, Prediction, PredictionRequest
from hems.domain.time import SlotGrid
from hems.forecast.load import forecast_load
from hems.forecast.pv import forecast_pv

LOAD_MAX_W = 1e6
"""No household draws a megawatt."""


class LoadForecaster(Protocol):
    """A way to forecast consumption."""

    def __call__(self, history: SlotHistory, *, grid: SlotGrid, issued_at: datetime, zone: ZoneInfo) -> Forecast:
        """As :func:`hems.forecast.load.forecast_load`."""
        ...


SunForecaster = Callable[[PlantAsked, PredictionRequest], Forecast]
"""A way to forecast production."""


def sun_by_days_alike(plant: PlantAsked, request: PredictionRequest) -> Forecast:
    """From the last weeks alone, without geometry and weather."""
    return forecast_pv(
        plant.history,
        grid=request.grid,
        issued_at=request.issued_at,
        zone=ZoneInfo(request.timezone),
        peak_w=sum(plane.peak_w for plane in plant.planes),
    )


def predict(
    request: PredictionRequest, *, load: LoadForecaster = forecast_load, sun: SunForecaster = sun_by_days_alike
) -> Prediction:
    """All forecasts of a request.

    Args:
        request: what is asked.
        load: how consumption is forecast.
        sun: how production is forecast. Both stand as they are from the standard library alone, which is what the
            daemon does where no worker answers.
    """
    zone, grid, at = ZoneInfo(request.timezone), request.grid, request.issued_at
    return Prediction(
        load=load(request.load, grid=grid, issued_at=at, zone=zone),
        pv={plant.device_id: sun(plant, request) for plant in request.plants},
        heat={pump.device_id: load(pump.history, grid=grid, issued_at=at, zone=zone) for pump in request.pumps},
    )


def faults(request: PredictionRequest, prediction: Prediction) -> list[str]:
    """What makes an answer useless, in words; empty where it can be used."""
    found = []
    for kind, asked, given in (
        ("pv", {plant.device_id for plant in request.plants}, set(prediction.pv)),
        ("heat", {pump.device_id for pump in request.pumps}, set(prediction.heat)),
    ):
        if asked != given:
            found.append(f"{kind}: asked for {sorted(asked)}, given {sorted(given)}")
    peaks_w = {plant.device_id: sum(plane.peak_w for plane in plant.planes) for plant in request.plants}
    found += _forecast_faults("load", request, prediction.load, LOAD_MAX_W)
    for device_id, forecast in prediction.pv.items():
        found += _forecast_faults(f"pv {device_id}", request, forecast, peaks_w.get(device_id, LOAD_MAX_W) * 1.01)
    for device_id, forecast in prediction.heat.items():
        found += _forecast_faults(f"heat {device_id}", request, forecast, LOAD_MAX_W)
    return found


def _forecast_faults(name: str, request: PredictionRequest, forecast: Forecast, most_w: float) -> Iterator[str]:
    if forecast.grid != request.grid or forecast.issued_at != request.issued_at:
        yield f"{name}: on other slots than asked"
    for series in (forecast.mean_w, forecast.p10_w, forecast.p90_w):
        if any(not 0 <= value <= most_w for value in series):
            yield f"{name}: a value outside 0..{most_w:.0f} W"
            return
    if any(low > high for low, high in zip(forecast.p10_w, forecast.p90_w, strict=True)):
        yield f"{name}: the lower end of a band lies above the upper one"
