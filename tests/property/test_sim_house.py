"""Whatever a controller commands, the simulated house obeys physics and its accounts close."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.domain.command import Action, BatteryPower, ChargeCurrent, HeatPumpPower, ProductionLimit
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid, unix_s
from hems.sim.charger import SimCharger
from hems.sim.checkers import Checkers
from hems.sim.data import HouseData, Session
from hems.sim.house import SimHouse
from hems.sim.household import Household
from hems.sim.series import resample
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, PV, home_a, home_b
from tests.support.simulated import START_AT, flat_data, order, stay

ACTIONS: st.SearchStrategy[tuple[DeviceId, Action]] = st.one_of(
    st.floats(-8_000, 8_000).map(lambda power_w: (BATTERY, BatteryPower(power_w=power_w))),
    st.tuples(st.floats(0, 20), st.sampled_from([1, 3])).map(
        lambda offer: (CHARGER, ChargeCurrent(current_a=offer[0], phase_count=offer[1]))
    ),
    st.one_of(st.none(), st.floats(0, 6_000)).map(
        lambda limit_w: (PV, ProductionLimit(production_power_max_w=limit_w))
    ),
    st.floats(0, 4_000).map(lambda power_w: (HEAT_PUMP, HeatPumpPower(power_w=power_w))),
)
STEPS = st.lists(
    st.tuples(st.lists(ACTIONS, max_size=4), st.sampled_from([1, 7, 60, 300, 900]), st.floats(1, 2_000)), max_size=40
)


def varied(seed: int) -> HouseData:
    """Random but plausible slots: load up to 6 kW, sun up to 5 kW, frost and warmth."""
    rng = np.random.default_rng(seed)
    sessions = (stay(0.2, 2, 9), stay(3, 4, 30), stay(8, 1.5, 16))
    data = flat_data(home_b(), days=1, sessions=sessions)
    data.load_w[:] = rng.uniform(30, 6_000, data.grid.count)
    data.pv_w[:] = rng.uniform(0, 5_000, data.grid.count)
    if data.temp_c is not None:
        data.temp_c[:] = rng.uniform(-15, 30)
    return data


@given(seed=st.integers(0, 2**32), stored_ratio=st.floats(0, 1), steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_any_commands_keep_energy_battery_leases_and_nameplates(seed, stored_ratio, steps):
    """Method: random commands and steps; the judges use formulas of their own, and the sums must close."""
    data = varied(seed)
    house = SimHouse(home_b(), data, seed=seed, start_at=START_AT, stored_ratio=stored_ratio)
    checkers = Checkers(home_b())
    device_wh = 0.0
    for actions, wanted_step_s, lease_s in steps:
        house.apply(
            [order(device_id, action, mono_s=house.mono_s, lease_s=lease_s) for device_id, action in actions],
            house.mono_s,
        )
        house.image(house.now)
        house.advance(min(wanted_step_s, 900 - house.elapsed_s % 900))
        checkers.after_step(house)
        device_wh += sum(sum(each.power_w.values()) * each.seconds / 3_600 for each in house.stretches)
    assert {violation.rule for violation in checkers.violations} <= {"current"}
    assert checkers.fuse_exceeded_s == house.totals.fuse_exceeded_s
    start_s = round(unix_s(START_AT))
    load_wh = float(house.household.seconds(start_s, house.elapsed_s).sum()) / 3_600
    assert house.totals.import_wh - house.totals.export_wh == pytest.approx(load_wh + device_wh, abs=1e-3)


@given(seed=st.integers(0, 2**63), load_w=st.lists(st.floats(0, 13_000), min_size=96, max_size=96))
@settings(max_examples=20, deadline=None)
def test_the_household_keeps_every_slot_mean_and_its_cap(seed, load_w):
    """Cap: 80 % of 25 A per phase, or the even share of a slot whose mean alone is more (up to 13 kW / 3)."""
    data = flat_data(home_a(), days=1)
    data.load_w[:] = load_w
    seconds_w = Household(site=home_a(), data=data, seed=seed).seconds(round(unix_s(START_AT)), 86_400)
    slots_w = seconds_w.reshape(96, 900, 3)
    assert slots_w.min() >= 0
    assert slots_w.sum(axis=2).mean(axis=1) == pytest.approx(load_w, abs=1e-6)
    assert slots_w.max() <= 4_600 + 1e-6


@given(
    minutes=st.integers(10, 2_000),
    used=st.floats(0.05, 1.0),
    seed=st.integers(0, 1_000),
    offset_s=st.integers(0, 900),
)
@settings(max_examples=60, deadline=None)
def test_a_session_that_full_power_can_fill_is_filled(minutes, used, seed, offset_s):
    """Energy up to all that 11.04 kW could give from plug-in on: nothing is unmet, taper and all."""
    plugin_at = START_AT + timedelta(seconds=offset_s)
    energy_wh = used * 11_040 * minutes / 60
    session = Session(plugin_at=plugin_at, plugout_at=plugin_at + timedelta(minutes=minutes), energy_wh=energy_wh)
    data = flat_data(home_a(), days=3, sessions=(session,))
    house = SimHouse(home_a(), data, seed=seed, start_at=START_AT, unmanaged=True)
    for _ in range(minutes // 15 + 3):
        house.advance(900)
    charger: SimCharger = house.chargers[CHARGER]
    assert charger.stay is None
    assert house.totals.unmet_car_wh <= 1.0
    assert house.totals.car_wh == pytest.approx(energy_wh, abs=1.0)


@given(
    step_s=st.integers(1, 7_200),
    offset_s=st.integers(-3_600, 3_600),
    values=st.lists(st.floats(0, 10_000), min_size=2, max_size=40),
)
@settings(max_examples=100, deadline=None)
def test_resampling_keeps_energy_wherever_the_data_reaches(step_s, offset_s, values):
    """Independent: the data laid out second by second."""
    grid = SlotGrid(start_at=START_AT, count=8)
    slots = resample(values, start_at=START_AT + timedelta(seconds=offset_s), step_s=step_s, grid=grid)
    seconds = np.full(8 * 900, np.nan)
    for second in range(8 * 900):
        index = (second - offset_s) // step_s
        if 0 <= index < len(values):
            seconds[second] = values[index]
    assert np.allclose(slots, seconds.reshape(8, 900).mean(axis=1), atol=1e-5, equal_nan=True)
