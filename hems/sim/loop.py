"""The closed loop of one strategy: image, plan, tick, commands, physics; minute by minute in virtual time.

The tick, the guard and the planner are the product's; only what the house does and what is foreseen is simulated.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from hems import wire
from hems.app.month_peak import MonthPeak
from hems.app.planning import PlanDesk
from hems.app.posing import pose
from hems.app.year_balance import MeasuredYear, YearBalance
from hems.control import episodes
from hems.control.estimate import estimate
from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain.decision import DecisionEpisode
from hems.domain.events import Event
from hems.domain.plan import Origin, Plan
from hems.domain.reading import CarState, Image
from hems.domain.site import DeviceId, Site
from hems.domain.time import SLOT_S, Now
from hems.planning.calm import switches_otherwise
from hems.ports import Planner
from hems.sim.checkers import Checkers
from hems.sim.days import DayEnd
from hems.sim.house import SimHouse
from hems.sim.outlook import Outlooks
from hems.sim.settings import Execution


@dataclass(slots=True)
class Counts:
    """How planning went."""

    plans: int = 0
    refused: int = 0
    announced: int = 0
    """Plans that followed one with which they have a car, heat pump or appliance in common."""
    switched_otherwise: int = 0
    """Of these, those that switch in the next two hours otherwise than was announced."""
    plan_times_s: list[float] = field(default_factory=list)
    """Wall time from the problem posed to the plan checked, in the order of the plans [s]."""


class ClosedLoop:
    """One house under one strategy.

    Args:
        site: the house.
        house: its simulated truth.
        outlooks: how the strategy looks ahead; None: it has no plan and goes by rules.
        planner: the plan worker; needed with outlooks.
        managed: False leaves every device to itself, without tick and guard.
        execution: by the plan's values, or its powers to the watt.
        step_s: time between two ticks, a divisor of 900 [s].
        stopwatch: monotonic seconds, to time the planner; its readings decide nothing.
    """

    def __init__(
        self,
        site: Site,
        house: SimHouse,
        *,
        outlooks: Outlooks | None,
        planner: Planner | None,
        managed: bool = True,
        execution: Execution = "value",
        step_s: int = 60,
        stopwatch: Callable[[], float],
    ) -> None:
        self.site = site
        self.house = house
        self.state = ControlState.start(site)
        self.plan: Plan | None = None
        self.counts = Counts()
        self.checkers = Checkers(site)
        self.days: list[DayEnd] = []
        self._outlooks = outlooks
        self._desk = None if planner is None or outlooks is None else PlanDesk(planner)
        self._managed = managed
        self._execution = execution
        self._step_s = step_s
        self._stopwatch = stopwatch
        self._cars_planned: frozenset[DeviceId] = frozenset()
        self._peak = MonthPeak(site)
        self.balance = YearBalance(site)

    def run(self, until_elapsed_s: int) -> tuple[list[DecisionEpisode], list[Event]]:
        """Go on to a second of the run, and return the episodes that closed and the events on the way."""
        closed: list[DecisionEpisode] = []
        events: list[Event] = []
        while self.house.elapsed_s < until_elapsed_s:
            if self._managed:
                result, planning_events = self._decide()
                closed.extend(result.episodes)
                events.extend(planning_events)
                events.extend(result.events)
                self.house.apply(result.commands, self.house.mono_s)
            self.house.advance(self._step_s)
            if self.house.elapsed_s % SLOT_S == 0:
                start_at, totals = self.house.at - timedelta(seconds=SLOT_S), self.house.totals
                self._peak.note(start_at, totals.last_import_w)
                self.balance.note(start_at, totals.last_import_w - totals.last_export_w)
            self.checkers.after_step(self.house, self.state if self._managed else None)
        return closed, events

    def _decide(self) -> tuple[TickResult, tuple[Event, ...]]:
        now = self.house.now
        image = self.house.image(now)
        events: tuple[Event, ...] = ()
        cars = frozenset(
            device_id
            for device_id, reading in image.chargers.items()
            if reading.value is not None and reading.value.car is not CarState.ABSENT
        )
        if self._outlooks is not None:
            values = {each: reading.value for each, reading in image.chargers.items() if reading.value is not None}
            self._outlooks.see_cars(values, now)
        if self._desk is not None and (self.house.elapsed_s % SLOT_S == 0 or cars != self._cars_planned):
            events = self._replan(image, now)
            self._cars_planned = cars
        result = tick(self.state, image, self.plan, (), now)
        self.state = result.state
        return result, events

    def _replan(self, image: Image, now: Now) -> tuple[Event, ...]:
        assert self._outlooks is not None
        assert self._desk is not None
        seen = estimate(self.state, image, now)
        announced = self.plan if self.plan is not None and self.plan.origin is Origin.SOLVER else None
        outlook = self._outlooks.at(now)
        balance_wh = self.balance.at(outlook.grid)
        outlook = replace(outlook, month_peak_w=self._peak.at(now.at), year_balance_wh=balance_wh)
        problem = pose(self.state, seen, outlook, (), now, announced=announced)
        started_s = self._stopwatch()
        decided = self._desk.replan(problem, self.plan, now)
        self.counts.plan_times_s.append(round(self._stopwatch() - started_s, 4))
        self.counts.plans += 1
        self.counts.refused += decided.refused
        otherwise = None if announced is None else switches_otherwise(announced, decided.plan, now.at)
        self.counts.announced += otherwise is not None
        self.counts.switched_otherwise += otherwise is True
        self.plan = decided.plan if self._execution == "value" else to_the_watt(decided.plan)
        return decided.events

    def note_day(self) -> None:
        """A day has ended: keep how things stand."""
        self.days.append(DayEnd.of(self.house))

    def close_record(self) -> list[DecisionEpisode]:
        """What was decided last, closed at the end of the run. A last look books what its last step brought."""
        if not self._managed:
            return []
        now = self.house.now
        result = tick(self.state, self.house.image(now), self.plan, (), now)
        lasting = {key: each for key, each in result.state.episodes.items() if each.opened_at < now.at}
        return [*result.episodes, *(episodes.close(key, each, now.at) for key, each in lasting.items())]

    def snapshot(self) -> dict[str, Any]:
        """What the next sitting needs beside site, data and settings, as JSON."""
        measured = self.balance.measured
        return {
            "house": self.house.state(),
            "control": json.loads(wire.fast_json(self.state)),
            "plan": None if self.plan is None else json.loads(wire.fast_json(self.plan)),
            "counts": asdict(self.counts),
            "cars_planned": sorted(self._cars_planned),
            "cars_seen": None if self._outlooks is None else self._outlooks.state(),
            "month_peak": [*self._peak.month, self._peak.import_power_w],
            "year_balance": None if measured is None else json.loads(wire.fast_json(measured)),
            "checkers": self.checkers.state(),
            "days": [asdict(each) for each in self.days],
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on from a snapshot, in a loop made with the same arguments."""
        self.house.restore(snapshot["house"])
        self.state = wire.parse(ControlState, json.dumps(snapshot["control"]), source="checkpoint")
        plan = snapshot["plan"]
        self.plan = None if plan is None else wire.parse(Plan, json.dumps(plan), source="checkpoint")
        self.counts = Counts(**snapshot["counts"])
        self._cars_planned = frozenset(snapshot["cars_planned"])
        if self._outlooks is not None:
            self._outlooks.restore(snapshot["cars_seen"])
        year, month, peak_w = snapshot["month_peak"]
        self._peak = MonthPeak(self.site, (year, month), peak_w)
        measured = snapshot["year_balance"]
        if measured is not None:
            self.balance.measured = wire.parse(MeasuredYear, json.dumps(measured), source="checkpoint")
        self.checkers.restore(snapshot["checkers"])
        self.days = [DayEnd(**each) for each in snapshot["days"]]


def to_the_watt(plan: Plan) -> Plan:
    """A plan whose powers the tick takes as they are.

    The product has no such mode. At prices that reward waste the tick does not trade, so prices that nobody has ever
    paid make it follow the plan; its reasons then quote these.
    """
    count = plan.grid.count
    return replace(plan, import_price_eur_per_kwh=(-1.0,) * count, export_price_eur_per_kwh=(0.0,) * count)
