"""What the parts of a problem mean slot by slot."""

from datetime import timedelta

import pytest

from hems.domain.problem import HeatInput, Taper
from hems.domain.site import MAIN, CircuitId, DeviceId
from hems.domain.time import SlotGrid
from hems.planning.plausible import plausible
from hems.planning.reading import (
    appliance_power_w,
    appliance_starts,
    circuit_members,
    connected_ratio,
    fixed_run_slots,
    inverter_members,
    limited_ranges,
    mode_on,
    on_off_slots,
    taper_limit_w,
    taper_power_w,
    uncontrolled_phases_w,
    uncontrolled_w,
)
from tests.support.problems import (
    ONE_PHASE,
    START_AT,
    THREE_PHASES,
    appliance,
    battery,
    car,
    circuit,
    flat_problem,
    heat_pump,
    house_problem,
    inverter,
)

GRID = SlotGrid(start_at=START_AT, count=48)
HOUR = timedelta(hours=1)


def test_a_car_charges_from_the_moment_it_arrives_to_the_last_whole_slot():
    late = car(arrival_at=START_AT + timedelta(minutes=20), departure_at=START_AT + timedelta(minutes=59))
    assert connected_ratio(late, GRID)[:5] == pytest.approx((0.0, 2 / 3, 1.0, 0.0, 0.0))


def test_the_number_of_phases_names_the_mode():
    either = car(modes=(ONE_PHASE, THREE_PHASES))
    assert [mode_on(either, count) for count in (0, 1, 2, 3)] == [None, ONE_PHASE, None, THREE_PHASES]


@pytest.mark.parametrize(
    ("running", "state_s", "slots"),
    [
        (True, 900.0, (2, 0)),
        (True, 2700.0, (0, 0)),
        (False, 100.0, (0, 2)),
        (False, 1e9, (0, 0)),
        (True, -9e9, (24, 0)),
    ],
)
def test_a_pump_goes_on_as_long_as_it_must(state_s: float, slots: tuple[int, int], *, running: bool):
    """45 minutes of run, 30 of rest; nothing is fixed beyond the exact hours."""
    pump: HeatInput = heat_pump(running=running, state_s=state_s, min_run_s=2700.0, min_rest_s=1800.0)
    assert fixed_run_slots(pump, GRID) == slots
    assert on_off_slots(GRID) == 24


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        ({}, (0, 1, 2, 3, 4, 48)),
        ({"earliest_at": START_AT + timedelta(minutes=16)}, (2, 3, 4, 48)),
        ({"deadline_at": START_AT + timedelta(minutes=74)}, (0, 48)),
        ({"deadline_at": START_AT + timedelta(minutes=50)}, tuple(range(49))),
        ({"earliest_at": START_AT + 3 * HOUR}, tuple(range(12, 49))),
        ({"earliest_at": START_AT + 12.5 * HOUR}, (50,)),
        ({"earliest_at": START_AT + 20 * HOUR}, (80,)),
        ({"earliest_at": START_AT + 10.5 * HOUR, "deadline_at": START_AT + 99 * HOUR}, (42, 43, 44, 48)),
        ({"started_at": START_AT - timedelta(minutes=20)}, (-2,)),
    ],
)
def test_an_appliance_starts_so_that_it_is_done_or_later(changes: dict[str, object], starts: tuple[int, ...]):
    """An hour long: done two hours from now at the start of slot 4 at the latest."""
    assert appliance_starts(appliance(**changes), GRID) == starts


def test_a_programme_under_way_has_its_rest_before_it():
    short = SlotGrid(start_at=START_AT, count=3)
    assert appliance_power_w(appliance(), -2, short) == (200.0, 2000.0, 0.0)
    assert appliance_power_w(appliance(), 1, short) == (0.0, 2000.0, 200.0)
    assert appliance_power_w(appliance(), 3, short) == (0.0, 0.0, 0.0)


def test_a_taper_is_a_line_towards_the_end():
    taper = Taper(from_wh=9000.0, end_power_w=1000.0)
    limits = [
        taper_limit_w(taper, power_max_w=5000.0, end_wh=10_000.0, stored_wh=stored)
        for stored in (0.0, 9000.0, 9500.0, 10_000.0, 11_000.0)
    ]
    assert limits == [5000.0, 5000.0, 3000.0, 1000.0, 1000.0]
    down = Taper(from_wh=1500.0, end_power_w=0.0)
    limits = [
        taper_limit_w(down, power_max_w=5000.0, end_wh=500.0, stored_wh=stored)
        for stored in (9000.0, 1000.0, 500.0, 0.0)
    ]
    assert limits == [5000.0, 2500.0, 0.0, 0.0]


@pytest.mark.parametrize("stored_wh", [5000.0, 8800.0, 9000.0, 9600.0, 10_000.0, 10_500.0])
def test_the_power_of_a_slot_meets_the_line_at_its_end(stored_wh: float):
    taper = Taper(from_wh=9000.0, end_power_w=200.0)
    power_w = taper_power_w(taper, power_max_w=5000.0, end_wh=10_000.0, stored_wh=stored_wh, wh_per_w=0.24)
    after_wh = stored_wh + 0.24 * power_w
    limit_w = taper_limit_w(taper, power_max_w=5000.0, end_wh=10_000.0, stored_wh=after_wh)
    assert power_w == pytest.approx(limit_w) or after_wh > 10_000.0 >= limit_w


def test_members_count_in_their_circuit_and_above_and_behind_an_inverter_through_it_alone():
    garage, hybrid = CircuitId("garage"), DeviceId("hybrid")
    problem = plausible(
        flat_problem(
            cars=(car(circuit_id=garage), car()),
            batteries=(battery(inverter_id=hybrid), battery()),
            inverters=(inverter(circuit_id=garage), inverter()),
            circuits=(circuit(), circuit(circuit_id=garage, parent_id=MAIN)),
        )
    )
    main, below = circuit_members(problem)
    assert (main.cars, main.batteries, main.inverters) == ((0, 1), (1,), (0, 1))
    assert (below.cars, below.batteries, below.inverters) == ((0,), (), (0,))
    assert [each.batteries for each in inverter_members(problem)] == [(0,), ()]


def test_what_nothing_controls_is_load_less_fixed_sun_and_what_is_under_way():
    house = house_problem(1, with_car=False, count=8)  # an odd seed: the plant cannot be curtailed
    under_way = appliance(started_at=START_AT - timedelta(minutes=15))
    problem = plausible(flat_problem(pv=house.pv, load_power_w=(900.0,) * 8, appliances=(under_way, appliance())))
    sun_w = house.pv[0].production_power_w[2]
    assert uncontrolled_w(problem)[2] == pytest.approx(900.0 + 2000.0 - sun_w)
    with_fuse = plausible(flat_problem(load_power_w=(900.0,) * 8, appliances=(under_way,), circuits=(circuit(),)))
    phases = uncontrolled_phases_w(with_fuse, circuit_members(with_fuse)[0])
    assert [each[2] for each in phases] == [2300.0, 300.0, 300.0]
    with_sun = plausible(flat_problem(pv=house.pv, circuits=(circuit(), circuit(circuit_id=CircuitId("attic")))))
    main, attic = circuit_members(with_sun)
    assert [each[2] for each in uncontrolled_phases_w(with_sun, main)] == pytest.approx([-sun_w / 3] * 3)
    assert [each[2] for each in uncontrolled_phases_w(with_sun, attic)] == [0.0] * 3


def test_a_limit_gives_way_to_what_nothing_controls_and_no_further():
    ranges = limited_ranges((0.0, 900.0, -900.0), import_max_w=(500.0,) * 3, export_max_w=(400.0,) * 3)
    assert ranges == ((-400.0, -400.0, -900.0), (500.0, 900.0, 500.0))
