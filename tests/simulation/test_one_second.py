"""At one tick a second, with a meter and a battery that lag as real ones do, the loop is calm and still quick."""

from collections.abc import Callable
from dataclasses import replace
from statistics import pstdev

import numpy as np
import pytest

from hems.control import residual
from hems.control.state import ControlState
from hems.control.tick import tick
from hems.domain.reading import Image
from hems.domain.site import Site
from hems.sim.house import SimHouse
from hems.sim.series import FloatArray
from tests.support.houses import BATTERY, CHARGER, home_a
from tests.support.simulated import START_AT, flat_data, stay

SITE = home_a()


def powers_of(
    site: Site,
    seconds: int,
    *,
    load_w: Callable[[int], float] = lambda _: 600.0,
    charger_every_s: int = 1,
    car: bool = False,
    meter_latency_s: float = 1.0,
) -> list[tuple[float, float, float]]:
    """Grid, battery and car, second by second, by rules: the battery covers the house, the car charges."""
    data = flat_data(site, days=1, load_w=0.0, pv_w=0.0, sessions=(stay(0.01, 20.0, 40.0),) if car else ())
    house = SimHouse(site, data, seed=1, start_at=START_AT, meter_latency_s=meter_latency_s)
    # The load of this test, on three phases alike, instead of the household's own appliances.
    values = np.array([[load_w(second) / 3] * 3 for second in range(seconds + 2)], dtype=np.float64)
    first_s = round(START_AT.timestamp())

    def seconds_of(unix_start_s: int, count: int) -> FloatArray:
        return values[unix_start_s - first_s :][:count]

    def high_of(unix_start_s: int) -> list[float]:
        del unix_start_s
        return [float(values.max())] * 3

    house.household.seconds = seconds_of  # type: ignore[method-assign]
    house.household.slot_high_w = high_of  # type: ignore[method-assign]
    state = ControlState.start(site)
    charger = None
    found = []
    for second in range(seconds):
        image = house.image(house.now)
        if second % charger_every_s == 0 or charger is None:
            charger = image.chargers.get(CHARGER)
        image = replace(image, chargers={} if charger is None else {CHARGER: charger})
        result = tick(state, image, None, (), house.now)
        state = result.state
        house.apply(result.commands, house.mono_s)
        house.advance(1)
        stretch = house.stretches[-1]
        found.append((stretch.grid_power_w, stretch.power_w[BATTERY], stretch.power_w.get(CHARGER, 0.0)))
    return found


def test_a_constant_load_is_covered_without_a_swing() -> None:
    powers = powers_of(SITE, 120)

    assert pstdev(battery_w for _, battery_w, _ in powers[20:]) < 1.0
    assert all(abs(grid_w) < 5.0 for grid_w, _, _ in powers[20:])


@pytest.mark.parametrize("meter_latency_s", [0.0, 1.0, 2.0])
def test_a_kettle_is_met_within_five_seconds_and_its_end_too(meter_latency_s: float) -> None:
    powers = powers_of(SITE, 180, load_w=lambda s: 2_600.0 if 60 <= s < 120 else 600.0, meter_latency_s=meter_latency_s)

    for start in (60, 120):
        settled = powers[start + 5 : start + 55]
        assert all(abs(grid_w) < 10.0 for grid_w, _, _ in settled)


def test_noise_is_followed_and_not_amplified() -> None:
    generator = np.random.default_rng(1)
    noise_w = generator.normal(0.0, 100.0, 400)
    powers = powers_of(SITE, 300, load_w=lambda s: 1_000.0 + float(noise_w[s]))

    # Following white noise with a delay doubles its variance at worst; a swing would have kilowatts.
    assert pstdev(grid_w for grid_w, _, _ in powers[30:]) < 200.0


def test_the_swing_is_back_when_readings_of_different_moments_are_subtracted(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_measured(before_w: float | None, *, grid_w: float, present_w: float, low_w: float, high_w: float) -> float:
        del before_w, low_w, high_w
        return grid_w - present_w

    monkeypatch.setattr(residual, "nearest_w", as_measured)
    powers = powers_of(SITE, 120)

    assert pstdev(battery_w for _, battery_w, _ in powers[20:]) > 500.0


@pytest.mark.parametrize("charger_every_s", [1, 10])
def test_a_car_whose_charger_tells_its_power_seldom_is_charged_without_a_pause(charger_every_s: int) -> None:
    # 25 A with a battery in the house and a car that is told 16 A; no PV.
    powers = powers_of(SITE, 600, car=True, charger_every_s=charger_every_s)
    car_w = [each for _, _, each in powers]
    started = next(second for second, each in enumerate(car_w) if each > 0)

    assert min(car_w[started + 30 :]) > 10_000.0


@pytest.mark.parametrize("charger_every_s", [1, 10])
def test_an_oven_beside_a_charging_car_is_made_room_for_within_ten_seconds(charger_every_s: int) -> None:
    # 4 kW a phase beside 16 A of the car: 33 A on 25 A fuses until the car gives way.
    powers = powers_of(
        SITE, 700, car=True, charger_every_s=charger_every_s, load_w=lambda s: 12_000.0 if s >= 400 else 600.0
    )
    over = [second for second, (grid_w, _, _) in enumerate(powers) if grid_w > 3 * 25 * 230 * 1.0001]

    assert over
    assert len(over) <= 10
    assert max(over) < 412


def test_the_mean_of_a_slow_meter_over_a_start_of_the_car_hides_no_load_of_the_house() -> None:
    site = replace(SITE, meter=replace(SITE.meter, period_s=10.0), batteries=(), pv=())
    data = flat_data(site, days=1, load_w=600.0, pv_w=0.0, sessions=(stay(0.01, 20.0, 40.0),))
    house = SimHouse(site, data, seed=1, start_at=START_AT)
    state = ControlState.start(site)
    residuals_w = []
    for _ in range(300):
        result = tick(state, house.image(house.now), None, (), house.now)
        state = result.state
        house.apply(result.commands, house.mono_s)
        house.advance(1)
        assert state.residual_w is not None
        residuals_w.append(state.residual_w)
    assert house.stretches[-1].power_w[CHARGER] > 1_300
    load_w = residuals_w[15]
    # Never taken for a load that is gone, which is what limits are kept by; for one word of the meter for too much.
    assert load_w == pytest.approx(600.0, abs=50.0)
    assert min(residuals_w[15:]) >= load_w - 1.0
    assert sum(each > load_w + 200.0 for each in residuals_w[15:]) <= 10


def test_an_image_without_grid_has_no_residual_and_keeps_the_last_one_in_mind() -> None:
    house = SimHouse(SITE, flat_data(SITE, days=1), seed=1, start_at=START_AT)
    state = tick(ControlState.start(SITE), house.image(house.now), None, (), house.now).state
    known_w = state.residual_w
    house.advance(1)
    blind = tick(state, Image(), None, (), house.now)

    assert known_w is not None
    assert blind.estimate.residual_w is None
    assert blind.state.residual_w == known_w
