"""What energy costs and earns in the simulator, by its own sums: plans are not judged by what made them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from hems.domain.tariff import CapacityTariff, CarbonPrice, PriceFormula, TimeWindow
from hems.domain.time import SlotGrid, local_midnight
from hems.forecast.series import DAY_S, wall_positions
from hems.sim.series import FloatArray

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
Integers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WallClock:
    """What local clocks and calendars show at the start of each slot."""

    second: Integers
    """Of the day."""
    weekday: Integers
    """Monday is 0."""
    month: Integers
    """Since January 1970."""

    @classmethod
    def of(cls, grid: SlotGrid, zone: ZoneInfo) -> "WallClock":
        """The clock of a zone over a grid."""
        positions = np.array(wall_positions(grid, zone), dtype=np.int64)
        day, slot = np.divmod(positions, DAY_S // grid.slot_s)
        return cls(
            second=slot * grid.slot_s,
            weekday=(day + 3) % 7,  # 1970 began on a Thursday
            month=day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64),
        )

    def inside(self, window: TimeWindow) -> Flags:
        """Slots that begin in a window."""
        start_s, end_s = window.start_s, window.end_s
        after, before = self.second >= start_s, self.second < end_s
        timely = (after & before) if start_s < end_s else (after | before)
        found: Flags = timely & np.isin(self.weekday, window.weekdays) & np.isin(self.month % 12 + 1, window.months)
        return found


def household_prices(formula: PriceFormula, spot_eur_per_kwh: FloatArray | None, clock: WallClock) -> FloatArray:
    """Price per slot; without a market price that of a formula that does not follow it [EUR/kWh]."""
    prices = np.full(len(clock.second), formula.add_eur_per_kwh)
    if formula.factor_ratio != 0:
        prices += np.nan if spot_eur_per_kwh is None else formula.factor_ratio * spot_eur_per_kwh
    for part in formula.timed:
        own = np.full(len(prices), part.otherwise_eur_per_kwh)
        for each in reversed(part.windows):
            own[clock.inside(each.window)] = each.price_eur_per_kwh
        prices += own
    return prices


def carbon_intensity(carbon: CarbonPrice, clock: WallClock) -> FloatArray:
    """Emissions of the grid's energy per slot [g/kWh]."""
    found = np.full(len(clock.second), carbon.otherwise_g_per_kwh)
    for each in reversed(carbon.windows):
        found[clock.inside(each.window)] = each.intensity_g_per_kwh
    return found


def counted_months(capacity: CapacityTariff, clock: WallClock) -> list[int | None]:
    """Month, since January 1970, to which a capacity tariff counts each slot; None where it does not."""
    inside = np.zeros(len(clock.second), dtype=np.bool_)
    for window in capacity.windows:
        inside |= clock.inside(window)
    counts = inside if capacity.windows else ~inside
    return [int(month) if counted else None for month, counted in zip(clock.month, counts, strict=True)]


def peak_cost_eur(
    capacity: CapacityTariff | None, peaks_w: Mapping[str, float], start_at: datetime, end_at: datetime, zone: ZoneInfo
) -> float:
    """What the highest quarter hours cost; a month that was run in part costs its part, the least included [EUR].

    Args:
        capacity: the tariff; None costs nothing.
        peaks_w: highest counted import by month since January 1970; a month without one costs the least.
        start_at: of the run, UTC.
        end_at: of the run, UTC.
        zone: months are those of local time.
    """
    if capacity is None:
        return 0.0
    total_eur = 0.0
    first, last = (at.astimezone(zone) for at in (start_at, end_at - timedelta(seconds=1)))
    for month in range(_months(first), _months(last) + 1):
        begin_at, next_at = (
            local_midnight(date(1970 + each // 12, each % 12 + 1, 1), zone) for each in (month, month + 1)
        )
        run = min(next_at, end_at) - max(begin_at, start_at)
        charged_w = max(capacity.power_min_w, peaks_w.get(str(month), 0.0))
        total_eur += run / (next_at - begin_at) * charged_w / 1000 * capacity.price_eur_per_kw
    return total_eur


def _months(local: datetime) -> int:
    return (local.year - 1970) * 12 + local.month - 1
