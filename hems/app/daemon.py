"""The daemon: everything of a house put together, started in the order of its importance and stopped in the reverse.

The only place that wires. Adapters come ready-made in :class:`Parts`, so that the same daemon runs on real sockets,
in a demo, and in virtual time.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from hems.aggregator import AggregatorSession, new_ulid
from hems.app.commitments import Commitments, Progress
from hems.app.flex_desk import FlexDesk
from hems.app.house import TICK_S, RunningHouse
from hems.app.image import ImageKeeper
from hems.app.judging import Judging
from hems.app.knowing import Knowing
from hems.app.learning import Learning
from hems.app.market import Market
from hems.app.operator_desk import OperatorDesk
from hems.app.overrides import Overrides
from hems.app.past_minutes import minutes_of
from hems.app.planner_loop import PlannerLoop
from hems.app.recorder import Recorder
from hems.app.starts import Start, Starts
from hems.app.steering import Steering
from hems.app.stored import OffloadedOutbox, StoredSequence
from hems.app.waiting import either
from hems.domain.flex import Commitment, Delivery, TelemetryMinute
from hems.domain.learned import LearnedFact
from hems.domain.operator import GridOperator, KeptLimit
from hems.domain.override import ChargeNow
from hems.domain.site import Site
from hems.domain.snapshot import Notice
from hems.domain.wiring import AggregatorWiring
from hems.ports import Clock, Driver, LimitInbox, Mqtt, Offload, Planner, Predictor
from hems.runtime.supervisor import Supervisor
from hems.store.house_store import HouseStore
from hems.web.server import WebServer

log = logging.getLogger(__name__)

TRUST_CHECK_S = 1.0
FIRST_READINGS_S = 1.5
"""Real seconds that the first tick waits for devices at most: for the next telegram of a meter that sends one a second.

Loading the program takes 1.2 s of a processor before, and the guard is to be in control after 3 s.
"""
STOP_MAX_S = 5.0
"""Real seconds for each half of a clean stop; systemd waits for 20 s."""

LONGEST_REPORT = timedelta(days=1)
"""Hold blocks last two hours at most: what was measured later is nothing that a report needs."""


class OperatorBox(Protocol):
    """The box through which a grid operator tells his limits."""

    async def run(self, inbox: LimitInbox) -> None:
        """Pass on what it says, until cancelled."""
        ...


Task = tuple[str, Callable[[], Awaitable[None]]]
"""A name and a coroutine function that runs until cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the local page listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a daemon is made of."""

    site: Site
    clock: Clock
    dice: random.Random
    drivers: Sequence[Driver]
    links: Sequence[Task] = ()
    """Brokers and other links that drivers and aggregator share."""
    store: HouseStore
    disk: Offload
    planner: Planner
    predictor: Predictor | None = None
    """The forecast worker; None: forecasts are made beside the planner."""
    thinking: Offload
    """The thread that waits for the workers."""
    market: Market
    page: Page | None = None
    aggregator: tuple[AggregatorWiring, Mqtt] | None = None
    operator: GridOperator | None = None
    operator_box: OperatorBox | None = None
    """Where his limits come from."""
    simulated: str | None = None
    troubles: tuple[Callable[[], str | None], ...] = ()
    written_bytes_day: Callable[[], int | None] = lambda: None
    """To the disk, in the last 24 hours."""
    tick_s: float = TICK_S
    """Most time between two ticks; simulations of weeks take more than a second."""
    boot: str = ""
    """Names this start in telemetry; empty: a new ULID."""


class Daemon:
    """One running house. Make it, :meth:`run` it once."""

    def __init__(self, parts: Parts) -> None:
        """Put everything together; nothing runs yet."""
        self.parts = parts
        clock, site = parts.clock, parts.site
        self.ready = asyncio.Event()
        """Set after the first tick: the guard is in control."""
        self.alive: Callable[[], None] = lambda: None
        """Called after each tick."""
        self.steering = Steering(parts.drivers)
        self.keeper = ImageKeeper(site)
        self.knowing = Knowing(
            site,
            spot=parts.market.spot,
            outdoor=parts.market.outdoor,
            source=parts.market.source,
            ghi=parts.market.ghi,
            place=parts.market.place,
        )
        self.recorder = Recorder(parts.store, parts.disk, has_aggregator=parts.aggregator is not None)
        self.house = RunningHouse(
            site,
            clock=clock,
            keeper=self.keeper,
            steering=self.steering,
            knowing=self.knowing,
            recorder=self.recorder,
            boot=parts.boot or self._new_id(),
            simulated=parts.simulated,
            tick_s=parts.tick_s,
        )
        self.planner = PlannerLoop(
            site,
            planner=parts.planner,
            predictor=parts.predictor,
            offload=parts.thinking,
            clock=clock,
            situation=self.house.situation,
            adopted=self.house.adopt,
        )
        self.house.planner = self.planner
        self.house.overrides, self.house.flex = self._overrides(), self._flex_desk()
        self.house.operator, self.house.learning = self._operator(), self._learning()
        self.house.judging = Judging(site, history=parts.store.history, offload=parts.disk, clock=clock)
        self._outer, self._inner = Supervisor(clock, parts.dice), Supervisor(clock, parts.dice)
        """What lasts until devices are at rest, and what ends before."""
        self.house.troubles, self.house.written_bytes_day = self._troubles, parts.written_bytes_day
        self.house.on_tick = self._ticked
        self.starts = Starts(
            parts.store.documents("starts", kind=Start), offload=parts.disk, clock=clock, zone=site.zone
        )
        self.planner.is_resting = lambda: self.starts.is_safe_mode
        self.session = self._session()
        self.page: WebServer | None = None
        """Made after the first tick, because it shows one."""
        self.started = asyncio.Event()
        """Set when every part has been started."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, then leave every device at rest and everything on disk."""
        parts, outer, inner = self.parts, self._outer, self._inner
        async with AsyncExitStack() as stack:
            stack.callback(self.planner.close)
            stack.push_async_callback(parts.disk, parts.store.close)
            stack.push_async_callback(self.starts.end, stop)
            stack.push_async_callback(self.recorder.flush)
            stack.callback(self.house.close_record)
            stack.push_async_callback(outer.stop, deadline_s=STOP_MAX_S)
            stack.push_async_callback(self.steering.rest)
            stack.push_async_callback(inner.stop, deadline_s=STOP_MAX_S)
            await self.starts.wait_after_crashes(stop)
            for driver in parts.drivers:
                outer.start(_name(driver), partial(driver.run, self.house.report))
            for name, task in parts.links:
                outer.start(name, task)
            outer.start("recorder", self.recorder.run)
            if parts.operator_box is not None and self.house.operator is not None:
                outer.start("grid operator", partial(parts.operator_box.run, self.house.operator))
            await asyncio.gather(self._first_readings(), self.starts.begin())
            for name, task in self.steering.tasks():
                inner.start(name, task)
            inner.start("tick", self.house.run)
            await either(self.ready.wait(), stop.wait())  # a first tick that fails is tried again and again
            if not stop.is_set():
                self._start_page(inner)
                if self.starts.is_safe_mode:
                    inner.start("safe mode", partial(self._stay_safe, inner))
                else:
                    self._start_the_rest(inner)
            await stop.wait()
            log.info("stopping: every device goes to its resting state")

    def _start_page(self, inner: Supervisor) -> None:
        """It shows a first tick."""
        page = self.parts.page
        if page is not None:
            self.page = WebServer(self.house, host=page.host, port=page.port, clock=self.parts.clock)
            inner.start("page", self.page.run)
        self.started.set()

    def _start_the_rest(self, inner: Supervisor) -> None:
        """What is not needed to be safe."""
        parts = self.parts
        inner.start("history", self._load_history)
        for name, task in parts.market.tasks:
            inner.start(name, task)
        inner.start("planner", self.planner.run)
        inner.start("learning", self.house.learning.run)
        inner.start("judging", self.house.judging.run)
        if self.session is not None:
            inner.start("aggregator", self.session.run)
        inner.start("proof of the start", self.starts.prove)

    async def _stay_safe(self, inner: Supervisor) -> None:
        await self.starts.safe_mode()
        self._start_the_rest(inner)
        await asyncio.Event().wait()

    async def _first_readings(self) -> None:
        """Give devices that are there a moment, so that only absent ones are told as silent."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_READINGS_S):
                await self.keeper.complete.wait()

    def _ticked(self) -> None:
        self.alive()
        self.ready.set()
        if self.session is not None:
            self._tell_live(self.session)

    def _tell_live(self, session: AggregatorSession) -> None:
        snapshot = self.house.live()
        session.tell_live(
            at=snapshot.now.at,
            grid_power_w=None if snapshot.result.estimate.grid is None else snapshot.result.estimate.grid.power_w,
            setpoint_w=None if snapshot.asked.setpoint is None else snapshot.asked.setpoint.power_at_w(snapshot.now.at),
            mode=snapshot.result.state.mode.value,
        )

    async def _load_history(self) -> None:
        """The past is dated: it is read when the date of today is known."""
        clock = self.parts.clock
        while not clock.wall_is_trusted():
            await clock.sleep_until(clock.monotonic_s() + TRUST_CHECK_S)
        history = self.parts.store.history
        self.house.remember_cars(await self.parts.disk(lambda: self.knowing.load(history, clock.now())))
        self.keeper.recall(self.knowing.plants_asleep(self.house.now()))
        self.planner.wake()
        await asyncio.Event().wait()

    def _overrides(self) -> Overrides:
        return Overrides(
            self.parts.site,
            shelf=self.parts.store.documents("overrides", kind=ChargeNow),
            offload=self.parts.disk,
            planner=self.planner,
            situation=self.house.situation,
            new_id=self._new_id,
        )

    def _flex_desk(self) -> FlexDesk:
        commitments = Commitments(
            self.parts.store.documents("commitments", kind=Commitment),
            offload=self.parts.disk,
            later=self.recorder.later,
            past=self._minutes_since,
        )
        return FlexDesk(self.parts.site, clock=self.parts.clock, commitments=commitments, new_id=self._new_id)

    def _minutes_since(self, since_at: datetime) -> list[TelemetryMinute]:
        chunks = self.parts.store.telemetry.read(since_at, since_at + LONGEST_REPORT)
        return minutes_of(chunks, since_at=since_at)

    def _learning(self) -> Learning:
        return Learning(
            self.parts.site,
            shelf=self.parts.store.documents("learned", kind=LearnedFact),
            history=self.parts.store.history,
            offload=self.parts.disk,
            clock=self.parts.clock,
            changed=self.planner.wake,
        )

    def _operator(self) -> OperatorDesk | None:
        if self.parts.operator is None:
            return None
        return OperatorDesk(
            self.parts.operator,
            self.parts.store.documents("operator-limits", kind=KeptLimit),
            offload=self.parts.disk,
            clock=self.parts.clock,
            changed=self.planner.wake,
            record=self.recorder.limit,
        )

    def _session(self) -> AggregatorSession | None:
        if self.parts.aggregator is None:
            return None
        wiring, mqtt = self.parts.aggregator
        deliveries = self.parts.store.documents("deliveries", kind=Delivery)
        session = AggregatorSession(
            mqtt,
            aggregator_id=wiring.aggregator_id,
            home_id=wiring.home_id,
            flexibility=self.house.flex,
            outbox=OffloadedOutbox(self.parts.store.outbox, self.parts.disk),
            sequences=StoredSequence(self.parts.store.documents("sequences", kind=int), self.parts.disk),
            clock=self.parts.clock,
            dice=self.parts.dice,
            on_delivered=lambda delivery: self.recorder.later(lambda: deliveries.remove(delivery.event_id)),
        )
        for delivery in deliveries.all().values():
            session.tell_delivery(delivery)

        def progress(steps: Sequence[Progress]) -> None:
            for step in steps:
                commitment = step.commitment
                session.tell_status(
                    event_id=commitment.setpoint.event_id,
                    revision=commitment.setpoint.revision,
                    state=commitment.state,
                    at=self.parts.clock.now(),
                )
                if step.report is not None:
                    report = step.report
                    self.recorder.later(partial(deliveries.put, report.event_id, report))
                    session.tell_delivery(report)

        self.house.on_progress = progress
        self.house.aggregator_connected = lambda: mqtt.connected and not self.starts.is_safe_mode
        return session

    def _troubles(self) -> Sequence[Notice]:
        store = self.parts.store.findings
        safe_mode = self.starts.trouble()
        worst = [] if safe_mode is None else [Notice(level="problem", text=safe_mode)]
        found = [f"The disk does not take what is written ({place}); it is kept in memory." for place in store.failing]
        found += [text for each in (*self.parts.market.troubles, *self.parts.troubles) if (text := each()) is not None]
        if self.planner.forecast_trouble is not None:
            found.append(f"Forecasts are plainer than usual: {self.planner.forecast_trouble}.")
        found += [*self._outer.troubles(), *self._inner.troubles()]
        return [*worst, *(Notice(level="info", text=text) for text in found)]

    def _new_id(self) -> str:
        return new_ulid(self.parts.clock.now(), self.parts.dice)


def _name(driver: Driver) -> str:
    return "driver of " + ", ".join(sorted(driver.devices))
