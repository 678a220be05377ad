"""Rules of the guard as tables of cycles: phases, smallest currents, minimum runs, and who may break them."""

from dataclasses import replace

import pytest

from hems.control.current import choose_offer, highest_power_w
from hems.control.estimate import estimate
from hems.control.guard import permit
from hems.control.state import ControlState, HourHigh, SwitchMemory
from hems.control.want import Want
from hems.domain.command import Authority, ChargeCurrent, HeatPumpPower, Limit
from hems.domain.power import Phase, PhaseValues
from hems.domain.reading import CarState
from hems.domain.site import Circuit, CircuitId, DeviceId, Site
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, PV, home_a, home_b
from tests.support.moments import Cycles, House, action_of, now_after, once, plan_of, power_of, rules_of

CAR = House(load_w=0.0, car=CarState.CONNECTED, stored_wh=1_000.0)
OPERATOR = Limit(authority=Authority.OPERATOR, source="grid operator", import_power_max_w=500.0)


@pytest.mark.parametrize(
    ("load_phase_w", "current_a", "phase_count"),
    [
        # 25 A x 0.95 = 23.75 A, the car takes 16: nothing is in its way.
        ((0.0, 0.0, 0.0), 16.0, 3),
        # 10 A of load on L2 leave 13.75 A for three phases (9.49 kW), more than 16 A on L1 (3.68 kW).
        ((0.0, 2_300.0, 0.0), 13.7, 3),
        # 18 A on L3 leave 5.75 A: less than 6 A, so it falls back to one phase, L1, and all of its 16 A.
        ((0.0, 0.0, 18 * 230.0), 16.0, 1),
        # 18 A on L1: neither fits. Pause.
        ((18 * 230.0, 0.0, 0.0), 0.0, 3),
        # 17.75 A on L1 leave exactly 6 A there, on three phases more than on one.
        ((17.75 * 230.0, 0.0, 0.0), 6.0, 3),
    ],
)
def test_the_car_gets_the_phases_and_the_current_that_fit(
    load_phase_w: tuple[float, float, float], current_a: float, phase_count: int
) -> None:
    action = action_of(once(home_a(), replace(CAR, load_phase_w=load_phase_w)), CHARGER)
    assert isinstance(action, ChargeCurrent)
    assert action.current_a == pytest.approx(current_a)
    assert action.phase_count == phase_count


def test_a_one_phase_car_on_a_loaded_phase_gets_what_that_phase_has() -> None:
    """Wired to L2, which carries 12 A: 11.75 A are left, in steps of 0.1 A 11.7 A; L1 and L3 do not matter."""
    house = home_a()
    charger = replace(house.chargers[0], phases=(Phase.L2,), switches_phases=False, power_max_w=3_680.0)
    site = replace(house, chargers=(charger,))
    loaded = replace(CAR, load_phase_w=(23.0 * 230, 12.0 * 230, 23.0 * 230), phase_count=1)
    action = action_of(once(site, loaded), CHARGER)
    assert action == ChargeCurrent(current_a=11.7, phase_count=1)


def test_a_change_of_phases_is_not_taken_back_for_ten_minutes() -> None:
    """At 0 s L3 is loaded: one phase. It is free from 60 s on, the number of phases follows at 600 s."""
    cycles = Cycles(home_a())
    loaded = replace(CAR, load_phase_w=(0.0, 0.0, 20 * 230.0))
    rows = [(0.0, loaded, 1), (1.0, loaded, 1), (60.0, CAR, 1), (599.0, CAR, 1), (600.0, CAR, 3), (601.0, CAR, 3)]
    for at_s, house, phase_count in rows:
        action = action_of(cycles.tick(at_s, house), CHARGER)
        assert isinstance(action, ChargeCurrent)
        assert (at_s, action.phase_count) == (at_s, phase_count)


def test_a_charger_that_is_slow_to_report_is_not_switched_back() -> None:
    """Told one phase, it reports three for half a minute; the number that was told counts."""
    cycles = Cycles(home_a())
    cycles.tick(0.0, replace(CAR, load_phase_w=(0.0, 0.0, 20 * 230.0)))
    result = cycles.tick(1.0, replace(CAR, phase_count=3))
    action = action_of(result, CHARGER)
    assert isinstance(action, ChargeCurrent)
    assert action.phase_count == 1
    assert rules_of(result, CHARGER) == ["phase_dwell"]


def test_the_dwell_ends_early_where_the_smallest_current_no_longer_fits() -> None:
    cycles = Cycles(home_a())
    cycles.tick(0.0, replace(CAR, phase_count=1))
    assert action_of(cycles.tick(1.0, replace(CAR, phase_count=3)), CHARGER).kind == "charge_current"
    # For some seconds the load could be the car's own, on its way to what it was told; then its reading says no.
    for second in range(2, 7):
        result = cycles.tick(float(second), replace(CAR, phase_count=3, load_phase_w=(0.0, 0.0, 20 * 230.0)))
    action = action_of(result, CHARGER)
    assert isinstance(action, ChargeCurrent)
    assert (action.phase_count, action.current_a) == (1, 16.0)


@pytest.mark.parametrize(
    ("power_w", "headroom_a", "keep", "expected"),
    [
        # What is asked, rounded down to 0.1 A.
        (5_000.0, {1: 32.0, 3: 32.0}, 3, (7.2, 3)),
        # One phase within 5 % of the best stays: 3,680 of 3,860 W.
        (3_860.0, {1: 32.0, 3: 32.0}, 1, (16.0, 1)),
        # 4,140 W on three phases are 12 % more.
        (4_140.0, {1: 32.0, 3: 32.0}, 1, (6.0, 3)),
        # Below 6 A on three phases only one is left.
        (3_000.0, {1: 32.0, 3: 32.0}, 3, (13.0, 1)),
        (1_379.0, {1: 32.0, 3: 32.0}, 1, (0.0, 1)),
        (11_040.0, {1: 5.9, 3: 5.9}, 3, (0.0, 3)),
        (11_040.0, {1: 20.0, 3: 5.9}, 3, (16.0, 1)),
        (11_040.0, {}, 3, (0.0, 3)),
        (float("inf"), {1: 32.0, 3: 32.0}, 3, (16.0, 3)),
    ],
)
def test_an_offer_is_the_largest_that_fits(
    power_w: float, headroom_a: dict[int, float], keep: int, expected: tuple[float, int]
) -> None:
    offer = choose_offer(home_a().chargers[0], power_w=power_w, headroom_a=headroom_a, keep_count=keep)
    assert (offer.current_a, offer.phase_count) == expected


def test_a_smallest_current_between_two_steps_is_kept() -> None:
    """6.25 A on one phase are 1,437.5 W; 6.2 A would be none at all, 6.3 A too much."""
    charger = replace(home_a().chargers[0], current_min_a=6.25)
    offer = choose_offer(charger, power_w=1_440.0, headroom_a={1: 32.0}, keep_count=1)
    assert (offer.current_a, offer.power_w) == (6.25, 1_437.5)


def test_never_stopped_where_the_smallest_current_fits() -> None:
    charger = home_a().chargers[0]
    for tenths in range(60, 400):
        assert highest_power_w(charger, {1: tenths / 10, 3: 0.0}) >= 6 * 230.0


HEATING = House(load_w=300.0, pump_w=2_500.0, room_c=21.0)


def test_a_compressors_minimum_run_is_broken_by_fuse_and_operator_only() -> None:
    """Minimum run 900 s, minimum rest 600 s. Wanted from 0 s on; then room and tank are too warm."""
    heat, warm = plan_of(heat_w=(2_500.0,) * 8), replace(HEATING, room_c=23.0, tank_c=60.0)
    overload = replace(warm, load_phase_w=(24.0 * 230, 0.0, 0.0), pump_w=700.0)

    def started() -> Cycles:
        cycles = Cycles(home_b())
        assert power_of(cycles.tick(0.0, HEATING, heat), HEAT_PUMP) == 2_500.0
        return cycles

    cycles = started()
    for at_s, power_w, rules in ((1.0, 700.0, ["min_run"]), (899.0, 700.0, ["min_run"]), (900.0, 0.0, [])):
        result = cycles.tick(at_s, warm, heat)
        assert (at_s, power_of(result, HEAT_PUMP), rules_of(result, HEAT_PUMP)) == (at_s, power_w, rules)
    for at_s, power_w in ((901.0, 0.0), (1_499.0, 0.0), (1_500.0, 2_500.0)):
        assert (at_s, power_of(cycles.tick(at_s, HEATING, heat), HEAT_PUMP)) == (at_s, power_w)

    cycles = started()
    assert power_of(cycles.tick(1.0, warm, heat, limits=(OPERATOR,)), HEAT_PUMP) == 0.0
    cycles = started()
    assert power_of(cycles.tick(1.0, overload, heat), HEAT_PUMP) == 0.0
    cycles = started()
    setpoint = replace(OPERATOR, authority=Authority.SETPOINT)
    assert power_of(cycles.tick(1.0, warm, heat, limits=(setpoint,)), HEAT_PUMP) == 700.0


def test_cold_rooms_wait_for_a_compressors_minimum_rest() -> None:
    cycles = Cycles(home_b())
    heat, none = plan_of(heat_w=(2_500.0,) * 8), plan_of(heat_w=(0.0,) * 8)
    cycles.tick(0.0, HEATING, heat)
    cycles.tick(900.0, HEATING, none)
    cold = replace(HEATING, pump_w=0.0, room_c=19.0)
    assert power_of(cycles.tick(901.0, cold, none), HEAT_PUMP) == 0.0
    assert power_of(cycles.tick(1_500.0, cold, none), HEAT_PUMP) == 2_500.0


def test_a_silent_pump_goes_by_its_own_thermostat_unless_an_import_limit_holds() -> None:
    """What it is expected to draw is what it is told: 2.5 kW, or nothing."""
    state = ControlState.start(home_b())
    now = now_after(1.0)
    seen = estimate(state, replace(HEATING, without=(HEAT_PUMP,)).image(state.site, now.mono_s), now)
    limit = Limit(authority=Authority.OPERATOR, source="grid", import_power_max_w=4_200.0)
    for limits, told, expected_w in (((), None, 2_500.0), ((limit,), 0.0, 0.0)):
        permitted = permit(state, seen, {}, limits, now)
        (command,) = (each for each in permitted.commands if each.device_id == HEAT_PUMP)
        assert command.action == HeatPumpPower(power_w=told)
        assert permitted.expected_power_w[HEAT_PUMP] == expected_w


def test_a_compressor_that_was_silent_has_rested_since_then() -> None:
    """Nobody saw whether it ran while it did not answer: its minimum rest counts from the start of the silence."""
    cycles = Cycles(home_b())
    heat = plan_of(heat_w=(2_500.0,) * 8)
    cycles.tick(0.0, HEATING, heat)
    cycles.tick(1_000.0, replace(HEATING, without=(HEAT_PUMP,)), heat)
    assert power_of(cycles.tick(1_001.0, HEATING, heat), HEAT_PUMP) == 0.0
    assert power_of(cycles.tick(1_600.0, HEATING, heat), HEAT_PUMP) == 2_500.0


def test_a_car_that_must_charge_does_not_wait_for_its_rest() -> None:
    state = ControlState.start(home_a())
    now = now_after(30.0)
    memory = SwitchMemory(running=False, switched_mono_s=now.mono_s - 10.0)
    state = replace(state, switches={CHARGER: memory}, ticked_mono_s=now.mono_s - 1.0)
    seen = estimate(state, CAR.image(state.site, now.mono_s), now)
    for urgent, power_w in ((False, 0.0), (True, 11_040.0)):
        want = Want(device_id=CHARGER, power_w=11_040.0, urgent=urgent)
        assert permit(state, seen, {CHARGER: want}, (), now).expected_power_w[CHARGER] == pytest.approx(power_w)


def with_two_plants() -> Site:
    house = home_a()
    second = replace(house.pv[0], id=DeviceId("east"), name="East")
    return replace(house, pv=(house.pv[0], second), connection=replace(house.connection, export_power_max_w=3_000.0))


def test_two_plants_share_an_export_limit_and_never_add_up_to_more() -> None:
    """3 kW may be exported, 1 kW is drawn, one plant makes 1.5 kW, the other is silent: 4 kW for both at most."""
    site = with_two_plants()
    result = once(site, House(load_w=1_000.0, pv_w=1_500.0, without=(BATTERY,)))
    limits_w = [-(power_of(result, each.id) or 0.0) for each in site.pv]
    assert sum(limits_w) <= 4_000.0
    assert limits_w[0] >= 1_500.0


def test_a_zero_export_house_makes_nothing_that_it_does_not_draw() -> None:
    house = home_a()
    site = replace(house, connection=replace(house.connection, export_power_max_w=0.0))
    seen = once(site, House(load_w=800.0, pv_w=800.0, stored_wh=10_000.0))
    assert power_of(seen, PV) == pytest.approx(-800.0)
    blind = once(site, House(load_w=800.0, pv_w=800.0, without=(site.meter.id,)))
    assert power_of(blind, PV) == 0.0


def test_a_battery_does_not_feed_in_for_a_car_that_sleeps() -> None:
    """11 kW are offered, nothing is drawn: against the export limit of 0 the offer does not count."""
    house = home_a()
    site = replace(house, connection=replace(house.connection, export_power_max_w=0.0))
    state = replace(ControlState.start(site), ticked_mono_s=now_after(-1.0).mono_s)
    now = now_after(0.0)
    asleep = House(load_w=500.0, car=CarState.CONNECTED, offered_a=16.0)
    seen = estimate(state, asleep.image(site, now.mono_s), now)
    wants = {
        CHARGER: Want(device_id=CHARGER, power_w=11_040.0),
        BATTERY: Want(device_id=BATTERY, power_w=-5_000.0),
    }
    assert permit(state, seen, wants, (), now).expected_power_w[BATTERY] == pytest.approx(-500.0)


def test_a_sub_circuit_limits_its_own_devices_and_is_named() -> None:
    """The garage has 3 x 10 A: 9.5 A for the car, while the main fuse would leave 16."""
    house = home_a()
    garage = Circuit(id=CircuitId("garage"), fuse_a=10.0, parent=house.circuits[0].id)
    site = replace(house, circuits=(*house.circuits, garage), chargers=(replace(house.chargers[0], circuit=garage.id),))
    result = once(site, CAR)
    assert action_of(result, CHARGER) == ChargeCurrent(current_a=9.5, phase_count=3)
    command = next(each for each in result.commands if each.device_id == CHARGER)
    assert [(each.rule.value, each.circuit) for each in command.limited_by] == [("circuit_fuse", "garage")]


def test_others_make_room_for_a_charger_that_does_not_obey() -> None:
    """The car waits for its price and is told 0 A, but draws 16. For half a minute it may be about to obey; then its
    16 A are taken: 20 A x 0.95 - 16 A leave 3 A on three phases for the battery."""
    house = home_a()
    small = replace(house, circuits=(replace(house.circuits[0], fuse_a=20.0),))
    draws = House(load_w=0.0, car=CarState.CHARGING, car_w=11_040.0, offered_a=16.0, stored_wh=5_000.0)
    cycles = Cycles(small)
    wants = plan_of(buy_at=0.05, sell_at=0.0, car_value=0.01)  # the battery buys, the car waits
    for second in range(32):
        result = cycles.tick(float(second), draws, wants)
        assert power_of(result, CHARGER) == 0.0
        battery_w = 5_000.0 if 1 <= second < 31 else None
        if battery_w is not None:
            assert (second, power_of(result, BATTERY)) == (second, battery_w)
    assert power_of(result, BATTERY) == pytest.approx(3.0 * 3 * 230.0)
    obeys = replace(draws, car=CarState.CONNECTED, car_w=0.0, offered_a=0.0)
    assert power_of(cycles.tick(32.0, obeys, wants), BATTERY) == pytest.approx(5_000.0)


def test_a_slow_meter_keeps_room_for_an_appliance_that_nobody_sees() -> None:
    """A telegram every 10 s: 13 A may start unseen and use the spare 1.25 A until they are seen: 12 A are left."""
    house = home_a()
    slow = replace(house, meter=replace(house.meter, period_s=10.0))
    assert action_of(once(slow, CAR), CHARGER) == ChargeCurrent(current_a=12.0, phase_count=3)
    assert action_of(once(house, CAR), CHARGER) == ChargeCurrent(current_a=16.0, phase_count=3)


def test_without_a_meter_the_days_high_is_kept_free() -> None:
    """15 A were seen on L1 two hours ago: 8.75 A of 23.75 are left, in steps 8.7."""
    house = home_a()
    now = now_after(0.0)
    highs = (HourHigh(hour=int(now.mono_s // 3600) - 2, high_w=PhaseValues(l1=15.0 * 230)),)
    state = replace(ControlState.start(house), residual_highs=highs, ticked_mono_s=now.mono_s - 1.0)
    seen = estimate(state, replace(CAR, without=(house.meter.id,)).image(house, now.mono_s), now)
    want = {CHARGER: Want(device_id=CHARGER, power_w=11_040.0)}
    command = next(each for each in permit(state, seen, want, (), now).commands if each.device_id == CHARGER)
    assert command.action == ChargeCurrent(current_a=8.7, phase_count=3)


@pytest.mark.parametrize(("gap_s", "lease_s"), [(1.0, 60.0), (60.0, 150.0), (900.0, 1_800.0), (30_000.0, 1_800.0)])
def test_a_lease_outlives_two_missed_ticks_and_always_ends(gap_s: float, lease_s: float) -> None:
    cycles = Cycles(home_a())
    cycles.tick(0.0, House())
    assert {each.lease.duration_s for each in cycles.tick(gap_s, House()).commands} == {lease_s}


def test_what_a_silent_plant_makes_is_no_room_for_a_car() -> None:
    """4.5 kW of load on L1 and 5 kW of sun, which the meter shows as 2.83 kW: without the sun L1 carries 19.6 A."""
    sunny = House(load_phase_w=(4_500.0, 0.0, 0.0), pv_w=5_000.0, car=CarState.CONNECTED)
    cycles = Cycles(home_a())
    for second in range(3):
        result = cycles.tick(float(second), replace(sunny, without=(PV,)))
    assert power_of(result, CHARGER) == 0.0
    # With 3 kW on L1 its reserve is 3,000 W + (6,000 - 5,000) / 3 W: 23.75 A less 14.49 A, in steps of 0.1 A.
    result = cycles.tick(3.0, replace(sunny, load_phase_w=(3_000.0, 0.0, 0.0), without=(PV,)))
    assert power_of(result, CHARGER) == pytest.approx(9.2 * 3 * 230.0)


def test_the_days_high_remembers_what_a_silent_plant_may_have_fed() -> None:
    seen = estimate(
        ControlState.start(home_a()),
        House(load_w=3_000.0, pv_w=3_000.0, without=(PV,)).image(home_a(), now_after(0.0).mono_s),
        now_after(0.0),
    )
    # The meter shows nothing; up to 6 kW may be there.
    assert seen.residual_highs[-1].high_w == PhaseValues(l1=2_000.0, l2=2_000.0, l3=2_000.0)
