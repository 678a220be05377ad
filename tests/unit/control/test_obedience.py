"""A device that does something else than it was told is said so once, by what is measured and not by what it says."""

import pytest

from hems.domain.events import DeviceDoesNotFollow, DeviceFollowsAgain
from hems.domain.reading import CarState
from tests.support.houses import BATTERY, CHARGER, PV, home_a
from tests.support.moments import Cycles, House, now_after, plan_of

BUYS = plan_of(buy_at=0.15)  # the battery is told to charge with 5 kW


def events_of(houses: list[House], plan: object = BUYS) -> list[object]:
    cycles = Cycles(home_a())
    found: list[object] = []
    for second, house in enumerate(houses):
        events = cycles.tick(float(second), house, plan).events  # type: ignore[arg-type]
        found += [each for each in events if isinstance(each, DeviceDoesNotFollow | DeviceFollowsAgain)]
    return found


def test_a_battery_that_ignores_its_command_is_said_after_a_minute_and_once() -> None:
    # First told at second 0, first judged at second 1.
    events = events_of([House()] * 200)

    assert events == [DeviceDoesNotFollow(at=now_after(61.0).at, device_id=BATTERY, told_w=5_000.0, measured_w=0.0)]


def test_a_battery_that_obeys_again_is_said_once() -> None:
    events = events_of([House()] * 100 + [House(battery_w=4_900.0)] * 20)

    assert events[1:] == [DeviceFollowsAgain(at=now_after(100.0).at, device_id=BATTERY)]


@pytest.mark.parametrize(
    "house",
    [
        House(battery_w=4_900.0),
        House(battery_w=1_300.0),  # still ramping, or held by something that it does not tell
        House(battery_w=0.0, charge_max_w=0.0),  # its BMS says that it takes nothing
        House(battery_w=300.0, charge_max_w=1_000.0),
    ],
)
def test_a_battery_that_does_what_it_can_is_not_accused(house: House) -> None:
    assert events_of([house] * 120) == []


@pytest.mark.parametrize("battery_w", [-1_000.0, 1_000.0])
def test_a_battery_that_works_when_it_was_told_to_rest_is_said(battery_w: float) -> None:
    # A load as large as what it gives, so that the balance asks for nothing.
    events = events_of([House(load_w=0.0, battery_w=battery_w, stored_wh=10_000.0)] * 100, plan_of(battery_value=0.0))

    assert [type(each) for each in events] == [DeviceDoesNotFollow]


def test_a_short_disobedience_is_not_news() -> None:
    assert events_of([House()] * 30 + [House(battery_w=4_900.0)] + [House()] * 59) == []


def test_a_charger_that_gives_power_although_paused_is_said() -> None:
    rogue = House(car=CarState.CHARGING, car_w=3_000.0, offered_a=0.0)
    events = events_of([rogue] * 100, plan_of(buy_at=0.60, car_value=0.20, car_needs_wh=5_000.0))

    assert [each.device_id for each in events if isinstance(each, DeviceDoesNotFollow)][-1:] == [CHARGER]


def test_a_sleeping_car_and_a_cloud_are_no_disobedience() -> None:
    asleep = House(car=CarState.CONNECTED, offered_a=16.0, battery_w=4_900.0)
    assert events_of([asleep] * 120, plan_of(buy_at=0.15, car_value=0.30, car_w=(11_000.0,) * 8)) == []


def test_a_plant_that_makes_more_than_it_may_is_said() -> None:
    # Selling costs money: the plant is told to make what the house and the battery take, at most 5.5 kW.
    events = events_of([House(pv_w=7_000.0, battery_w=5_000.0)] * 100, plan_of(sell_at=-0.05))

    assert PV in [each.device_id for each in events if isinstance(each, DeviceDoesNotFollow)]
