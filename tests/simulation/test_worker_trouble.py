"""The plan worker dies, hangs, lies or never starts, with the loop running: the house goes on every minute."""

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from hems.domain.events import Event, PlanAdopted, PlanRefused
from hems.domain.outlook import Outlook
from hems.domain.plan import Origin
from hems.domain.problem import PlanningProblem
from hems.domain.time import SLOT_S, Now, SlotGrid
from hems.ports import WorkerProcess
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import PipeProcess, spawn
from hems.sim.knowledge import Knowledge
from hems.sim.loop import ClosedLoop
from hems.sim.outlook import Outlooks
from tests.simulation.closed_loop import SEED, SITE, RecordingHouse, loop_of, two_weeks
from tests.support.simulated import START_AT

DATA = two_weeks()
START = START_AT + timedelta(days=12, hours=18)  # a car is there, the sun is gone
PLAN_SLOTS = 2
"""Plans that last for half an hour, so that their end comes in the test."""


class ShortSighted(Outlooks):
    """Outlooks of two slots."""

    def at(self, now: Now) -> Outlook:
        seen = super().at(now)
        count = PLAN_SLOTS
        grid = SlotGrid(start_at=seen.grid.start_at, count=count)
        return replace(
            seen,
            grid=grid,
            import_price_eur_per_kwh=seen.import_price_eur_per_kwh[:count],
            export_price_eur_per_kwh=seen.export_price_eur_per_kwh[:count],
            load=seen.load.first(count),
            pv={key: each.first(count) for key, each in seen.pv.items()},
        )


class Spawner:
    """The real spawn that remembers its children, or fails to start any."""

    def __init__(self) -> None:
        self.children: list[PipeProcess] = []
        self.module: str | None = None
        self.memory_max_bytes: int | None = None
        self.broken = False

    def __call__(self, module: str, *, memory_max_bytes: int) -> WorkerProcess:
        if self.broken:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        child = spawn(self.module or module, memory_max_bytes=self.memory_max_bytes or memory_max_bytes)
        self.children.append(child)
        return child

    def running(self) -> list[PipeProcess]:
        return [child for child in self.children if Path(f"/proc/{child.pid}").exists()]


@dataclass(kw_only=True)
class Bench:
    """A loop with a worker that can be harmed between two plans."""

    loop: ClosedLoop
    house: RecordingHouse
    planner: WorkerPlanner
    spawner: Spawner
    ended: list[subprocess.Popen[bytes]]

    def slot(self) -> list[Event]:
        """One more quarter hour; its planning events."""
        _, events = self.loop.run(self.house.elapsed_s + SLOT_S)
        return [event for event in events if isinstance(event, PlanAdopted | PlanRefused)]

    def restart_worker(self) -> None:
        self.planner.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    spawner = Spawner()
    outlooks = ShortSighted(site=SITE, data=DATA, knowledge=Knowledge(SITE, DATA, seed=SEED), truth=None)
    with WorkerPlanner(spawner, deadline_s=1.5) as planner:
        loop, house = loop_of("plan", DATA, start_at=START, planner=planner, outlooks=outlooks)
        made = Bench(loop=loop, house=house, planner=planner, spawner=spawner, ended=[])
        yield made
        for helper in made.ended:
            helper.wait()
    assert spawner.running() == []


def kill_while_it_thinks(bench: Bench) -> None:
    for child in bench.spawner.running() or [spawn_now(bench)]:
        os.kill(child.pid, signal.SIGSTOP)
        bench.ended.append(subprocess.Popen(["/bin/sh", "-c", f"sleep 0.2; kill -9 {child.pid}"]))


def stop(bench: Bench) -> None:
    for child in bench.spawner.running() or [spawn_now(bench)]:
        os.kill(child.pid, signal.SIGSTOP)


def spawn_now(bench: Bench) -> PipeProcess:
    """The planner starts its worker with a problem; give it one, so that there is something to harm."""
    bench.planner.answer(posed(bench))
    return bench.spawner.running()[0]


def posed(bench: Bench) -> PlanningProblem:
    at = bench.house.at
    return PlanningProblem(
        issued_at=at,
        grid=SlotGrid(start_at=at, count=1),
        import_price_eur_per_kwh=(0.3,),
        export_price_eur_per_kwh=(0.1,),
        load_power_w=(0.0,),
        import_power_max_w=(10_000.0,),
        export_power_max_w=(10_000.0,),
    )


def becomes(module: str) -> Callable[[Bench], None]:
    def harm(bench: Bench) -> None:
        bench.spawner.module = module
        bench.restart_worker()

    return harm


def starve(bench: Bench) -> None:
    bench.spawner.memory_max_bytes = 60 * 1024 * 1024
    bench.restart_worker()


def cannot_start(bench: Bench) -> None:
    bench.spawner.broken = True
    bench.restart_worker()


def heal(bench: Bench) -> None:
    bench.spawner.module = bench.spawner.memory_max_bytes = None
    bench.spawner.broken = False
    bench.restart_worker()


TROUBLES: dict[str, tuple[Callable[[Bench], None], str]] = {
    "killed while it thinks": (kill_while_it_thinks, "it ended"),
    "silent": (stop, "no answer within 1.5 s"),
    "garbage": (becomes("tests.support.bad_workers.garbage"), "answer: document"),
    "a plan that breaks a rule": (becomes("tests.support.bad_workers.lying"), "plan refused: battery battery: 50000"),
    "a plan for another problem": (becomes("tests.simulation.bad_workers.belated"), "not those of the problem"),
    "endless words": (becomes("tests.support.bad_workers.wordy"), "longer than"),
    "greedy": (becomes("tests.support.bad_workers.hungry"), "it ended"),
    "out of memory": (starve, "it ended"),
    "cannot start": (cannot_start, "Cannot allocate memory"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_house_goes_on_without_its_planner_and_plans_again_when_it_is_back(trouble: str, bench: Bench):
    harm, words = TROUBLES[trouble]
    assert [type(each) for each in bench.slot()] == [PlanAdopted]
    good = bench.loop.plan
    assert good is not None

    harm(bench)
    (first,) = bench.slot()
    assert isinstance(first, PlanRefused), "one failed planning, one event"
    assert first.instead == "old plan"
    assert bench.loop.plan is good, "while it lasts"

    harm(bench)
    (second,) = bench.slot()
    assert isinstance(second, PlanRefused)
    assert second.instead == "rules"
    assert bench.loop.plan is not None
    assert bench.loop.plan.origin is Origin.RULES

    for refused, minute in ((first, 15), (second, 30)):
        assert words in refused.problem
        assert len(refused.problem.splitlines()) == 1
        assert refused.at == START + timedelta(minutes=minute)

    heal(bench)
    (adopted,) = bench.slot()
    assert isinstance(adopted, PlanAdopted)
    assert adopted.origin == Origin.SOLVER
    assert bench.loop.plan.issued_at == START + timedelta(minutes=45)
    every_minute = [START + timedelta(minutes=minute) for minute in range(60)]
    assert list(bench.house.commands) == every_minute
    devices = {device.id for device in SITE.controllables}
    assert all({each.device_id for each in told} == devices for told in bench.house.commands.values())
    assert bench.loop.counts.plans == 4
    assert bench.loop.counts.refused == 2
    assert bench.loop.checkers.violation_count == 0


def test_a_house_that_never_had_a_plan_goes_by_rules(bench: Bench):
    cannot_start(bench)
    (refused,) = bench.slot()
    assert isinstance(refused, PlanRefused)
    assert refused.instead == "rules"
    assert bench.loop.plan is not None
    assert bench.loop.plan.origin is Origin.RULES


def test_rules_are_made_afresh_each_time_and_never_called_the_old_plan(bench: Bench):
    """Rules know as much an hour later as a plan by rules made now; what was foreseen then is older."""
    cannot_start(bench)
    bench.slot()
    first = bench.loop.plan
    (refused,) = bench.slot()
    assert isinstance(refused, PlanRefused)
    assert refused.instead == "rules"
    assert bench.loop.plan is not None
    assert first is not None
    assert bench.loop.plan.issued_at > first.issued_at
