"""Market prices beyond the published ones.

The market publishes a civil day at once, so a horizon of 48 h ends in hours without a price. They get the mean of the
last four weeks at the same time of day and on the same kind of day, moved by part of what the last published day was
dearer or cheaper than such means said. The chosen constants gave the smallest error over 2024-03 and
2024-06-15..10-31 of the Dutch bidding zone (``benchmarks.forecast``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hems.domain.forecast import PriceCurve
from hems.domain.time import SLOT_S, SlotGrid
from hems.forecast.series import (
    DAY_S,
    WallSeries,
    is_weekend,
    on_wall_clock,
    require_same_slots,
    same_time_samples,
    wall_positions,
    weighted_mean,
)

DAYS = 28
AGE_DAYS = 14.0
"""A day's weight falls to 1/e in this time; 7 days lose 1 %, 3 days 4 %."""
OTHER_KIND_RATIO = 0.1
"""Weight of a weekend for a working day and the reverse: their midday differs by far more than two working days."""
LEVEL_RATIO = 0.4
"""How much of the last published day's level stays: wind and gas outlast a day. 0 loses 4 %, 0.7 loses 3 %."""

DEFAULT_SPOT_EUR_PER_KWH = 0.08
"""Where no price was ever published: about the mean of the European markets in 2024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPrices:
    """Market prices as published, past and coming, oldest first; None where one is missing [EUR/kWh]."""

    start_at: datetime
    spot_eur_per_kwh: Sequence[float | None]
    slot_s: int = SLOT_S

    def at(self, start_at: datetime) -> float | None:
        """Price of the slot that starts at an instant, None where none is published."""
        index = math.floor((start_at - self.start_at) / timedelta(seconds=self.slot_s))
        return self.spot_eur_per_kwh[index] if 0 <= index < len(self.spot_eur_per_kwh) else None


def predict_spot(published: PublishedPrices, *, grid: SlotGrid, zone: ZoneInfo) -> PriceCurve:
    """Published prices as they are, and a prediction for every other slot.

    Without any published price the curve is flat at 0.08 EUR/kWh.

    Args:
        published: all that is known, the last four weeks and everything ahead, on slots of the grid's length.
        grid: slots of the curve.
        zone: local time of the market, for time of day and weekends.

    Returns:
        A finite price for each slot; ``published_count`` counts the slots up to the first predicted one.

    Raises:
        ValueError: slots of different lengths, or slots that do not divide the day.
    """
    require_same_slots(published.slot_s, grid)
    own = [published.at(start_at) for start_at in grid.starts()]
    published_count = sum(1 for _ in takewhile(lambda price: price is not None, own))
    if published_count == grid.count:
        predicted: list[float] = []
    else:
        predicted = _predict(published, grid=grid, zone=zone)
    return PriceCurve(
        grid=grid,
        spot_eur_per_kwh=tuple(predicted[index] if price is None else price for index, price in enumerate(own)),
        published_count=published_count,
    )


def _predict(published: PublishedPrices, *, grid: SlotGrid, zone: ZoneInfo) -> list[float]:
    kept = (DAYS + 2) * DAY_S // grid.slot_s
    skipped = max(0, len(published.spot_eur_per_kwh) - kept)
    series = on_wall_clock(
        published.spot_eur_per_kwh[skipped:],
        start_at=published.start_at + timedelta(seconds=skipped * grid.slot_s),
        slot_s=grid.slot_s,
        zone=zone,
    )
    known = series.known()
    typical = sum(known) / len(known) if known else DEFAULT_SPOT_EUR_PER_KWH
    shift = LEVEL_RATIO * _level_of_last_day(series)
    means = [_usual(series, position) for position in wall_positions(grid, zone)]
    return [typical if mean is None else mean + shift for mean in means]


def _usual(series: WallSeries, position: int) -> float | None:
    """Mean price of earlier days at the same time of day, like with like."""
    ours = is_weekend(position, series.per_day)
    weights = [
        math.exp(-lag / AGE_DAYS)
        * (1.0 if is_weekend(position - lag * series.per_day, series.per_day) == ours else OTHER_KIND_RATIO)
        for lag in range(1, DAYS + 1)
    ]
    return weighted_mean(same_time_samples(series, position, weights))


def _level_of_last_day(series: WallSeries) -> float:
    """How much the last published day is above what was usual before it, 0 where nothing came before [EUR/kWh]."""
    end = series.first + len(series.values)
    excess: list[tuple[float, float]] = []
    for position in range(end - series.per_day, end):
        price, usual = series.at(position), _usual(series, position)
        if price is not None and usual is not None:
            excess.append((price - usual, 1.0))
    return weighted_mean(excess) or 0.0
