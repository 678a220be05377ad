"""What the sun will give: the declared modules under a clear sky or the forecast one, corrected by their own past.

The model says what the modules would give: under a clear sky, or in the global irradiance that a weather service
expects. What they gave at the same time of the last weeks, moved to today's sun by the model, is the expectation: it
knows shade, dirt, wrong declarations, and without weather the season's clouds. The ratio of what was produced to what
was expected corrects it: that of the last hour for some hours, that of the last day for some days. Constants were
chosen on the windows of choice of ``benchmarks.forecast``, those with weather on the first half of its plant's year.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from hems.domain.forecast import Degraded, Forecast, SlotHistory
from hems.domain.time import SLOT_S, SlotGrid
from hems.forecast.series import require_same_slots
from hems.learning.degraded import missing_of_measured
from hems.learning.sun import AIR_C, Plant, clear_light, production_w, split_light, sun_at
from hems.learning.wall import (
    FloatArray,
    IntArray,
    WallSeries,
    as_array,
    grid_positions,
    measured_before,
    wall_positions,
    weighted_quantiles,
    with_median,
)

DAYS = 28
AGE_DAYS = 14.0
"""A day's weight falls to 1/e in this time; 7 to 20 days are within 1 %."""
FAINT_RATIO = 0.01
"""Of the peak: light this faint says little about the sky, so ratios lean to what was expected by this much."""

AVERAGE_SKY_RATIO = 0.5
"""Of a clear sky's production, over a European year: what a plant without a past expects."""
DECLARED_DAYS = 0.5
"""Days of measurements that weigh as much as what was declared."""

NEIGHBOUR_S = 1800
KNOWN_DAYS = 7
"""The highest production at a time of day is looked for this far around it (clouds have gaps, and days get longer), and
believed from this many days on."""
LOOK_BACK_S = 24 * 3600

BAND_S = 3600
BAND_LEVELS = (0.03, 0.08, 0.5, 0.92, 0.97)
"""Quantiles of the past weeks taken for those of the forecast: further out, because the same weeks made the mean."""
STRANGER_WEIGHT = 0.1
"""Weight of darkness and of a clear sky in the quantiles, against 1 for yesterday, while the history is short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Global irradiance by slot from ``start_at`` on, past and to come, as far as anybody knows it."""

    start_at: datetime
    ghi_wm2: Sequence[float | None]
    """On the level, mean of the slot, >= 0."""
    air_c: Sequence[float | None] | None = None
    """Outdoor temperature, where it is known."""
    slot_s: int = SLOT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sky:
    """How long what was seen of the sky counts."""

    now_s: float
    now_fade_s: float
    """Memory of the last minutes, and how long their ratio lasts."""
    today_s: float
    today_fade_s: float
    today_share_ratio: float
    """The same of the last day; a day carries this part of its departure from the expectation to the next."""
    narrow_now_ratio: float
    narrow_later_ratio: float
    widen_s: float
    """Width of the band against that of the last weeks: for the next minutes, later, and between."""


SKY_UNKNOWN = _Sky(
    now_s=1500.0,
    now_fade_s=6 * 3600.0,
    today_s=8 * 3600.0,
    today_fade_s=48 * 3600.0,
    today_share_ratio=0.8,
    narrow_now_ratio=0.7,
    narrow_later_ratio=1.1,
    widen_s=5400.0,
)
SKY_FORECAST = _Sky(
    now_s=1500.0,
    now_fade_s=1 * 3600.0,
    today_s=8 * 3600.0,
    today_fade_s=24 * 3600.0,
    today_share_ratio=0.2,
    narrow_now_ratio=1.0,
    narrow_later_ratio=1.5,
    widen_s=12 * 3600.0,
)


OWN_SHARE_RATIO, OWN_FADE_S = 0.5, 2 * 3600.0
"""For the next minutes what the roof just gave says as much as a weather service: half and half, 6 % less error at one
hour than with the weather alone."""


def forecast_pv(
    history: SlotHistory, *, grid: SlotGrid, issued_at: datetime, zone: ZoneInfo, plant: Plant, weather: Weather | None
) -> Forecast:
    """Production per slot, before any curtailment.

    Useful from the first day: without measurements it is what the declared modules give under an average sky, or in the
    forecast light. Slots for which the weather is unknown are forecast without it.

    Args:
        history: measured production, >= 0 [W]; what did not end by ``issued_at`` is ignored, and so is what is older
            than four weeks. Slots in which production was held back belong in it as None.
        grid: slots to forecast, of the same length as those of the history; the first one is usually the slot of
            ``issued_at``.
        issued_at: what was known then is used.
        zone: the plant's local time; it names a change of the clock, the sun has none.
        plant: the declared modules and where they are.
        weather: as held at ``issued_at``. Its past tells how the plant answers to light: without any, the declared
            modules are believed.

    Returns:
        Value to plan with and quantiles, finite and within 0 and the nameplate [W]; what was missing in ``degraded``.

    Raises:
        ValueError: slots of different lengths, slots that do not divide the day, or no peak.
    """
    require_same_slots(history.slot_s, grid)
    if not plant.peak_w > 0:
        raise ValueError(f"peak_w must be positive, got {plant.peak_w}")
    seen = measured_before(history, until_at=issued_at, zone=UTC, days=DAYS + 1)
    degraded = missing_of_measured(seen, grid=grid, issued_at=issued_at, zone=zone, habit=False)
    outcome = _outcome(seen, _clear_w(seen, grid, plant), grid, plant, SKY_UNKNOWN, average_ratio=AVERAGE_SKY_RATIO)
    if weather is not None:
        lit_w = _lit_w(seen, grid, plant, weather)
        lit = _outcome(seen, lit_w, grid, plant, SKY_FORECAST, average_ratio=1.0)
        expected = ~np.isnan(lit_w.values[-grid.count :])
        own_share = OWN_SHARE_RATIO * np.exp(-grid.slot_s * np.arange(grid.count) / OWN_FADE_S)
        blended = own_share[:, None] * outcome + (1 - own_share[:, None]) * lit
        outcome = np.where(expected[:, None], blended, outcome)
        if not expected.all():
            degraded = (*degraded, Degraded.NO_WEATHER)
    else:
        degraded = (*degraded, Degraded.NO_WEATHER)
    outcome = np.clip(outcome, 0.0, plant.peak_w)
    return Forecast.of(
        outcome[:, 0].tolist(), outcome[:, 1:].tolist(), grid=grid, issued_at=issued_at, degraded=degraded
    )


def _axis(seen: WallSeries, grid: SlotGrid) -> IntArray:
    """Slots (of UTC) from the first measured one to the last of the grid."""
    ahead = grid_positions(grid, UTC)
    first = min(seen.first, int(ahead[0])) if len(seen.values) else int(ahead[0])
    return np.arange(first, int(ahead[-1]) + 1, dtype=np.int64)


def _modelled(
    axis: IntArray, plant: Plant, *, slot_s: int, ghi_wm2: FloatArray | None, air_c: FloatArray | float
) -> FloatArray:
    """Mean production of the declared modules in each slot, from three moments of it; without light: clear sky."""
    begins_s = axis.astype(np.float64) * slot_s
    produced_w = []
    for moment in (1 / 6, 3 / 6, 5 / 6):
        sun = sun_at(begins_s + moment * slot_s, latitude_deg=plant.latitude_deg, longitude_deg=plant.longitude_deg)
        light = clear_light(sun) if ghi_wm2 is None else split_light(sun, ghi_wm2)
        produced_w.append(production_w(plant, sun, light, air_c=air_c))
    mean_w: FloatArray = np.mean(produced_w, axis=0)
    return mean_w


def _clear_w(seen: WallSeries, grid: SlotGrid, plant: Plant) -> WallSeries:
    axis = _axis(seen, grid)
    values = _modelled(axis, plant, slot_s=grid.slot_s, ghi_wm2=None, air_c=AIR_C)
    return WallSeries(first=int(axis[0]), per_day=seen.per_day, values=values)


def _lit_w(seen: WallSeries, grid: SlotGrid, plant: Plant, weather: Weather) -> WallSeries:
    """The same in the light that is known or forecast; nan where it is not."""
    require_same_slots(weather.slot_s, grid)
    axis = _axis(seen, grid)
    index = axis - int(wall_positions(weather.start_at, 1, slot_s=grid.slot_s, zone=UTC)[0])

    def on_axis(values: Sequence[float | None]) -> FloatArray:
        known = WallSeries(first=0, per_day=seen.per_day, values=as_array(values))
        return known.at(index)

    air_c = AIR_C if weather.air_c is None else np.nan_to_num(on_axis(weather.air_c), nan=AIR_C)
    values = _modelled(axis, plant, slot_s=grid.slot_s, ghi_wm2=on_axis(weather.ghi_wm2), air_c=air_c)
    return WallSeries(first=int(axis[0]), per_day=seen.per_day, values=values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Past:
    """What a plant gave against what its model said, with ``faint_w`` added to both so that darkness compares, too."""

    seen: WallSeries
    model: WallSeries
    faint_w: float
    site_ratio: float
    """Produced to modelled over all that is known, leaning to that of an average sky."""

    def answers(self, positions: IntArray) -> FloatArray:
        """Ratio of produced to modelled at positions of any shape; nan where one is unknown."""
        return (self.seen.at(positions) + self.faint_w) / (self.model.at(positions) + self.faint_w)

    def expected_w(self, positions: IntArray) -> FloatArray:
        """Production at positions from the same time of the days before; nan where the model is."""
        sources = positions[:, None] - _lags(self.seen.per_day)
        produced, modelled = self.seen.at(sources), self.model.at(sources)
        known = ~np.isnan(produced) & ~np.isnan(modelled)
        weights = np.where(known, np.exp(-np.arange(1, DAYS + 1) / AGE_DAYS), 0.0)
        own_w = self.model.at(positions)
        declared = DECLARED_DAYS * (self.site_ratio * own_w + self.faint_w)
        above = declared + (weights * (np.where(known, produced, 0.0) + self.faint_w)).sum(axis=1)
        below = DECLARED_DAYS * (own_w + self.faint_w) + (
            weights * (np.where(known, modelled, 0.0) + self.faint_w)
        ).sum(axis=1)
        expected_w: FloatArray = np.maximum(0.0, above / below * (own_w + self.faint_w) - self.faint_w)
        return expected_w


def _lags(per_day: int) -> IntArray:
    return per_day * np.arange(1, DAYS + 1, dtype=np.int64)


def _outcome(
    seen: WallSeries, model: WallSeries, grid: SlotGrid, plant: Plant, sky: _Sky, *, average_ratio: float
) -> FloatArray:
    """Mean and quantiles (columns) of each slot (row); nan where the model is."""
    positions = grid_positions(grid, UTC)
    past = _past_of(seen, model, plant, average_ratio=average_ratio)
    lead_s = grid.slot_s * np.arange(grid.count)
    expected_w = past.expected_w(positions)
    ceiling_w = _ceiling_w(past, positions, plant, slot_s=grid.slot_s)
    correction = _correction(past, int(positions[0]), sky, lead_s, slot_s=grid.slot_s)
    mean_w = np.minimum(ceiling_w, expected_w * correction)
    usual_w = _quantiles_w(past, positions, ceiling_w, slot_s=grid.slot_s)
    width = sky.narrow_later_ratio - (sky.narrow_later_ratio - sky.narrow_now_ratio) * np.exp(-lead_s / sky.widen_s)
    quantiles_w = mean_w[:, None] + width[:, None] * (usual_w - expected_w[:, None])
    bounded = np.clip(quantiles_w, 0.0, ceiling_w[:, None])
    with_median(bounded, mean_w)
    return np.concatenate([mean_w[:, None], bounded], axis=1)


def _past_of(seen: WallSeries, model: WallSeries, plant: Plant, *, average_ratio: float) -> _Past:
    axis = seen.first + np.arange(len(seen.values), dtype=np.int64)
    produced, modelled = seen.values, model.at(axis)
    known = ~np.isnan(produced) & ~np.isnan(modelled)
    usual_day_w = DECLARED_DAYS * seen.per_day * 0.2 * plant.peak_w
    ratio = (produced[known].sum() + average_ratio * usual_day_w) / (modelled[known].sum() + usual_day_w)
    return _Past(seen=seen, model=model, faint_w=FAINT_RATIO * plant.peak_w, site_ratio=float(ratio))


def _ceiling_w(past: _Past, positions: IntArray, plant: Plant, *, slot_s: int) -> FloatArray:
    """Highest production that this hour of the day can be expected to give, at most the nameplate.

    What the best of the last weeks' days gave half an hour around it, by the model; by day the whole nameplate while
    less than a week is known of that hour.
    """
    reach = max(1, NEIGHBOUR_S // slot_s)
    shifts = np.arange(-reach, reach + 1, dtype=np.int64)
    around = past.answers(positions[:, None, None] - _lags(past.seen.per_day)[:, None] + shifts)
    known_days = (~np.isnan(around)).any(axis=2).sum(axis=1)
    best = np.where(np.isnan(around), 0.0, around).max(axis=(1, 2))
    model_w = past.model.at(positions)
    highest_w = best * (model_w + past.faint_w) - past.faint_w
    by_day_w = np.where(model_w > 0, plant.peak_w, 0.0)
    ceiling_w: FloatArray = np.where(known_days < KNOWN_DAYS, np.maximum(highest_w, by_day_w), highest_w)
    return ceiling_w


def _correction(past: _Past, now: int, sky: _Sky, lead_s: IntArray, *, slot_s: int) -> FloatArray:
    """Factor on the expectation by lead, from the last minutes' sky to the last day's to none."""
    back = np.arange(1, LOOK_BACK_S // slot_s + 1, dtype=np.int64)
    produced_w, expected_w = past.seen.at(now - back), past.expected_w(now - back)
    known = ~np.isnan(produced_w) & ~np.isnan(expected_w)

    def ratio(memory_s: float) -> float:
        weights = np.exp(-back * slot_s / memory_s)
        faint = weights.sum() * past.faint_w
        weights = weights * known
        above = float((weights * np.where(known, produced_w, 0.0)).sum() + faint)
        return above / float((weights * np.where(known, expected_w, 0.0)).sum() + faint)

    lasting = 1 + (ratio(sky.today_s) - 1) * sky.today_share_ratio * np.exp(-lead_s / sky.today_fade_s)
    factor: FloatArray = lasting + (ratio(sky.now_s) - lasting) * np.exp(-lead_s / sky.now_fade_s)
    return np.maximum(factor, 0.0)


def _quantiles_w(past: _Past, positions: IntArray, ceiling_w: FloatArray, *, slot_s: int) -> FloatArray:
    """Quantiles of the last weeks per slot (row), as answers that the slots of a band have in common."""
    per_band = max(1, BAND_S // slot_s)
    firsts = np.arange(0, len(positions), per_band)
    sources = positions[firsts][:, None] - _lags(past.seen.per_day)
    answers = past.answers(sources[:, :, None] + np.arange(per_band)).reshape(len(firsts), -1)
    weights = np.repeat(np.exp(-np.arange(1, DAYS + 1) / AGE_DAYS), per_band)
    lit_w = past.model.at(positions[firsts]) + past.faint_w
    extremes = np.stack([past.faint_w / lit_w, (ceiling_w[firsts] + past.faint_w) / lit_w], axis=1)
    answers = np.concatenate([answers, extremes], axis=1)
    shared = np.concatenate([weights, np.full(2, STRANGER_WEIGHT * per_band)])
    banded = weighted_quantiles(answers, np.tile(shared, (len(firsts), 1)), BAND_LEVELS)
    each = np.repeat(banded, per_band, axis=0)[: len(positions)]
    model_w = past.model.at(positions)[:, None]
    return np.maximum(0.0, each * (model_w + past.faint_w) - past.faint_w)
