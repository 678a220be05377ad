"""What the house will consume: days like this one, at the same time of day.

Every past day speaks for the coming hours with a weight: recent days more than old ones, the same kind of day
(working day or weekend) more than the other, and above all days whose last twelve hours looked like ours. An empty
house thus predicts an empty house and an evening with the heating on the next hours of such evenings. The chosen
constants gave the smallest error over 2024-03 and 2024-06-15..10-31 of one measured home (``benchmarks.forecast``).

Tried and left out: outdoor temperature as a further likeness of days. With measured temperature of a station 200 km
away in place of a forecast it changed the day-ahead error of the electrically heated home by less than 1 % either way.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from hems.domain.forecast import QUANTILE_LEVELS, Degraded, Forecast, SlotHistory
from hems.domain.time import SlotGrid
from hems.forecast.series import (
    Sample,
    WallSeries,
    is_weekend,
    measured_before,
    require_same_slots,
    same_time_samples,
    wall_positions,
    weighted_mean,
    weighted_quantiles,
)

DAYS = 28
"""Days that speak; 56 gained nothing, 14 lost 3 % at one hour."""
AGE_DAYS = 7.0
"""A day's weight falls to 1/e in this time; 5 to 10 days are within 1 %."""
OTHER_KIND_RATIO = 0.3
"""Weight of a weekend for a working day and the reverse: of no account in the two homes at hand (1.0 to 0.3 are within
1 %), and for homes with weekly habits."""

LIKENESS_S = 12 * 3600
LIKENESS_FADE_S = 3 * 3600.0
"""Recent hours are compared, the last ones count most."""
STRICTNESS_NOW = 1.5
STRICTNESS_LATER = 6.0
LATER_S = 6 * 3600
"""A day this unlike [root of W, mean difference of roots] weighs 1/e: strict for the next minutes, mild from six hours
on, where likeness of the last hours says less and averaging over more days is worth more."""

MEDIAN_SHARE_RATIO = 0.5
"""Half mean, half median. Load has a long upper tail (3 kW for half an hour on some days): the mean pays for it in
every slot, the median ignores its energy. Half and half has 6 % less absolute error than the mean and runs 5 % low over
the months it was chosen on, the cheap side: in closed loop a load forecast 20 % too high cost 4 points of a plan's
value, one too low gained 1."""

CARRY_RATIO = 0.45
CARRY_SPAN_S = 1800
CARRY_FADE_S = 3000.0
"""What the last half hour had above or below its expectation goes on in part: 7 % less error in the first hour."""

BAND_S = 3600
"""Slots that share one band, so that it rests on several values per day."""
STRANGER_WEIGHT = 0.1
"""Weight of any time of any day in a band, against 1 for yesterday: it matters only while the history is short."""

DEFAULT_W = 400.0
DEFAULT_QUANTILES_W = (60.0, 100.0, 250.0, 1_500.0, 2_500.0)
"""A house nobody measured yet: 3,500 kWh a year, and the range of an average house's half hours."""


def forecast_load(history: SlotHistory, *, grid: SlotGrid, issued_at: datetime, zone: ZoneInfo) -> Forecast:
    """Consumption per slot.

    Without any measured value the forecast is a flat 400 W within 60 to 2,500 W.

    Args:
        history: measured consumption, >= 0 [W]; what did not end by ``issued_at`` is ignored.
        grid: slots to forecast, of the same length as those of the history, any number; the first one is usually the
            slot of ``issued_at``.
        issued_at: what was known then is used.
        zone: the household's local time, for time of day and weekends.

    Returns:
        Value to plan with and quantiles, finite and >= 0 [W].

    Raises:
        ValueError: slots of different lengths, or slots that do not divide the day.
    """
    require_same_slots(history.slot_s, grid)
    seen = measured_before(history, until_at=issued_at, zone=zone, days=DAYS + 1)
    known = sorted(seen.known())
    if not known:
        return _flat(grid, issued_at=issued_at)
    positions = wall_positions(grid, zone)
    unlike = _unlikeness(seen, now=positions[0], slot_s=grid.slot_s)
    typical_w = weighted_mean((value, 1.0) for value in known) or 0.0
    samples = _samples(seen, positions, unlike, slot_s=grid.slot_s)
    carried_w = CARRY_RATIO * _recent_excess_w(seen, positions[0], unlike, slot_s=grid.slot_s)
    mean_w = tuple(
        max(0.0, _centre_w(each, otherwise_w=typical_w) + carried_w * math.exp(-index * grid.slot_s / CARRY_FADE_S))
        for index, each in enumerate(samples)
    )
    quantiles_w = _bands(samples, known, slots_per_band=max(1, BAND_S // grid.slot_s))
    return Forecast.of(mean_w, quantiles_w, grid=grid, issued_at=issued_at)


def _flat(grid: SlotGrid, *, issued_at: datetime) -> Forecast:
    return Forecast.of(
        [DEFAULT_W] * grid.count,
        [DEFAULT_QUANTILES_W] * grid.count,
        grid=grid,
        issued_at=issued_at,
        degraded=(Degraded.NO_HISTORY,),
    )


def _unlikeness(seen: WallSeries, *, now: int, slot_s: int) -> list[float]:
    """Per day before ours, how differently its last twelve hours went; 0 for the day most like ours.

    Roots of power, because 200 W beside 400 W tells more about a house than 3,000 W beside 3,200 W. A day of which
    less than half can be compared counts as a middling one.
    """
    recent: list[tuple[int, float, float]] = []
    for back in range(1, LIKENESS_S // slot_s + 1):
        value = seen.at(now - back)
        if value is not None:
            recent.append((now - back, math.sqrt(max(0.0, value)), math.exp(-back * slot_s / LIKENESS_FADE_S)))
    full = sum(weight for _, _, weight in recent)
    differences: list[float | None] = []
    for lag in range(1, DAYS + 1):
        total = weight_sum = 0.0
        for position, root, weight in recent:
            value = seen.at(position - lag * seen.per_day)
            if value is not None:
                total += weight * abs(math.sqrt(max(0.0, value)) - root)
                weight_sum += weight
        differences.append(total / weight_sum if weight_sum > full / 2 else None)
    found = sorted(difference for difference in differences if difference is not None)
    if not found:
        return [0.0] * DAYS
    middling = found[len(found) // 2]
    return [(middling if difference is None else difference) - found[0] for difference in differences]


def _samples(seen: WallSeries, positions: Sequence[int], unlike: Sequence[float], *, slot_s: int) -> list[list[Sample]]:
    """Per slot the values of earlier days with their weights, which change by the hour ahead and with the day."""
    weights: dict[tuple[int, int], list[float]] = {}
    samples: list[list[Sample]] = []
    for index, position in enumerate(positions):
        lead_h = min(index * slot_s, LATER_S) // 3600
        key = (position // seen.per_day, lead_h)
        if key not in weights:
            weights[key] = _weights(unlike, position, seen.per_day, lead_s=lead_h * 3600)
        samples.append(same_time_samples(seen, position, weights[key]))
    return samples


def _weights(unlike: Sequence[float], position: int, per_day: int, *, lead_s: float) -> list[float]:
    """Weight of each day before a slot that lies ``lead_s`` ahead."""
    strictness = STRICTNESS_NOW + (STRICTNESS_LATER - STRICTNESS_NOW) * lead_s / LATER_S
    ours = is_weekend(position, per_day)
    return [
        math.exp(-lag / AGE_DAYS - difference / strictness)
        * (1.0 if is_weekend(position - lag * per_day, per_day) == ours else OTHER_KIND_RATIO)
        for lag, difference in enumerate(unlike, start=1)
    ]


def _centre_w(samples: Sequence[Sample], *, otherwise_w: float) -> float:
    """Between mean and median; ``otherwise_w`` where no day has a value."""
    mean_w = weighted_mean(samples)
    if mean_w is None:
        return otherwise_w
    (median_w,) = weighted_quantiles(samples, (0.5,))
    return mean_w + MEDIAN_SHARE_RATIO * (median_w - mean_w)


def _recent_excess_w(seen: WallSeries, now: int, unlike: Sequence[float], *, slot_s: int) -> float:
    """How far the last half hour was above its expectation [W], 0 where that is unknown."""
    excess: list[Sample] = []
    for back in range(1, max(1, CARRY_SPAN_S // slot_s) + 1):
        value = seen.at(now - back)
        expected = weighted_mean(
            same_time_samples(seen, now - back, _weights(unlike, now - back, seen.per_day, lead_s=0))
        )
        if value is not None and expected is not None:
            excess.append((value - expected, 1.0))
    return weighted_mean(excess) or 0.0


def _bands(
    samples: Sequence[Sequence[Sample]], known: Sequence[float], *, slots_per_band: int
) -> list[Sequence[float]]:
    """Quantiles of each slot, from all values of the slots that share a band."""
    strangers = weighted_quantiles(((value, 1.0) for value in known), (0.05, 0.5, 0.95))
    bands: list[Sequence[float]] = []
    starts = [*range(0, len(samples), slots_per_band), len(samples)]
    for first, end in pairwise(starts):
        weight = STRANGER_WEIGHT * (end - first)
        pooled = [sample for each in samples[first:end] for sample in each]
        pooled.extend((value, weight) for value in strangers)
        bands.extend([weighted_quantiles(pooled, QUANTILE_LEVELS)] * (end - first))
    return bands
