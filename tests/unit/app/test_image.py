"""The image keeps the newest reading that can be true, and sums up what the meter said since the one before."""

import logging
import math

import pytest

from hems.app.image import ImageKeeper
from hems.domain.power import PhaseValues
from hems.domain.reading import BatteryValues, GridValues, PvValues, Quality, Reading
from hems.domain.site import DeviceId
from tests.support.houses import BATTERY, GRID, PV, home_a


def telegram(power_w: float, mono_s: float) -> Reading[GridValues]:
    each_w = power_w / 3
    phases = PhaseValues(l1=each_w, l2=each_w, l3=each_w)
    values = GridValues(power_w=power_w, phase_power_w=phases, phase_power_high_w=phases)
    return Reading(value=values, mono_s=mono_s)


def battery(power_w: float, mono_s: float = 1.0) -> Reading[BatteryValues]:
    return Reading(value=BatteryValues(power_w=power_w, stored_wh=5_000.0), mono_s=mono_s)


def test_a_device_that_never_answered_is_missing() -> None:
    image = ImageKeeper(home_a()).image()

    assert image.grid is None
    assert not image.pv
    assert not image.batteries


def test_telegrams_between_two_images_count_with_their_mean_and_their_highest() -> None:
    keeper = ImageKeeper(home_a())
    for second, power_w in enumerate((300.0, 3_000.0, 600.0)):
        keeper.report(GRID, telegram(power_w, float(second)))

    grid = keeper.image().grid
    assert grid is not None
    assert grid.value is not None
    assert grid.value.power_w == pytest.approx(1_300.0)
    assert grid.value.phase_power_w == PhaseValues(l1=1_300 / 3, l2=1_300 / 3, l3=1_300 / 3)
    assert grid.value.phase_power_high_w == PhaseValues(l1=1_000.0, l2=1_000.0, l3=1_000.0)
    assert grid.mono_s == 2.0


def test_without_a_new_telegram_the_last_one_grows_old() -> None:
    keeper = ImageKeeper(home_a())
    keeper.report(GRID, telegram(300.0, 1.0))

    assert keeper.image().grid == keeper.image().grid == telegram(300.0, 1.0)


def test_a_reading_that_cannot_be_true_leaves_the_last_good_one_and_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeper = ImageKeeper(home_a())
    keeper.report(BATTERY, battery(1_000.0))
    with caplog.at_level(logging.INFO):
        for power_w in (1e30, float("nan"), -1e9):
            keeper.report(BATTERY, battery(power_w, 2.0))
    kept = keeper.image().batteries[BATTERY]

    assert kept == battery(1_000.0)
    assert keeper.refused == 3
    assert len(caplog.records) == 1

    keeper.report(BATTERY, battery(900.0, 3.0))
    assert keeper.image().batteries[BATTERY] == battery(900.0, 3.0)


def test_a_device_that_says_it_has_no_value_keeps_the_last_one_ageing() -> None:
    keeper = ImageKeeper(home_a())
    keeper.report(PV, Reading(value=PvValues(power_w=-500.0), mono_s=1.0))
    nothing: Reading[PvValues] = Reading(value=None, mono_s=9.0, quality=Quality.ABSENT)
    keeper.report(PV, nothing)

    assert keeper.image().pv[PV].mono_s == 1.0


def test_a_driver_that_reports_for_the_wrong_device_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no device of the site"):
        ImageKeeper(home_a()).report(DeviceId("other"), battery(1.0))


def test_it_knows_when_the_last_telegram_will_be_too_old() -> None:
    keeper = ImageKeeper(home_a())
    assert keeper.blind_mono_s(0.0) == math.inf
    keeper.report(GRID, telegram(500.0, 100.0))
    too_old_s = keeper.blind_mono_s(100.0)
    grid = keeper.image().grid
    assert grid is not None
    assert grid.usable(mono_s=too_old_s, max_age_s=home_a().meter.max_age_s) is None
    assert grid.usable(mono_s=too_old_s - 0.01, max_age_s=home_a().meter.max_age_s) is not None
    assert keeper.blind_mono_s(too_old_s) == math.inf
