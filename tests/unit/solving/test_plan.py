"""The planner's optimum against independent numbers: enumeration, hand calculation, finite differences."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import product
from random import Random

import pytest

from hems.domain.plan import Purpose, Wish
from hems.domain.power import ALL_PHASES
from hems.domain.problem import ChargeMode, PlanningProblem, PvInput
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from hems.planning.reading import uncontrolled_w
from hems.solving.plan import GAP_EUR, solve
from tests.support.odd_problems import odd_problem
from tests.support.problems import (
    START_AT,
    battery,
    car,
    flat_problem,
    full_problem,
    heat_pump,
    house_problem,
    room,
)

SLOT_H = 0.25
ANY_POWER = (ChargeMode(phases=ALL_PHASES, power_min_w=0.0, power_max_w=11_040.0),)


def small_problem(seed: int, *, selling_pays: bool = False) -> PlanningProblem:
    """Six slots in whole kilowatts without losses, so that the optimum lies on a grid of 250 Wh."""
    rng = Random(seed)
    buy = tuple(round(rng.uniform(0.05, 0.40), 3) for _ in range(6))
    sell = tuple(each + 0.03 if selling_pays and rng.random() < 0.5 else each * 0.4 for each in buy)
    return flat_problem(
        6,
        import_price_eur_per_kwh=buy,
        export_price_eur_per_kwh=sell,
        load_power_w=tuple(1000.0 * rng.randrange(3) for _ in range(6)),
        import_power_max_w=(7000.0,) * 6,
        pv=(
            PvInput(
                device_id=DeviceId("roof"),
                production_power_w=tuple(1000.0 * rng.randrange(4) for _ in range(6)),
                curtailable=False,
            ),
        ),
        batteries=(
            battery(
                stored_wh=750.0,
                floor_wh=0.0,
                ceiling_wh=1500.0,
                reserve_wh=0.0,
                charge_power_max_w=2000.0,
                discharge_power_max_w=2000.0,
                charge_efficiency_ratio=1.0,
                discharge_efficiency_ratio=1.0,
                terminal_value_eur_per_kwh=0.10,
            ),
        ),
        cars=(
            car(
                energy_needed_wh=2250.0,
                modes=(ChargeMode(phases=ALL_PHASES, power_min_w=3000.0, power_max_w=5000.0),),
            ),
        ),
    )


def enumerated_optimum_eur(problem: PlanningProblem) -> float:
    """Least cost over all powers in whole kilowatts, by dynamic programming in plain Python."""

    @cache
    def least(slot: int, stored: int, needed: int, part_used: bool) -> float:
        if slot == problem.grid.count:
            return 1e9 if needed else -stored * 0.25 * 0.10
        return min(
            _cost_eur(problem, slot, own + driven)
            + least(slot + 1, stored + own, needed - driven, part_used or driven in {1, 2})
            for own, driven in product(range(-2, 3), (0, 1, 2, 3, 4, 5))
            if 0 <= stored + own <= 6
            and driven <= needed
            and not (part_used and driven in {1, 2})
            and _net_kw(problem, slot) + own + driven <= 7
        )

    return least(0, 3, 9, False)


def _net_kw(problem: PlanningProblem, slot: int) -> int:
    return round((problem.load_power_w[slot] - problem.pv[0].production_power_w[slot]) / 1000)


def _cost_eur(problem: PlanningProblem, slot: int, added_kw: int) -> float:
    net_kw = _net_kw(problem, slot) + added_kw
    prices = problem.import_price_eur_per_kwh if net_kw >= 0 else problem.export_price_eur_per_kwh
    return net_kw * SLOT_H * prices[slot]


@pytest.mark.parametrize("selling_pays", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_cost_is_the_least_of_all_plans(seed: int, *, selling_pays: bool):
    problem = small_problem(seed, selling_pays=selling_pays)
    plan = solve(problem).plan
    assert violations(problem, plan) == ()
    assert plan.unmet == ()
    # SCIP stops within half a cent and a thousandth of the bill; the tie-breaks weigh less than a tenth of that.
    assert plan.cost_eur == pytest.approx(enumerated_optimum_eur(problem), abs=GAP_EUR + 0.002)


def _differences(problem: PlanningProblem, changed: list[PlanningProblem]) -> Iterator[float]:
    """Cost change per kWh for each changed problem of 50 Wh more or less."""
    base_eur = solve(problem).plan.cost_eur
    for each in changed:
        yield (solve(each).plan.cost_eur - base_eur) / 0.05


def _later(problem: PlanningProblem, slots: int, stored_wh: float) -> PlanningProblem:
    """What is left of a problem without cars after some slots."""
    grid = SlotGrid(start_at=problem.grid.slot_start(slots), count=problem.grid.count - slots)
    return replace(
        problem,
        grid=grid,
        import_price_eur_per_kwh=problem.import_price_eur_per_kwh[slots:],
        export_price_eur_per_kwh=problem.export_price_eur_per_kwh[slots:],
        load_power_w=problem.load_power_w[slots:],
        import_power_max_w=problem.import_power_max_w[slots:],
        export_power_max_w=problem.export_power_max_w[slots:],
        pv=(replace(problem.pv[0], production_power_w=problem.pv[0].production_power_w[slots:]),),
        batteries=(replace(problem.batteries[0], stored_wh=stored_wh),),
    )


@pytest.mark.parametrize("slots", [0, 20, 60, 100, 150])
def test_the_value_of_stored_energy_is_what_one_more_kwh_saves(slots: int):
    """Method: start the rest of the day with 50 Wh more or less and compare the cost of the new optimum.

    Where both differences agree the optimum is differentiable and the value must be that difference; elsewhere
    it must lie between them.
    """
    smooth = 0
    for seed in range(6):
        whole = house_problem(seed, with_car=False)
        planned = solve(whole).plan.batteries[0]
        assert planned.value_eur_per_kwh is not None
        stored_wh = planned.stored_wh[slots - 1] if slots else whole.batteries[0].stored_wh
        rest = _later(whole, slots, stored_wh)
        if not 600 < stored_wh < 9900:
            continue
        less, more = (_later(whole, slots, stored_wh + change_wh) for change_wh in (-50.0, 50.0))
        lost, gained = _differences(rest, [less, more])
        value = planned.value_eur_per_kwh[slots]
        assert -gained - 0.002 <= value <= lost + 0.002
        smooth += abs(lost + gained) < 1e-4
    assert smooth >= 1, "no differentiable case: choose other seeds"


@pytest.mark.parametrize("seed", range(5))
def test_the_value_of_a_charged_kwh_is_what_it_would_cost_later(seed: int):
    problem = house_problem(seed)
    problem = replace(problem, cars=(replace(problem.cars[0], modes=ANY_POWER),))
    planned = solve(problem).plan.cars[0]
    assert planned.value_eur_per_kwh is not None
    value = planned.value_eur_per_kwh[0]
    needed_wh = problem.cars[0].energy_needed_wh
    less, more = (
        replace(problem, cars=(replace(problem.cars[0], energy_needed_wh=needed_wh + change_wh),))
        for change_wh in (-50.0, 50.0)
    )
    saved, spent = _differences(problem, [less, more])
    assert -saved - 0.003 <= value <= spent + 0.003
    connected = problem.grid.whole_slots_before(problem.cars[0].departure_at)
    assert set(planned.value_eur_per_kwh) == ({value, 0.0} if connected < problem.grid.count else {value})


def test_an_unreachable_wish_has_a_value_that_can_be_shown():
    plan = solve(flat_problem(cars=(car(energy_needed_wh=1e6),))).plan
    assert plan.cars[0].value_eur_per_kwh == (10.0,) * 8
    assert plan.cars[0].power_w == (11_040.0,) * 8, "as close as possible"


@pytest.mark.parametrize(("buy", "sell"), [(0.0, 0.0), (-0.10, -0.12), (-0.10, -0.10), (0.30, 0.30)])
def test_no_energy_goes_round_for_nothing(buy: float, sell: float):
    """Losses are never booked as income: at a flat price nothing is discharged that was charged before."""
    problem = flat_problem(
        48,
        import_price_eur_per_kwh=(buy,) * 48,
        export_price_eur_per_kwh=(sell,) * 48,
        load_power_w=(500.0,) * 48,
        batteries=(battery(terminal_value_eur_per_kwh=0.0),),
    )
    power_w = solve(problem).plan.batteries[0].power_w
    assert not (any(each > 0 for each in power_w) and any(each < 0 for each in power_w))
    if buy == 0:
        assert not any(power_w)


def test_a_negative_export_price_never_empties_a_battery_into_the_grid():
    """Paid for importing later (11 ct), it would pay to dump now (3.5 ct); a battery does not."""
    problem = flat_problem(
        16,
        import_price_eur_per_kwh=(0.10,) * 8 + (-0.11,) * 8,
        export_price_eur_per_kwh=(-0.035,) * 8 + (-0.20,) * 8,
        load_power_w=(500.0,) * 16,
        batteries=(battery(stored_wh=9000.0),),
    )
    plan = solve(problem).plan
    assert min(plan.grid_power_w) >= 0
    assert plan.batteries[0].purpose[0] is Purpose.COVER_LOAD


def test_at_a_flat_tariff_the_car_charges_with_slack():
    problem = flat_problem(48, cars=(car(departure_at=START_AT + timedelta(hours=12)),))
    assert solve(problem).plan.cars[0].power_w[4:] == (0.0,) * 44


def test_the_car_waits_for_the_cheap_hours_and_is_ready_in_time():
    prices = (0.40,) * 16 + (0.10,) * 8 + (0.40,) * 24
    leaves_at = START_AT + timedelta(hours=7, minutes=13)
    problem = flat_problem(48, import_price_eur_per_kwh=prices, cars=(car(departure_at=leaves_at),))
    plan = solve(problem).plan
    charging = [slot for slot, power_w in enumerate(plan.cars[0].power_w) if power_w]
    assert (min(charging), max(charging) < 24, plan.unmet) == (16, True, ())
    assert plan.cars[0].value_eur_per_kwh is not None
    assert plan.cars[0].value_eur_per_kwh[27] == pytest.approx(0.10, abs=0.001)
    assert plan.cars[0].value_eur_per_kwh[28] == 0, "the last quarter hour is not whole"


def test_two_cars_share_one_fuse_and_both_are_ready():
    """Each alone would take the two cheap hours; behind 11 kW both together need four."""
    problem = flat_problem(
        48,
        import_price_eur_per_kwh=(0.40,) * 16 + (0.10,) * 8 + (0.20,) * 24,
        import_power_max_w=(11_040.0,) * 48,
        cars=tuple(
            car(device_id=DeviceId(name), departure_at=START_AT + timedelta(hours=10), energy_needed_wh=20_000.0)
            for name in ("left", "right")
        ),
    )
    plan = solve(problem).plan
    assert plan.unmet == ()
    assert violations(problem, plan) == ()
    assert max(plan.grid_power_w) == pytest.approx(11_040.0)


def test_departure_ranks_above_heat_and_heat_above_reserve():
    """10 kW for one hour: the car needs it all, so the room cools; with the car gone the reserve bends for heat."""
    pump = heat_pump(4, power_min_w=0.0, room=room(4, temperature_c=19.0))
    leaving = car(modes=ANY_POWER, energy_needed_wh=10_000.0, departure_at=START_AT + timedelta(hours=1))
    problem = flat_problem(4, import_power_max_w=(10_000.0,) * 4, heat=(pump,), cars=(leaving,))
    assert [each.wish for each in solve(problem).plan.unmet] == [Wish.HEAT_MIN]
    dark = replace(
        problem,
        cars=(),
        import_power_max_w=(0.0,) * 4,
        batteries=(battery(stored_wh=5000.0, reserve_wh=5000.0),),
    )
    assert [each.wish for each in solve(dark).plan.unmet] == [Wish.RESERVE]


def test_a_plan_never_costs_more_than_the_rules():
    """Where neither bends a wish nor is paid for wasting; cars as part of 40 ordinary houses."""
    for seed in range(40):
        problem = house_problem(seed, with_car=seed % 2 == 0, with_heat=seed % 3 == 0, count=96)
        plan, rules = solve(problem).plan, fallback_plan(problem)
        if not rules.unmet:
            assert plan.unmet == ()
            assert plan.cost_eur <= rules.cost_eur + 0.01, seed


def test_a_corrupt_forecast_does_not_spoil_the_rest_of_the_plan():
    """One quarter hour of 1 GW: listed as exceeded, all others planned as without it."""
    clean = house_problem(3, with_car=False)
    broken = replace(clean, load_power_w=(*clean.load_power_w[:90], 1e9, *clean.load_power_w[91:]))
    plan = solve(broken).plan
    assert violations(broken, plan) == ()
    assert uncontrolled_w(broken)[90] > 9e8
    first = solve(clean).plan.batteries[0].power_w[0]
    assert plan.batteries[0].power_w[0] == pytest.approx(first, abs=1)


def test_seven_days_are_planned_too():
    problem = house_problem(2, with_heat=True, count=672)
    assert violations(problem, solve(problem).plan) == ()


def test_the_fullest_house_is_planned_without_bending_a_wish():
    problem = full_problem(1, count=96)
    plan = solve(problem).plan
    assert violations(problem, plan) == ()
    assert plan.unmet == ()


def test_the_same_problem_gives_the_same_plan():
    for seed in (0, 3, 8):
        assert solve(odd_problem(seed)) == solve(odd_problem(seed))


@pytest.mark.parametrize("seed", [173, 212, 501, 509, 696])
def test_odd_problems_that_once_had_no_good_plan_have_one(seed: int):
    """1.5 W burnt in an inverter, a coefficient of 1e-17, a pattern too weak for the way back into a window."""
    solved = solve(odd_problem(seed))
    assert violations(odd_problem(seed), solved.plan) == ()
    assert solved.solver != "glop, cautious"
