"""The simulator works out prices by itself, and agrees with what plans are made with."""

from dataclasses import replace

import numpy as np
import pytest

from hems.domain.site import Site
from hems.domain.tariff import PriceFormula, PriceWindow, TimedPrice, TimeWindow
from hems.domain.time import SLOT_S, SlotGrid, from_unix_s, unix_s
from hems.sim.data import read_folder
from hems.sim.tariff import WallClock, household_prices
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


def test_a_price_of_the_contract_needs_no_market_prices_even_where_the_folder_has_some() -> None:
    data = read_folder(house_folder("home_a_2024"), site=by_the_clock())

    assert not np.isnan(data.import_eur_per_kwh).any()
    assert data.spot_eur_per_kwh is None
