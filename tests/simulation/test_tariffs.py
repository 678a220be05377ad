"""Tariffs in closed loop: the plan lives by what the site file says, and the bill is the simulator's own."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hems.domain.net_metering import GridEnergy, NetMetering
from hems.domain.site import Site
from hems.domain.tariff import (
    CapacityTariff,
    CarbonPrice,
    IntensityWindow,
    PriceFormula,
    PriceWindow,
    Tariff,
    TimedPrice,
    TimeWindow,
)
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.days import deliverable_wh
from hems.sim.report import end_correction_eur, figures
from hems.sim.tariff import WallClock, carbon_intensity, household_prices
from tests.simulation.closed_loop import loop_of, two_weeks
from tests.support.houses import BATTERY, home_a
from tests.support.simulated import START_AT

NIGHT = TimeWindow(start_s=23 * 3600, end_s=6 * 3600)
EVENING = TimeWindow(start_s=17 * 3600, end_s=21 * 3600, weekdays=(0, 1, 2, 3, 4))
RATES = TimedPrice(
    otherwise_eur_per_kwh=0.30,
    windows=(
        PriceWindow(window=NIGHT, price_eur_per_kwh=0.20),
        PriceWindow(window=EVENING, price_eur_per_kwh=0.40),
    ),
)


def without_sun_and_car(site: Site) -> Site:
    return replace(site, pv=(), chargers=())


def without_car(site: Site) -> Site:
    return replace(site, chargers=())


def priced(site: Site, tariff: Tariff) -> Site:
    return replace(site, tariff=tariff)


def battery_energy_wh(site: Site, *, days: int) -> Mapping[str, float]:
    """Energy into and out of the battery by what a bought kWh costs, its emissions too, of a run with the plan."""
    data = two_weeks(site, days=days + 4)
    clock = WallClock.of(data.grid, site.zone)
    own = household_prices(site.tariff.import_formula, None, clock)
    data = replace(
        data,
        import_eur_per_kwh=own,
        export_eur_per_kwh=household_prices(site.tariff.export_formula, None, clock),
        spot_eur_per_kwh=None,
    )
    if site.tariff.carbon is not None:
        own = own + carbon_intensity(site.tariff.carbon, clock) / 1000 * site.tariff.carbon.price_eur_per_kg
    found: dict[str, Any] = {}
    with closing(WorkerPlanner(spawn)) as planner:
        loop, house = loop_of("plan", data, start_at=START_AT + timedelta(hours=11), site=site, planner=planner)
        for end_s in range(900, days * 86_400 + 1, 900):
            slot = data.slot_index(house.at)
            loop.run(end_s)
            power_w = house.devices[BATTERY].power_w
            way = f"{'into' if power_w > 0 else 'out of'} at {own[slot]:.2f}"
            found[way] = found.get(way, 0.0) + abs(power_w) / 4
    return found


@pytest.mark.parametrize("windows", [RATES.windows, ()], ids=["rates", "flat"])
def test_the_battery_follows_the_windows_of_a_contract_and_rests_at_one_price(windows: tuple[PriceWindow, ...]) -> None:
    """Goal: no market price is needed. Method: bought at night, given in the evening; a flat price moves nothing."""
    site = home_a()
    tariff = Tariff(
        import_formula=PriceFormula(factor_ratio=0.0, add_eur_per_kwh=0.0, timed=(replace(RATES, windows=windows),)),
        export_formula=PriceFormula(factor_ratio=0.0, add_eur_per_kwh=0.05),
        area=None,
        fallback_import_eur_per_kwh=0.0,
    )
    moved_wh = battery_energy_wh(without_sun_and_car(priced(site, tariff)), days=3)
    bought_wh = sum(wh for way, wh in moved_wh.items() if way.startswith("into"))
    if windows:
        assert moved_wh["into at 0.20"] > 0.95 * bought_wh > 5_000, moved_wh
        assert moved_wh["out of at 0.40"] > 4_000, moved_wh
    else:
        assert bought_wh < 500, moved_wh


def test_at_one_price_the_battery_follows_the_emissions_that_the_household_prices() -> None:
    site = home_a()
    flat = PriceFormula(factor_ratio=0.0, add_eur_per_kwh=0.30)
    carbon = CarbonPrice(
        price_eur_per_kg=0.5,
        otherwise_g_per_kwh=300.0,
        windows=(
            IntensityWindow(window=NIGHT, intensity_g_per_kwh=100.0),
            IntensityWindow(window=EVENING, intensity_g_per_kwh=500.0),
        ),
    )
    tariff = Tariff(
        import_formula=flat,
        export_formula=replace(flat, add_eur_per_kwh=0.05),
        area=None,
        fallback_import_eur_per_kwh=0.30,
        carbon=carbon,
    )
    moved_wh = battery_energy_wh(without_sun_and_car(priced(site, tariff)), days=3)
    bought_wh = sum(wh for way, wh in moved_wh.items() if way.startswith("into"))
    assert moved_wh["into at 0.35"] > 0.95 * bought_wh > 5_000, moved_wh
    assert moved_wh["out of at 0.55"] > 4_000, moved_wh


@pytest.mark.timeout(300)
def test_with_a_capacity_tariff_the_plan_keeps_a_lower_peak_than_the_rules_and_pays_less() -> None:
    """Goal: the charge is in the plan's problem, and the tick keeps to it. Method: the bill of the simulator, of three
    days with cars on most evenings and dear evenings; by market prices alone the plan would charge all at once."""
    site = home_a()
    capacity = CapacityTariff(price_eur_per_kw=4.20, power_min_w=2_500.0)
    site = replace(site, tariff=replace(site.tariff, capacity=capacity))
    data, days = two_weeks(site), 3
    found: dict[str, dict[str, Any]] = {}
    for strategy in ("rules", "plan"):
        with closing(WorkerPlanner(spawn)) as planner:
            loop, house = loop_of(strategy, data, start_at=START_AT + timedelta(days=4), site=site, planner=planner)
            stored_wh = deliverable_wh(house)
            loop.run(days * 86_400)
        first = data.slot_index(house.start_at)
        mean_eur = float(data.import_eur_per_kwh[first : first + days * 96].mean())
        end_eur = end_correction_eur(house, stored_at_start_wh=stored_wh, mean_import_eur_per_kwh=mean_eur)
        found[strategy] = figures(loop, end_eur=end_eur)
    rules, plan = found["rules"], found["plan"]
    assert plan["peak_import_w"] < 0.75 * rules["peak_import_w"], (plan, rules)
    assert plan["peak_cost_eur"] < 0.75 * rules["peak_cost_eur"]
    assert plan["cost_eur"] < rules["cost_eur"]
    assert plan["unmet_car_wh"] < 100


@pytest.mark.timeout(300)
@pytest.mark.parametrize("ends_with_surplus", [False, True])
def test_with_net_metering_the_plan_loses_nothing_in_the_battery_and_pays_less_than_the_rules(
    ends_with_surplus: bool,
) -> None:
    """Goal: the year's balance reaches the plan, and the bill is the year's. Method: the bill of the simulator, of
    three days with sun at one price; without netting in the problem the battery is filled each noon."""
    site = without_car(home_a())
    year = GridEnergy(import_wh=4_000_000.0, export_wh=6_000_000.0 if ends_with_surplus else 3_000_000.0)
    flat = PriceFormula(factor_ratio=0.0, add_eur_per_kwh=0.30)
    tariff = Tariff(
        import_formula=flat,
        export_formula=replace(flat, add_eur_per_kwh=0.05),
        area=None,
        fallback_import_eur_per_kwh=0.30,
        net_metering=NetMetering(ordinary_year=year),
    )
    site = priced(site, tariff)
    data, days = two_weeks(site), 3
    data = replace(data, spot_eur_per_kwh=None)
    found: dict[str, dict[str, Any]] = {}
    for strategy in ("rules", "plan"):
        with closing(WorkerPlanner(spawn)) as planner:
            loop, house = loop_of(strategy, data, start_at=START_AT + timedelta(days=4), site=site, planner=planner)
            stored_wh = deliverable_wh(house)
            loop.run(days * 86_400)
        value_eur = 0.05 if ends_with_surplus else 0.30
        end_eur = end_correction_eur(house, stored_at_start_wh=stored_wh, mean_import_eur_per_kwh=value_eur)
        found[strategy] = figures(loop, end_eur=end_eur)
    rules, plan = found["rules"], found["plan"]
    assert rules["battery_throughput_wh"] > 25_000
    assert plan["battery_throughput_wh"] < 6_000, plan
    lost_wh = rules["import_wh"] - rules["export_wh"] - plan["import_wh"] + plan["export_wh"]
    assert plan["cost_eur"] < rules["cost_eur"] - 0.02, (plan["cost_eur"], rules["cost_eur"], lost_wh)
    netted = "import_wh" if ends_with_surplus else "export_wh"
    assert plan["netting_credit_eur"] == pytest.approx(0.25 * plan[netted] / 1000, abs=1e-3)


def test_a_run_that_goes_on_knows_the_year_s_balance_and_bill() -> None:
    rule = NetMetering(ordinary_year=GridEnergy(import_wh=4_000_000.0, export_wh=3_000_000.0))
    site = without_car(home_a())
    site = priced(site, replace(site.tariff, net_metering=rule))
    data = two_weeks(site)
    first, house = loop_of("rules", data, start_at=START_AT, site=site)
    first.run(4 * 3600)
    snapshot = json.loads(json.dumps(first.snapshot()))
    second, resumed = loop_of("rules", data, start_at=START_AT, site=site)

    second.restore(snapshot)

    assert first.balance.measured is not None
    assert second.balance == first.balance
    assert resumed.totals.billing_years == house.totals.billing_years
    assert sum(resumed.totals.billing_years["2024-01-01"].values()) > 0
