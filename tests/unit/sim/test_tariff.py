"""The simulator works out prices by itself, and agrees with what plans are made with."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from hems.domain.site import Site
from hems.domain.tariff import (
    CapacityTariff,
    CarbonPrice,
    IntensityWindow,
    PriceFormula,
    PriceWindow,
    TimedPrice,
    TimeWindow,
)
from hems.domain.time import SLOT_S, SlotGrid, from_unix_s, unix_s
from hems.sim.data import read_folder
from hems.sim.report import figures
from hems.sim.tariff import WallClock, carbon_intensity, household_prices, peak_cost_eur
from tests.simulation.closed_loop import loop_of, two_weeks
from tests.support.houses import home_a, house_folder
from tests.support.simulated import START_AT

NIGHT = TimeWindow(start_s=23 * 3600, end_s=6 * 3600)
WINTER_EVENING = TimeWindow(start_s=17 * 3600, end_s=21 * 3600, weekdays=(0, 1, 2, 3, 4), months=(10, 11, 12, 1, 2, 3))
TWO_HOURS = TimeWindow(start_s=2 * 3600, end_s=4 * 3600)
FORMULA = PriceFormula(
    factor_ratio=1.21,
    add_eur_per_kwh=0.1,
    timed=(
        TimedPrice(
            otherwise_eur_per_kwh=0.05,
            windows=(
                PriceWindow(window=WINTER_EVENING, price_eur_per_kwh=0.12),
                PriceWindow(window=NIGHT, price_eur_per_kwh=0.01),
            ),
        ),
        TimedPrice(
            otherwise_eur_per_kwh=0.0,
            windows=(
                PriceWindow(window=TWO_HOURS, price_eur_per_kwh=-0.03),
                PriceWindow(window=NIGHT, price_eur_per_kwh=9.0),
            ),
        ),
    ),
)


def by_the_clock() -> Site:
    site = home_a()
    fixed = replace(FORMULA, factor_ratio=0.0)
    return replace(site, tariff=replace(site.tariff, import_formula=fixed, export_formula=fixed, area=None))


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Europe/Lisbon", "America/Sao_Paulo"])
def test_both_ways_to_work_out_prices_agree_in_every_quarter_hour_of_a_year(zone: str) -> None:
    site = replace(home_a(), timezone=zone)
    site = replace(site, tariff=replace(site.tariff, import_formula=FORMULA))
    grid = SlotGrid(start_at=from_unix_s(unix_s(START_AT) // SLOT_S * SLOT_S), count=366 * 96)
    spot = np.random.default_rng(5).normal(0.08, 0.05, grid.count)

    ours = household_prices(FORMULA, spot, WallClock.of(grid, site.zone))

    planned = list(map(site.import_price_eur_per_kwh, spot.tolist(), grid.starts()))
    assert np.abs(ours - planned).max() < 1e-12
    assert len(set(np.round(ours - 1.21 * spot, 6).tolist())) == 4


def test_both_ways_to_work_out_emissions_agree_in_every_quarter_hour_of_a_year() -> None:
    windows = tuple(
        IntensityWindow(window=window, intensity_g_per_kwh=grams)
        for window, grams in ((WINTER_EVENING, 480.0), (NIGHT, 250.0), (TWO_HOURS, 9.0))
    )
    carbon = CarbonPrice(price_eur_per_kg=0.1, otherwise_g_per_kwh=300.0, windows=windows)
    grid = SlotGrid(start_at=START_AT, count=366 * 96)

    ours = carbon_intensity(carbon, WallClock.of(grid, AMSTERDAM)).tolist()

    assert ours == [carbon.intensity_g_per_kwh(at.astimezone(AMSTERDAM)) for at in grid.starts()]
    assert set(ours) == {480.0, 250.0, 300.0}


def test_a_run_reports_what_its_import_emits_and_bills_nothing_for_it() -> None:
    reports = []
    for carbon in (None, CarbonPrice(price_eur_per_kg=0.1, otherwise_g_per_kwh=300.0)):
        site = replace(home_a(), tariff=replace(home_a().tariff, carbon=carbon))
        loop, _ = loop_of("rules", two_weeks(site), start_at=START_AT, site=site, step_s=900)
        loop.run(86_400)
        reports.append(figures(loop, end_eur=0.0))
    unknown, known = reports
    assert unknown["co2_kg"] is None
    assert known["co2_kg"] == pytest.approx(0.3 * known["import_wh"] / 1000, abs=0.01)
    assert known["co2_kg"] > 1
    assert known["cost_eur"] == unknown["cost_eur"]


def test_a_price_of_the_contract_needs_no_market_prices_even_where_the_folder_has_some() -> None:
    data = read_folder(house_folder("home_a_2024"), site=by_the_clock())

    assert not np.isnan(data.import_eur_per_kwh).any()
    assert data.spot_eur_per_kwh is None


AMSTERDAM = ZoneInfo("Europe/Amsterdam")
BELGIUM = CapacityTariff(price_eur_per_kw=4.0, power_min_w=2_500.0)
JUNE, JULY = str((2024 - 1970) * 12 + 5), str((2024 - 1970) * 12 + 6)


@pytest.mark.parametrize(
    ("peaks_w", "start", "end", "expected_eur"),
    [
        ({JUNE: 6_000.0}, "2024-05-31T22:00", "2024-06-30T22:00", 24.0),
        ({JUNE: 1_000.0}, "2024-05-31T22:00", "2024-06-30T22:00", 10.0),
        ({}, "2024-05-31T22:00", "2024-06-30T22:00", 10.0),
        ({JUNE: 6_000.0}, "2024-05-31T22:00", "2024-06-15T22:00", 12.0),
        ({JUNE: 6_000.0, JULY: 3_100.0}, "2024-06-15T22:00", "2024-07-31T22:00", 12.0 + 12.4),
    ],
)
def test_each_month_costs_its_peak_for_the_part_of_it_that_was_run(
    peaks_w: dict[str, float], start: str, end: str, expected_eur: float
) -> None:
    start_at, end_at = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (start, end))

    assert peak_cost_eur(BELGIUM, peaks_w, start_at, end_at, AMSTERDAM) == pytest.approx(expected_eur)
    assert peak_cost_eur(None, peaks_w, start_at, end_at, AMSTERDAM) == 0.0


def test_the_report_of_a_run_bills_the_highest_quarter_hour_and_only_what_counts() -> None:
    site = home_a()
    night = replace(BELGIUM, power_min_w=0.0, windows=(TimeWindow(start_s=2 * 3600, end_s=4 * 3600),))
    bills = []
    for capacity in (BELGIUM, night):
        own = replace(site, tariff=replace(site.tariff, capacity=capacity))
        loop, house = loop_of("rules", two_weeks(own), start_at=START_AT, site=own, step_s=900)
        slots_w = []
        for end_s in range(900, 2 * 86_400 + 1, 900):
            start_at = house.at
            loop.run(end_s)
            local = start_at.astimezone(AMSTERDAM)
            if capacity is BELGIUM or 2 <= local.hour < 4:
                slots_w.append(house.totals.last_import_w)
        report = figures(loop, end_eur=1.0)
        march_h = 31 * 24 - 1  # clocks go forward
        assert report["peak_cost_eur"] == pytest.approx(4.0 * max(slots_w) / 1000 * 48 / march_h, abs=1e-4)
        assert report["cost_eur"] == pytest.approx(report["energy_cost_eur"] + report["peak_cost_eur"] + 1.0, abs=1e-3)
        bills.append(report["peak_cost_eur"])
    assert 0 < bills[1] < bills[0]
