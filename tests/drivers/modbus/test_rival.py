"""Who changes a device again and again gets it; who did it once is taken for an accident."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems_drivers.rival import APART_S, LEFT_MAX_S, LEFT_S, PATIENCE, Rival
from tests.support.houses import BATTERY


def test_accidents_are_corrected_however_many() -> None:
    rival = Rival(BATTERY)
    assert all(rival.changed_it(at * (APART_S + 1.0), "0 W") for at in range(50))
    assert not rival.has_it(1e6)


def test_a_day_of_rewriting_each_ten_seconds_costs_forty_corrections(caplog: pytest.LogCaptureFixture) -> None:
    rival, corrected = Rival(BATTERY), 0
    with caplog.at_level(logging.WARNING):
        for second in range(0, 86_400, 10):
            corrected += rival.changed_it(float(second), "0 W")
    assert corrected <= 40
    assert len(caplog.records) == 2
    assert rival.has_it(86_400.0) or corrected > PATIENCE


def test_it_is_noticed_within_a_minute_and_tried_again_later() -> None:
    rival = Rival(BATTERY)
    changes = [rival.changed_it(10.0 * number, "0 W") for number in range(PATIENCE + 1)]
    assert changes == [True] * PATIENCE + [False]
    left_s = 10.0 * PATIENCE
    assert rival.has_it(left_s + LEFT_S - 1.0)
    assert not rival.has_it(left_s + LEFT_S)
    assert rival.changed_it(left_s + LEFT_S + 1.0, "0 W")


def test_who_stopped_for_long_is_forgotten() -> None:
    rival, at_s = Rival(BATTERY), 0.0
    for _ in range(400):
        rival.changed_it(at_s, "0 W")
        at_s += 100.0
    at_s += 3 * LEFT_MAX_S
    for number in range(PATIENCE + 1):
        rival.changed_it(at_s + number, "0 W")
    assert not rival.has_it(at_s + PATIENCE + LEFT_S)


@given(st.lists(st.floats(0.1, 3_600.0), max_size=60))
def test_it_is_never_left_for_longer_than_four_hours(waits_s: list[float]) -> None:
    rival, at_s = Rival(BATTERY), 0.0
    for wait_s in waits_s:
        at_s += wait_s
        rival.changed_it(at_s, "0 W")
        assert not rival.has_it(at_s + LEFT_MAX_S)
