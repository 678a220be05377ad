"""Which forecasts are kept: each midnight the day ahead, every three hours the next six."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from hems.app.recorder import LOAD, sun_series
from hems.domain.forecast import Forecast
from hems.domain.kept_forecast import ForecastKind, KeptForecast
from hems.domain.prediction import Prediction
from hems.domain.time import SLOT_S, SlotGrid, civil_day, local_day, time_of_day_s

EVERY_S = 3 * 3_600
HOURS_SLOTS = 24
"""Nine forecasts of a series a day, 288 slots: 2 kB, beside 13 MB that the history writes for quarter hours."""


def kept_of(prediction: Prediction, zone: ZoneInfo, *, plain: bool) -> list[KeptForecast]:
    """What is to be kept of the forecasts of a moment; nothing at most of them."""
    found: list[KeptForecast] = []
    grid = prediction.load.grid
    for kind, count in _due(grid, zone):
        found.append(_kept(LOAD, prediction.load, kind, count, plain=plain))
        found += [_kept(sun_series(each), sun, kind, count, plain=plain) for each, sun in prediction.pv.items()]
    return found


def _due(grid: SlotGrid, zone: ZoneInfo) -> Iterator[tuple[ForecastKind, int]]:
    day = civil_day(local_day(grid.start_at, zone), zone)
    if grid.start_at == day.start_at:  # clocks show midnight twice a year, or not at all, where they change at it
        yield ForecastKind.DAY, min(grid.count, grid.whole_slots_before(day.end_at))
    if time_of_day_s(grid.start_at, zone) % EVERY_S == 0:
        yield ForecastKind.HOURS, min(grid.count, HOURS_SLOTS)


def _kept(series: str, forecast: Forecast, kind: ForecastKind, count: int, *, plain: bool) -> KeptForecast:
    return KeptForecast(
        series=series,
        kind=kind,
        issued_at=forecast.issued_at,
        grid=SlotGrid(start_at=forecast.grid.start_at, count=count, slot_s=SLOT_S),
        mean_w=tuple(map(round, forecast.mean_w[:count])),
        p10_w=tuple(map(round, forecast.p10_w[:count])),
        p90_w=tuple(map(round, forecast.p90_w[:count])),
        p50_w=tuple(map(round, forecast.p50_w[:count])),
        degraded=forecast.degraded,
        plain=plain,
    )
