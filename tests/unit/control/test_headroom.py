"""From fuses to watts: what is kept free for the load that nobody controls, and what decisions take of the rest."""

from dataclasses import replace

import pytest

from hems.control.estimate import Estimate, estimate
from hems.control.headroom import (
    Headroom,
    counted_production_w,
    dependable_power_w,
    feed_in_power_w,
    headroom,
    nameplate_w,
    phases_drawn_on,
    plannable_power_w,
    residual_reserve,
    static_reserve,
    worst_phase_w,
)
from hems.control.state import ControlState, HourHigh
from hems.domain.power import ALL_PHASES, VOLTAGE_V, Phase, PhaseValues
from hems.domain.site import MAIN, Circuit, CircuitId, Controllable, DeviceId, Site
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, PV, home_a, home_b
from tests.support.moments import House, now_after

FUSE_W = 25.0 * VOLTAGE_V * 0.95
APPLIANCE_W = 13.0 * VOLTAGE_V
SPARE_W = 25.0 * VOLTAGE_V * 0.05
HOUSE_W = 18.0 * VOLTAGE_V
GARAGE, WORKSHOP = CircuitId("garage"), CircuitId("workshop")
NOW = now_after(100.0)
L1, L2, L3 = ALL_PHASES


def with_garage(site: Site) -> Site:
    """The charger hangs in the workshop, behind 16 A, behind the garage's 20 A."""
    garage = Circuit(id=GARAGE, fuse_a=20.0, parent=MAIN)
    workshop = Circuit(id=WORKSHOP, fuse_a=16.0, parent=GARAGE)
    charger = replace(site.chargers[0], circuit=WORKSHOP)
    return replace(site, circuits=(*site.circuits, garage, workshop), chargers=(charger,))


def ticked(site: Site, *, ago_s: float | None = 1.0, highs: tuple[HourHigh, ...] = ()) -> ControlState:
    at_s = None if ago_s is None else NOW.mono_s - ago_s
    return replace(ControlState.start(site), ticked_mono_s=at_s, residual_highs=highs)


def seen_in(state: ControlState, house: House) -> Estimate:
    return estimate(state, house.image(state.site, NOW.mono_s), NOW)


def empty(site: Site) -> Headroom:
    """10 A on every phase of every circuit, each way."""
    left_w = {(circuit.id, phase): 2_300.0 for circuit in site.circuits for phase in ALL_PHASES}
    return Headroom(site=site, reserve_w=PhaseValues(), import_left_w={**left_w}, export_left_w={**left_w})


@pytest.mark.parametrize(
    ("seen_w", "reserve_w"),
    [
        # One appliance more than is seen, less the spare that it may use until it is seen.
        (0.0, APPLIANCE_W - SPARE_W),
        (-1_000.0, APPLIANCE_W - SPARE_W),
        (500.0, 500.0 + APPLIANCE_W - SPARE_W),
        # At most what a house is expected to reach by itself, and in any case what is there.
        (2_000.0, HOUSE_W - SPARE_W),
        (HOUSE_W, HOUSE_W),
        (5_000.0, 5_000.0),
    ],
)
def test_slow_eyes_keep_room_for_one_appliance_more_than_they_see(seen_w: float, reserve_w: float):
    for phase in ("l1", "l2", "l3"):
        reserve = static_reserve(home_a(), (), replace(PhaseValues(), **{phase: seen_w}))
        others = dict.fromkeys(("l1", "l2", "l3"), APPLIANCE_W - SPARE_W)
        expected = PhaseValues(**{**others, phase: reserve_w})
        assert (reserve.l1, reserve.l2, reserve.l3) == pytest.approx((expected.l1, expected.l2, expected.l3))


@pytest.mark.parametrize(
    ("phase_count", "highs", "reserve_w"),
    [
        (3, (), (APPLIANCE_W,) * 3),
        (1, (), (APPLIANCE_W, 0.0, 0.0)),
        (3, (PhaseValues(l1=4_000.0), PhaseValues(l1=500.0, l3=6_000.0)), (4_000.0, APPLIANCE_W, 6_000.0)),
    ],
)
def test_blind_the_days_high_is_kept_free_and_an_appliance_at_least(
    phase_count: int, highs: tuple[PhaseValues, ...], reserve_w: tuple[float, float, float]
):
    site = replace(home_a(), connection=replace(home_a().connection, phase_count=phase_count))
    hours = tuple(HourHigh(hour=hour, high_w=high_w) for hour, high_w in enumerate(highs))
    reserve = static_reserve(site, hours, None)
    assert (reserve.l1, reserve.l2, reserve.l3) == pytest.approx(reserve_w)


@pytest.mark.parametrize(
    ("ago_s", "period_s", "fast"),
    [(1.0, 1.0, True), (2.0, 2.0, True), (2.1, 1.0, False), (1.0, 2.1, False), (None, 1.0, False)],
)
def test_only_who_looks_every_two_seconds_trusts_what_is_there(ago_s: float | None, period_s: float, fast: bool):
    site = replace(home_a(), meter=replace(home_a().meter, period_s=period_s))
    state = ticked(site, ago_s=ago_s)
    seen = replace(
        seen_in(state, House()),
        residual_high_w=PhaseValues(l1=500.0, l2=-500.0, l3=4_500.0),
        masked_w=PhaseValues(l1=100.0),
    )
    reserve = residual_reserve(state, seen, NOW)
    slow = (600.0 + APPLIANCE_W - SPARE_W, APPLIANCE_W - SPARE_W, 4_500.0)
    assert (reserve.l1, reserve.l2, reserve.l3) == pytest.approx((600.0, 0.0, 4_500.0) if fast else slow)


@pytest.mark.parametrize(("since_s", "kept_w"), [(0.0, 3_000.0), (10.0, 2_000.0), (24.0, 600.0), (30.0, 500.0)])
def test_after_a_silence_the_room_is_given_back_over_half_a_minute(since_s: float, kept_w: float):
    """3 kW was the day's high, 500 W are there now."""
    state = ticked(home_a(), highs=(HourHigh(hour=1, high_w=PhaseValues(l1=3_000.0, l2=3_000.0, l3=3_000.0)),))
    seen = replace(
        seen_in(state, House()),
        residual_high_w=PhaseValues(l1=500.0, l2=500.0, l3=3_500.0),
        residual_highs=state.residual_highs,
        recovering_since_mono_s=NOW.mono_s - since_s,
    )
    reserve = residual_reserve(state, seen, NOW)
    assert (reserve.l1, reserve.l2, reserve.l3) == pytest.approx((kept_w, kept_w, 3_500.0))
    silent = replace(seen, residual_high_w=None)
    assert residual_reserve(state, silent, NOW).l1 == 3_000.0


def test_in_an_island_what_is_drawn_counts_however_seldom_it_is_looked_at():
    state = ControlState.start(home_a())
    present = replace(seen_in(state, House()), residual_high_w=PhaseValues(l1=500.0, l2=600.0, l3=700.0))
    reserve = residual_reserve(state, replace(present, is_island=True, recovering_since_mono_s=NOW.mono_s), NOW)
    assert (reserve.l1, reserve.l2, reserve.l3) == pytest.approx((500.0, 600.0, 700.0))
    assert residual_reserve(state, present, NOW).l1 == pytest.approx(500.0 + APPLIANCE_W - SPARE_W)


def test_what_a_plan_may_count_on_is_what_the_guard_leaves_in_an_ordinary_moment():
    """25 A x 0.95 less an appliance that may start (13 A, of these 1.25 A out of the spare): 12 A on three phases."""
    state = ControlState.start(home_a())
    assert plannable_power_w(state) == pytest.approx(3 * 12.0 * VOLTAGE_V)
    assert feed_in_power_w(state) == pytest.approx(3 * FUSE_W)
    # Beside a house that draws all it is expected to, 18 A less the spare: 7 A.
    assert dependable_power_w(state) == pytest.approx(3 * 7.0 * VOLTAGE_V)
    one = replace(home_a(), connection=replace(home_a().connection, phase_count=1))
    assert plannable_power_w(ControlState.start(one)) == pytest.approx(12.0 * VOLTAGE_V)
    assert feed_in_power_w(ControlState.start(one)) == pytest.approx(FUSE_W)


def test_a_fuse_that_a_single_appliance_fills_leaves_nothing():
    """6 A x 0.72 is all that the house is expected to reach; of a fuse of 6 A 5.7 A may be used."""
    tiny = replace(home_a(), circuits=(replace(home_a().circuits[0], fuse_a=6.0),))
    assert plannable_power_w(ControlState.start(tiny)) == pytest.approx(3 * (5.7 - 4.32 + 0.3) * VOLTAGE_V)


@pytest.mark.parametrize(
    ("index", "most_w", "on_one_phase_w"),
    [
        (0, 0.0, 0.0),
        (1, 5_000.0, 5_000.0 / 3),
        # On one phase a charger that switches draws as much there as on each of three.
        (2, 11_040.0, 3_680.0),
        (3, 2_500.0, 2_500.0 / 3),
    ],
)
def test_a_nameplate_says_the_most_that_a_device_draws(index: int, most_w: float, on_one_phase_w: float):
    site = home_b()
    battery = replace(site.batteries[0], discharge_power_max_w=4_000.0)
    device: Controllable = (site.pv[0], battery, site.chargers[0], site.heat_pumps[0])[index]
    assert nameplate_w(device) == pytest.approx(most_w)
    assert worst_phase_w(device) == pytest.approx(on_one_phase_w)


def test_a_nameplate_below_three_phases_counts_in_full_on_one():
    """A charger of 7.4 kW on three phases may draw 16 A on one, 10.7 A on each of three."""
    charger = replace(home_a().chargers[0], power_max_w=7_360.0)
    assert nameplate_w(charger) == pytest.approx(7_360.0)
    assert worst_phase_w(charger) == pytest.approx(3_680.0)
    assert worst_phase_w(replace(charger, switches_phases=False)) == pytest.approx(7_360.0 / 3)


def test_a_charger_draws_no_more_than_its_current_whatever_its_nameplate_says():
    charger = replace(home_a().chargers[0], power_max_w=22_080.0)
    assert nameplate_w(charger) == pytest.approx(3 * 16.0 * VOLTAGE_V)


def test_the_worst_phase_of_all_circuits_above_decides_and_is_named():
    room = empty(with_garage(home_a()))
    room.import_left_w[GARAGE, L2] = 500.0
    room.import_left_w[MAIN, L3] = 700.0
    room.export_left_w[WORKSHOP, L1] = 300.0
    assert room.tightest(WORKSHOP, ALL_PHASES, importing=True) == (500.0, GARAGE)
    assert room.tightest(WORKSHOP, (L1, L3), importing=True) == (700.0, MAIN)
    assert room.tightest(WORKSHOP, (L1,), importing=True) == (2_300.0, WORKSHOP)
    assert room.tightest(WORKSHOP, ALL_PHASES, importing=False) == (300.0, WORKSHOP)
    assert room.tightest(MAIN, ALL_PHASES, importing=True) == (700.0, MAIN)


def test_of_equally_tight_circuits_the_nearest_is_named():
    room = empty(with_garage(home_a()))
    assert room.tightest(GARAGE, ALL_PHASES, importing=True) == (2_300.0, GARAGE)


def test_what_is_taken_is_taken_from_every_circuit_above_and_given_back_to_it():
    room = empty(with_garage(home_a()))
    room.take(GARAGE, (L1, L3), 1_000.0)
    for circuit, left_w in ((MAIN, 1_800.0), (GARAGE, 1_800.0), (WORKSHOP, 2_300.0)):
        assert [room.import_left_w[circuit, phase] for phase in ALL_PHASES] == [left_w, 2_300.0, left_w]
    assert set(room.export_left_w.values()) == {2_300.0}
    room.give_back(GARAGE, (L1, L3), 400.0)
    for circuit, left_w in ((MAIN, 2_000.0), (GARAGE, 2_000.0), (WORKSHOP, 2_300.0)):
        assert [room.import_left_w[circuit, phase] for phase in ALL_PHASES] == [left_w, 2_300.0, left_w]


def test_production_takes_from_the_way_out_and_leaves_the_way_in():
    room = empty(with_garage(home_a()))
    room.take(GARAGE, ALL_PHASES, -900.0)
    assert {room.export_left_w[GARAGE, phase] for phase in ALL_PHASES} == {2_000.0}
    assert {room.export_left_w[MAIN, phase] for phase in ALL_PHASES} == {2_000.0}
    assert set(room.import_left_w.values()) == {2_300.0}


def test_half_a_watt_has_a_direction_too():
    room = empty(home_a())
    room.take(MAIN, (L1,), 0.5)
    assert (room.import_left_w[MAIN, L1], room.export_left_w[MAIN, L1]) == (2_299.5, 2_300.0)
    room.take(MAIN, (L1,), -0.5)
    assert (room.import_left_w[MAIN, L1], room.export_left_w[MAIN, L1]) == (2_299.5, 2_299.5)


def test_only_the_main_fuse_carries_the_load_that_nobody_controls():
    state = ticked(with_garage(home_a()))
    room = headroom(state, seen_in(state, House(load_phase_w=(900.0, 600.0, 0.0), pv_w=3_000.0)), NOW)
    assert [room.import_left_w[MAIN, phase] for phase in ALL_PHASES] == pytest.approx(
        [FUSE_W - 900.0, FUSE_W - 600.0, FUSE_W]
    )
    assert [room.import_left_w[GARAGE, phase] for phase in ALL_PHASES] == pytest.approx([20.0 * 0.95 * VOLTAGE_V] * 3)
    # What the sun makes takes from the way out, and is credited nowhere.
    assert [room.export_left_w[MAIN, phase] for phase in ALL_PHASES] == pytest.approx([FUSE_W - 1_000.0] * 3)
    assert room.reserve_w.l1 == pytest.approx(900.0)


@pytest.mark.parametrize(
    ("silent", "taken_in_w", "taken_out_w"),
    [
        ((), 0.0, 0.0),
        ((BATTERY,), 5_000.0, 4_000.0),
        ((CHARGER,), 11_040.0, 0.0),
        ((HEAT_PUMP,), 2_500.0, 0.0),
    ],
)
def test_who_is_silent_is_kept_free_with_its_nameplate(
    silent: tuple[DeviceId, ...], taken_in_w: float, taken_out_w: float
):
    battery = replace(home_b().batteries[0], discharge_power_max_w=4_000.0)
    state = ticked(replace(home_b(), batteries=(battery,)))
    seen = replace(seen_in(state, House(without=silent)), residual_high_w=PhaseValues(), masked_w=PhaseValues())
    room = headroom(state, seen, NOW)
    for phase in ALL_PHASES:
        assert room.import_left_w[MAIN, phase] == pytest.approx(FUSE_W - taken_in_w / 3)
        assert room.export_left_w[MAIN, phase] == pytest.approx(FUSE_W - taken_out_w / 3)


def test_a_silent_plant_counts_with_its_peak_on_the_way_out_only():
    state = ticked(home_a())
    seen = replace(seen_in(state, House(without=(PV,))), residual_high_w=PhaseValues(), masked_w=PhaseValues())
    room = headroom(state, seen, NOW)
    assert [room.export_left_w[MAIN, phase] for phase in ALL_PHASES] == pytest.approx([FUSE_W - 2_000.0] * 3)
    assert [room.import_left_w[MAIN, phase] for phase in ALL_PHASES] == pytest.approx([FUSE_W] * 3)
    (plant,) = state.site.pv
    assert counted_production_w(plant, seen) == 6_000.0
    assert counted_production_w(plant, seen_in(state, House(pv_w=1_500.0))) == 1_500.0
    # At night an inverter draws some watts: that is no production.
    assert counted_production_w(plant, seen_in(state, House(pv_w=-20.0))) == 0.0


def test_what_a_device_draws_against_its_command_is_taken_where_it_draws_it():
    state = ticked(home_a())
    seen = replace(seen_in(state, House(phase_count=1)), residual_high_w=PhaseValues(), disobeying_w={CHARGER: 2_000.0})
    room = headroom(state, seen, NOW)
    assert [room.import_left_w[MAIN, phase] for phase in ALL_PHASES] == pytest.approx(
        [FUSE_W - 2_000.0, FUSE_W, FUSE_W]
    )
    (charger,) = state.site.chargers
    assert phases_drawn_on(charger, seen) == (Phase.L1,)
    assert phases_drawn_on(charger, replace(seen, chargers={})) == ALL_PHASES
    assert phases_drawn_on(state.site.batteries[0], seen) == ALL_PHASES
