"""What the sun will give: the last weeks at the same time of day, corrected by how clear it is now.

Without a weather forecast two things are known of tomorrow's sky: the season, and that skies persist. The expectation
is the weighted mean of the last four weeks at the same time of day; the ratio of what was produced to what was expected
corrects it, the last hour's ratio for some hours, the last day's for two days. The chosen constants gave the smallest
error over 2024-03 and 2024-06-15..10-31 of one measured plant (``benchmarks.forecast``).
"""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.time import SlotGrid
from hems.forecast.series import (
    Sample,
    WallSeries,
    measured_before,
    require_same_slots,
    same_time_samples,
    wall_positions,
    weighted_mean,
    weighted_quantiles,
)

DAYS = 28
AGE_DAYS = 10.0
"""A day's weight falls to 1/e in this time; 7 to 14 days are within 1 %."""

NOW_S = 3600.0
TODAY_S = 12 * 3600.0
LOOK_BACK_S = 24 * 3600
"""Memory of the two ratios of produced to expected: the sky of the last hour, and of the last day."""
NOW_FADE_S = 6 * 3600.0
TODAY_FADE_S = 48 * 3600.0
TODAY_SHARE_RATIO = 0.5
"""How far the ratios carry; a whole day carries half of its departure from the expectation to the next."""
FAINT_RATIO = 0.01
"""Of the plant's peak: light this faint says little about the sky, so the ratios lean to 1 by this much."""

NEIGHBOUR_S = 1800
"""The highest production at a time of day is looked for this far around it: clouds have gaps, and days get longer."""

TAIL_RATIO = 0.08
"""Quantiles of the past weeks taken for the 80 % band: nominal 84 %, because the same weeks made the mean."""
BAND_S = 3600
NARROWEST_RATIO = 0.55
WIDEN_S = 5400.0
"""The band of the next minutes is about half as wide as that of the climate, and grows to it in some hours."""
STRANGER_WEIGHT = 0.1
"""Weight of darkness and of the highest production in a band, against 1 for yesterday, while the history is short."""

DEFAULT_DAYLIGHT_HOURS = range(8, 18)
DEFAULT_MEAN_RATIO, DEFAULT_P90_RATIO = 0.2, 0.6
"""A plant nobody measured yet, of its peak by day: 730 kWh a year and kWp, and up to a clear day."""


def forecast_pv(
    history: SlotHistory, *, grid: SlotGrid, issued_at: datetime, zone: ZoneInfo, peak_w: float
) -> Forecast:
    """Production per slot, before any curtailment.

    Never above the plant's peak nor above the highest production seen around that time of day; 0 where none was seen.
    Without any measured value: 20 % of the peak from 08:00 to 18:00 local time with a band of 0 to 60 %.

    Args:
        history: measured production, >= 0 [W]; what did not end by ``issued_at`` is ignored. Slots in which
            production was held back belong in it as None.
        grid: slots to forecast, of the same length as those of the history; the first one is usually the slot of
            ``issued_at``.
        issued_at: what was known then is used.
        zone: the plant's local time.
        peak_w: nameplate peak, > 0 [W].

    Returns:
        Mean and 80 % band, finite and >= 0 [W].

    Raises:
        ValueError: slots of different lengths, slots that do not divide the day, or a peak that is not positive.
    """
    require_same_slots(history.slot_s, grid)
    if not peak_w > 0:
        raise ValueError(f"peak_w must be positive, got {peak_w}")
    seen = measured_before(history, until_at=issued_at, zone=zone, days=DAYS + 1)
    positions = wall_positions(grid, zone)
    if not seen.known():
        return _unknown_plant(positions, seen.per_day, grid=grid, issued_at=issued_at, peak_w=peak_w)
    weights = [math.exp(-lag / AGE_DAYS) for lag in range(1, DAYS + 1)]
    highest_w = _highest_by_time_of_day(seen, slot_s=grid.slot_s, peak_w=peak_w)
    samples = [same_time_samples(seen, position, weights) for position in positions]
    ceilings_w = [highest_w[position % seen.per_day] for position in positions]
    climate_w = [weighted_mean(each) or 0.0 for each in samples]
    now_ratio, today_ratio = _clearness(seen, positions[0], weights, slot_s=grid.slot_s, faint_w=FAINT_RATIO * peak_w)
    mean_w = tuple(
        min(ceiling_w, expected_w * _correction(now_ratio, today_ratio, lead_s=index * grid.slot_s))
        for index, (expected_w, ceiling_w) in enumerate(zip(climate_w, ceilings_w, strict=True))
    )
    low_w, high_w = _climate_bands(samples, ceilings_w, slots_per_band=max(1, BAND_S // grid.slot_s))
    return _with_band(mean_w, climate_w, low_w, high_w, ceilings_w, grid=grid, issued_at=issued_at)


def _unknown_plant(
    positions: Sequence[int], per_day: int, *, grid: SlotGrid, issued_at: datetime, peak_w: float
) -> Forecast:
    by_day = [position % per_day * 24 // per_day in DEFAULT_DAYLIGHT_HOURS for position in positions]
    return Forecast(
        issued_at=issued_at,
        grid=grid,
        mean_w=tuple(peak_w * DEFAULT_MEAN_RATIO if light else 0.0 for light in by_day),
        p10_w=(0.0,) * grid.count,
        p90_w=tuple(peak_w * DEFAULT_P90_RATIO if light else 0.0 for light in by_day),
    )


def _highest_by_time_of_day(seen: WallSeries, *, slot_s: int, peak_w: float) -> list[float]:
    """Highest production around each slot of the day, at most the peak [W]; where nothing was seen, the peak."""
    own: list[float | None] = [None] * seen.per_day
    for index, value in enumerate(seen.values):
        if value is not None:
            slot = (seen.first + index) % seen.per_day
            own[slot] = max(own[slot] or 0.0, value)
    reach = NEIGHBOUR_S // slot_s
    highest: list[float] = []
    for slot in range(seen.per_day):
        around = [own[(slot + shift) % seen.per_day] for shift in range(-reach, reach + 1)]
        highest.append(min(peak_w, max((value for value in around if value is not None), default=peak_w)))
    return highest


def _clearness(
    seen: WallSeries, now: int, weights: Sequence[float], *, slot_s: int, faint_w: float
) -> tuple[float, float]:
    """Produced over expected, >= 0: of the last hour or so, and of the last day; 1 where it was dark or unmeasured."""
    produced_now_w = expected_now_w = produced_today_w = expected_today_w = 0.0
    now_weights = today_weights = 0.0
    for back in range(1, LOOK_BACK_S // slot_s + 1):
        now_weight, today_weight = math.exp(-back * slot_s / NOW_S), math.exp(-back * slot_s / TODAY_S)
        now_weights += now_weight
        today_weights += today_weight
        produced_w = seen.at(now - back)
        expected_w = weighted_mean(same_time_samples(seen, now - back, weights))
        if produced_w is not None and expected_w is not None:
            produced_now_w += now_weight * produced_w
            expected_now_w += now_weight * expected_w
            produced_today_w += today_weight * produced_w
            expected_today_w += today_weight * expected_w
    return (
        (produced_now_w + now_weights * faint_w) / (expected_now_w + now_weights * faint_w),
        (produced_today_w + today_weights * faint_w) / (expected_today_w + today_weights * faint_w),
    )


def _correction(now_ratio: float, today_ratio: float, *, lead_s: float) -> float:
    """Factor on the expectation, from the last hour's sky to the last day's to none."""
    lasting = 1 + (today_ratio - 1) * TODAY_SHARE_RATIO * math.exp(-lead_s / TODAY_FADE_S)
    return lasting + (now_ratio - lasting) * math.exp(-lead_s / NOW_FADE_S)


def _climate_bands(
    samples: Sequence[Sequence[Sample]], ceilings_w: Sequence[float], *, slots_per_band: int
) -> tuple[list[float], list[float]]:
    """Lower and upper end of the central 80 % of the last weeks, as shares of the ceiling that slots have in common."""
    low_w: list[float] = []
    high_w: list[float] = []
    for first, end in pairwise([*range(0, len(samples), slots_per_band), len(samples)]):
        weight = STRANGER_WEIGHT * (end - first)
        shares = [(0.0, weight), (1.0, weight)]
        for index in range(first, end):
            ceiling_w = ceilings_w[index]
            if ceiling_w > 0:
                shares.extend((value / ceiling_w, sample_weight) for value, sample_weight in samples[index])
        low, high = weighted_quantiles(shares, (TAIL_RATIO, 1 - TAIL_RATIO))
        low_w.extend(low * ceilings_w[index] for index in range(first, end))
        high_w.extend(high * ceilings_w[index] for index in range(first, end))
    return low_w, high_w


def _with_band(
    mean_w: Sequence[float],
    climate_w: Sequence[float],
    low_w: Sequence[float],
    high_w: Sequence[float],
    ceilings_w: Sequence[float],
    *,
    grid: SlotGrid,
    issued_at: datetime,
) -> Forecast:
    """The climate's band moved to the corrected mean, narrower for the hours that the present sky tells about."""
    p10_w: list[float] = []
    p90_w: list[float] = []
    for index, mean in enumerate(mean_w):
        width_ratio = 1 - (1 - NARROWEST_RATIO) * math.exp(-index * grid.slot_s / WIDEN_S)
        below_w, above_w = climate_w[index] - low_w[index], high_w[index] - climate_w[index]
        p10_w.append(max(0.0, min(mean, mean - width_ratio * below_w)))
        p90_w.append(min(ceilings_w[index], max(mean, mean + width_ratio * above_w)))
    return Forecast(issued_at=issued_at, grid=grid, mean_w=tuple(mean_w), p10_w=tuple(p10_w), p90_w=tuple(p90_w))
