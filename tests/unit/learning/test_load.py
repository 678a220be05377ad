"""Load forecasts of small houses whose habits can be read off."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hems.domain.forecast import Degraded, Forecast, SlotHistory
from hems.domain.time import SlotGrid
from hems.learning.load import forecast_load

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MONDAY_AT = datetime(2024, 11, 3, 23, tzinfo=UTC)
"""Monday, 4 November 2024, 00:00 in Amsterdam."""

Values = Sequence[float | None]


def forecast_after(values: Values, *, start_at: datetime = MONDAY_AT, count: int = 96) -> Forecast:
    history = SlotHistory(start_at=start_at, mean_w=values)
    grid = SlotGrid(start_at=history.end_at, count=count)
    return forecast_load(history, grid=grid, issued_at=history.end_at, zone=AMSTERDAM)


def day_with_peak(hour: int, *, base_w: float = 200.0, peak_w: float = 2_000.0) -> list[float | None]:
    return [peak_w if slot // 4 == hour else base_w for slot in range(96)]


def test_an_unmeasured_house_uses_an_average_houses_power_and_says_that_it_guesses():
    forecast = forecast_after([None] * 96)
    assert set(forecast.mean_w) == {400.0}
    assert (forecast.p05_w[0], forecast.p95_w[0]) == (60.0, 2500.0)
    assert forecast.degraded == (Degraded.NO_HISTORY,)


def test_after_one_day_tomorrow_is_like_today_and_two_days_ahead_too():
    """Half hours beside the peak know of it: 1,800 W more in a tenth and a seventh of the weight."""
    forecast = forecast_after(day_with_peak(18), count=192)
    assert forecast.mean_w[18 * 4 + 1] == pytest.approx(2_000.0 - 1_800 * 0.2 / 1.4)
    assert forecast.p50_w[18 * 4 + 1] == pytest.approx(2_000.0), "the band of its hours says 200 W"
    assert forecast.mean_w[12 * 4] == pytest.approx(200.0)
    assert forecast.mean_w[96:] == pytest.approx(forecast.mean_w[:96])
    assert forecast.p05_w[12 * 4] == 200.0
    assert forecast.p95_w[18 * 4] == 2_000.0
    assert Degraded.SHORT_HISTORY in forecast.degraded


def test_an_empty_house_stays_empty_and_is_known_as_unusual():
    """Nine busy days and an empty one, then an empty morning: the evening peak of the busy days is gone."""
    empty: list[float | None] = [100.0] * 96
    history = [value for _ in range(9) for value in day_with_peak(18, base_w=400.0)] + empty + empty[:64]
    forecast = forecast_after(history, count=32)
    assert max(forecast.mean_w) < 600.0, "a plain mean of the days says 1,810 W at 18:00"
    assert max(forecast.p50_w) < 150.0
    assert Degraded.UNUSUAL_DAY in forecast.degraded
    usual = forecast_after([value for _ in range(9) for value in day_with_peak(18, base_w=400.0)])
    assert Degraded.UNUSUAL_DAY not in usual.degraded


def test_a_household_that_comes_back_is_expected_after_its_first_evening():
    """Three weeks at home, two weeks away, home since noon yesterday: this evening is like those at home."""
    home, away = day_with_peak(18, base_w=400.0), [100.0] * 96
    history = [*home * 21, *away * 14, *away[:48], *home[48:], *home[:64]]
    forecast = forecast_after(history, count=32)
    assert forecast.mean_w[9] > 1_000.0, "a mean of two weeks says 230 W at 18:15"
    assert forecast.mean_w[0] > 300.0


def test_an_unusual_half_hour_goes_on_for_a_while_in_mean_and_quantiles():
    """1,000 W above a steady 500 W: 60 % of it now, and nothing by the evening."""
    steady: list[float | None] = [500.0] * (96 * 7 + 30)
    forecast = forecast_after([*steady, 1_500.0, 1_500.0], count=64)
    assert forecast.mean_w[0] == pytest.approx(1_100.0, abs=1.0)
    assert forecast.p50_w[0] == pytest.approx(950.0, abs=1.0)
    assert forecast.mean_w[3] < forecast.mean_w[0] - 100.0
    assert forecast.mean_w[-1] == pytest.approx(500.0, abs=1.0)


def test_a_saturday_is_told_from_a_friday():
    """Monday to Friday peak at 18:00, Saturday and Sunday at 12:00; issued at midnight in the third week."""
    week = [value for day in range(7) for value in day_with_peak(12 if day >= 5 else 18)]
    friday, saturday = (forecast_after([*week, *week, *week[: days * 96]]) for days in (4, 5))
    assert saturday.mean_w[12 * 4 + 1] > friday.mean_w[12 * 4 + 1] + 100.0
    assert saturday.mean_w[18 * 4 + 1] < friday.mean_w[18 * 4 + 1] - 100.0


@pytest.mark.parametrize(
    ("changes_at", "slots"),
    [
        pytest.param(datetime(2024, 3, 30, 23, tzinfo=UTC), 92, id="spring"),
        pytest.param(datetime(2024, 10, 26, 22, tzinfo=UTC), 100, id="autumn"),
    ],
)
def test_breakfast_stays_at_seven_when_the_clock_changes_and_the_change_is_named(changes_at: datetime, slots: int):
    """A week of breakfasts at 07:00 before the change; the day of the change and the day after."""
    history = SlotHistory(start_at=changes_at - timedelta(days=7), mean_w=day_with_peak(7) * 7)
    grid = SlotGrid(start_at=changes_at, count=slots + 96)
    forecast = forecast_load(history, grid=grid, issued_at=changes_at, zone=AMSTERDAM)
    hours = [at.astimezone(AMSTERDAM).hour for at in grid.starts()]
    assert [hour for hour, mean_w in zip(hours, forecast.mean_w, strict=True) if mean_w > 1_500.0] == [7] * 8
    assert forecast.degraded == (Degraded.CLOCK_CHANGE,)


def test_an_hour_that_was_lived_twice_counts_as_the_mean_of_both():
    """Sunday, 27 October: 400 W from 02:00 to 03:00 summer time, 800 W in the same hour of winter time."""
    sunday: list[float | None] = [*[200.0] * 8, *[400.0] * 4, *[800.0] * 4, *[200.0] * 84]
    forecast = forecast_after(sunday, start_at=datetime(2024, 10, 26, 22, tzinfo=UTC))
    assert max(forecast.mean_w) == pytest.approx(600.0 - 400 * 0.2 / 1.4)


def test_gaps_and_silence_are_named_and_do_no_harm():
    habit = day_with_peak(18) * 14
    gappy = [None if 0 <= index % 96 - 30 < 12 else value for index, value in enumerate(habit)]
    silent = forecast_after([*habit, None, None, None, None], count=92)
    assert forecast_after(habit).degraded == ()
    assert forecast_after(gappy).degraded == (Degraded.GAPS,)
    assert silent.degraded == (Degraded.SILENT,)
    assert silent.mean_w == pytest.approx(forecast_after(habit).mean_w[4:], abs=1.0)


def test_a_load_that_ends_early_does_not_make_the_next_hours_negative():
    """3,000 W from 00:00 to 01:00 every day, today nothing: what is missing is carried, but not below 0 W."""
    nightly: list[float | None] = [*[3_000.0] * 4, *[50.0] * 92]
    forecast = forecast_after([*nightly * 7, 3_000.0, 3_000.0, 0.0, 0.0], count=8)
    assert min(forecast.mean_w) == 0.0
    assert min(forecast.p05_w) == 0.0


@pytest.mark.parametrize(("slot_s", "reason"), [(1800, "1800 s"), (1000, "divide")])
def test_slots_that_do_not_fit_are_refused(slot_s: int, reason: str):
    history = SlotHistory(start_at=MONDAY_AT, mean_w=[1.0] * 48, slot_s=slot_s)
    grid = SlotGrid(start_at=history.end_at, count=4, slot_s=900 if slot_s == 1800 else slot_s)
    with pytest.raises(ValueError, match=reason):
        forecast_load(history, grid=grid, issued_at=history.end_at, zone=AMSTERDAM)
