"""Net metering: over a billing year, energy fed in counts against energy bought, kWh for kWh."""

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hems.domain.time import local_midnight

IMPORT_SWING_RATIO = 0.7
EXPORT_SWING_RATIO = -0.9
"""How far a day of winter is above the mean day of the year: a house with 6 kWp and a heat pump buys 2.3 times the mean
day's energy in December and 0.2 times in June, and feeds in 0.02 and 1.5 times (SimBench profiles, 2016)."""
MIDWINTER = (12, 21)


@dataclass(frozen=True, slots=True, kw_only=True)
class GridEnergy:
    """What crossed the connection in some time, each way >= 0."""

    import_wh: float
    export_wh: float

    @property
    def net_wh(self) -> float:
        """More bought than fed in is positive."""
        return self.import_wh - self.export_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class NetMetering:
    """The rule of one contract. What is fed in beyond the year's import earns the tariff's export price."""

    ordinary_year: GridEnergy
    """Of the last bill: stands for all that is not measured, past and to come."""
    start_month: int = 1
    start_day: int = 1
    """First day of a billing year, any but 29 February."""
    fee_eur_per_kwh: float = 0.0
    """Kept back from each netted kWh, >= 0."""
    told: GridEnergy | None = None
    """From the start of a billing year to ``told_until``, by the meter."""
    told_until: date | None = None
    """First day after it."""

    def marginal(
        self, import_eur_per_kwh: float, export_eur_per_kwh: float, *, balance_wh: float
    ) -> tuple[float, float]:
        """What one kWh more costs, and earns, once the year is settled [EUR/kWh].

        In a year that buys more, a kWh fed in saves one that is bought. In a year that feeds in more, a kWh bought
        takes one off the surplus: it costs what that would have earned.

        Args:
            import_eur_per_kwh: what a bought kWh costs by contract.
            export_eur_per_kwh: what a kWh of surplus earns.
            balance_wh: import less export that the year is to end with.
        """
        if balance_wh < 0:
            return export_eur_per_kwh + self.fee_eur_per_kwh, export_eur_per_kwh
        return import_eur_per_kwh, import_eur_per_kwh - self.fee_eur_per_kwh

    def year_of(self, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """First instant of the billing year of an instant, and of the next one, UTC."""
        local = at.astimezone(zone).date()
        first = date(local.year, self.start_month, self.start_day)
        if local < first:
            first = first.replace(year=first.year - 1)
        return local_midnight(first, zone), local_midnight(first.replace(year=first.year + 1), zone)

    def expected(self, start_at: datetime, end_at: datetime) -> GridEnergy:
        """What an ordinary year buys and feeds in between two instants, by season."""
        year = timedelta(days=365.2425)
        midwinter_at = datetime(start_at.year, *MIDWINTER, tzinfo=start_at.tzinfo)
        begin, end = ((at - midwinter_at) / year for at in (start_at, end_at))
        swing = (math.sin(2 * math.pi * end) - math.sin(2 * math.pi * begin)) / (2 * math.pi)
        return GridEnergy(
            import_wh=self.ordinary_year.import_wh * (end - begin + IMPORT_SWING_RATIO * swing),
            export_wh=self.ordinary_year.export_wh * (end - begin + EXPORT_SWING_RATIO * swing),
        )
