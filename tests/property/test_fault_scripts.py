"""Any script of faults over a house, and how a failure is brought down to the shortest script that shows it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from hems.domain.errors import WorkerError
from hems.domain.problem import PlanningProblem
from hems.domain.reading import Reading
from hems.sim.chaos.houses import draw_house
from hems.sim.chaos.outcome import Outcome
from hems.sim.chaos.script import AROUND_THE_TICK, Injected, Script, WorldFault, in_order
from hems.sim.chaos.steps import run_steps
from hems.sim.faults import Fault

SEED = 1
HOUSE = replace(draw_house(SEED, days=1), start_at=draw_house(SEED, days=1).start_at + timedelta(hours=18))
SECONDS = 30


class NoPlanner:
    """Nothing answers: the house goes by rules."""

    def answer(self, problem: PlanningProblem) -> bytes:  # noqa: ARG002
        raise WorkerError("no worker")

    def close(self) -> None:
        """Nothing to end."""


@st.composite
def injections(draw: st.DrawFn) -> Injected:
    """One fault of a device or of the world."""
    start_s, duration_s = draw(st.integers(0, 5)), draw(st.integers(1, 24))
    if draw(st.booleans()):
        meter, others = HOUSE.site.meter.id, [each.id for each in HOUSE.site.controllables]
        target = draw(st.sampled_from([meter, meter, meter, *others]))  # most depends on it
        return Injected(
            fault=draw(st.sampled_from(tuple(Fault))), start_s=start_s, duration_s=duration_s, target=target
        )
    fault = draw(st.sampled_from(AROUND_THE_TICK))
    amount = draw(st.sampled_from((0.0, 1_500.0, 4_200.0)))
    place = HOUSE.site.meter.id if fault is WorldFault.GRID_OUTAGE else None
    return Injected(fault=fault, start_s=start_s, duration_s=duration_s, target=place, amount=amount)


scripts = st.lists(injections(), max_size=3).map(in_order)


def after(script: Script) -> Outcome:
    """The first half minute of an evening: a meter of a second is stale after ten."""
    return run_steps(HOUSE, SEED, script, until_s=SECONDS, plan_s=3_600, planner=NoPlanner())


@settings(max_examples=25, deadline=None)
@given(scripts)
def test_no_script_makes_the_guard_break_a_rule(script: Script) -> None:
    outcome = after(script)
    assert outcome.broken == [], "; ".join(str(each) for each in script)


def test_a_failure_is_brought_down_to_the_one_fault_that_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a stale meter is trusted for ever."""
    usable = Reading.usable

    def trusting(self: Reading[Any], *, mono_s: float, max_age_s: float) -> Any:
        stale_is_fine = max_age_s == HOUSE.site.meter.max_age_s
        return usable(self, mono_s=mono_s, max_age_s=1e9 if stale_is_fine else max_age_s)

    monkeypatch.setattr(Reading, "usable", trusting)
    some = [
        Injected(fault=fault, start_s=1, duration_s=16, target=device.id)
        for device in HOUSE.site.devices
        for fault in (Fault.SILENT, Fault.DEAF)
    ]
    long_scripts = st.lists(st.sampled_from(some), max_size=6).map(in_order)
    same_each_time = settings(max_examples=60, deadline=None, derandomize=True)
    shortest = find(long_scripts, lambda script: bool(after(script).broken), settings=same_each_time)
    assert [(each.target, each.fault) for each in shortest] == [(HOUSE.site.meter.id, Fault.SILENT)]
