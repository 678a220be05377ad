"""The checker: silent about good plans, and finds each kind of planted fault."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hems.domain.plan import Explanation, Plan, Remedy, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.problem import CarDischarge, PlanningProblem
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from tests.support.problems import ONE_PHASE, START_AT, battery, car, circuit, flat_problem, full_problem, heat_pump

PROBLEM = full_problem(2)
GOOD = fallback_plan(PROBLEM)
COUNT = PROBLEM.grid.count


def _with(series: tuple[Any, ...], slot: int, value: float) -> tuple[Any, ...]:
    return (*series[:slot], value, *series[slot + 1 :])


def _part(plan: Plan, family: str, **changes: object) -> Plan:
    """The plan with its first device of a family changed."""
    first, *others = getattr(plan, family)
    changed: dict[str, Any] = {family: (replace(first, **changes), *others)}
    return replace(plan, **changed)


def _power(family: str, slot: int, power_w: float, field: str = "power_w") -> Callable[[Plan], Plan]:
    return lambda plan: _part(plan, family, **{field: _with(getattr(getattr(plan, family)[0], field), slot, power_w)})


def _drifting(plan: Plan) -> Plan:
    """Stored energy that ignores the losses from slot 10 on."""
    stored = plan.batteries[0].stored_wh
    return _part(plan, "batteries", stored_wh=(*stored[:10], *(each + 40 for each in stored[10:])))


def _car_trickles(plan: Plan) -> Plan:
    counts = (3,) * 6 + plan.cars[0].phase_count[6:]
    return _part(plan, "cars", power_w=(900.0,) * 6 + plan.cars[0].power_w[6:], phase_count=counts)


def _cost(**changes: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(
        plan, cost=replace(plan.cost, **{name: getattr(plan.cost, name) + change for name, change in changes.items()})
    )


def _invented(plan: Plan) -> Plan:
    wish = UnmetWish(
        wish=Wish.HEAT_MIN,
        device_id=None,
        shortfall=5.0,
        unit=Unit.K,
        at=START_AT,
        remedy=Remedy(kind=RemedyKind.WIDER_BAND, amount=5.0, unit=Unit.K),
    )
    return replace(plan, unmet=(*plan.unmet, wish))


FAULTS: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "battery above its power": (_power("batteries", 3, 5100.0), "5100.0 W in slot 3 is outside"),
    "stored energy drifts from power": (_drifting, "its power makes it"),
    "stored energy above the window": (_power("batteries", 5, 10_200.0, "stored_wh"), "is outside its window"),
    "battery too fast when nearly full": (
        lambda plan: _part(plan, "batteries", power_w=(4000.0,) * COUNT, stored_wh=(9_900.0,) * COUNT),
        "its taper leaves 1404.0 W at 9900.0 Wh",
    ),
    "battery too fast when nearly empty": (
        lambda plan: _part(plan, "batteries", power_w=(-4000.0,) * COUNT, stored_wh=(600.0,) * COUNT),
        "its taper leaves 1404.0 W at 600.0 Wh",
    ),
    "inverter above its limit": (_power("inverters", 5, -5100.0), "inverter hybrid: -5100.0 W in slot 5 is outside"),
    "inverter without losses": (
        lambda plan: _part(plan, "inverters", power_w=tuple(each / 0.96 for each in plan.inverters[0].power_w)),
        "its DC bus makes it",
    ),
    "car charges after departure": (_power("cars", 190, 5000.0), "5000.0 W in slot 190 is outside"),
    "car trickles below its smallest power": (_car_trickles, "below its smallest power in slots [0, 1, 2, 3, 4, 5"),
    "car charges more than it takes": (
        lambda plan: _part(
            plan,
            "cars",
            power_w=(8000.0,) * 16 + (2000.0,) * 64 + (0.0,) * 112,
            phase_count=(3,) * 80 + (0,) * 112,
        ),
        "45000 Wh is what it takes",
    ),
    "car gives more than it may": (
        lambda plan: _part(plan, "cars", power_w=(-4000.0,) * 80 + (0.0,) * 112, phase_count=(0,) * COUNT),
        "-5000 Wh is what it gives",
    ),
    "car gives too fast": (
        lambda plan: _part(plan, "cars", power_w=(0.0,) * 4 + (-5200.0,) + (0.0,) * 187, phase_count=(0,) * COUNT),
        "-5200.0 W in slot 4 is outside -5000.0",
    ),
    "car charges on two phases": (_power("cars", 0, 2, "phase_count"), "it cannot charge on 2 phases"),
    "car charges on no phase": (_power("cars", 0, 0, "phase_count"), "W in slot 0 is outside"),
    "car on a phase without charging": (_power("cars", 190, 3, "phase_count"), "on 3 phases without charging"),
    "car above its mode": (_power("cars", 0, 1, "phase_count"), "is outside -5000.0 .. 3680.0 W"),
    "car above its taper": (
        lambda plan: _part(plan, "cars", power_w=(11_000.0,) * 16 + (0.0,) * 176, phase_count=(3,) * 16 + (0,) * 176),
        "its taper leaves",
    ),
    "PV above the forecast": (_power("pv", 20, 7000.0, "production_power_w"), "pv roof: "),
    "heat pump runs backwards": (_power("heat", 0, -20.0), "heat heat_pump: -20.0 W"),
    "heat pump below its smallest power": (_power("heat", 5, 300.0), "is below its smallest power of 600 W"),
    "heat pump stops too soon": (_power("heat", 10, 600.0), "it runs for 900 s only from slot 10 on"),
    "heat pump starts too soon": (_power("heat", 3, 600.0), "it rests for 900 s only from slot 2 on"),
    "tank gets more than the pump uses": (_power("heat", 3, 2000.0, "tank_power_w"), "heat heat_pump tank: 2000.0 W"),
    "room warmer than its heat makes it": (_power("heat", 9, 23.0, "room_c"), "heat heat_pump room: 23.00 C"),
    "tank warmer than its heat makes it": (_power("heat", 9, 70.0, "tank_c"), "heat heat_pump tank: 70.00 C"),
    "appliance stops half way": (_power("appliances", 3, 0.0), "its programme uses 2000.0 W"),
    "appliance starts too early": (
        lambda plan: _part(plan, "appliances", start_at=START_AT - timedelta(minutes=15)),
        "which is too early",
    ),
    "appliance starts inside a slot": (
        lambda plan: _part(plan, "appliances", start_at=START_AT + timedelta(minutes=2)),
        "not the start of a slot",
    ),
    "site does not add up": (
        lambda plan: replace(plan, grid_power_w=_with(plan.grid_power_w, 7, plan.grid_power_w[7] + 30)),
        "the devices add up to",
    ),
    "connection exceeded": (
        lambda plan: replace(plan, grid_power_w=_with(plan.grid_power_w, 7, 20_000.0)),
        "connection: 20000.0 W in slot 7",
    ),
    "a fuse exceeded": (_power("appliances", 3, 4000.0), "circuit kitchen L1: 4000.0 W in slot 3 is outside"),
    "a fuse exceeded backwards": (_power("appliances", 3, -4000.0), "circuit kitchen L1: -4000.0 W in slot 3"),
    "energy cost is wishful": (_cost(energy_eur=-0.1), "cost: energy"),
    "a peak is forgotten": (_cost(peak_eur=-0.1), "cost: peak"),
    "emissions are forgotten": (_cost(carbon_eur=-0.1), "cost: carbon"),
    "wear is forgotten": (_cost(wear_eur=-0.01), "cost: wear"),
    "stored energy is dreamt": (_cost(stored_eur=0.1), "cost: stored"),
    "a cost that is none": (_cost(stored_eur=float("inf")), "not finite"),
    "a wish that is not bent is listed": (_invented, "is listed and not true"),
    "prices of another day": (
        lambda plan: replace(plan, import_price_eur_per_kwh=_with(plan.import_price_eur_per_kwh, 0, 0.0)),
        "import prices",
    ),
    "emissions at another price": (lambda plan: replace(plan, carbon_price_eur_per_kwh=()), "price of emissions"),
    "grid one slot late": (
        lambda plan: replace(plan, grid=replace(plan.grid, start_at=START_AT + timedelta(minutes=15))),
        "its slots",
    ),
    "a number that is none": (_power("batteries", 0, float("nan")), "not finite"),
    "a device is missing": (lambda plan: replace(plan, pv=()), "pv: the plan's devices"),
    "an inverter is missing": (lambda plan: replace(plan, inverters=()), "inverters: the plan's devices"),
    "a course too short": (lambda plan: _part(plan, "heat", room_c=(20.0,)), "room_c has 1 values"),
    "no phases": (lambda plan: _part(plan, "cars", phase_count=()), "phase_count has 0 values"),
    "an explanation too short": (
        lambda plan: replace(
            plan, explanation=Explanation(marginal_price_eur_per_kwh=(), limit_price_eur_per_kwh=(), devices=())
        ),
        "marginal_price_eur_per_kwh has 0 values",
    ),
}


def test_a_good_plan_has_no_violations():
    assert violations(PROBLEM, GOOD) == ()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str):
    plant, words = FAULTS[fault]
    found = violations(PROBLEM, plant(GOOD))
    assert any(words in each for each in found), found


def test_pv_that_cannot_be_curtailed_runs_as_forecast():
    problem = full_problem(1)
    good = fallback_plan(problem)
    assert violations(problem, good) == ()
    assert any("pv roof: " in each for each in violations(problem, _power("pv", 20, 0.0, "production_power_w")(good)))


def test_a_pump_with_levels_runs_at_one_of_them():
    problem = flat_problem(heat=(heat_pump(levels_w=(800.0, 2000.0)),))
    plan = _power("heat", 2, 1500.0)(fallback_plan(problem))
    assert any("1500.0 W in slot 2 is none of its levels" in each for each in violations(problem, plan))


def test_a_bent_wish_must_be_listed_with_its_remedy():
    """40 kWh in two hours at 11.04 kW: 17.92 kWh are missing, whoever plans."""
    problem = flat_problem(cars=(car(energy_needed_wh=40_000.0),))
    plan = fallback_plan(problem)
    assert [(each.wish, round(each.shortfall)) for each in plan.unmet] == [(Wish.DEPARTURE, 17_920)]
    assert violations(problem, plan) == ()
    assert "is not listed" in violations(problem, replace(plan, unmet=()))[0]
    cheap = replace(plan.unmet[0], remedy=replace(plan.unmet[0].remedy, amount=60.0))
    assert len(violations(problem, replace(plan, unmet=(cheap,)))) == 2


def test_limits_may_be_exceeded_by_what_nothing_controls_and_no_more():
    """20 kW of load behind 17.25 kW: 2.75 kW over for two hours are 5.5 kWh, and the car waits.

    Behind the fuse that is 6,667 W a phase where 5,750 W may flow: 1.83 kWh on each.
    """
    problem = flat_problem(load_power_w=(20_000.0,) * 8, cars=(car(),), circuits=(circuit(),))
    plan = fallback_plan(problem)
    assert violations(problem, plan) == ()
    bent = [each for each in plan.unmet if each.wish is Wish.CONNECTION]
    assert [round(each.shortfall) for each in bent] == [5500, 1833, 1833, 1833]
    assert [each.phase for each in bent] == [None, "L1", "L2", "L3"]
    assert [round(each.remedy.amount) for each in bent] == [2750, 917, 917, 917]
    assert max(plan.cars[0].power_w) == 0
    worse = replace(plan, grid_power_w=(21_000.0,) * 8)
    assert any("connection: 21000.0 W" in each for each in violations(problem, worse))


def test_a_car_counts_on_the_phases_of_its_mode_and_gives_back_on_those_of_its_last():
    """3,680 W on L1 alone, then 3,000 W back on three phases, behind 1,000 W a phase."""
    problem = flat_problem(
        4,
        cars=(
            car(
                modes=(ONE_PHASE, *car().modes),
                discharge=CarDischarge(power_max_w=3000.0, available_wh=5000.0, round_trip_efficiency_ratio=1.0),
            ),
        ),
        circuits=(circuit(phase_power_max_w=(900.0, 900.0, 900.0)),),
    )
    plan = fallback_plan(problem)
    assert max(plan.cars[0].power_w) == 0
    charging = _part(plan, "cars", power_w=(3680.0, 0.0, 0.0, 0.0), phase_count=(1, 0, 0, 0))
    assert [each for each in violations(problem, charging) if each.startswith("circuit")] == [
        "circuit main L1: 3680.0 W in slot 0 is outside -900.0 .. 900.0 W"
    ]
    giving = _part(plan, "cars", power_w=(0.0, -3000.0, 0.0, 0.0))
    over = [each for each in violations(problem, giving) if each.startswith("circuit")]
    assert [each[:16] for each in over] == ["circuit main L1:", "circuit main L2:", "circuit main L3:"]
    assert all("-1000.0 W in slot 1" in each for each in over)


def test_prices_beyond_all_reason_are_read_the_same_by_everybody():
    problem: PlanningProblem = flat_problem(import_price_eur_per_kwh=(1e30,) * 8, batteries=(battery(),))
    assert violations(problem, fallback_plan(problem)) == ()
