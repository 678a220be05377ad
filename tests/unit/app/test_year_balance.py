"""How a net-metered year is to end: measured, told, else ordinary; and what the plan makes of it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from hems.app.year_balance import YearBalance, marginal_prices
from hems.domain.forecast import Forecast
from hems.domain.net_metering import GridEnergy, NetMetering
from hems.domain.outlook import Outlook
from hems.domain.problem import NettingInput
from hems.domain.site import Site
from hems.domain.time import SlotGrid
from tests.support.houses import PV, home_a

RULE = NetMetering(ordinary_year=GridEnergy(import_wh=3_650_000.0, export_wh=2_920_000.0))


def site_of(rule: NetMetering | None = RULE) -> Site:
    site = home_a()
    return replace(site, tariff=replace(site.tariff, net_metering=rule))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def horizon(text: str) -> SlotGrid:
    return SlotGrid(start_at=utc(text), count=192)


def run(balance: YearBalance, start: str, *, days: int, power_w: float) -> None:
    for slot in range(days * 96):
        balance.note(utc(start) + timedelta(minutes=15 * slot), power_w)


def test_without_net_metering_there_is_no_balance() -> None:
    assert YearBalance(site_of(None)).at(horizon("2026-03-01T00:00")) is None


def test_with_nothing_measured_the_year_is_that_of_the_bill_without_the_horizon() -> None:
    """730 kWh more are bought than fed in; two days of January buy 2 x 17 kWh and feed in 2 x 0.8 kWh."""
    balance_wh = YearBalance(site_of()).at(horizon("2026-01-03T00:00"))

    assert balance_wh == pytest.approx(730_000 - 34_000 + 1_600, abs=4_000)


def test_measured_quarter_hours_take_the_place_of_ordinary_ones() -> None:
    """Ten days with 1 kW of export instead of what an ordinary May has."""
    site = site_of()
    balance = YearBalance(site)
    run(balance, "2026-05-01T00:00", days=10, power_w=-1_000.0)
    ordinary = RULE.expected(utc("2026-05-01T00:00"), utc("2026-05-11T00:00"))

    found, without = (each.at(horizon("2026-05-11T00:00")) for each in (balance, YearBalance(site)))

    assert found is not None
    assert without is not None
    assert found - without == pytest.approx(-240_000 - ordinary.net_wh)
    assert ordinary.export_wh > 1.5 * ordinary.import_wh


def test_a_slot_that_comes_twice_after_the_clock_was_set_back_counts_once() -> None:
    balance = YearBalance(site_of())
    run(balance, "2026-05-01T00:00", days=1, power_w=1_000.0)
    before = balance.at(horizon("2026-05-02T00:00"))
    balance.note(utc("2026-05-01T06:00"), 50_000.0)

    assert balance.at(horizon("2026-05-02T00:00")) == before


def test_what_the_installer_told_stands_for_the_time_before_the_house_was_measured() -> None:
    """What was measured before that day is in the reading already; in another billing year it says nothing."""
    told = GridEnergy(import_wh=900_000.0, export_wh=1_500_000.0)
    rule = replace(RULE, told=told, told_until=date(2026, 6, 1))
    balance = YearBalance(site_of(rule))
    run(balance, "2026-05-31T00:00", days=2, power_w=2_000.0)  # to 1 June 24:00 UTC

    noon = utc("2026-05-31T22:00")  # midnight in Amsterdam
    expected_wh = told.net_wh + rule.expected(noon, utc("2026-12-31T23:00")).net_wh
    expected_wh += 26 * 2_000 - rule.expected(noon, utc("2026-06-02T00:00")).net_wh
    expected_wh -= rule.expected(utc("2026-06-02T00:00"), utc("2026-06-04T00:00")).net_wh

    assert balance.at(horizon("2026-06-02T00:00")) == pytest.approx(expected_wh)
    assert balance.at(horizon("2027-06-02T00:00")) == YearBalance(site_of()).at(horizon("2027-06-02T00:00"))


def test_a_new_billing_year_begins_at_local_midnight_with_nothing() -> None:
    site = site_of(replace(RULE, start_month=7, start_day=1))
    balance = YearBalance(site)
    run(balance, "2026-06-01T00:00", days=29, power_w=-3_000.0)
    balance.note(utc("2026-06-30T22:00"), 400.0)

    assert balance.measured is not None
    assert balance.measured.start_at == utc("2026-06-30T22:00")
    assert balance.measured.net_wh == 100.0


def outlook(*, balance_wh: float | None, sun_w: float = 1_000.0) -> Outlook:
    grid = horizon("2026-05-11T00:00")

    def certain(power_w: float) -> Forecast:
        return Forecast.certain((power_w,) * grid.count, grid=grid, issued_at=grid.start_at)

    return Outlook(
        grid=grid,
        import_price_eur_per_kwh=(0.30,) * grid.count,
        export_price_eur_per_kwh=(0.05,) * grid.count,
        published_count=grid.count,
        load=certain(300.0),
        pv={PV: certain(sun_w)},
        year_balance_wh=balance_wh,
    )


@pytest.mark.parametrize(
    ("balance_wh", "bought", "sold", "netting"),
    [
        (None, 0.30, 0.05, None),
        (800_000.0, 0.30, 0.28, None),
        # Two days of 1 kW of sun and a battery of 10 kWh: 58 kWh at most.
        (58_001.0, 0.30, 0.28, None),
        (20_000.0, 0.30, 0.28, NettingInput(balance_wh=20_000.0, surplus_price_eur_per_kwh=0.05)),
        (-1.0, 0.07, 0.05, None),
    ],
)
def test_the_plan_sees_what_a_kwh_is_worth_once_the_year_is_settled(
    balance_wh: float | None, bought: float, sold: float, netting: NettingInput | None
) -> None:
    """A year that feeds in more than it buys: a kWh bought takes one off the surplus, and loses its fee besides."""
    site = site_of(None if balance_wh is None else replace(RULE, fee_eur_per_kwh=0.02))

    buy, sell, found = marginal_prices(site, outlook(balance_wh=balance_wh))

    assert buy == pytest.approx([bought] * 192)
    assert sell == pytest.approx([sold] * 192)
    assert (found is None) == (netting is None)
    if netting is not None and found is not None:
        assert found.balance_wh == netting.balance_wh
        assert found.surplus_price_eur_per_kwh == pytest.approx(netting.surplus_price_eur_per_kwh)
