"""The step drive: days of a house under faults, with the product's tick, guard and planner and no event loop.

A tick a second around the begin and the end of every fault, one each 50 s in between.
"""

import json
import traceback
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from hems.app.planning import PlanDesk
from hems.app.posing import pose
from hems.control.estimate import estimate
from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain.asked import NOTHING_ASKED, Asked
from hems.domain.errors import WorkerError
from hems.domain.events import Mode
from hems.domain.plan import Origin, Plan
from hems.domain.problem import PlanningProblem
from hems.domain.reading import CarState, Image
from hems.domain.site import DeviceId
from hems.domain.time import SLOT_S, Now
from hems.ports import Planner
from hems.sim.chaos.busy import BusyHousehold, owners_wishes
from hems.sim.chaos.houses import ChaosHouse
from hems.sim.chaos.judge import Judge
from hems.sim.chaos.outcome import Outcome, Recovery
from hems.sim.chaos.script import Script, WorldFault
from hems.sim.chaos.stage import Stage
from hems.sim.foresight import Foresight
from hems.sim.house import SimHouse
from hems.sim.outlook import outlooks_for

CLOSE_S = 75
"""After an edge of a fault every second is ticked for so long: readings age for 30 s, leases for 60 s."""
FAR_STEP_S = 50
"""Else; shorter than a lease, which lasts a minute at one tick a second, and a divisor of the slot."""
FORESIGHT = Foresight(load_error_ratio=0.0, pv_error_ratio=0.0, weather=True, horizon_slots=96)
"""Forecasts are not what is tested here: the truth is given, a day ahead."""
RUBBISH = json.dumps({"plan": {"grid": None}}).encode()


@dataclass(slots=True)
class TroubledPlanner:
    """A planner behind the faults of a stage."""

    planner: Planner
    stage: Stage

    def answer(self, problem: PlanningProblem) -> bytes:
        """As :meth:`hems.ports.Planner.answer`."""
        for fault, words in (
            (WorldFault.WORKER_CRASH, "plan worker: it ended"),
            (WorldFault.WORKER_TIMEOUT, "plan worker: no answer within 20 s"),
            (WorldFault.WORKER_OUT_OF_MEMORY, "plan worker: out of memory"),
        ):
            if self.stage.is_on(fault):
                raise WorkerError(words)
        return RUBBISH if self.stage.is_on(WorldFault.WORKER_RUBBISH) else self.planner.answer(problem)

    def close(self) -> None:
        """The planner is somebody else's."""


def run_steps(house: ChaosHouse, seed: int, script: Script, *, until_s: int, plan_s: int, planner: Planner) -> Outcome:
    """Drive a house to a second of its run.

    Args:
        house: as drawn.
        seed: of its seconds.
        script: faults.
        until_s: end, whole slots.
        plan_s: between two plans, whole slots.
        planner: one that answers.
    """
    run = _StepRun(house, seed, script, until_s=until_s, plan_s=plan_s, planner=planner)
    try:
        while run.sim.elapsed_s < until_s:
            run.step()
    except Exception:  # noqa: BLE001 - whatever the product raises is what is looked for
        run.judge.crashed(traceback.format_exc(limit=-4))
    return run.outcome()


class _StepRun:
    def __init__(
        self, house: ChaosHouse, seed: int, script: Script, *, until_s: int, plan_s: int, planner: Planner
    ) -> None:
        self.sim = SimHouse(
            house.site,
            house.data,
            seed=seed,
            start_at=house.start_at,
            stored_ratio=house.stored_ratio,
            more_sessions=house.more_sessions,
            household=BusyHousehold(house, seed, script),
        )
        self.stage = Stage(self.sim, script)
        self.judge = Judge(self.stage)
        outlooks = outlooks_for(FORESIGHT, house.site, house.data, seed=seed, departures="told")
        assert outlooks is not None
        self._outlooks = outlooks
        self._desk = PlanDesk(TroubledPlanner(planner, self.stage))
        self._plan_s = plan_s
        self._planned_s = -plan_s
        self._recovery = Recovery(cycle_s=plan_s)
        self._state = ControlState.start(house.site)
        self._plan: Plan | None = None
        self._cars: frozenset[DeviceId] = frozenset()
        self._close_until_s = CLOSE_S
        self._wishes = owners_wishes(house, seed, until_s=until_s)
        self._plans = 0
        self._faults: Counter[str] = Counter()

    def step(self) -> None:
        """Faults, readings, perhaps a plan, tick, commands, and then some seconds."""
        begun, ended = self.stage.turn()
        self._faults.update(each.fault.value for each in begun)
        if begun or ended:
            self._close_until_s = self.sim.elapsed_s + CLOSE_S
        image, now = self.sim.image(self.sim.now), self._now()
        self._perhaps_plan(image, now)
        result = tick(self._state, image, self._plan, self.stage.limits, now, self._asked(now))
        self._state = result.state
        self.judge.after_tick(result, now.mono_s, self.stage.limits)
        trouble = self._recovery.see(self.sim.elapsed_s, calm=self.stage.calm, normal=self._is_normal(result, now))
        if trouble is not None:
            self.judge.late(trouble)
        self.sim.apply(result.commands, self.sim.mono_s)
        self.sim.advance(self._step_s())
        self.judge.after_step()

    def _asked(self, now: Now) -> Asked:
        """Now and then the owner wants a car charged at once."""
        if not now.wall_trusted:
            return NOTHING_ASKED
        return Asked(overrides=tuple(each for each in self._wishes if each.asked_at <= now.at < each.until_at))

    def _now(self) -> Now:
        shift_s = sum(each.amount for each in self.stage.on if each.fault is WorldFault.CLOCK_STEP)
        return Now(
            at=self.sim.at + timedelta(seconds=shift_s),
            mono_s=self.sim.mono_s,
            wall_trusted=not self.stage.is_on(WorldFault.CLOCK_UNTRUSTED),
        )

    def _step_s(self) -> int:
        elapsed_s = self.sim.elapsed_s
        if elapsed_s < self._close_until_s:
            return 1
        edge_s = self.stage.next_edge_s()
        left_s = SLOT_S - elapsed_s % SLOT_S
        return min(FAR_STEP_S, left_s, FAR_STEP_S if edge_s is None else max(1, edge_s - elapsed_s))

    def _perhaps_plan(self, image: Image, now: Now) -> None:
        """On the hour, or the quarter, and when a car has come or gone; not by a clock that is wrong."""
        cars = frozenset(
            device_id
            for device_id, reading in image.chargers.items()
            if reading.value is not None and reading.value.car is not CarState.ABSENT
        )
        self._outlooks.see_cars(
            {each: reading.value for each, reading in image.chargers.items() if reading.value is not None},
            self.sim.now,
        )
        due = self.sim.elapsed_s - self._planned_s >= self._plan_s or cars != self._cars
        if not due or self.stage.is_on(WorldFault.CLOCK_STEP, WorldFault.CLOCK_UNTRUSTED):
            return
        self._planned_s, self._cars = self.sim.elapsed_s // SLOT_S * SLOT_S, cars
        seen = estimate(self._state, image, now)
        announced = self._plan if self._plan is not None and self._plan.origin is Origin.SOLVER else None
        problem = pose(self._state, seen, self._outlooks.at(now), self.stage.limits, now, announced=announced)
        self._plan = self._desk.replan(problem, self._plan, now).plan
        self._plans += 1

    def _is_normal(self, result: TickResult, now: Now) -> bool:
        plan = self._plan
        planned = plan is not None and plan.origin is Origin.SOLVER and plan.grid.index_at(now.at) is not None
        steered = all(each.id in self.sim.held for each in self.sim.site.controllables)
        return planned and steered and result.state.mode is Mode.NORMAL

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(
            drive="steps",
            house_s=self.sim.elapsed_s,
            faults=dict(self._faults),
            broken=self.judge.broken,
            broken_count=self.judge.broken_count,
            longest_over_s=self.judge.longest_over_s,
            recoveries_s=self._recovery.times_s,
            plans=self._plans,
        )
