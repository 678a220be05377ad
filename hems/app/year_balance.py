"""How the billing year of a net-metered house is to end, and what a kWh is worth by it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hems.domain.outlook import Outlook
from hems.domain.problem import NettingInput, Series
from hems.domain.site import Site
from hems.domain.time import SLOT_S, SlotGrid, local_midnight

SLOT = timedelta(seconds=SLOT_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredYear:
    """What was measured of the newest billing year that was seen, after what the installer told."""

    start_at: datetime
    until_at: datetime
    """End of the newest quarter hour."""
    net_wh: float = 0.0
    """Import less export."""
    ordinary_wh: float = 0.0
    """What an ordinary year has in the same quarter hours."""


@dataclass(slots=True)
class YearBalance:
    """Import less export of the billing year: as measured, as told by the installer, else as in an ordinary year.

    A quarter hour's mean is enough: a meter counts both ways apart, but their difference is that of the means.
    """

    site: Site
    measured: MeasuredYear | None = None

    def note(self, start_at: datetime, grid_power_w: float) -> None:
        """A quarter hour has ended: its mean power, import positive."""
        rule, known, end_at = self.site.tariff.net_metering, self.measured, start_at + SLOT
        if rule is None or (known is not None and start_at < known.until_at):
            return
        begin_at, _ = rule.year_of(start_at, self.site.zone)
        if known is None or known.start_at != begin_at:
            known = MeasuredYear(start_at=begin_at, until_at=end_at)
        counts = start_at >= self._told_until(begin_at)
        self.measured = MeasuredYear(
            start_at=begin_at,
            until_at=end_at,
            net_wh=known.net_wh + counts * grid_power_w * SLOT_S / 3600,
            ordinary_wh=known.ordinary_wh + counts * rule.expected(start_at, end_at).net_wh,
        )

    def at(self, grid: SlotGrid) -> float | None:
        """Balance of the billing year in which a horizon begins, without that horizon; None without net metering."""
        rule = self.site.tariff.net_metering
        if rule is None:
            return None
        begin_at, end_at = rule.year_of(grid.start_at, self.site.zone)
        told_until = self._told_until(begin_at)
        balance_wh = rule.expected(told_until, end_at).net_wh
        if rule.told is not None and told_until > begin_at:
            balance_wh += rule.told.net_wh
        if self.measured is not None and self.measured.start_at == begin_at:
            balance_wh += self.measured.net_wh - self.measured.ordinary_wh
        from_at, until_at = max(grid.start_at, told_until), min(grid.end_at, end_at)
        if from_at < until_at:
            balance_wh -= rule.expected(from_at, until_at).net_wh
        return balance_wh

    def _told_until(self, begin_at: datetime) -> datetime:
        """End of what the installer told of the billing year that begins then; its begin where that is nothing."""
        rule, zone = self.site.tariff.net_metering, self.site.zone
        if rule is None or rule.told_until is None:
            return begin_at
        told_at = local_midnight(rule.told_until, zone)
        of_at, _ = rule.year_of(told_at - SLOT, zone)
        return told_at if of_at == begin_at else begin_at


def marginal_prices(site: Site, outlook: Outlook) -> tuple[Series, Series, NettingInput | None]:
    """Import and export prices for the plan, and the rule where the horizon itself may use up the balance.

    A surplus price that changes by the hour counts with its mean there. Of a horizon that passes the end of the billing
    year all counts to the old one: that is two days in a year.
    """
    balance_wh = outlook.year_balance_wh
    contract = outlook.import_price_eur_per_kwh, outlook.export_price_eur_per_kwh
    buy, sell = settled(site, balance_wh, *contract)
    netting = None
    if balance_wh is not None and 0 <= balance_wh < _surplus_max_wh(site, outlook):
        surplus_eur = sum(contract[1]) / outlook.grid.count
        netting = NettingInput(balance_wh=balance_wh, surplus_price_eur_per_kwh=surplus_eur)
    return buy, sell, netting


def settled(site: Site, balance_wh: float | None, buy: Series, sell: Series) -> tuple[Series, Series]:
    """Prices of the contract as they are once the billing year has ended with a balance [EUR/kWh]."""
    rule = site.tariff.net_metering
    if rule is None or balance_wh is None:
        return buy, sell
    pairs = [rule.marginal(*pair, balance_wh=balance_wh) for pair in zip(buy, sell, strict=True)]
    return tuple(each for each, _ in pairs), tuple(each for _, each in pairs)


def _surplus_max_wh(site: Site, outlook: Outlook) -> float:
    """Most that a horizon can feed in above what it buys: all its sun, and what batteries hold."""
    sun_wh = sum(sum(plant.p90_w) for plant in outlook.pv.values()) * outlook.grid.slot_h
    return sun_wh + sum(each.capacity_wh for each in site.batteries)
