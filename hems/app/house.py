"""The running house: one tick a second around the pure core, and everything that others may ask of it.

Implements :class:`hems.ports.House`. The tick waits for nothing but the clock and the meter.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from hems.app.commitments import Progress
from hems.app.flex_desk import FlexDesk
from hems.app.image import ImageKeeper
from hems.app.judging import Judging
from hems.app.keeping import kept_of
from hems.app.knowing import Knowing
from hems.app.learning import Learning
from hems.app.measuring import Meterage
from hems.app.operator_desk import OperatorDesk
from hems.app.overrides import Overrides
from hems.app.plan_view import plan_view_of
from hems.app.planner_loop import Planned, PlannerLoop, Situation
from hems.app.recorder import GRID, Recorder, Seconds
from hems.app.sessions import SessionWatch
from hems.app.snapshot import Shown, not_following, snapshot_of
from hems.app.steering import Steering
from hems.app.waiting import news_or_time
from hems.control import episodes
from hems.control.obedience import ASTRAY_S
from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain.asked import Asked
from hems.domain.command import Limit, ProductionLimit
from hems.domain.decision import DecisionEpisode
from hems.domain.events import Event
from hems.domain.flex import Envelope, TelemetryMinute
from hems.domain.forecast_view import ForecastViews
from hems.domain.learned import LearnedView, LearnedViews
from hems.domain.override import ChargeNow, Quote
from hems.domain.reading import CarState, Image
from hems.domain.session import ChargingSession
from hems.domain.site import DeviceId, Site
from hems.domain.snapshot import Notice, PlanView, Snapshot
from hems.domain.time import Now
from hems.explain import event_line, is_trouble
from hems.ports import Clock, DeviceReading
from hems.store.history import CarSession

log = logging.getLogger(__name__)

TICK_S = 1.0
RECORD_EVERY_S = 60.0
"""Under clouds reasons change every few seconds; one flush a minute for all of them spares the card."""
METER_GRACE_S = 0.25
"""A tick waits this much longer for the telegram of a one-second meter, so that there is one tick a second, not two."""
LATE_S, CATCH_UP_S = 1.0, 0.05
"""House seconds after which a tick is late, and the real seconds that readings then get to come in."""
TICK_MIN_S = 0.2
"""Between two ticks at least: a meter that floods us does not take the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """A tick with what it saw."""

    seq: int
    now: Now
    image: Image
    asked: Asked
    result: TickResult


class RunningHouse:
    """See the module.

    Args:
        site: the house.
        clock: both kinds of time.
        keeper: readings.
        steering: commands.
        knowing: prices, weather and what was measured.
        recorder: the disk.
        boot: names this start of the daemon in telemetry.
        simulated: what is simulated, in words; None for a real house.
        tick_s: most time between two ticks; simulations of weeks take more than a second.
    """

    def __init__(
        self,
        site: Site,
        *,
        clock: Clock,
        keeper: ImageKeeper,
        steering: Steering,
        knowing: Knowing,
        recorder: Recorder,
        boot: str,
        simulated: str | None = None,
        tick_s: float = TICK_S,
    ) -> None:
        self.site = site
        self._clock = clock
        self._keeper = keeper
        self._steering = steering
        self._knowing = knowing
        self._recorder = recorder
        self._boot = boot
        self._simulated = simulated
        self._tick_s = tick_s
        self._state = ControlState.start(site)
        self._last: Ticked | None = None
        self._ticked = asyncio.Event()
        self._telegram = asyncio.Event()
        self._slots = Meterage(site)
        self._minutes = Meterage(site, duration_s=60)
        self._seconds = Seconds()
        self._cars = SessionWatch()
        self._planned: Planned | None = None
        self._closed: list[DecisionEpisode] = []
        """Since they were last handed to the disk."""
        self._recorded_mono_s = clock.monotonic_s()
        self._minute_seq = 0
        self.limits: tuple[Limit, ...] = ()
        self.operator: OperatorDesk | None = None
        """None: no grid operator is connected, and ``limits`` stay as they are."""
        self.on_tick: Callable[[], None] = lambda: None
        """Called after each tick: proof of life."""
        self.on_progress: Callable[[Sequence[Progress]], None] = lambda _: None
        self.aggregator_connected: Callable[[], bool | None] = lambda: None
        self.troubles: Callable[[], Sequence[Notice]] = lambda: ()
        self.written_bytes_day: Callable[[], int | None] = lambda: None
        self.planner: PlannerLoop
        self.overrides: Overrides
        self.flex: FlexDesk
        self.learning: Learning
        self.judging: Judging

    def report(self, device_id: DeviceId, reading: DeviceReading) -> None:
        """Take a reading; a telegram of the grid meter is followed by a tick at once."""
        self._keeper.report(device_id, reading)
        if device_id == self.site.meter.id:
            self._telegram.set()

    async def run(self) -> None:
        """Tick until cancelled."""
        fast = self.site.meter.period_s <= self._tick_s
        due_s = self._clock.monotonic_s()
        while True:
            started_s = self._clock.monotonic_s()
            if started_s - due_s > LATE_S:
                # This process was held up; what devices said meanwhile waits in the sockets: read before judging.
                await asyncio.sleep(CATCH_UP_S)  # noqa: TID251 - real time, for real sockets
                started_s = self._clock.monotonic_s()
            self.tick()
            self.on_tick()
            grace_s = METER_GRACE_S if fast else 0.0
            due_s = min(started_s + self._tick_s + grace_s, self._keeper.blind_mono_s(started_s))
            await self._clock.sleep_until(min(started_s + TICK_MIN_S, due_s))
            await news_or_time(self._clock, self._telegram, due_s)

    def tick(self) -> None:
        """One tick: read, decide, tell, note."""
        now = self.now()
        image = self._keeper.image()
        overrides = self.overrides.in_force(now)
        asked = self.flex.asked(overrides, now)
        before = self._last
        if self.operator is not None:
            self.limits = self.operator.limits(now)
        result = tick(self._state, image, self.planner.plan, self.limits, now, asked)
        self._steering.tell(result.commands)
        self._state = result.state
        seq = 1 if before is None else before.seq + 1
        self._last = Ticked(seq=seq, now=now, image=image, asked=asked, result=result)
        self._ticked.set()
        self._note(result, now)
        self._watch_cars(result, now)
        self._refresh_envelope()

    def situation(self) -> Situation | None:
        """This moment as a plan is made of it; None before the first tick."""
        if self._last is None:
            return None
        seen, now = self._last.result.estimate, self._last.now
        known = self._knowing.known(seen, self._cars.arrivals_at, now)
        state, seen = self.learning.as_planned(self._state, seen)
        return Situation(
            state=state,
            seen=seen,
            known=known,
            limits=self.limits,
            overrides=self._last.asked.overrides,
            now=now,
        )

    def adopt(self, planned: Planned) -> None:
        """A new plan is in force."""
        self._planned = planned
        for event in (*(() if planned.predicted is None else planned.predicted.events), *planned.decided.events):
            _log_event(event, self.site)
        self._recorder.plan(planned.decided.plan)
        if (predicted := planned.predicted) is not None and predicted.fresh:
            plain = predicted.trouble is not None
            self._recorder.forecasts(kept_of(predicted.prediction, self.site.zone, plain=plain))
        self._refresh_envelope(soon=True)

    def remember_cars(self, plugged_at: Mapping[DeviceId, datetime]) -> None:
        """Since when cars were there that were there when this last ran; those that are there still."""
        for device_id, at in plugged_at.items():
            self._cars.remember(device_id, at)

    def live(self) -> Ticked:
        """The last tick; there has been one."""
        assert self._last is not None, "the first tick comes before everything else"
        return self._last

    def snapshot(self) -> Snapshot:
        """The house as of the last tick."""
        last = self.live()
        shown = Shown(
            seq=last.seq,
            now=last.now,
            image=last.image,
            plan=self.planner.plan,
            plan_trouble=self.planner.trouble,
            priced=self._knowing.priced(last.now),
            price_source=self._knowing.price_source(last.now),
            asked=last.asked,
            aggregator_connected=self.aggregator_connected(),
            simulated=self._simulated,
            not_following=not_following(self._state, last.now, after_s=ASTRAY_S),
            troubles=tuple(self.troubles()),
            operator=None if self.operator is None else self.operator.status(last.now),
            written_bytes_day=self.written_bytes_day(),
        )
        return snapshot_of(self.site, last.result, shown)

    async def wait_newer(self, seq: int) -> Snapshot:
        """The next snapshot whose ``seq`` is greater."""
        while self._last is None or self._last.seq <= seq:
            self._ticked.clear()
            await self._ticked.wait()
        return self.snapshot()

    def plan_view(self) -> PlanView:
        """Past hours and plan on one axis."""
        now = self.now() if self._last is None else self._last.now
        return plan_view_of(
            self.learning.planned(),
            at=now.at,
            measured=self._knowing.measured(now),
            plan=self.planner.plan,
            problem=None if self._planned is None else self._planned.problem,
            priced=self._knowing.priced(now),
            price_source=self._knowing.price_source(now),
            change=self.planner.change,
        )

    def envelope(self) -> Envelope | None:
        """What is promised now."""
        return self.flex.envelope()

    def forecasts(self) -> ForecastViews:
        """As :meth:`hems.ports.House.forecasts`."""
        predicted = None if self._planned is None else self._planned.predicted
        return self.judging.views(None if predicted is None else predicted.prediction)

    async def quote(self, *, device_id: DeviceId, until_at: datetime) -> Quote:
        """As :meth:`hems.ports.House.quote`."""
        return await self.overrides.quote(device_id=device_id, until_at=until_at)

    async def charge_now(self, *, device_id: DeviceId, until_at: datetime, by: str) -> ChargeNow:
        """As :meth:`hems.ports.House.charge_now`."""
        return await self.overrides.charge_now(device_id=device_id, until_at=until_at, by=by)

    async def end_override(self, override_id: str, *, by: str) -> None:
        """As :meth:`hems.ports.House.end_override`."""
        await self.overrides.end(override_id, by=by)

    def learned(self) -> LearnedViews:
        """As :meth:`hems.ports.House.learned`."""
        return self.learning.views()

    async def decide_learned(self, key: str, *, use: bool, by: str) -> LearnedView:
        """As :meth:`hems.ports.House.decide_learned`."""
        return await self.learning.decide(key, use=use, by=by)

    def close_record(self) -> None:
        """Close what is open, at a clean stop."""
        if self._last is None:
            return
        if self.operator is not None:
            self.operator.close(self._last.now)
        at = self._last.now.at
        lasting = {key: each for key, each in self._state.episodes.items() if each.opened_at < at}
        self._closed += [episodes.close(key, each, at) for key, each in lasting.items()]
        self._record_episodes(self._last.now.mono_s)
        if (chunk := self._seconds.take()) is not None:
            self._recorder.seconds(chunk)

    def now(self) -> Now:
        """Both clocks, and whether the wall's can be trusted."""
        clock = self._clock
        return Now(at=clock.now(), mono_s=clock.monotonic_s(), wall_trusted=clock.wall_is_trusted())

    def _note(self, result: TickResult, now: Now) -> None:
        """Everything that is recorded of a tick; the disk does it later."""
        for event in result.events:
            _log_event(event, self.site)
        if self.operator is not None:
            self.operator.note(result.estimate, now)
        self._closed.extend(result.episodes)
        if now.mono_s - self._recorded_mono_s >= RECORD_EVERY_S:
            self._record_episodes(now.mono_s)
        seen = result.estimate
        values: dict[str, float | None] = {GRID: None if seen.grid is None else seen.grid.power_w}
        values |= {f"{device.id}_w": seen.power_w(device.id) for device in self.site.controllables}
        values |= {f"{command.device_id}_told_w": result.state.told_power_w.get(command.device_id)
                   for command in result.commands}  # fmt: skip
        if now.wall_trusted and (chunk := self._seconds.add(now.at, values)) is not None:
            self._recorder.seconds(chunk)
        held_back = frozenset(
            command.device_id
            for command in result.commands
            if isinstance(command.action, ProductionLimit) and command.action.production_power_max_w is not None
        )
        slot = self._slots.tick(seen, now, held_back=held_back)
        if slot is not None:
            slot = replace(
                slot,
                ghi_wm2=self._knowing.expected_ghi_wm2(slot.start_at),
                outdoor_c=self._knowing.expected_outdoor_c(slot.start_at),
            )
            self._knowing.slot(slot)
            self._recorder.slot(slot)
        minute = self._minutes.tick(seen, now)
        if minute is not None:
            self._minute(minute.start_at, minute.grid_power_w, result, now)

    def _record_episodes(self, mono_s: float) -> None:
        self._recorder.episodes(self._closed)
        self._closed, self._recorded_mono_s = [], mono_s

    def _minute(self, start_at: datetime, grid_power_w: float | None, result: TickResult, now: Now) -> None:
        self._minute_seq += 1
        minute = TelemetryMinute(
            boot=self._boot,
            seq=self._minute_seq,
            start_at=start_at,
            grid_power_w=None if grid_power_w is None else round(grid_power_w, 1),
            setpoint_w=self.flex.setpoint_w(start_at),
            mode=result.state.mode.value,
        )
        self._recorder.minute(minute)
        self.on_progress(self.flex.minute(minute, now))

    def _refresh_envelope(self, *, soon: bool = False) -> None:
        if (last := self._last) is not None:
            seen, overrides = last.result.estimate, last.asked.overrides
            self.flex.refresh(self._state, seen, self._planned, self.limits, overrides, last.now, soon=soon)

    def _watch_cars(self, result: TickResult, now: Now) -> None:
        """A car that came or went is news for the plan, as one that has lost its place in it; it ends its override."""
        chargers = result.estimate.chargers
        changed = self._cars.see(chargers, now.at, is_dated=now.wall_trusted)
        for device_id, session in changed.items():
            self._book_session(device_id, session)
        carless = frozenset(each for each, values in chargers.items() if values.car is CarState.ABSENT)
        ended = self.overrides.forget_ended(now, carless)
        if ended:
            self._recorder.later(partial(self.overrides.erase, ended))
        unplanned = now.mono_s in result.state.unplanned_since_mono_s.values()
        if changed or ended or unplanned:
            self.planner.wake()

    def _book_session(self, device_id: DeviceId, ended: ChargingSession | None) -> None:
        """A stay that ended goes to what is known and to the disk, one that began to the disk."""
        if ended is not None:
            self._knowing.session(device_id, ended)
            self._recorder.session(
                CarSession(
                    device_id=device_id,
                    plugged_at=ended.plugged_at,
                    unplugged_at=ended.unplugged_at,
                    energy_wh=ended.energy_wh,
                    was_full=ended.was_full,
                )
            )
        here = self._cars.present.get(device_id)
        if here is not None and here.is_dated:
            self._recorder.session(
                CarSession(device_id=device_id, plugged_at=here.plugged_at, unplugged_at=None, energy_wh=here.energy_wh)
            )


def _log_event(event: Event, site: Site) -> None:
    log.log(logging.WARNING if is_trouble(event) else logging.INFO, "%s", event_line(event, site))
