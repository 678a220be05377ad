"""Batteries, inverters and appliances in the plan, against powers and costs found by hand. Slots of 15 min."""

from datetime import timedelta

import pytest

from hems.domain.plan import Wish
from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import BatteryInput, CommitmentInput, PlanningProblem, PvInput, Taper
from hems.domain.site import MAIN, CircuitId, DeviceId
from tests.support.planned import planned
from tests.support.problems import START_AT, appliance, battery, circuit, flat_problem, inverter

HYBRID = DeviceId("hybrid")
RISING = tuple(0.10 + 0.01 * slot for slot in range(8))
FALLING = tuple(reversed(RISING))
SUN_THEN_DARK = (8000.0,) * 4 + (0.0,) * 4


def lossless(**changes: object) -> BatteryInput:
    whole = {"charge_efficiency_ratio": 1.0, "discharge_efficiency_ratio": 1.0, "floor_wh": 0.0, "reserve_wh": 0.0}
    return battery(**(whole | changes))


def roof(power_w: tuple[float, ...], **changes: object) -> PvInput:
    return PvInput(**({"device_id": DeviceId("roof"), "production_power_w": power_w, "curtailable": False} | changes))  # type: ignore[arg-type]


def test_a_full_battery_charges_along_its_taper():
    """From 9 kWh on the power falls from 5 kW to 1 kW at 10 kWh, by the energy at the end of a slot.

    4 W less per Wh: p = 1000 + 4 * (10,000 - before - p/4) = (41,000 - 4 * before) / 2.
    """
    filling = lossless(
        stored_wh=8000.0, charge_taper=Taper(from_wh=9000.0, end_power_w=1000.0), terminal_value_eur_per_kwh=1.0
    )
    plan = planned(flat_problem(import_price_eur_per_kwh=RISING, batteries=(filling,)))
    assert plan.batteries[0].power_w == pytest.approx((4500.0, 2250.0, 1125.0, 125.0, 0.0, 0.0, 0.0, 0.0), abs=0.1)


def test_an_empty_battery_gives_along_its_taper():
    """The mirror image: from 1 kWh down to 0, 5 kW to 1 kW."""
    emptying = lossless(
        stored_wh=2000.0, discharge_taper=Taper(from_wh=1000.0, end_power_w=1000.0), terminal_value_eur_per_kwh=0.0
    )
    problem = flat_problem(import_price_eur_per_kwh=FALLING, load_power_w=(6000.0,) * 8, batteries=(emptying,))
    assert planned(problem).batteries[0].power_w == pytest.approx(
        (-4500.0, -2250.0, -1125.0, -125.0, 0.0, 0.0, 0.0, 0.0), abs=0.1
    )


def test_wear_counts():
    """0.20 EUR between dear and cheap; 10 % lost; a cycle of 0.25 EUR/kWh does not pay, one of 0.05 does."""
    for cycle_cost_eur, moved in ((0.05, True), (0.25, False)):
        problem = flat_problem(
            import_price_eur_per_kwh=(0.10,) * 4 + (0.30,) * 4,
            load_power_w=(1000.0,) * 8,
            batteries=(
                battery(stored_wh=500.0, cycle_cost_eur_per_kwh=cycle_cost_eur, terminal_value_eur_per_kwh=0.0),
            ),
        )
        plan = planned(problem)
        assert any(plan.batteries[0].power_w) is moved
        # 1 kWh comes out for the last hour, 1 / 0.9025 kWh goes in.
        assert plan.cost_eur == pytest.approx(0.1 + 0.1 / 0.9025 + 0.05 if moved else 0.4, abs=1e-4)


def test_what_does_not_fit_through_the_inverter_is_held_back():
    """8 kW of sun on DC, 5 kW of AC: 5,208 W are made at 96 %."""
    plan = planned(
        flat_problem(inverters=(inverter(),), pv=(roof(SUN_THEN_DARK, inverter_id=HYBRID, curtailable=True),))
    )
    assert plan.pv[0].production_power_w == pytest.approx((5000 / 0.96,) * 4 + (0.0,) * 4, abs=0.1)
    assert plan.inverters[0].power_w == pytest.approx((-5000.0,) * 4 + (0.0,) * 4, abs=0.1)


def test_what_does_not_fit_through_the_inverter_is_stored_on_its_dc_side():
    """2,792 W of DC go into the battery and come out at 90 %, then 96 %: 2.419 kWh at 0.05 EUR after 5 kWh."""
    problem = flat_problem(
        inverters=(inverter(),),
        pv=(roof(SUN_THEN_DARK, inverter_id=HYBRID),),
        batteries=(battery(stored_wh=500.0, inverter_id=HYBRID, terminal_value_eur_per_kwh=0.0),),
    )
    plan = planned(problem)
    assert plan.batteries[0].power_w[:4] == pytest.approx((8000 - 5000 / 0.96,) * 4, abs=0.1)
    assert plan.cost.energy_eur == pytest.approx(-0.05 * (5 + (8 - 5 / 0.96) * 0.95**2 * 0.96), abs=1e-4)


@pytest.mark.parametrize("take_max_w", [0.0, 2000.0])
def test_a_battery_behind_an_inverter_charges_from_ac_as_far_as_it_can(take_max_w: float):
    problem = flat_problem(
        import_price_eur_per_kwh=(0.05,) * 8,
        export_price_eur_per_kwh=(0.01,) * 8,
        inverters=(inverter(take_power_max_w=take_max_w),),
        batteries=(battery(inverter_id=HYBRID),),
    )
    plan = planned(problem)
    assert plan.inverters[0].power_w == pytest.approx((take_max_w,) * 8, abs=0.1)
    assert plan.batteries[0].power_w == pytest.approx((take_max_w * 0.96,) * 8, abs=0.1)


def test_a_battery_that_must_not_charge_from_the_grid_waits_for_the_sun():
    """Cheap import, dear evening: 2 kW of surplus are stored and nothing else."""
    problem = flat_problem(
        import_price_eur_per_kwh=(0.05,) * 4 + (0.60,) * 4,
        export_price_eur_per_kwh=(0.01,) * 8,
        load_power_w=(1000.0,) * 8,
        pv=(roof((0.0, 0.0, 3000.0, 3000.0, 0.0, 0.0, 0.0, 0.0)),),
        batteries=(lossless(stored_wh=0.0, charges_from_grid=False, terminal_value_eur_per_kwh=0.0),),
    )
    plan = planned(problem)
    assert plan.batteries[0].power_w == pytest.approx((0.0, 0.0, 2000.0, 2000.0) + (-1000.0,) * 4, abs=0.1)
    assert plan.unmet == ()


def test_a_battery_that_must_not_sell_covers_the_house_alone():
    problem = flat_problem(
        export_price_eur_per_kwh=(0.80,) * 8,
        import_price_eur_per_kwh=(0.90,) * 8,
        load_power_w=(1000.0,) * 8,
        batteries=(lossless(stored_wh=10_000.0, sells=False, terminal_value_eur_per_kwh=0.0),),
    )
    plan = planned(problem)
    assert plan.grid_power_w == pytest.approx((0.0,) * 8, abs=0.1)
    assert plan.unmet == ()


def test_the_household_s_preferences_bend_for_what_was_promised():
    """1 kW of export was promised: the battery that does not sell has to."""
    problem = flat_problem(
        batteries=(lossless(sells=False),),
        commitments=(CommitmentInput(commitment_id="evening", grid_power_w=(None,) * 4 + (-1000.0,) * 4),),
    )
    plan = planned(problem)
    assert plan.grid_power_w[4:] == pytest.approx((-1000.0,) * 4, abs=0.1)
    assert [(each.wish, round(each.shortfall)) for each in plan.unmet] == [(Wish.SELLING, 1000)]


def start_of(problem: PlanningProblem) -> list[float]:
    """Hours after the start of the grid at which the appliances start."""
    return [(each.start_at - START_AT) / timedelta(hours=1) for each in planned(problem).appliances]


def test_a_dishwasher_starts_where_its_peaks_are_cheapest():
    """2 kW in its first and last quarter of an hour: it spans the dear half hour."""
    prices = (0.30, 0.10, 0.50, 0.50, 0.10, 0.30, 0.30, 0.30)
    assert start_of(flat_problem(import_price_eur_per_kwh=prices, appliances=(appliance(),))) == [0.25]


def test_a_dishwasher_is_done_by_its_deadline():
    """The cheapest hour is the last; it has to be done before."""
    prices = (0.30,) * 4 + (0.20,) * 8 + (0.10,) * 4
    evening = appliance(deadline_at=START_AT + timedelta(hours=3, minutes=10))
    assert start_of(flat_problem(16, import_price_eur_per_kwh=prices, appliances=(evening,)))[0] in (
        1,
        1.25,
        1.5,
        1.75,
        2,
    )


def test_a_dishwasher_that_cannot_be_done_in_time_starts_at_once():
    prices = (0.50,) * 12 + (0.10,) * 4
    late = appliance(deadline_at=START_AT + timedelta(minutes=30))
    plan = planned(flat_problem(16, import_price_eur_per_kwh=prices, appliances=(late,)))
    assert plan.appliances[0].start_at == START_AT
    assert [(each.wish, each.shortfall) for each in plan.unmet] == [(Wish.APPLIANCE, 1800.0)]


def test_a_programme_under_way_goes_on():
    started = appliance(started_at=START_AT - timedelta(minutes=15))
    plan = planned(flat_problem(import_price_eur_per_kwh=FALLING, appliances=(started,)))
    assert plan.appliances[0].power_w == (200.0, 200.0, 2000.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_two_appliances_behind_one_fuse_run_one_after_the_other():
    """10 A for both: one heats while the other rinses, or later, but never both at once."""
    kitchen = circuit(circuit_id=CircuitId("kitchen"), parent_id=MAIN, phase_power_max_w=(2300.0, 0.0, 0.0))
    both = tuple(appliance(device_id=DeviceId(each), circuit_id=CircuitId("kitchen")) for each in ("left", "right"))
    problem = flat_problem(import_price_eur_per_kwh=RISING, appliances=both, circuits=(circuit(), kitchen))
    assert sorted(start_of(problem)) == [0.0, 0.25]


def test_an_announced_start_is_kept_for_a_small_gain_and_moved_for_a_large_one():
    """4.4 kW over a quarter of an hour each: 1.1 kWh, 0.011 EUR per step of a cent."""
    announced = appliance(announced_start_at=START_AT + timedelta(hours=1))
    calm, keen = (
        flat_problem(import_price_eur_per_kwh=RISING, appliances=(announced,), change_cost_eur=each)
        for each in (0.10, 0.01)
    )
    assert start_of(calm) == [1.0]
    assert start_of(keen) == [0.0]


def test_a_battery_on_a_full_phase_cannot_charge():
    """A one-phase battery on L2, of which 750 W are left; on three phases it would have 2,250 W."""
    fuse = circuit(phase_load_w=((0.0,) * 8, (5000.0,) * 8, (0.0,) * 8))
    for phases, expected_w in (((Phase.L2,), 750.0), (ALL_PHASES, 2250.0)):
        plan = planned(
            flat_problem(
                load_power_w=(5000.0,) * 8,
                import_price_eur_per_kwh=(0.05,) * 8,
                export_price_eur_per_kwh=(0.01,) * 8,
                circuits=(fuse,),
                batteries=(lossless(phases=phases, stored_wh=0.0),),
            )
        )
        assert plan.batteries[0].power_w == pytest.approx((expected_w,) * 8, abs=0.1)
