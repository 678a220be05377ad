"""Emissions in the tick: a bought kWh costs its price and its emissions, as in the plan whose values it acts by."""

from dataclasses import replace

import pytest

from hems.domain import reasons
from tests.support.houses import BATTERY, home_a
from tests.support.moments import House, once, plan_of, power_of
from tests.unit.control.test_dispatch import kind_of


@pytest.mark.parametrize(
    ("carbon_eur", "battery_w", "why"),
    [(0.0, 5_000.0, reasons.BuysForLater), (0.02, 5_000.0, reasons.BuysForLater), (0.10, -500.0, reasons.CoversLoad)],
)
def test_what_is_worth_its_price_but_not_its_emissions_is_given_instead_of_bought(carbon_eur, battery_w, why) -> None:
    plan = replace(plan_of(buy_at=0.15), carbon_price_eur_per_kwh=(carbon_eur,) * 8)
    result = once(home_a(), House(load_w=500.0), plan)
    assert power_of(result, BATTERY) == pytest.approx(battery_w)
    assert kind_of(result, BATTERY) is why
