"""Physics and quirks of simulated devices, against numbers worked out by hand."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from hems.domain.command import BatteryPower, ChargeCurrent, HeatPumpPower, ProductionLimit
from hems.domain.heat import cop_ratio
from hems.domain.reading import CarState
from hems.domain.site import HeatPump
from hems.sim.battery import SimBattery
from hems.sim.charger import SimCharger
from hems.sim.data import Session
from hems.sim.devices import SimDevice, SimPv
from hems.sim.heat import HotWaterDraws, SimHeatPump
from tests.support.houses import home_a, home_b
from tests.support.simulated import START_AT, stay

BATTERY = home_a().batteries[0]
CHARGER = home_a().chargers[0]
PUMP = home_b().heat_pumps[0]
FULL_W = 11_040.0


def live(device: SimDevice, seconds: int, *, step_s: int = 60) -> None:
    """Advance as the house does: never past a change."""
    while seconds > 0:
        stretch_s = max(1, math.ceil(min(seconds, step_s, device.next_change_s())))
        device.advance(stretch_s)
        seconds -= stretch_s


def battery(stored_wh: float, *, lag_s: int = 0) -> SimBattery:
    return SimBattery(BATTERY, stored_wh=stored_wh, lag_s=lag_s)


def charger(*sessions: Session, unmanaged: bool = False) -> SimCharger:
    return SimCharger(CHARGER, sessions, start_at=START_AT, seed=1, unmanaged=unmanaged)


def test_a_battery_loses_on_the_way_in_and_out():
    storing = battery(5_000)
    storing.apply(BatteryPower(power_w=2_000.0))
    live(storing, 3_600)
    assert storing.stored_wh == pytest.approx(5_000 + 2_000 * 0.95)
    storing.apply(BatteryPower(power_w=-1_900.0))
    live(storing, 3_600)
    assert storing.stored_wh == pytest.approx(5_000 + 1_900 - 2_000)


@pytest.mark.parametrize(
    ("stored_wh", "charge_w", "discharge_w"),
    [
        (5_000, 5_000, 5_000),
        (9_000, 5_000, 5_000),
        (9_500, 5_000 * 0.55, 5_000),
        (9_999, 5_000 * 0.1009, 5_000),
        (10_000, 0, 5_000),
        (1_250, 5_000, 5_000 * 0.55),
        (1_000, 5_000, 0),
        (400, 5_000, 0),
    ],
)
def test_the_bms_tapers_near_both_ends(stored_wh, charge_w, discharge_w):
    values = battery(stored_wh).values()
    assert values.charge_power_max_w == pytest.approx(charge_w)
    assert values.discharge_power_max_w == pytest.approx(discharge_w)


def test_a_full_battery_takes_nothing_and_an_empty_one_gives_nothing():
    full, empty = battery(10_000), battery(1_000)
    full.apply(BatteryPower(power_w=5_000.0))
    empty.apply(BatteryPower(power_w=-5_000.0))
    live(full, 60)
    live(empty, 60)
    assert (full.power_w, empty.power_w) == (0.0, 0.0)


def test_a_battery_answers_after_its_lag():
    slow = battery(5_000, lag_s=1)
    slow.apply(BatteryPower(power_w=1_000.0))
    slow.advance(1)
    assert slow.power_w == 0.0
    slow.apply(BatteryPower(power_w=1_000.0))  # repeating a command does not start the lag again
    slow.advance(1)
    assert slow.power_w == 1_000.0


def test_a_battery_without_command_rests():
    resting = battery(5_000)
    resting.apply(BatteryPower(power_w=1_000.0))
    resting.apply(None)
    live(resting, 3_600)
    assert (resting.power_w, resting.stored_wh) == (0.0, 5_000)


def test_devices_refuse_actions_of_other_kinds():
    limit = ProductionLimit(production_power_max_w=1.0)
    for device in (battery(5_000), charger(), SimHeatPump(PUMP)):
        with pytest.raises(TypeError):
            device.apply(limit)
    with pytest.raises(TypeError):
        SimPv(home_a().pv[0]).apply(BatteryPower(power_w=0.0))


def test_pv_is_cut_at_once_and_released_without_command():
    pv = SimPv(home_a().pv[0])
    pv.available_w = 3_000.0
    pv.apply(ProductionLimit(production_power_max_w=1_200.0))
    pv.advance(1)
    assert pv.values().power_w == -1_200.0
    pv.apply(None)
    pv.advance(1)
    assert pv.values().power_w == -3_000.0


def test_pv_that_cannot_be_limited_goes_on():
    pv = SimPv(replace(home_a().pv[0], curtailable=False))
    pv.available_w = 3_000.0
    pv.apply(ProductionLimit(production_power_max_w=0.0))
    pv.advance(1)
    assert pv.power_w == -3_000.0


@pytest.mark.parametrize(("energy_kwh", "hours"), [(5.5, 0.5), (11.04, 1.0), (11.0, 1.0), (20.0, 2.0), (40.0, 3.7)])
def test_a_session_that_full_power_can_fill_is_filled(energy_kwh, hours):
    unmanaged = charger(stay(0, hours, energy_kwh), unmanaged=True)
    live(unmanaged, round(hours * 3_600) + 60)
    assert unmanaged.unmet_wh == pytest.approx(0.0, abs=1.0)


def test_an_impossible_session_counts_only_what_was_possible():
    """40 kWh in one hour: 11.04 kWh are possible. Offered nothing for the first half hour, half of that is unmet."""
    late = charger(stay(0, 1, 40))
    live(late, 1_800)
    late.apply(ChargeCurrent(current_a=16.0, phase_count=3))
    live(late, 1_800)
    assert late.unmet_wh == pytest.approx(FULL_W / 2)


def test_power_falls_in_the_last_twentieth_of_a_session():
    """20 kWh: from 19 kWh on, linearly in the missing energy, from 11.04 kW towards 6 A x 3 x 230 V = 4.14 kW."""
    car = charger(stay(0, 24, 20), unmanaged=True)
    powers_w = {}
    while car.values().car is not CarState.FINISHED:
        before_wh = car.values().session_energy_wh
        live(car, 10, step_s=10)
        powers_w[before_wh] = car.power_w
    assert all(power_w == pytest.approx(FULL_W) for wh, power_w in powers_w.items() if wh < 18_960)
    falling = {wh: power_w for wh, power_w in powers_w.items() if 19_010 < wh < 19_960}
    assert len(falling) > 30
    for wh, power_w in falling.items():
        assert power_w == pytest.approx(4_140 + 6_900 * (20_000 - wh) / 1_000, rel=0.01)
    assert car.values().session_energy_wh == pytest.approx(20_000)


def test_a_car_draws_at_most_what_is_offered_and_nothing_below_six_ampere():
    car = charger(stay(0, 24, 50))
    for current_a, expected_w in [(6.0, 4_140.0), (10.0, 6_900.0), (16.0, FULL_W), (32.0, FULL_W), (5.9, 0.0)]:
        car.apply(ChargeCurrent(current_a=current_a, phase_count=3))
        live(car, 60)
        assert car.power_w == pytest.approx(expected_w)


def test_switching_phases_pauses_for_half_a_minute():
    car = charger(stay(0, 24, 50))
    car.apply(ChargeCurrent(current_a=10.0, phase_count=3))
    live(car, 60)
    car.apply(ChargeCurrent(current_a=10.0, phase_count=1))
    powers_w = []
    for _ in range(40):
        live(car, 1)
        powers_w.append(car.power_w)
    assert powers_w == [0.0] * 30 + [2_300.0] * 10
    assert car.values().phase_count == 1


def test_a_car_that_was_offered_nothing_for_two_hours_needs_a_minute_or_two_to_wake():
    delays_s = []
    for hours in (1.99, 2.01):
        car = charger(stay(0, 24, 50))
        live(car, round(hours * 3_600))
        car.apply(ChargeCurrent(current_a=16.0, phase_count=3))
        waited_s = 0
        while car.power_w == 0:
            live(car, 1)
            waited_s += 1
        delays_s.append(waited_s - 1)
    assert delays_s[0] == 0
    assert 60 <= delays_s[1] <= 120


def test_a_car_comes_charges_finishes_and_leaves():
    car = charger(stay(1, 2, 5.52), unmanaged=True)
    seen: list[CarState] = []
    for _ in range(4 * 12):
        live(car, 300)
        if not seen or seen[-1] is not car.values().car:
            seen.append(car.values().car)
    assert seen == [CarState.ABSENT, CarState.CONNECTED, CarState.CHARGING, CarState.FINISHED, CarState.ABSENT]
    assert car.unmet_wh == pytest.approx(0.0)


def test_a_car_that_is_there_at_the_start_wants_all_its_energy():
    before = Session(
        plugin_at=START_AT - timedelta(hours=5), plugout_at=START_AT + timedelta(hours=1), energy_wh=8_000.0
    )
    car = charger(before)
    assert car.values().car is CarState.CONNECTED
    live(car, 3_600)
    assert car.unmet_wh == pytest.approx(8_000.0)


def test_a_car_that_has_gone_before_the_start_is_forgotten():
    before = Session(
        plugin_at=START_AT - timedelta(hours=5), plugout_at=START_AT - timedelta(hours=1), energy_wh=8_000.0
    )
    car = charger(before)
    live(car, 3_600)
    assert car.unmet_wh == 0.0


def test_the_heat_pump_keeps_its_minimum_run_and_rest():
    pump = SimHeatPump(PUMP)
    pump.apply(HeatPumpPower(power_w=2_000.0))
    live(pump, 60)
    pump.apply(HeatPumpPower(power_w=0.0))
    live(pump, 780)
    assert pump.power_w == 700.0  # 14 of 15 minutes
    live(pump, 120)
    assert pump.power_w == 0.0
    pump.apply(HeatPumpPower(power_w=2_000.0))
    live(pump, 480)
    assert pump.power_w == 0.0  # 9 of 10 minutes
    live(pump, 120)
    assert pump.power_w == 2_000.0


def test_an_sg_ready_heat_pump_lets_itself_be_held_at_rest_for_two_hours():
    """Its room is so cold that it would start at once; a word to run, or none, and it may be held for as long again."""
    pump = SimHeatPump(replace(PUMP, rest_max_s=7_200.0))
    pump.room_c = 20.1
    for _ in range(2):
        pump.apply(None)
        pump.apply(HeatPumpPower(power_w=0.0))
        live(pump, 900)  # its minimum run, where it still ran
        pump.apply(HeatPumpPower(power_w=0.0))
        live(pump, 6_300, step_s=3_600)
        assert pump.power_w == 0.0
        live(pump, 1)
        assert pump.power_w > 700.0


def test_the_room_cools_by_its_time_constant():
    """From 21 degrees C at 0 outside, 60 h time constant: 21 exp(-12/60) after half a day."""
    pump = SimHeatPump(replace(PUMP, tank=None))
    pump.outdoor_c = 0.0
    pump.apply(HeatPumpPower(power_w=0.0))
    live(pump, 12 * 3_600)
    assert pump.room_c == pytest.approx(21 * math.exp(-0.2))


def test_heat_is_electricity_times_cop():
    """150 W/K x 60 h = 9 kWh/K; 2 kW x 3.8 for an hour at 7 degrees C brings 7.6 kWh, less 150 x 14 W of loss."""
    pump = SimHeatPump(replace(PUMP, tank=None))
    pump.apply(HeatPumpPower(power_w=2_000.0))
    live(pump, 3_600)
    assert pump.room_c == pytest.approx(21 + (7_600 - 2_100) / 9_000, abs=0.01)


def test_the_cop_falls_with_the_cold():
    assert cop_ratio(PUMP, 7.0) == pytest.approx(3.8)
    assert cop_ratio(PUMP, -7.0) == pytest.approx(3.8 * 28 / 42)
    assert cop_ratio(PUMP, 40.0) == cop_ratio(PUMP, 20.0)


def test_left_alone_the_heat_pump_keeps_room_and_water_in_their_bands():
    pump = SimHeatPump(PUMP)
    pump.outdoor_c, pump.draw_w = -5.0, 250.0
    room_c, tank_c = [], []
    for _ in range(5 * 96):
        live(pump, 900)
        room_c.append(pump.room_c or 0.0)
        tank_c.append(pump.tank_c or 0.0)
    assert min(room_c) >= 20.0
    assert max(room_c) <= 22.0
    assert min(tank_c) >= 44.5
    assert max(tank_c) <= 58.0


def test_a_heat_pump_that_is_told_to_run_for_ever_stops_itself():
    pump = SimHeatPump(PUMP)
    pump.outdoor_c = 15.0
    pump.apply(HeatPumpPower(power_w=2_500.0))
    live(pump, 5 * 86_400)
    assert pump.room_c is not None
    assert pump.room_c <= 25.2


def test_a_cold_room_and_an_overheated_one_are_discomfort_but_a_hot_summer_is_not():
    """Band 20..22. Unheated at 30 outside: 21 + 9 (1 - exp(-1)) = 26.7 after 60 h, which nobody caused."""
    summer, oven, frost = (SimHeatPump(replace(PUMP, tank=None)) for _ in range(3))
    for pump, outdoor_c, power_w in ((summer, 30.0, 0.0), (oven, 15.0, 2_500.0), (frost, -10.0, 0.0)):
        pump.outdoor_c = outdoor_c
        pump.apply(HeatPumpPower(power_w=power_w))
        live(pump, 60 * 3_600)
    assert summer.room_c == pytest.approx(30 - 9 * math.exp(-1))
    assert summer.discomfort_k() == 0.0
    assert oven.room_c is not None
    assert oven.discomfort_k() == pytest.approx(oven.room_c - 22.0)
    assert oven.discomfort_k() > 2.0
    assert frost.discomfort_k() == pytest.approx(20 - (-10 + 31 * math.exp(-1)))


def test_hot_water_is_drawn_mornings_and_evenings_and_sums_to_the_day():
    tank = PUMP.tank
    assert tank is not None
    draws = HotWaterDraws(tank, zone=home_b().zone, seed=1)
    days_wh = []
    for day in range(40):
        start_at = START_AT - timedelta(hours=1) + timedelta(days=day)
        slots_w = [draws.power_w(start_at + timedelta(minutes=15 * slot)) for slot in range(96)]
        if day < 20:  # before the clock change
            assert sum(slots_w[:26]) == 0  # local night, until 06:30
        days_wh.append(sum(slots_w) / 4)
    assert sum(days_wh) / 40 == pytest.approx(tank.draw_wh_per_day, rel=0.12)
    assert len(set(days_wh)) == 40


def test_a_pump_without_room_and_tank_rests():
    bare = HeatPump(
        id=PUMP.id, name="Bare", power_min_w=500, power_max_w=1_000, min_run_s=0, min_rest_s=0, cop_at_7c_ratio=3
    )
    pump = SimHeatPump(bare)
    live(pump, 3_600)
    assert pump.power_w == 0.0
    assert pump.values().room_c is None
