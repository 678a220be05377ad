"""What energy costs and earns: by the market, by the clock, and by the month's highest quarter hour."""

from dataclasses import dataclass
from datetime import datetime

from hems.domain.net_metering import NetMetering

DAY_S = 86_400
EVERY_DAY = tuple(range(7))
EVERY_MONTH = tuple(range(1, 13))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """Times of the local week and year. Day and month are those of the moment itself, after midnight too."""

    start_s: int = 0
    """Time on the wall clock, seconds after midnight, 0..86399."""
    end_s: int = DAY_S
    """First time after it; not after ``start_s``: the window passes midnight."""
    weekdays: tuple[int, ...] = EVERY_DAY
    """Monday is 0."""
    months: tuple[int, ...] = EVERY_MONTH
    """January is 1."""

    def holds(self, local: datetime) -> bool:
        """Whether a moment of local time is inside."""
        at_s = local.hour * 3600 + local.minute * 60 + local.second
        if self.start_s < self.end_s:
            timely = self.start_s <= at_s < self.end_s
        else:
            timely = at_s >= self.start_s or at_s < self.end_s
        return timely and local.weekday() in self.weekdays and local.month in self.months


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceWindow:
    """A price and when it is in force."""

    window: TimeWindow
    price_eur_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPrice:
    """Part of a price that goes by the clock: the first window that fits counts, else the price without one."""

    otherwise_eur_per_kwh: float
    windows: tuple[PriceWindow, ...]

    def eur_per_kwh(self, local: datetime) -> float:
        """What this part is at a moment of local time."""
        fitting = (each.price_eur_per_kwh for each in self.windows if each.window.holds(local))
        return next(fitting, self.otherwise_eur_per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFormula:
    """Price from the market price: ``spot * factor_ratio + add + timed``; a fixed price has factor 0 [EUR/kWh]."""

    factor_ratio: float
    add_eur_per_kwh: float
    timed: tuple[TimedPrice, ...] = ()
    """Grid fees, or a whole price, by the time of day; VAT and all."""

    def price_eur_per_kwh(self, spot_eur_per_kwh: float, local: datetime) -> float:
        """What one kWh costs or earns at this market price and moment of local time."""
        by_clock = sum(each.eur_per_kwh(local) for each in self.timed)
        return spot_eur_per_kwh * self.factor_ratio + self.add_eur_per_kwh + by_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityTariff:
    """A charge on the highest mean import of a quarter hour in each local month."""

    price_eur_per_kw: float
    """For each kW of a month's peak, VAT and all."""
    power_min_w: float = 0.0
    """Charged at least, >= 0 (Belgium: 2.5 kW) [W]."""
    windows: tuple[TimeWindow, ...] = ()
    """When quarter hours count; empty: always."""

    def counts(self, local: datetime) -> bool:
        """Whether the quarter hour that begins at a moment of local time counts."""
        return not self.windows or any(each.holds(local) for each in self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityWindow:
    """Emissions of the grid's energy and when they are so."""

    window: TimeWindow
    intensity_g_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonPrice:
    """What the household would pay to avoid emissions of energy that it buys. Nobody bills it."""

    price_eur_per_kg: float
    otherwise_g_per_kwh: float
    windows: tuple[IntensityWindow, ...] = ()

    def intensity_g_per_kwh(self, local: datetime) -> float:
        """Emissions of the grid's energy at a moment of local time: the first window that fits counts."""
        fitting = (each.intensity_g_per_kwh for each in self.windows if each.window.holds(local))
        return next(fitting, self.otherwise_g_per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What energy costs and earns."""

    import_formula: PriceFormula
    export_formula: PriceFormula
    area: str | None
    """Bidding zone of the market price; None where no price follows it."""
    fallback_import_eur_per_kwh: float
    """Outside all windows, used where no market price is known at all."""
    capacity: CapacityTariff | None = None
    net_metering: NetMetering | None = None
    carbon: CarbonPrice | None = None

    @property
    def fallback_spot_eur_per_kwh(self) -> float:
        """The market price that the import fallback implies; 0 where import does not follow the market."""
        formula = self.import_formula
        if formula.factor_ratio == 0:
            return 0.0
        by_clock = sum(each.otherwise_eur_per_kwh for each in formula.timed)
        return (self.fallback_import_eur_per_kwh - formula.add_eur_per_kwh - by_clock) / formula.factor_ratio
