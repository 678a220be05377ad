"""From an allowed power to a current that a car accepts: 6 to 16 A on one or three phases, 11.04 kW, steps of 0.1 A."""

from dataclasses import replace

import pytest

from hems.control.current import Offer, choose_offer, highest_power_w
from tests.support.houses import home_a

CHARGER = home_a().chargers[0]
FREE = {1: 32.0, 3: 32.0}


@pytest.mark.parametrize(
    ("headroom_a", "power_w"),
    [
        ({}, 0.0),
        ({1: 5.9, 3: 5.9}, 0.0),
        ({1: 6.0}, 1_380.0),
        ({1: 6.0, 3: 5.9}, 1_380.0),
        ({3: 6.0}, 4_140.0),
        ({1: 12.0, 3: 6.0}, 4_140.0),
        ({1: 16.0, 3: 3.0}, 3_680.0),
        (FREE, 11_040.0),
    ],
)
def test_the_most_that_fits_is_that_of_the_best_number_of_phases(headroom_a: dict[int, float], power_w: float):
    assert highest_power_w(CHARGER, headroom_a) == pytest.approx(power_w)


@pytest.mark.parametrize(
    ("power_max_w", "count", "power_w"), [(7_360.0, 3, 7_360.0), (3_000.0, 1, 3_000.0), (4_100.0, 3, 0.0)]
)
def test_a_nameplate_is_a_limit_of_its_own(power_max_w: float, count: int, power_w: float):
    """4.1 kW are less than 6 A on three phases."""
    charger = replace(CHARGER, power_max_w=power_max_w)
    assert highest_power_w(charger, {count: 32.0}) == pytest.approx(power_w)


@pytest.mark.parametrize(
    ("power_w", "headroom_a", "keep", "offer"),
    [
        # Rounded down to a step that can be said: never above what is allowed.
        (9_500.0, FREE, 3, Offer(current_a=13.7, phase_count=3, power_w=9_453.0)),
        (9_453.0, FREE, 3, Offer(current_a=13.7, phase_count=3, power_w=9_453.0)),
        (9_452.0, FREE, 3, Offer(current_a=13.6, phase_count=3, power_w=9_384.0)),
        (11_040.0, {3: 13.75}, 3, Offer(current_a=13.7, phase_count=3, power_w=9_453.0)),
        # The smallest current exactly, on each number of phases.
        (1_380.0, {1: 6.0}, 1, Offer(current_a=6.0, phase_count=1, power_w=1_380.0)),
        (4_140.0, {3: 6.0}, 3, Offer(current_a=6.0, phase_count=3, power_w=4_140.0)),
        (1_379.9, FREE, 1, Offer(current_a=0.0, phase_count=1, power_w=0.0)),
        # A pause keeps the number of phases in use, whatever it is.
        (0.0, FREE, 3, Offer(current_a=0.0, phase_count=3, power_w=0.0)),
        (0.0, {3: 32.0}, 1, Offer(current_a=0.0, phase_count=1, power_w=0.0)),
        (-5_000.0, FREE, 3, Offer(current_a=0.0, phase_count=3, power_w=0.0)),
        (11_040.0, {1: 5.0, 3: 5.0}, 3, Offer(current_a=0.0, phase_count=3, power_w=0.0)),
        # The number in use does not fit: another one.
        (11_040.0, {1: 16.0, 3: 5.0}, 3, Offer(current_a=16.0, phase_count=1, power_w=3_680.0)),
        (3_000.0, FREE, 3, Offer(current_a=13.0, phase_count=1, power_w=2_990.0)),
    ],
)
def test_an_offer_never_passes_what_is_allowed(power_w: float, headroom_a: dict[int, float], keep: int, offer: Offer):
    found = choose_offer(CHARGER, power_w=power_w, headroom_a=headroom_a, keep_count=keep)
    assert (found.current_a, found.phase_count) == (offer.current_a, offer.phase_count)
    assert found.power_w == pytest.approx(offer.power_w)


@pytest.mark.parametrize(("one_phase_a", "count"), [(18.9, 3), (19.0, 1)])
def test_phases_change_for_more_than_a_twentieth(one_phase_a: float, count: int):
    """6 A on three phases are 4,140 W; 18.9 A on one are 5.0 % more, 19 A 5.6 %."""
    charger = replace(CHARGER, current_max_a=32.0, power_max_w=22_080.0)
    offer = choose_offer(charger, power_w=22_080.0, headroom_a={1: one_phase_a, 3: 6.0}, keep_count=3)
    assert offer.phase_count == count
