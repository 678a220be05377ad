"""The plan by rules, against numbers worked out by hand."""

from dataclasses import replace

import pytest

from hems.domain.plan import Origin, Purpose
from hems.domain.problem import HeatInput, PvInput
from hems.domain.site import DeviceId
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from tests.support.problems import battery, car, flat_problem

SUN = PvInput(device_id=DeviceId("roof"), production_power_w=(4000.0,) * 4 + (0.0,) * 4, curtailable=True)


def test_the_battery_stores_what_is_left_over_and_covers_what_is_missing():
    problem = flat_problem(pv=(SUN,), load_power_w=(1000.0,) * 8, batteries=(battery(),))
    plan = fallback_plan(problem)
    assert plan.batteries[0].power_w == (3000.0,) * 4 + (-1000.0,) * 4
    assert plan.grid_power_w == (0.0,) * 8
    # 3 kWh in at 0.95, 1 kWh out at 0.95
    assert plan.batteries[0].stored_wh[-1] == pytest.approx(5000 + 3000 * 0.95 - 1000 / 0.95)
    assert set(plan.batteries[0].purpose) == {Purpose.SELF_CONSUME}
    assert plan.batteries[0].value_eur_per_kwh is None
    assert plan.origin is Origin.RULES


def test_the_battery_keeps_its_reserve():
    plan = fallback_plan(flat_problem(load_power_w=(3000.0,) * 8, batteries=(battery(reserve_wh=4050.0),)))
    assert plan.batteries[0].stored_wh[-1] == pytest.approx(4050.0)


def test_the_car_charges_on_plug_in_until_it_has_what_it_needs():
    """10 kWh at 11.04 kW: three whole quarter hours, then 1.72 kWh."""
    plan = fallback_plan(flat_problem(cars=(car(),)))
    expected = [11_040.0, 11_040.0, 11_040.0, 6880.0, 0.0, 0.0, 0.0, 0.0]
    assert list(plan.cars[0].power_w) == pytest.approx(expected)


def test_the_car_waits_where_the_connection_leaves_less_than_its_smallest_power():
    room_w = (3000.0,) * 4 + (6000.0,) * 4
    plan = fallback_plan(flat_problem(cars=(car(),), import_power_max_w=room_w))
    assert plan.cars[0].power_w == (0.0,) * 4 + (6000.0,) * 4


def test_heat_follows_the_lower_edge_of_its_band():
    band = HeatInput(
        device_id=DeviceId("pump"),
        power_min_w=600.0,
        power_max_w=2000.0,
        energy_min_wh=(0.0, 0.0, 250.0, 500.0, 500.0, 500.0, 1500.0, 1500.0),
        energy_max_wh=(2000.0,) * 8,
    )
    plan = fallback_plan(flat_problem(heat=(band,)))
    assert plan.heat[0].power_w == (0.0, 0.0, 1000.0, 1000.0, 0.0, 0.0, 2000.0, 2000.0)
    assert [round(each.shortfall_wh) for each in plan.unmet] == [500]


def test_export_that_costs_money_is_curtailed():
    problem = flat_problem(pv=(SUN,), load_power_w=(1000.0,) * 8, export_price_eur_per_kwh=(-0.02,) * 8)
    plan = fallback_plan(problem)
    assert plan.pv[0].production_power_w == (1000.0,) * 4 + (0.0,) * 4
    stuck = replace(problem, pv=(replace(SUN, curtailable=False),))
    assert fallback_plan(stuck).grid_power_w[0] == -3000.0
    assert violations(stuck, fallback_plan(stuck)) == ()
