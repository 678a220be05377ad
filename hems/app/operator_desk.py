"""The grid operator's limits: taken, kept across restarts, handed to every tick, written down as he may ask for it."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from hems.app.shelf import Shelf
from hems.control import operator as machine
from hems.control.estimate import Estimate
from hems.control.operator import OperatorLine
from hems.domain.command import Authority, Limit
from hems.domain.operator import GridOperator, KeptLimit, LimitPeriod, LimitState, LimitWrite, OperatorControl, Way
from hems.domain.snapshot import OperatorLimit, OperatorStatus
from hems.domain.time import Now
from hems.ports import Clock, Offload

log = logging.getLogger(__name__)

FOLLOW_S = 10.0
"""Devices follow a new limit within this time; what is above it meanwhile is no breach [s]."""
TOLERANCE_W = 100.0
"""Of meters and converters: above a limit is what is more than this above it."""
MINUTE_S = 60.0
WRITTEN_EVERY_S = 900.0
"""A crash costs the record of a long limit its last quarter hour."""

NOT_STORED = "it holds, but the disk does not take it now: it would not survive a restart; send it again"


class OperatorDesk:
    """Implements :class:`hems.ports.LimitInbox`.

    Args:
        operator: what he may limit.
        shelf: limits in force, by way.
        offload: the store's thread.
        clock: of the house.
        changed: called with each new or ended limit.
        record: called with each period under a limit, when it begins, each quarter hour, and when it ends.
    """

    def __init__(
        self,
        operator: GridOperator,
        shelf: Shelf[KeptLimit],
        *,
        offload: Offload,
        clock: Clock,
        changed: Callable[[], None],
        record: Callable[[LimitPeriod], None],
    ) -> None:
        self.operator = operator
        self._shelf = shelf
        self._offload = offload
        self._clock = clock
        self._changed = changed
        self._record = record
        self._lines = {each.way: self._started(each) for each in operator.controls}
        self._kept = dict(shelf.all())
        self._watches = {each.way: _Watch(control=each) for each in operator.controls}

    def heartbeat(self) -> None:
        """As :meth:`hems.ports.LimitInbox.heartbeat`."""
        mono_s = self._clock.monotonic_s()
        self._lines = {way: machine.heartbeat(line, mono_s) for way, line in self._lines.items()}

    async def write(self, way: Way, wanted: LimitWrite) -> str | None:
        """As :meth:`hems.ports.LimitInbox.write`: it holds from the next tick on, whether or not the disk takes it."""
        line = self._lines.get(way)
        if line is None:
            return f"{way} is not the operator's to limit in this house"
        after, refusal = machine.write(line, wanted, self._clock.monotonic_s())
        self._lines[way] = after
        if refusal is not None:
            return refusal.value
        if after.limit_w != line.limit_w:
            self._changed()
        kept = self._kept_of(after)
        if self._kept.get(way) == kept:
            return None
        if not await self._offload(partial(self._store, way, kept)):
            return NOT_STORED
        return None

    def limits(self, now: Now) -> tuple[Limit, ...]:
        """What holds at this tick."""
        before = [line.limit_w for line in self._lines.values()]
        self._lines = {way: machine.passed(line, now.mono_s) for way, line in self._lines.items()}
        if before != [line.limit_w for line in self._lines.values()]:
            self._changed()
        return tuple(
            _limit(self.operator.name, line, self.ends_at(line, now))
            for line in self._lines.values()
            if line.limit_w is not None
        )

    def status(self, now: Now) -> OperatorStatus:
        """For page and API."""
        return OperatorStatus(
            name=self.operator.name,
            limits=tuple(
                OperatorLimit(
                    way=way,
                    covers=tuple(sorted(line.control.dims or ())),
                    state=line.state,
                    limit_w=line.limit_w,
                    until_at=self.ends_at(line, now),
                )
                for way, line in self._lines.items()
            ),
        )

    def lines(self) -> tuple[OperatorLine, ...]:
        """Where each way stands."""
        return tuple(self._lines.values())

    def ends_at(self, line: OperatorLine, now: Now) -> datetime | None:
        """When a limit ends by itself; None where it does not, or the clock cannot tell."""
        if line.ends_mono_s is None or not now.wall_trusted:
            return None
        return now.at + timedelta(seconds=line.ends_mono_s - now.mono_s)

    def note(self, seen: Estimate, now: Now) -> None:
        """Write down what a tick measured of each limit."""
        for way, line in self._lines.items():
            for period in self._watches[way].tick(line, seen, now):
                self._record(period)

    def close(self, now: Now) -> None:
        """End what is open in the record, at a clean stop."""
        for watch in self._watches.values():
            if (period := watch.so_far(now.at)) is not None:
                self._record(period)

    def _started(self, control: OperatorControl) -> OperatorLine:
        kept = self._shelf.all().get(control.way)
        mono_s = self._clock.monotonic_s()
        if kept is None:
            return machine.start(control, mono_s)
        if kept.until_at is None or not self._clock.wall_is_trusted():
            return machine.start(control, mono_s, kept_w=kept.limit_w)
        left_s = (kept.until_at - self._clock.now()).total_seconds()
        if left_s <= 0:
            return machine.start(control, mono_s)
        return machine.start(control, mono_s, kept_w=kept.limit_w, left_s=left_s)

    def _kept_of(self, line: OperatorLine) -> KeptLimit | None:
        if line.written_w is None:
            return None
        until_at = None
        if line.ends_mono_s is not None and self._clock.wall_is_trusted():
            left_s = line.ends_mono_s - self._clock.monotonic_s()
            until_at = _next_minute(self._clock.now() + timedelta(seconds=left_s))
        return KeptLimit(limit_w=line.written_w, until_at=until_at)

    def _store(self, way: Way, kept: KeptLimit | None) -> bool:
        """In the store's thread. A limit that is not stored goes on in memory."""
        stored = self._shelf.remove(way) if kept is None else self._shelf.put(way, kept)
        if stored and kept is None:
            self._kept.pop(way, None)
        elif stored and kept is not None:
            self._kept[way] = kept
        return stored


def _next_minute(at: datetime) -> datetime:
    """Not earlier. A box that says "for a quarter of an hour" each second costs the disk a write a minute then."""
    return datetime.fromtimestamp(math.ceil(at.timestamp() / MINUTE_S) * MINUTE_S, tz=UTC)


def _limit(source: str, line: OperatorLine, until_at: datetime | None) -> Limit:
    control = line.control
    limit = Limit(authority=Authority.OPERATOR, source=source, until_at=until_at)
    if control.way is Way.PRODUCTION:
        return replace(limit, export_power_max_w=line.limit_w)
    if control.dims is None:
        return replace(limit, import_power_max_w=line.limit_w)
    return replace(limit, dimmed_power_max_w=line.limit_w, dims=control.dims)


@dataclass(slots=True, kw_only=True)
class _Watch:
    """The period under way of one way, with what was measured in it."""

    control: OperatorControl
    period: LimitPeriod | None = None
    began_mono_s: float = 0.0
    written_mono_s: float = 0.0
    before_mono_s: float | None = None
    energy_ws: float = 0.0
    known_s: float = 0.0
    above_s: float = 0.0
    minute_ws: float = 0.0
    minute_s: float = 0.0
    high_w: float | None = None

    def tick(self, line: OperatorLine, seen: Estimate, now: Now) -> list[LimitPeriod]:
        """What is to be written after a tick."""
        found: list[LimitPeriod] = []
        under_way = self.period
        if under_way is None or (under_way.state, under_way.written_w, under_way.limit_w) != _terms(line):
            found += self._ended(now)
            if line.limit_w is not None and now.wall_trusted:
                found.append(self._began(line, now))
        else:
            gap_s = 0.0 if self.before_mono_s is None else now.mono_s - self.before_mono_s
            self._measure(counted_w(self.control, seen), gap_s, now.mono_s, under_way.limit_w)
            if now.mono_s - self.written_mono_s >= WRITTEN_EVERY_S and (lasting := self.so_far(now.at)) is not None:
                found.append(lasting)
                self.written_mono_s = now.mono_s
        self.before_mono_s = now.mono_s
        return found

    def so_far(self, at: datetime) -> LimitPeriod | None:
        """The period under way, as it would be if it ended now."""
        if self.period is None:
            return None
        return replace(
            self.period,
            until_at=max(at, self.period.started_at),
            mean_w=round(self.energy_ws / self.known_s, 1) if self.known_s > 0 else None,
            high_w=None if self.high_w is None else round(self.high_w, 1),
            above_s=round(self.above_s, 1),
        )

    def _ended(self, now: Now) -> list[LimitPeriod]:
        self._end_minute()
        closed = self.so_far(now.at)
        self.period = None
        return [] if closed is None else [closed]

    def _began(self, line: OperatorLine, now: Now) -> LimitPeriod:
        assert line.limit_w is not None
        self.period = LimitPeriod(
            way=line.control.way,
            state=line.state,
            started_at=now.at,
            until_at=now.at,
            written_w=line.written_w,
            limit_w=line.limit_w,
        )
        self.began_mono_s, self.written_mono_s, self.high_w = now.mono_s, now.mono_s, None
        self.energy_ws = self.known_s = self.above_s = self.minute_ws = self.minute_s = 0.0
        return self.period

    def _measure(self, power_w: float | None, gap_s: float, mono_s: float, limit_w: float) -> None:
        if power_w is None:
            return
        self.energy_ws += power_w * gap_s
        self.known_s += gap_s
        if mono_s - self.began_mono_s > FOLLOW_S and power_w > limit_w + TOLERANCE_W:
            self.above_s += gap_s
        self.minute_ws += power_w * gap_s
        self.minute_s += gap_s
        if self.minute_s >= MINUTE_S:
            self._end_minute()

    def _end_minute(self) -> None:
        if self.minute_s > 0:
            mean_w = self.minute_ws / self.minute_s
            self.high_w = mean_w if self.high_w is None else max(self.high_w, mean_w)
        self.minute_ws = self.minute_s = 0.0


def _terms(line: OperatorLine) -> tuple[LimitState, float | None, float | None]:
    return line.state, line.written_w, line.limit_w


def counted_w(control: OperatorControl, seen: Estimate) -> float | None:
    """Power that a limit counts [W, >= 0]; None where it is not measured.

    Of what the house buys, the dimmed devices cause as much as they draw, at most.
    """
    if seen.grid is None:
        return None
    grid_w = seen.grid.power_w
    if control.way is Way.PRODUCTION:
        return max(0.0, -grid_w)
    if control.dims is None:
        return max(0.0, grid_w)
    drawn_w = 0.0
    for device_id in control.dims:
        power_w = seen.power_w(device_id)
        if power_w is None:
            return max(0.0, grid_w)
        drawn_w += max(0.0, power_w)
    return max(0.0, min(grid_w, drawn_w))
