"""Measured series on the wall clock, and the weighted averages that all forecasts here are made of.

A wall position counts slots of the local clock since 1970: ``local day number * slots per day + slot of the day``.
The same time of another day lies a whole number of days away, also across a change of the clock: on a day of
92 slots four positions are never visited, on a day of 100 slots four are visited twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from hems.domain.forecast import SlotHistory
from hems.domain.time import SlotGrid, from_unix_s, unix_s

DAY_S = 86_400
THURSDAY = 3
"""Weekday of 1970-01-01, Monday is 0."""

Sample = tuple[float, float]
"""A value and its weight, > 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WallSeries:
    """Values by wall position, None where nothing is known; the mean of both where an hour was lived twice."""

    first: int
    per_day: int
    values: Sequence[float | None]

    def at(self, position: int) -> float | None:
        """Value at a wall position, None outside."""
        index = position - self.first
        return self.values[index] if 0 <= index < len(self.values) else None

    def known(self) -> list[float]:
        """All values that are known, oldest first."""
        return [value for value in self.values if value is not None]


def local_offset_s(at: datetime, zone: tzinfo) -> int:
    """Local time minus UTC at an instant."""
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None, "an aware instant has an offset"
    return round(offset / timedelta(seconds=1))


def wall_positions(grid: SlotGrid, zone: tzinfo) -> list[int]:
    """Wall position of each slot.

    The offset of the zone is looked up twice per day, and at every slot of a day on which it changes: looking it up for
    each of the 2,900 slots of a load forecast would take longer than the forecast.

    Raises:
        ValueError: slots do not divide the day.
    """
    slot_s = grid.slot_s
    if DAY_S % slot_s:
        raise ValueError(f"slots of {slot_s} s do not divide a day")
    start_s = round(unix_s(grid.start_at))

    def position(index: int, offset_s: int) -> int:
        return (start_s + index * slot_s + offset_s) // slot_s

    def offset_s(index: int) -> int:
        return local_offset_s(from_unix_s(start_s + index * slot_s), zone)

    positions: list[int] = []
    per_day = DAY_S // slot_s
    for first in range(0, grid.count, per_day):
        chunk = range(first, min(first + per_day, grid.count))
        before_s, after_s = offset_s(chunk[0]), offset_s(chunk[-1])
        if before_s == after_s:
            start = position(first, before_s)
            positions.extend(range(start, start + len(chunk)))
        else:
            positions.extend(position(index, offset_s(index)) for index in chunk)
    return positions


def is_weekend(position: int, per_day: int) -> bool:
    """Whether a wall position lies on a Saturday or Sunday."""
    return (position // per_day + THURSDAY) % 7 >= 5


def on_wall_clock(
    values: Sequence[float | None], *, start_at: datetime, slot_s: int, zone: tzinfo, count: int | None = None
) -> WallSeries:
    """The first ``count`` values (default: all) by wall position."""
    known_count = len(values) if count is None else min(count, len(values))
    per_day = DAY_S // slot_s
    if known_count <= 0:
        return WallSeries(first=0, per_day=per_day, values=())
    positions = wall_positions(SlotGrid(start_at=start_at, count=known_count, slot_s=slot_s), zone)
    first, last = min(positions[:per_day]), max(positions[-per_day:])
    wall: list[float | None] = [None] * (last - first + 1)
    for position, value in zip(positions, values, strict=False):
        if value is not None:
            earlier = wall[position - first]
            wall[position - first] = value if earlier is None else (earlier + value) / 2
    return WallSeries(first=first, per_day=per_day, values=wall)


def measured_before(history: SlotHistory, *, until_at: datetime, zone: tzinfo, days: int) -> WallSeries:
    """What slots that ended by ``until_at`` measured over the last ``days`` days; nothing later is looked at."""
    ended = int((until_at - history.start_at) / timedelta(seconds=history.slot_s))
    stop = min(max(ended, 0), len(history.mean_w))
    skipped = max(0, stop - days * DAY_S // history.slot_s)
    return on_wall_clock(
        history.mean_w[skipped:stop],
        start_at=history.start_at + timedelta(seconds=skipped * history.slot_s),
        slot_s=history.slot_s,
        zone=zone,
    )


def require_same_slots(history_slot_s: int, grid: SlotGrid) -> None:
    """ValueError unless history and grid have slots of the same length."""
    if history_slot_s != grid.slot_s:
        raise ValueError(f"history has slots of {history_slot_s} s, the grid of {grid.slot_s} s")


def same_time_samples(series: WallSeries, position: int, weights: Sequence[float]) -> list[Sample]:
    """Values at the same time of earlier days; ``weights[k]`` belongs to ``k + 1`` days before."""
    samples: list[Sample] = []
    source = position - series.first
    for weight in weights:
        source -= series.per_day
        if source < 0:
            break
        if source < len(series.values):
            value = series.values[source]
            if value is not None:
                samples.append((value, weight))
    return samples


def weighted_mean(samples: Iterable[Sample]) -> float | None:
    """Mean, None without weight."""
    total = weight_sum = 0.0
    for value, weight in samples:
        total += value * weight
        weight_sum += weight
    return total / weight_sum if weight_sum > 0 else None


def weighted_quantiles(samples: Iterable[Sample], levels: Sequence[float]) -> list[float]:
    """For each rising level the smallest value that at least this share of the weight does not exceed.

    Raises:
        ValueError: no samples.
    """
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("quantiles of nothing")
    total = sum(weight for _, weight in ordered)
    results: list[float] = []
    index, reached = 0, ordered[0][1]
    for level in levels:
        while reached < level * total * (1 - 1e-12) and index + 1 < len(ordered):
            index += 1
            reached += ordered[index][1]
        results.append(ordered[index][0])
    return results
