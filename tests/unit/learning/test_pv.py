"""PV forecasts of a plant under skies that can be read off."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from hems.domain.forecast import Degraded, Forecast, SlotHistory
from hems.domain.site import PvPlane
from hems.domain.time import SlotGrid
from hems.learning.pv import Weather, forecast_pv
from hems.learning.sun import Plant, clear_light, production_w, sun_at
from hems.learning.wall import FloatArray

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MIDNIGHT_AT = datetime(2024, 6, 3, tzinfo=UTC)
PLANE = PvPlane(peak_w=5_000.0, tilt_deg=35.0, azimuth_deg=180.0)
PLANT = Plant(planes=(PLANE,), latitude_deg=52.0, longitude_deg=5.0)

Values = Sequence[float | None]


def clear(days: float, *, start_at: datetime = MIDNIGHT_AT, plant: Plant = PLANT) -> list[float]:
    """What the plant gives under a clear sky, in the middle of each slot."""
    middles: FloatArray = start_at.timestamp() + 900.0 * (np.arange(round(96 * days), dtype=np.float64) + 0.5)
    sun = sun_at(middles, latitude_deg=plant.latitude_deg, longitude_deg=plant.longitude_deg)
    return [float(value) for value in production_w(plant, sun, clear_light(sun))]


def light(days: float, ratio: float = 1.0) -> list[float]:
    """Global irradiance of a clear sky, times a ratio."""
    middles: FloatArray = MIDNIGHT_AT.timestamp() + 900.0 * (np.arange(round(96 * days), dtype=np.float64) + 0.5)
    sun = sun_at(middles, latitude_deg=PLANT.latitude_deg, longitude_deg=PLANT.longitude_deg)
    return [ratio * float(value) for value in clear_light(sun).global_wm2]


def forecast_after(
    values: Values,
    *,
    count: int = 96,
    plant: Plant = PLANT,
    weather: Weather | None = None,
    start_at: datetime = MIDNIGHT_AT,
) -> Forecast:
    history = SlotHistory(start_at=start_at, mean_w=values)
    grid = SlotGrid(start_at=history.end_at, count=count)
    return forecast_pv(history, grid=grid, issued_at=history.end_at, zone=AMSTERDAM, plant=plant, weather=weather)


def energy_wh(values: Sequence[float]) -> float:
    return sum(values) / 4


def test_a_plant_without_a_past_gives_half_of_its_clear_sky_and_may_give_all():
    forecast = forecast_after([])
    assert energy_wh(forecast.mean_w) == pytest.approx(energy_wh(clear(1)) / 2, rel=0.02)
    assert forecast.mean_w[0] == forecast.p95_w[0] == 0.0
    assert forecast.p05_w[48] < 500.0
    assert forecast.p95_w[48] > 0.9 * clear(1)[48]
    assert forecast.degraded == (Degraded.NO_HISTORY, Degraded.NO_WEATHER)


def test_a_plant_without_a_past_believes_the_weather():
    """A forecast at a fifth of the light of a clear sky; diffuse light falls on tilted modules, too."""
    weather = Weather(start_at=MIDNIGHT_AT, ghi_wm2=light(2, ratio=0.2))
    forecast = forecast_after([], weather=weather)
    assert 0.15 < energy_wh(forecast.mean_w) / energy_wh(clear(1)) < 0.25
    assert Degraded.NO_WEATHER not in forecast.degraded


def test_clear_days_are_followed_by_a_clear_day_of_its_own_season():
    """Three weeks of clear March days: each is longer than the one before, and the next is expected so."""
    start_at = datetime(2024, 3, 1, tzinfo=UTC)
    forecast = forecast_after(clear(21, start_at=start_at), start_at=start_at)
    tomorrow = clear(22, start_at=start_at)[-96:]
    yesterday = clear(21, start_at=start_at)[-96:]
    assert energy_wh(yesterday) < 0.995 * energy_wh(tomorrow)
    assert energy_wh(forecast.mean_w) == pytest.approx(energy_wh(tomorrow), rel=0.015)


def test_a_tree_in_the_afternoon_is_learned_from_the_plants_own_past():
    shaded = [value * (0.2 if index % 96 >= 56 else 1.0) for index, value in enumerate(clear(15))]
    forecast = forecast_after(shaded[: 14 * 96])
    assert sum(forecast.mean_w[60:76]) == pytest.approx(sum(shaded[14 * 96 + 60 : 14 * 96 + 76]), rel=0.15)
    assert sum(forecast.mean_w[28:48]) == pytest.approx(sum(clear(15)[14 * 96 + 28 : 14 * 96 + 48]), rel=0.05)


def test_modules_that_were_declared_wrong_are_corrected_by_what_they_gave():
    west = replace(PLANT, planes=(replace(PLANE, azimuth_deg=270.0),))
    given = clear(15, plant=west)
    forecast = forecast_after(given[: 14 * 96])
    error_w = np.abs(np.array(forecast.mean_w) - np.array(given[14 * 96 :])).mean()
    undisturbed_w = np.abs(np.array(clear(15)[14 * 96 :]) - np.array(given[14 * 96 :])).mean()
    assert error_w < 0.15 * undisturbed_w


def test_a_dull_morning_makes_a_dull_hour_and_less_so_a_dull_tomorrow():
    values = clear(11)
    dull = [value * (0.2 if index >= 10 * 96 else 1.0) for index, value in enumerate(values)][: 10 * 96 + 48]
    forecast = forecast_after(dull, count=96)
    assert forecast.mean_w[4] < 0.5 * values[52]
    assert 0.4 * values[48] < forecast.mean_w[95] < 0.9 * values[48]


def test_never_more_than_the_nameplate_nor_than_the_best_of_known_days():
    values = [0.6 * value for value in clear(12)]
    forecast = forecast_after(values[: 11 * 96 + 40])
    assert max(forecast.p95_w) <= 1.05 * max(values)
    small = replace(PLANT, planes=(replace(PLANE, peak_w=1_000.0),))
    assert max(forecast_after(clear(3), plant=small).p95_w) <= 1_000.0


def test_weather_moves_tomorrow_and_slots_without_it_are_named():
    """Two clear weeks, tomorrow forecast at a third of the light, known for tomorrow only."""
    history = clear(14)
    ghi: list[float | None] = [*light(14), *light(15, ratio=1 / 3)[14 * 96 :]]
    forecast = forecast_after(history, count=192, weather=Weather(start_at=MIDNIGHT_AT, ghi_wm2=ghi))
    tomorrow, later = energy_wh(forecast.mean_w[:96]), energy_wh(forecast.mean_w[96:])
    assert 0.2 < tomorrow / energy_wh(history[-96:]) < 0.45
    assert later > 0.9 * energy_wh(history[-96:])
    assert forecast.degraded == (Degraded.NO_WEATHER,)


def test_a_silent_meter_leaves_the_usual_day_and_is_named():
    forecast = forecast_after([*clear(14)[: 13 * 96], *[None] * 40], count=56)
    assert forecast.mean_w[10:] == pytest.approx(clear(14)[13 * 96 + 50 :], rel=0.1, abs=30.0)
    assert Degraded.SILENT in forecast.degraded


def test_a_day_of_the_clock_change_is_named_and_the_sun_does_not_move():
    start_at = datetime(2024, 3, 20, tzinfo=UTC)
    forecast = forecast_after(clear(11, start_at=start_at), start_at=start_at, count=96)
    peak = int(np.argmax(forecast.mean_w))
    assert abs(peak - int(np.argmax(clear(1, start_at=start_at)))) <= 1
    assert Degraded.CLOCK_CHANGE in forecast_after(clear(10.9, start_at=start_at), start_at=start_at, count=96).degraded


def test_slots_that_end_after_the_issue_are_not_looked_at():
    """Issued five minutes into a slot: its value is not known yet."""
    honest = SlotHistory(start_at=MIDNIGHT_AT, mean_w=clear(3.5))
    told = SlotHistory(start_at=MIDNIGHT_AT, mean_w=[*clear(3.5), 4_000.0])
    issued_at = honest.end_at + timedelta(minutes=5)
    grid = SlotGrid(start_at=honest.end_at, count=8)
    first, second = (
        forecast_pv(each, grid=grid, issued_at=issued_at, zone=AMSTERDAM, plant=PLANT, weather=None)
        for each in (honest, told)
    )
    assert first == second


def test_a_plant_without_a_peak_is_refused():
    with pytest.raises(ValueError, match="peak_w"):
        forecast_after(clear(1), plant=replace(PLANT, planes=(replace(PLANE, peak_w=0.0),)))
