"""The checker: silent about good plans, and finds each kind of planted fault."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from hems.domain.plan import BatteryPlan, Plan, UnmetWish, Wish
from hems.domain.problem import PlanningProblem
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from hems.solving.plan import solve
from tests.support.problems import START_AT, battery, car, flat_problem, house_problem

PROBLEM = house_problem(1, with_heat=True)
GOOD = solve(PROBLEM).plan


def _with(series: tuple[float, ...], slot: int, value: float) -> tuple[float, ...]:
    return (*series[:slot], value, *series[slot + 1 :])


def _battery(plan: Plan, **changes: object) -> Plan:
    return replace(plan, batteries=(replace(plan.batteries[0], **changes),))  # type: ignore[arg-type]


def _drifting(plan: Plan) -> Plan:
    """Stored energy that ignores the losses from slot 10 on."""
    planned: BatteryPlan = plan.batteries[0]
    return _battery(plan, stored_wh=(*planned.stored_wh[:10], *(each + 40 for each in planned.stored_wh[10:])))


def _car_power(plan: Plan, slot: int, power_w: float) -> Plan:
    return replace(plan, cars=(replace(plan.cars[0], power_w=_with(plan.cars[0].power_w, slot, power_w)),))


def _car_trickles(plan: Plan) -> Plan:
    power_w = tuple(900.0 if slot < 6 else each for slot, each in enumerate(plan.cars[0].power_w))
    return replace(plan, cars=(replace(plan.cars[0], power_w=power_w),))


def _pv(plan: Plan, slot: int, change_w: float) -> Plan:
    planned = plan.pv[0]
    made = _with(planned.production_power_w, slot, planned.production_power_w[slot] + change_w)
    return replace(plan, pv=(replace(planned, production_power_w=made),))


FAULTS: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "battery above its power": (
        lambda plan: _battery(plan, power_w=_with(plan.batteries[0].power_w, 3, 5100.0)),
        "5100.0 W in slot 3 is outside",
    ),
    "stored energy drifts from power": (_drifting, "its power makes it"),
    "stored energy above the window": (
        lambda plan: _battery(plan, stored_wh=_with(plan.batteries[0].stored_wh, 5, 10_200.0)),
        "is outside its window",
    ),
    "car charges after departure": (lambda plan: _car_power(plan, 190, 5000.0), "5000.0 W in slot 190 is outside"),
    "car trickles below its smallest power": (_car_trickles, "below its smallest power"),
    "car charges more than it needs": (lambda plan: _car_power(plan, 2, 11_000.0), "and needs"),
    "PV above the forecast": (lambda plan: _pv(plan, 20, 50.0), "pv roof: "),
    "PV curtailed that cannot be": (lambda plan: _pv(plan, 20, -500.0), "pv roof: "),
    "heat pump runs backwards": (
        lambda plan: replace(plan, heat=(replace(plan.heat[0], power_w=_with(plan.heat[0].power_w, 0, -20.0)),)),
        "heat heat_pump: -20.0 W",
    ),
    "site does not add up": (
        lambda plan: replace(plan, grid_power_w=_with(plan.grid_power_w, 7, plan.grid_power_w[7] + 30)),
        "the devices add up to",
    ),
    "connection exceeded": (
        lambda plan: replace(plan, grid_power_w=_with(plan.grid_power_w, 7, 20_000.0)),
        "connection: 20000.0 W in slot 7",
    ),
    "cost is wishful": (lambda plan: replace(plan, cost_eur=plan.cost_eur - 0.1), "by its own powers and prices"),
    "a wish that is not bent is listed": (
        lambda plan: replace(
            plan, unmet=(UnmetWish(wish=Wish.HEAT_MIN, device_id=None, shortfall_wh=5.0, at=START_AT),)
        ),
        "is listed and not true",
    ),
    "prices of another day": (
        lambda plan: replace(plan, import_price_eur_per_kwh=_with(plan.import_price_eur_per_kwh, 0, 0.0)),
        "import prices",
    ),
    "grid one slot late": (
        lambda plan: replace(plan, grid=replace(plan.grid, start_at=START_AT + timedelta(minutes=15))),
        "its slots",
    ),
    "a number that is none": (lambda plan: _battery(plan, power_w=(float("nan"),) * 192), "not finite"),
    "a device is missing": (lambda plan: replace(plan, pv=()), "pv: the plan's devices"),
}


def test_a_good_plan_has_no_violations():
    assert violations(PROBLEM, GOOD) == ()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str):
    plant, words = FAULTS[fault]
    found = violations(PROBLEM, plant(GOOD))
    assert any(words in each for each in found), found


def test_a_bent_wish_must_be_listed():
    """40 kWh in two hours at 11.04 kW: 17.92 kWh are missing, whoever plans."""
    problem = flat_problem(cars=(car(energy_needed_wh=40_000.0),))
    plan = fallback_plan(problem)
    assert [(each.wish, round(each.shortfall_wh)) for each in plan.unmet] == [(Wish.DEPARTURE, 17_920)]
    assert violations(problem, plan) == ()
    assert "is not listed" in violations(problem, replace(plan, unmet=()))[0]


def test_the_connection_may_be_exceeded_by_what_nothing_controls_and_no_more():
    """20 kW of load behind 17.25 kW: 2.75 kW over for two hours are 5.5 kWh, and the car waits."""
    problem = flat_problem(load_power_w=(20_000.0,) * 8, cars=(car(),))
    for plan in (fallback_plan(problem), solve(problem).plan):
        assert violations(problem, plan) == ()
        assert plan.unmet[0].wish is Wish.CONNECTION
        assert plan.unmet[0].shortfall_wh == pytest.approx(5500.0)
        assert max(plan.cars[0].power_w) == 0


@pytest.mark.parametrize(("stored_wh", "recovers"), [(-1300.0, True), (10_400.0, True), (4000.0, False)])
def test_a_battery_found_outside_its_window_is_planned_back_inside(stored_wh: float, *, recovers: bool):
    problem: PlanningProblem = flat_problem(
        batteries=(battery(stored_wh=stored_wh),), load_power_w=(400.0,) * 8, export_power_max_w=(0.0,) * 8
    )
    plan = solve(problem).plan
    assert violations(problem, plan) == ()
    assert any(each.wish is Wish.WINDOW for each in plan.unmet) == recovers
    assert 500.0 - 1 <= plan.batteries[0].stored_wh[-1] <= 10_000.0 + 1
