"""The car of the demo house: a made-up commuter, home every evening, away from a little after half past seven.

Seeded by the date. Its habit is the one in the site file of the demo, so that "ready in time" can be seen.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hems.domain.time import local_day

ARRIVES, LEAVES = time(17, 0), time(7, 35)
ARRIVES_WITHIN_MIN, LEAVES_WITHIN_MIN = 100, 25
ENERGY_WH = (5_000.0, 9_500.0)
"""A commute of 30 to 55 km."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarStay:
    """The car is there during ``[plugin_at, plugout_at)`` and wants ``energy_wh`` (AC side)."""

    plugin_at: datetime
    plugout_at: datetime
    energy_wh: float


def stays_between(start_at: datetime, end_at: datetime, zone: ZoneInfo) -> Iterator[CarStay]:
    """Stays that begin in ``[start_at, end_at)``, in order."""
    day = local_day(start_at, zone)
    while (stay := _evening(day, zone)).plugin_at < end_at:
        if stay.plugin_at >= start_at:
            yield stay
        day += timedelta(days=1)


def _evening(day: date, zone: ZoneInfo) -> CarStay:
    generator = random.Random(f"commuter {day.isoformat()}")  # noqa: S311 - no secret
    arrives = datetime.combine(day, ARRIVES, tzinfo=zone) + timedelta(minutes=generator.randint(0, ARRIVES_WITHIN_MIN))
    leaves = datetime.combine(day + timedelta(days=1), LEAVES, tzinfo=zone)
    return CarStay(
        plugin_at=arrives.astimezone(UTC),
        plugout_at=(leaves + timedelta(minutes=generator.randint(0, LEAVES_WITHIN_MIN))).astimezone(UTC),
        energy_wh=round(generator.uniform(*ENERGY_WH), -2),
    )
