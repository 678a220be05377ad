"""What a PV forecast without weather can hope for: ``python -m benchmarks.pv_bound --data FOLDER``.

Home A a day ahead, against the 7-day mean: ours, and forecasters that see no more of the sky than ours (production
before midnight) but know, as no forecaster can, how skies follow each other in the very window they are judged on:

* like days: at each time of day the median, or the mean, over all *other* days of the season, those to come included,
  weighted by how alike the clearness of the day before was; the widths that do best on the window.
* regression: the linear forecast of least absolute error (expectation, its correction by yesterday, that again where
  yesterday was above it, clear sky), fitted to all other weeks of the window; and to the window whole, which no
  forecast of that form can beat.
* energy known: the expectation scaled to what the day gave in all, to show what is left within a day.

The interval holds the ratio of ours in 90 % of windows drawn again from its days, five at a time.
"""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.forecast import CHOOSING, HOME_PLANT, HOME_ZONE, PER_DAY, REPORTED, Series, read_columns
from hems.domain.time import SLOT_S, SlotGrid, civil_day, unix_s
from hems.learning.pv import forecast_pv
from hems.learning.sun import clear_light, production_w, sun_at
from hems.learning.wall import FloatArray, IntArray, as_array, weighted_mean, weighted_quantiles

FAINT_W = 50.0
EXPECTED_DAYS, EXPECTED_AGE_DAYS = 28, 14.0
OWN_SKY_DAYS, OWN_SKY_LEVEL = 30, 0.92
"""The plant's own clear sky: this quantile of what it gave so many days around, the later ones included."""
SEASON_DAYS = (15.0, 30.0, 60.0)
LIKENESS_RATIO = (0.12, 0.2, 0.3, 10.0)
BLOCK_DAYS = 5
DRAWS = 4000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlantYear:
    """What a plant gave, a row per day of UTC [W]: measured (nan where it was not), and under a clear sky."""

    first: date
    produced_w: FloatArray
    clear_w: FloatArray

    def rows(self, window: tuple[date, date]) -> IntArray:
        """Rows of the days of a window."""
        return np.arange((window[0] - self.first).days, (window[1] - self.first).days + 1, dtype=np.int64)


def plant_of(series: Series) -> PlantYear:
    """The measured plant, and its declared modules scaled at each time of day to its own clear sky."""
    first = series.start_at.date()
    midnight_at = datetime.combine(first, time(), UTC)
    missing = int((series.start_at - midnight_at) / timedelta(seconds=SLOT_S))
    count = (missing + len(series.values)) // PER_DAY * PER_DAY
    produced = np.concatenate([np.full(missing, np.nan), as_array(series.values)])[:count].reshape(-1, PER_DAY)
    middles = unix_s(midnight_at) + SLOT_S * (np.arange(count, dtype=np.float64) + 0.5)
    sun = sun_at(middles, latitude_deg=HOME_PLANT.latitude_deg, longitude_deg=HOME_PLANT.longitude_deg)
    declared = production_w(HOME_PLANT, sun, clear_light(sun)).reshape(-1, PER_DAY) + FAINT_W
    answers = (produced + FAINT_W) / declared
    best = np.ones_like(answers)
    for row in range(len(best)):
        around = answers[max(0, row - OWN_SKY_DAYS) : row + OWN_SKY_DAYS + 1].T
        best[row] = weighted_quantiles(around, np.ones_like(around), (OWN_SKY_LEVEL,))[:, 0]
    return PlantYear(first=first, produced_w=produced, clear_w=np.maximum(0.0, best * declared - FAINT_W))


def ours_w(series: Series, plant: PlantYear, rows: IntArray) -> FloatArray:
    """The product's forecast, issued at local midnight; by night, where that day is not the one of UTC, nothing."""
    forecast_w = np.zeros((len(rows), PER_DAY))
    for index, row in enumerate(rows):
        today = plant.first + timedelta(days=int(row))
        day = civil_day(today, HOME_ZONE)
        grid = SlotGrid(start_at=day.start_at, count=round(day.duration_s) // SLOT_S)
        history = series.before(day.start_at)
        forecast = forecast_pv(
            history, grid=grid, issued_at=day.start_at, zone=HOME_ZONE, plant=HOME_PLANT, weather=None
        )
        late = int((datetime.combine(today, time(), UTC) - day.start_at) / timedelta(seconds=SLOT_S))
        known = forecast.mean_w[late : late + PER_DAY]
        forecast_w[index, : len(known)] = known
    return forecast_w


def expected_w(plant: PlantYear) -> FloatArray:
    """What the weeks before gave at the same time of day, moved to the day's sun."""
    expected = np.zeros_like(plant.produced_w)
    for row in range(1, len(expected)):
        past = slice(max(0, row - EXPECTED_DAYS), row)
        known = ~np.isnan(plant.produced_w[past])
        ages = np.arange(known.shape[0], 0, -1)[:, None]
        weights = np.where(known, np.exp(-ages / EXPECTED_AGE_DAYS), 0.0)
        above = (weights * (np.nan_to_num(plant.produced_w[past]) + FAINT_W)).sum(axis=0) + FAINT_W
        below = (weights * (plant.clear_w[past] + FAINT_W)).sum(axis=0) + FAINT_W
        expected[row] = above / below * (plant.clear_w[row] + FAINT_W) - FAINT_W
    return np.maximum(expected, 0.0)


def day_ratios(plant: PlantYear, against_w: FloatArray) -> FloatArray:
    """Energy of each day to what it is held against, over measured slots."""
    known = ~np.isnan(plant.produced_w)
    given = np.where(known, plant.produced_w, 0.0).sum(axis=1) + FAINT_W
    ratios: FloatArray = given / (np.where(known, against_w, 0.0).sum(axis=1) + FAINT_W)
    return ratios


def like_days_w(plant: PlantYear, rows: IntArray, *, season_days: float, likeness: float, median: bool) -> FloatArray:
    """The usual clearness of all other days that are near in the year and came after a day alike."""
    clearness = (plant.produced_w + FAINT_W) / (plant.clear_w + FAINT_W)
    before = np.roll(day_ratios(plant, plant.clear_w), 1)
    found = np.zeros((len(rows), PER_DAY))
    for index, row in enumerate(rows):
        others = np.delete(np.arange(1, len(clearness)), row - 1)
        apart = ((others - row) / season_days) ** 2 + ((before[others] - before[row]) / likeness) ** 2
        values = clearness[others].T
        weights = np.broadcast_to(np.exp(-0.5 * apart) + 1e-12, values.shape)
        usual = weighted_quantiles(values, weights, (0.5,))[:, 0] if median else weighted_mean(values, weights)
        found[index] = usual * (plant.clear_w[row] + FAINT_W) - FAINT_W
    return np.maximum(found, 0.0)


def least_absolute(columns: FloatArray, truth: FloatArray) -> FloatArray:
    """Coefficients of least absolute error, by least squares that are weighted anew."""
    weights = np.ones(len(truth))
    fitted: FloatArray = np.zeros(columns.shape[1])
    for _ in range(100):
        root = np.sqrt(weights)
        fitted = np.linalg.lstsq(columns * root[:, None], truth * root, rcond=None)[0].astype(np.float64)
        weights = 1 / np.maximum(np.abs(truth - columns @ fitted), 1.0)
    return fitted


def regression_w(plant: PlantYear, rows: IntArray, *, whole: bool) -> FloatArray:
    """The linear forecast of least absolute error, fitted to the window whole or, week by week, to its other weeks."""
    expected = expected_w(plant)
    yesterday = np.roll(day_ratios(plant, expected), 1)[:, None]
    stacked = [expected, expected * yesterday, expected * np.maximum(yesterday - 1, 0.0), plant.clear_w]
    columns, truth = np.stack(stacked, axis=2)[rows], plant.produced_w[rows]
    usable = ~np.isnan(truth) & (columns[:, :, 3] > 0)
    found = np.zeros_like(truth)
    weeks = np.arange(len(rows)) // 7
    for week in range(int(weeks.max()) + 1):
        taught = usable & (whole | (weeks != week))[:, None]
        found[weeks == week] = columns[weeks == week] @ least_absolute(columns[taught], truth[taught])
    return np.maximum(found, 0.0)


def interval(errors: FloatArray, base: FloatArray) -> tuple[float, float]:
    """Where the ratio of two sums over days lies in 90 % of windows drawn again (seed 0)."""
    dice = np.random.default_rng(0)
    count = len(errors)
    starts = dice.integers(0, count, (DRAWS, -(-count // BLOCK_DAYS)))
    drawn = ((starts[:, :, None] + np.arange(BLOCK_DAYS)) % count).reshape(DRAWS, -1)[:, :count]
    ratios = errors[drawn].sum(axis=1) / base[drawn].sum(axis=1)
    low, high = np.quantile(ratios, (0.05, 0.95))
    return float(low), float(high)


def bounds(series: Series, plant: PlantYear, rows: IntArray) -> dict[str, object]:
    """Mean absolute error of each over that of the 7-day mean, on the measured slots of the window."""
    truth = plant.produced_w[rows]

    def errors(forecast_w: FloatArray) -> FloatArray:
        each: FloatArray = np.nansum(np.abs(forecast_w - truth), axis=1)
        return each

    week = np.stack([np.nan_to_num(np.nanmean(plant.produced_w[row - 7 : row], axis=0)) for row in rows])
    base = errors(week)
    expected = expected_w(plant)
    alike = {
        (season_days, likeness, median): errors(
            like_days_w(plant, rows, season_days=season_days, likeness=likeness, median=median)
        ).sum()
        for season_days, likeness, median in product(SEASON_DAYS, LIKENESS_RATIO, (True, False))
    }
    best = min(alike, key=lambda key: float(alike[key]))
    clearness = day_ratios(plant, plant.clear_w)
    ours = errors(ours_w(series, plant, rows))
    return {
        "7-day mean [W]": float(base.sum() / (~np.isnan(truth)).sum()),
        "ours": float(ours.sum() / base.sum()),
        "ours, 90 % of windows": interval(ours, base),
        "like days": float(alike[best] / base.sum()),
        "like days: season, likeness, median": best,
        "regression, other weeks": float(errors(regression_w(plant, rows, whole=False)).sum() / base.sum()),
        "regression, window whole": float(errors(regression_w(plant, rows, whole=True)).sum() / base.sum()),
        "energy known": float(errors(expected[rows] * day_ratios(plant, expected)[rows][:, None]).sum() / base.sum()),
        "days' autocorrelation": float(np.corrcoef(clearness[rows - 1], clearness[rows])[0, 1]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What PV forecasts without weather can hope for.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the measured data")
    parser.add_argument("--choosing", action="store_true", help="the windows that constants are chosen on")
    arguments = parser.parse_args()
    series = read_columns(arguments.data / "home_a_30min.csv.gz", names=("pv_w",), step_s=1800)["pv_w"]
    plant = plant_of(series)
    windows = CHOOSING if arguments.choosing else REPORTED
    found = {name: bounds(series, plant, plant.rows(window)) for name, window in windows.items()}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
