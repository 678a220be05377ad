"""The forecasts on a measured home, walked forward over four weeks that no constant was chosen on."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from benchmarks.forecast import (
    HOME_PLANT,
    HOME_ZONE,
    PRICE_ZONE,
    Predict,
    Scores,
    Series,
    collect,
    days,
    naive_forecasts,
    read_columns,
)
from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.time import SLOT_S, SlotGrid, local_midnight
from hems.forecast.price import PublishedPrices, predict_spot
from hems.forecast.quality import coverage_ratio, mean_absolute_error
from hems.learning.load import forecast_load
from hems.learning.pv import forecast_pv
from tests.support.houses import house_folder

FIRST, LAST = date(2024, 11, 15), date(2024, 12, 12)
NOON_SLOT = 48


def load_of(history: SlotHistory, grid: SlotGrid) -> Forecast:
    return forecast_load(history, grid=grid, issued_at=grid.start_at, zone=HOME_ZONE)


def pv_of(history: SlotHistory, grid: SlotGrid) -> Forecast:
    return forecast_pv(history, grid=grid, issued_at=grid.start_at, zone=HOME_ZONE, plant=HOME_PLANT, weather=None)


@pytest.fixture(scope="module")
def house() -> Path:
    return house_folder("home_a_2024")


@pytest.fixture(scope="module")
def measured(house: Path) -> dict[str, Series]:
    return read_columns(house / "house.csv.gz", names=("load_w", "pv_w"), step_s=1800)


def scores_of(series: Series, predict: Predict, *, start_slot: int, count: int) -> list[Scores]:
    issues = [
        (local_midnight(day, HOME_ZONE) + start_slot * timedelta(seconds=SLOT_S), count) for day in days(FIRST, LAST)
    ]
    return collect(series, predict, issues, owner=None)


def error_w(scores: list[Scores]) -> float:
    errors = [mean_absolute_error(each.quantiles_w[0.5], each.measured) for each in scores]
    known = [error for error in errors if error is not None]
    return sum(known) / len(known)


def naive_error_w(scores: list[Scores], name: str) -> float:
    errors = [mean_absolute_error(*each.others[name]) for each in scores]
    known = [error for error in errors if error is not None]
    return sum(known) / len(known)


def test_load_of_the_day_ahead_is_a_tenth_better_than_the_best_naive_forecast(measured: dict[str, Series]):
    scores = scores_of(measured["load_w"], load_of, start_slot=0, count=96)
    best_w = min(naive_error_w(scores, name) for name in ("yesterday", "last week", "7-day mean"))
    assert error_w(scores) < 0.9 * best_w


def test_the_band_of_the_load_holds_what_it_says(measured: dict[str, Series]):
    scores = scores_of(measured["load_w"], load_of, start_slot=0, count=96)
    inside = [coverage_ratio(each.quantiles_w[0.05], each.quantiles_w[0.95], each.measured) or 0.0 for each in scores]
    assert 0.85 < sum(inside) / len(inside) < 0.95


def test_production_of_the_next_hour_is_a_third_better_than_the_mean_of_a_week(measured: dict[str, Series]):
    scores = scores_of(measured["pv_w"], pv_of, start_slot=NOON_SLOT, count=4)
    assert error_w(scores) < 0.67 * naive_error_w(scores, "7-day mean")


def test_the_price_tail_is_a_tenth_better_than_the_mean_of_a_week(house: Path):
    spot = read_columns(house / "prices.csv.gz", names=("spot_eur_per_mwh",), step_s=3600)["spot_eur_per_mwh"]
    ours = week = 0.0
    for day in days(FIRST, LAST):
        start_at = local_midnight(day, PRICE_ZONE)
        known, truth = spot.before(start_at), spot.part(start_at, 96)
        published = PublishedPrices(start_at=known.start_at, spot_eur_per_kwh=known.mean_w)
        curve = predict_spot(published, grid=SlotGrid(start_at=start_at, count=96), zone=PRICE_ZONE)
        ours += mean_absolute_error(curve.spot_eur_per_kwh, truth) or 0.0
        week += mean_absolute_error(naive_forecasts(known, 96)["7-day mean"], truth) or 0.0
    assert ours < 0.9 * week
