"""How good the forecasts are on measured homes: ``python -m benchmarks.forecast --data FOLDER``.

Walk-forward on home A (half-hourly measurements as slots of 900 s) and the Dutch day-ahead prices: each forecast sees
what ended before it was issued. Load and PV are issued at local midnight for the day, and every hour for the next six;
the naive forecasts they are measured against are yesterday, the same weekday of last week, and the mean of the
last seven days, gaps filled with the mean of the last seven days. Errors count measured slots only.

The constants were chosen on home A from 2024-03-08 to 05-14, 2024-07-24 to 11-14 and 2025-01-24 to 02-26, and on the
first half of the plant in Colorado (``--choosing`` shows those). The reported windows, 70 days from 2024-05-15 and from
2024-11-15 and the other half, were never tuned on: change a constant by what the choosing windows say.
"""

import argparse
import csv
import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hems.domain.forecast import QUANTILE_LEVELS, Forecast, SlotHistory
from hems.domain.site import PvPlane
from hems.domain.time import SLOT_S, SlotGrid, civil_day, local_midnight, unix_s
from hems.forecast.price import PublishedPrices, predict_spot
from hems.forecast.quality import bias as mean_error
from hems.forecast.quality import coverage_ratio, mean_absolute_error, pinball_loss, skill_ratio
from hems.forecast.series import DAY_S
from hems.learning.load import forecast_load
from hems.learning.pv import Weather, forecast_pv
from hems.learning.sun import Plant
from hems.sim.knowledge import IRRADIANCE_ERROR_RATIO, autoregressive_errors

HOME_ZONE = ZoneInfo("Europe/Paris")
PRICE_ZONE = ZoneInfo("Europe/Amsterdam")
HOME_PLANT = Plant(
    planes=(PvPlane(peak_w=5_000.0, tilt_deg=35.0, azimuth_deg=180.0),), latitude_deg=48.83, longitude_deg=6.86
)
"""The orientation is not known: an assumption, as in the example configuration."""
COLORADO_ZONE = ZoneInfo("America/Denver")
COLORADO_PLANT = Plant(
    planes=(PvPlane(peak_w=3_700.0, tilt_deg=40.0, azimuth_deg=180.0),), latitude_deg=39.74, longitude_deg=-105.18
)
"""Tilt, azimuth and peak (10 % above the highest measured) are assumed."""
FIRST_HALF = (date(2011, 5, 8), date(2011, 10, 31))
SECOND_HALF = (date(2011, 11, 1), date(2012, 4, 28))
REPORTED = {"summer": (date(2024, 5, 15), date(2024, 7, 23)), "winter": (date(2024, 11, 15), date(2025, 1, 23))}
CHOOSING = {
    "spring": (date(2024, 3, 8), date(2024, 5, 14)),
    "autumn": (date(2024, 7, 24), date(2024, 11, 14)),
    "late": (date(2025, 1, 24), date(2025, 2, 26)),
}
"""March begins when a week of history is there."""
OWNER, SAME_SLOTS = "owner's own", "ours there"
"""What the owner's system held when the slot came, over slots in which it said something or the sun shone, and ours
over the same ones: in the first hour as fresh as the owner's."""
DARK_W = 10.0
"""Bands this narrow are night, where fractions of a watt decide: not judged."""
LEADS = {"hour 1": (0, 4), "hours 2-3": (4, 12), "hours 4-6": (12, 24)}
HISTORY_DAYS = 60
PER_DAY = DAY_S // SLOT_S

Values = Sequence[float | None]
Predict = Callable[[SlotHistory, SlotGrid], Forecast]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One measured column on slots of 900 s."""

    start_at: datetime
    values: Values

    def index(self, at: datetime) -> int:
        """Slot of an instant."""
        return int((at - self.start_at) / timedelta(seconds=SLOT_S))

    def part(self, start_at: datetime, count: int) -> Values:
        """Slots from an instant on."""
        first = self.index(start_at)
        return self.values[first : first + count]

    def before(self, at: datetime) -> SlotHistory:
        """The last weeks before an instant."""
        first = max(0, self.index(at) - HISTORY_DAYS * PER_DAY)
        start_at = self.start_at + timedelta(seconds=first * SLOT_S)
        return SlotHistory(start_at=start_at, mean_w=self.values[first : self.index(at)])


@dataclass(slots=True, kw_only=True)
class Scores:
    """All slots of one forecast, and of the naive ones."""

    issued_at: datetime
    measured: list[float | None]
    mean_w: list[float]
    quantiles_w: dict[float, list[float]]
    others: dict[str, tuple[list[float], list[float | None]]]


def read_columns(path: Path, *, names: Sequence[str], step_s: int) -> dict[str, Series]:
    """Columns of a measured file, each value held over the slots of its step."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    start_at = datetime.fromisoformat(rows[0]["time_utc"]).astimezone(UTC)
    held = step_s // SLOT_S
    return {
        name: Series(
            start_at=start_at, values=[float(row[name]) if row[name] else None for row in rows for _ in range(held)]
        )
        for name in names
    }


def days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=shift) for shift in range((last - first).days + 1))


def _mean(values: Values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def naive_forecasts(history: SlotHistory, count: int) -> dict[str, list[float]]:
    """Yesterday, last week and the 7-day mean at the same time (UTC), for up to a day after the end of the history."""

    def back(index: int, lag: int) -> float | None:
        source = len(history.mean_w) + index - lag * PER_DAY
        return history.mean_w[source] if 0 <= source < len(history.mean_w) else None

    week = [_mean([back(index, lag) for lag in range(1, 8)]) for index in range(count)]
    typical = _mean(history.mean_w) or 0.0
    filled = [typical if value is None else value for value in week]

    def lagged(lag: int) -> list[float]:
        values = [back(index, lag) for index in range(count)]
        return [own if own is not None else other for own, other in zip(values, filled, strict=True)]

    return {"yesterday": lagged(1), "last week": lagged(7), "7-day mean": filled}


def collect(
    series: Series, predict: Predict, issues: Sequence[tuple[datetime, int]], *, owner: Series | None
) -> list[Scores]:
    """Scores of each issue."""
    results: list[Scores] = []
    for issued_at, count in issues:
        history = series.before(issued_at)
        measured = list(series.part(issued_at, count))
        forecast = predict(history, SlotGrid(start_at=issued_at, count=count))
        others = {name: (values, measured) for name, values in naive_forecasts(history, count).items()}
        if owner is not None:
            held = owner.part(issued_at, count)
            both = [
                truth if (known or 0) + (truth or 0) > 0 and known is not None else None
                for truth, known in zip(measured, held, strict=True)
            ]
            others[OWNER] = ([value or 0.0 for value in held], both)
            others[SAME_SLOTS] = (list(forecast.p50_w), both)
        results.append(
            Scores(
                issued_at=issued_at,
                measured=measured,
                mean_w=list(forecast.mean_w),
                quantiles_w={level: list(values) for level, values in forecast.quantiles_w.items()},
                others=others,
            )
        )
    return results


def summarise(scores: Sequence[Scores], first: int, end: int) -> dict[str, object]:
    """Figures over the slots ``first..end`` of each issue. Bands are judged where they have a width: night is dark."""
    measured = [value for each in scores for value in each.measured[first:end]]
    mean_w = [value for each in scores for value in each.mean_w[first:end]]
    levels = {
        level: [value for each in scores for value in each.quantiles_w[level][first:end]] for level in QUANTILE_LEVELS
    }
    own = mean_absolute_error(levels[0.5], measured) or 0.0
    other_errors: dict[str, float] = {}
    for name in scores[0].others:
        values = [value for each in scores for value in each.others[name][0][first:end]]
        truths = [value for each in scores for value in each.others[name][1][first:end]]
        other_errors[name] = mean_absolute_error(values, truths) or 0.0
    losses = [pinball_loss(values, measured, level_ratio=level) or 0.0 for level, values in levels.items()]
    return {
        "mae_w": own,
        "bias_w": mean_error(mean_w, measured),
        "pinball_w": sum(losses) / len(losses),
        "coverage_80_ratio": _held(levels[0.1], levels[0.9], measured),
        "coverage_90_ratio": _held(levels[0.05], levels[0.95], measured),
        "others_mae_w": other_errors,
        "error_ratio_to": {name: own / error for name, error in other_errors.items() if error > 0},
    }


def _held(low_w: list[float], high_w: list[float], measured: list[float | None]) -> float | None:
    uncertain = [
        None if high - low < DARK_W else truth for low, high, truth in zip(low_w, high_w, measured, strict=True)
    ]
    return coverage_ratio(low_w, high_w, uncertain)


def by_month(scores: Sequence[Scores]) -> dict[str, object]:
    """The same per month of issue."""
    months = sorted({each.issued_at.astimezone(HOME_ZONE).strftime("%Y-%m") for each in scores})
    return {
        month: summarise(
            [each for each in scores if each.issued_at.astimezone(HOME_ZONE).strftime("%Y-%m") == month], 0, PER_DAY + 4
        )
        for month in months
    }


def home_report(data: Path, windows: Mapping[str, tuple[date, date]]) -> dict[str, object]:
    """Load and PV of home A, day ahead and hourly, per window."""
    columns = read_columns(data / "home_a_30min.csv.gz", names=("load_w", "pv_w", "pv_forecast_w"), step_s=1800)
    subjects: dict[str, tuple[Series, Predict, Series | None]] = {
        "load": (
            columns["load_w"],
            lambda history, grid: forecast_load(history, grid=grid, issued_at=grid.start_at, zone=HOME_ZONE),
            None,
        ),
        "pv": (
            columns["pv_w"],
            lambda history, grid: forecast_pv(
                history, grid=grid, issued_at=grid.start_at, zone=HOME_ZONE, plant=HOME_PLANT, weather=None
            ),
            columns["pv_forecast_w"],
        ),
    }
    report: dict[str, object] = {}
    for subject, (series, predict, owner) in subjects.items():
        for window, (first, last) in windows.items():
            civil = [civil_day(day, HOME_ZONE) for day in days(first, last)]
            ahead = [(day.start_at, round(day.duration_s) // SLOT_S) for day in civil]
            hourly = [
                (day.start_at + timedelta(hours=hour), 24)
                for day in civil
                for hour in range(round(day.duration_s) // 3600)
            ]
            daily = collect(series, predict, ahead, owner=owner)
            entry: dict[str, object] = {"day ahead": summarise(daily, 0, PER_DAY + 4)}
            scores = collect(series, predict, hourly, owner=owner)
            entry |= {name: summarise(scores, *slots) for name, slots in LEADS.items()}
            report[f"{subject} {window}"] = entry | by_month(daily)
    return report


def weather_report(data: Path, *, choosing: bool) -> dict[str, object]:
    """The plant in Colorado, with and without weather, against yesterday.

    The forecast irradiance is the satellite's, times an error that is first-order autoregressive along the lead: 0 at
    the issue, standard deviation 25 % a day ahead, memory 24 h, seed 1, a path of its own for each hour of issue.
    """
    columns = read_columns(data / "pv_system_15min.csv.gz", names=("pv_w", "ghi_wm2", "temp_c"), step_s=SLOT_S)
    report: dict[str, object] = {}
    for name, with_weather in (("with weather", True), ("without", False)):

        def predict(history: SlotHistory, grid: SlotGrid, *, with_weather: bool = with_weather) -> Forecast:
            weather = _erring_weather(columns, history, grid) if with_weather else None
            return forecast_pv(
                history, grid=grid, issued_at=grid.start_at, zone=COLORADO_ZONE, plant=COLORADO_PLANT, weather=weather
            )

        civil = [civil_day(day, COLORADO_ZONE) for day in days(*(FIRST_HALF if choosing else SECOND_HALF))]
        ahead = [(day.start_at, round(day.duration_s) // SLOT_S) for day in civil]
        hourly = [(day.start_at + timedelta(hours=hour), 24) for day in civil for hour in range(24)]
        scores = collect(columns["pv_w"], predict, hourly, owner=None)
        entry = {"day ahead": summarise(collect(columns["pv_w"], predict, ahead, owner=None), 0, PER_DAY + 4)}
        report[f"Colorado {name}"] = entry | {lead: summarise(scores, *slots) for lead, slots in LEADS.items()}
    return report


def _erring_weather(columns: Mapping[str, Series], history: SlotHistory, grid: SlotGrid) -> Weather:
    lead_h = [(start_at - grid.start_at) / timedelta(hours=1) for start_at in grid.starts()]
    errors, _ = autoregressive_errors(lead_h, seed=[1, 5, round(unix_s(grid.start_at)) // 3600])
    ahead = [
        None if value is None else max(0.0, value * (1 + IRRADIANCE_ERROR_RATIO * float(error)))
        for value, error in zip(columns["ghi_wm2"].part(grid.start_at, grid.count), errors, strict=True)
    ]
    count = len(history.mean_w)
    return Weather(
        start_at=history.start_at,
        ghi_wm2=[*columns["ghi_wm2"].part(history.start_at, count), *ahead],
        air_c=columns["temp_c"].part(history.start_at, count + grid.count),
    )


def price_report(data: Path, windows: Mapping[str, tuple[date, date]]) -> dict[str, object]:
    """The day after the last published one, per window [EUR/kWh]."""
    raw = read_columns(data / "prices_nl_2024_hourly.csv.gz", names=("NL",), step_s=3600)["NL"]
    spot = [None if value is None else value / 1000 for value in raw.values]
    series = Series(start_at=raw.start_at, values=spot)
    report: dict[str, object] = {}
    for window, (first, last) in windows.items():
        errors: dict[str, list[float]] = {}
        for day in days(first, last):
            start_at = local_midnight(day, PRICE_ZONE)
            history = series.before(start_at)
            published = PublishedPrices(start_at=history.start_at, spot_eur_per_kwh=history.mean_w)
            curve = predict_spot(published, grid=SlotGrid(start_at=start_at, count=PER_DAY), zone=PRICE_ZONE)
            truth = series.part(start_at, PER_DAY)
            named = {"ours": list(curve.spot_eur_per_kwh)} | naive_forecasts(history, PER_DAY)
            for name, values in named.items():
                errors.setdefault(name, []).append(mean_absolute_error(values, truth) or 0.0)
        means = {name: sum(values) / len(values) for name, values in errors.items()}
        report[window] = {
            "mae_eur_per_kwh": means,
            "error_ratio_to": {name: means["ours"] / value for name, value in means.items() if name != "ours"},
        }
    return report


def time_per_call_ms(data: Path) -> dict[str, float]:
    """Mean time of one forecast of 192 slots from four weeks of history."""
    columns = read_columns(data / "home_a_30min.csv.gz", names=("load_w", "pv_w"), step_s=1800)
    at = local_midnight(date(2024, 11, 20), HOME_ZONE)
    grid = SlotGrid(start_at=at, count=192)
    rounds = 20
    began = time.perf_counter()
    for _ in range(rounds):
        forecast_load(columns["load_w"].before(at), grid=grid, issued_at=at, zone=HOME_ZONE)
    between = time.perf_counter()
    for _ in range(rounds):
        history = columns["pv_w"].before(at)
        forecast_pv(history, grid=grid, issued_at=at, zone=HOME_ZONE, plant=HOME_PLANT, weather=None)
    ended = time.perf_counter()
    return {"load": (between - began) / rounds * 1000, "pv": (ended - between) / rounds * 1000}


def print_report(home: Mapping[str, Any], prices: Mapping[str, Any], time_ms: Mapping[str, float]) -> None:
    for subject, leads in home.items():
        print(f"\n{subject} [W]")
        for lead, figures in leads.items():
            others = ", ".join(
                f"{name} {error:.0f}"
                + ("" if name in (OWNER, SAME_SLOTS) else f" ({skill_ratio(figures['mae_w'], error) or 0.0:+.0%})")
                for name, error in figures["others_mae_w"].items()
            )
            covered = figures["coverage_90_ratio"]
            held = "-" if covered is None else f"{covered:.0%}"
            print(
                f"  {lead:10} error {figures['mae_w']:5.0f}, bias {figures['bias_w']:+5.0f}, "
                f"pinball {figures['pinball_w']:4.0f}, 90 % hold {held}; {others}"
            )
    print("\nprice of the day after the last published one [ct/kWh]")
    for window, figures in prices.items():
        print(
            f"  {window:10} "
            + ", ".join(f"{name} {100 * value:.2f}" for name, value in figures["mae_eur_per_kwh"].items())
        )
    print(
        "\ntime per forecast of 192 slots [ms]: " + ", ".join(f"{name} {value:.1f}" for name, value in time_ms.items())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Forecast errors on measured homes.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the measured data")
    parser.add_argument("--choosing", action="store_true", help="the windows that constants are chosen on")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    arguments = parser.parse_args()
    windows = CHOOSING if arguments.choosing else REPORTED
    home = home_report(arguments.data, windows) | weather_report(arguments.data, choosing=arguments.choosing)
    prices = price_report(arguments.data, windows)
    time_ms = time_per_call_ms(arguments.data)
    if arguments.json:
        print(json.dumps({"home": home, "price": prices, "time_ms": time_ms}, indent=2))
    else:
        print_report(home, prices, time_ms)


if __name__ == "__main__":
    main()
