"""How good the forecasts are on measured homes: ``python -m benchmarks.forecast --data FOLDER``.

Walk-forward on home A (half-hourly measurements as slots of 900 s) and the Dutch day-ahead prices: each forecast sees
what ended before it was issued. Load and PV are issued at local midnight for the day, and every hour for the next six;
the naive forecasts they are measured against are yesterday, the same weekday of last week, and the mean of the
last seven days, gaps filled with the mean of the last seven days. Errors count measured slots only.

The constants in ``hems.forecast`` were chosen on 2024-03-01..2024-03-31 and 2024-06-15..2024-10-31 (``--choosing``
shows those). The reported windows, 2024-04-01..2024-04-28 and 2024-11-15..2024-12-12, were never tuned on: change a
constant by what the choosing windows say.
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

from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.time import SLOT_S, SlotGrid, civil_day, local_midnight
from hems.forecast.load import forecast_load
from hems.forecast.price import PublishedPrices, predict_spot
from hems.forecast.pv import forecast_pv
from hems.forecast.quality import bias as mean_error
from hems.forecast.quality import coverage_ratio, mean_absolute_error, skill_ratio
from hems.forecast.series import DAY_S

HOME_ZONE = ZoneInfo("Europe/Paris")
PRICE_ZONE = ZoneInfo("Europe/Amsterdam")
HOME_PEAK_W = 5_000.0
REPORTED = {"april": (date(2024, 4, 1), date(2024, 4, 28)), "november": (date(2024, 11, 15), date(2024, 12, 12))}
CHOOSING = {
    "spring": (date(2024, 3, 8), date(2024, 5, 14)),
    "autumn": (date(2024, 7, 24), date(2024, 11, 14)),
    "late": (date(2025, 1, 24), date(2025, 2, 26)),
}
"""March begins when a week of history is there."""
LEADS = {"hour 1": (0, 4), "hours 2-3": (4, 12), "hours 4-6": (12, 24)}
HISTORY_DAYS = 30
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
    """All slots of one forecast in one window, and of the naive ones."""

    measured: list[float | None]
    mean_w: list[float]
    p10_w: list[float]
    p90_w: list[float]
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
            both = [truth if known is not None else None for truth, known in zip(measured, held, strict=True)]
            others["owner's own"] = ([value or 0.0 for value in held], both)
        results.append(
            Scores(
                measured=measured,
                mean_w=list(forecast.mean_w),
                p10_w=list(forecast.p10_w),
                p90_w=list(forecast.p90_w),
                others=others,
            )
        )
    return results


def summarise(scores: Sequence[Scores], first: int, end: int) -> dict[str, object]:
    """Figures over the slots ``first..end`` of each issue. The band is judged where it has a width: night is dark."""
    measured = [value for each in scores for value in each.measured[first:end]]
    mean_w = [value for each in scores for value in each.mean_w[first:end]]
    p10_w = [value for each in scores for value in each.p10_w[first:end]]
    p90_w = [value for each in scores for value in each.p90_w[first:end]]
    uncertain = [None if high <= low else truth for low, high, truth in zip(p10_w, p90_w, measured, strict=True)]
    own = mean_absolute_error(mean_w, measured) or 0.0
    other_errors: dict[str, float] = {}
    for name in scores[0].others:
        values = [value for each in scores for value in each.others[name][0][first:end]]
        truths = [value for each in scores for value in each.others[name][1][first:end]]
        other_errors[name] = mean_absolute_error(values, truths) or 0.0
    return {
        "mae_w": own,
        "bias_w": mean_error(mean_w, measured),
        "band_coverage_ratio": coverage_ratio(p10_w, p90_w, uncertain),
        "others_mae_w": other_errors,
        "error_ratio_to": {name: own / error for name, error in other_errors.items() if error > 0},
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
                history, grid=grid, issued_at=grid.start_at, zone=HOME_ZONE, peak_w=HOME_PEAK_W
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
            entry = {"day ahead": summarise(collect(series, predict, ahead, owner=owner), 0, PER_DAY + 4)}
            scores = collect(series, predict, hourly, owner=owner)
            entry |= {name: summarise(scores, *slots) for name, slots in LEADS.items()}
            report[f"{subject} {window}"] = entry
    return report


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
        forecast_pv(columns["pv_w"].before(at), grid=grid, issued_at=at, zone=HOME_ZONE, peak_w=HOME_PEAK_W)
    ended = time.perf_counter()
    return {"load": (between - began) / rounds * 1000, "pv": (ended - between) / rounds * 1000}


def print_report(home: Mapping[str, Any], prices: Mapping[str, Any], time_ms: Mapping[str, float]) -> None:
    for subject, leads in home.items():
        print(f"\n{subject} [W]")
        for lead, figures in leads.items():
            others = ", ".join(
                f"{name} {error:.0f} ({skill_ratio(figures['mae_w'], error) or 0.0:+.0%})"
                for name, error in figures["others_mae_w"].items()
            )
            covered = figures["band_coverage_ratio"]
            print(
                f"  {lead:10} error {figures['mae_w']:5.0f}, bias {figures['bias_w']:+5.0f}, "
                f"band holds {'-' if covered is None else f'{covered:.0%}'}; {others}"
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
    home = home_report(arguments.data, windows)
    prices = price_report(arguments.data, windows)
    time_ms = time_per_call_ms(arguments.data)
    if arguments.json:
        print(json.dumps({"home": home, "price": prices, "time_ms": time_ms}, indent=2))
    else:
        print_report(home, prices, time_ms)


if __name__ == "__main__":
    main()
