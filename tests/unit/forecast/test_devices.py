"""What is learned of devices, against simulated ones whose truth is known; meters and thermometers are coarse."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import pi, sin
from zoneinfo import ZoneInfo

import pytest

from hems.domain.command import BatteryPower, ChargeCurrent
from hems.domain.site import HeatPump
from hems.forecast.devices import HeatHistory, battery_model, charging_power, hot_water, room_model
from hems.sim.battery import SimBattery
from hems.sim.charger import SimCharger
from hems.sim.data import Session
from hems.sim.heat import HotWaterDraws, SimHeatPump
from tests.support.houses import home_a, home_b

START_AT = datetime(2024, 1, 1, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
SLOT_S, STEP_S = 900, 60
DAY = 96

Series = list[float | None]


def told(value: float, dice: random.Random, *, off: float, step: float) -> float:
    """As a meter tells it."""
    return round((value + dice.gauss(0, off)) / step) * step


# --- charger


def charged(*, car_w: float, days: int, offered_a: float = 16.0, seed: int = 1) -> tuple[Series, Series]:
    """Evenings of 9 kWh at a charger of 11 kW, by a car that takes at most so much."""
    charger = home_a().chargers[0]
    sessions = [
        Session(
            plugin_at=START_AT + timedelta(days=day, hours=17.5),
            plugout_at=START_AT + timedelta(days=day, hours=31),
            energy_wh=9_000.0,
        )
        for day in range(days)
    ]
    slow = replace(charger, power_max_w=car_w)
    sim = SimCharger(slow, sessions, start_at=START_AT, seed=seed, unmanaged=False)
    dice = random.Random(seed)
    drawn: Series = []
    offered: Series = []
    for _ in range(days * DAY):
        energy_ws = 0.0
        for _ in range(SLOT_S // STEP_S):
            sim.apply(ChargeCurrent(current_a=offered_a, phase_count=3))
            sim.advance(STEP_S)
            energy_ws += sim.power_w * STEP_S
        drawn.append(told(energy_ws / SLOT_S, dice, off=0.003 * car_w, step=10.0))
        there = sim.stay is not None
        offered.append(charger.power_at_w(current_a=offered_a, phase_count=3) if there else 0.0)
    return drawn, offered


FULL_W = home_a().chargers[0].power_max_w


def test_a_car_that_takes_less_than_the_charger_gives_is_known_within_two_percent() -> None:
    drawn, offered = charged(car_w=7_400.0, days=14)
    found = charging_power(drawn, offered, full_w=FULL_W, start_at=START_AT)
    assert found is not None
    assert found.value == pytest.approx(7_400.0, rel=0.02)
    assert found.doubt < 0.03 * found.value
    assert found.count >= 40
    assert found.since_at.date() == START_AT.date()


def test_a_charger_that_was_held_back_says_nothing_of_its_car() -> None:
    drawn, offered = charged(car_w=7_400.0, days=14, offered_a=8.0)
    assert charging_power(drawn, offered, full_w=FULL_W, start_at=START_AT) is None


def test_two_evenings_are_too_few_and_an_idle_charger_is_not_one_of_zero_watts() -> None:
    drawn, offered = charged(car_w=7_400.0, days=2)
    assert charging_power(drawn, offered, full_w=FULL_W, start_at=START_AT) is None
    idle: Series = [0.0] * 500
    assert charging_power(idle, [FULL_W] * 500, full_w=FULL_W, start_at=START_AT) is None


def test_a_hiccup_of_the_meter_and_the_end_of_the_charge_do_not_move_it() -> None:
    drawn, offered = charged(car_w=7_400.0, days=14)
    evening = next(slot for slot, each in enumerate(drawn) if each and each > 7_000)
    drawn[evening] = 10_900.0
    found = charging_power(drawn, offered, full_w=FULL_W, start_at=START_AT)
    assert found is not None
    assert found.value == pytest.approx(7_400.0, rel=0.02)


def test_a_slower_guest_does_not_hide_what_the_own_car_draws_nor_does_the_end_of_a_charge_count() -> None:
    own, offered = charged(car_w=7_400.0, days=14)
    guest, guest_offered = charged(car_w=4_600.0, days=8)
    found = charging_power([*own, *guest], [*offered, *guest_offered], full_w=FULL_W, start_at=START_AT)
    assert found is not None
    assert found.value == pytest.approx(7_400.0, rel=0.02)
    few: Series = [7_400.0 if slot < 11 else 2_000.0 for slot in range(71)]
    assert charging_power(few, [FULL_W] * 71, full_w=FULL_W, start_at=START_AT) is None


# --- battery


def cycled(
    *, capacity_wh: float, charge_ratio: float, discharge_ratio: float, days: int, seed: int = 2
) -> tuple[Series, Series]:
    """A day charges by the sun and discharges by the load, both of another power each quarter hour."""
    battery = replace(
        home_a().batteries[0],
        capacity_wh=capacity_wh,
        charge_efficiency_ratio=charge_ratio,
        discharge_efficiency_ratio=discharge_ratio,
    )
    sim = SimBattery(battery, stored_wh=0.3 * capacity_wh, lag_s=0)
    dice = random.Random(seed)
    power: Series = []
    level: Series = []
    for slot in range(days * DAY):
        hour = slot % DAY / 4
        sunny = 9 <= hour < 16
        wanted_w = dice.uniform(300, 2_500) if sunny else -dice.uniform(0, 1_200)
        energy_ws = 0.0
        for _ in range(SLOT_S // STEP_S):
            sim.apply(BatteryPower(power_w=wanted_w))
            sim.advance(STEP_S)
            energy_ws += sim.power_w * STEP_S
        power.append(told(energy_ws / SLOT_S, dice, off=5.0, step=1.0))
        level.append(told(100 * sim.stored_wh / capacity_wh, dice, off=0.0, step=1.0))
    return power, level


@pytest.mark.parametrize(
    ("capacity_wh", "one_way_ratio"), [(10_000.0, 0.95), (8_200.0, 0.93), (13_500.0, 0.97)], ids=str
)
def test_a_battery_is_known_within_three_percent_by_whole_percents_of_its_level(
    capacity_wh: float, one_way_ratio: float
) -> None:
    power, level = cycled(capacity_wh=capacity_wh, charge_ratio=one_way_ratio, discharge_ratio=one_way_ratio, days=30)
    found = battery_model(power, level, start_at=START_AT)
    assert found is not None
    assert found.capacity_wh.value == pytest.approx(capacity_wh, rel=0.03)
    assert found.round_trip_ratio.value == pytest.approx(one_way_ratio**2, abs=0.025)
    for each in (found.capacity_wh, found.round_trip_ratio):
        assert 0 < each.doubt < 0.05 * each.value
    assert abs(found.capacity_wh.value - capacity_wh) <= found.capacity_wh.doubt
    assert abs(found.round_trip_ratio.value - one_way_ratio**2) <= found.round_trip_ratio.doubt


def test_losses_in_one_direction_only_leave_the_round_trip_right_and_the_capacity_within_their_half() -> None:
    power, level = cycled(capacity_wh=10_000.0, charge_ratio=0.90, discharge_ratio=1.0, days=30)
    found = battery_model(power, level, start_at=START_AT)
    assert found is not None
    assert found.round_trip_ratio.value == pytest.approx(0.90, abs=0.025)
    assert found.capacity_wh.value == pytest.approx(10_000.0, rel=0.07)


def test_days_without_long_swings_or_with_gaps_in_them_tell_nothing_of_a_battery() -> None:
    power, level = cycled(capacity_wh=10_000.0, charge_ratio=0.95, discharge_ratio=0.95, days=4)
    assert battery_model(power, level, start_at=START_AT) is None
    power, level = cycled(capacity_wh=10_000.0, charge_ratio=0.95, discharge_ratio=0.95, days=30)
    gaps = [None if slot % 4 == 0 else each for slot, each in enumerate(power)]
    assert battery_model(gaps, level, start_at=START_AT) is None
    assert battery_model([], [], start_at=START_AT) is None


def test_a_meter_that_shows_more_out_than_in_is_not_believed() -> None:
    power, level = cycled(capacity_wh=10_000.0, charge_ratio=0.95, discharge_ratio=0.95, days=30)
    wrong = [None if each is None else each * (0.8 if each > 0 else 1.0) for each in power]
    assert battery_model(wrong, level, start_at=START_AT) is None


# --- rooms and hot water


@dataclass
class Heated:
    """Quarter hours of a heat pump by its own thermostat, as they are stored."""

    power_w: Series = field(default_factory=list)
    room_c: Series = field(default_factory=list)
    outdoor_c: Series = field(default_factory=list)
    tank_c: Series = field(default_factory=list)

    def history(self) -> HeatHistory:
        return HeatHistory(
            power_w=self.power_w,
            room_c=self.room_c,
            outdoor_c=self.outdoor_c,
            tank_c=self.tank_c,
            start_at=START_AT,
            zone=ZONE,
        )


def heated(pump: HeatPump, *, days: int, seed: int = 3, mean_c: float = 4.0) -> Heated:
    """Mild and cold weeks; thermometers are off by 0.05 K and tell tenths."""
    sim = SimHeatPump(pump)
    draws = None if pump.tank is None else HotWaterDraws(pump.tank, zone=ZONE, seed=seed)
    dice = random.Random(seed)
    found = Heated()
    weather_c = mean_c
    for slot in range(days * DAY):
        at = START_AT + timedelta(seconds=SLOT_S * slot)
        weather_c += 0.01 * (mean_c - weather_c) + dice.gauss(0, 0.25)
        sim.outdoor_c = weather_c + 2.5 * sin(2 * pi * (slot % DAY) / DAY - 2)
        sim.draw_w = 0.0 if draws is None else draws.power_w(at)
        energy_ws = 0.0
        for _ in range(SLOT_S // STEP_S):
            sim.advance(STEP_S)
            energy_ws += sim.power_w * STEP_S
        found.power_w.append(told(energy_ws / SLOT_S, dice, off=5.0, step=1.0))
        found.outdoor_c.append(told(sim.outdoor_c, dice, off=0.3, step=0.1))
        for series, value_c in ((found.room_c, sim.room_c), (found.tank_c, sim.tank_c)):
            series.append(None if value_c is None else told(value_c, dice, off=0.05, step=0.1))
    return found


def pump_of(*, loss_w_per_k: float, time_constant_h: float, tank: bool) -> HeatPump:
    pump = home_b().heat_pumps[0]
    assert pump.room is not None
    room = replace(pump.room, loss_w_per_k=loss_w_per_k, time_constant_h=time_constant_h)
    return replace(pump, room=room, tank=pump.tank if tank else None)


@pytest.mark.parametrize("tank", [False, True], ids=["rooms alone", "rooms and a tank"])
@pytest.mark.parametrize(("loss_w_per_k", "time_constant_h"), [(150.0, 60.0), (220.0, 35.0)], ids=str)
def test_a_house_is_known_within_a_tenth_after_a_winter(
    loss_w_per_k: float, time_constant_h: float, tank: bool
) -> None:
    seen = heated(pump_of(loss_w_per_k=loss_w_per_k, time_constant_h=time_constant_h, tank=tank), days=60)
    found = room_model(pump_of(loss_w_per_k=100.0, time_constant_h=100.0, tank=tank), seen.history())
    assert found is not None
    assert found.loss_w_per_k.value == pytest.approx(loss_w_per_k, rel=0.10)
    assert found.time_constant_h.value == pytest.approx(time_constant_h, rel=0.15)
    assert 0 < found.loss_w_per_k.doubt < 0.25 * loss_w_per_k
    assert abs(found.loss_w_per_k.value - loss_w_per_k) <= 1.5 * found.loss_w_per_k.doubt


def test_heat_that_went_to_the_tank_at_night_is_not_taken_for_the_rooms() -> None:
    pump = pump_of(loss_w_per_k=150.0, time_constant_h=60.0, tank=False)
    seen = heated(pump, days=60)
    with_tank = replace(pump, tank=home_b().heat_pumps[0].tank)
    for slot, power in enumerate(seen.power_w):
        hour = slot % DAY / 4
        seen.tank_c[slot] = 56.0 if 3 <= hour < 12 else 48.0
        if hour == 3:
            seen.power_w[slot] = (power or 0.0) + 2_500.0
    found = room_model(with_tank, seen.history())
    assert found is not None
    assert found.loss_w_per_k.value == pytest.approx(150.0, rel=0.04)


def test_a_few_nights_or_a_house_without_a_thermometer_outside_tell_nothing_of_the_rooms() -> None:
    pump = pump_of(loss_w_per_k=150.0, time_constant_h=60.0, tank=False)
    assert room_model(pump, heated(pump, days=7).history()) is None
    seen = heated(pump, days=30)
    blank: Sequence[None] = [None] * len(seen.power_w)
    seen.outdoor_c = list(blank)
    assert room_model(pump, seen.history()) is None


def test_a_summer_without_heating_tells_nothing_of_the_loss() -> None:
    pump = pump_of(loss_w_per_k=150.0, time_constant_h=60.0, tank=False)
    seen = heated(pump, days=40)
    seen.power_w = [0.0] * len(seen.power_w)
    assert room_model(pump, seen.history()) is None


@pytest.mark.parametrize(
    ("draw_wh", "warms_rooms"), [(3_500.0, False), (6_000.0, False), (9_000.0, False), (3_500.0, True)], ids=str
)
def test_hot_water_is_known_within_a_sixth_with_its_morning_and_its_evening(draw_wh: float, warms_rooms: bool) -> None:
    pump = home_b().heat_pumps[0]
    tank = pump.tank
    assert tank is not None
    pump = replace(pump, room=pump.room if warms_rooms else None)
    thirsty = replace(pump, tank=replace(tank, draw_wh_per_day=draw_wh))
    found = hot_water(pump, heated(thirsty, days=42, mean_c=17.0 if warms_rooms else 4.0).history())
    assert found is not None
    assert found.draw_wh_per_day.value == pytest.approx(draw_wh, rel=1 / 6)
    assert found.draw_wh_per_day.doubt < 0.2 * draw_wh
    assert sum(found.shares) == pytest.approx(1.0)
    morning, evening = sum(found.shares[6:9]), sum(found.shares[18:22])
    assert morning == pytest.approx(0.40, abs=0.08)
    assert evening == pytest.approx(0.45, abs=0.08)
    assert max(found.shares[0:6]) < 0.03


def test_a_pump_that_warms_rooms_all_winter_does_not_show_what_its_tank_gets() -> None:
    pump = home_b().heat_pumps[0]
    assert hot_water(pump, heated(pump, days=42).history()) is None


def test_a_tank_of_six_days_or_without_a_sensor_tells_nothing() -> None:
    pump = home_b().heat_pumps[0]
    assert hot_water(pump, heated(pump, days=6).history()) is None
    seen = heated(replace(pump, room=None), days=14)
    seen.tank_c = [None if slot % DAY // 4 == 18 and slot > 300 else each for slot, each in enumerate(seen.tank_c)]
    assert hot_water(replace(pump, room=None), seen.history()) is None
    seen.tank_c = [None] * len(seen.tank_c)
    assert hot_water(pump, seen.history()) is None
    assert hot_water(replace(pump, tank=None), heated(pump, days=14).history()) is None
