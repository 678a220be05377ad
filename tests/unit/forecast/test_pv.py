"""PV forecasts of plants under skies that can be read off."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.time import SlotGrid
from hems.forecast.pv import forecast_pv

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MIDNIGHT_AT = datetime(2024, 6, 3, tzinfo=UTC)
PEAK_W = 5_000.0


def day(ratio: float = 1.0) -> list[float | None]:
    """A triangle from 06:00 to 18:00 UTC, 4,000 W at noon under a clear sky."""
    return [ratio * max(0.0, 4_000.0 * (1 - abs(slot - 48) / 24)) for slot in range(96)]


def forecast_after(
    values: list[float | None], *, start_at: datetime = MIDNIGHT_AT, count: int = 96, peak_w: float = PEAK_W
) -> Forecast:
    history = SlotHistory(start_at=start_at, mean_w=values)
    grid = SlotGrid(start_at=history.end_at, count=count)
    return forecast_pv(history, grid=grid, issued_at=history.end_at, zone=AMSTERDAM, peak_w=peak_w)


def test_an_unmeasured_plant_may_give_anything_by_day_and_nothing_by_night():
    forecast = forecast_after([])
    local_hours = [at.astimezone(AMSTERDAM).hour for at in forecast.grid.starts()]
    light = [8 <= hour < 18 for hour in local_hours]
    assert forecast.mean_w == pytest.approx([0.2 * PEAK_W if lit else 0.0 for lit in light])
    assert set(forecast.p10_w) == {0.0}
    assert forecast.p90_w == pytest.approx([PEAK_W if lit else 0.0 for lit in light])


def test_after_one_day_tomorrow_is_like_today_but_the_sky_is_open():
    forecast = forecast_after(day(0.5))
    assert forecast.mean_w == pytest.approx(day(0.5))
    assert forecast.p10_w[48] < 2_000.0


def test_a_dull_morning_makes_a_dull_afternoon_and_less_so_a_dull_tomorrow():
    """Ten clear days, then a morning at a fifth: an hour ahead near a fifth, tomorrow in between."""
    forecast = forecast_after([*day() * 10, *day(0.2)[:48]], count=96)
    clear = day()
    assert forecast.mean_w[4] < 0.45 * float(clear[52] or 0.0)
    assert 0.5 * 4_000.0 < forecast.mean_w[95] < 0.9 * 4_000.0


def test_a_bright_morning_after_dull_days_is_never_brighter_than_what_was_seen():
    history = [*day(0.9), *day(0.3) * 9, *day(0.9)[:48]]
    forecast = forecast_after(history, count=48)
    seen_w = [0.9 * float(value or 0.0) for value in day()]
    around_w = [max(seen_w[max(0, slot - 2) : slot + 3]) for slot in range(48, 96)]
    assert forecast.mean_w[2] > 0.6 * float(day()[50] or 0.0)
    assert all(high <= limit + 1e-9 for high, limit in zip(forecast.p90_w, around_w, strict=True))


def test_a_smaller_nameplate_than_measured_caps_the_forecast():
    forecast = forecast_after(day() * 3, peak_w=2_500.0)
    assert max(forecast.p90_w) == 2_500.0


def test_the_sun_does_not_change_its_clock():
    """Across the change of 31 March the production stays where it was in UTC."""
    start_at = datetime(2024, 3, 26, tzinfo=UTC)
    forecast = forecast_after(day(0.8) * 5, start_at=start_at, count=192)
    assert forecast.mean_w == pytest.approx(day(0.8) * 2)


def test_the_band_of_the_next_hour_is_narrower_than_that_of_tomorrow_at_the_same_time():
    skies = [1.0, 0.3, 0.8, 0.5, 1.0, 0.2, 0.7, 0.6, 0.9, 0.4]
    forecast = forecast_after([value for ratio in skies for value in day(ratio)] + day(0.6)[:44], count=100)
    now_w, tomorrow_w = (forecast.p90_w[index] - forecast.p10_w[index] for index in (0, 96))
    assert now_w < 0.75 * tomorrow_w


def test_a_silent_meter_leaves_the_usual_day():
    forecast = forecast_after([*day() * 5, *[None] * 48], count=48)
    assert forecast.mean_w == pytest.approx(day()[48:])


def test_a_plant_without_a_peak_is_refused():
    with pytest.raises(ValueError, match="peak_w"):
        forecast_after(day(), peak_w=0.0)


def test_slots_that_end_after_the_issue_are_not_looked_at():
    """Issued five minutes into a slot: its value is not known yet."""
    history = SlotHistory(start_at=MIDNIGHT_AT, mean_w=[*day() * 3, *day()[:48], 4_000.0])
    issued_at = MIDNIGHT_AT + timedelta(days=3, hours=12, minutes=5)
    grid = SlotGrid(start_at=MIDNIGHT_AT + timedelta(days=3, hours=12), count=8)
    honest = SlotHistory(start_at=MIDNIGHT_AT, mean_w=history.mean_w[:-1])
    told = forecast_pv(history, grid=grid, issued_at=issued_at, zone=AMSTERDAM, peak_w=PEAK_W)
    assert told == forecast_pv(honest, grid=grid, issued_at=issued_at, zone=AMSTERDAM, peak_w=PEAK_W)
