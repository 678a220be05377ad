"""How true a plan's reasons are: python -m benchmarks.explanations [--seeds N].

Three questions on random problems, each answered by solving again. Does energy moved into or out of a slot cost at
least what is said, with the on/off pattern kept, and with it free? Is an input that was changed on purpose named as
the cause of a changed plan? Is anything named where nothing but noise differs?
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hems.domain.change import Input
from hems.domain.plan import Plan
from hems.domain.problem import PlanningProblem
from hems.planning.changed_inputs import left_wh
from hems.planning.changes import changes, confirmed
from hems.planning.plausible import plausible
from hems.solving.plan import solve
from tests.support.odd_problems import odd_problem
from tests.support.perturbed import cost_with, moves, tried
from tests.support.planted import PLANTED, first_problem, next_problem, planted
from tests.support.problems import full_problem, house_problem

COUNT = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="random problems of each kind")
    seeds = parser.parse_args().seeds
    print("moves of up to 1 kWh that cost at least what is said")
    for name, make, searched in (
        ("house", _house, (False, True)),
        ("connection of 4 kW", _tight, (False, True)),
        ("fullest house", _full, (False,)),  # a search for its pattern to half a cent takes a minute
        ("absurd", odd_problem, (False,)),
    ):
        kept, free = _moved(make, range(1, seeds + 1), searched)
        print(f"  {name:18} pattern kept {kept}   pattern free, within the planner's gap {free}")
    _causes(range(seeds))


def _house(seed: int) -> PlanningProblem:
    return house_problem(seed, with_heat=True, count=COUNT)


def _tight(seed: int) -> PlanningProblem:
    return replace(_house(seed), import_power_max_w=(4000.0,) * COUNT)


def _full(seed: int) -> PlanningProblem:
    return full_problem(seed, count=COUNT)


def _moved(make: Callable[[int], PlanningProblem], seeds: range, searched: tuple[bool, ...]) -> tuple[str, str]:
    held = {False: 0, True: 0}
    compared = {False: 0, True: 0}
    for seed in seeds:
        at = tried(make(seed))
        if at is None:
            continue
        for move in moves(at, random.Random(seed), 4):
            for switching in searched:
                costs = [cost for way in move.ways if (cost := cost_with(at, way, switching=switching)) is not None]
                if costs:
                    # The plan itself is only within the gap of the best one.
                    allowed = at.rounding_eur + (at.gap_eur if switching else 0.0)
                    said_eur = move.said_eur_per_kwh * move.energy_kwh
                    compared[switching] += 1
                    held[switching] += min(costs) - at.cost_eur >= said_eur - allowed
    kept, free = (f"{held[each]:4} of {compared[each]:4}" for each in (False, True))
    return kept, free


def _solved(problem: PlanningProblem) -> Plan:
    return solve(problem).plan


def _causes(seeds: range) -> None:
    cases: Counter[Input] = Counter()
    named: Counter[Input] = Counter()
    sure: Counter[Input] = Counter()
    noise = 0
    for seed in seeds:
        problem = plausible(first_problem(seed))
        before = problem, _solved(problem)
        quiet = plausible(next_problem(seed, before[1]))
        found = changes(before, (quiet, _solved(quiet)))
        noise += found is not None and found.cause is not None
        for changed in PLANTED:
            nearly_done = left_wh(before[0], before[1], quiet, before[0].cars[0]) < 2000
            if changed in {Input.CAR_LEFT, Input.CAR_NEED} and nearly_done:
                continue
            new = planted(seed, changed, before[1])
            after = new, _solved(new)
            found = changes(before, after)
            if found is not None:
                told = confirmed(found, before, after, _solved)
                cases[changed] += 1
                named[changed] += told.cause is not None and told.cause.changed is changed
                sure[changed] += told.confirmed
    print("causes named of inputs changed on purpose (confirmed by solving without the change)")
    for changed in PLANTED:
        print(f"  {changed.value:18} {named[changed]:4} of {cases[changed]:4}   ({sure[changed]})")
    print(f"  {'all':18} {named.total():4} of {cases.total():4}   {named.total() / max(1, cases.total()):.1%}")
    print(f"  noise alone called a cause: {noise} of {len(seeds)}")


if __name__ == "__main__":
    main()
