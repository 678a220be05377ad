"""Load forecasts of small houses whose habits can be read off."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.time import SlotGrid
from hems.forecast.load import forecast_load

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MONDAY_AT = datetime(2024, 11, 3, 23, tzinfo=UTC)
"""Monday, 4 November 2024, 00:00 in Amsterdam."""


def forecast_after(values: list[float | None], *, start_at: datetime = MONDAY_AT, count: int = 96) -> Forecast:
    history = SlotHistory(start_at=start_at, mean_w=values)
    grid = SlotGrid(start_at=history.end_at, count=count)
    return forecast_load(history, grid=grid, issued_at=history.end_at, zone=AMSTERDAM)


def day_with_peak(hour: int, *, base_w: float = 200.0, peak_w: float = 2_000.0) -> list[float | None]:
    return [peak_w if slot // 4 == hour else base_w for slot in range(96)]


def test_an_unmeasured_house_uses_an_average_houses_power_within_a_wide_band():
    forecast = forecast_after([None] * 96)
    assert set(forecast.mean_w) == {400.0}
    assert set(forecast.p10_w) == {100.0}
    assert set(forecast.p90_w) == {1500.0}


def test_after_one_day_tomorrow_is_like_today_within_a_band_that_knows_better():
    forecast = forecast_after(day_with_peak(18))
    assert forecast.mean_w == pytest.approx([2_000.0 if slot // 4 == 18 else 200.0 for slot in range(96)])
    assert forecast.p10_w[18 * 4] == 200.0
    assert forecast.p90_w[18 * 4] == 2_000.0


def test_two_days_ahead_is_forecast_after_one_day():
    forecast = forecast_after(day_with_peak(18), count=192)
    assert forecast.mean_w[96:] == pytest.approx(forecast.mean_w[:96])


def test_an_empty_house_stays_empty():
    """Nine busy days and three of absence, then a fourth empty morning: the evening peak of the busy days is gone."""
    empty: list[float | None] = [100.0] * 96
    history = [value for _ in range(9) for value in day_with_peak(18, base_w=400.0)] + empty * 3 + empty[:64]
    forecast = forecast_after(history, count=32)
    assert max(forecast.mean_w) < 350.0, "a plain mean of the days says 1,530 W at 18:00"


def test_an_unusual_half_hour_goes_on_for_a_while():
    """1,000 W above a steady 500 W: 45 % of it now, 45 % / e after 50 minutes, nothing by the evening."""
    steady: list[float | None] = [500.0] * (96 * 7 + 30)
    forecast = forecast_after([*steady, 1_500.0, 1_500.0], count=64)
    assert forecast.mean_w[0] == pytest.approx(950.0, abs=1.0)
    assert forecast.mean_w[3] < forecast.mean_w[0] - 100.0
    assert forecast.mean_w[-1] == pytest.approx(500.0, abs=1.0)


def test_a_saturday_is_told_from_a_friday():
    """Monday to Friday peak at 18:00, Saturday and Sunday at 12:00; issued at midnight in the third week."""
    week = [value for day in range(7) for value in day_with_peak(12 if day >= 5 else 18)]
    friday, saturday = (forecast_after([*week, *week, *week[: days * 96]]) for days in (4, 5))
    assert saturday.mean_w[12 * 4] > friday.mean_w[12 * 4] + 150.0
    assert saturday.mean_w[18 * 4] < friday.mean_w[18 * 4] - 150.0


@pytest.mark.parametrize(
    ("changes_at", "slots"),
    [
        pytest.param(datetime(2024, 3, 30, 23, tzinfo=UTC), 92, id="spring"),
        pytest.param(datetime(2024, 10, 26, 22, tzinfo=UTC), 100, id="autumn"),
    ],
)
def test_breakfast_stays_at_seven_when_the_clock_changes(changes_at: datetime, slots: int):
    """A week of breakfasts at 07:00 before the change; the day of the change and the day after."""
    history = SlotHistory(start_at=changes_at - timedelta(days=7), mean_w=day_with_peak(7) * 7)
    grid = SlotGrid(start_at=changes_at, count=slots + 96)
    forecast = forecast_load(history, grid=grid, issued_at=changes_at, zone=AMSTERDAM)
    hours = [at.astimezone(AMSTERDAM).hour for at in grid.starts()]
    assert forecast.mean_w == pytest.approx([2_000.0 if hour == 7 else 200.0 for hour in hours])


def test_a_day_of_the_changed_clock_lines_up_in_the_past_too():
    """Monday after the autumn change: Saturday's breakfast, and Sunday's an hour of UTC later."""
    days = [day_with_peak(7), [*day_with_peak(7)[:8], *[200.0] * 4, *day_with_peak(7)[8:]]]
    forecast = forecast_after([value for day in days for value in day], start_at=datetime(2024, 10, 25, 22, tzinfo=UTC))
    assert forecast.mean_w == pytest.approx(day_with_peak(7))


def test_an_hour_that_was_lived_twice_counts_as_the_mean_of_both():
    """Sunday, 27 October: 400 W from 02:00 to 03:00 summer time, 800 W in the same hour of winter time."""
    sunday: list[float | None] = [*[200.0] * 8, *[400.0] * 4, *[800.0] * 4, *[200.0] * 84]
    forecast = forecast_after(sunday, start_at=datetime(2024, 10, 26, 22, tzinfo=UTC))
    assert forecast.mean_w == pytest.approx([600.0 if 8 <= slot < 12 else 200.0 for slot in range(96)])


def test_a_load_that_ends_early_does_not_make_the_next_hours_negative():
    """3,000 W from 00:00 to 01:00 every day, today nothing: what is missing is carried, but not below 0 W."""
    nightly: list[float | None] = [*[3_000.0] * 4, *[50.0] * 92]
    forecast = forecast_after([*nightly * 7, 3_000.0, 3_000.0, 0.0, 0.0], count=8)
    assert min(forecast.mean_w) == 0.0


def test_a_grid_of_other_slots_than_the_history_is_refused():
    history = SlotHistory(start_at=MONDAY_AT, mean_w=[1.0] * 48, slot_s=1800)
    with pytest.raises(ValueError, match="1800 s"):
        forecast_load(
            history, grid=SlotGrid(start_at=history.end_at, count=4), issued_at=history.end_at, zone=AMSTERDAM
        )


def test_slots_that_do_not_divide_the_day_are_refused():
    history = SlotHistory(start_at=MONDAY_AT, mean_w=[1.0] * 48, slot_s=1000)
    with pytest.raises(ValueError, match="divide"):
        forecast_load(
            history,
            grid=SlotGrid(start_at=history.end_at, count=4, slot_s=1000),
            issued_at=history.end_at,
            zone=AMSTERDAM,
        )
