"""What a forecast has to do without, told from what was measured."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from hems.domain.forecast import Degraded
from hems.domain.time import SlotGrid
from hems.forecast.series import local_offset_s
from hems.learning.wall import WallSeries, wall_positions

SHORT_DAYS = 7
LOOKED_AT_DAYS = 28
GAPS_RATIO = 0.1
"""Tolerated part of what is missing over four weeks."""
SILENT_S = 3600
UNUSUAL_RATIO = 0.6
"""A day below this part of the usual one, or above its inverse; the usual one is the median of two weeks. On home A one
day in four of spring, one in ten of autumn: each absence and each return, and turns of the weather."""
USUAL_DAYS = 14


def missing_of_measured(
    seen: WallSeries, *, grid: SlotGrid, issued_at: datetime, zone: ZoneInfo, habit: bool = True
) -> tuple[Degraded, ...]:
    """Which of the conditions hold that a series of measurements can show, in a fixed order.

    ``seen`` is on the wall clock of ``zone``, or of UTC for what has no ``habit``: the sun.
    """
    known = seen.known()
    if not len(known):
        return (Degraded.NO_HISTORY,)
    per_day = seen.per_day
    slots_per_silence = max(1, SILENT_S // grid.slot_s)
    now = int(wall_positions(issued_at, 1, slot_s=grid.slot_s, zone=zone if habit else UTC)[0])
    measured_days = (now - seen.first) / per_day
    looked_at = seen.at(np.arange(max(seen.first, now - LOOKED_AT_DAYS * per_day), now, dtype=np.int64))
    last_hour = seen.at(np.arange(now - slots_per_silence, now, dtype=np.int64))
    conditions = {
        Degraded.SHORT_HISTORY: measured_days < SHORT_DAYS,
        Degraded.GAPS: bool(np.isnan(looked_at).mean() > GAPS_RATIO) if len(looked_at) else True,
        Degraded.SILENT: bool(np.isnan(last_hour).all()),
        Degraded.UNUSUAL_DAY: habit and _is_unusual(seen, now),
        Degraded.CLOCK_CHANGE: local_offset_s(grid.start_at, zone) != local_offset_s(grid.end_at, zone),
    }
    return tuple(condition for condition, holds in conditions.items() if holds)


def _is_unusual(seen: WallSeries, now: int) -> bool:
    """Whether the last 24 hours were far below or above the days before."""
    days = now - seen.per_day * np.arange(1, USUAL_DAYS + 2, dtype=np.int64)
    values = seen.at(days[:, None] + np.arange(seen.per_day, dtype=np.int64))
    measured = ~np.isnan(values)
    counted = measured.sum(axis=1)
    enough = 2 * counted > seen.per_day
    means = np.where(measured, values, 0.0).sum(axis=1) / np.maximum(counted, 1)
    before = means[1:][enough[1:]]
    if not enough[0] or not len(before):
        return False
    usual = float(np.median(before))
    return not UNUSUAL_RATIO * usual <= float(means[0]) <= usual / UNUSUAL_RATIO
