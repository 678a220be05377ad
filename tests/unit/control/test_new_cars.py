"""A car that the plan in force does not know: it waits half a minute for one that does, then it charges by rules."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.control.tick import TickResult
from hems.domain import reasons
from hems.domain.asked import NOTHING_ASKED
from hems.domain.command import ChargeCurrent
from hems.domain.override import ChargeNow
from hems.domain.plan import Plan
from hems.domain.reading import CarState
from hems.domain.site import CarHabit, Site
from tests.support.houses import CHARGER, home_a
from tests.support.moments import START_AT, Cycles, House, action_of, plan_of, power_of, reason_of

DEAR = plan_of(buy_at=0.60)
DEAR_WITH_CAR = plan_of(buy_at=0.60, car_value=0.20, car_needs_wh=8_000.0)
COMES = House(car=CarState.CONNECTED)
CHARGES = House(car=CarState.CHARGING, car_w=11_000.0, offered_a=16.0)


def with_habit() -> Site:
    house = home_a()
    habit = CarHabit(departure_s=8 * 3_600, energy_wh=8_000.0)
    return replace(house, chargers=(replace(house.chargers[0], habit=habit),))


def plug_in(cycles: Cycles, plan: Plan | None, *, at_s: float = 60.0) -> TickResult:
    """A minute without a car, then its first tick."""
    for second in range(60):
        cycles.tick(float(second), House(), plan)
    return cycles.tick(at_s, COMES, plan)


def test_a_car_that_came_waits_for_its_plan_and_then_does_what_it_says() -> None:
    cycles = Cycles(with_habit())
    result = plug_in(cycles, DEAR)
    for second in range(61, 70):
        assert (power_of(result, CHARGER), reason_of(result, CHARGER)) == (0.0, reasons.WaitsForPlan())
        result = cycles.tick(float(second), COMES, DEAR)
    result = cycles.tick(70.0, COMES, DEAR_WITH_CAR)
    assert power_of(result, CHARGER) == 0.0
    assert isinstance(reason_of(result, CHARGER), reasons.WaitsForPrice)


def test_after_half_a_minute_it_charges_by_rules() -> None:
    cycles = Cycles(with_habit())
    plug_in(cycles, DEAR)
    assert power_of(cycles.tick(89.0, COMES, DEAR), CHARGER) == 0.0
    # It may be away for a moment in between: silence is no departure.
    assert power_of(cycles.tick(89.5, replace(COMES, without=(CHARGER,)), DEAR), CHARGER) == 0.0
    result = cycles.tick(90.0, COMES, DEAR)
    assert (power_of(result, CHARGER), reason_of(result, CHARGER)) == (11_040.0, reasons.ChargesOnPlugIn())


def test_each_car_has_its_own_half_minute() -> None:
    cycles = Cycles(with_habit())
    plug_in(cycles, DEAR)
    cycles.tick(95.0, House(), DEAR)
    assert power_of(cycles.tick(100.0, COMES, DEAR), CHARGER) == 0.0


def test_without_a_trusted_clock_it_charges_at_once() -> None:
    result = Cycles(with_habit()).tick(0.0, COMES, None, trusted=False)
    assert reason_of(result, CHARGER) == reasons.ChargesOnPlugIn()


@pytest.mark.parametrize("plan", [None, DEAR], ids=["no plan", "plan"])
def test_a_car_of_which_no_habit_is_told_waits_for_nothing(plan: Plan | None) -> None:
    """No plan will ever know it. One that charges already is not throttled, and its phases stay."""
    result = plug_in(Cycles(home_a()), plan)
    assert (power_of(result, CHARGER), reason_of(result, CHARGER)) == (11_040.0, reasons.ChargesOnPlugIn())
    cycles = Cycles(home_a())
    assert reason_of(cycles.tick(0.0, CHARGES, plan), CHARGER) == reasons.ChargesOnPlugIn()
    # At the second look it is known that nothing else has started beside it.
    assert action_of(cycles.tick(1.0, CHARGES, plan), CHARGER) == ChargeCurrent(current_a=16.0, phase_count=3)


@pytest.mark.parametrize("plan", [None, DEAR], ids=["no plan", "plan"])
def test_the_owner_waits_for_no_plan(plan: Plan | None) -> None:
    until_at = START_AT + timedelta(hours=1)
    override = ChargeNow(id="1", device_id=CHARGER, asked_at=START_AT, until_at=until_at, by="owner")
    asked = replace(NOTHING_ASKED, overrides=(override,))
    cycles = Cycles(with_habit())
    for second in range(2):
        result = cycles.tick(float(second), COMES, plan, asked=asked)
        assert reason_of(result, CHARGER) == reasons.OwnerCharges(until_at=until_at)
    assert power_of(result, CHARGER) == 11_040.0


def test_a_full_car_that_wants_more_waits_for_a_plan_with_it() -> None:
    """The plans that were made while it was full have no place for it, and it may have been full for hours."""
    cycles = Cycles(with_habit())
    full = replace(COMES, car=CarState.FINISHED)
    for second in range(120):
        assert reason_of(cycles.tick(float(second), full, DEAR), CHARGER) == reasons.CarFinished()
    assert reason_of(cycles.tick(120.0, COMES, DEAR), CHARGER) == reasons.WaitsForPlan()
    assert reason_of(cycles.tick(150.0, COMES, DEAR), CHARGER) == reasons.ChargesOnPlugIn()


def test_at_the_start_a_car_with_a_habit_waits_for_the_first_plan() -> None:
    cycles = Cycles(with_habit())
    assert reason_of(cycles.tick(0.0, COMES, None), CHARGER) == reasons.WaitsForPlan()
    assert reason_of(cycles.tick(29.0, COMES, None), CHARGER) == reasons.WaitsForPlan()
    assert reason_of(cycles.tick(30.0, COMES, None), CHARGER) == reasons.ChargesOnPlugIn()


def test_a_car_that_charges_already_goes_on_with_the_least() -> None:
    """6 A on the phases that it has: to change them for some seconds would switch contactors twice."""
    result = Cycles(with_habit()).tick(0.0, CHARGES, DEAR)
    assert (power_of(result, CHARGER), reason_of(result, CHARGER)) == (4_140.0, reasons.WaitsForPlan())
    assert action_of(result, CHARGER) == ChargeCurrent(current_a=6.0, phase_count=3)
    one_phase = replace(CHARGES, car_w=3_600.0, phase_count=1)
    result = Cycles(with_habit()).tick(0.0, one_phase, DEAR)
    assert action_of(result, CHARGER) == ChargeCurrent(current_a=6.0, phase_count=1)


@pytest.mark.parametrize("session_wh", [0.0, 9_000.0])
def test_a_plan_for_a_car_that_should_have_left_says_nothing(session_wh: float) -> None:
    """Departure at 60 s. Until then 8 kWh are missing, or nothing; afterwards neither is a reason for anything."""
    plan = plan_of(buy_at=0.60, car_value=0.2, car_needs_wh=8_000.0, departure_at=START_AT + timedelta(seconds=60))
    stays = replace(COMES, session_wh=session_wh)
    cycles = Cycles(with_habit())
    before = reason_of(cycles.tick(59.0, stays, plan), CHARGER)
    assert isinstance(before, reasons.CarFinished if session_wh else reasons.MustCharge)
    assert reason_of(cycles.tick(60.0, stays, plan), CHARGER) == reasons.WaitsForPlan()
    assert reason_of(cycles.tick(90.0, stays, plan), CHARGER) == reasons.ChargesOnPlugIn()
