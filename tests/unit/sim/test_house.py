"""A whole house: meter, leases, accounts, faults, resuming."""

import json
import math
import pickle
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from hems.domain.command import BatteryPower, ChargeCurrent, HeatPumpPower, ProductionLimit
from hems.domain.errors import BadInputError
from hems.domain.power import Phase
from hems.domain.reading import CarState, GridValues, Quality
from hems.domain.site import MAIN, Circuit, CircuitId
from hems.domain.time import unix_s
from hems.sim.data import HouseData, Session
from hems.sim.faults import Fault
from hems.sim.house import SimHouse
from tests.support.houses import BATTERY, CHARGER, GRID, HEAT_PUMP, PV, home_a, home_b
from tests.support.simulated import START_AT, flat_data, order, stay

START_UNIX_S = round(unix_s(START_AT))


def make(*sessions: Session, data: HouseData | None = None, unmanaged: bool = False, seed: int = 1) -> SimHouse:
    data = flat_data(home_a(), sessions=sessions) if data is None else data
    return SimHouse(home_a(), data, seed=seed, start_at=START_AT, unmanaged=unmanaged)


def grid_of(house: SimHouse) -> GridValues:
    reading = house.image(house.now).grid
    assert reading is not None
    assert reading.value is not None
    return reading.value


def live(house: SimHouse, hours: float, *, step_s: int = 60) -> None:
    for _ in range(round(hours * 3_600 / step_s)):
        house.advance(step_s)


def test_the_meter_shows_the_mean_and_the_highest_second_one_second_late():
    """Independent: the household's own seconds 0..58 and 59..118, plus 900 W of battery on three phases."""
    house = make()
    seconds_w = house.household.seconds(START_UNIX_S, 120)
    grid_of(house)
    house.apply([order(BATTERY, BatteryPower(power_w=900.0), mono_s=0.0, lease_s=200.0)], 0.0)
    for window in (slice(0, 59), slice(59, 119)):
        house.advance(60)
        seen = grid_of(house)
        assert seen.power_w == pytest.approx(seconds_w[window].sum(axis=1).mean() + 900)
        assert seen.phase_power_w is not None
        assert seen.phase_power_high_w is not None
        for index, phase in enumerate(Phase):
            assert seen.phase_power_w.on(phase) == pytest.approx(seconds_w[window, index].mean() + 300)
            assert seen.phase_power_high_w.on(phase) == pytest.approx(seconds_w[window, index].max() + 300)


def test_in_steps_of_a_second_the_meter_is_a_second_behind_the_battery():
    house = make(data=flat_data(home_a(), load_w=20.0))
    house.advance(1)
    before_w = grid_of(house).power_w
    house.apply([order(BATTERY, BatteryPower(power_w=3_000.0), mono_s=1.0)], 1.0)
    steps_w = []
    for _ in range(4):
        house.advance(1)
        steps_w.append(round(grid_of(house).power_w - before_w))
    assert steps_w == [0, 0, 3_000, 3_000]  # a second of battery lag, a second of meter latency


def test_a_slow_meter_keeps_its_last_telegram_and_sees_one_second_in_ten():
    site = replace(home_a(), meter=replace(home_a().meter, period_s=10.0))
    house = SimHouse(site, flat_data(site, load_w=1_500.0), seed=1, start_at=START_AT)
    seconds_w = house.household.seconds(START_UNIX_S, 900)
    ages_s = []
    for second in range(1, 33):
        house.advance(1)
        reading = house.image(house.now).grid
        assert reading is not None
        ages_s.append(second - reading.mono_s)
    assert max(ages_s[11:]) == 9.0
    house.advance(28 + 60)
    seen = grid_of(house)
    assert seen.power_w == pytest.approx(seconds_w[30:140].sum(axis=1).mean(), rel=0.5)
    assert seen.phase_power_high_w is not None
    assert seen.phase_power_high_w.l1 == pytest.approx(seconds_w[39:140:10, 0].max())


def test_a_meter_that_nobody_reads_forgets():
    house = make()
    for _ in range(96):
        house.advance(900)
    assert len(house.state()["meter"]["pending"]) <= 2 * 60
    seconds_w = house.household.seconds(START_UNIX_S, 86_400)
    first_s = house.state()["meter"]["pending"][0][0]
    assert first_s >= 86_400 - 7_200
    assert grid_of(house).power_w == pytest.approx(seconds_w[first_s:86_399].sum(axis=1).mean())


def test_import_and_export_are_paid_at_the_slots_prices():
    """Two hours: 2.4 kW of sun against 400 W, then a battery charging 3 kW on top of 400 W at night."""
    data = flat_data(home_a(), load_w=400.0)
    data.pv_w[:4] = 2_400.0
    data.import_eur_per_kwh[4:8] = 0.50
    house = make(data=data)
    live(house, 1)
    for minute in range(60):
        house.apply([order(BATTERY, BatteryPower(power_w=3_000.0), mono_s=3_600.0 + 60 * minute)], house.mono_s)
        house.advance(60)
    totals = house.totals
    assert totals.export_wh == pytest.approx(2_000, rel=0.01)  # a kettle may exceed the sun for a minute
    assert totals.import_wh == pytest.approx(3_400, rel=0.01)
    assert totals.import_wh - totals.export_wh == pytest.approx(1_400)
    assert totals.cost_eur == pytest.approx(3.4 * 0.50 - 2.0 * 0.08, abs=0.01)
    assert totals.peak_import_w == pytest.approx(3_400)
    assert totals.battery_throughput_wh == pytest.approx(3_000)


def test_an_expired_lease_leaves_every_device_in_its_safe_state():
    data = flat_data(home_b(), pv_w=2_000.0, sessions=(stay(0, 24, 50),))
    house = SimHouse(home_b(), data, seed=1, start_at=START_AT)
    commands = [
        order(PV, ProductionLimit(production_power_max_w=500.0), mono_s=0.0, lease_s=150.0),
        order(BATTERY, BatteryPower(power_w=1_000.0), mono_s=0.0, lease_s=150.0),
        order(CHARGER, ChargeCurrent(current_a=8.0, phase_count=3), mono_s=0.0, lease_s=150.0),
        order(HEAT_PUMP, HeatPumpPower(power_w=2_000.0), mono_s=0.0, lease_s=150.0),
    ]
    house.apply(commands, 0.0)
    house.advance(120)
    assert house.stretches[-1].power_w == {PV: -500.0, BATTERY: 1_000.0, CHARGER: 5_520.0, HEAT_PUMP: 2_000.0}
    house.advance(60)
    assert [stretch.seconds for stretch in house.stretches] == [30, 30]
    assert house.held == {}
    after_w = house.stretches[-1].power_w
    assert (after_w[PV], after_w[BATTERY], after_w[CHARGER]) == (-2_000.0, 0.0, 0.0)
    # Its thermostat, half way up the band: 700 W and 3/8 of the 1,800 W above.
    assert after_w[HEAT_PUMP] == pytest.approx(1_375, abs=25)


def test_a_lease_that_ends_inside_a_second_ends_before_it():
    house = make()
    house.apply([order(BATTERY, BatteryPower(power_w=1_000.0), mono_s=0.0, lease_s=30.5)], 0.0)
    house.advance(60)
    assert [(stretch.seconds, stretch.power_w[BATTERY]) for stretch in house.stretches] == [(30, 1_000.0), (30, 0.0)]


def test_unmanaged_the_car_charges_at_full_power_from_plug_in():
    house = make(stay(1, 5, 22.08), unmanaged=True)
    live(house, 6.5)
    assert house.totals.unmet_car_wh == pytest.approx(0.0, abs=1.0)
    assert house.totals.car_wh == pytest.approx(22_080)
    assert house.totals.peak_import_w > 11_000
    assert house.totals.battery_throughput_wh == 0


def test_a_car_that_is_never_offered_anything_leaves_unmet():
    house = make(stay(1, 5, 20.0))
    live(house, 6.5)
    assert house.totals.unmet_car_wh == pytest.approx(20_000.0)


def test_a_session_inside_a_step_begins_and_ends_to_the_second():
    """Plug-in at 00:07, plug-out at 00:13, steps of a quarter hour: six minutes at 11.04 kW."""
    house = make(stay(7 / 60, 6 / 60, 20.0), unmanaged=True)
    house.advance(900)
    assert house.totals.car_wh == pytest.approx(11_040 * 6 / 60)
    assert house.totals.unmet_car_wh == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("step_s", [1, 15, 60, 300, 900])
def test_results_hardly_depend_on_the_step(step_s):
    """12 kWh for the car and 2.4 kWh for the house in three hours; without heat 21 degrees C fall towards 0 outside."""
    data = flat_data(home_b(), load_w=800.0, temp_c=0.0, sessions=(stay(0.5, 2, 12.0),))
    house = SimHouse(home_b(), data, seed=1, start_at=START_AT, unmanaged=True)
    house.apply([order(HEAT_PUMP, HeatPumpPower(power_w=0.0), mono_s=0.0, lease_s=20_000.0)], 0.0)
    live(house, 3, step_s=step_s)
    assert house.totals.car_wh == pytest.approx(12_000, abs=1)
    assert house.totals.import_wh == pytest.approx(14_400, abs=1)
    assert house.heat_pumps[HEAT_PUMP].room_c == pytest.approx(21 * math.exp(-3 / 60))


def test_fuse_seconds_are_those_of_single_seconds_on_single_phases():
    """A 10 A fuse under 1.5 kW: counted here from the household's own seconds, one by one."""
    site = replace(home_a(), circuits=(Circuit(id=MAIN, fuse_a=10.0, parent=None),))
    house = SimHouse(site, flat_data(site, load_w=1_500.0), seed=1, start_at=START_AT)
    for minute in range(600):
        house.apply([order(BATTERY, BatteryPower(power_w=2_400.0), mono_s=60.0 * minute)], house.mono_s)
        house.advance(60)
    seconds_w = house.household.seconds(START_UNIX_S, 36_000)
    battery_w = np.zeros(36_000)
    replay = SimHouse(site, flat_data(site, load_w=1_500.0), seed=1, start_at=START_AT)
    for minute in range(600):
        replay.apply([order(BATTERY, BatteryPower(power_w=2_400.0), mono_s=60.0 * minute)], replay.mono_s)
        replay.advance(60)
        battery_w[minute * 60 : minute * 60 + 60] = replay.batteries[BATTERY].power_w
    over = sum(1 for second in range(36_000) if max(seconds_w[second] + battery_w[second] / 3) > 2_300)
    assert over > 100
    assert house.totals.fuse_exceeded_s == {"main": over}


def test_a_branch_fuse_sees_only_its_own_devices():
    site = home_a()
    garage = CircuitId("garage")
    site = replace(
        site,
        circuits=(*site.circuits, Circuit(id=garage, fuse_a=13.0, parent=MAIN)),
        chargers=(replace(site.chargers[0], circuit=garage),),
    )
    house = SimHouse(site, flat_data(site, sessions=(stay(0, 2, 30.0),)), seed=1, start_at=START_AT, unmanaged=True)
    live(house, 0.5)
    assert house.totals.fuse_exceeded_s["garage"] == 1_800


def test_one_phase_charging_loads_the_first_phase_only():
    house = make(stay(0, 5, 20.0))
    house.apply([order(CHARGER, ChargeCurrent(current_a=16.0, phase_count=1), mono_s=0.0, lease_s=200.0)], 0.0)
    house.advance(60)
    house.advance(60)
    assert house.stretches[-1].device_phase_w == pytest.approx((3_680.0, 0.0, 0.0))


def test_a_silent_device_keeps_its_old_reading_and_one_that_never_spoke_is_missing():
    house = make()
    house.disturb(BATTERY, Fault.SILENT)
    assert BATTERY not in house.image(house.now).batteries
    house.disturb(BATTERY, None)
    house.advance(60)
    house.image(house.now)
    house.disturb(BATTERY, Fault.SILENT)
    house.advance(60)
    assert house.image(house.now).batteries[BATTERY].mono_s == 60.0


def test_a_frozen_meter_repeats_its_value_with_a_fresh_time():
    house = make()
    house.advance(60)
    before_w = grid_of(house).power_w
    house.disturb(GRID, Fault.FROZEN)
    house.apply([order(BATTERY, BatteryPower(power_w=5_000.0), mono_s=60.0)], 60.0)
    house.advance(60)
    frozen = house.image(house.now).grid
    assert frozen is not None
    assert frozen.value is not None
    assert (frozen.value.power_w, frozen.mono_s) == (before_w, 120.0)


def test_an_absent_value_says_so_and_a_deaf_device_goes_on():
    house = make()
    house.disturb(PV, Fault.ABSENT)
    house.disturb(BATTERY, Fault.DEAF)
    house.apply([order(BATTERY, BatteryPower(power_w=5_000.0), mono_s=0.0)], 0.0)
    house.advance(60)
    image = house.image(house.now)
    assert (image.pv[PV].value, image.pv[PV].quality) == (None, Quality.ABSENT)
    battery = image.batteries[BATTERY].value
    assert battery is not None
    assert battery.power_w == 0.0
    assert house.held == {}


def test_devices_that_do_not_exist_are_our_bug():
    house = make()
    with pytest.raises(ValueError, match="no device"):
        house.disturb(HEAT_PUMP, Fault.SILENT)
    with pytest.raises(ValueError, match="no device"):
        house.apply([order(HEAT_PUMP, HeatPumpPower(power_w=0.0), mono_s=0.0)], 0.0)
    with pytest.raises(ValueError, match="not at"):
        house.image(replace(house.now, mono_s=5.0))


@pytest.mark.parametrize("step_s", [0, 901])
def test_a_step_stays_inside_its_slot(step_s):
    house = make()
    with pytest.raises(ValueError, match="leaves its slot"):
        house.advance(step_s)
    house.advance(600)
    with pytest.raises(ValueError, match="leaves its slot"):
        house.advance(301)


def test_a_run_outside_the_data_is_refused():
    with pytest.raises(BadInputError, match="outside the data"):
        SimHouse(home_a(), flat_data(home_a()), seed=1, start_at=START_AT - timedelta(days=1))
    with pytest.raises(BadInputError, match="quarter hour"):
        SimHouse(home_a(), flat_data(home_a()), seed=1, start_at=START_AT + timedelta(minutes=5))
    data = flat_data(home_a(), days=1)
    data.import_eur_per_kwh[95] = np.nan
    house = make(data=data)
    live(house, 23.75, step_s=900)
    with pytest.raises(BadInputError, match="no price"):
        house.advance(900)


def drive(house: SimHouse, minutes: int) -> None:
    """Some commands that follow from what the house says."""
    for _ in range(minutes):
        image = house.image(house.now)
        assert image.grid is not None
        assert image.grid.value is not None
        minute = house.elapsed_s // 60
        current_a = 0.0 if minute % 50 < 20 else 6.0 + minute % 10
        offer = ChargeCurrent(current_a=current_a, phase_count=1 if minute % 80 < 30 else 3)
        commands = [
            order(BATTERY, BatteryPower(power_w=2_000.0 - image.grid.value.power_w), mono_s=house.mono_s),
            order(CHARGER, offer, mono_s=house.mono_s),
            order(HEAT_PUMP, HeatPumpPower(power_w=900.0 * (minute % 3)), mono_s=house.mono_s, lease_s=130.0),
        ]
        house.apply(commands if minute % 4 else commands[:1], house.mono_s)
        house.advance(60)


def test_a_run_that_is_resumed_equals_one_that_was_not_interrupted():
    def fresh() -> SimHouse:
        data = flat_data(home_b(), load_w=900.0, temp_c=2.0, sessions=(stay(1, 9, 30.0), stay(12, 4, 9.0)))
        return SimHouse(home_b(), data, seed=4, start_at=START_AT)

    whole = fresh()
    drive(whole, 1_000)
    first = fresh()
    drive(first, 417)
    stored = json.dumps(first.state())
    second = fresh()
    second.restore(json.loads(stored))
    drive(second, 583)
    assert json.dumps(second.state()) == json.dumps(whole.state())
    assert second.totals.unmet_car_wh > 0


def test_a_house_can_be_pickled():
    house = make(stay(0, 5, 20.0), unmanaged=True)
    house.advance(60)
    copy = pickle.loads(pickle.dumps(house))  # noqa: S301 - our own bytes
    copy.advance(60)
    house.advance(60)
    assert copy.state() == house.state()


def test_the_car_is_seen_from_plug_in_to_plug_out():
    house = make(stay(1, 2, 5.0))
    seen = {}
    for hour in range(4):
        reading = house.image(house.now).chargers[CHARGER].value
        assert reading is not None
        seen[hour] = reading.car
        live(house, 1)
    assert seen == {0: CarState.ABSENT, 1: CarState.CONNECTED, 2: CarState.CONNECTED, 3: CarState.ABSENT}
