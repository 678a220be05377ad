"""Forecasters that know the other days of their window: what they see, and what they must not."""

from datetime import date

import numpy as np
import pytest

from benchmarks.pv_bound import PlantYear, interval, least_absolute, like_days_w, regression_w
from hems.learning.wall import FloatArray

MIDDAYS: FloatArray = np.where((np.arange(96) > 30) & (np.arange(96) < 70), 3_000.0, 0.0)
ROWS = np.arange(40, 61, dtype=np.int64)


def year(skies: FloatArray) -> PlantYear:
    clear_w = np.tile(MIDDAYS, (len(skies), 1))
    return PlantYear(first=date(2024, 1, 1), produced_w=clear_w * skies[:, None], clear_w=clear_w)


def alternating(count: int = 100) -> FloatArray:
    """A dull day follows each clear one."""
    return np.where(np.arange(count) % 2 == 0, 1.0, 0.2)


def like_w(plant: PlantYear, *, likeness: float) -> FloatArray:
    return like_days_w(plant, ROWS, season_days=30.0, likeness=likeness, median=True)


def test_days_after_a_like_day_tell_the_sky():
    plant = year(alternating())
    truth = plant.produced_w[ROWS]
    assert like_w(plant, likeness=0.2) == pytest.approx(truth, abs=1.0)
    assert np.abs(like_w(plant, likeness=10.0) - truth).mean() > 300.0


def test_the_day_itself_is_not_looked_at():
    skies = alternating()
    odd = skies.copy()
    odd[50] = 0.6
    assert np.array_equal(like_w(year(odd), likeness=0.2)[10], like_w(year(skies), likeness=0.2)[10])


def test_a_regression_of_other_weeks_does_not_know_its_own():
    """The middle week is dark: what was fitted to it, too, leans to it; what was fitted to the others does not."""
    skies = np.full(100, 0.8)
    skies[47:54] = 0.0
    plant = year(skies)
    blind, seeing = (regression_w(plant, ROWS, whole=whole)[7:14].sum() for whole in (False, True))
    assert seeing < 0.5 * blind


def test_least_absolute_error_is_the_median_and_not_the_mean():
    truth = np.array([100.0] * 6 + [900.0] * 3)
    assert least_absolute(np.ones((9, 1)), truth) == pytest.approx([100.0], abs=1.0)


def test_the_interval_holds_what_is_certain_and_widens_with_what_is_not():
    same = np.full(70, 90.0)
    assert interval(same, np.full(70, 100.0)) == pytest.approx((0.9, 0.9))
    low, high = interval(np.where(np.arange(70) < 35, 50.0, 130.0), np.full(70, 100.0))
    assert low < 0.85
    assert high > 0.95
