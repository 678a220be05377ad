"""Six measured weeks of the sample, repeated for ever: what happens in a demo house on any day.

Weekday and UTC time of day are kept, season is not: it is always late summer. Origin: ``sample/NOTICE.md``.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from hems.domain.time import SLOT_S, unix_s

FOLDER = Path(__file__).parents[1] / "sample"
CYCLE_START_AT = datetime(2024, 8, 12, tzinfo=UTC)
"""A Monday."""
CYCLE = timedelta(weeks=6)
SLOTS_PER_DAY = 96
SLOTS_PER_CYCLE = 6 * 7 * SLOTS_PER_DAY
SLOTS_PER_ROW = 2
"""The sample has half-hour means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Slot means of one cycle [W], all >= 0."""

    load_w: tuple[float, ...]
    pv_w: tuple[float, ...]
    clear_pv_w: tuple[float, ...]
    """Highest production seen at each time of day: 96 values."""


def slot_in_cycle(at: datetime) -> int:
    """Which slot of the cycle an instant falls on."""
    return int(unix_s(at) - unix_s(CYCLE_START_AT)) // SLOT_S % SLOTS_PER_CYCLE


@cache
def sample() -> Sample:
    """The sample that is shipped, read once."""
    load, pv = _column("load_w"), _column("pv_w")
    pv_w = _smoothed(pv)
    return Sample(
        load_w=tuple(value for value in load for _ in range(SLOTS_PER_ROW)),
        pv_w=pv_w,
        clear_pv_w=tuple(max(pv_w[slot::SLOTS_PER_DAY]) for slot in range(SLOTS_PER_DAY)),
    )


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _column(name: str) -> list[float]:
    """Half-hour means of one cycle; what was not measured is as on the next day, or the last one before, that was."""
    rows = _rows("house.csv")
    first = next(index for index, row in enumerate(rows) if _at(row["time_utc"]) == CYCLE_START_AT)
    count, per_day = SLOTS_PER_CYCLE // SLOTS_PER_ROW, SLOTS_PER_DAY // SLOTS_PER_ROW
    values = [row[name] for row in rows]

    def near(index: int) -> float:
        others = [*range(index, len(values), per_day), *range(index, -1, -per_day)]
        return float(next(values[other] for other in others if values[other]))

    return [near(index) for index in range(first, first + count)]


def _smoothed(means: list[float]) -> tuple[float, ...]:
    """Each half hour as two quarters on the slope between its neighbours; the mean of the two is kept."""
    quarters: list[float] = []
    for index, mean in enumerate(means):
        slope = (means[(index + 1) % len(means)] - means[index - 1]) / 8
        half = max(-mean, min(mean, slope))
        quarters += [mean - half, mean + half]
    return tuple(quarters)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
