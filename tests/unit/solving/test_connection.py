"""Tariffs, promises and limits at the connection, against powers and costs found by hand. Slots of 15 min."""

from datetime import timedelta

import pytest

from hems.domain.plan import Decider, Wish
from hems.domain.power import ALL_PHASES
from hems.domain.problem import (
    CarbonInput,
    ChargeMode,
    CommitmentInput,
    NettingInput,
    PeakInput,
    PlanningProblem,
    PvInput,
)
from hems.domain.site import DeviceId
from tests.support.planned import planned
from tests.support.problems import START_AT, battery, car, flat_problem

ANY_POWER = (ChargeMode(phases=ALL_PHASES, power_min_w=0.0, power_max_w=11_040.0),)
HALF_HOURS = (0.10, 0.10, 0.30, 0.30) * 2
MORNING = (4000.0,) * 4 + (0.0,) * 4


def roof(*, curtailable: bool = False) -> PvInput:
    return PvInput(device_id=DeviceId("roof"), production_power_w=MORNING, curtailable=curtailable)


def test_a_peak_tariff_spreads_a_charge():
    """10 kWh in two hours beside 1 kW of load: 6 kW throughout, 3.5 kW above what is paid."""
    problem = flat_problem(
        load_power_w=(1000.0,) * 8, cars=(car(),), peaks=(PeakInput(price_eur_per_kw=4.0, paid_power_w=2500.0),)
    )
    plan = planned(problem)
    assert plan.cars[0].power_w == pytest.approx((5000.0,) * 8, abs=0.1)
    assert plan.cost.peak_eur == pytest.approx(14.0, abs=1e-3)


def test_a_peak_that_is_paid_already_is_used():
    """Cheap and dear half hours: the cheap ones take 10 kW, as the month has seen before."""
    problem = flat_problem(
        import_price_eur_per_kwh=HALF_HOURS,
        cars=(car(),),
        peaks=(PeakInput(price_eur_per_kw=4.0, paid_power_w=10_000.0),),
    )
    plan = planned(problem)
    assert plan.cars[0].power_w == pytest.approx((10_000.0, 10_000.0, 0.0, 0.0) * 2, abs=0.1)
    assert plan.cost.peak_eur == 0


def test_the_highest_hour_costs_less_than_what_it_saves():
    """0.20 EUR/kWh more in the dear half hours: 1 kW of peak moves 1 kWh, saves 0.20 EUR and costs 0.10 EUR."""
    problem = flat_problem(
        import_price_eur_per_kwh=HALF_HOURS,
        cars=(car(modes=ANY_POWER),),
        peaks=(PeakInput(price_eur_per_kw=0.10, paid_power_w=2500.0),),
    )
    plan = planned(problem)
    assert plan.cars[0].power_w == pytest.approx((10_000.0, 10_000.0, 0.0, 0.0) * 2, abs=0.1)
    assert plan.cost.peak_eur == pytest.approx(0.75, abs=1e-4)


def test_a_peak_counts_in_its_hours_only():
    problem = flat_problem(
        cars=(car(),), peaks=(PeakInput(price_eur_per_kw=4.0, paid_power_w=2500.0, counts=(True,) * 4 + (False,) * 4),)
    )
    plan = planned(problem)
    assert sum(plan.cars[0].power_w[:4]) / 4 <= 2500.0
    assert plan.cost.peak_eur == 0


def test_two_peaks_cost_both():
    both = (
        PeakInput(price_eur_per_kw=1.0, paid_power_w=3000.0),
        PeakInput(price_eur_per_kw=2.0, paid_power_w=0.0, counts=(False,) * 4 + (True,) * 4),
    )
    problem = flat_problem(load_power_w=(4000.0,) * 4 + (1000.0,) * 4, peaks=both)
    assert planned(problem).cost.peak_eur == pytest.approx(1.0 + 2.0)


@pytest.mark.parametrize(
    ("balance_wh", "exported_wh"), [(-1e6, 0.0), (-500.0, 1500.0), (0.0, 2000.0), (1500.0, 3500.0), (1e6, 4000.0)]
)
def test_no_more_is_exported_than_nets_where_the_rest_costs(balance_wh: float, exported_wh: float):
    """4 kWh of sun, then 2 kWh of load: export nets what was imported over the year; beyond it costs 0.05 EUR/kWh."""
    problem = flat_problem(
        export_price_eur_per_kwh=(0.30,) * 8,
        load_power_w=(0.0,) * 4 + (2000.0,) * 4,
        pv=(roof(curtailable=True),),
        netting=NettingInput(balance_wh=balance_wh, surplus_price_eur_per_kwh=-0.05),
    )
    plan = planned(problem)
    assert sum(plan.pv[0].production_power_w) / 4 == pytest.approx(exported_wh, abs=0.5)
    assert plan.cost.energy_eur == pytest.approx(0.6 - 0.3 * exported_wh / 1000, abs=1e-3)


def test_energy_is_stored_once_nothing_nets_any_more():
    """Netted, a kWh out is a kWh in: no cycles. With the year's import used up, 2 kWh are kept for the evening."""
    lossy = battery(stored_wh=500.0, terminal_value_eur_per_kwh=0.0)
    problem = flat_problem(
        export_price_eur_per_kwh=(0.30,) * 8,
        load_power_w=(0.0,) * 4 + (2000.0,) * 4,
        pv=(roof(),),
        batteries=(lossy,),
        netting=NettingInput(balance_wh=1e6, surplus_price_eur_per_kwh=0.01),
    )
    assert not any(planned(problem).batteries[0].power_w)
    used_up = NettingInput(balance_wh=-1e6, surplus_price_eur_per_kwh=0.01)
    plan = planned(flat_problem(**{name: getattr(problem, name) for name in NAMES}, netting=used_up))
    assert sum(plan.batteries[0].power_w[4:]) / 4 == pytest.approx(-2000.0, abs=0.5)


NAMES = ("export_price_eur_per_kwh", "load_power_w", "pv", "batteries")


def test_clean_hours_are_preferred_where_emissions_have_a_price():
    """Flat price; 500 g/kWh, then 100 g/kWh at 0.10 EUR/kg."""
    clean = CarbonInput(intensity_g_per_kwh=(500.0,) * 4 + (100.0,) * 4, price_eur_per_kg=0.10)
    plain, careful = (planned(flat_problem(cars=(car(),), carbon=each)) for each in (None, clean))
    assert not any(plain.cars[0].power_w[4:])
    assert not any(careful.cars[0].power_w[:4])
    assert careful.cost.carbon_eur == pytest.approx(0.10, abs=1e-5)


def test_what_was_promised_is_kept_at_the_edge_of_its_tolerance():
    """3 kW of import at 0.30 EUR were promised to within 100 W; stored energy is worth 0.15 EUR."""
    promise = CommitmentInput(
        commitment_id="noon", grid_power_w=(None,) * 2 + (3000.0,) * 2 + (None,) * 4, tolerance_w=100
    )
    plan = planned(flat_problem(batteries=(battery(),), commitments=(promise,)))
    assert plan.grid_power_w == pytest.approx((0.0, 0.0, 2900.0, 2900.0, 0.0, 0.0, 0.0, 0.0), abs=0.1)
    assert plan.unmet == ()


def test_a_promise_that_cannot_be_kept_is_kept_as_well_as_can_be():
    """8 kW out of a battery that gives 5 kW."""
    promise = CommitmentInput(commitment_id="noon", grid_power_w=(None,) * 6 + (-8000.0,) * 2)
    plan = planned(flat_problem(batteries=(battery(),), commitments=(promise,)))
    assert plan.grid_power_w[6:] == pytest.approx((-5000.0,) * 2, abs=0.1)
    assert [(each.wish, round(each.shortfall), round(each.remedy.amount)) for each in plan.unmet] == [
        (Wish.COMMITMENT, 1500, 3000)
    ]


def test_the_operator_s_limit_ranks_above_the_departure():
    """20 kWh in two hours under 4.2 kW: 11.6 kWh are missing."""
    problem = flat_problem(cars=(car(energy_needed_wh=20_000.0),), operator_import_max_w=(4200.0,) * 8)
    plan = planned(problem)
    assert plan.cars[0].power_w == pytest.approx((4200.0,) * 8, abs=0.1)
    assert [(each.wish, round(each.shortfall)) for each in plan.unmet] == [(Wish.DEPARTURE, 11_600)]


def test_the_battery_helps_under_the_operator_s_limit():
    problem = flat_problem(
        load_power_w=(1000.0,) * 8,
        operator_import_max_w=(0.0,) * 4 + (1e6,) * 4,
        batteries=(battery(stored_wh=1000.0, terminal_value_eur_per_kwh=1.0),),
    )
    plan = planned(problem)
    # 500 Wh above the floor: 475 Wh of the 1,000 Wh.
    assert [(each.wish, round(each.shortfall)) for each in plan.unmet] == [(Wish.OPERATOR, 525)]


def test_an_operator_s_limit_on_export_holds_the_sun_back():
    problem = flat_problem(pv=(roof(curtailable=True),), operator_export_max_w=(1500.0,) * 8)
    assert planned(problem).pv[0].production_power_w == pytest.approx((1500.0,) * 4 + (0.0,) * 4, abs=0.1)


def almost_flat(change_cost_eur: float) -> PlanningProblem:
    """0.1 cent dearer in the first hour, the car announced for the second."""
    announced = car(announced_on=(False,) * 4 + (True,) * 4, departure_at=START_AT + timedelta(hours=2))
    return flat_problem(
        import_price_eur_per_kwh=(0.299,) * 4 + (0.300,) * 4, cars=(announced,), change_cost_eur=change_cost_eur
    )


def test_an_announced_charge_is_kept_for_a_small_gain():
    assert not any(planned(almost_flat(0.01)).cars[0].power_w[:4])


def test_an_announced_charge_is_moved_where_nothing_keeps_it():
    assert any(planned(almost_flat(0.0)).cars[0].power_w[:4])


def test_an_announced_charge_is_moved_for_a_large_gain():
    cheap = flat_problem(
        import_price_eur_per_kwh=(0.10,) * 4 + (0.30,) * 4, cars=almost_flat(0.0).cars, change_cost_eur=0.01
    )
    assert not any(planned(cheap).cars[0].power_w[4:])


def test_the_reasons_name_price_and_limit():
    """Three cheap quarters of an hour are full, the rest of 10 kWh is charged for 0.40 EUR: a kWh there saves 0.30."""
    price = (0.40,) * 4 + (0.10,) * 3 + (0.40,)
    loaded = flat_problem(
        load_power_w=(1000.0,) * 8,
        import_price_eur_per_kwh=price,
        import_power_max_w=(9000.0,) * 8,
        cars=(car(modes=ANY_POWER),),
    )
    plan = planned(loaded)
    assert plan.explanation is not None
    assert plan.cars[0].power_w[4:7] == pytest.approx((8000.0,) * 3, abs=0.1)
    assert plan.explanation.devices[0].decided_by[4:7] == (Decider.CONNECTION,) * 3
    assert plan.explanation.limit_price_eur_per_kwh[4:7] == pytest.approx((0.30,) * 3, abs=1e-3)
    assert plan.explanation.marginal_price_eur_per_kwh == pytest.approx((0.40,) * 8, abs=1e-3)


def test_the_reasons_name_the_next_best_hour():
    """The cheap half hour is enough; the next best is 0.15 EUR dearer."""
    price = (0.40, 0.25, 0.10, 0.10, 0.10, 0.25, 0.40, 0.40)
    problem = flat_problem(
        import_price_eur_per_kwh=price,
        load_power_w=(500.0,) * 8,
        cars=(car(modes=ANY_POWER, energy_needed_wh=5000.0),),
    )
    plan = planned(problem)
    assert plan.explanation is not None
    reasons = plan.explanation.devices[0]
    assert reasons.decided_by[0] is Decider.PRICE
    assert reasons.alternative_eur_per_kwh[0] == pytest.approx(0.30, abs=1e-3)
    assert reasons.alternative_eur_per_kwh[1] == pytest.approx(0.15, abs=1e-3)
