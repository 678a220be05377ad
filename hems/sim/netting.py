"""What net metering is worth in the simulator, by its own sums."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from hems.domain.net_metering import EXPORT_SWING_RATIO, IMPORT_SWING_RATIO, MIDWINTER, NetMetering
from hems.domain.time import local_day, local_midnight, unix_s


def billing_year(rule: NetMetering, at: datetime, zone: ZoneInfo) -> date:
    """First day of the billing year of an instant."""
    begin_at, _ = rule.year_of(at, zone)
    return local_day(begin_at, zone)


def netting_credit_eur(
    rule: NetMetering | None,
    booked: Mapping[str, Mapping[str, float]],
    start_at: datetime,
    end_at: datetime,
    zone: ZoneInfo,
) -> float:
    """What netting pays beyond the price of surplus for the days of a run [EUR].

    A billing year that was run in part is completed by what was told of it and by an ordinary year; the run's part of
    its credit is what it adds to that of the other days. Energy is netted at the mean price of the way that is less.

    Args:
        rule: of the contract; None nets nothing.
        booked: as :attr:`hems.sim.totals.Totals.billing_years`.
        start_at: of the run, UTC.
        end_at: of the run, UTC.
        zone: billing years are those of local time.
    """
    if rule is None:
        return 0.0
    credit_eur = 0.0
    for year, own in booked.items():
        bought_wh, fed_wh = _other_days_wh(rule, date.fromisoformat(year), start_at, end_at, zone)
        all_bought_wh, all_fed_wh = bought_wh + own["import_wh"], fed_wh + own["export_wh"]
        netted_wh = min(all_bought_wh, all_fed_wh) - min(bought_wh, fed_wh)
        ways = ("export", "import") if all_fed_wh <= all_bought_wh else ("import", "export")
        way = next((each for each in ways if own[f"{each}_wh"] > 0), None)
        if way is not None:
            credit_eur += netted_wh * own[f"{way}_lost_eur"] / own[f"{way}_wh"]
    return credit_eur


def _other_days_wh(
    rule: NetMetering, first: date, start_at: datetime, end_at: datetime, zone: ZoneInfo
) -> tuple[float, float]:
    """Import and export of a billing year outside a run, hour by hour: as told, else as in an ordinary year."""
    begin_s, next_s = (unix_s(local_midnight(day, zone)) for day in (first, first.replace(year=first.year + 1)))
    told_s = begin_s
    bought_wh = fed_wh = 0.0
    if rule.told is not None and rule.told_until is not None:
        own = first < rule.told_until <= first.replace(year=first.year + 1)
        if own and local_midnight(rule.told_until, zone) <= start_at:
            told_s = unix_s(local_midnight(rule.told_until, zone))
            bought_wh, fed_wh = rule.told.import_wh, rule.told.export_wh
    hours_s = np.arange(begin_s, next_s, 3600.0)
    other = (hours_s >= told_s) & ~((hours_s >= unix_s(start_at)) & (hours_s < unix_s(end_at)))
    midwinter_s = unix_s(local_midnight(date(first.year, *MIDWINTER), zone))
    season = np.cos(2 * np.pi * (hours_s[other] - midwinter_s) / (timedelta(days=365.2425) / timedelta(seconds=1)))
    hours_of_year = 365.2425 * 24
    bought_wh += rule.ordinary_year.import_wh / hours_of_year * float((1 + IMPORT_SWING_RATIO * season).sum())
    fed_wh += rule.ordinary_year.export_wh / hours_of_year * float((1 + EXPORT_SWING_RATIO * season).sum())
    return bought_wh, fed_wh
