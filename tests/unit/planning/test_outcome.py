"""What powers lead to: states, costs and bent wishes, against numbers worked out by hand."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from hems.domain.plan import Origin, Plan, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.problem import (
    CarbonInput,
    CarDischarge,
    CarTarget,
    CommitmentInput,
    HygieneInput,
    NettingInput,
    PeakInput,
    PlanningProblem,
    PvInput,
    Series,
)
from hems.domain.site import DeviceId
from hems.planning.check import violations
from hems.planning.constraints.car import ready_ratio
from hems.planning.outcome import Powers, plan_of
from hems.planning.plausible import plausible
from tests.support.problems import (
    ONE_PHASE,
    START_AT,
    THREE_PHASES,
    appliance,
    battery,
    car,
    flat_problem,
    heat_pump,
    inverter,
    room,
    tank,
)

HOUR = timedelta(hours=1)
HYBRID = DeviceId("hybrid")


def _plan(problem: PlanningProblem, **powers: tuple[object, ...]) -> Plan:
    """A plan of these powers, by default of none; it has passed the check."""
    problem = plausible(problem)
    nothing: Series = (0.0,) * problem.grid.count
    idle: dict[str, tuple[object, ...]] = {
        "batteries": (nothing,) * len(problem.batteries),
        "cars": (nothing,) * len(problem.cars),
        "car_phases": ((3,) * problem.grid.count,) * len(problem.cars),
        "room_heat": (nothing,) * len(problem.heat),
        "tank_heat": (nothing,) * len(problem.heat),
        "starts": (problem.grid.count,) * len(problem.appliances),
        "pv": tuple(each.production_power_w for each in problem.pv),
    }
    plan = plan_of(problem, Powers(**(idle | powers)), values=None, origin=Origin.SOLVER)  # type: ignore[arg-type]
    assert violations(problem, plan) == ()
    return plan


def _bent(plan: Plan) -> list[tuple[Wish, float, Unit, RemedyKind, float]]:
    return [
        (each.wish, round(each.shortfall, 3), each.unit, each.remedy.kind, round(each.remedy.amount, 3))
        for each in plan.unmet
    ]


def _sun(power_w: float, **changes: object) -> PvInput:
    plant = PvInput(device_id=DeviceId("roof"), production_power_w=(power_w,) * 8, curtailable=True)
    return replace(plant, **changes)  # type: ignore[arg-type]


def test_import_and_export_have_their_prices_and_storage_its_worth():
    """2 h at 1 kW into the battery: 2 kWh at 0.30; 5 + 2 x 0.95 kWh are worth 0.15 each."""
    plan = _plan(flat_problem(batteries=(battery(),)), batteries=((1000.0,) * 8,))
    assert plan.cost.energy_eur == pytest.approx(0.60)
    assert plan.cost.stored_eur == pytest.approx(6.9 * 0.15)
    assert plan.cost_eur == pytest.approx(0.60 - 1.035)
    sold = _plan(flat_problem(batteries=(battery(cycle_cost_eur_per_kwh=0.04),)), batteries=((-1000.0,) * 8,))
    assert sold.cost.energy_eur == pytest.approx(-0.10)
    assert sold.cost.wear_eur == pytest.approx(0.08)


def test_an_inverter_loses_on_the_way_it_takes():
    """4 kW of sun less 1 kW stored: 3 kW at 0.96 leave; without sun 1 kW for the battery takes 1/0.96 kW."""
    problem = flat_problem(
        pv=(_sun(4000.0, inverter_id=HYBRID),), batteries=(battery(inverter_id=HYBRID),), inverters=(inverter(),)
    )
    plan = _plan(problem, batteries=((1000.0,) * 8,))
    assert plan.grid_power_w == pytest.approx((-2880.0,) * 8)
    assert plan.inverters[0].power_w == plan.grid_power_w
    dark = _plan(problem, batteries=((1000.0,) * 8,), pv=((0.0,) * 8,))
    assert dark.grid_power_w == pytest.approx((1000 / 0.96,) * 8)


def test_the_best_paid_export_is_netted_first():
    """1.5 kWh exported, 0.5 imported, 0.3 to spare from the year: 0.8 are netted, 0.7 of them worth little."""
    prices = (0.05,) * 4 + (0.10,) * 4
    problem = flat_problem(
        load_power_w=(2000.0,) + (0.0,) * 7,
        pv=(_sun(0.0, production_power_w=(0.0, 0.0) + (1000.0,) * 6),),
        export_price_eur_per_kwh=prices,
        netting=NettingInput(balance_wh=300.0, surplus_price_eur_per_kwh=-0.01),
    )
    plan = _plan(problem)
    assert plan.cost.energy_eur == pytest.approx(0.5 * 0.30 - 0.8 * 0.10 + 0.7 * 0.01)
    used_up = replace(problem, netting=NettingInput(balance_wh=-9e6, surplus_price_eur_per_kwh=-0.01))
    assert _plan(used_up).cost.energy_eur == pytest.approx(0.5 * 0.30 + 1.5 * 0.01)


def test_a_peak_costs_above_what_is_paid_in_slots_that_count():
    problem = flat_problem(
        load_power_w=(9000.0, 4000.0) + (0.0,) * 6,
        peaks=(
            PeakInput(price_eur_per_kw=4.0, paid_power_w=2500.0, counts=(False,) + (True,) * 7),
            PeakInput(price_eur_per_kw=1.0, paid_power_w=9500.0),
        ),
    )
    assert _plan(problem).cost.peak_eur == pytest.approx(1.5 * 4.0)


def test_emissions_count_for_what_is_imported():
    problem = flat_problem(
        load_power_w=(1000.0,) * 4 + (0.0,) * 4,
        pv=(_sun(0.0, production_power_w=(0.0,) * 4 + (1000.0,) * 4),),
        carbon=CarbonInput(intensity_g_per_kwh=(400.0,) * 8, price_eur_per_kg=0.1),
    )
    assert _plan(problem).cost.carbon_eur == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("charging_mode", "phases", "switches"),
    [
        (None, (1, 1, 1, 1, 3, 3, 3, 3), 2),
        (0, (1, 1, 1, 1, 3, 3, 3, 3), 1),
        (1, (1, 1, 0, 1, 1, 1, 1, 1), 2),
        (1, (3, 3, 0, 0, 0, 0, 0, 0), 0),
    ],
)
def test_starts_and_changes_of_phases_wear(charging_mode: int | None, phases: tuple[int, ...], switches: int):
    either = car(
        modes=(ONE_PHASE, replace(THREE_PHASES, power_min_w=2000.0)),
        charging_mode=charging_mode,
        switch_cost_eur=0.01,
        energy_needed_wh=9e4,
    )
    power_w = tuple(3000.0 if each else 0.0 for each in phases)
    plan = _plan(flat_problem(cars=(either,)), cars=(power_w,), car_phases=(phases,))
    assert plan.cost.wear_eur == pytest.approx(0.01 * switches)


def test_starts_of_a_pump_wear():
    pump = heat_pump(start_cost_eur=0.05, running=True)
    power_w = (600.0, 0.0, 600.0, 600.0, 0.0, 600.0, 0.0, 0.0)
    assert _plan(flat_problem(heat=(pump,)), room_heat=(power_w,)).cost.wear_eur == pytest.approx(0.10)


def test_a_room_warms_and_cools_by_its_loss():
    """2,400 W of heat hold 21 degrees at 5 outside (16 K x 150 W/K); from 20 it goes there with C/loss = 66.7 h."""
    pump = heat_pump(room=room(gains_w=(400.0,) * 8))
    plan = _plan(flat_problem(heat=(pump,)), room_heat=((500.0 + 100.0,) * 8,))
    target_c = 5 + (4 * 600 + 400) / 150
    assert plan.heat[0].room_c[-1] == pytest.approx(target_c - (target_c - 20) * math.exp(-2 * 150 / 10_000))


def test_a_tank_that_leaks_is_soon_as_cold_as_its_surroundings():
    """232.6 Wh/K and 2,000 W/K: a time constant of 7 minutes."""
    pump = heat_pump(room=None, tank=tank(loss_w_per_k=2000.0))
    plan = _plan(flat_problem(heat=(pump,)))
    assert plan.heat[0].tank_c[0] == pytest.approx(18 + 32 * math.exp(-500 / 232.6))
    assert plan.heat[0].tank_c[-1] == pytest.approx(18.0, abs=0.01)


def test_a_tank_without_losses_is_a_sum():
    """Two hours of 600 W at a COP of 3, less 300 W tapped: 3 kWh into 232.6 Wh/K."""
    pump = heat_pump(room=None, tank=tank(loss_w_per_k=0.0, draws_w=(300.0,) * 8, temperature_c=46.0))
    plan = _plan(flat_problem(heat=(pump,)), tank_heat=((600.0,) * 8,))
    assert plan.heat[0].tank_c[-1] == pytest.approx(46 + 3000 / 232.6)
    assert plan.heat[0].room_c == ()
    assert plan.heat[0].tank_power_w == plan.heat[0].power_w


def test_comfort_is_bent_by_its_worst_slot():
    pump = heat_pump(room=room(temperature_c=18.0), tank=tank(temperature_c=44.0, loss_w_per_k=0.0))
    plan = _plan(flat_problem(heat=(pump,)))
    assert [each.wish for each in plan.unmet] == [Wish.HEAT_MIN, Wish.HEAT_MIN]
    by_kelvin = sorted(plan.unmet, key=lambda each: each.shortfall)
    assert by_kelvin[0].shortfall == pytest.approx(1.0)
    assert by_kelvin[1].shortfall == pytest.approx(19 - (5 + 13 * math.exp(-0.03)))
    assert by_kelvin[1].remedy.kind is RemedyKind.WIDER_BAND
    hot = heat_pump(room=room(temperature_c=30.0), tank=tank(temperature_c=70.0))
    assert [each.wish for each in _plan(flat_problem(heat=(hot,))).unmet] == [Wish.HEAT_MAX] * 2


def test_a_hygiene_run_may_pass_the_upper_edge_and_must_be_there_in_time():
    asked = HygieneInput(temperature_c=65.0, by_at=START_AT + HOUR)
    pump = heat_pump(room=None, tank=tank(temperature_c=61.0, loss_w_per_k=0.0, hygiene=asked))
    plan = _plan(flat_problem(heat=(pump,)))
    assert _bent(plan) == [(Wish.PROTECTION, 4.0, Unit.K, RemedyKind.WIDER_BAND, 4.0)]
    beyond = replace(asked, by_at=START_AT + 30 * HOUR)
    pump = heat_pump(room=None, tank=tank(temperature_c=61.0, loss_w_per_k=0.0, hygiene=beyond))
    assert _bent(_plan(flat_problem(heat=(pump,)))) == []


def test_a_car_lacks_what_it_has_not_got_by_each_certain_instant():
    """1 kWh by the first hour: 2 of 3 kWh are missing of the minimum, 1 of 2 kWh, and 9 of 10 in the end."""
    targets = (
        CarTarget(at=START_AT + HOUR, energy_wh=3000.0, minimum=True),
        CarTarget(at=START_AT + 1.5 * HOUR, energy_wh=2000.0),
        CarTarget(at=START_AT + HOUR, energy_wh=9000.0, probability_ratio=0.2),
        CarTarget(at=START_AT + HOUR, energy_wh=11_000.0, minimum=True),
    )
    plan = _plan(flat_problem(cars=(car(targets=targets),)), cars=((4000.0,) + (0.0,) * 7,))
    assert _bent(plan) == [
        (Wish.MINIMUM, 2000.0, Unit.WH, RemedyKind.LATER, round(2000 / 11_040 * 3600, 3)),
        (Wish.MINIMUM, 10_000.0, Unit.WH, RemedyKind.WANT_LESS, 10_000.0),
        (Wish.DEPARTURE, 1000.0, Unit.WH, RemedyKind.LATER, round(1000 / 11_040 * 3600, 3)),
        (Wish.DEPARTURE, 9000.0, Unit.WH, RemedyKind.LATER, round(9000 / 11_040 * 3600, 3)),
    ]


def test_a_car_that_stays_longer_than_the_horizon_can_still_charge():
    staying = car(departure_at=START_AT + 2.5 * HOUR)
    assert _bent(_plan(flat_problem(cars=(staying,))))[0][1] == pytest.approx(10_000 - 5520)


def test_a_car_that_gave_back_lacks_more_than_it_gave():
    """2 kWh out at a round trip of 0.8 are 2.5 kWh of charging."""
    giving = CarDischarge(
        power_max_w=4000.0, available_wh=3000.0, round_trip_efficiency_ratio=0.8, cycle_cost_eur_per_kwh=0.05
    )
    plan = _plan(flat_problem(cars=(car(discharge=giving),)), cars=((-4000.0,) * 2 + (0.0,) * 6,))
    assert plan.unmet[-1].shortfall == pytest.approx(12_500.0)
    assert plan.cost.wear_eur == pytest.approx(0.10)
    assert plan.cars[0].phase_count == (0,) * 8


def test_an_appliance_is_late_by_its_end():
    problem = flat_problem(appliances=(appliance(deadline_at=START_AT + 1.5 * HOUR),))
    assert _bent(_plan(problem, starts=(2,))) == []
    assert _bent(_plan(problem, starts=(3,))) == [(Wish.APPLIANCE, 900.0, Unit.S, RemedyKind.LATER, 900.0)]
    assert _bent(_plan(problem, starts=(8,))) == [(Wish.APPLIANCE, 5400.0, Unit.S, RemedyKind.LATER, 5400.0)]
    assert _plan(problem, starts=(7,)).appliances[0].power_w == (0.0,) * 7 + (2000.0,)


def test_limits_and_promises_are_bent_by_energy():
    problem = flat_problem(
        load_power_w=(6000.0,) * 4 + (1000.0,) * 4,
        import_power_max_w=(5000.0,) * 8,
        operator_import_max_w=(4000.0,) * 8,
        commitments=(
            CommitmentInput(
                commitment_id="a", grid_power_w=(None,) * 4 + (500.0, 1800.0, 1000.0, None), tolerance_w=100.0
            ),
        ),
    )
    assert _bent(_plan(problem)) == [
        (Wish.CONNECTION, 1000.0, Unit.WH, RemedyKind.RAISE_LIMIT, 1000.0),
        (Wish.OPERATOR, 2000.0, Unit.WH, RemedyKind.RAISE_LIMIT, 2000.0),
        (Wish.COMMITMENT, 275.0, Unit.WH, RemedyKind.LOWER_PROMISE, 700.0),
    ]


def test_reserve_and_window_are_bent_by_their_worst_slot():
    low = battery(stored_wh=300.0, reserve_wh=2000.0, charge_efficiency_ratio=1.0)
    plan = _plan(flat_problem(batteries=(low,)), batteries=((400.0,) * 8,))
    assert _bent(plan) == [
        (Wish.RESERVE, 1600.0, Unit.WH, RemedyKind.WANT_LESS, 1600.0),
        (Wish.WINDOW, 100.0, Unit.WH, RemedyKind.WANT_LESS, 100.0),
    ]


def _restricted(plan: Plan) -> list[UnmetWish]:
    return [each for each in plan.unmet if each.wish in (Wish.GRID_CHARGE, Wish.SELLING)]


def test_a_battery_for_own_sun_stores_the_surplus_alone():
    """3 kW of sun over 1 kW of load: 2 kW are surplus, of 2.5 kW half a kilowatt is bought for 2 h."""
    problem = flat_problem(
        load_power_w=(1000.0,) * 8, pv=(_sun(3000.0),), batteries=(battery(charges_from_grid=False), battery())
    )
    fine = _plan(problem, batteries=((2000.0,) * 8, (1000.0,) * 8))
    assert _restricted(fine) == []
    (wish,) = _restricted(_plan(problem, batteries=((2500.0,) * 4 + (0.0,) * 4, (0.0,) * 8)))
    assert (wish.wish, wish.device_id) == (Wish.GRID_CHARGE, "battery")
    assert wish.shortfall == pytest.approx(500.0)


def test_a_battery_that_never_sells_covers_the_house_alone():
    """2 kW of sun over 1 kW of load are sold anyway; with another battery taking 800 W, 700 of its 1,500 W go too."""
    keeping, other = battery(sells=False), battery(device_id=DeviceId("other"))
    problem = flat_problem(load_power_w=(1000.0,) * 8, pv=(_sun(2000.0),), batteries=(keeping, other))
    covering = _plan(replace(problem, pv=()), batteries=((-1000.0,) * 8, (0.0,) * 8))
    assert _restricted(covering) == []
    (wish,) = _restricted(_plan(problem, batteries=((-1500.0,) * 2 + (0.0,) * 6, (800.0,) * 8)))
    assert (wish.wish, wish.device_id) == (Wish.SELLING, "battery")
    assert wish.shortfall == pytest.approx(350.0)


def test_sun_that_does_not_fit_through_the_inverter_is_no_grid_energy():
    problem = flat_problem(
        load_power_w=(9000.0,) * 8,
        pv=(_sun(7000.0, inverter_id=HYBRID),),
        batteries=(battery(inverter_id=HYBRID, charges_from_grid=False),),
        inverters=(inverter(),),
    )
    beyond_w = 7000 - 5000 / 0.96
    assert _restricted(_plan(problem, batteries=((beyond_w,) * 8,))) == []
    assert _restricted(_plan(problem, batteries=((beyond_w + 100,) * 8,)))[0].shortfall == pytest.approx(192.0)


def test_a_car_is_ready_with_the_chance_of_the_ends_that_its_plan_meets():
    early = CarTarget(at=START_AT + timedelta(hours=1), energy_wh=4_000.0, probability_ratio=0.1)
    usual = CarTarget(at=START_AT + timedelta(hours=2), energy_wh=8_000.0, probability_ratio=0.9)
    grid = flat_problem(8).grid
    described = car(energy_needed_wh=8_000.0, targets=(early, usual))
    late = (0.0,) * 4 + (8_000.0,) * 4
    soon = (8_000.0,) * 4 + (0.0,) * 4
    assert ready_ratio(described, late, grid) == 0.9
    assert ready_ratio(described, soon, grid) == 1.0
    assert ready_ratio(described, (0.0,) * 8, grid) == 0.0
    assert ready_ratio(car(), soon, grid) is None
