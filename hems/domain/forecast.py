"""What we expect, with how unsure we are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hems.domain.time import SLOT_S, SlotGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotHistory:
    """What was measured, as slot means, oldest first: a magnitude >= 0 [W], None where nothing was measured."""

    start_at: datetime
    mean_w: Sequence[float | None]
    slot_s: int = SLOT_S

    @property
    def end_at(self) -> datetime:
        """First instant that is not covered."""
        return self.start_at + timedelta(seconds=len(self.mean_w) * self.slot_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Mean power per slot with a central 80 % band, a magnitude >= 0 (consumption or production) [W].

    ``p10_w <= p90_w`` per slot; the mean may lie outside where the distribution is skewed.
    """

    issued_at: datetime
    grid: SlotGrid
    mean_w: tuple[float, ...]
    p10_w: tuple[float, ...]
    p90_w: tuple[float, ...]

    def __post_init__(self) -> None:
        for series in (self.mean_w, self.p10_w, self.p90_w):
            if len(series) != self.grid.count:
                raise ValueError(f"forecast has {len(series)} values for {self.grid.count} slots")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceCurve:
    """Market price per slot; ``published_count`` slots are published, the rest is our prediction."""

    grid: SlotGrid
    spot_eur_per_kwh: tuple[float, ...]
    published_count: int

    def __post_init__(self) -> None:
        if len(self.spot_eur_per_kwh) != self.grid.count:
            raise ValueError(f"price curve has {len(self.spot_eur_per_kwh)} values for {self.grid.count} slots")
