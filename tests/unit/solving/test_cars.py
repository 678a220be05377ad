"""Cars in the plan, against powers and costs found by hand. Slots of 15 min, 0.30 EUR in, 0.05 EUR out."""

from datetime import timedelta

import pytest

from hems.domain.plan import CarPlan, Wish
from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import CarDischarge, CarTarget, ChargeMode, PlanningProblem, PvInput, Taper
from hems.domain.site import DeviceId
from hems.planning.check import violations
from hems.solving.plan import solve
from tests.support.odd_problems import odd_problem
from tests.support.planned import planned
from tests.support.problems import ONE_PHASE, START_AT, THREE_PHASES, car, circuit, flat_problem

ANY_POWER = (ChargeMode(phases=ALL_PHASES, power_min_w=0.0, power_max_w=11_040.0),)
CHEAP_LATER = (0.40,) * 4 + (0.20,) * 4
SUNNY = PvInput(device_id=DeviceId("roof"), production_power_w=(2000.0,) * 8, curtailable=False)


def charged(problem: PlanningProblem) -> CarPlan:
    return planned(problem).cars[0]


def energy_wh(own: CarPlan, first: int, last: int) -> float:
    return sum(own.power_w[first:last]) / 4


def test_a_one_phase_car_gets_what_its_phase_has_left():
    """25 A on each phase, 3 kW of load on L1: 2,750 W are left there, whatever L2 and L3 have."""
    fuse = circuit(phase_load_w=((3000.0,) * 8, (0.0,) * 8, (0.0,) * 8))
    for phase, expected_w in ((Phase.L1, 2750.0), (Phase.L2, 3680.0)):
        mode = ChargeMode(phases=(phase,), power_min_w=1380.0, power_max_w=3680.0)
        problem = flat_problem(load_power_w=(3000.0,) * 8, circuits=(fuse,), cars=(car(modes=(mode,)),))
        assert charged(problem).power_w == pytest.approx((expected_w,) * 8)


def test_a_car_charges_on_one_phase_from_a_small_sun():
    own = charged(flat_problem(pv=(SUNNY,), cars=(car(modes=(ONE_PHASE, THREE_PHASES), energy_needed_wh=4000.0),)))
    assert own.power_w == pytest.approx((2000.0,) * 8)
    assert own.phase_count == (1,) * 8


def test_a_car_charges_on_three_phases_where_one_is_not_enough():
    own = charged(flat_problem(pv=(SUNNY,), cars=(car(modes=(ONE_PHASE, THREE_PHASES), energy_needed_wh=22_000.0),)))
    assert energy_wh(own, 0, 8) == pytest.approx(22_000.0)
    assert set(own.phase_count) == {3}


def test_a_car_on_one_phase_fits_where_three_do_not():
    """L3 is full: three phases would need 1,380 W of it."""
    fuse = circuit(phase_load_w=((0.0,) * 8, (0.0,) * 8, (5000.0,) * 8))
    problem = flat_problem(load_power_w=(5000.0,) * 8, circuits=(fuse,), cars=(car(modes=(ONE_PHASE, THREE_PHASES)),))
    own = charged(problem)
    assert own.phase_count == (1,) * 8
    assert own.power_w == pytest.approx((3680.0,) * 8)


def test_starts_are_worth_a_dear_quarter_of_an_hour():
    """Cheap and dear in turn, 11.04 kWh: four starts for 1.104 EUR of energy.

    In one run three cheap quarters are in it, and 2.76 kWh are dear; pausing in a part-slot is a start.
    """
    prices = (0.10, 0.30) * 4
    for switch_cost_eur, energy_eur, starts in ((0.0, 1.104, 4), (0.1, 1.104, 4), (1.0, 1.656, 1)):
        one = car(energy_needed_wh=11_040.0, switch_cost_eur=switch_cost_eur)
        plan = planned(flat_problem(import_price_eur_per_kwh=prices, cars=(one,)))
        assert plan.cost.energy_eur == pytest.approx(energy_eur, abs=0.001)
        assert plan.cost.wear_eur == pytest.approx(starts * switch_cost_eur)


def test_a_charge_that_runs_already_is_no_start():
    """It goes on as slowly as it can until the cheap quarter, rather than stop for it."""
    prices = (0.31, 0.30) * 4
    running = car(energy_needed_wh=2760.0, switch_cost_eur=0.1, charging_mode=0)
    own = charged(flat_problem(import_price_eur_per_kwh=prices, cars=(running,)))
    assert own.power_w == pytest.approx((4140.0, 6900.0) + (0.0,) * 6)


def test_a_taper_is_expected():
    """From 5 kWh on the power falls from 11,040 W to 2,000 W at 10 kWh, below the 4,140 W of six amperes.

    1.808 W less per Wh, by the energy at the end of a slot: p = (2,000 + 1.808 * (10,000 - before)) / 1.452.
    """
    tapering = car(taper=Taper(from_wh=5000.0, end_power_w=2000.0), departure_at=START_AT + timedelta(hours=6))
    plan = planned(flat_problem(24, cars=(tapering,)))
    expected, before_wh = [11_040.0], 2760.0
    while before_wh < 9999:
        power_w = (2000 + 1.808 * (10_000 - before_wh)) / 1.452
        expected.append(min(power_w, (10_000 - before_wh) * 4))
        before_wh += expected[-1] / 4
    assert plan.unmet == ()
    assert plan.cars[0].power_w[: len(expected)] == pytest.approx(expected, abs=2)
    assert not any(plan.cars[0].power_w[len(expected) :])


def test_a_taper_that_ends_above_the_smallest_power_eases_nothing():
    """There is no slot in which it takes less by itself; one may be a part of a slot."""
    tapering = car(energy_needed_wh=6000.0, switch_cost_eur=0.01, taper=Taper(from_wh=5000.0, end_power_w=6000.0))
    plan = planned(flat_problem(import_price_eur_per_kwh=(0.30, 0.20) * 4, cars=(tapering,)))
    assert plan.unmet == ()
    assert sum(0.0 < power_w < 4140.0 - 1 for power_w in plan.cars[0].power_w) <= 1


def test_a_taper_is_reckoned_with_before_the_departure():
    """The last 5 kWh take longer than at full power: charging begins before the cheap hour."""
    price = (0.40,) * 20 + (0.10,) * 4
    leaving = START_AT + timedelta(hours=6)
    plain = car(departure_at=leaving, modes=ANY_POWER)
    tapering = car(departure_at=leaving, modes=ANY_POWER, taper=Taper(from_wh=5000.0, end_power_w=2000.0))
    early_wh = [
        energy_wh(charged(flat_problem(24, import_price_eur_per_kwh=price, cars=(each,))), 0, 20)
        for each in (plain, tapering)
    ]
    assert early_wh == [pytest.approx(0.0, abs=0.1), pytest.approx(6189.2, abs=1.0)]


def test_a_car_covers_a_dear_hour_and_is_charged_again():
    """2 kWh for the house out of it, 2.5 kWh into it again at an efficiency of 80 %."""
    giving = car(
        energy_needed_wh=0.0,
        discharge=CarDischarge(power_max_w=5000.0, available_wh=5000.0, round_trip_efficiency_ratio=0.8),
    )
    problem = flat_problem(
        import_price_eur_per_kwh=(0.60,) * 4 + (0.10,) * 4, load_power_w=(2000.0,) * 8, cars=(giving,)
    )
    plan = planned(problem)
    assert plan.cars[0].power_w[:4] == pytest.approx((-2000.0,) * 4, abs=0.1)
    assert energy_wh(plan.cars[0], 4, 8) == pytest.approx(2500.0, abs=0.1)
    assert plan.cost.energy_eur == pytest.approx(0.45, abs=1e-4)


def test_a_car_gives_no_more_than_it_may():
    giving = car(
        energy_needed_wh=0.0,
        discharge=CarDischarge(
            power_max_w=5000.0, available_wh=1000.0, round_trip_efficiency_ratio=0.8, cycle_cost_eur_per_kwh=0.05
        ),
    )
    problem = flat_problem(
        import_price_eur_per_kwh=(0.60,) * 4 + (0.10,) * 4, load_power_w=(2000.0,) * 8, cars=(giving,)
    )
    plan = planned(problem)
    assert energy_wh(plan.cars[0], 0, 4) == pytest.approx(-800.0, abs=0.1)
    assert plan.cost.wear_eur == pytest.approx(0.04, abs=1e-4)


def test_giving_back_does_not_pay_where_it_wears_more_than_it_saves():
    giving = car(
        energy_needed_wh=0.0,
        discharge=CarDischarge(
            power_max_w=5000.0, available_wh=5000.0, round_trip_efficiency_ratio=0.8, cycle_cost_eur_per_kwh=0.5
        ),
    )
    problem = flat_problem(
        import_price_eur_per_kwh=(0.60,) * 4 + (0.10,) * 4, load_power_w=(2000.0,) * 8, cars=(giving,)
    )
    assert not any(charged(problem).power_w)


def test_always_at_least_is_charged_at_any_price():
    least = CarTarget(at=START_AT + timedelta(hours=1), energy_wh=4000.0, minimum=True)
    own = charged(flat_problem(import_price_eur_per_kwh=CHEAP_LATER, cars=(car(targets=(least,)),)))
    assert energy_wh(own, 0, 4) == pytest.approx(4000.0, abs=0.1)


@pytest.mark.parametrize(("probability", "early_wh"), [(0.2, 0.0), (0.5, 4000.0)])
def test_an_early_departure_is_covered_where_it_is_likely(probability: float, early_wh: float):
    """4 kWh an hour earlier cost 0.20 EUR/kWh more; lacking them costs 0.60 EUR as often as the car leaves."""
    early = CarTarget(at=START_AT + timedelta(hours=1), energy_wh=4000.0, probability_ratio=probability)
    plan = planned(flat_problem(import_price_eur_per_kwh=CHEAP_LATER, cars=(car(targets=(early,)),)))
    assert energy_wh(plan.cars[0], 0, 4) == pytest.approx(early_wh, abs=0.1)
    assert plan.unmet == ()


def test_a_certain_early_departure_is_a_wish():
    early = CarTarget(at=START_AT + timedelta(minutes=15), energy_wh=4000.0)
    plan = planned(flat_problem(cars=(car(targets=(early,)),)))
    assert [(each.wish, round(each.shortfall)) for each in plan.unmet] == [(Wish.DEPARTURE, 1240)]


def test_more_than_needed_is_charged_where_it_earns_money():
    """Paid 0.10 EUR/kWh to take energy in the first hour."""
    paid = (-0.10,) * 4 + (0.30,) * 4
    for most_wh, charged_wh in ((None, 5000.0), (9000.0, 9000.0)):
        problem = flat_problem(
            import_price_eur_per_kwh=paid,
            export_price_eur_per_kwh=paid,
            cars=(car(energy_needed_wh=5000.0, energy_max_wh=most_wh),),
        )
        assert energy_wh(charged(problem), 0, 8) == pytest.approx(charged_wh, abs=0.1)


def test_a_car_that_is_expected_later_has_its_hours():
    late = car(arrival_at=START_AT + timedelta(minutes=67, seconds=30), energy_needed_wh=1e5)
    own = charged(flat_problem(cars=(late,)))
    assert own.power_w == pytest.approx((0.0,) * 4 + (5520.0,) + (11_040.0,) * 3)


@pytest.mark.parametrize("seed", [5217, 7439])
def test_a_car_charges_in_one_of_three_ways_in_each_slot(seed: int):
    """Hours ahead it was spread over the first and the last of them, and no single one could carry that power."""
    problem = odd_problem(seed)
    assert violations(problem, solve(problem).plan) == ()
