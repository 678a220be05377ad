"""What the sun will give: the last weeks at the same time of day, corrected by how clear it is now.

Without a weather forecast two things are known of tomorrow's sky: the season, and that skies persist. The expectation
is the weighted mean of the last four weeks at the same time of day (of UTC: the sun does not change its clock). The
ratio of what was produced to what was expected corrects it: that of the last hour for some hours, that of the last day
for two days. The chosen constants gave the smallest error over 2024-03 and 2024-06-15..10-31 of one measured plant
(``benchmarks.forecast``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.time import SlotGrid
from hems.forecast.series import (
    Sample,
    WallSeries,
    local_offset_s,
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

BAND_LEVELS = (0.04, 0.08, 0.5, 0.92, 0.96)
"""Quantiles of the past weeks taken for those of the forecast: further out, because the same weeks made the mean."""
BAND_S = 3600
NARROWEST_RATIO = 0.55
WIDEN_S = 5400.0
"""The band of the next minutes is about half as wide as that of the climate, and grows to it in some hours."""
STRANGER_WEIGHT = 0.1
"""Weight of darkness and of the highest production in a band, against 1 for yesterday, while the history is short."""

NOON_S = 13 * 3600
DAYLIGHT_S = 10 * 3600
DEFAULT_MEAN_RATIO = 0.2
"""Times of day that nobody measured yet: this part of the peak for five hours either side of 13:00, which makes 730 kWh
a year and kWp."""


def forecast_pv(
    history: SlotHistory, *, grid: SlotGrid, issued_at: datetime, zone: ZoneInfo, peak_w: float
) -> Forecast:
    """Production per slot, before any curtailment.

    Never above the plant's peak nor above the highest production seen around that time of day; 0 where none was seen.
    Times of day that were not measured yet: 20 % of the peak from 08:00 to 18:00 local time with a band up to the peak,
    darkness else.

    Args:
        history: measured production, >= 0 [W]; what did not end by ``issued_at`` is ignored. Slots in which
            production was held back belong in it as None.
        grid: slots to forecast, of the same length as those of the history; the first one is usually the slot of
            ``issued_at``.
        issued_at: what was known then is used.
        zone: the plant's local time, for times of day that were not measured yet.
        peak_w: nameplate peak, > 0 [W].

    Returns:
        Value to plan with and quantiles, finite and >= 0 [W].

    Raises:
        ValueError: slots of different lengths, slots that do not divide the day, or a peak that is not positive.
    """
    require_same_slots(history.slot_s, grid)
    if not peak_w > 0:
        raise ValueError(f"peak_w must be positive, got {peak_w}")
    seen = measured_before(history, until_at=issued_at, zone=UTC, days=DAYS + 1)
    positions = wall_positions(grid, UTC)
    weights = [math.exp(-lag / AGE_DAYS) for lag in range(1, DAYS + 1)]
    noon_slot = (NOON_S - local_offset_s(grid.start_at, zone)) // grid.slot_s
    highest_w = _highest_by_time_of_day(seen, noon_slot=noon_slot, slot_s=grid.slot_s, peak_w=peak_w)
    samples = [same_time_samples(seen, position, weights) for position in positions]
    ceilings_w = [highest_w[position % seen.per_day] for position in positions]
    means = [weighted_mean(each) for each in samples]
    climate_w = [
        DEFAULT_MEAN_RATIO * ceiling_w if mean is None else mean
        for mean, ceiling_w in zip(means, ceilings_w, strict=True)
    ]
    sky = _sky(seen, positions[0], weights, slot_s=grid.slot_s, faint_w=FAINT_RATIO * peak_w)
    mean_w = tuple(
        min(ceiling_w, expected_w * _correction(sky, lead_s=index * grid.slot_s))
        for index, (expected_w, ceiling_w) in enumerate(zip(climate_w, ceilings_w, strict=True))
    )
    bands_w = _climate_bands(samples, ceilings_w, slots_per_band=max(1, BAND_S // grid.slot_s))
    quantiles_w: list[list[float]] = []
    for index, mean in enumerate(mean_w):
        narrowing = (1 - NARROWEST_RATIO) * sky.sure_ratio * math.exp(-index * grid.slot_s / WIDEN_S)
        moved = [mean + (1 - narrowing) * (band_w - climate_w[index]) for band_w in bands_w[index]]
        quantiles_w.append([min(max(value, 0.0), ceilings_w[index]) for value in moved])
    return Forecast.of(mean_w, quantiles_w, grid=grid, issued_at=issued_at)


def _highest_by_time_of_day(seen: WallSeries, *, noon_slot: int, slot_s: int, peak_w: float) -> list[float]:
    """Highest production around each slot of the day, at most the peak [W]; unmeasured: the peak by day, 0 by night."""
    own: list[float | None] = [None] * seen.per_day
    for index, value in enumerate(seen.values):
        if value is not None:
            slot = (seen.first + index) % seen.per_day
            own[slot] = max(own[slot] or 0.0, value)
    reach = NEIGHBOUR_S // slot_s
    highest: list[float] = []
    for slot in range(seen.per_day):
        around = [own[(slot + shift) % seen.per_day] for shift in range(-reach, reach + 1)]
        from_noon = (slot - noon_slot + seen.per_day // 2) % seen.per_day - seen.per_day // 2
        daylight = -DAYLIGHT_S <= 2 * from_noon * slot_s < DAYLIGHT_S
        seen_w = max((value for value in around if value is not None), default=peak_w if daylight else 0.0)
        highest.append(min(peak_w, seen_w))
    return highest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sky:
    """How clear it has been: produced over expected, >= 0, 1 where it was dark or unmeasured."""

    now_ratio: float
    today_ratio: float
    sure_ratio: float
    """How much light the last hour had to tell by: 0 in the dark, towards 1 by day."""


def _sky(seen: WallSeries, now: int, weights: Sequence[float], *, slot_s: int, faint_w: float) -> _Sky:
    """Both ratios, leaning to 1 by what ``faint_w`` of light would say."""
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
    faint_now_w, faint_today_w = now_weights * faint_w, today_weights * faint_w
    return _Sky(
        now_ratio=(produced_now_w + faint_now_w) / (expected_now_w + faint_now_w),
        today_ratio=(produced_today_w + faint_today_w) / (expected_today_w + faint_today_w),
        sure_ratio=expected_now_w / (expected_now_w + faint_now_w),
    )


def _correction(sky: _Sky, *, lead_s: float) -> float:
    """Factor on the expectation, from the last hour's sky to the last day's to none."""
    lasting = 1 + (sky.today_ratio - 1) * TODAY_SHARE_RATIO * math.exp(-lead_s / TODAY_FADE_S)
    return lasting + (sky.now_ratio - lasting) * math.exp(-lead_s / NOW_FADE_S)


def _climate_bands(
    samples: Sequence[Sequence[Sample]], ceilings_w: Sequence[float], *, slots_per_band: int
) -> list[list[float]]:
    """Quantiles of the last weeks for each slot, as shares of the ceiling that slots of a band have in common."""
    bands_w: list[list[float]] = []
    for first, end in pairwise([*range(0, len(samples), slots_per_band), len(samples)]):
        weight = STRANGER_WEIGHT * (end - first)
        shares = [(0.0, weight), (1.0, weight)]
        for index in range(first, end):
            ceiling_w = ceilings_w[index]
            if ceiling_w > 0:
                shares.extend((value / ceiling_w, sample_weight) for value, sample_weight in samples[index])
        levels = weighted_quantiles(shares, BAND_LEVELS)
        bands_w.extend([level * ceilings_w[index] for level in levels] for index in range(first, end))
    return bands_w
