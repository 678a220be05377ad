"""What counts as a change of what was announced."""

from dataclasses import replace
from datetime import timedelta

from hems.planning.calm import switches_otherwise
from tests.support.moments import START_AT, plan_of

QUIET = plan_of(car_value=0.2, car_w=(0.0,) * 8)


def test_a_start_within_two_hours_that_was_not_announced_is_a_change():
    sooner = plan_of(car_value=0.2, car_w=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4_200.0))
    assert switches_otherwise(QUIET, sooner, START_AT) is True
    assert switches_otherwise(sooner, sooner, START_AT) is False


def test_another_power_is_no_change_and_a_later_hour_neither():
    slow = plan_of(car_value=0.2, car_w=(4_200.0,) * 8)
    fast = plan_of(car_value=0.2, car_w=(11_000.0,) * 8)
    assert switches_otherwise(slow, fast, START_AT) is False
    long_ago = START_AT - timedelta(hours=1)
    late = plan_of(car_value=0.2, car_w=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4_200.0))
    assert switches_otherwise(QUIET, late, long_ago) is False


def test_another_stay_of_a_car_says_nothing_and_a_battery_neither():
    other = replace(QUIET, cars=(replace(QUIET.cars[0], departure_at=START_AT + timedelta(days=3)),))
    assert switches_otherwise(QUIET, other, START_AT) is None
    assert switches_otherwise(plan_of(battery_w=0.0), plan_of(battery_w=3_000.0), START_AT) is None
