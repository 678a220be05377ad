"""What a plan lists as bent cannot be avoided, and what it does not list is kept: against a second formulation.

``HEMS_UNMET_PROBLEMS=300 pytest tests/property/test_unmet_is_right.py`` for more than the sample.
"""

import os
import random
from dataclasses import replace
from datetime import timedelta

from hems.domain.plan import Wish
from hems.domain.problem import PlanningProblem
from hems.domain.site import DeviceId
from hems.planning.check import violations
from hems.solving.plan import solve
from tests.support.feasible import fits_every_wish, least_missing_wh
from tests.support.problems import START_AT, battery, car, house_problem

COUNT = int(os.environ.get("HEMS_UNMET_PROBLEMS", "30"))
NEAR_WH = 20.0
"""The search for a pattern may stop a fraction of a cent before the best, and a missing Wh costs 0.2 EUR."""


def tight_problem(seed: int) -> PlanningProblem:
    """A house whose wishes just fit, or just do not: little time, a small connection, one or two cars."""
    rng = random.Random(seed)
    problem = house_problem(seed, with_car=False, count=rng.choice([16, 24, 32]))
    limit_w = rng.uniform(3_500, 14_000)
    cars = tuple(
        replace(
            car(),
            device_id=DeviceId(f"charger {number}"),
            arrival_at=START_AT + timedelta(minutes=rng.choice([0, 0, 20, 75])),
            departure_at=START_AT + timedelta(hours=rng.choice([1, 2, 3, 4])),
            energy_needed_wh=rng.uniform(500, 22_000),
        )
        for number in range(rng.choice([1, 1, 2]))
    )
    return replace(
        problem,
        import_power_max_w=(limit_w,) * problem.grid.count,
        batteries=(battery(stored_wh=rng.uniform(1_500, 9_000), reserve_wh=rng.choice([500.0, 1_400.0])),),
        cars=cars,
    )


def test_what_is_listed_as_bent_cannot_be_avoided():
    kept = bent = 0
    for seed in range(COUNT):
        problem = tight_problem(seed)
        plan = solve(problem).plan
        assert violations(problem, plan) == (), seed
        fits = fits_every_wish(problem)
        assert fits == (plan.unmet == ()), (seed, plan.unmet)
        if not fits:
            told_wh = sum(each.shortfall for each in plan.unmet if each.wish is Wish.DEPARTURE)
            assert abs(told_wh - least_missing_wh(problem)) < NEAR_WH, seed
        kept, bent = kept + fits, bent + (not fits)
    assert min(kept, bent) >= COUNT // 5, "the sample must hold both"
