"""Synthetic day-ahead prices: no market ever had them.

Two humps, a midday dip that is deeper on some days than on others, a little noise; some noons are negative. A
function of the day alone, so that every process of a demo has the same prices.
"""

import math
import random
from datetime import date
from zoneinfo import ZoneInfo

from hems.domain.forecast import PriceCurve
from hems.domain.time import SLOT_S, SlotGrid, civil_day, time_of_day_s

BASE_EUR_PER_KWH = 0.085
MORNING_H, EVENING_H, NOON_H = 8.0, 19.0, 13.25
MORNING_EUR_PER_KWH, EVENING_EUR_PER_KWH = 0.045, 0.085
NOON_EUR_PER_KWH = (0.02, 0.105)
"""Depth of the dip: from a grey winter day to a sunny Sunday in May."""
WEEKEND_EUR_PER_KWH = -0.012
NOISE_EUR_PER_KWH = 0.004


def synthetic_prices(day: date, zone: ZoneInfo) -> PriceCurve:
    """Market price of each quarter hour of a civil day: 92, 96 or 100 values, all published."""
    span = civil_day(day, zone)
    grid = SlotGrid(start_at=span.start_at, count=round(span.duration_s) // SLOT_S)
    generator = random.Random(f"synthetic prices {day.isoformat()}")  # noqa: S311 - a price is no secret
    level = BASE_EUR_PER_KWH + generator.gauss(0, 0.01) + (WEEKEND_EUR_PER_KWH if day.weekday() >= 5 else 0.0)
    evening = EVENING_EUR_PER_KWH * generator.uniform(0.7, 1.3)
    noon = generator.uniform(*NOON_EUR_PER_KWH)

    def price(slot: int) -> float:
        hour = time_of_day_s(grid.slot_start(slot), zone) / 3600
        humps = MORNING_EUR_PER_KWH * _bell(hour - MORNING_H, 1.5) + evening * _bell(hour - EVENING_H, 2.0)
        shape = level + humps - noon * _bell(hour - NOON_H, 2.4) + generator.gauss(0, NOISE_EUR_PER_KWH)
        return round(shape, 5)

    return PriceCurve(
        grid=grid, spot_eur_per_kwh=tuple(price(slot) for slot in range(grid.count)), published_count=grid.count
    )


def _bell(distance_h: float, width_h: float) -> float:
    return math.exp(-0.5 * (distance_h / width_h) ** 2)
