"""Which devices are on when: the announced pattern, a rounded one, or what a search finds.

A pattern is good enough when its cost is near a bound that no pattern can beat. The relaxed program is such a bound,
but a weak one where starts cost something: it starts a third of a device. So what starts are needed is proven first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from hems.solving.frame import Fixing
from hems.solving.house import House
from hems.solving.mathopt import Solution, UnsolvedError, solve_linear, solve_whole
from hems.solving.program import Arrays, Numbers

CALM_RATIO = 2.0
"""An announced pattern is kept while it is within twice the gap that a new one would have to reach."""

EXACT_RATIO = 1e-6
"""Costs that differ by less are equal: the solver is exact to a tenth of it."""


WHOLE = 1e-9
"""A column is as near as this to a whole number, or it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """How far above the bound a plan may be, in the program's units of cost."""

    searched: float
    announced: float
    """What the plan in force was, when its pattern was found."""

    @property
    def kept(self) -> float:
        """What the announced pattern may be."""
        return max(CALM_RATIO * self.searched, self.announced + self.searched)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The program with a pattern fixed, its optimum, and who found the pattern."""

    arrays: Arrays
    solution: Solution
    solver: str
    gap: float = 0.0
    """How far above the bound a search stopped; where its pattern is kept, the one that had found it."""

    def is_within(self, most: float, bound: Solution) -> bool:
        """Its cost is at most so far above the bound."""
        return self.solution.cost - bound.cost <= most


def with_pattern(house: House, arrays: Arrays, relaxed: Solution, allowed: Allowed) -> Found:
    """The announced pattern or a rounded one where they are good enough, else what a search finds."""
    if len(arrays.whole) == 0:
        return Found(arrays=arrays, solution=relaxed, solver="glop")
    announced = _announced(house, arrays, relaxed, gap=allowed.announced)
    if announced is not None and announced.is_within(allowed.kept, relaxed):
        return announced
    rounded = _rounded(house, arrays, relaxed)
    if rounded is not None and rounded.is_within(allowed.searched, relaxed):
        return rounded
    proven, bound = arrays, relaxed
    known = [each for each in (announced, rounded) if each is not None]
    if known and house.start_rows:
        proven = _with_needed_starts(house, arrays, relaxed, known_cost=min(each.solution.cost for each in known))
        bound = solve_linear(proven, start=relaxed)
        if announced is not None and announced.is_within(allowed.kept, bound):
            return announced
        steady = _rounded(house, arrays, bound, steady=True)
        fresh = [each for each in (rounded, steady) if each is not None and each.is_within(allowed.searched, bound)]
        if fresh:
            return min(fresh, key=lambda each: each.solution.cost)
    values, name = _searched(house, proven, gap=allowed.searched)
    fixed = with_wholes(arrays, values)
    solution = solve_linear(fixed, start=bound)
    return Found(arrays=fixed, solution=solution, solver=name, gap=max(0.0, solution.cost - bound.cost))


def _with_needed_starts(house: House, arrays: Arrays, relaxed: Solution, *, known_cost: float) -> Arrays:
    """The program in which a device starts at least once, if never to start it costs more than a known pattern.

    Neither the known pattern nor a better one is lost by that, and the bound rises by most of what a start costs.
    """
    lower = arrays.row_lower.copy()
    for row in house.start_rows:
        upper = arrays.row_upper.copy()
        upper[row] = 0.0
        try:
            without = solve_linear(replace(arrays, row_upper=upper), start=relaxed).cost
        except UnsolvedError:
            continue  # unsolved proves nothing
        if without > known_cost + EXACT_RATIO * max(1.0, abs(known_cost)):
            lower[row] = 1.0
    return replace(arrays, row_lower=lower)


def _searched(house: House, arrays: Arrays, *, gap: float) -> tuple[Numbers, str]:
    """What SCIP finds; where it takes the program for infeasible (3 in 700 absurd problems), HiGHS from rest."""
    try:
        return solve_whole(arrays, gap=gap), "gscip"
    except UnsolvedError:
        resting = fixed_to(arrays, [switch.resting() for switch in house.switches])
        return solve_whole(arrays, gap=gap, pattern=resting.lower), "highs"


def _announced(house: House, arrays: Arrays, relaxed: Solution, *, gap: float) -> Found | None:
    """The program with the announced pattern, and a rounded one beyond; None where there is none that fits."""
    announced = [switch.announced for switch in house.switches]
    if not any(len(columns) for fixings in announced for columns, _ in fixings):
        return None
    try:
        held = fixed_to(arrays, announced)
        # Mostly the relaxed optimum keeps to what was announced; then it is the optimum of the held program, too.
        solution = relaxed if _is_inside(relaxed, held) else solve_linear(held, start=relaxed)
    except UnsolvedError:
        return None
    fixed = with_wholes(held, solution.values)
    whole = _is_inside(solution, fixed)
    found = Found(arrays=fixed, solution=solution, solver="") if whole else _rounded(house, held, solution)
    return None if found is None else replace(found, solver="glop, as announced", gap=gap)


def _rounded(house: House, arrays: Arrays, relaxed: Solution, *, steady: bool = False) -> Found | None:
    """The program with a rounded pattern, solved; None where that pattern does not fit."""
    if len(house.connection.tempting) > 0:
        return None  # the relaxed bound is far away: it buys and sells at once
    fixed = fixed_to(arrays, [switch.rounded(relaxed.values, steady=steady) for switch in house.switches])
    try:
        solution = solve_linear(fixed, start=relaxed)
    except UnsolvedError:
        return None
    return Found(arrays=fixed, solution=solution, solver="glop, pattern rounded")


def _is_inside(solution: Solution, arrays: Arrays) -> bool:
    """Its whole columns are inside the program's bounds: an optimum without these bounds is one with them."""
    values, whole = solution.values[arrays.whole], arrays.whole
    return bool(np.all((values > arrays.lower[whole] - WHOLE) & (values < arrays.upper[whole] + WHOLE)))


def fixed_to(arrays: Arrays, pattern: Iterable[Iterable[Fixing]]) -> Arrays:
    """The program with whole numbers fixed to a pattern."""
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    for fixings in pattern:
        for columns, wholes in fixings:
            lower[columns] = upper[columns] = wholes
    return replace(arrays, lower=lower, upper=upper)


def with_wholes(arrays: Arrays, values: Numbers) -> Arrays:
    """The program with its whole numbers fixed to what was found."""
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    lower[arrays.whole] = upper[arrays.whole] = np.round(values[arrays.whole])
    return replace(arrays, lower=lower, upper=upper)
