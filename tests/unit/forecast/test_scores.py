"""Scores of kept forecasts, by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from hems.domain.kept_forecast import ForecastKind, KeptForecast
from hems.domain.time import SlotGrid
from hems.forecast.scores import scores

START_AT = datetime(2024, 5, 1, tzinfo=UTC)


def kept(kind: ForecastKind, count: int, mean_w: int, *, plain: bool = False) -> KeptForecast:
    return KeptForecast(
        series="load_w",
        kind=kind,
        issued_at=START_AT,
        grid=SlotGrid(start_at=START_AT, count=count),
        mean_w=(mean_w,) * count,
        p10_w=(mean_w - 100,) * count,
        p90_w=(mean_w + 100,) * count,
        plain=plain,
    )


def measured(series: str, start_at: datetime, end_at: datetime) -> list[float | None]:
    """500 W on the day, 700 W the day before, 400 W a week before; the first slot was not measured."""
    assert series == "load_w"
    values: list[float | None] = []
    at = start_at
    while at < end_at:
        days = (START_AT - at) / timedelta(days=1)
        level_w = 500.0 if days <= 0 else 700.0 if days <= 1 else 400.0
        values.append(None if at == START_AT else level_w)
        at += timedelta(minutes=15)
    return values


def test_a_day_is_scored_against_the_better_of_yesterday_and_last_week():
    (found,) = scores([kept(ForecastKind.DAY, 96, 530)], measured)
    assert (found.lead, found.slots) == ("day ahead", 95)
    assert (found.mean_absolute_error_w, found.bias_w) == (30.0, 30.0)
    assert (found.yesterday_error_w, found.last_week_error_w) == (200.0, 100.0)
    assert found.skill_ratio == pytest.approx(0.7)
    assert found.coverage_ratio == 1.0
    assert found.pinball_w == pytest.approx((0.1 * 70 + 0.1 * 130) / 2)
    assert found.plain_ratio == 0.0


def test_hours_are_scored_apart_and_a_band_that_misses_says_so():
    first, later = scores([kept(ForecastKind.HOURS, 24, 900, plain=True)], measured)
    assert [(each.lead, each.slots) for each in (first, later)] == [("next hour", 3), ("2 to 6 hours", 20)]
    assert later.coverage_ratio == 0.0
    assert later.skill_ratio == pytest.approx(-3.0)
    assert later.plain_ratio == 1.0


def test_what_was_not_measured_is_not_scored():
    assert (
        scores(
            [kept(ForecastKind.DAY, 96, 500)],
            lambda _, since, until: [None] * round((until - since) / timedelta(minutes=15)),
        )
        == []
    )
