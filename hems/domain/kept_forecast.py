"""A forecast as it is kept, to be held against what happened."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hems.domain.forecast import Degraded
from hems.domain.time import SlotGrid


class ForecastKind(StrEnum):
    """How far ahead a kept forecast looks."""

    DAY = "day"
    """The local day that begins with it."""
    HOURS = "hours"
    """The next six hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptForecast:
    """Mean, median and 80 % band per slot, >= 0, whole watts [W]."""

    series: str
    """Of the history, as ``load_w``: what it is held against."""
    kind: ForecastKind
    issued_at: datetime
    grid: SlotGrid
    mean_w: tuple[int, ...]
    p10_w: tuple[int, ...]
    p90_w: tuple[int, ...]
    p50_w: tuple[int, ...] = ()
    """Empty where only the mean was kept."""
    degraded: tuple[Degraded, ...] = ()
    """What it had to do without."""
    plain: bool = False
    """The worker gave none: the daemon made it itself."""
