"""Instants, slots and civil days. No clock: every function is given its time.

Slots are half-open UTC intervals. Local time exists only in the functions that name a zone.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SLOT_S = 900
"""Market time unit of the European day-ahead market, and the slot of every wire and record [s]."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
"""Clocks change at whole minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One moment, in both kinds of time.

    ``mono_s`` never steps: leases, staleness and the guard use it alone. ``at`` is for prices, plans and
    records, and counts only while ``wall_trusted``: a Pi has no battery-backed clock.
    """

    at: datetime
    mono_s: float
    wall_trusted: bool

    def __post_init__(self) -> None:
        require_utc(self.at)


def require_utc(at: datetime) -> datetime:
    """The same instant, or ValueError if it is naive or not UTC."""
    if at.tzinfo is not UTC and at.utcoffset() != timedelta(0):
        raise ValueError(f"instants are aware UTC, got {at.isoformat()}")
    return at


def unix_s(at: datetime) -> float:
    """Seconds since 1970, exact to the microsecond."""
    return (at - EPOCH) / timedelta(seconds=1)


def from_unix_s(seconds: float) -> datetime:
    """Inverse of :func:`unix_s`."""
    return EPOCH + timedelta(seconds=seconds)


def floor_to(at: datetime, step_s: int) -> datetime:
    """Latest multiple of ``step_s`` since 1970 (UTC) that is not after ``at``."""
    return from_unix_s(math.floor(unix_s(require_utc(at)) / step_s) * step_s)


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Start of a civil day, in UTC. Where midnight does not exist, the first instant after the gap."""
    return datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """Civil date at an instant."""
    return at.astimezone(zone).date()


def time_of_day_s(at: datetime, zone: ZoneInfo) -> int:
    """Seconds on the wall clock of the zone, 0..86399: the same label on days of 23, 24 and 25 hours."""
    local = at.astimezone(zone)
    return local.hour * 3600 + local.minute * 60 + local.second


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Half-open span ``[start_at, end_at)``."""

    start_at: datetime
    end_at: datetime

    def __post_init__(self) -> None:
        if require_utc(self.end_at) <= require_utc(self.start_at):
            raise ValueError(f"empty interval: {self.start_at.isoformat()} .. {self.end_at.isoformat()}")

    def __contains__(self, at: datetime) -> bool:
        return self.start_at <= at < self.end_at

    @property
    def duration_s(self) -> float:
        """Length [s]."""
        return (self.end_at - self.start_at) / timedelta(seconds=1)


def civil_day(day: date, zone: ZoneInfo) -> Interval:
    """The 23, 24 or 25 hours between two local midnights."""
    return Interval(start_at=local_midnight(day, zone), end_at=local_midnight(day + timedelta(days=1), zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotGrid:
    """``count`` equal slots from ``start_at`` on."""

    start_at: datetime
    count: int
    slot_s: int = SLOT_S

    def __post_init__(self) -> None:
        require_utc(self.start_at)
        if self.count < 1 or self.slot_s < 1:
            raise ValueError(f"a slot grid needs slots, got {self.count} of {self.slot_s} s")

    @property
    def slot_h(self) -> float:
        """Length of one slot [h]: Wh = W * slot_h."""
        return self.slot_s / 3600

    @property
    def end_at(self) -> datetime:
        """First instant after the last slot."""
        return self.slot_start(self.count)

    def slot_start(self, index: int) -> datetime:
        """Start of a slot; ``index == count`` gives the end of the grid."""
        return self.start_at + timedelta(seconds=index * self.slot_s)

    def index_at(self, at: datetime) -> int | None:
        """Slot that contains an instant, None outside the grid."""
        index = math.floor((at - self.start_at) / timedelta(seconds=self.slot_s))
        return index if 0 <= index < self.count else None

    def whole_slots_before(self, at: datetime) -> int:
        """How many slots have ended by ``at``, 0..count. Deadlines round down: never later than asked."""
        ended = math.floor((at - self.start_at) / timedelta(seconds=self.slot_s))
        return min(max(ended, 0), self.count)

    def starts(self) -> Iterator[datetime]:
        """Start of each slot."""
        return (self.slot_start(index) for index in range(self.count))


def next_local_time(at: datetime, time_of_day_s: int, zone: ZoneInfo) -> datetime:
    """First instant after ``at`` at which a local time of day begins: it does so once a day.

    Where clocks jump over it in spring, at the end of the gap; where they show it twice in autumn, the first time.
    """
    hours, seconds = divmod(time_of_day_s, 3600)
    wall = time(hours, seconds // 60, seconds % 60)
    for days in range(3):
        candidate = _first_shown(datetime.combine(local_day(at, zone) + timedelta(days=days), wall), zone)
        if candidate > at:
            return candidate
    raise AssertionError("every local day has its times")


def _first_shown(wall: datetime, zone: ZoneInfo) -> datetime:
    """First instant at which local clocks show this, or jump over it."""
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    before = at - MINUTE  # in a gap, an instant is as far behind its end as its wall time is behind its begin
    while before.astimezone(zone).replace(tzinfo=None) > wall:
        at, before = before, before - MINUTE
    return at
