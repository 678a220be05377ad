"""A made-up outdoor temperature: seasons, days and nights, and weather that changes from day to day.

Seeded by the date; it belongs to no place and has nothing to do with the sun of the sample.
"""

import math
import random
from datetime import date, datetime, timedelta
from functools import lru_cache

YEAR_MEAN_C, SEASON_K = 10.5, 8.0
WARMEST_DAY = 200
"""Of the year: 19 July."""
DAY_K, WARMEST_HOUR_UTC = 4.0, 14.0
WEATHER_SIGMA_K = 2.5


def made_up_outdoor_c(at: datetime) -> float:
    """Outdoor temperature at an instant [degrees C]."""
    hour = at.hour + at.minute / 60 + at.second / 3600
    day = at.date()
    season = SEASON_K * math.cos(2 * math.pi * (day.timetuple().tm_yday - WARMEST_DAY) / 365.25)
    swing = DAY_K * math.cos(2 * math.pi * (hour - WARMEST_HOUR_UTC) / 24)
    share = hour / 24
    weather = (1 - share) * _weather_k(day) + share * _weather_k(day + timedelta(days=1))
    return round(YEAR_MEAN_C + season + swing + weather, 2)


@lru_cache(maxsize=512)
def _weather_k(day: date) -> float:
    """How much warmer than usual a day begins."""
    return random.Random(f"weather {day.isoformat()}").gauss(0, WEATHER_SIGMA_K)  # noqa: S311 - no secret
