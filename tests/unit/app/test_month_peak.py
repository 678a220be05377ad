"""What a capacity tariff makes of the horizon: months, what is paid already, and the part of the price that it pays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hems.app.month_peak import MonthPeak, peaks_of
from hems.domain.forecast import Forecast
from hems.domain.outlook import Outlook
from hems.domain.site import Site
from hems.domain.tariff import CapacityTariff, TimeWindow
from hems.domain.time import SlotGrid
from tests.support.houses import home_a

BELGIUM = CapacityTariff(price_eur_per_kw=4.0, power_min_w=2_500.0)
WORKING_HOURS = replace(BELGIUM, windows=(TimeWindow(start_s=7 * 3600, end_s=20 * 3600, weekdays=(0, 1, 2, 3, 4)),))


def site_of(capacity: CapacityTariff | None) -> Site:
    site = home_a()
    return replace(site, tariff=replace(site.tariff, capacity=capacity))


def outlook(text: str, *, count: int = 192, month_peak_w: float = 0.0) -> Outlook:
    grid = SlotGrid(start_at=utc(text), count=count)
    flat = (0.0,) * count
    return Outlook(
        grid=grid,
        import_price_eur_per_kwh=flat,
        export_price_eur_per_kwh=flat,
        published_count=count,
        load=Forecast.certain(flat, grid=grid, issued_at=grid.start_at),
        pv={},
        month_peak_w=month_peak_w,
    )


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_a_capacity_tariff_there_is_no_peak_to_pay() -> None:
    assert peaks_of(site_of(None), outlook("2024-06-10T00:00")) == ()


@pytest.mark.parametrize(("so_far_w", "paid_w"), [(0.0, 2_500.0), (2_400.0, 2_500.0), (6_100.0, 6_100.0)])
def test_paid_is_what_the_month_has_reached_and_at_least_the_minimum(so_far_w: float, paid_w: float) -> None:
    (peak,) = peaks_of(site_of(BELGIUM), outlook("2024-06-10T00:00", month_peak_w=so_far_w))

    assert peak.paid_power_w == paid_w
    assert all(peak.counts)


def test_each_horizon_pays_its_part_of_the_price_and_the_last_ones_all_of_it() -> None:
    site = site_of(BELGIUM)

    (early,) = peaks_of(site, outlook("2024-05-31T22:00"))  # midnight of 1 June
    (late,) = peaks_of(site, outlook("2024-06-28T22:00"))  # two days left

    assert early.price_eur_per_kw == pytest.approx(4.0 * 2 / 30)
    assert late.price_eur_per_kw == pytest.approx(4.0)


def test_a_new_month_begins_at_local_midnight_with_nothing_but_its_minimum_paid() -> None:
    ending, coming = peaks_of(site_of(BELGIUM), outlook("2024-06-30T10:00", month_peak_w=7_000.0))

    assert ending.counts == (True,) * 48 + (False,) * 144  # until 22:00 UTC
    assert ending.paid_power_w == 7_000.0
    assert ending.price_eur_per_kw == pytest.approx(4.0)
    assert coming.counts == (False,) * 48 + (True,) * 144
    assert coming.paid_power_w == 2_500.0
    assert coming.price_eur_per_kw == pytest.approx(4.0 * 36 / (31 * 24))


def test_only_the_windows_count_and_a_weekend_alone_not_at_all() -> None:
    site = site_of(WORKING_HOURS)

    (friday,) = peaks_of(site, outlook("2024-06-07T00:00"))  # 02:00 of a Friday
    weekend = peaks_of(site, outlook("2024-06-08T00:00", count=96))

    assert friday.counts == (False,) * 20 + (True,) * 52 + (False,) * 120
    assert friday.price_eur_per_kw == pytest.approx(4.0 / 16)  # 16 working days are left in June
    assert weekend == ()


def test_the_peak_of_a_month_is_its_highest_counted_quarter_hour_and_is_gone_with_it() -> None:
    peak = MonthPeak(site_of(WORKING_HOURS))
    for text, power_w in (
        ("2024-06-28T10:00", 3_000.0),
        ("2024-06-28T10:15", 5_000.0),
        ("2024-06-28T10:30", 4_000.0),
        ("2024-06-28T18:00", 9_000.0),  # 20:00: no longer counts
        ("2024-06-29T10:00", 9_000.0),  # Saturday
    ):
        peak.note(utc(text), power_w)

    assert peak.at(utc("2024-06-30T21:59")) == 5_000.0
    assert peak.at(utc("2024-06-30T22:00")) == 0.0
    peak.note(utc("2024-07-01T10:00"), 1_000.0)
    peak.note(utc("2024-06-28T10:45"), 8_000.0)  # told late
    assert peak.at(utc("2024-07-01T10:00") + timedelta(days=1)) == 1_000.0
