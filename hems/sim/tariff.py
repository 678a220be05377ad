"""What energy costs and earns in the simulator, by its own sums: plans are not judged by what made them."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from hems.domain.tariff import PriceFormula, TimeWindow
from hems.domain.time import SlotGrid
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
