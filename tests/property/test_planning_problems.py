"""Any problem gets a plan that passes the check, from the solver in its own process and from the rules.

``HEMS_PLANNING_PROBLEMS=2000 pytest tests/property/test_planning_problems.py`` for all 2,000 (some minutes).
"""

import os
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hems.domain.plan import Plan, Unit, Wish
from hems.domain.problem import ApplianceInput, BatteryInput, Taper
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from hems.planning.plausible import plausible
from hems.planning.reading import (
    appliance_power_w,
    appliance_starts,
    circuit_members,
    connected_ratio,
    taper_limit_w,
    taper_power_w,
)
from hems.runtime.planner import WorkerPlanner, checked_plan
from hems.runtime.worker_process import spawn
from tests.support.odd_problems import odd_problem
from tests.support.problems import battery as ordinary_battery
from tests.support.problems import flat_problem, full_problem

COUNT = int(os.environ.get("HEMS_PLANNING_PROBLEMS", "150"))


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
            if problem.grid.count <= 96 and all(_is_ordinary(each) for each in problem.batteries):
                assert _exceeded_wh(plan) <= _exceeded_wh(rules) + 5, seed
            same_service = not rules.unmet and not plan.unmet and abs(_charged_wh(plan) - _charged_wh(rules)) < 10
            if same_service and min(problem.import_price_eur_per_kwh) >= 0:
                assert plan.cost_eur <= rules.cost_eur + 0.01 + 0.002 * abs(rules.cost_eur), seed


def test_every_problem_gets_a_plan_by_rules_that_passes_the_check():
    for seed in range(COUNT):
        problem = odd_problem(seed)
        assert violations(problem, fallback_plan(problem)) == (), seed


def test_the_odd_problems_bend_every_wish_and_leave_some_alone():
    """The generator is worth its name: but for the rules that never sell or buy for a battery, all wishes occur."""
    plans = [fallback_plan(odd_problem(seed)) for seed in range(min(COUNT, 200))]
    bent = {each.wish for plan in plans for each in plan.unmet}
    assert bent == set(Wish) - {Wish.SELLING, Wish.GRID_CHARGE}
    assert {each.unit for plan in plans for each in plan.unmet} == set(Unit) - {Unit.W}
    assert any(not plan.unmet for plan in plans)


def _is_ordinary(battery: BatteryInput) -> bool:
    return battery.discharge_efficiency_ratio > 0.9 and battery.floor_wh <= battery.stored_wh <= battery.ceiling_wh


def _exceeded_wh(plan: Plan) -> float:
    """Beyond the connection and every phase of every fuse: what relieves one may load another."""
    return sum(each.shortfall for each in plan.unmet if each.wish is Wish.CONNECTION)


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
    taper=st.none() | st.builds(Taper, from_wh=st.floats(-100, 20_000), end_power_w=powers),
    load_w=st.lists(st.floats(-1000, 30_000), min_size=1, max_size=12),
    export_price=st.floats(-1, 1),
)
def test_the_rules_always_make_a_plan_that_passes(
    stored_wh: float,
    window: tuple[float, float],
    reserve_wh: float,
    limits: tuple[float, float],
    ratios: tuple[float, float],
    taper: Taper | None,
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
                charge_taper=taper,
                discharge_taper=taper,
            ),
        ),
    )
    assert violations(problem, fallback_plan(problem)) == ()


@settings(deadline=None, max_examples=25)
@given(
    fuse_w=st.floats(0, 8000),
    phase_load_w=st.tuples(*(st.floats(-9000, 9000),) * 3),
    give_max_w=st.floats(0, 9000),
    seed=st.integers(0, 50),
)
def test_no_house_is_too_narrow_for_the_rules(
    fuse_w: float, phase_load_w: tuple[float, float, float], give_max_w: float, seed: int
):
    """The fullest ordinary house behind any fuse, with any load on each phase."""
    house = full_problem(seed, count=48)
    l1, l2, l3 = ((each,) * 48 for each in phase_load_w)
    main = replace(house.circuits[0], phase_power_max_w=(fuse_w,) * 3, phase_load_w=(l1, l2, l3))
    problem = replace(
        house,
        circuits=(main, *house.circuits[1:]),
        inverters=(replace(house.inverters[0], give_power_max_w=give_max_w),),
    )
    assert violations(problem, fallback_plan(problem)) == ()


@given(st.integers(0, 10_000))
def test_reading_a_problem_twice_changes_nothing_more(seed: int):
    once = plausible(odd_problem(seed))
    assert plausible(once) == once


@given(st.integers(0, 10_000))
def test_a_car_is_connected_between_arrival_and_departure_only(seed: int):
    problem = odd_problem(seed)
    for car in problem.cars:
        ratios = connected_ratio(car, problem.grid)
        hours = sum(ratios) * problem.grid.slot_h
        assert all(0 <= each <= 1 for each in ratios)
        assert hours <= max(0.0, (car.departure_at - max(car.arrival_at, problem.grid.start_at)).total_seconds() / 3600)


@given(st.integers(0, 10_000))
def test_an_appliance_runs_its_profile_once_as_far_as_the_grid_goes(seed: int):
    problem = plausible(odd_problem(seed))
    for appliance in problem.appliances:
        starts = appliance_starts(appliance, problem.grid)
        assert list(starts) == sorted(set(starts))
        for start in (starts[0], starts[-1]):
            used_w = sum(appliance_power_w(appliance, start, problem.grid))
            assert used_w <= sum(appliance.profile_w) + 1e-6
            if _is_inside(appliance, start, problem.grid.count):
                assert used_w == sum(appliance.profile_w)


def _is_inside(appliance: ApplianceInput, start: int, count: int) -> bool:
    return start >= 0 and start + len(appliance.profile_w) <= count


@given(
    stored=st.floats(-1e4, 2e4),
    end_wh=st.floats(0, 1e4),
    from_wh=st.floats(-1e4, 2e4),
    end_power_w=st.floats(0, 5000),
    wh_per_w=st.floats(0.01, 5),
)
def test_the_power_of_a_slot_keeps_its_taper(
    stored: float, end_wh: float, from_wh: float, end_power_w: float, wh_per_w: float
):
    if abs(from_wh - end_wh) < 1:
        return
    taper, up = Taper(from_wh=from_wh, end_power_w=end_power_w), 1 if from_wh < end_wh else -1
    power_w = taper_power_w(taper, power_max_w=5000.0, end_wh=end_wh, stored_wh=stored, wh_per_w=wh_per_w)
    after_wh = stored + up * power_w * wh_per_w
    inside = (end_wh - after_wh) * up >= 0
    limit_w = taper_limit_w(taper, power_max_w=5000.0, end_wh=end_wh, stored_wh=after_wh)
    assert not inside or power_w <= limit_w + 1e-3


@given(st.integers(0, 10_000))
def test_whatever_is_in_a_circuit_is_behind_the_main_fuse(seed: int):
    problem = plausible(odd_problem(seed))
    for members in circuit_members(problem):
        if members.circuit.circuit_id == "main":
            assert members.cars == tuple(range(len(problem.cars)))
            assert members.inverters == tuple(range(len(problem.inverters)))
