"""Worth of stored energy under forecasts that err."""

from dataclasses import replace

import numpy as np
import pytest

from hems.control.merit import Storage, clear
from hems.domain.plan import Plan
from hems.domain.problem import CommitmentInput, NettingInput, PeakInput, PlanningProblem, PvInput
from hems.domain.site import DeviceId
from hems.solving.plan import solve
from tests.support.problems import battery, flat_problem

COUNT = 96
HOUR = (np.arange(COUNT) / 4 + 18) % 24
NIGHT = tuple(np.where((HOUR >= 18) | (HOUR < 8), 500.0, 200.0).tolist())
SUN = tuple(np.where((HOUR > 8) & (HOUR < 17), 4_000.0 * np.sin((HOUR - 8) / 9 * np.pi), 0.0).tolist())


def evening(**changes: object) -> PlanningProblem:
    """18:00 before a sunny day: 0.30 EUR in; out it brings 0.15 EUR tonight, 0.02 EUR when the sun is there."""
    problem = flat_problem(
        COUNT,
        load_power_w=NIGHT,
        export_price_eur_per_kwh=tuple(np.where((HOUR > 8) & (HOUR < 18), 0.02, 0.15).tolist()),
        pv=(PvInput(device_id=DeviceId("pv"), production_power_w=SUN, curtailable=True),),
        batteries=(battery(stored_wh=9_500.0, terminal_value_eur_per_kwh=0.2),),
    )
    return replace(problem, **changes)  # type: ignore[arg-type]


def worth(problem: PlanningProblem) -> tuple[float, ...]:
    values = solve(problem).plan.batteries[0].value_eur_per_kwh
    assert values is not None
    return values


def off_by(error_w: float, **changes: object) -> PlanningProblem:
    return evening(net_error_w=(error_w,) * COUNT, **changes)


def test_a_certain_forecast_leaves_the_plan_as_it_is():
    assert solve(off_by(0.0)).plan == solve(evening()).plan


def test_hardly_any_error_gives_nearly_the_programs_own_worth():
    for share in (0.8, 1.5):  # clearly too much for the night, and clearly too little
        load_w = tuple(share * each for each in NIGHT)
        expected = worth(evening(load_power_w=load_w))[:16]
        assert worth(off_by(0.01, load_power_w=load_w))[:16] == pytest.approx(expected, abs=0.01)


def test_energy_for_a_night_that_may_be_dearer_than_forecast_is_worth_more_than_selling_it():
    """9 kWh are there, the night is forecast to take 7.4: the program would sell the rest for 0.15 EUR."""
    certain, *rising = (worth(off_by(error_w))[0] for error_w in (0.01, 150.0, 300.0, 600.0))
    assert certain == pytest.approx(0.15 * 0.95, abs=0.005)
    assert rising == sorted(rising)
    assert rising[0] > certain + 0.005
    assert rising[1] > 0.15 / 0.95
    assert rising[-1] < 0.30 / 0.95


def test_the_fuller_the_battery_the_less_another_kwh_is_worth():
    found = [
        worth(off_by(400.0, batteries=(battery(stored_wh=stored_wh),)))[0]
        for stored_wh in (600, 2_000, 4_000, 6_000, 8_000, 10_000)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] + 0.02


def test_what_may_not_be_sold_is_worth_no_sale():
    problem = off_by(50.0, load_power_w=(50.0,) * COUNT)
    kept = (battery(stored_wh=9_500.0, terminal_value_eur_per_kwh=0.0, sells=False),)
    sold = (replace(kept[0], sells=True),)
    assert worth(replace(problem, batteries=kept))[0] < 0.02
    assert worth(replace(problem, batteries=sold))[0] > 0.1


@pytest.mark.parametrize(
    "special",
    [
        {"peaks": (PeakInput(price_eur_per_kw=5.0, paid_power_w=2_000.0),)},
        {"netting": NettingInput(balance_wh=1e6, surplus_price_eur_per_kwh=0.01)},
        {"commitments": (CommitmentInput(commitment_id="c", grid_power_w=(500.0,) * COUNT),)},
        {"operator_import_max_w": (4_200.0,) * COUNT},
        {"batteries": (battery(stored_wh=300.0),)},
    ],
    ids=lambda special: next(iter(special)),
)
def test_where_only_the_program_knows_the_price_its_own_worth_stays(special):
    assert solve(off_by(500.0, **special)).plan == solve(evening(**special)).plan


def test_hedged_worths_cost_less_over_nights_that_differ_from_the_forecast():
    """Goal: the worth earns its keep. Method: 200 nights with seeded errors of the kind that is told, lived through by
    the tick's own merit order with one plan from 18:00 on; what is left at 08:00 counts 0.02 EUR (the sun comes)."""
    problem = off_by(500.0)
    plain, careful = solve(evening()).plan, solve(problem).plan
    rng = np.random.default_rng(5)
    nights = [_errors_w(rng, 56, 500.0) for _ in range(200)]
    saved = [_night_eur(problem, plain, errors) - _night_eur(problem, careful, errors) for errors in nights]
    assert np.mean(saved) > 0.02
    assert np.mean(saved) > 3 * np.std(saved) / np.sqrt(len(saved))


def _errors_w(rng: np.random.Generator, count: int, deviation_w: float) -> list[float]:
    kept = float(np.exp(-0.25 / 4.0))
    found = [0.0]
    for _ in range(count - 1):
        found.append(kept * found[-1] + deviation_w * float(np.sqrt(1 - kept**2)) * float(rng.normal()))
    return found


def _night_eur(problem: PlanningProblem, plan: Plan, errors_w: list[float]) -> float:
    (own,), values = plan.batteries, plan.batteries[0].value_eur_per_kwh
    assert values is not None
    stored_wh, cost_eur = problem.batteries[0].stored_wh, 0.0
    for slot, error_w in enumerate(errors_w):
        buy, sell = problem.import_price_eur_per_kwh[slot], problem.export_price_eur_per_kwh[slot]
        net_w = max(problem.load_power_w[slot] + error_w, 50.0)
        there = Storage(
            device_id=own.device_id,
            charge_power_min_w=0.0,
            charge_power_max_w=min(5_000.0, (10_000.0 - stored_wh) / 0.95 * 4),
            discharge_power_max_w=min(5_000.0, (stored_wh - 500.0) * 0.95 * 4),
            bid_eur_per_kwh=values[slot] * 0.95,
            ask_eur_per_kwh=values[slot] / 0.95,
            planned_power_w=own.power_w[slot],
        )
        cleared = clear(net_w, [there], import_price_eur_per_kwh=buy, export_price_eur_per_kwh=sell)
        power_w = cleared[own.device_id].power_w
        stored_wh += power_w / 4 * (0.95 if power_w > 0 else 1 / 0.95)
        grid_kwh = (net_w + power_w) / 4_000
        cost_eur += grid_kwh * (buy if grid_kwh > 0 else sell)
    return cost_eur - (stored_wh - 500.0) / 1000 * 0.02
