"""Measured series on the wall clock, as arrays.

A wall position counts slots of the local clock since 1970, as in ``hems.forecast.series``: the same time of another day
lies a whole number of days away, also across a change of the clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from hems.domain.forecast import QUANTILE_LEVELS, SlotHistory
from hems.domain.time import SlotGrid, from_unix_s, unix_s
from hems.forecast.series import DAY_S, THURSDAY, local_offset_s

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WallSeries:
    """Values by wall position, nan where nothing is known; the mean of both where an hour was lived twice."""

    first: int
    per_day: int
    values: FloatArray

    def at(self, positions: IntArray) -> FloatArray:
        """Values at wall positions of any shape, nan outside."""
        index = positions - self.first
        known = (index >= 0) & (index < len(self.values))
        found = np.full(positions.shape, np.nan)
        found[known] = self.values[index[known]]
        return found

    def known(self) -> FloatArray:
        """All values that are known, oldest first."""
        return self.values[~np.isnan(self.values)]


def wall_positions(start_at: datetime, count: int, *, slot_s: int, zone: tzinfo) -> IntArray:
    """Wall position of each of ``count`` slots.

    Raises:
        ValueError: slots do not divide the day.
    """
    if DAY_S % slot_s:
        raise ValueError(f"slots of {slot_s} s do not divide a day")
    start_s = round(unix_s(start_at))
    begins_s = start_s + slot_s * np.arange(count, dtype=np.int64)
    return (begins_s + _offsets_s(start_s, count, slot_s, zone)) // slot_s


def _offsets_s(start_s: int, count: int, slot_s: int, zone: tzinfo) -> IntArray:
    """Local time minus UTC per slot: looked up once a day, and at every slot of a day on which it changes."""
    per_day = DAY_S // slot_s
    firsts = [*range(0, count, per_day), count]
    at_first = [local_offset_s(from_unix_s(start_s + index * slot_s), zone) for index in firsts]
    offsets = np.empty(count, dtype=np.int64)
    for day, first in enumerate(firsts[:-1]):
        end = firsts[day + 1]
        if at_first[day] == at_first[day + 1]:
            offsets[first:end] = at_first[day]
        else:
            offsets[first:end] = [local_offset_s(from_unix_s(start_s + i * slot_s), zone) for i in range(first, end)]
    return offsets


def measured_before(history: SlotHistory, *, until_at: datetime, zone: tzinfo, days: int) -> WallSeries:
    """What slots that ended by ``until_at`` measured over the last ``days`` days; nothing later is looked at."""
    slot_s, per_day = history.slot_s, DAY_S // history.slot_s
    ended = int((until_at - history.start_at) / timedelta(seconds=slot_s))
    stop = min(max(ended, 0), len(history.mean_w))
    skipped = max(0, stop - days * per_day)
    if stop == skipped:
        return WallSeries(first=0, per_day=per_day, values=np.empty(0))
    start_at = history.start_at + timedelta(seconds=skipped * slot_s)
    positions = wall_positions(start_at, stop - skipped, slot_s=slot_s, zone=zone)
    return _gathered(positions, as_array(history.mean_w[skipped:stop]), per_day=per_day)


def _gathered(positions: IntArray, values: FloatArray, *, per_day: int) -> WallSeries:
    first = int(positions.min())
    known = ~np.isnan(values)
    size = int(positions.max()) - first + 1
    index = positions[known] - first
    counts = np.bincount(index, minlength=size)
    sums = np.bincount(index, weights=values[known], minlength=size)
    wall = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return WallSeries(first=first, per_day=per_day, values=wall)


def as_array(values: Sequence[float | None]) -> FloatArray:
    """Values as an array, nan where there is none."""
    return np.array(values, dtype=np.float64)


def grid_positions(grid: SlotGrid, zone: tzinfo) -> IntArray:
    """Wall position of each slot of a grid."""
    return wall_positions(grid.start_at, grid.count, slot_s=grid.slot_s, zone=zone)


def is_weekend(positions: IntArray, per_day: int) -> NDArray[np.bool_]:
    """Whether wall positions lie on a Saturday or Sunday."""
    return (positions // per_day + THURSDAY) % 7 >= 5


def weighted_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean along the last axis of what is known (not nan), nan without weight."""
    known = ~np.isnan(values)
    weight = np.where(known, weights, 0.0)
    total = weight.sum(axis=-1)
    summed = (weight * np.where(known, values, 0.0)).sum(axis=-1)
    return np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan)


def weighted_quantiles(values: FloatArray, weights: FloatArray, levels: Sequence[float]) -> FloatArray:
    """For each row and level the smallest value that at least this share of the weight does not exceed.

    Args:
        values: one row per distribution, nan where unknown.
        weights: of the same shape, > 0.
        levels: 0..1.

    Returns:
        One row per distribution, one column per level; nan where nothing is known.
    """
    weight = np.where(np.isnan(values), 0.0, weights)
    order = np.argsort(values, axis=1)  # nan last
    ordered = np.take_along_axis(values, order, axis=1)
    reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    rows = np.arange(len(values))
    wanted = [reached[:, -1:] * level * (1 - 1e-12) for level in levels]
    return np.stack([ordered[rows, np.argmax(reached >= each, axis=1)] for each in wanted], axis=1)


def with_median(quantiles_w: FloatArray, median_w: FloatArray) -> None:
    """Take a better estimate of each slot's median into its quantiles (columns, ``QUANTILE_LEVELS``), in their order.

    Bands are taken from hours of values, which say how wide a slot is and little of where its middle lies.
    """
    at = QUANTILE_LEVELS.index(0.5)
    quantiles_w[:, at] = np.clip(median_w, quantiles_w[:, at - 1], quantiles_w[:, at + 1])
