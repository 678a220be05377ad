"""When a new plan is made: each quarter hour, and soon after something that matters has changed."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hems.app.outlook import Known, outlook_at, request_of
from hems.app.planning import Decided, PlanDesk
from hems.app.posing import pose
from hems.app.predicting import Predicted, PredictionDesk
from hems.app.waiting import news_or_time
from hems.control.estimate import Estimate
from hems.control.state import ControlState
from hems.domain.change import PlanChange
from hems.domain.command import Limit
from hems.domain.errors import WorkerError
from hems.domain.events import Event, PlanRefused
from hems.domain.outlook import Outlook
from hems.domain.override import ChargeNow
from hems.domain.plan import Origin, Plan
from hems.domain.problem import PlanningProblem
from hems.domain.site import Site
from hems.domain.time import SLOT_S, Now, floor_to
from hems.planning.changes import changes, confirmed
from hems.ports import Clock, Offload, Planner, Predictor
from hems.runtime.planner import checked_plan

log = logging.getLogger(__name__)

DEBOUNCE_S = 5.0
"""A car that is plugged in changes its state several times within seconds [s]."""
UNTRUSTED_RETRY_S = 10.0
TOLD_EUR = 0.10
"""A change of the plan by less is not told: between hours of nearly equal price it moves with every forecast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a plan is made of, immutable: another thread works on it."""

    state: ControlState
    seen: Estimate
    known: Known
    limits: tuple[Limit, ...]
    overrides: tuple[ChargeNow, ...]
    now: Now


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan with what it was made of."""

    decided: Decided
    problem: PlanningProblem
    known: Known
    outlook: Outlook
    predicted: Predicted | None = None


class PlannerLoop:
    """Keeps a plan in force. Everything that takes time runs in a thread; the tick never waits for it.

    Args:
        site: the house.
        planner: the plan worker.
        predictor: the forecast worker; None: forecasts are made in the thread itself.
        offload: the thread in which they are asked.
        clock: when.
        situation: this moment; None before the first tick.
        adopted: told of each new plan and of what happened.
    """

    def __init__(
        self,
        site: Site,
        *,
        planner: Planner,
        predictor: Predictor | None = None,
        offload: Offload,
        clock: Clock,
        situation: Callable[[], Situation | None],
        adopted: Callable[[Planned], None],
    ) -> None:
        self._site = site
        self._planner = planner
        self._desk = PlanDesk(planner)
        self._predictions = PredictionDesk(predictor)
        self._offload = offload
        self._clock = clock
        self._situation = situation
        self._adopted = adopted
        self._news = asyncio.Event()
        self.plan: Plan | None = None
        self.trouble: str | None = None
        """Why the last attempt gave no new plan; None when it did."""
        self.forecast_trouble: str | None = None
        """Why the daemon had to make its forecasts itself; None when it had not."""
        self.is_resting: Callable[[], bool] = lambda: False
        """In safe mode no worker is asked for anything."""
        self.plans = 0
        self.change: PlanChange | None = None
        """What the plan does otherwise since it last changed notably."""
        self._made_of: PlanningProblem | None = None
        """The problem of the plan in force."""

    def wake(self) -> None:
        """Something has changed that a new plan should know."""
        self._news.set()

    async def run(self) -> None:
        """Plan until cancelled."""
        while True:
            await self.replan()
            now_s = self._clock.monotonic_s()
            if self.plan is None:
                await news_or_time(self._clock, self._news, now_s + UNTRUSTED_RETRY_S)
                continue
            now_at = self._clock.now()
            next_at = floor_to(now_at, SLOT_S) + timedelta(seconds=SLOT_S)
            # A second into the slot: the means of the slot before are in the forecast then.
            left_s = (next_at - now_at) / timedelta(seconds=1) + 1.0
            if await news_or_time(self._clock, self._news, now_s + left_s):
                await self._clock.sleep_until(self._clock.monotonic_s() + DEBOUNCE_S)
                self._news.clear()

    async def replan(self) -> None:
        """Make one plan now, if the time is known and the house has been seen."""
        situation = self._situation()
        if situation is None or not situation.now.wall_trusted:
            return
        current = self.plan
        planned = await self._offload(lambda: self._plan(situation, current))
        before = None if current is None or self._made_of is None else (self._made_of, current)
        self.plan = planned.decided.plan
        self.trouble = _trouble(planned.decided.events)
        self.forecast_trouble = None if planned.predicted is None else planned.predicted.trouble
        self.plans += 1
        self._adopted(planned)
        if self.plan is not current:
            self._made_of = planned.problem
            if before is not None and not planned.decided.refused:
                after = (planned.problem, planned.decided.plan)
                # The plan is in force already: why it changed may take some more solving.
                self.change = await self._offload(lambda: self._changed(before, after)) or self.change

    async def cost_eur(self, situation: Situation, overrides: Sequence[ChargeNow]) -> float | None:
        """Cost over the horizon with these overrides; None where the planner has no answer, or rests."""
        if self.is_resting():
            return None
        asked = Situation(
            state=situation.state,
            seen=situation.seen,
            known=situation.known,
            limits=situation.limits,
            overrides=tuple(overrides),
            now=situation.now,
        )
        planned = await self._offload(lambda: self._plan(asked, None))
        return None if planned.decided.refused else planned.decided.plan.cost_eur

    def close(self) -> None:
        """End the workers."""
        self._planner.close()
        self._predictions.close()

    def _changed(self, before: tuple[PlanningProblem, Plan], after: tuple[PlanningProblem, Plan]) -> PlanChange | None:
        """What changed, its cause tried where the worker answers."""
        found = changes(before, after)
        if found is None or found.cause is None or found.cause.weight_eur < TOLD_EUR:
            return None
        try:
            return confirmed(found, before, after, lambda problem: checked_plan(problem, self._planner.answer(problem)))
        except WorkerError as error:
            log.info("the cause of a changed plan could not be tried: %s", error)
            return found

    def _plan(self, situation: Situation, current: Plan | None) -> Planned:
        now = situation.now
        predicted = self._predictions.predict(request_of(self._site, situation.known, now), now)
        outlook = outlook_at(self._site, situation.known, now, predicted.prediction)
        announced = current if current is not None and current.origin is Origin.SOLVER else None
        problem = pose(
            situation.state, situation.seen, outlook, situation.limits, situation.now, situation.overrides, announced
        )
        return Planned(
            decided=self._desk.replan(problem, current, situation.now),
            problem=problem,
            known=situation.known,
            outlook=outlook,
            predicted=predicted,
        )


def _trouble(events: Sequence[Event]) -> str | None:
    refused = [each for each in events if isinstance(each, PlanRefused)]
    return f"{refused[0].problem}; {refused[0].instead} instead" if refused else None
