"""Every plan costs what an independent meter says, within 0.1 %, and lists the wishes that it bends.

``HEMS_METERED_PROBLEMS=400 pytest tests/property/test_objective_metered.py`` for more of them.
"""

import os
from dataclasses import replace

import pytest

from hems.domain.plan import Plan, Wish
from hems.domain.problem import NettingInput, PlanningProblem
from hems.planning.plausible import plausible
from hems.solving.plan import solve
from tests.support.bill import Bill
from tests.support.metering import conduct_of, metered
from tests.support.odd_problems import odd_problem
from tests.support.problems import flat_problem, full_problem

ODD_PROBLEMS = int(os.environ.get("HEMS_METERED_PROBLEMS", "40"))

WISHES = {
    Wish.OPERATOR: "operator",
    Wish.DEPARTURE: "departure",
    Wish.MINIMUM: "minimum",
    Wish.RESERVE: "reserve",
    Wish.APPLIANCE: "appliance",
}
"""Those that the meter judges one by one, by the first word of its finding."""


def agrees(plan: Plan, bill: Bill) -> bool:
    return abs(bill.cost_eur - plan.cost_eur) <= 0.001 * bill.turnover_eur + 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_a_full_house_costs_what_the_meter_says(seed: int) -> None:
    problem = full_problem(seed, count=96)
    plan = solve(problem).plan
    bill = metered(problem, conduct_of(plan))
    assert not bill.broken
    assert agrees(plan, bill)
    assert bill.cost_eur == pytest.approx(plan.cost_eur, abs=1e-6)


@pytest.mark.parametrize("seed", range(ODD_PROBLEMS))
def test_an_odd_house_costs_what_the_meter_says(seed: int) -> None:
    problem = plausible(odd_problem(seed))
    plan = solve(problem).plan
    bill = metered(problem, conduct_of(plan))
    assert not bill.broken
    assert agrees(plan, bill)
    listed = {each.wish for each in plan.unmet}
    missed = {each.split()[0] for each in bill.missed}
    assert missed & set(WISHES.values()) <= {WISHES[each] for each in listed if each in WISHES}
    if any(each.startswith(("fuse", "connection")) for each in bill.missed):
        assert Wish.CONNECTION in listed


def test_the_meter_by_hand() -> None:
    """Two hours: 1 kW of load at 0.30 EUR; 3 kW of sun with 1 kW into the battery and 2 kW less 1 kW sold at 0.05."""
    house = full_problem(0, count=8)
    problem = replace(
        flat_problem(8),
        load_power_w=(1000.0,) * 8,
        pv=(replace(house.pv[0], production_power_w=(0.0,) * 4 + (3000.0,) * 4, inverter_id=None, curtailable=True),),
        batteries=(
            replace(
                house.batteries[0],
                stored_wh=5000.0,
                charge_efficiency_ratio=0.9,
                terminal_value_eur_per_kwh=0.20,
                cycle_cost_eur_per_kwh=0.0,
                charge_taper=None,
                inverter_id=None,
            ),
        ),
    )
    conduct = replace(
        conduct_of(solve(problem).plan),
        batteries=((0.0,) * 4 + (1000.0,) * 4,),
        pv=((0.0,) * 4 + (3000.0,) * 4,),
    )
    bill = metered(problem, conduct)
    assert bill.energy_eur == pytest.approx(1.0 * 0.30 - 1.0 * 0.05)
    assert bill.stored_eur == pytest.approx((5.0 + 0.9) * 0.20)
    assert not bill.broken


def test_surplus_under_net_metering_is_what_sells_worst() -> None:
    """1 kWh bought at 0.30, then 1 kWh sold at 0.10 and 1 kWh at 0.05: one is netted, the other earns 0.02."""
    roof = replace(
        full_problem(0, count=12).pv[0],
        production_power_w=(0.0,) * 4 + (1000.0,) * 8,
        inverter_id=None,
        curtailable=False,
    )
    problem = replace(
        flat_problem(12),
        load_power_w=(1000.0,) * 4 + (0.0,) * 8,
        export_price_eur_per_kwh=(0.10,) * 8 + (0.05,) * 4,
        pv=(roof,),
        netting=NettingInput(balance_wh=0.0, surplus_price_eur_per_kwh=0.02),
    )
    plan = solve(problem).plan
    bill = metered(problem, conduct_of(plan))
    assert bill.cost_eur == pytest.approx(0.30 - 0.10 - 0.02)
    assert agrees(plan, bill)


def doctored(problem: PlanningProblem, plan: Plan) -> Bill:
    """The same plan with a battery that gives 1 kW more in every slot than it says."""
    conduct = conduct_of(plan)
    own = tuple(each - 1000.0 for each in conduct.batteries[0])
    return metered(problem, replace(conduct, batteries=(own, *conduct.batteries[1:])))


def test_a_plan_that_does_not_add_up_is_seen() -> None:
    problem = full_problem(0, count=48)
    plan = solve(problem).plan
    bill = doctored(problem, plan)
    assert bill.broken
    assert not agrees(plan, bill)
