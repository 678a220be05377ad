"""Prices by the clock and a charge on the month's peak as an installer writes them; slips are shown at their place."""

from datetime import UTC, date, datetime

import pytest

from hems.cli.check import summary
from hems.config import check_text, load_site
from hems.domain.net_metering import GridEnergy, NetMetering
from hems.domain.site import Site
from hems.domain.tariff import CapacityTariff, TimeWindow

SITE = """version: 1
site: {name: A, timezone: Europe/Amsterdam, grid: {phases: 3, fuse: 25 A}}
connections: {s: {type: simulated}}
devices: [{name: Grid, kind: grid_meter, connection: s}]
tariff:
"""
TWO_RATES = """  import:
    source:
      type: time_of_use
      price: 0.20 EUR/kWh
      windows:
        - {price: 0.10 EUR/kWh, time: "23:00-07:00"}
        - {price: 0.10 EUR/kWh, days: sat-sun}
    add: {tax: 0.05 EUR/kWh}
    vat: 20 %
  export: {same_as: import, subtract: 0.04 EUR/kWh}
"""
GRID_FEE = """  import:
    source: {type: day_ahead, area: DK1}
    add:
      tax: 0.10 EUR/kWh
      grid_fee:
        price: 0.04 EUR/kWh
        windows:
          - {price: 0.08 EUR/kWh, time: "17:00-21:00", months: oct-mar}
          - {price: 0.02 EUR/kWh, time: "00:00-06:00"}
    vat: 25 %
    fallback: 0.30 EUR/kWh
  export: {same_as: import}
"""
CAPACITY = """  import: {source: {type: fixed, price: 0.30 EUR/kWh}}
  export: {source: {type: fixed, price: 0.05 EUR/kWh}}
"""


def site_of(tariff: str) -> Site:
    return load_site(SITE + tariff, "a.yaml")


NET_METERING = """  net_metering:
    last_bill: {import: 3500 kWh, export: 2.9 MWh}
    year_starts: 07-01
    so_far: {until: 2026-09-15, import: 640 kWh, export: 1210 kWh}
    subtract: 3 ct/kWh
"""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "bought", "sold"),
    [
        ("2024-07-03T04:59", 0.18, 0.06),  # 06:59 in summer
        ("2024-07-03T05:00", 0.30, 0.16),
        ("2024-01-03T05:59", 0.18, 0.06),  # 06:59 in winter
        ("2024-01-03T06:00", 0.30, 0.16),
        ("2024-01-05T22:59", 0.18, 0.06),  # 23:59 on a Friday
        ("2024-01-06T12:00", 0.18, 0.06),  # Saturday
        ("2024-01-07T22:30", 0.18, 0.06),  # 23:30 on a Sunday
        ("2024-01-08T21:30", 0.30, 0.16),  # 22:30 on a Monday
    ],
)
def test_two_rates_go_by_the_wall_clock_with_vat_on_top_and_none_on_export(at: str, bought: float, sold: float) -> None:
    site = site_of(TWO_RATES)

    assert site.import_price_eur_per_kwh(0.0, utc(at)) == pytest.approx(bought)
    assert site.export_price_eur_per_kwh(0.0, utc(at)) == pytest.approx(sold)


@pytest.mark.parametrize(
    ("at", "fee"),
    [
        ("2024-10-27T00:45", 0.02),  # 02:45, before the hour that comes twice
        ("2024-10-27T04:45", 0.02),  # 05:45 in winter time
        ("2024-10-27T05:00", 0.04),
        ("2024-10-27T16:00", 0.08),
        ("2024-03-31T03:45", 0.02),  # 05:45, on the day without 02:30
        ("2024-03-31T04:00", 0.04),
        ("2024-03-31T15:00", 0.08),
        ("2024-04-01T15:00", 0.04),
    ],
)
def test_a_grid_fee_goes_on_top_of_the_market_price_by_clock_and_season(at: str, fee: float) -> None:
    site = site_of(GRID_FEE)

    assert site.import_price_eur_per_kwh(0.06, utc(at)) == pytest.approx((0.06 + 0.10 + fee) * 1.25)
    assert site.export_price_eur_per_kwh(0.06, utc(at)) == pytest.approx(0.06)


def test_the_fallback_is_the_price_outside_all_windows_and_they_go_on_counting() -> None:
    site = site_of(GRID_FEE)
    spot = site.tariff.fallback_spot_eur_per_kwh

    assert site.import_price_eur_per_kwh(spot, utc("2024-06-05T10:00")) == pytest.approx(0.30)
    assert site.import_price_eur_per_kwh(spot, utc("2024-06-05T01:00")) == pytest.approx(0.30 - 0.02 * 1.25)


def test_a_capacity_charge_has_a_price_a_minimum_and_windows() -> None:
    written = '  capacity: {price: 4.20 EUR/kW, minimum: 2.5 kW, windows: [{time: "07:00-20:00", days: mon-fri}]}\n'
    weekdays = TimeWindow(start_s=25_200, end_s=72_000, weekdays=(0, 1, 2, 3, 4))

    tariff = site_of(CAPACITY + written).tariff

    assert tariff.capacity == CapacityTariff(price_eur_per_kw=4.20, power_min_w=2_500.0, windows=(weekdays,))
    assert site_of(CAPACITY).tariff.capacity is None


def test_net_metering_has_a_year_s_bill_and_what_was_read_off_the_meter() -> None:
    bill = GridEnergy(import_wh=3_500_000.0, export_wh=2_900_000.0)

    assert site_of(CAPACITY).tariff.net_metering is None
    assert site_of(CAPACITY + NET_METERING).tariff.net_metering == NetMetering(
        ordinary_year=bill,
        start_month=7,
        start_day=1,
        fee_eur_per_kwh=0.03,
        told=GridEnergy(import_wh=640_000.0, export_wh=1_210_000.0),
        told_until=date(2026, 9, 15),
    )
    shortest = "  net_metering: {last_bill: {import: 3500 kWh, export: 2900 kWh}}\n"
    assert site_of(CAPACITY + shortest).tariff.net_metering == NetMetering(ordinary_year=bill)


CO2 = """  co2:
    price: 100 EUR/t
    intensity: 320 g/kWh
    windows:
      - {intensity: 180 g/kWh, time: "11:00-16:00", months: apr-sep}
"""


@pytest.mark.parametrize(
    ("at", "intensity"),
    [
        ("2024-07-03T08:59", 320.0),  # 10:59 in summer
        ("2024-07-03T09:00", 180.0),
        ("2024-07-03T14:00", 320.0),
        ("2024-01-03T11:00", 320.0),
    ],
)
def test_co2_has_a_price_and_an_amount_by_the_clock(at: str, intensity: float) -> None:
    site = site_of(CAPACITY + CO2)

    assert site_of(CAPACITY).tariff.carbon is None
    assert site.tariff.carbon is not None
    assert site.tariff.carbon.price_eur_per_kg == pytest.approx(0.1)
    assert site.tariff.carbon.intensity_g_per_kwh(utc(at).astimezone(site.zone)) == intensity


@pytest.mark.parametrize(
    ("before", "after", "place", "words"),
    [
        ("100 EUR/t", "100 EUR", "tariff.co2.price", 'use EUR/kg or EUR/t, for example "100 EUR/t"'),
        ("    intensity: 320 g/kWh\n", "", "tariff.co2", '"intensity" is missing'),
        ("180 g/kWh", "180", "tariff.co2.windows[1].intensity", "needs a unit"),
        ("windows:", "window:", "tariff.co2.window", 'did you mean "windows"?'),
    ],
)
def test_a_slip_in_co2_is_one_error_at_its_place(before: str, after: str, place: str, words: str) -> None:
    assert before in CO2
    text = SITE + CAPACITY + CO2.replace(before, after)

    (finding,) = check_text(text, "a.yaml").findings

    assert finding.path == place
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("before", "after", "place", "words"),
    [
        ("07-01", "02-29", "tariff.net_metering.year_starts", 'for example "07-01" for 1 July'),
        ("07-01", "1/7", "tariff.net_metering.year_starts", 'for example "07-01" for 1 July'),
        ("2026-09-15", "2026-09-31", "tariff.net_metering.so_far.until", 'is not a date, for example "2026-09-15"'),
        ("until: 2026-09-15, ", "", "tariff.net_metering.so_far", '"until" is missing'),
        ("import: 3500 kWh", "import: 3500", "tariff.net_metering.last_bill.import", "needs a unit"),
        ("import: 3500 kWh, ", "", "tariff.net_metering.last_bill", '"import" is missing'),
        ("    last_bill: {import: 3500 kWh, export: 2.9 MWh}\n", "", "tariff.net_metering", '"last_bill" is missing'),
        ("subtract: 3 ct/kWh", "subtract: -3 ct/kWh", "tariff.net_metering.subtract", "the least is 0 ct/kWh"),
        ("year_starts", "year_start", "tariff.net_metering.year_start", 'did you mean "year_starts"?'),
    ],
)
def test_a_slip_in_net_metering_is_one_error_at_its_place(before: str, after: str, place: str, words: str) -> None:
    assert before in NET_METERING
    text = SITE + CAPACITY + NET_METERING.replace(before, after)

    (finding,) = check_text(text, "a.yaml").findings

    assert finding.path == place
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("before", "after", "place", "words"),
    [
        ('"23:00-07:00"', '"23-7"', "tariff.import.source.windows[1].time", "17:00-20:00"),
        ('"23:00-07:00"', '"23:00-06:40"', "tariff.import.source.windows[1].time", "whole quarter hours"),
        ('"23:00-07:00"', '"07:00-07:00"', "tariff.import.source.windows[1].time", "empty"),
        ('"23:00-07:00"', '"23:00-24:30"', "tariff.import.source.windows[1].time", '"24:00"'),
        ("sat-sun", "weekend", "tariff.import.source.windows[2].days", "mon-fri"),
        ("days: sat-sun", "dayz: sat-sun", "tariff.import.source.windows[2].dayz", 'did you mean "days"?'),
        ("{price: 0.10 EUR/kWh, days", "{days", "tariff.import.source.windows[2]", '"price" is missing'),
        ("tax: 0.05 EUR/kWh", "tax: 0.05", "tariff.import.add.tax", "needs a unit"),
        ("tax: 0.05 EUR/kWh", "tax: [0.05 EUR/kWh]", "tariff.import.add.tax", "group of settings"),
        ("tax: 0.05 EUR/kWh", "tax: {price: 0.05 EUR/kWh}", "tariff.import.add.tax", '"windows" is missing'),
        (
            "tax: 0.05 EUR/kWh",
            "tax: {price: 1 ct/kWh, windows: []}",
            "tariff.import.add.tax.windows",
            "must not be empty",
        ),
        (
            "tax: 0.05 EUR/kWh",
            "tax: {price: 1 ct/kWh, windos: [{price: 2 ct/kWh}]}",
            "tariff.import.add.tax.windos",
            'did you mean "windows"?',
        ),
        (
            "tax: 0.05 EUR/kWh",
            "tax: {price: 1 ct/kWh, windows: [{price: 2 kW}]}",
            "tariff.import.add.tax.windows[1].price",
            "is not a price",
        ),
    ],
)
def test_a_slip_is_one_error_at_its_place(before: str, after: str, place: str, words: str) -> None:
    text = SITE + TWO_RATES.replace(before, after)

    (finding,) = check_text(text, "a.yaml").findings

    assert finding.path == place
    assert words in finding.sentence
    assert text.splitlines()[finding.line - 1].strip()


@pytest.mark.parametrize(
    ("tariff", "said"),
    [
        (TWO_RATES, "0.12 EUR/kWh 23:00-07:00; 0.12 EUR/kWh sat, sun; else 0.24 EUR/kWh"),
        (GRID_FEE, "0.1 EUR/kWh 17:00-21:00 jan, feb, mar, oct, nov, dec; 0.025 EUR/kWh 00:00-06:00; else 0.05"),
        (
            CAPACITY + NET_METERING,
            "years from 1 jul: fed in up to what is bought earns the import price less 0.03 EUR/kWh",
        ),
        (
            CAPACITY + CO2,
            "CO2 of bought energy counts 0.1 EUR/kg: 180 g/kWh 11:00-16:00 apr, may, jun, jul, aug, sep",
        ),
        (CAPACITY + NET_METERING, "an ordinary year buys 3500 kWh and feeds in 2900 kWh"),
        (CAPACITY + NET_METERING, "640 kWh bought and 1210 kWh fed in before 2026-09-15"),
        (CAPACITY + "  capacity: {price: 4.2 EUR/kW}\n", "highest quarter hour of each month: 4.2 EUR/kW, always"),
    ],
)
def test_check_says_what_was_understood(tariff: str, said: str) -> None:
    assert said in "\n".join(summary(site_of(tariff)))
