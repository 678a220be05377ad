"""Any problem gets a plan that passes the check, from the solver in its own process and from the rules.

``HEMS_PLANNING_PROBLEMS=2000 pytest tests/property/test_planning_problems.py`` for all 2,000 (about 40 s).
"""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from hems.domain.plan import Plan, Wish
from hems.domain.problem import BatteryInput, PlanningProblem
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from hems.planning.plausible import connected_ratio, plausible
from hems.runtime.planner import WorkerPlanner, checked_plan
from hems.runtime.worker_process import spawn
from tests.support.problems import battery as ordinary_battery
from tests.support.problems import flat_problem, odd_problem

COUNT = int(os.environ.get("HEMS_PLANNING_PROBLEMS", "400"))


def test_every_problem_gets_a_plan_that_passes_the_check():
    """Absurd and contradictory ones among them: see ``odd_problem``.

    The strongest wish is bent no more than by the rules where batteries have ordinary efficiencies and start inside
    their windows. (At an efficiency of 0.05 each kWh of help burns nineteen of the reserve, for days.)
    """
    with WorkerPlanner(spawn) as planner:
        for seed in range(COUNT):
            problem = odd_problem(seed)
            plan = checked_plan(problem, planner.answer(problem))
            rules = fallback_plan(problem)
            assert violations(problem, rules) == (), seed
            if problem.grid.count <= 96 and all(_is_ordinary(each) for each in problem.batteries):
                assert _exceeded_wh(plan) <= _exceeded_wh(rules) + 5, seed
            same_service = not rules.unmet and not plan.unmet and abs(_charged_wh(plan) - _charged_wh(rules)) < 10
            if same_service and min(problem.import_price_eur_per_kwh) >= 0:
                assert plan.cost_eur <= rules.cost_eur + 0.01 + 0.002 * abs(rules.cost_eur), seed


def _is_ordinary(battery: BatteryInput) -> bool:
    return battery.discharge_efficiency_ratio > 0.9 and battery.floor_wh <= battery.stored_wh <= battery.ceiling_wh


def _exceeded_wh(plan: Plan) -> float:
    return sum(each.shortfall_wh for each in plan.unmet if each.wish is Wish.CONNECTION)


def _charged_wh(plan: Plan) -> float:
    """Differs without a bent wish where a car leaves after the horizon."""
    return sum(sum(car.power_w) for car in plan.cars) * plan.grid.slot_h


powers = st.floats(-100, 20_000)


@settings(deadline=None, max_examples=100)
@given(
    stored_wh=st.floats(-2000, 20_000),
    window=st.tuples(st.floats(0, 12_000), st.floats(0, 12_000)),
    reserve_wh=st.floats(0, 15_000),
    limits=st.tuples(powers, powers),
    ratios=st.tuples(st.floats(-1, 2), st.floats(-1, 2)),
    load_w=st.lists(st.floats(-1000, 30_000), min_size=1, max_size=12),
    export_price=st.floats(-1, 1),
)
def test_the_rules_always_make_a_plan_that_passes(
    stored_wh: float,
    window: tuple[float, float],
    reserve_wh: float,
    limits: tuple[float, float],
    ratios: tuple[float, float],
    load_w: list[float],
    export_price: float,
):
    problem = flat_problem(
        len(load_w),
        load_power_w=tuple(load_w),
        export_price_eur_per_kwh=(export_price,) * len(load_w),
        batteries=(
            ordinary_battery(
                stored_wh=stored_wh,
                floor_wh=window[0],
                ceiling_wh=window[1],
                reserve_wh=reserve_wh,
                charge_power_max_w=limits[0],
                discharge_power_max_w=limits[1],
                charge_efficiency_ratio=ratios[0],
                discharge_efficiency_ratio=ratios[1],
            ),
        ),
    )
    assert violations(problem, fallback_plan(problem)) == ()


@given(st.integers(0, 10_000))
def test_reading_a_problem_twice_changes_nothing_more(seed: int):
    once = plausible(odd_problem(seed))
    assert plausible(once) == once


@given(st.integers(0, 10_000))
def test_a_car_is_connected_between_arrival_and_departure_only(seed: int):
    problem: PlanningProblem = odd_problem(seed)
    for car in problem.cars:
        ratios = connected_ratio(car, problem.grid)
        hours = sum(ratios) * problem.grid.slot_h
        assert all(0 <= each <= 1 for each in ratios)
        assert hours <= max(0.0, (car.departure_at - max(car.arrival_at, problem.grid.start_at)).total_seconds() / 3600)
