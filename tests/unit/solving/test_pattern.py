"""What is proven about starts, and patterns with few of them. Slots of 15 min."""

import random
from unittest import mock

import numpy as np
import pytest

from benchmarks.houses import house_d, house_d_drifted
from benchmarks.peers.documents import announced, problem_of
from benchmarks.problems import PROBLEMS, drifted
from hems.domain.problem import PlanningProblem
from hems.planning.check import violations
from hems.solving import pattern
from hems.solving.frame import without_pauses
from hems.solving.house import house_of
from hems.solving.mathopt import solve_linear, solve_whole
from hems.solving.pattern import _rounded, _with_needed_starts
from hems.solving.plan import solve
from hems.solving.weights import weights_for
from tests.support.problems import battery, car, flat_problem, heat_pump, room

SLOTS = 16


def proven(problem: PlanningProblem) -> tuple[float, float, float, float]:
    """Relaxed bound, bound with the starts that are needed, optimum with and without them; in units of cost."""
    weights = weights_for(problem)
    house = house_of(problem, weights)
    arrays = house.program.frozen(cost_unit=weights.unit)
    relaxed = solve_linear(arrays)
    known = _rounded(house, arrays, relaxed)
    assert known is not None
    needed = _with_needed_starts(house, arrays, relaxed, known_cost=known.solution.cost)
    optimum, limited = (float(each.cost @ solve_whole(each, gap=1e-6)) for each in (arrays, needed))
    return relaxed.cost, solve_linear(needed, start=relaxed).cost, limited, optimum


def switching(seed: int) -> PlanningProblem:
    """A pump and a car, on or off at first, whose starts cost 1 to 30 ct, perhaps without need to start."""
    rng = random.Random(seed)
    pump = heat_pump(
        SLOTS,
        start_cost_eur=rng.uniform(0.01, 0.3),
        running=rng.random() < 0.5,
        state_s=7200.0,
        min_run_s=rng.choice((0.0, 1800.0)),
        room=room(SLOTS, temperature_c=rng.uniform(18.5, 22.0)),
    )
    loading = car(
        switch_cost_eur=rng.uniform(0.01, 0.3),
        charging_mode=rng.choice((None, 0)),
        energy_needed_wh=rng.choice((0.0, 3000.0, 12_000.0)),
    )
    return flat_problem(
        SLOTS,
        import_price_eur_per_kwh=tuple(rng.uniform(0.05, 0.5) for _ in range(SLOTS)),
        heat=(pump,),
        cars=(loading,),
        batteries=(battery(),),
    )


@pytest.mark.parametrize("seed", range(30))
def test_no_better_plan_is_lost_by_what_is_proven(seed: int):
    relaxed, bound, limited, optimum = proven(switching(seed))
    assert limited == pytest.approx(optimum, abs=1e-5)
    assert relaxed - 1e-6 <= bound <= optimum + 1e-5


def test_a_start_that_every_plan_needs_is_in_the_bound():
    """A room at its lower edge needs 525 W of a pump of 600 to 2,500 W: relaxed, a fifth of it starts for 1 EUR."""
    pump = heat_pump(SLOTS, start_cost_eur=1.0, room=room(SLOTS, temperature_c=19.0))
    relaxed, bound, _, optimum = proven(flat_problem(SLOTS, heat=(pump,)))
    assert optimum - relaxed > 0.7 * (optimum - bound) + 0.5
    assert optimum - bound < 0.1 * (optimum - relaxed)


def test_a_start_that_nothing_needs_is_not():
    pump = heat_pump(SLOTS, start_cost_eur=1.0, room=room(SLOTS, temperature_c=21.5))
    relaxed, bound, _, optimum = proven(flat_problem(SLOTS, heat=(pump,)))
    assert bound == pytest.approx(relaxed)
    assert optimum == pytest.approx(relaxed)


def test_a_replan_that_agrees_with_the_announced_plan_solves_one_program(monkeypatch: pytest.MonkeyPatch):
    """And the plan is the one that solving again with the pattern held gives."""
    facts = PROBLEMS["B"](1)
    in_force = solve(problem_of(facts)).plan
    later = announced(problem_of(drifted(facts, 1)), in_force)
    again = mock.Mock(wraps=solve_linear)
    monkeypatch.setattr(pattern, "solve_linear", again)
    short = solve(later)
    assert (short.solver, again.call_count) == ("glop, as announced", 0)
    monkeypatch.setattr(pattern, "_is_inside", lambda *_: False)
    long = solve(later)
    assert again.call_count == 2
    assert short.plan.cost_eur == pytest.approx(long.plan.cost_eur, abs=1e-6)


def test_pauses_are_filled_and_ends_are_kept():
    on = np.array([False, True, False, False, True, False])
    assert without_pauses(on).tolist() == [False, True, True, True, True, False]
    assert not without_pauses(np.zeros(3, dtype=bool)).any()


@pytest.mark.parametrize("seed", [1003, 1008, 1017])
def test_the_fullest_house_needs_no_search(seed: int):
    """First and again: the start of pump and car is proven, and a pattern with one run each is near enough."""
    problem = house_d(seed)
    first = solve(problem)
    later = announced(house_d_drifted(seed, 1), first.plan)
    again = solve(later)
    for each, solved in ((problem, first), (later, again)):
        assert solved.solver.startswith("glop")
        assert violations(each, solved.plan) == ()
