"""Between the strategies: one truth at a time, part of an error, few days of history."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from hems.domain.outlook import Outlook
from hems.domain.time import Now
from hems.sim.data import HouseData
from hems.sim.foresight import INFORMED, OWN, PERFECT, Foresight
from hems.sim.knowledge import Knowledge, Truth
from hems.sim.outlook import Outlooks, outlooks_for
from tests.simulation.closed_loop import SITE, two_weeks
from tests.support.simulated import START_AT

DATA = two_weeks()
NOW = Now(at=START_AT + timedelta(days=10, hours=9), mono_s=0.0, wall_trusted=True)


def seen(foresight: Foresight, data: HouseData = DATA) -> Outlook:
    outlooks = outlooks_for(foresight, SITE, data, seed=1, departures="told")
    assert outlooks is not None
    return outlooks.at(NOW)


def test_each_truth_is_given_alone():
    own, truth = seen(OWN), seen(PERFECT)
    one = {
        "load": replace(OWN, load_error_ratio=0.0),
        "pv": replace(OWN, pv_error_ratio=0.0),
        "import_price_eur_per_kwh": replace(OWN, prices=True),
        "cars": replace(OWN, cars=True),
    }
    for name, foresight in one.items():
        given = seen(foresight)
        assert getattr(own, name) != getattr(truth, name), "the data tells nothing apart"
        for other in one:
            assert getattr(given, other) == getattr(truth if other == name else own, other), (name, other)


def test_half_an_error_is_half_of_it():
    half = seen(replace(OWN, load_error_ratio=0.5, pv_error_ratio=0.5))
    own, truth = seen(OWN), seen(INFORMED)
    (plant,) = half.pv
    for mine, forecast, known in (
        (half.load, own.load, truth.load),
        (half.pv[plant], own.pv[plant], truth.pv[plant]),
    ):
        for name in ("mean_w", "p10_w", "p90_w"):
            middle = (np.array(getattr(forecast, name)) + np.array(getattr(known, name))) / 2
            assert getattr(mine, name) == pytest.approx(middle)


def test_a_longer_look_ahead_has_more_slots():
    assert seen(replace(PERFECT, horizon_slots=400)).grid.count == 400
    assert seen(replace(PERFECT, horizon_slots=4_000)).grid.end_at == DATA.grid.end_at


def test_a_new_house_remembers_only_its_own_days():
    day = Foresight(history_days=1)
    forgotten = replace(DATA, measured_load_w=DATA.measured_load_w.copy(), measured_pv_w=DATA.measured_pv_w.copy())
    first = DATA.grid.whole_slots_before(NOW.at) - 96
    forgotten.measured_load_w[:first] += 1_000
    forgotten.measured_pv_w[:first] += 1_000
    assert seen(day, forgotten) == seen(day)
    assert seen(OWN, forgotten) != seen(OWN)
    forgotten.measured_load_w[first] += 1_000
    assert seen(day, forgotten) != seen(day)


def test_nobody_foresees_without_the_truth():
    knowledge = Knowledge(SITE, DATA, seed=1)
    with pytest.raises(ValueError, match="without the truth"):
        Outlooks(site=SITE, data=DATA, knowledge=knowledge, truth=None, foresight=INFORMED)
    own = outlooks_for(Foresight(history_days=3), SITE, DATA, seed=1, departures="told")
    assert own is not None
    assert own.truth is None
    assert isinstance(Outlooks(site=SITE, data=DATA, knowledge=knowledge, truth=Truth(DATA)), Outlooks)


@pytest.mark.parametrize("wrong", [{"load_error_ratio": 1.5}, {"horizon_slots": 0}, {"history_days": -1}])
def test_senseless_foresight_is_refused(wrong):
    with pytest.raises(ValueError, match=r"error|least"):
        Foresight(**wrong)
