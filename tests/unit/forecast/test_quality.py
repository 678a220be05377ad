"""Scores against numbers worked out by hand."""

import pytest

from hems.forecast.quality import bias, coverage_ratio, errors, mean_absolute_error, pinball_loss, skill_ratio

FORECAST = (100.0, 200.0, 300.0, 400.0)
MEASURED = (110.0, None, 270.0, 400.0)


def test_only_measured_slots_count():
    assert errors(FORECAST, MEASURED) == [-10.0, 30.0, 0.0]
    assert mean_absolute_error(FORECAST, MEASURED) == pytest.approx(40 / 3)
    assert bias(FORECAST, MEASURED) == pytest.approx(20 / 3)


def test_pinball_loss_charges_the_side_that_should_be_rare():
    """At 0.9, 10 too low costs 9, 30 too high costs 3."""
    assert pinball_loss(FORECAST, MEASURED, level_ratio=0.9) == pytest.approx((9 + 3) / 3)
    assert pinball_loss(FORECAST, MEASURED, level_ratio=0.1) == pytest.approx((1 + 27) / 3)


def test_coverage_counts_the_edges_of_the_band_as_inside():
    low, high = (110.0, 0.0, 0.0, 401.0), (120.0, 0.0, 269.0, 500.0)
    assert coverage_ratio(low, high, MEASURED) == pytest.approx(1 / 3)


def test_skill_is_the_part_of_the_reference_error_that_is_gone():
    assert skill_ratio(30.0, 40.0) == pytest.approx(0.25)
    assert skill_ratio(50.0, 40.0) == pytest.approx(-0.25)
    assert skill_ratio(0.0, 0.0) is None


def test_nothing_measured_gives_no_score():
    nothing = (None,) * 4
    assert mean_absolute_error(FORECAST, nothing) is None
    assert bias(FORECAST, nothing) is None
    assert pinball_loss(FORECAST, nothing, level_ratio=0.5) is None
    assert coverage_ratio(FORECAST, FORECAST, nothing) is None


def test_series_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        mean_absolute_error(FORECAST, (1.0,))


def test_a_level_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="level_ratio"):
        pinball_loss(FORECAST, MEASURED, level_ratio=10.0)
