"""Prices beyond the published ones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hems.domain.time import SlotGrid
from hems.forecast.price import PublishedPrices, predict_spot

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MONDAY_AT = datetime(2024, 11, 3, 23, tzinfo=UTC)


def working_day(level: float = 0.10) -> list[float]:
    """Dear from 17:00 to 20:00."""
    return [level + (0.10 if 17 <= slot // 4 < 20 else 0.0) for slot in range(96)]


def free_day(level: float = 0.02) -> list[float]:
    return [level] * 96


def weeks(count: int) -> list[float]:
    return [price for _ in range(count) for day in range(7) for price in (free_day() if day >= 5 else working_day())]


def grid_from(start_at: datetime, count: int = 192) -> SlotGrid:
    return SlotGrid(start_at=start_at, count=count)


def test_published_prices_stay_and_the_tail_is_the_usual_day():
    """Three weeks and Monday are published; Tuesday is like Tuesdays."""
    published = PublishedPrices(start_at=MONDAY_AT, spot_eur_per_kwh=[*weeks(3), *working_day()])
    curve = predict_spot(published, grid=grid_from(MONDAY_AT + timedelta(days=21)), zone=AMSTERDAM)
    assert curve.published_count == 96
    assert curve.spot_eur_per_kwh[:96] == tuple(working_day())
    assert curve.spot_eur_per_kwh[96:] == pytest.approx(working_day(), abs=0.006)


def test_a_weekend_is_predicted_from_weekends():
    """Published until Friday; Saturday is cheap, and without the peak of the evening."""
    published = PublishedPrices(start_at=MONDAY_AT, spot_eur_per_kwh=[*weeks(3), *weeks(1)[: 5 * 96]])
    curve = predict_spot(published, grid=grid_from(MONDAY_AT + timedelta(days=26), count=96), zone=AMSTERDAM)
    assert curve.published_count == 0
    assert max(curve.spot_eur_per_kwh) < 0.08, "the same time of all days costs 0.15 on average"


def test_a_dear_last_day_lifts_the_tail_by_two_fifths_of_its_excess():
    """Monday costs 0.05 more than working days so far, and is one of the usual days of Tuesday too."""
    published = PublishedPrices(start_at=MONDAY_AT, spot_eur_per_kwh=[*weeks(3), *working_day(0.15)])
    usual = PublishedPrices(start_at=MONDAY_AT, spot_eur_per_kwh=[*weeks(3), *working_day()])
    tuesday = grid_from(MONDAY_AT + timedelta(days=22), count=96)
    lift = [
        dear - cheap
        for dear, cheap in zip(
            predict_spot(published, grid=tuesday, zone=AMSTERDAM).spot_eur_per_kwh,
            predict_spot(usual, grid=tuesday, zone=AMSTERDAM).spot_eur_per_kwh,
            strict=True,
        )
    ]
    assert min(lift) >= 0.4 * 0.05
    assert max(lift) <= 0.4 * 0.05 + 0.2 * 0.05


def test_the_evening_peak_stays_at_its_hour_when_the_clock_changes():
    """A week before the change of 31 March is published; the tail of 92 and 96 slots peaks at 17:00 local time."""
    change_at = datetime(2024, 3, 30, 23, tzinfo=UTC)
    published = PublishedPrices(start_at=change_at - timedelta(days=7), spot_eur_per_kwh=working_day() * 7)
    grid = grid_from(change_at, count=92 + 96)
    curve = predict_spot(published, grid=grid, zone=AMSTERDAM)
    hours = [at.astimezone(AMSTERDAM).hour for at in grid.starts()]
    assert curve.spot_eur_per_kwh == pytest.approx([0.20 if 17 <= hour < 20 else 0.10 for hour in hours])


def test_a_hole_in_the_published_prices_is_filled_and_ends_the_published_part():
    prices: list[float | None] = [*working_day() * 3]
    prices[2 * 96 + 10] = None
    published = PublishedPrices(start_at=MONDAY_AT, spot_eur_per_kwh=prices)
    curve = predict_spot(published, grid=grid_from(MONDAY_AT + timedelta(days=2), count=96), zone=AMSTERDAM)
    assert curve.published_count == 10
    assert curve.spot_eur_per_kwh == pytest.approx(working_day())


def test_without_any_price_the_curve_is_flat():
    published = PublishedPrices(start_at=MONDAY_AT, spot_eur_per_kwh=[])
    curve = predict_spot(published, grid=grid_from(MONDAY_AT, count=4), zone=AMSTERDAM)
    assert curve.spot_eur_per_kwh == (0.08,) * 4
    assert curve.published_count == 0


def test_negative_prices_are_prices():
    published = PublishedPrices(start_at=MONDAY_AT, spot_eur_per_kwh=[-0.05] * 96 * 3)
    curve = predict_spot(published, grid=grid_from(MONDAY_AT + timedelta(days=3), count=96), zone=AMSTERDAM)
    assert curve.spot_eur_per_kwh == pytest.approx([-0.05] * 96)
