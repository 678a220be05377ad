"""What a controller may know: rules by the calendar, and a future that lies."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from hems.domain.forecast import SlotHistory
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid, floor_to
from hems.sim.data import HouseData
from hems.sim.knowledge import CarTold, Column, Knowledge, SlotPrices, Truth, replace_future
from tests.support.houses import CHARGER, home_a
from tests.support.simulated import START_AT, flat_data, stay

SITE = home_a()  # Europe/Amsterdam: UTC+1 in winter, UTC+2 in summer


def year(*, days: int = 40) -> HouseData:
    """Something different in every slot; five cars, one unmeasured hour."""
    sessions = tuple(stay(12 + 24 * day, 6, 5 + day) for day in range(5))
    data = flat_data(SITE, days=days, sessions=sessions)
    count = np.arange(data.grid.count, dtype=float)
    measured = count + 100
    measured[8:12] = np.nan
    return replace(
        data,
        load_w=count + 100,
        measured_load_w=measured,
        pv_w=count + 5_000,
        measured_pv_w=count + 5_000,
        import_eur_per_kwh=count / 1e4,
        export_eur_per_kwh=count / 1e5,
        spot_eur_per_kwh=count / 1e6,
        temp_c=10 + 5 * np.sin(count / 15),
    )


def test_the_past_is_known_in_whole_slots_and_holes_stay_unknown():
    history = Knowledge(SITE, year(), seed=1).history(START_AT + timedelta(hours=4, minutes=14), "load_w")
    assert history.start_at == START_AT
    assert list(history.mean_w) == [100 + slot if not 8 <= slot < 12 else None for slot in range(16)]


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2024-03-05T11:59:59+00:00", "2024-03-05T23:00:00+00:00"),  # 12:59:59 local: today
        ("2024-03-05T12:00:00+00:00", "2024-03-06T23:00:00+00:00"),  # 13:00 local: tomorrow too
        ("2024-03-05T22:59:00+00:00", "2024-03-06T23:00:00+00:00"),
        ("2024-03-05T23:00:00+00:00", "2024-03-06T23:00:00+00:00"),  # midnight: what was known stays known
        ("2024-03-30T12:00:00+00:00", "2024-03-31T22:00:00+00:00"),  # tomorrow has 23 hours
        ("2024-03-31T10:59:00+00:00", "2024-03-31T22:00:00+00:00"),  # 12:59 summer time
        ("2024-03-31T11:00:00+00:00", "2024-04-01T22:00:00+00:00"),
    ],
)
def test_prices_of_tomorrow_are_known_from_one_o_clock_local_time(now, until):
    now_at = datetime.fromisoformat(now)
    prices = Knowledge(SITE, year(), seed=1).prices(now_at, since_at=floor_to(now_at, 900))
    assert prices.grid.end_at == datetime.fromisoformat(until)
    first = (prices.grid.start_at - START_AT) // timedelta(minutes=15)
    assert prices.import_eur_per_kwh[0] == first / 1e4
    assert prices.spot_eur_per_kwh is not None
    assert prices.spot_eur_per_kwh[-1] == (first + prices.grid.count - 1) / 1e6


def test_prices_end_where_the_file_ends():
    data = year()
    data.import_eur_per_kwh[20:] = np.nan
    knowledge = Knowledge(SITE, data, seed=1)
    assert knowledge.prices(START_AT, since_at=START_AT).grid.count == 20
    with pytest.raises(ValueError, match="no price is known"):
        knowledge.prices(START_AT + timedelta(hours=6), since_at=START_AT + timedelta(hours=6))


def test_a_car_is_told_from_plug_in_to_plug_out_only():
    knowledge = Knowledge(SITE, year(), seed=1)
    plugin_at = START_AT + timedelta(hours=12)
    assert knowledge.car_told(plugin_at - timedelta(seconds=1), CHARGER) is None
    told = knowledge.car_told(plugin_at, CHARGER)
    assert told is not None
    assert (told.energy_wh, told.departure_at) == (5_000.0, plugin_at + timedelta(hours=6))
    assert knowledge.car_told(told.departure_at, CHARGER) is None
    assert Knowledge(SITE, year(), seed=1, departures="learned").car_told(plugin_at, CHARGER) is None


def test_the_weather_forecast_errs_by_one_kelvin_a_day_ahead_and_less_before():
    """Independent: the spread over 400 issues of the error against the measured temperature."""
    data = year()
    knowledge = Knowledge(SITE, data, seed=1)
    assert data.temp_c is not None
    errors_k: dict[int, list[float]] = {0: [], 24: [], 96: [], 192: []}
    for hour in range(400):
        grid = SlotGrid(start_at=START_AT + timedelta(hours=hour), count=193)
        forecast = knowledge.weather_forecast(grid.start_at + timedelta(minutes=10), grid)
        for slot, errors in errors_k.items():
            expected_c = forecast.temp_c[slot]
            assert expected_c is not None
            errors.append(expected_c - data.temp_c[hour * 4 + slot])
    spread_k = {slot: float(np.std(errors)) for slot, errors in errors_k.items()}
    assert spread_k[0] == 0.0
    assert spread_k[24] == pytest.approx(0.68, abs=0.08)  # 6 h: sqrt((1 - exp(-0.5)) / (1 - exp(-2)))
    assert spread_k[96] == pytest.approx(1.0, abs=0.1)
    assert spread_k[192] == pytest.approx(1.06, abs=0.12)
    assert abs(np.mean(errors_k[192])) < 0.2


def test_the_same_hour_gives_the_same_forecast_whatever_the_horizon():
    knowledge = Knowledge(SITE, year(), seed=1)
    now = START_AT + timedelta(hours=30)
    short, long = (knowledge.weather_forecast(now, SlotGrid(start_at=now, count=count)) for count in (50, 100))
    assert short.temp_c == long.temp_c[:50]
    later = now + timedelta(minutes=50)
    assert knowledge.weather_forecast(later, SlotGrid(start_at=now, count=50)).temp_c == short.temp_c
    other = Knowledge(SITE, year(), seed=2)
    assert other.weather_forecast(now, SlotGrid(start_at=now, count=50)).temp_c != short.temp_c


def test_weather_that_nobody_measured_is_unknown():
    data = replace(year(), ghi_wm2=None)
    forecast = Knowledge(SITE, data, seed=1).weather_forecast(
        START_AT, SlotGrid(start_at=data.grid.end_at - timedelta(hours=1), count=8)
    )
    assert [value is None for value in forecast.temp_c] == [False] * 4 + [True] * 4
    assert set(forecast.ghi_wm2) == {None}


def test_the_truth_knows_everything():
    data = year()
    truth = Truth(data)
    grid = SlotGrid(start_at=START_AT + timedelta(days=2), count=4)
    assert truth.load_w(grid) == (292.0, 293.0, 294.0, 295.0)
    assert truth.pv_w(grid) == (5_192.0, 5_193.0, 5_194.0, 5_195.0)
    assert truth.prices(grid).import_eur_per_kwh == pytest.approx((0.0192, 0.0193, 0.0194, 0.0195))
    assert [each.energy_wh for each in truth.sessions(grid.start_at, grid.start_at + timedelta(days=1))] == [7_000.0]
    with pytest.raises(ValueError, match="the truth ends"):
        truth.load_w(SlotGrid(start_at=data.grid.end_at, count=1))


class LoadPeeker(Knowledge):
    """A planted leak: the history has the slot that is under way."""

    def history(self, now: datetime, column: Column) -> SlotHistory:
        return super().history(now + timedelta(minutes=15), column)


class PricePeeker(Knowledge):
    """A planted leak: prices of tomorrow in the morning."""

    def prices(self, now: datetime, *, since_at: datetime) -> SlotPrices:
        return super().prices(now + timedelta(hours=6), since_at=since_at)


class CarPeeker(Knowledge):
    """A planted leak: tells of the next car an hour before it comes."""

    def car_told(self, now: datetime, charger: DeviceId) -> CarTold | None:
        return super().car_told(now + timedelta(hours=1), charger)


def answers(kind: type[Knowledge], data: HouseData, now: datetime) -> tuple[object, ...]:
    """All that a controller may ask."""
    knowledge = kind(SITE, data, seed=1)
    grid = SlotGrid(start_at=floor_to(now, 900), count=192)
    return (
        knowledge.history(now, "load_w"),
        knowledge.history(now, "pv_w"),
        knowledge.prices(now, since_at=START_AT),
        knowledge.car_told(now, CHARGER),
        knowledge.weather_forecast(now, grid),
    )


MOMENTS = [
    START_AT + timedelta(days=1, hours=hours)
    for hours in (0, 3.1, 10, 11.5, 11.99, 12, 12.01, 17.9, 18, 22.99, 23)
]  # fmt: skip


def knows_the_future(kind: type[Knowledge]) -> bool:
    """Whether any answer at any moment changes when the future lies."""
    rng = np.random.default_rng(7)
    data = year()
    return any(answers(kind, data, at) != answers(kind, replace_future(data, at, rng), at) for at in MOMENTS)


def test_no_answer_changes_when_the_future_lies():
    assert not knows_the_future(Knowledge)


@pytest.mark.parametrize("peeker", [LoadPeeker, PricePeeker, CarPeeker])
def test_a_controller_that_peeks_is_found_out(peeker):
    assert knows_the_future(peeker)


def test_a_lying_future_differs_in_all_that_may_not_be_known():
    data, at = year(), START_AT + timedelta(days=1, hours=3, minutes=5)
    lie = replace_future(data, at, np.random.default_rng(1))
    slot, unpublished = 96 + 12, 2 * 96 - 4
    for name, known in [
        ("load_w", slot),
        ("pv_w", slot),
        ("measured_load_w", slot),
        ("import_eur_per_kwh", unpublished),
    ]:
        before, after = getattr(data, name), getattr(lie, name)
        assert np.array_equal(before[:known], after[:known], equal_nan=True)
        assert (before[known:] != after[known:]).all()
    assert lie.sessions[0] == data.sessions[0]
    assert not set(lie.sessions[1:]) & set(data.sessions)


def test_stays_are_known_once_they_have_ended():
    knowledge = Knowledge(SITE, year(), seed=1, departures="learned")
    ends_at = START_AT + timedelta(hours=18)
    assert knowledge.stays(ends_at - timedelta(seconds=1)) == []
    (stay,) = knowledge.stays(ends_at)
    assert (stay.unplugged_at, stay.energy_wh) == (ends_at, 5_000.0)
