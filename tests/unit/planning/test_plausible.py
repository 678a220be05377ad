"""What odd numbers in a problem mean."""

from dataclasses import replace
from datetime import timedelta

from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import CarDischarge, CarTarget, ChargeMode, NettingInput, PvInput, Taper
from hems.domain.site import MAIN, CircuitId, DeviceId
from hems.planning.plausible import plausible
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


def test_an_ordinary_house_is_what_it_says():
    problem = full_problem(3)
    read = plausible(problem)
    # but for the sun behind the hybrid inverter, which the inverter can hold back, and the price of surplus
    barn = replace(problem.pv[1], curtailable=True)
    assert problem.netting is not None
    lowest = min(*problem.export_price_eur_per_kwh, problem.netting.surplus_price_eur_per_kwh)
    netting = replace(problem.netting, surplus_price_eur_per_kwh=lowest)
    assert read == replace(problem, pv=(problem.pv[0], barn), netting=netting)


def test_a_mode_that_asks_for_more_than_it_may_cannot_run_and_one_without_phases_is_none():
    modes = (
        ChargeMode(phases=(), power_min_w=0.0, power_max_w=9000.0),
        ChargeMode(phases=(Phase.L1,), power_min_w=5000.0, power_max_w=3680.0),
        THREE_PHASES,
        ChargeMode(phases=(Phase.L2,), power_min_w=0.0, power_max_w=9000.0),
    )
    (read,) = plausible(flat_problem(cars=(car(modes=modes, charging_mode=2),))).cars
    assert read.modes == (replace(modes[1], power_max_w=0.0), THREE_PHASES)
    assert read.charging_mode == 1
    (read,) = plausible(flat_problem(cars=(car(modes=modes, charging_mode=0),))).cars
    assert read.charging_mode is None


def test_a_car_without_modes_gives_nothing_back():
    giving = CarDischarge(power_max_w=5000.0, available_wh=5000.0, round_trip_efficiency_ratio=2.0)
    (read,) = plausible(flat_problem(cars=(car(modes=(), discharge=giving),))).cars
    assert read.discharge is None
    (read,) = plausible(flat_problem(cars=(car(discharge=giving),))).cars
    assert read.discharge == replace(giving, round_trip_efficiency_ratio=1.0)


def test_a_target_outside_the_stay_is_one_at_the_departure():
    targets = tuple(
        CarTarget(at=START_AT + timedelta(hours=hours), energy_wh=-5.0, probability_ratio=3.0) for hours in (-1, 1, 9)
    )
    problem = flat_problem(cars=(car(targets=targets, energy_max_wh=50.0),))
    (read,) = plausible(problem).cars
    assert [each.at - START_AT for each in read.targets] == [timedelta(hours=hours) for hours in (2, 1, 2)]
    assert {(each.energy_wh, each.probability_ratio) for each in read.targets} == {(0.0, 1.0)}
    assert read.energy_max_wh == 10_000.0


def test_a_taper_that_begins_at_the_end_is_none():
    beyond = battery(
        charge_taper=Taper(from_wh=10_000.0, end_power_w=100.0), discharge_taper=Taper(from_wh=400.0, end_power_w=100.0)
    )
    (read,) = plausible(flat_problem(batteries=(beyond,))).batteries
    assert (read.charge_taper, read.discharge_taper) == (None, None)
    rising = battery(charge_taper=Taper(from_wh=9000.0, end_power_w=9000.0))
    (read,) = plausible(flat_problem(batteries=(rising,))).batteries
    assert read.charge_taper == Taper(from_wh=9000.0, end_power_w=5000.0)


def test_levels_rise_inside_what_the_pump_can_do():
    (read,) = plausible(flat_problem(heat=(heat_pump(levels_w=(9000.0, 700.0, -1.0, 700.0)),))).heat
    assert read.levels_w == (700.0, 2500.0)


def test_a_pump_that_runs_as_slowly_as_it_likes_has_no_runs_to_keep():
    modulating, stepped = heat_pump(power_min_w=0.0, min_run_s=1800.0, min_rest_s=900.0), heat_pump(min_run_s=1800.0)
    read = plausible(flat_problem(heat=(modulating, stepped))).heat
    assert [(each.min_run_s, each.min_rest_s) for each in read] == [(0.0, 0.0), (1800.0, 0.0)]


def test_a_pump_that_heats_nothing_cannot_run():
    (read,) = plausible(flat_problem(heat=(heat_pump(room=None),))).heat
    assert read.power_max_w == 0.0


def test_heat_has_numbers_that_physics_allows():
    nowhere = float("nan")
    cold = room(temperature_c=-500.0, comfort_max_c=(18.0,) * 8, capacity_wh_per_k=0.0, cop_ratio=(99.0,) * 8)
    odd = tank(temperature_c=nowhere, temperature_max_c=20.0, draws_w=(-3.0,) * 8, loss_w_per_k=-1.0)
    (read,) = plausible(flat_problem(heat=(heat_pump(room=cold, tank=odd),))).heat
    assert read.room is not None
    assert read.tank is not None
    assert read.room == replace(
        cold, temperature_c=-50.0, comfort_max_c=(19.0,) * 8, capacity_wh_per_k=1.0, cop_ratio=(15.0,) * 8
    )
    assert read.tank == replace(odd, temperature_c=0.0, temperature_max_c=45.0, draws_w=(0.0,) * 8, loss_w_per_k=0.0)


def test_circuits_form_a_tree():
    a, b, c, d = (CircuitId(name) for name in "abcd")
    circuits = (
        circuit(parent_id=a),
        circuit(circuit_id=a, parent_id=b),
        circuit(circuit_id=b, parent_id=a),
        circuit(circuit_id=c, parent_id=a, phase_power_max_w=(-1.0, 1e9, 100.0)),
        circuit(circuit_id=d, parent_id=None),
        circuit(circuit_id=d, parent_id=c),
    )
    read = plausible(flat_problem(circuits=circuits)).circuits
    assert {each.circuit_id: each.parent_id for each in read} == {MAIN: None, a: MAIN, b: MAIN, c: MAIN, d: MAIN}
    assert read[3].phase_power_max_w == (0.0, 1e6, 100.0)


def test_surplus_never_earns_more_than_netted_export():
    netting = NettingInput(balance_wh=0.0, surplus_price_eur_per_kwh=0.20)
    read = plausible(flat_problem(netting=netting)).netting
    assert read == replace(netting, surplus_price_eur_per_kwh=0.05)


def test_a_device_that_names_no_phase_is_on_all():
    plant = PvInput(device_id=DeviceId("roof"), production_power_w=(-1.0,) * 8, curtailable=False, phases=())
    problem = plausible(
        flat_problem(
            pv=(plant,), inverters=(inverter(phases=(Phase.L2, Phase.L2)),), appliances=(appliance(phases=()),)
        )
    )
    assert problem.pv[0].phases == ALL_PHASES
    assert problem.pv[0].production_power_w == (0.0,) * 8
    assert problem.inverters[0].phases == (Phase.L2,)
    assert problem.appliances[0].phases == ALL_PHASES


def test_one_phase_stays_one_phase():
    (read,) = plausible(flat_problem(cars=(car(modes=(ONE_PHASE, THREE_PHASES)),))).cars
    assert read.modes == (ONE_PHASE, THREE_PHASES)
