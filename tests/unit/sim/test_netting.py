"""The bill of a net-metered year by hand, and what a kWh more does to it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from hems.domain.net_metering import GridEnergy, NetMetering
from hems.sim.netting import billing_year, netting_credit_eur
from hems.sim.totals import Totals

ZONE = ZoneInfo("Europe/Amsterdam")
RULE = NetMetering(ordinary_year=GridEnergy(import_wh=3_000_000.0, export_wh=2_000_000.0), fee_eur_per_kwh=0.02)
BUY, SELL = 0.30, 0.05


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bill_eur(rule: NetMetering, *, bought_kwh: float, fed_kwh: float, start: str, end: str, year: str) -> float:
    """Contract prices each way, less what netting pays."""
    totals = Totals()
    for kwh in (bought_kwh, -fed_kwh):
        totals.book_grid(kwh * 1000, seconds=3600, import_eur_per_kwh=BUY, export_eur_per_kwh=SELL)
        lost_eur = BUY - rule.fee_eur_per_kwh - SELL
        totals.book_netting(year, kwh * 1000, seconds=3600, lost_eur_per_kwh=lost_eur)
    credit_eur = netting_credit_eur(rule, totals.billing_years, utc(start), utc(end), ZONE)
    return totals.cost_eur - credit_eur


@pytest.mark.parametrize(
    ("bought_kwh", "fed_kwh", "expected_eur"),
    [
        (3_000.0, 2_000.0, 3_000 * 0.30 - 2_000 * 0.28),
        (2_000.0, 3_000.0, 2_000 * 0.30 - 2_000 * 0.28 - 1_000 * 0.05),
        (0.0, 500.0, -500 * 0.05),
        (500.0, 0.0, 500 * 0.30),
    ],
)
def test_a_whole_year_nets_up_to_what_was_bought(bought_kwh: float, fed_kwh: float, expected_eur: float) -> None:
    """Whatever the last bill was: nothing of the year is outside the run."""
    found = bill_eur(
        RULE,
        bought_kwh=bought_kwh,
        fed_kwh=fed_kwh,
        start="2025-12-31T23:00",
        end="2026-12-31T23:00",
        year="2026-01-01",
    )

    assert found == pytest.approx(expected_eur)


@pytest.mark.parametrize("surplus", [False, True])
def test_a_kwh_more_in_a_month_costs_and_earns_what_the_plan_is_told(surplus: bool) -> None:
    """Goal: plan and bill go by one rule. Method: differences of bills, by sums of the simulator's own."""
    year = GridEnergy(import_wh=2_000_000.0, export_wh=3_000_000.0) if surplus else RULE.ordinary_year
    rule = replace(RULE, ordinary_year=year)
    span = {"start": "2026-04-30T22:00", "end": "2026-05-31T22:00", "year": "2026-01-01"}
    base_eur = bill_eur(rule, bought_kwh=150.0, fed_kwh=300.0, **span)

    buy, sell = rule.marginal(BUY, SELL, balance_wh=-1e6 if surplus else 1e6)

    assert bill_eur(rule, bought_kwh=151.0, fed_kwh=300.0, **span) - base_eur == pytest.approx(buy)
    assert base_eur - bill_eur(rule, bought_kwh=150.0, fed_kwh=301.0, **span) == pytest.approx(sell)


def test_what_was_told_of_the_year_counts_and_that_of_another_year_does_not() -> None:
    """Told: so much was fed in before the run that its import nets against it."""
    told = GridEnergy(import_wh=0.0, export_wh=9_000_000.0)
    span = {"start": "2026-04-30T22:00", "end": "2026-05-31T22:00", "year": "2026-01-01"}
    flows = {"bought_kwh": 100.0, "fed_kwh": 100.0}

    this_year, last_year = (
        bill_eur(replace(RULE, told=told, told_until=day), **flows, **span)  # type: ignore[arg-type]
        for day in (date(2026, 4, 1), date(2025, 4, 1))
    )

    assert this_year == pytest.approx(100 * (0.05 + 0.02) - 100 * 0.05)
    assert last_year == pytest.approx(100 * 0.30 - 100 * 0.28)


@pytest.mark.parametrize(
    ("at", "year"),
    [("2026-06-30T21:59", "2025-07-01"), ("2026-06-30T22:00", "2026-07-01"), ("2027-01-05T00:00", "2026-07-01")],
)
def test_billing_years_are_those_of_local_time(at: str, year: str) -> None:
    rule = replace(RULE, start_month=7, start_day=1)

    assert billing_year(rule, utc(at), ZONE).isoformat() == year
    assert rule.year_of(utc(at), ZONE)[0] == datetime.fromisoformat(year).replace(tzinfo=ZONE)


def test_without_net_metering_nothing_is_credited() -> None:
    assert netting_credit_eur(None, {}, utc("2026-01-01T00:00"), utc("2026-02-01T00:00"), ZONE) == 0.0
