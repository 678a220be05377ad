"""A controller that is handed a future that lies does the very same until that future comes.

Goal: no strategy knows what it may not know, in the whole loop and not only in the answers of one class. Method: run
from some hours before a moment to that moment on two sets of data that differ in everything unknowable at it, and
compare commands, plan and device powers to the bit. Planted leaks must be caught by the very same comparison.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from hems.domain.outlook import CarTask, Outlook
from hems.domain.site import Site
from hems.domain.time import Now
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.data import HouseData, read_folder
from hems.sim.foresight import INFORMED, OWN, Foresight
from hems.sim.knowledge import Knowledge, SlotPrices, Truth, replace_future
from hems.sim.outlook import Outlooks
from tests.simulation.closed_loop import SEED, SITE, loop_of, two_weeks
from tests.support.houses import home_a, house_folder
from tests.support.simulated import START_AT

DATA = two_weeks()
DAY_13_AT = START_AT + timedelta(days=13)  # midnight UTC, 01:00 in Amsterdam
MOMENTS = {
    "before publication": DAY_13_AT + timedelta(hours=11, minutes=45),
    "at publication": DAY_13_AT + timedelta(hours=12),
    "with a car, before the next one": DAY_13_AT + timedelta(hours=19, minutes=15),
    "at midnight": DAY_13_AT + timedelta(hours=23),
}
RUN_UP_H = 2
Trace = tuple[object, ...]


class PeeksAtTheSlotUnderWay(Outlooks):
    """A leak: the mean load of the slot that has only begun. (A history that reaches too far would not be one: the
    forecasts ignore what did not end before they were made.)"""

    def at(self, now: Now) -> Outlook:
        seen = super().at(now)
        load_w = Truth(self.data).load_w(seen.grid)[0]
        return replace(seen, load=replace(seen.load, mean_w=(load_w, *seen.load.mean_w[1:])))


class PeeksAtTomorrowsPrices(Knowledge):
    """A leak: the auction's result a few hours early."""

    def prices(self, now: datetime, *, since_at: datetime) -> SlotPrices:
        return super().prices(now + timedelta(hours=6), since_at=since_at)


class PeeksAtTheNextCar(Outlooks):
    """A leak: a car that will come within a day is in the plan already."""

    def at(self, now: Now) -> Outlook:
        seen = super().at(now)
        coming = [each for each in self.data.sessions if now.at < each.plugin_at < now.at + timedelta(hours=24)]
        tasks = tuple(
            CarTask(
                device_id=self.site.chargers[0].id,
                arrival_at=each.plugin_at,
                departure_at=each.plugout_at,
                session_target_wh=each.energy_wh,
            )
            for each in coming[:1]
        )
        return replace(seen, cars=(*seen.cars, *tasks)) if not seen.cars else seen


MakeOutlooks = Callable[[Site, HouseData, Truth | None], Outlooks]


def given(truth: Truth | None) -> Foresight:
    return OWN if truth is None else INFORMED


def honest(site: Site, data: HouseData, truth: Truth | None) -> Outlooks:
    return Outlooks(
        site=site, data=data, knowledge=Knowledge(site, data, seed=SEED), truth=truth, foresight=given(truth)
    )


def peeking_at_the_slot(site: Site, data: HouseData, truth: Truth | None) -> Outlooks:
    return PeeksAtTheSlotUnderWay(
        site=site, data=data, knowledge=Knowledge(site, data, seed=SEED), truth=truth, foresight=given(truth)
    )


def peeking_at_prices(site: Site, data: HouseData, truth: Truth | None) -> Outlooks:
    return Outlooks(
        site=site,
        data=data,
        knowledge=PeeksAtTomorrowsPrices(site, data, seed=SEED),
        truth=truth,
        foresight=given(truth),
    )


def peeking_at_the_car(site: Site, data: HouseData, truth: Truth | None) -> Outlooks:
    return PeeksAtTheNextCar(
        site=site, data=data, knowledge=Knowledge(site, data, seed=SEED), truth=truth, foresight=given(truth)
    )


@pytest.fixture(scope="module")
def planner() -> Iterator[WorkerPlanner]:
    with WorkerPlanner(spawn) as worker:
        yield worker


def lie_after(data: HouseData, at: datetime, strategy: str) -> HouseData:
    """The future that lies for a strategy: ``informed`` knows load and sun, so those stay true for it."""
    lie = replace_future(data, at, np.random.default_rng(3))
    if strategy != "informed":
        return lie
    return replace(
        lie,
        load_w=data.load_w,
        pv_w=data.pv_w,
        measured_load_w=data.measured_load_w,
        measured_pv_w=data.measured_pv_w,
    )


def trace(
    strategy: str,
    data: HouseData,
    at: datetime,
    planner: WorkerPlanner,
    *,
    site: Site = SITE,
    make: MakeOutlooks | None = None,
) -> Trace:
    """All that was decided up to and at a moment, and all that was measured up to it."""
    start_at = at - timedelta(hours=RUN_UP_H)
    truth = Truth(data) if strategy == "informed" else None
    outlooks = None if make is None else make(site, data, truth)
    loop, house = loop_of(strategy, data, start_at=start_at, site=site, planner=planner, outlooks=outlooks)
    measured: list[object] = []
    plans: list[object] = []
    for end_s in range(60, RUN_UP_H * 3600 + 1, 60):
        loop.run(end_s)
        measured.append(house.powers_w())
        measured.append(house.stretches)
        if loop.plan is not None and (not plans or plans[-1] is not loop.plan):
            plans.append(loop.plan)
    loop.run(RUN_UP_H * 3600 + 60)  # the decision at the moment itself; what happens after it may differ
    images = {each_at: image for each_at, image in house.images.items() if each_at <= at}
    commands = {each_at: told for each_at, told in house.commands.items() if each_at <= at}
    return measured, plans, loop.plan, images, commands


def sees_the_lie(strategy: str, data: HouseData, at: datetime, planner: WorkerPlanner, make: MakeOutlooks) -> bool:
    """Whether a run up to a moment differs when everything unknowable at it is another."""
    lie = lie_after(data, at, strategy)
    return trace(strategy, data, at, planner, make=make) != trace(strategy, lie, at, planner, make=make)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("strategy", ["unmanaged", "rules", "plan", "informed"])
def test_nothing_changes_before_the_future_comes(strategy: str, moment: str, planner: WorkerPlanner):
    at = MOMENTS[moment]
    told = trace(strategy, DATA, at, planner)
    lied = trace(strategy, lie_after(DATA, at, strategy), at, planner)
    for name, a, b in zip(("powers", "plans", "the plan at the moment", "images", "commands"), told, lied, strict=True):
        assert a == b, name
    assert (told[2] is not None) is (strategy in ("plan", "informed"))


@pytest.mark.parametrize("strategy", ["rules", "plan"])
def test_nothing_changes_in_a_measured_house_either(strategy: str, planner: WorkerPlanner):
    site = home_a()
    data = read_folder(house_folder("home_a_2024"), site=site)
    at = datetime.fromisoformat("2024-04-18T17:30:00+00:00")
    lie = lie_after(data, at, strategy)
    assert trace(strategy, data, at, planner, site=site) == trace(strategy, lie, at, planner, site=site)


@pytest.mark.parametrize(
    ("strategy", "moment", "leak"),
    [
        ("plan", "before publication", peeking_at_the_slot),
        ("plan", "at midnight", peeking_at_the_slot),
        ("plan", "before publication", peeking_at_prices),
        ("informed", "before publication", peeking_at_prices),
        ("plan", "at publication", peeking_at_the_car),
        ("informed", "at publication", peeking_at_the_car),
    ],
)
def test_a_leak_is_caught(strategy: str, moment: str, leak: MakeOutlooks, planner: WorkerPlanner):
    assert sees_the_lie(strategy, DATA, MOMENTS[moment], planner, leak)


def test_the_comparison_itself_finds_nothing_in_honest_outlooks(planner: WorkerPlanner):
    assert not sees_the_lie("plan", DATA, MOMENTS["at publication"], planner, honest)


def test_the_lie_is_a_lie_as_soon_as_the_future_is_there(planner: WorkerPlanner):
    """The comparison is not blind: a quarter hour later everything differs."""
    at = MOMENTS["at publication"]
    lie = lie_after(DATA, at, "plan")
    later = at + timedelta(minutes=15)
    assert trace("plan", DATA, later, planner) != trace("plan", lie, later, planner)
    assert trace("rules", DATA, later, planner) != trace("rules", lie, later, planner)
