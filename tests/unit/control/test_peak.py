"""The month's peak in the tick: what buys gives way, what stores helps, and only as far as it must."""

from datetime import timedelta

import pytest

from hems.domain import reasons
from hems.domain.reading import CarState
from tests.support.houses import BATTERY, CHARGER, home_a
from tests.support.moments import START_AT, Cycles, House, once, plan_of, power_of
from tests.unit.control.test_dispatch import kind_of

CHEAP = 0.15
"""The battery of these plans buys below 0.19."""


@pytest.mark.parametrize(
    ("house", "peak_w", "battery_w", "why"),
    [
        # Buying at full power; the house takes 500 W of the peak.
        (House(load_w=500.0), None, 5_000.0, reasons.BuysForLater),
        (House(load_w=500.0), 3_000.0, 2_500.0, reasons.BuysForLater),
        (House(load_w=500.0), 500.0, 0.0, reasons.SparesPeak),
        # The load alone is above it: the battery gives what is too much, whatever a kWh costs now.
        (House(load_w=4_000.0), 3_000.0, -1_000.0, reasons.SparesPeak),
        # With sun there is room.
        (House(load_w=500.0, pv_w=4_000.0), 1_000.0, 4_500.0, reasons.BuysForLater),
        # An empty battery has nothing to give.
        (House(load_w=4_000.0, stored_wh=1_000.0), 3_000.0, 0.0, reasons.SparesPeak),
    ],
)
def test_a_battery_keeps_the_house_below_its_peak(house, peak_w, battery_w, why) -> None:
    result = once(home_a(), house, plan_of(buy_at=CHEAP, peak_w=peak_w))
    assert power_of(result, BATTERY) == pytest.approx(battery_w)
    assert kind_of(result, BATTERY) is why


def test_what_is_kept_for_later_is_given_as_far_as_the_peak_asks_and_no_further() -> None:
    plan = plan_of(battery_value=0.60, sell_at=0.10, buy_at=0.30, peak_w=3_000.0)
    assert power_of(once(home_a(), House(load_w=2_900.0), plan), BATTERY) == pytest.approx(100.0)
    assert power_of(once(home_a(), House(load_w=3_400.0), plan), BATTERY) == pytest.approx(-400.0)


def test_the_lower_bid_buys_less_and_a_planned_car_keeps_its_smallest_power() -> None:
    plan = plan_of(buy_at=CHEAP, car_value=0.30, car_w=(4_000.0,) * 8, peak_w=4_000.0)
    charging = House(load_w=500.0, car=CarState.CHARGING, car_w=3_500.0)
    result = once(home_a(), charging, plan)
    assert power_of(result, CHARGER) == pytest.approx(3_500.0, abs=15.0)
    assert (power_of(result, BATTERY) or 0.0) <= 0.0
    tight = once(home_a(), House(load_w=3_500.0, car=CarState.CHARGING, car_w=1_380.0), plan)
    assert power_of(tight, CHARGER) == pytest.approx(1_380.0)
    assert power_of(tight, BATTERY) == pytest.approx(-880.0)


def test_a_car_that_has_not_begun_to_draw_is_cut_all_the_same_and_nobody_gives_for_it() -> None:
    plan = plan_of(buy_at=CHEAP, battery_value=0.16, car_value=0.30, car_w=(4_000.0,) * 8, peak_w=4_000.0)
    result = once(home_a(), House(load_w=500.0, car=CarState.CONNECTED), plan)
    assert power_of(result, CHARGER) == pytest.approx(3_500.0, abs=15.0)
    assert (power_of(result, BATTERY) or 0.0) >= 0.0


def test_a_car_that_was_not_to_charge_waits() -> None:
    plan = plan_of(buy_at=CHEAP, car_value=0.30, peak_w=1_000.0)
    result = once(home_a(), House(load_w=500.0, car=CarState.CONNECTED), plan)
    assert power_of(result, CHARGER) == 0.0
    assert kind_of(result, CHARGER) is reasons.SparesPeak


@pytest.mark.parametrize(
    ("peak_w", "car_w"),
    [
        (None, 11_040.0),  # 20 kWh in two hours by a connection that leaves a little more
        (1_000.0, 20_000.0 / 2.75),  # no faster than in time, a quarter hour to spare
        (10_500.0, 10_000.0),  # what the month has paid for is free
    ],
)
def test_a_car_that_must_charge_takes_what_it_needs_to_be_ready_or_what_is_paid_for(peak_w, car_w) -> None:
    plan = plan_of(car_value=0.30, peak_w=peak_w, departure_at=START_AT + timedelta(hours=3), car_needs_wh=20_000.0)
    result = once(home_a(), House(load_w=500.0, car=CarState.CHARGING, car_w=7_000.0), plan)
    assert kind_of(result, CHARGER) is reasons.MustCharge
    assert power_of(result, CHARGER) == pytest.approx(car_w, rel=0.01)


def test_a_car_that_had_to_begin_goes_on_with_less_until_it_is_ahead() -> None:
    """5 kWh take 62 minutes of what can be depended on, and a quarter hour is kept: 3 minutes ahead, then 8."""
    charging = House(load_w=500.0, car=CarState.CHARGING, car_w=7_000.0)
    late, ahead, well_ahead = (
        plan_of(car_value=0.01, departure_at=START_AT + timedelta(minutes=minutes), car_needs_wh=5_000.0)
        for minutes in (75, 80, 85)
    )
    assert kind_of(once(home_a(), charging, ahead), CHARGER) is not reasons.MustCharge
    cycles = Cycles(home_a())
    results = [
        cycles.tick(float(second), charging, plan) for second, plan in enumerate((late, late, ahead, well_ahead))
    ]
    kinds = [kind_of(each, CHARGER) for each in results]
    assert [each is reasons.MustCharge for each in kinds[1:]] == [True, True, False]
    full_w, less_w = (power_of(each, CHARGER) or 0.0 for each in results[1:3])
    assert 4_140.0 <= less_w < 0.8 * full_w
