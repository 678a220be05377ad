"""Houses under injected faults: a fixed few of them, the same twice, and every kind of trouble seen by its judge."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hems.app.recorder import Recorder
from hems.domain.errors import WorkerError
from hems.domain.problem import PlanningProblem
from hems.ports import Planner
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.chaos import lives, steps
from hems.sim.chaos.application import at_an_hour, run_application
from hems.sim.chaos.houses import ChaosHouse, draw_house
from hems.sim.chaos.outcome import Outcome
from hems.sim.chaos.script import (
    AROUND_THE_DAEMON,
    AROUND_THE_TICK,
    HOUR_S,
    MINUTE_S,
    Injected,
    Script,
    WorldFault,
    dice_of,
    draw_script,
    in_order,
)
from hems.sim.chaos.steps import run_steps
from hems.sim.faults import Fault

KINDS = range(4)


class NoPlanner:
    """Nothing answers: the house goes by rules."""

    def answer(self, problem: PlanningProblem) -> bytes:  # noqa: ARG002
        raise WorkerError("no worker")

    def close(self) -> None:
        """Nothing to end."""


@pytest.fixture(scope="module")
def planner() -> Iterator[Planner]:
    with WorkerPlanner(spawn) as worker:
        yield worker


def evening(seed: int) -> ChaosHouse:
    house = draw_house(seed, days=1)
    return replace(house, start_at=house.start_at + timedelta(hours=16))


def broken(outcome: Outcome) -> list[str]:
    return [f"{each.rule} ({each.where}) at {each.second_s}: {each.text}; on: {each.faults}" for each in outcome.broken]


def hours(seed: int, planner: Planner, count: int = 4) -> Outcome:
    """Hours of the step drive, half of them with faults."""
    house = evening(seed)
    script = draw_script(
        dice_of(seed, "test"),
        house.site,
        from_s=60,
        until_s=count * HOUR_S // 2,
        count=3 * count,
        world=AROUND_THE_TICK,
    )
    return run_steps(house, seed, script, until_s=count * HOUR_S, plan_s=HOUR_S, planner=planner)


def minutes(seed: int, planner: Planner, count: int = 6) -> Outcome:
    """Ten minutes of the whole application, killed once."""
    house = at_an_hour(draw_house(seed, days=1), seed)
    kill = Injected(fault=WorldFault.KILLED, start_s=5 * MINUTE_S, duration_s=3)
    drawn = draw_script(
        dice_of(seed, "test"), house.site, from_s=60, until_s=7 * MINUTE_S, count=count, world=AROUND_THE_DAEMON
    )
    return run_application(house, seed, in_order((kill, *drawn)), until_s=10 * MINUTE_S, planner=planner)


@pytest.mark.parametrize("seed", KINDS)
def test_hours_of_each_kind_of_house_break_no_rule_and_end_well(seed: int, planner: Planner) -> None:
    outcome = hours(seed, planner)
    assert broken(outcome) == []
    assert sum(outcome.faults.values()) >= 8
    assert outcome.recoveries_s


@pytest.mark.parametrize("seed", KINDS)
def test_minutes_of_the_whole_application_break_no_rule_and_end_well(seed: int, planner: Planner) -> None:
    outcome = minutes(seed, planner)
    assert broken(outcome) == []
    assert outcome.restarts == outcome.faults["killed"] > 0
    assert outcome.recoveries_s


def test_a_seed_gives_the_same_run_to_the_last_figure(planner: Planner) -> None:
    assert asdict(hours(1, planner, 1)) == asdict(hours(1, planner, 1))
    assert asdict(minutes(1, planner)) == asdict(minutes(1, planner))
    assert asdict(hours(1, planner, 1)) != asdict(hours(5, planner, 1))


def quiet(script: Script = (), *, seed: int = 0, seconds: int = 600) -> Outcome:
    house = evening(seed)
    return run_steps(house, seed, script, until_s=900 * (1 + seconds // 900), plan_s=HOUR_S, planner=NoPlanner())


def rules(outcome: Outcome) -> set[str]:
    return {each.rule for each in outcome.broken}


def test_an_exception_in_the_tick_is_a_crash_in_both_drives(monkeypatch: pytest.MonkeyPatch, planner: Planner) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(steps, "tick", failing)
    assert rules(quiet()) == {"crash"}
    monkeypatch.setattr("hems.app.house.tick", failing)
    assert "crash" in rules(minutes(0, planner, count=0))


def test_a_house_that_never_gets_well_is_said() -> None:
    house = evening(0)
    fault = Injected(fault=Fault.SILENT, start_s=60, duration_s=60, target=house.site.meter.id)
    outcome = run_steps(house, 0, (fault,), until_s=3 * HOUR_S, plan_s=HOUR_S, planner=NoPlanner())
    assert rules(outcome) == {"recovery"}
    assert outcome.broken[0].text.endswith("allowed 7200 s")


def test_what_was_acknowledged_and_is_gone_after_a_kill_is_said(
    monkeypatch: pytest.MonkeyPatch, planner: Planner
) -> None:
    kept = minutes(0, planner, count=0)
    assert kept.promises_over_restarts > 0
    assert "lost" not in rules(kept)
    real = shutil.copytree

    def forgetful(before: Path, after: Path) -> Path:
        real(before, after)
        for path in (*after.rglob("*overrides*"), *after.rglob("*commitments*")):
            path.unlink(missing_ok=True)
        return after

    monkeypatch.setattr(lives, "shutil", SimpleNamespace(copytree=forgetful))
    assert "lost" in rules(minutes(0, planner, count=0))


def test_a_task_that_outlives_the_daemon_is_said(monkeypatch: pytest.MonkeyPatch, planner: Planner) -> None:
    real = Recorder.flush

    async def leaving(self: Recorder) -> None:
        self.left = asyncio.create_task(asyncio.Event().wait())  # type: ignore[attr-defined]
        await real(self)

    monkeypatch.setattr(Recorder, "flush", leaving)
    outcome = minutes(0, planner, count=0)
    assert [each.text.startswith("tasks are left") for each in outcome.broken] == [True]


def test_faults_of_a_device_follow_each_other_and_begin_and_end_inside() -> None:
    site = evening(1).site
    for seed in range(30):
        script = draw_script(dice_of(seed, "x"), site, from_s=60, until_s=7_200, count=40, world=tuple(WorldFault))
        assert all(60 <= each.start_s < each.end_s <= 7_200 for each in script)
        for device in site.devices:
            own = [each for each in script if each.target == device.id]
            assert all(before.end_s <= after.start_s for before, after in pairwise(own))
    assert {each.fault for seed in range(200) for each in _drawn(seed)} == {*Fault, *WorldFault}


def _drawn(seed: int) -> Script:
    return draw_script(dice_of(seed, "y"), evening(1).site, from_s=60, until_s=7_200, count=20, world=tuple(WorldFault))
