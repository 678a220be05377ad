"""What we expect, with how unsure we are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hems.domain.time import SLOT_S, SlotGrid

QUANTILE_LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
"""Probabilities of the quantiles that every forecast has, rising."""


class Degraded(StrEnum):
    """What a forecast had to do without."""

    NO_HISTORY = "no_history"
    """Nothing was measured: an average house, or the declared modules under an average sky."""
    SHORT_HISTORY = "short_history"
    """Less than a week was measured."""
    GAPS = "gaps"
    """More than a tenth of what it looks at is missing."""
    SILENT = "silent"
    """Nothing was measured in the last hour, so that it does not know how things are now."""
    NO_WEATHER = "no_weather"
    """No weather forecast: tomorrow's sky is that of the last weeks."""
    UNUSUAL_DAY = "unusual_day"
    """The last day was far below or above the weeks before (absence, return, guests): whether that lasts is unknown."""
    CLOCK_CHANGE = "clock_change"
    """The clock changes within it: its hours are those of other days, shifted."""


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
    """Mean power per slot with quantiles, a magnitude >= 0 (consumption or production) [W].

    ``p05_w <= p10_w <= p50_w <= p90_w <= p95_w`` per slot: the power that is not exceeded with a probability of 5 % to
    95 %. ``mean_w`` is the value to plan with; where the distribution is skewed it may lie outside the quantiles.
    """

    issued_at: datetime
    grid: SlotGrid
    mean_w: tuple[float, ...]
    p05_w: tuple[float, ...]
    p10_w: tuple[float, ...]
    p50_w: tuple[float, ...]
    p90_w: tuple[float, ...]
    p95_w: tuple[float, ...]
    degraded: tuple[Degraded, ...] = ()
    """What it had to do without; empty where nothing was missing."""

    def __post_init__(self) -> None:
        for series in (self.mean_w, *self.quantiles_w.values()):
            if len(series) != self.grid.count:
                raise ValueError(f"forecast has {len(series)} values for {self.grid.count} slots")

    @classmethod
    def of(
        cls,
        mean_w: Sequence[float],
        quantiles_w: Sequence[Sequence[float]],
        *,
        grid: SlotGrid,
        issued_at: datetime,
        degraded: tuple[Degraded, ...] = (),
    ) -> "Forecast":
        """A forecast from one row of quantiles per slot, in the order of ``QUANTILE_LEVELS``."""
        p05_w, p10_w, p50_w, p90_w, p95_w = (tuple(level) for level in zip(*quantiles_w, strict=True))
        return cls(
            issued_at=issued_at,
            grid=grid,
            mean_w=tuple(mean_w),
            p05_w=p05_w,
            p10_w=p10_w,
            p50_w=p50_w,
            p90_w=p90_w,
            p95_w=p95_w,
            degraded=degraded,
        )

    @classmethod
    def certain(cls, values_w: Sequence[float], *, grid: SlotGrid, issued_at: datetime) -> "Forecast":
        """A forecast without doubt: every quantile is the value."""
        values = tuple(values_w)
        return cls(
            issued_at=issued_at,
            grid=grid,
            mean_w=values,
            p05_w=values,
            p10_w=values,
            p50_w=values,
            p90_w=values,
            p95_w=values,
        )

    @property
    def quantiles_w(self) -> dict[float, tuple[float, ...]]:
        """Each quantile by its level, rising."""
        return dict(zip(QUANTILE_LEVELS, (self.p05_w, self.p10_w, self.p50_w, self.p90_w, self.p95_w), strict=True))

    def scaled(self, ratio: float) -> "Forecast":
        """The part ``ratio`` >= 0 of it in every slot."""
        return self.mapped(lambda series: tuple(value * ratio for value in series))

    def first(self, count: int) -> "Forecast":
        """Its first slots."""
        shorter = SlotGrid(start_at=self.grid.start_at, count=count, slot_s=self.grid.slot_s)
        return self.mapped(lambda series: series[:count], grid=shorter)

    def mapped(
        self, change: Callable[[tuple[float, ...]], tuple[float, ...]], *, grid: SlotGrid | None = None
    ) -> "Forecast":
        """Every series changed in one way."""
        return Forecast(
            issued_at=self.issued_at,
            grid=grid or self.grid,
            mean_w=change(self.mean_w),
            p05_w=change(self.p05_w),
            p10_w=change(self.p10_w),
            p50_w=change(self.p50_w),
            p90_w=change(self.p90_w),
            p95_w=change(self.p95_w),
            degraded=self.degraded,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceCurve:
    """Market price per slot; ``published_count`` slots are published, the rest is our prediction."""

    grid: SlotGrid
    spot_eur_per_kwh: tuple[float, ...]
    published_count: int

    def __post_init__(self) -> None:
        if len(self.spot_eur_per_kwh) != self.grid.count:
            raise ValueError(f"price curve has {len(self.spot_eur_per_kwh)} values for {self.grid.count} slots")
