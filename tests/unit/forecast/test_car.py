"""What is expected of a car, against stays whose truth is known."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hems.domain.session import ChargingSession
from hems.domain.site import CarHabit
from hems.forecast.car import SESSIONS_MIN, StayForecast, forecast_arrivals, forecast_stay

ZONE = ZoneInfo("Europe/Amsterdam")


def local(day: int, hour: float) -> datetime:
    """An hour of a day counted from Monday 2024-01-01, by the local clock."""
    wall = datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None) + timedelta(days=day, hours=hour)
    return wall.replace(tzinfo=ZONE).astimezone(UTC)


def stay(day: int, arrives_h: float, leaves_h: float, energy_wh: float = 8_000.0, *, full: bool = True):
    """Hours beyond 24 are of the next day."""
    return ChargingSession(
        plugged_at=local(day, arrives_h), unplugged_at=local(day, leaves_h), energy_wh=energy_wh, was_full=full
    )


def commuter(days: int, *, seed: int = 1) -> list[ChargingSession]:
    """Comes home at about 17:30 on working days and leaves at about 7:30; at weekends at noon until 15:00."""
    dice = random.Random(seed)
    found = []
    for day in range(days):
        if day % 7 < 5:
            found.append(stay(day, 17.5 + dice.gauss(0, 0.3), 31.5 + dice.gauss(0, 0.2), dice.uniform(5e3, 11e3)))
        elif day % 7 == 6:
            found.append(stay(day, 12.0, 15.0, 3_000.0))
    return found


def at_plug_in(past: list[ChargingSession], arrived_at: datetime, habit: CarHabit | None = None) -> StayForecast:
    found = forecast_stay(past, habit=habit, arrived_at=arrived_at, charged_wh=0.0, now_at=arrived_at, zone=ZONE)
    assert found is not None
    return found


def hours_after(at: datetime, day: int) -> float:
    return (at - local(day, 0)) / timedelta(hours=1)


def test_an_evening_car_is_expected_to_leave_when_it_leaves_on_other_mornings():
    found = at_plug_in(commuter(70), local(70, 17.5))
    assert hours_after(found.departures_at[3], 70) == pytest.approx(31.5, abs=0.3)
    assert hours_after(found.departures_at[1], 70) == pytest.approx(31.2, abs=0.3)
    assert found.energies_wh[0] == pytest.approx(8_000, rel=0.15)
    assert found.energy_wh == pytest.approx(10_400, rel=0.1)


def test_a_car_at_noon_of_a_sunday_is_not_taken_for_one_of_an_evening():
    found = at_plug_in(commuter(70), local(76, 12.0))
    assert hours_after(found.departures_at[3], 76) == pytest.approx(15.0, abs=0.3)
    assert found.energies_wh[0] == 3_000


def test_probabilities_of_all_ends_add_up_to_one_and_lie_ahead():
    now_at = local(70, 17.5)
    ends = at_plug_in(commuter(70), now_at).ends
    assert sum(each.probability_ratio for each in ends) == pytest.approx(1.0)
    assert all(each.at > now_at and each.energy_wh > 0 for each in ends)
    assert list(ends) == sorted(ends, key=lambda each: each.at)
    assert len(ends) <= 18


def test_the_ends_cover_an_early_departure_that_one_stay_in_five_has_had():
    dice = random.Random(3)
    past = [stay(day, 17.5, 20.0 if dice.random() < 0.2 else 31.5, 8_000.0) for day in range(100)]
    ends = at_plug_in(past, local(100, 17.5)).ends
    early = sum(each.probability_ratio for each in ends if hours_after(each.at, 100) < 24)
    assert early == pytest.approx(0.2, abs=0.1)


def test_what_is_refuted_does_not_vote():
    """Half leave at 20:00: once it is nine, only the morning is left; and nobody knows of a need that is met."""
    past = [stay(day, 17.5, 20.0 if day % 2 else 31.5, 4_000.0 if day % 2 else 12_000.0) for day in range(60)]
    found = forecast_stay(
        past, habit=None, arrived_at=local(60, 17.5), charged_wh=6_000.0, now_at=local(60, 21.0), zone=ZONE
    )
    assert found is not None
    assert hours_after(found.departures_at[1], 60) > 29
    assert found.energies_wh[0] == 12_000
    assert all(each.at > local(60, 21.0) and each.energy_wh > 6_000 for each in found.ends)


def test_a_car_that_outstays_all_others_leaves_at_a_usual_time_of_another_day():
    past = [stay(day, 17.5, 31.5) for day in range(60)]
    now_at = local(69, 12.0)
    found = forecast_stay(past, habit=None, arrived_at=local(60, 17.5), charged_wh=90_000.0, now_at=now_at, zone=ZONE)
    assert found is not None
    assert all(now_at < each.at <= now_at + timedelta(days=1) for each in found.ends)
    assert hours_after(found.departures_at[3], 69) == pytest.approx(31.5, abs=0.3)
    assert found.energies_wh[0] > 90_000


def test_departures_keep_to_the_clock_of_the_household_across_its_change():
    """31 March 2024: clocks go from 2:00 to 3:00."""
    past = [stay(day, 17.5, 31.5) for day in range(89)]
    found = at_plug_in(past, local(89, 17.5))
    assert found.departures_at[3].astimezone(ZONE).strftime("%m-%d %H:%M") == "03-31 07:30"


def test_nothing_is_said_of_a_household_that_told_nothing_before_five_stays():
    past = commuter(70)
    arrived_at = local(70, 17.5)
    few = past[: SESSIONS_MIN - 1]

    def said(past: list[ChargingSession]) -> StayForecast | None:
        return forecast_stay(past, habit=None, arrived_at=arrived_at, charged_wh=0.0, now_at=arrived_at, zone=ZONE)

    assert said(few) is None
    assert said(past[:SESSIONS_MIN]) is not None
    assert said([stay(0, 17.5, 17.6, 100.0)] * 20) is None, "plugged in and out is no charge"


def test_a_told_habit_is_all_there_is_at_first_and_gives_way_to_what_is_seen():
    habit = CarHabit(departure_s=6 * 3_600, energy_wh=20_000.0)
    first = at_plug_in([], local(0, 17.5), habit)
    assert hours_after(first.departures_at[3], 0) == pytest.approx(30.0)
    assert first.energies_wh[0] == 20_000
    later = at_plug_in(commuter(70), local(70, 17.5), habit)
    assert hours_after(later.departures_at[3], 70) == pytest.approx(31.4, abs=0.3)
    assert later.energies_wh[0] < 12_000


def test_what_is_not_charged_is_not_unlearned():
    """A car that had to leave with 2 kWh wanted what others took."""
    past = [stay(day, 17.5, 31.5, 2_000.0 if day % 2 else 12_000.0, full=day % 2 == 0) for day in range(40)]
    assert at_plug_in(past, local(40, 17.5)).energies_wh[0] == pytest.approx(12_000)


def test_stays_that_have_not_ended_are_not_looked_at():
    past = commuter(70)
    assert at_plug_in(past, local(40, 17.5)) == at_plug_in(
        [each for each in past if each.unplugged_at <= local(40, 17.5)], local(40, 17.5)
    )


def test_the_next_evening_is_expected_on_working_days():
    now_at = local(70, 12.0)
    found = forecast_arrivals(commuter(70), free_at=now_at, now_at=now_at, until_at=local(72, 12.0), zone=ZONE)
    assert [hours_after(each.arrival_at, 70) for each in found] == pytest.approx([17.5, 41.5], abs=0.3)
    assert all(each.probability_ratio > 0.6 for each in found)
    assert all(each.departure_at > each.arrival_at for each in found)
    assert found[0].energy_wh == pytest.approx(7_500, rel=0.15)


def test_nobody_is_expected_again_on_a_day_whose_hour_has_passed():
    now_at = local(70, 21.0)
    found = forecast_arrivals(commuter(70), free_at=now_at, now_at=now_at, until_at=local(72, 0.0), zone=ZONE)
    assert [hours_after(each.arrival_at, 70) for each in found] == pytest.approx([41.5], abs=0.3)


def test_who_charges_every_third_day_is_not_expected_on_the_next_one():
    past = [stay(day, 17.5, 31.5) for day in range(0, 90, 3)]
    free_at = local(88, 8.0)
    tomorrow = forecast_arrivals(past, free_at=free_at, now_at=free_at, until_at=local(89, 0.0), zone=ZONE)
    at_last = local(90, 8.0)
    third = forecast_arrivals(past, free_at=at_last, now_at=at_last, until_at=local(91, 0.0), zone=ZONE)
    assert not tomorrow or tomorrow[0].probability_ratio < 0.3
    assert third[0].probability_ratio > 0.5


def test_nobody_is_expected_before_five_stays():
    now_at = local(70, 12.0)
    until_at = now_at + timedelta(days=2)
    few = commuter(70)[:4]
    assert forecast_arrivals(few, free_at=now_at, now_at=now_at, until_at=until_at, zone=ZONE) == ()
