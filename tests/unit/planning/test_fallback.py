"""The plan by rules, against numbers worked out by hand."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.domain.plan import Origin, Purpose, Wish
from hems.domain.power import Phase
from hems.domain.problem import CarTarget, HygieneInput, PlanningProblem, PvInput, Taper
from hems.domain.site import MAIN, CircuitId, DeviceId
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from tests.support.problems import (
    ONE_PHASE,
    START_AT,
    THREE_PHASES,
    appliance,
    battery,
    car,
    circuit,
    flat_problem,
    full_problem,
    heat_pump,
    inverter,
    room,
    tank,
)

SUN = PvInput(device_id=DeviceId("roof"), production_power_w=(4000.0,) * 4 + (0.0,) * 4, curtailable=True)
NO_TANK_LOSS = tank(temperature_c=45.0, loss_w_per_k=0.0)


def test_the_battery_stores_what_is_left_over_and_covers_what_is_missing():
    problem = flat_problem(pv=(SUN,), load_power_w=(1000.0,) * 8, batteries=(battery(),))
    plan = fallback_plan(problem)
    assert plan.batteries[0].power_w == (3000.0,) * 4 + (-1000.0,) * 4
    assert plan.grid_power_w == (0.0,) * 8
    # 3 kWh in at 0.95, 1 kWh out at 0.95
    assert plan.batteries[0].stored_wh[-1] == pytest.approx(5000 + 3000 * 0.95 - 1000 / 0.95)
    assert set(plan.batteries[0].purpose) == {Purpose.SELF_CONSUME}
    assert plan.batteries[0].value_eur_per_kwh is None
    assert plan.origin is Origin.RULES


def test_the_battery_keeps_its_reserve():
    plan = fallback_plan(flat_problem(load_power_w=(3000.0,) * 8, batteries=(battery(reserve_wh=4050.0),)))
    assert plan.batteries[0].stored_wh[-1] == pytest.approx(4050.0)


def test_the_reserve_is_for_a_load_that_passes_the_fuse():
    problem = flat_problem(load_power_w=(20_000.0,) * 8, batteries=(battery(reserve_wh=4900.0),))
    assert fallback_plan(problem).batteries[0].power_w[0] < -4000


def test_the_battery_charges_slower_when_nearly_full():
    """9.5 of 10 kWh, 5 kW falling to 1 kW from 9 kWh on: 4 W per Wh. p = 1000 + 4 x (500 - p x 0.25 x 0.95)."""
    filling = battery(stored_wh=9500.0, charge_taper=Taper(from_wh=9000.0, end_power_w=1000.0))
    plan = fallback_plan(flat_problem(pv=(replace(SUN, production_power_w=(9000.0,) * 8),), batteries=(filling,)))
    assert plan.batteries[0].power_w[0] == pytest.approx(3000 / (1 + 4 * 0.25 * 0.95))


def test_behind_a_hybrid_inverter_the_battery_takes_what_does_not_fit_through():
    """7 kW of sun behind 5 kW: 5,000 W leave for 5,208 W, the other 1,792 W are stored though the house imports."""
    hybrid = DeviceId("hybrid")
    problem = flat_problem(
        load_power_w=(9000.0,) * 8,
        pv=(replace(SUN, production_power_w=(7000.0,) * 8, inverter_id=hybrid),),
        batteries=(battery(inverter_id=hybrid),),
        inverters=(inverter(),),
    )
    plan = fallback_plan(problem)
    assert plan.batteries[0].power_w[0] == pytest.approx(7000 - 5000 / 0.96)
    assert plan.inverters[0].power_w[0] == pytest.approx(-5000)
    assert plan.grid_power_w[0] == pytest.approx(4000)
    assert [each.wish for each in plan.unmet] == []


def test_the_car_charges_on_plug_in_until_it_has_what_it_needs():
    """10 kWh at 11.04 kW: three whole quarter hours, then 1.72 kWh."""
    plan = fallback_plan(flat_problem(cars=(car(),)))
    expected = [11_040.0, 11_040.0, 11_040.0, 6880.0, 0.0, 0.0, 0.0, 0.0]
    assert list(plan.cars[0].power_w) == pytest.approx(expected)
    assert plan.cars[0].phase_count == (3, 3, 3, 3, 0, 0, 0, 0)


def test_the_car_waits_where_the_connection_leaves_less_than_its_smallest_power():
    room_w = (3000.0,) * 4 + (6000.0,) * 4
    plan = fallback_plan(flat_problem(cars=(car(),), import_power_max_w=room_w))
    assert plan.cars[0].power_w == (0.0,) * 4 + (6000.0,) * 4


def test_later_the_car_takes_what_there_is_for_only_the_outlook_counts():
    problem = flat_problem(30, cars=(car(departure_at=START_AT + timedelta(hours=8)),))
    plan = fallback_plan(replace(problem, import_power_max_w=(3000.0,) * 30))
    assert plan.cars[0].power_w == (0.0,) * 24 + (3000.0,) * 6


def test_the_car_takes_one_phase_where_three_have_no_room():
    room_w = (3000.0,) * 4 + (6000.0,) * 4
    either = car(modes=(ONE_PHASE, THREE_PHASES))
    plan = fallback_plan(flat_problem(cars=(either,), import_power_max_w=room_w))
    assert plan.cars[0].power_w == (3000.0,) * 4 + (6000.0,) * 4
    assert plan.cars[0].phase_count == (1,) * 4 + (3,) * 4


def test_the_car_charges_beyond_its_departure_for_what_it_must_have_at_least():
    greedy = car(
        energy_needed_wh=1000.0,
        energy_max_wh=20_000.0,
        targets=(CarTarget(at=START_AT + timedelta(hours=1), energy_wh=5000.0, minimum=True),),
    )
    plan = fallback_plan(flat_problem(cars=(greedy,)))
    assert sum(plan.cars[0].power_w) / 4 == pytest.approx(5000.0)
    assert plan.unmet == ()


def test_two_cars_share_a_phase_of_25_a():
    """5,750 W on L1: the first takes 3,680 W, of which the second leaves nothing undone, the rest is for the second."""
    cars = tuple(car(device_id=DeviceId(name), modes=(ONE_PHASE,)) for name in ("left", "right"))
    plan = fallback_plan(flat_problem(cars=cars, circuits=(circuit(),)))
    assert plan.cars[0].power_w[0] == 3680.0
    assert plan.cars[1].power_w[0] == 5750.0 - 3680.0


def test_a_fuse_further_down_counts():
    garage = CircuitId("garage")
    circuits = (circuit(), circuit(circuit_id=garage, parent_id=MAIN, phase_power_max_w=(2000.0,) * 3))
    plan = fallback_plan(flat_problem(cars=(car(circuit_id=garage),), circuits=circuits))
    assert plan.cars[0].power_w[0] == pytest.approx(6000.0)


def test_the_operator_limits_devices_and_not_the_load():
    problem = flat_problem(cars=(car(),), load_power_w=(500.0,) * 8, operator_import_max_w=(5000.0,) * 4 + (0.0,) * 4)
    plan = fallback_plan(problem)
    assert plan.cars[0].power_w == (4500.0,) * 4 + (0.0,) * 4
    operator = next(each for each in plan.unmet if each.wish is Wish.OPERATOR)
    assert (operator.shortfall, operator.remedy.amount) == (500.0, 500.0)


def test_heat_keeps_the_room_at_the_lower_edge():
    """19 degrees at 5 outside lose 14 K x 150 W/K = 2,100 W: 525 W at a COP of 4, so 600 W in the exact hours."""
    plan = fallback_plan(flat_problem(48, heat=(heat_pump(48, room=room(48, temperature_c=19.0)),)))
    assert plan.heat[0].power_w[0] == 600.0
    assert set(plan.heat[0].power_w[:24]) == {0.0, 600.0}
    assert plan.heat[0].power_w[40] == pytest.approx(525.0)
    assert plan.heat[0].room_c[40] == pytest.approx(19.0)
    assert plan.unmet == ()


def test_a_run_lasts_as_long_as_it_must():
    pump = heat_pump(room=room(temperature_c=19.0), min_run_s=3600.0, levels_w=(800.0, 2000.0))
    power_w = fallback_plan(flat_problem(heat=(pump,))).heat[0].power_w
    assert power_w[:4] == (800.0,) * 4
    resting = replace(pump, state_s=900.0, min_rest_s=2700.0)
    power_w = fallback_plan(flat_problem(heat=(resting,))).heat[0].power_w
    assert [each > 0 for each in power_w] == [False, False, True, True, True, True, False, False]


def test_a_run_that_the_fuse_would_cut_short_does_not_start():
    pump = heat_pump(room=room(temperature_c=18.0), min_run_s=2700.0)
    problem = flat_problem(heat=(pump,), import_power_max_w=(2000.0, 2000.0, 0.0, 2000.0, 2000.0, 2000.0, 0.0, 0.0))
    plan = fallback_plan(problem)
    assert [each > 0 for each in plan.heat[0].power_w] == [False] * 3 + [True] * 3 + [False] * 2
    assert violations(problem, plan) == ()


def test_a_run_that_lasts_keeps_its_room_from_the_car():
    """3 kW for all: the pump's minimum of 600 W is safe, the car on one phase has 2.4 kW left."""
    pump = heat_pump(room=room(temperature_c=25.0), running=True, state_s=0.0, min_run_s=1800.0)
    problem = flat_problem(heat=(pump,), cars=(car(modes=(ONE_PHASE,)),), import_power_max_w=(3000.0,) * 8)
    plan = fallback_plan(problem)
    assert plan.heat[0].power_w == (600.0,) * 2 + (0.0,) * 6
    assert plan.cars[0].power_w == (2400.0,) * 2 + (3000.0,) * 6


def test_a_measured_run_that_a_limit_ends_is_listed():
    pump = heat_pump(running=True, state_s=300.0, min_run_s=2700.0)
    problem = flat_problem(heat=(pump,), import_power_max_w=(1000.0,) + (0.0,) * 7)
    plan = fallback_plan(problem)
    assert violations(problem, plan) == ()
    protection = next(each for each in plan.unmet if each.wish is Wish.PROTECTION)
    assert (protection.shortfall, protection.at) == (1500.0, START_AT + timedelta(minutes=15))


def test_the_tank_comes_before_the_room():
    """1 kWh tapped per quarter hour: 4,000 W of heat, 1,333 W at a COP of 3; the room gets the rest of 2 kW."""
    tapped = replace(NO_TANK_LOSS, draws_w=(4000.0,) * 8)
    pump = heat_pump(power_max_w=2000.0, room=room(temperature_c=17.0), tank=tapped)
    plan = fallback_plan(flat_problem(heat=(pump,)))
    assert plan.heat[0].power_w[0] == 2000.0
    assert plan.heat[0].tank_power_w[0] == pytest.approx(4000 / 3)
    assert plan.heat[0].tank_c[-1] == pytest.approx(45.0)
    assert [each.wish for each in plan.unmet] == [Wish.HEAT_MIN]


def test_the_hygiene_run_is_in_time():
    asked = HygieneInput(temperature_c=60.0, by_at=START_AT + timedelta(hours=2))
    pump = heat_pump(room=None, tank=replace(NO_TANK_LOSS, hygiene=asked))
    plan = fallback_plan(flat_problem(16, heat=(replace(pump, tank=replace(tank(16), hygiene=asked)),)))
    assert max(plan.heat[0].tank_c[:8]) >= 60.0 - 1e-6
    assert plan.heat[0].power_w[0] == 0.0
    assert plan.unmet == ()


def test_an_appliance_starts_when_it_may_and_fits():
    problem = flat_problem(load_power_w=(3000.0,) * 3 + (0.0,) * 5, import_power_max_w=(4000.0,) * 8)
    plan = fallback_plan(replace(problem, appliances=(appliance(),)))
    assert plan.appliances[0].start_at == START_AT + timedelta(minutes=45)
    assert plan.appliances[0].power_w == (0.0,) * 3 + (2000.0, 200.0, 200.0, 2000.0, 0.0)
    assert plan.unmet == ()


def test_an_appliance_that_never_fits_waits_and_one_under_way_goes_on():
    problem = flat_problem(import_power_max_w=(1000.0,) * 8)
    waiting = fallback_plan(replace(problem, appliances=(appliance(),)))
    assert waiting.appliances[0].power_w == (0.0,) * 8
    assert [(each.wish, each.shortfall) for each in waiting.unmet] == [(Wish.APPLIANCE, 3600.0)]
    under_way = appliance(started_at=START_AT - timedelta(minutes=50))
    going_on = fallback_plan(replace(problem, appliances=(under_way,)))
    assert going_on.appliances[0].power_w == (0.0,) * 8
    under_way = appliance(started_at=START_AT - timedelta(minutes=40))
    going_on = fallback_plan(replace(problem, appliances=(under_way,)))
    assert going_on.appliances[0].power_w == (2000.0,) + (0.0,) * 7
    assert [(each.wish, each.shortfall) for each in going_on.unmet] == [(Wish.CONNECTION, 250.0)]


def test_export_that_costs_money_is_curtailed():
    problem = flat_problem(pv=(SUN,), load_power_w=(1000.0,) * 8, export_price_eur_per_kwh=(-0.02,) * 8)
    plan = fallback_plan(problem)
    assert plan.pv[0].production_power_w == (1000.0,) * 4 + (0.0,) * 4
    stuck = replace(problem, pv=(replace(SUN, curtailable=False),))
    assert fallback_plan(stuck).grid_power_w[0] == -3000.0
    assert violations(stuck, fallback_plan(stuck)) == ()


def test_sun_that_one_phase_cannot_take_is_not_counted_on_by_another():
    """12 kW of sun on three phases behind 1 kW a phase: a car on L1 that counted on 4 kW there would blow L1."""
    problem: PlanningProblem = flat_problem(
        pv=(replace(SUN, production_power_w=(12_000.0,) * 8),),
        cars=(car(modes=(replace(ONE_PHASE, phases=(Phase.L1,)),)),),
        circuits=(circuit(phase_power_max_w=(1000.0,) * 3),),
    )
    plan = fallback_plan(problem)
    assert violations(problem, plan) == ()
    assert plan.cars[0].power_w[0] == pytest.approx(2000.0)
    assert plan.pv[0].production_power_w[0] == pytest.approx(3000.0)


def test_a_battery_does_not_buy_instead_of_sun_that_a_fuse_held_back():
    """12 kW of sun on L1 behind 1 kW a phase; 3 kW into the battery on three phases would let 2 kW of it through."""
    problem = flat_problem(
        pv=(replace(SUN, production_power_w=(12_000.0,) * 8, phases=(Phase.L1,)),),
        batteries=(battery(),),
        circuits=(circuit(phase_power_max_w=(1000.0,) * 3),),
    )
    plan = fallback_plan(problem)
    assert violations(problem, plan) == ()
    assert plan.batteries[0].power_w[0] == pytest.approx(1000.0)
    assert plan.grid_power_w[0] == pytest.approx(0.0)


@pytest.mark.parametrize("seed", range(6))
def test_the_fullest_house_gets_a_plan_by_rules(seed: int):
    problem = full_problem(seed)
    plan = fallback_plan(problem)
    assert violations(problem, plan) == ()
    assert {each.wish for each in plan.unmet} <= {Wish.HEAT_MIN}  # 0.05 K while the tank is heated for hygiene
