"""What the guard tells heat pumps and chargers, what limits them, and what a device that does not listen costs."""

from dataclasses import replace

import pytest

from hems.domain.command import Authority, BatteryPower, ChargeCurrent, HeatPumpPower
from hems.domain.power import PhaseValues
from hems.domain.reading import CarState
from tests.support.guarding import (
    NOW,
    OPEN_A,
    OPEN_B,
    QUIET,
    decide,
    dim,
    in_at_most,
    named,
    since,
    told,
)
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP

# Minimum times


@pytest.mark.parametrize(
    ("running", "since_s", "wanted_w", "power_w", "rules"),
    [
        (True, 299.9, 0.0, 1_380.0, ["min_run"]),
        (True, 300.0, 0.0, 0.0, []),
        (False, 119.9, 11_040.0, 0.0, ["min_rest"]),
        (False, 120.0, 11_040.0, 11_040.0, []),
    ],
)
def test_a_car_goes_on_for_five_minutes_and_rests_for_two(
    running: bool, since_s: float, wanted_w: float, power_w: float, rules: list[str]
):
    found = decide(OPEN_A, QUIET, {CHARGER: wanted_w}, memory=since(since_s, running=running))
    assert found.expected_power_w[CHARGER] == pytest.approx(power_w)
    assert [rule for rule, _ in named(found, CHARGER)] == rules


def test_no_minimum_run_offers_anything_to_a_car_that_left():
    gone = replace(QUIET, car=CarState.ABSENT)
    found = decide(OPEN_A, gone, {CHARGER: 11_040.0}, memory=since(10.0, running=True))
    assert found.expected_power_w[CHARGER] == 0.0
    assert named(found, CHARGER) == [("nameplate", 0.0)]


# Disobedience


@pytest.mark.parametrize(
    ("limit_w", "drawn_w", "wanted_w", "current_a", "phase_count", "battery_w"),
    [
        # Told what fits as if it drew nothing, and the others get the rest beside the more of both.
        (4_200.0, 3_000.0, 11_040.0, 6.0, 3, 60.0),
        (9_000.0, 6_000.0, 4_140.0, 6.0, 3, 3_000.0),
        (4_200.0, 3_000.0, 0.0, 0.0, 3, 1_200.0),
        # Told one phase it draws on three: nothing of it is what it was told.
        (12_000.0, 6_000.0, 2_000.0, 8.6, 1, 12_000.0 - 8.6 * 230.0 - 6_000.0),
    ],
)
def test_what_a_charger_draws_against_its_command_counts_for_the_others_only(
    limit_w: float, drawn_w: float, wanted_w: float, current_a: float, phase_count: int, battery_w: float
):
    found = decide(
        OPEN_A,
        replace(QUIET, car=CarState.CHARGING, car_w=drawn_w),
        {CHARGER: wanted_w, BATTERY: 5_000.0},
        dim(limit_w, CHARGER, BATTERY),
        disobeying_w={CHARGER: drawn_w},
        residual_w=9_000.0,
    )
    assert told(found, CHARGER) == ChargeCurrent(current_a=current_a, phase_count=phase_count)
    battery = told(found, BATTERY)
    assert isinstance(battery, BatteryPower)
    assert battery.power_w == pytest.approx(battery_w, abs=1e-6)


@pytest.mark.parametrize(
    ("wanted_w", "battery_w"), [(0.0, 3 * (5_462.5 - 4_000.0)), (9_000.0, 3 * (5_462.5 - 4_000.0))]
)
def test_a_fuse_carries_what_is_really_drawn(wanted_w: float, battery_w: float):
    """12 kW are drawn, 4 kW a phase, whatever the car is told."""
    house = replace(QUIET, car=CarState.CHARGING, car_w=11_000.0)
    found = decide(OPEN_A, house, {CHARGER: wanted_w, BATTERY: 5_000.0}, disobeying_w={CHARGER: 12_000.0})
    battery = told(found, BATTERY)
    assert isinstance(battery, BatteryPower)
    assert battery.power_w == pytest.approx(battery_w, abs=1e-6)


# Heat pumps


@pytest.mark.parametrize(
    ("pump_w", "limit_w", "own_w"),
    [(2_500.0, 2_500.0, None), (2_500.0, 2_499.0, 0.0)],
)
def test_a_silent_pump_is_left_to_itself_where_its_nameplate_keeps_a_dimming(
    pump_w: float, limit_w: float, own_w: float | None
):
    house = replace(QUIET, without=(HEAT_PUMP,))
    found = decide(OPEN_B, house, {HEAT_PUMP: pump_w}, dim(limit_w, HEAT_PUMP))
    assert told(found, HEAT_PUMP) == HeatPumpPower(power_w=own_w)
    assert named(found, HEAT_PUMP) == [("device_silent", 0.0)]
    other = decide(OPEN_B, house, {}, dim(0.0, CHARGER))
    assert told(other, HEAT_PUMP) == HeatPumpPower(power_w=None)
    assert named(other, HEAT_PUMP) == []


@pytest.mark.parametrize(("load_w", "own_w"), [(4_462.5, None), (4_463.0, 0.0)])
def test_a_silent_pump_is_left_to_itself_where_its_nameplate_fits_the_fuse(load_w: float, own_w: float | None):
    """3 kW of nameplate beside 4,462.5 W on a phase fill 25 A x 0.95."""
    site = replace(OPEN_B, heat_pumps=(replace(OPEN_B.heat_pumps[0], power_max_w=3_000.0),))
    found = decide(site, replace(QUIET, without=(HEAT_PUMP,)), {}, residual_high_w=PhaseValues(l2=load_w))
    assert told(found, HEAT_PUMP) == HeatPumpPower(power_w=own_w)
    assert found.expected_power_w[HEAT_PUMP] == (3_000.0 if own_w is None else 0.0)


def test_a_limit_on_others_that_they_pass_is_none_on_a_silent_pump():
    house = replace(QUIET, without=(HEAT_PUMP,))
    found = decide(OPEN_B, house, {}, dim(1_000.0, CHARGER), disobeying_w={CHARGER: 3_000.0})
    assert told(found, HEAT_PUMP) == HeatPumpPower(power_w=None)


def test_a_silent_pump_that_may_start_takes_the_sun_that_others_count_on():
    """6 kW of sun, 4.2 kW of the grid, 2.5 kW for the pump: 7.7 kW for the car."""
    house = replace(QUIET, pv_w=6_000.0, without=(HEAT_PUMP,))
    found = decide(OPEN_B, house, {CHARGER: 11_040.0}, dim(4_200.0, CHARGER), masked_w=PhaseValues())
    assert told(found, CHARGER) == ChargeCurrent(current_a=11.1, phase_count=3)


def test_a_silent_pump_has_rested_since_now():
    found = decide(OPEN_B, replace(QUIET, without=(HEAT_PUMP,)), {}, memory=since(900.0, running=True))
    assert (found.switches[HEAT_PUMP].running, found.switches[HEAT_PUMP].switched_mono_s) == (False, NOW.mono_s)


def test_nobody_makes_a_pump_give():
    found = decide(OPEN_B, QUIET, {HEAT_PUMP: -5.0})
    assert (told(found, HEAT_PUMP), named(found, HEAT_PUMP)) == (HeatPumpPower(power_w=0.0), [("nameplate", 0.0)])


def test_below_its_smallest_power_a_pump_rests_and_says_why():
    found = decide(OPEN_B, QUIET, {HEAT_PUMP: 2_500.0}, in_at_most(699.0))
    assert told(found, HEAT_PUMP) == HeatPumpPower(power_w=0.0)
    assert named(found, HEAT_PUMP) == [("operator_import", 699.0), ("current_floor", 0.0)]
    found = decide(OPEN_B, QUIET, {HEAT_PUMP: 2_500.0}, in_at_most(700.0))
    assert (told(found, HEAT_PUMP), named(found, HEAT_PUMP)) == (
        HeatPumpPower(power_w=700.0),
        [("operator_import", 700.0)],
    )
    found = decide(OPEN_B, QUIET, {HEAT_PUMP: 2_500.0}, in_at_most(0.0))
    assert named(found, HEAT_PUMP) == [("operator_import", 0.0)]


@pytest.mark.parametrize(("running", "power_w"), [(True, 1_000.0), (False, 0.0)])
def test_a_minimum_rest_holds_only_what_rests(running: bool, power_w: float):
    """It may have to rest longer than it has to run."""
    site = replace(OPEN_B, heat_pumps=(replace(OPEN_B.heat_pumps[0], min_run_s=300.0),))
    found = decide(site, QUIET, {HEAT_PUMP: 1_000.0}, memory=since(400.0, running=running))
    assert told(found, HEAT_PUMP) == HeatPumpPower(power_w=power_w)


def test_a_pump_with_a_tiny_smallest_power_runs_with_it():
    site = replace(OPEN_B, heat_pumps=(replace(OPEN_B.heat_pumps[0], power_min_w=0.5),))
    found = decide(site, QUIET, {HEAT_PUMP: 0.5})
    assert found.switches[HEAT_PUMP].running
    assert not decide(site, QUIET, {HEAT_PUMP: 0.0}).switches[HEAT_PUMP].running


@pytest.mark.parametrize(
    ("measured_w", "limit_w", "own_w", "expected_w", "running"),
    [
        # By its own thermostat it may take its nameplate: all of it, or it rests.
        (2_000.0, 2_500.0, None, 2_500.0, True),
        (2_000.0, 2_498.0, 0.0, 0.0, False),
        # At rest it draws some watts for its electronics.
        (200.0, 2_500.0, None, 2_500.0, False),
        (201.0, 2_500.0, None, 2_500.0, True),
    ],
)
def test_a_pump_by_itself_counts_with_its_nameplate_or_rests(
    measured_w: float, limit_w: float, own_w: float | None, expected_w: float, running: bool
):
    house = replace(QUIET, pump_w=measured_w)
    found = decide(OPEN_B, house, {HEAT_PUMP: None}, in_at_most(limit_w))
    assert told(found, HEAT_PUMP) == HeatPumpPower(power_w=own_w)
    assert found.expected_power_w[HEAT_PUMP] == expected_w
    assert found.switches[HEAT_PUMP].running is running
    assert named(found, HEAT_PUMP) == ([] if own_w is None else [("operator_import", limit_w)])


# Chargers


def test_a_silent_charger_is_told_to_pause_on_its_fewest_phases():
    found = decide(OPEN_A, replace(QUIET, without=(CHARGER,)), {CHARGER: 4_000.0}, memory=since(900.0, running=True))
    assert told(found, CHARGER) == ChargeCurrent(current_a=0.0, phase_count=1)
    assert found.expected_power_w[CHARGER] == 0.0
    assert named(found, CHARGER) == [("device_silent", 0.0)]
    assert (found.switches[CHARGER].running, found.switches[CHARGER].switched_mono_s) == (False, NOW.mono_s)


def test_nobody_makes_a_car_give():
    found = decide(OPEN_A, QUIET, {CHARGER: -5.0})
    assert (found.expected_power_w[CHARGER], named(found, CHARGER)) == (0.0, [("nameplate", 0.0)])


def test_what_is_held_by_the_dwell_is_said_between_stronger_and_weaker_limits():
    """One phase since a minute ago; 8 kW may be bought by a setpoint, 3.7 kW fit on the phase."""
    memory = since(900.0, running=True, phase_count=1, phases_switched_mono_s=NOW.mono_s - 60.0)
    found = decide(OPEN_A, QUIET, {CHARGER: 11_040.0}, in_at_most(8_000.0, Authority.SETPOINT), memory=memory)
    assert told(found, CHARGER) == ChargeCurrent(current_a=16.0, phase_count=1)
    assert named(found, CHARGER) == [("phase_dwell", 3_680.0), ("operator_import", 8_000.0)]


@pytest.mark.parametrize("wanted_w", [3_680.0, 3_680.0 / 0.95])
def test_a_dwell_that_costs_up_to_a_twentieth_is_not_said(wanted_w: float):
    memory = since(900.0, running=True, phase_count=1, phases_switched_mono_s=NOW.mono_s - 60.0)
    found = decide(OPEN_A, QUIET, {CHARGER: wanted_w}, memory=memory)
    assert (told(found, CHARGER), named(found, CHARGER)) == (ChargeCurrent(current_a=16.0, phase_count=1), [])


@pytest.mark.parametrize(("load_a", "phase_count"), [(17.75, 3), (17.76, 1)])
def test_phases_stay_as_long_as_the_smallest_current_fits(load_a: float, phase_count: int):
    """17.75 A of 23.75 A leave the 6 A on three phases, which stay; on one of them there would be 23 A."""
    charger = replace(OPEN_A.chargers[0], current_max_a=32.0, power_max_w=22_080.0)
    site = replace(OPEN_A, chargers=(charger,))
    memory = since(900.0, running=True, phase_count=3, phases_switched_mono_s=NOW.mono_s - 60.0)
    load = PhaseValues(l2=load_a * 230.0)
    found = decide(site, QUIET, {CHARGER: 5_290.0}, memory=memory, residual_high_w=load)
    action = told(found, CHARGER)
    assert isinstance(action, ChargeCurrent)
    assert action.phase_count == phase_count


def test_a_pause_keeps_the_phases_that_were_told_not_those_that_are_reported():
    memory = since(900.0, running=True, phase_count=1, phases_switched_mono_s=NOW.mono_s - 60.0)
    found = decide(OPEN_A, replace(QUIET, phase_count=3), {CHARGER: 0.0}, memory=memory)
    assert told(found, CHARGER) == ChargeCurrent(current_a=0.0, phase_count=1)


def test_a_number_of_phases_that_the_charger_does_not_have_is_not_kept():
    memory = since(900.0, running=True, phase_count=2, phases_switched_mono_s=NOW.mono_s - 60.0)
    found = decide(OPEN_A, QUIET, {CHARGER: 11_040.0}, memory=memory)
    assert told(found, CHARGER) == ChargeCurrent(current_a=16.0, phase_count=3)


def test_a_report_of_two_phases_counts_as_all():
    """5 kW are 7.2 A on three phases and 21.7 A on one: equally near, and what is in use stays."""
    charger = replace(OPEN_A.chargers[0], current_max_a=32.0, power_max_w=22_080.0)
    site = replace(OPEN_A, chargers=(charger,))
    for reported, expected in (
        (2, ChargeCurrent(current_a=7.2, phase_count=3)),
        (1, ChargeCurrent(current_a=21.7, phase_count=1)),
    ):
        assert told(decide(site, replace(QUIET, phase_count=reported), {CHARGER: 5_000.0}), CHARGER) == expected


@pytest.mark.parametrize("limit_w", [1_379.0, 0.5])
def test_the_smallest_current_is_said_where_it_does_not_fit(limit_w: float):
    found = decide(OPEN_A, QUIET, {CHARGER: 11_040.0}, in_at_most(limit_w))
    assert named(found, CHARGER) == [("operator_import", limit_w), ("current_floor", 0.0)]
    assert told(found, CHARGER) == ChargeCurrent(current_a=0.0, phase_count=3)


def test_rounding_stops_nothing_and_is_not_said():
    """Sums of floating point end a little beside the smallest power and the nameplate."""
    nearly = 1 - 1e-9
    car = decide(OPEN_A, QUIET, {CHARGER: 1_380.0 * nearly})
    assert (told(car, CHARGER), named(car, CHARGER)) == (ChargeCurrent(current_a=6.0, phase_count=1), [])
    pump = decide(OPEN_B, QUIET, {HEAT_PUMP: 700.0 * nearly})
    assert (told(pump, HEAT_PUMP), named(pump, HEAT_PUMP)) == (HeatPumpPower(power_w=700.0 * nearly), [])
    free = decide(OPEN_B, QUIET, {HEAT_PUMP: None}, in_at_most(2_500.0 * nearly))
    assert (told(free, HEAT_PUMP), named(free, HEAT_PUMP)) == (HeatPumpPower(power_w=None), [])
