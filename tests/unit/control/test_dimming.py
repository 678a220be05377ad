"""A grid operator's limit on wallbox, battery and heat pump: what they keep, and what is not theirs to lose."""

from dataclasses import replace

import pytest

from hems.control.estimate import estimate
from hems.control.guard import permit
from hems.control.state import ControlState
from hems.control.want import Want
from hems.domain.command import Authority, BatteryPower, ChargeCurrent, Command, HeatPumpPower, Limit
from hems.domain.reading import CarState
from hems.domain.site import DeviceId, Site
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, home_a, home_b
from tests.support.moments import House, now_after

SITE = replace(home_a(), connection=replace(home_a().connection, export_power_max_w=None))
DIMMED = frozenset({CHARGER, BATTERY})
CAR = House(load_w=300.0, car=CarState.CHARGING, car_w=11_040.0, offered_a=16.0)


def told(
    house: House, wanted_w: dict[DeviceId, float | None], limit: Limit, site: Site = SITE
) -> dict[DeviceId, Command]:
    """Commands of the second of two ticks, a second apart."""
    state = replace(ControlState.start(site), ticked_mono_s=now_after(0.0).mono_s)
    seen = estimate(state, house.image(site, now_after(1.0).mono_s), now_after(1.0))
    wants = {key: Want(device_id=key, power_w=power_w) for key, power_w in wanted_w.items()}
    return {each.device_id: each for each in permit(state, seen, wants, (limit,), now_after(1.0)).commands}


def dim(limit_w: float, devices: frozenset[DeviceId] = DIMMED) -> Limit:
    return Limit(authority=Authority.OPERATOR, source="operator", dimmed_power_max_w=limit_w, dims=devices)


def car_w(commands: dict[DeviceId, Command]) -> float:
    action = commands[CHARGER].action
    assert isinstance(action, ChargeCurrent)
    return action.current_a * action.phase_count * 230.0


@pytest.mark.parametrize("load_w", [300.0, 4_000.0, 9_000.0])
def test_the_household_may_use_what_it_likes(load_w: float) -> None:
    commands = told(replace(CAR, load_w=load_w), {CHARGER: 11_000.0}, dim(4_200.0))
    assert car_w(commands) == pytest.approx(4_140.0)  # 6 A on three phases


def test_own_sun_comes_on_top() -> None:
    """4 kW of sun and 0.3 kW of house leave 3.7 kW beside the 4.2 kW."""
    commands = told(replace(CAR, pv_w=4_000.0), {CHARGER: 11_000.0}, dim(4_200.0))
    assert 7_900.0 - 3 * 23.0 < car_w(commands) <= 7_900.0


def test_sun_that_the_house_uses_itself_does_not() -> None:
    commands = told(replace(CAR, load_w=5_000.0, pv_w=4_000.0), {CHARGER: 11_000.0}, dim(4_200.0))
    assert car_w(commands) == pytest.approx(4_140.0)


def test_what_the_battery_gives_comes_on_top_and_must_go_on() -> None:
    """3.3 kW of discharge cover the house and 3 kW of the car."""
    house = replace(CAR, battery_w=-3_300.0)
    commands = told(house, {CHARGER: 11_000.0, BATTERY: -3_400.0}, dim(4_200.0))
    assert 7_200.0 - 3 * 23.0 < car_w(commands) <= 7_200.0
    assert commands[BATTERY].action == BatteryPower(power_w=-3_400.0)


def test_a_battery_that_is_about_to_stop_lends_nothing() -> None:
    commands = told(replace(CAR, battery_w=-3_300.0), {CHARGER: 11_000.0, BATTERY: 0.0}, dim(4_200.0))
    assert car_w(commands) == pytest.approx(4_140.0)


def test_a_battery_that_is_about_to_begin_lends_nothing_yet() -> None:
    commands = told(CAR, {CHARGER: 11_000.0, BATTERY: -3_300.0}, dim(4_200.0))
    assert car_w(commands) == pytest.approx(4_140.0)


def test_a_battery_that_is_nearly_empty_lends_what_it_can_give_for_the_whole_lease() -> None:
    house = replace(CAR, battery_w=-3_300.0, stored_wh=SITE.batteries[0].floor_wh + 10.0)
    commands = told(house, {CHARGER: 11_000.0, BATTERY: -3_300.0}, dim(4_200.0))
    action = commands[BATTERY].action
    assert isinstance(action, BatteryPower)
    assert car_w(commands) <= 4_200.0 + max(0.0, -action.power_w - 300.0)


def test_car_and_battery_share_it_the_car_first() -> None:
    commands = told(CAR, {CHARGER: 5_000.0, BATTERY: 5_000.0}, dim(7_560.0))
    action = commands[BATTERY].action
    assert isinstance(action, BatteryPower)
    assert car_w(commands) > 4_900.0
    assert car_w(commands) + action.power_w == pytest.approx(7_560.0)


def test_a_device_that_is_not_dimmed_takes_no_sun_from_those_that_live_on_it() -> None:
    """6 kW of sun carry 1.8 kW of the car beyond its 4.2 kW; the battery, not dimmed, stores what is left of it."""
    house = replace(CAR, load_w=0.0, pv_w=6_000.0)
    commands = told(house, {CHARGER: 6_000.0, BATTERY: 5_000.0}, dim(4_200.0, frozenset({CHARGER})))
    action = commands[BATTERY].action
    assert isinstance(action, BatteryPower)
    assert car_w(commands) + action.power_w <= 4_200.0 + 6_000.0 + 1e-6
    assert action.power_w > 4_000.0


def test_a_silent_wallbox_counts_with_its_nameplate() -> None:
    house = replace(CAR, without=(CHARGER,))
    commands = told(house, {BATTERY: 5_000.0}, dim(4_200.0))
    assert commands[BATTERY].action == BatteryPower(power_w=0.0)


def test_a_heat_pump_that_fits_runs_on() -> None:
    """Dimming wrote 0 W to heat pumps elsewhere (evcc#33839)."""
    site = home_b()
    power_max_w = site.heat_pumps[0].power_max_w
    commands = told(House(pump_w=1_500.0), {HEAT_PUMP: None}, dim(4_200.0, frozenset({HEAT_PUMP})), site)
    assert power_max_w <= 4_200.0
    assert commands[HEAT_PUMP].action == HeatPumpPower(power_w=None)


def test_discharging_is_never_dimmed() -> None:
    """Dimming stopped discharge elsewhere, which makes it worse for the grid (evcc#25268)."""
    commands = told(replace(CAR, load_w=3_000.0), {CHARGER: 0.0, BATTERY: -3_000.0}, dim(0.0))
    assert commands[BATTERY].action == BatteryPower(power_w=-3_000.0)


def test_a_limit_on_the_whole_import_lets_the_car_have_what_the_battery_gives() -> None:
    limit = Limit(authority=Authority.OPERATOR, source="operator", import_power_max_w=1_000.0)
    house = replace(CAR, battery_w=-5_000.0)
    assert car_w(told(house, {CHARGER: 11_000.0, BATTERY: -5_000.0}, limit)) > 5_600.0
    assert car_w(told(house, {CHARGER: 11_000.0, BATTERY: 0.0}, limit)) == 0.0


def test_what_one_battery_gives_is_counted_once() -> None:
    """2 kW from one, 1.7 kW of it for the car or for the other battery, beside the 1 kW of the limit: not twice."""
    (first,) = SITE.batteries
    other = DeviceId("battery-2")
    site = replace(SITE, batteries=(first, replace(first, id=other)))
    limit = Limit(authority=Authority.OPERATOR, source="operator", import_power_max_w=1_000.0)
    house = replace(CAR, car_w=0.0, battery_w=-2_000.0)
    image = house.image(site, now_after(1.0).mono_s)
    reading = image.batteries[first.id]
    assert reading.value is not None
    idle = replace(reading, value=replace(reading.value, power_w=0.0))
    image = replace(image, batteries={**image.batteries, other: idle})
    state = replace(ControlState.start(site), ticked_mono_s=now_after(0.0).mono_s)
    wants = {
        BATTERY: Want(device_id=BATTERY, power_w=-2_000.0),
        other: Want(device_id=other, power_w=5_000.0),
    }
    commands = permit(state, estimate(state, image, now_after(1.0)), wants, (limit,), now_after(1.0)).commands
    powers_w = {each.device_id: each.action.power_w for each in commands if isinstance(each.action, BatteryPower)}
    assert powers_w[BATTERY] == -2_000.0
    assert powers_w[other] == pytest.approx(2_700.0)
