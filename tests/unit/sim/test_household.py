"""Seconds and phases under the slot means."""

from dataclasses import replace

import numpy as np
import pytest

from hems.domain.errors import BadInputError
from hems.domain.site import MAIN, Circuit, GridConnection
from hems.domain.time import unix_s
from hems.sim.data import read_folder
from hems.sim.household import Household
from tests.support.houses import home_a, home_b, house_folder
from tests.support.simulated import START_AT, flat_data

START_UNIX_S = round(unix_s(START_AT))
DAY_S = 86_400


def test_every_measured_slot_of_home_a_keeps_its_mean_below_the_cap():
    site = home_a()
    data = read_folder(house_folder("home_a_2024"), site=site)
    household = Household(site=site, data=data, seed=3)
    first_day = round(unix_s(data.grid.start_at)) // DAY_S + 1
    for day in (first_day, first_day + 200, first_day + 330):
        seconds_w = household.seconds(day * DAY_S, DAY_S)
        slot = day * 96 - round(unix_s(data.grid.start_at)) // 900
        assert seconds_w.min() >= 0
        assert seconds_w.max() <= 0.8 * 25 * 230
        means_w = seconds_w.sum(axis=1).reshape(96, 900).mean(axis=1)
        assert means_w == pytest.approx(data.load_w[slot : slot + 96], abs=1e-6)


def test_appliances_make_peaks_that_slot_means_do_not_show():
    """A house that uses 1.5 kW on average has seconds with an oven or a kettle on one phase, and calm ones."""
    household = Household(site=home_a(), data=flat_data(home_a(), load_w=1_500.0), seed=1)
    seconds_w = household.seconds(START_UNIX_S, DAY_S)
    assert seconds_w.max() > 2_000
    assert (seconds_w.sum(axis=1) < 1_500).mean() > 0.1, "what a pulse takes is missing in the rest of its slot"


def test_another_seed_is_another_house_and_the_same_seed_the_same():
    data = flat_data(home_a())
    days = [Household(site=home_a(), data=data, seed=seed).seconds(START_UNIX_S, DAY_S) for seed in (1, 1, 2)]
    assert np.array_equal(days[0], days[1])
    assert not np.array_equal(days[0], days[2])


def test_days_do_not_depend_on_the_order_in_which_they_are_asked():
    data = flat_data(home_a())
    forward, backward = (Household(site=home_a(), data=data, seed=1) for _ in range(2))
    first = forward.seconds(START_UNIX_S, DAY_S).copy()
    backward.seconds(START_UNIX_S + 2 * DAY_S, DAY_S)
    assert np.array_equal(first, backward.seconds(START_UNIX_S, DAY_S))


def test_the_phase_split_drifts_but_no_phase_is_empty():
    household = Household(site=home_a(), data=flat_data(home_a(), load_w=20.0), seed=1)  # too little for an appliance
    shares = household.seconds(START_UNIX_S, DAY_S)[::900] / 20.0
    assert shares.min() > 0.05
    assert np.ptp(shares, axis=0).min() > 0.05


def test_a_one_phase_house_uses_one_phase():
    site = replace(home_a(), connection=GridConnection(phase_count=1))
    seconds_w = Household(site=site, data=flat_data(site), seed=1).seconds(START_UNIX_S, 900)
    assert seconds_w[:, 1:].max() == 0
    assert seconds_w[:, 0].mean() == pytest.approx(400.0)


def test_an_unmodelled_heat_pump_lies_evenly_on_its_phases():
    data = replace(flat_data(home_b()), heat_pump_w=np.full(3 * 96, 3_000.0))
    seconds_w = Household(site=home_b(), data=data, seed=1).seconds(START_UNIX_S, 900)
    assert seconds_w.min() >= 1_000
    assert seconds_w.sum(axis=1).mean() == pytest.approx(3_400.0)
    assert seconds_w.max() <= 0.8 * 25 * 230


def test_data_that_cannot_be_behind_this_fuse_is_refused():
    site = replace(home_a(), circuits=(Circuit(id=MAIN, fuse_a=16.0, parent=None),))
    with pytest.raises(BadInputError, match="does not fit behind 16 A"):
        Household(site=site, data=flat_data(site, load_w=12_000.0), seed=1)
