"""Kept forecasts held against what happened, by kind and lead."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hems.domain.kept_forecast import ForecastKind, KeptForecast
from hems.domain.time import SLOT_S
from hems.forecast.quality import coverage_ratio, mean_absolute_error, pinball_loss, skill_ratio

Measured = Callable[[str, datetime, datetime], Sequence[float | None]]
"""Slots of a series in ``[start, end)``, None where nothing was measured."""

NAIVE = (timedelta(days=1), timedelta(days=7))
"""Yesterday and last week at the same time of UTC: at a change of the clock they are an hour off, as naive ones are."""

LEADS: tuple[tuple[str, ForecastKind, int, int], ...] = (
    ("next hour", ForecastKind.HOURS, 0, 3_600),
    ("2 to 6 hours", ForecastKind.HOURS, 3_600, 21_600),
    ("day ahead", ForecastKind.DAY, 0, 100_000),
)
"""In words, of which kind, and from which to which second ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastScore:
    """How good the forecasts of one series were at one lead, over slots that were measured and have both references."""

    series: str
    lead: str
    slots: int
    plain_ratio: float
    """Share of slots whose forecast the daemon had to make itself."""
    mean_absolute_error_w: float
    bias_w: float
    """Positive: forecast too high."""
    pinball_w: float
    """Mean loss of the band's two ends [W]."""
    coverage_ratio: float
    """Share inside the band, which should be 0.8."""
    yesterday_error_w: float
    last_week_error_w: float
    skill_ratio: float | None
    """Part of the better naive one's error that was avoided; None where that one made none."""


def scores(kept: Sequence[KeptForecast], measured: Measured) -> list[ForecastScore]:
    """One score for each series and lead that has any slot to score."""
    found = []
    for series in sorted({each.series for each in kept}):
        for lead, kind, from_s, to_s in LEADS:
            rows: list[tuple[float, ...]] = []
            plain = 0
            for each in kept:
                if each.series == series and each.kind is kind:
                    own = list(_rows(each, measured, from_s, to_s))
                    rows += own
                    plain += len(own) if each.plain else 0
            if rows:
                found.append(_score(series, lead, rows, plain_ratio=plain / len(rows)))
    return found


def _rows(kept: KeptForecast, measured: Measured, from_s: int, to_s: int) -> Iterator[tuple[float, ...]]:
    """Mean, median, band, truth, yesterday, last week of each slot that has all of them."""
    first, end = from_s // SLOT_S, min(to_s // SLOT_S, kept.grid.count)
    if end <= first:
        return
    start_at, end_at = kept.grid.slot_start(first), kept.grid.slot_start(end)
    truth = measured(kept.series, start_at, end_at)
    before = [measured(kept.series, start_at - back, end_at - back) for back in NAIVE]
    own = tuple(each[first:end] for each in (kept.mean_w, kept.p50_w or kept.mean_w, kept.p10_w, kept.p90_w))
    for row in zip(*own, truth, *before, strict=True):
        known = tuple(float(value) for value in row if value is not None)
        if len(known) == len(row):
            yield known


def _score(series: str, lead: str, rows: Sequence[tuple[float, ...]], *, plain_ratio: float) -> ForecastScore:
    mean_w, p50_w, p10_w, p90_w, truth, yesterday, last_week = zip(*rows, strict=True)
    error_w = mean_absolute_error(p50_w, truth) or 0.0
    naive_w = [mean_absolute_error(each, truth) or 0.0 for each in (yesterday, last_week)]
    losses = [pinball_loss(p10_w, truth, level_ratio=0.1), pinball_loss(p90_w, truth, level_ratio=0.9)]
    return ForecastScore(
        series=series,
        lead=lead,
        slots=len(rows),
        plain_ratio=plain_ratio,
        mean_absolute_error_w=error_w,
        bias_w=sum(value - true for value, true in zip(mean_w, truth, strict=True)) / len(rows),
        pinball_w=sum(loss or 0.0 for loss in losses) / 2,
        coverage_ratio=coverage_ratio(p10_w, p90_w, truth) or 0.0,
        yesterday_error_w=naive_w[0],
        last_week_error_w=naive_w[1],
        skill_ratio=skill_ratio(error_w, min(naive_w)),
    )
