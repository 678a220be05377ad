"""The demo house itself: its time, its sun, its past and its prices."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.config import check_text
from hems.domain.errors import BadInputError
from hems.domain.time import SLOT_S
from hems.runtime.clock import ScaledClock, SystemClock
from hems.sim.demo import HOUSES, site_text
from hems.sim.demo.commuter import stays_between
from hems.sim.demo.history import past_days
from hems.sim.demo.prices import synthetic_prices
from hems.sim.demo.sample import sample
from hems.sim.demo.weather import made_up_outdoor_c
from hems.sim.series import read_series
from hems.sim.servers.clouds import Clouds
from hems.sim.servers.living import begun
from hems.sim.servers.truth import demo_data
from tests.support.eventually import eventually, running
from tests.support.sim_servers import NOON_AT, demo_site, living_house, slots

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize("house", HOUSES)
def test_the_site_file_of_a_demo_house_has_no_error_and_no_warning(house: str) -> None:
    assert check_text(site_text(house, p1_port=1, modbus_port=2), house).findings == ()


def test_an_unknown_house_is_named_with_those_that_there_are() -> None:
    with pytest.raises(BadInputError, match="full, small"):
        site_text("castle", p1_port=1, modbus_port=2)


def test_what_the_daemon_reads_of_the_demo_loads_no_numpy_and_no_solver() -> None:
    code = (
        "import sys, datetime\n"
        "from hems.sim import demo\nfrom hems.sim.demo import history, prices, sample, weather\n"
        "history.past_days(datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC))\n"
        "print([name for name in ('numpy', 'ortools', 'sklearn', 'pymodbus') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_the_house_keeps_its_clock_at_60_times_real_time() -> None:
    living = living_house(speed=60)
    async with running(living.run()):
        await eventually(lambda: living.house.elapsed_s >= 60)
        behind_s = living.clock.monotonic_s() - living.house.mono_s
    assert -1e-6 <= behind_s < 20, "a third of a real second"


def test_a_house_that_is_far_behind_catches_up_in_coarse_steps_and_misses_nothing() -> None:
    site = demo_site("small")
    data = demo_data(site, NOON_AT, days=3)
    clock = ScaledClock(speed=1.0, start_at=NOON_AT, epoch_s=SystemClock().monotonic_s() - 40_000)
    living = begun(site, data, clock, start_at=NOON_AT)
    rounds = 0
    while living.clock.monotonic_s() - living.house.mono_s >= 1:
        living.catch_up()
        rounds += 1
    assert rounds < 20
    assert living.house.at == pytest.approx(clock.now(), abs=timedelta(seconds=2))


def test_a_start_inside_a_quarter_hour_is_second_0_of_the_clock() -> None:
    site, start_at = demo_site("small"), NOON_AT + timedelta(seconds=432)
    data = demo_data(site, start_at, days=1)
    living = begun(site, data, ScaledClock(speed=1, start_at=start_at, epoch_s=0), start_at=start_at)
    assert living.house.mono_s == -432
    living.step(432)
    assert (living.house.mono_s, living.house.at) == (0, start_at)


def test_the_end_of_the_data_is_told() -> None:
    site = demo_site("small")
    data = demo_data(site, NOON_AT, days=1)
    living = begun(site, data, ScaledClock(speed=1, start_at=NOON_AT, epoch_s=0), start_at=NOON_AT)
    for _ in range(96):
        living.step(SLOT_S)
    with pytest.raises(BadInputError, match="the data ends"):
        living.step(1)


def test_the_sum_of_the_steps_is_the_measured_load_and_sun() -> None:
    living = living_house("small")
    before_wh = living.export_wh - living.import_wh
    slots(living, 4)
    house, data = living.house, demo_data(demo_site("small"), NOON_AT, days=1)
    net_wh = sum(float(data.pv_w[slot] - data.load_w[slot]) for slot in range(4)) / 4
    assert living.export_wh - living.import_wh - before_wh == pytest.approx(net_wh, rel=0.03)
    assert house.totals.curtailed_wh == pytest.approx(0, abs=0.03 * net_wh), "clouds look like a limit to nobody"


@settings(max_examples=60, deadline=None)
@given(slot=st.integers(0, 96 * 42), share=st.floats(0.0, 1.3), seed=st.integers(0, 50))
def test_clouds_keep_the_mean_and_stay_between_dark_and_clear(slot: int, share: float, seed: int) -> None:
    at = datetime(2024, 8, 12, tzinfo=UTC) + slot * timedelta(seconds=SLOT_S)
    clear_w = sample().clear_pv_w[slot % 96]
    mean_w = share * clear_w
    clouds = Clouds(seed=seed)
    power_w = [mean_w * clouds.factor(at + timedelta(seconds=second), mean_w) for second in range(SLOT_S)]
    assert np.mean(power_w) == pytest.approx(mean_w, abs=1e-6)
    assert min(power_w) >= 0
    assert max(power_w) <= max(clear_w, mean_w) + 1e-6


def test_a_broken_sky_moves_and_a_clear_or_grey_one_hardly_does() -> None:
    at = datetime(2024, 8, 12, 12, tzinfo=UTC)
    clear_w = sample().clear_pv_w[48]

    def spread(share: float) -> float:
        clouds = Clouds(seed=1)
        factors = [clouds.factor(at + timedelta(seconds=second), share * clear_w) for second in range(SLOT_S)]
        return share * float(np.std(factors))

    assert spread(0.5) > 0.2
    assert spread(0.97) < 0.05
    assert spread(0.05) < 0.1


def test_the_past_is_the_sample_and_ends_where_the_house_begins() -> None:
    past = past_days(NOON_AT + timedelta(minutes=7))
    data = demo_data(demo_site(), NOON_AT - timedelta(days=28), days=28)
    assert past.load.end_at == past.pv.end_at == NOON_AT
    assert list(past.load.mean_w) == pytest.approx(data.load_w.tolist())
    assert list(past.pv.mean_w) == pytest.approx(data.pv_w.tolist())


def test_the_sample_is_that_of_the_file_with_its_energy() -> None:
    path = Path(__file__).parents[2] / "hems" / "sim" / "sample" / "house.csv"
    series = read_series(path, {"load_w": 0.0, "pv_w": 0.0})
    measured = series.columns["pv_w"][(48 * 2 + 4) : (48 * 2 + 4) + 42 * 48]
    known = ~np.isnan(measured)
    ours = np.array(sample().pv_w).reshape(-1, 2).mean(axis=1)
    assert ours[known] == pytest.approx(measured[known])
    assert min(sample().pv_w) >= 0
    assert len(sample().load_w) == len(sample().pv_w) == 42 * 96


def test_cars_come_in_order_and_never_two_at_a_time() -> None:
    stays = list(stays_between(NOON_AT, NOON_AT + timedelta(days=120), AMSTERDAM))
    assert len(stays) == 120
    assert all(before.plugout_at <= after.plugin_at for before, after in pairwise(stays))
    # Each could have what it wants by half past seven, with half of the night to spare.
    assert all(stay.energy_wh <= 11_000 * (stay.plugout_at - stay.plugin_at) / timedelta(hours=2) for stay in stays)


@pytest.mark.parametrize(("day", "count"), [("2025-03-30", 92), ("2025-06-01", 96), ("2025-10-26", 100)])
def test_synthetic_prices_cover_the_civil_day(day: str, count: int) -> None:
    curve = synthetic_prices(date.fromisoformat(day), AMSTERDAM)
    assert curve.grid.count == curve.published_count == len(curve.spot_eur_per_kwh) == count
    assert curve == synthetic_prices(date.fromisoformat(day), AMSTERDAM)


def test_synthetic_prices_have_two_humps_a_dip_and_some_negative_noons() -> None:
    days = [date(2025, 1, 1) + timedelta(days=index) for index in range(200)]
    curves = [synthetic_prices(day, AMSTERDAM).spot_eur_per_kwh for day in days]
    full = np.array([curve for curve in curves if len(curve) == 96])
    mean = full.mean(axis=0)
    assert mean[32] > mean[16] > mean[53]
    assert mean[76] > mean[32] > mean[53]
    negative = float((full.min(axis=1) < 0).mean())
    assert 0.05 < negative < 0.3
    assert -0.1 < full.min() < full.max() < 0.3


def test_the_made_up_weather_has_seasons_and_no_jumps() -> None:
    hours = [datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(8_760)]
    temperatures_c = np.array([made_up_outdoor_c(at) for at in hours])
    assert temperatures_c[:744].mean() < 5
    assert temperatures_c[4_800:5_500].mean() > 15
    assert np.abs(np.diff(temperatures_c)).max() < 2
    assert -20 < temperatures_c.min() < temperatures_c.max() < 36
