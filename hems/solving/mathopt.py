"""The solver: MathOpt's core on protocol buffers, GLOP for linear programs and SCIP for whole numbers.

The Python layer above the core is left out: it builds one object per variable, and importing it takes four times
as long (0.43 s against 0.11 s).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ortools.math_opt import (  # type: ignore[import-untyped]
    callback_pb2,
    model_parameters_pb2,
    model_pb2,
    parameters_pb2,
    result_pb2,
)
from ortools.math_opt.core.python import solver  # type: ignore[import-untyped]
from ortools.math_opt.solvers import highs_pb2  # type: ignore[import-untyped]
from ortools.math_opt.solvers.gscip import gscip_pb2  # type: ignore[import-untyped]
from pybind11_abseil.status import StatusNotOk  # type: ignore[import-untyped]

from hems.solving.program import Arrays, Numbers

NODES_MAX = 300
"""Search nodes of SCIP. A count, not a time: the same plan on a busy machine. House problems close in 1-50."""

COSTLY_HEURISTICS = ("zeroobj", "dks")
"""These solve further programs and never found the plan of an ordinary house. Without costs: 550 MB and 20 times the
time in an odd house (one in 700: the worker ended there). By kernels: 290 instead of 101 MB in a house with net
metering, in twice the time."""

OPTIMAL = result_pb2.TERMINATION_REASON_OPTIMAL
FEASIBLE = result_pb2.TERMINATION_REASON_FEASIBLE


class UnsolvedError(Exception):
    """The solver returned no solution for this program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """An optimal point of a linear program."""

    values: Numbers
    duals: Numbers
    """Change of the minimum per unit of each row's bound."""
    reduced_costs: Numbers
    """Change of the minimum per unit of each column that is at a bound."""
    cost: float
    basis: Any
    """Where the next solve of nearly the same program may start."""


def model_of(arrays: Arrays, *, whole: bool) -> model_pb2.ModelProto:
    """The program as MathOpt reads it; ``whole=False`` relaxes the whole numbers."""
    model = model_pb2.ModelProto()
    count = len(arrays.lower)
    model.variables.ids.extend(range(count))
    model.variables.lower_bounds.extend(arrays.lower.tolist())
    model.variables.upper_bounds.extend(arrays.upper.tolist())
    integers = np.zeros(count, dtype=bool)
    if whole:
        integers[arrays.whole] = True
    model.variables.integers.extend(integers.tolist())
    priced = np.flatnonzero(arrays.cost)
    model.objective.linear_coefficients.ids.extend(priced.tolist())
    model.objective.linear_coefficients.values.extend(arrays.cost[priced].tolist())
    model.linear_constraints.ids.extend(range(len(arrays.row_lower)))
    model.linear_constraints.lower_bounds.extend(arrays.row_lower.tolist())
    model.linear_constraints.upper_bounds.extend(arrays.row_upper.tolist())
    matrix = model.linear_constraint_matrix
    matrix.row_ids.extend(arrays.rows.tolist())
    matrix.column_ids.extend(arrays.columns.tolist())
    matrix.coefficients.extend(arrays.coefficients.tolist())
    return model


def solve_linear(arrays: Arrays, *, start: Solution | None = None) -> Solution:
    """Optimum of the relaxed program with its duals.

    ``start`` is the solution of a program that differs in bounds only: five times faster.

    Raises:
        UnsolvedError: infeasible, unbounded, or beyond the solver's arithmetic.
    """
    model = model_of(arrays, whole=False)
    attempts = [
        {
            "threads": 1,
            "presolve": parameters_pb2.EMPHASIS_OFF,
            "lp_algorithm": parameters_pb2.LP_ALGORITHM_PRIMAL_SIMPLEX,
        },
        {"threads": 1, "lp_algorithm": parameters_pb2.LP_ALGORITHM_DUAL_SIMPLEX},
    ]
    reason = "no answer"
    for number, settings in enumerate(attempts):
        hints = model_parameters_pb2.ModelSolveParametersProto()
        if start is not None and number == 0:
            hints.initial_basis.CopyFrom(start.basis)
        result = _run(model, parameters_pb2.SOLVER_TYPE_GLOP, settings, hints)
        if result.termination.reason == OPTIMAL:
            found = result.solutions[0]
            return Solution(
                values=np.array(found.primal_solution.variable_values.values),
                duals=np.array(found.dual_solution.dual_values.values),
                reduced_costs=np.array(found.dual_solution.reduced_costs.values),
                cost=found.primal_solution.objective_value,
                basis=found.basis,
            )
        reason = result_pb2.TerminationReasonProto.Name(result.termination.reason)
    raise UnsolvedError(f"linear program: {reason}")


def solve_whole(arrays: Arrays, *, gap: float, pattern: Numbers | None = None) -> Numbers:
    """Values of a point with whole numbers, within an absolute gap of the optimum unless the node limit came first.

    Args:
        arrays: the program.
        gap: absolute, in its units of cost.
        pattern: values of all columns whose whole ones are a good start. With it HiGHS searches, 4 to 25 times faster
            than without; without it SCIP, twice as fast as HiGHS (design, planner measurements).

    Raises:
        UnsolvedError: no such point was found within the node limit.
    """
    settings: dict[str, Any] = {"absolute_gap_tolerance": gap, "relative_gap_tolerance": 0.0, "node_limit": NODES_MAX}
    hints = model_parameters_pb2.ModelSolveParametersProto()
    kind = parameters_pb2.SOLVER_TYPE_GSCIP
    if pattern is None:
        settings |= {
            "threads": 1,
            "random_seed": 1,
            # The fullest house, 13 seeds: median 0.86 s; with cuts LOW alone 1.4 s and five of 13 above 3 s. A house
            # with a car: 40 ms either way.
            "cuts": parameters_pb2.EMPHASIS_LOW,
            "heuristics": parameters_pb2.EMPHASIS_HIGH,
            "gscip": gscip_pb2.GScipParameters(
                int_params={f"heuristics/{name}/freq": -1 for name in COSTLY_HEURISTICS}
            ),
        }
    else:
        kind = parameters_pb2.SOLVER_TYPE_HIGHS
        settings["highs"] = highs_pb2.HighsOptionsProto(string_options={"parallel": "off"})
        hint = hints.solution_hints.add()
        # Whole columns only, inside their bounds: anything else fails the solve in 9.15.
        wholes = np.clip(np.round(pattern[arrays.whole]), arrays.lower[arrays.whole], arrays.upper[arrays.whole])
        order = np.argsort(arrays.whole)
        hint.variable_values.ids.extend(arrays.whole[order].tolist())
        hint.variable_values.values.extend(wholes[order].tolist())
    result = _run(model_of(arrays, whole=True), kind, settings, hints)
    if result.termination.reason not in {OPTIMAL, FEASIBLE} or not result.solutions:
        raise UnsolvedError(f"whole numbers: {result_pb2.TerminationReasonProto.Name(result.termination.reason)}")
    return np.array(result.solutions[0].primal_solution.variable_values.values)


def _run(model: model_pb2.ModelProto, kind: Any, settings: dict[str, Any], hints: Any) -> Any:  # noqa: ANN401
    try:
        return solver.solve(
            model,
            kind,
            parameters_pb2.SolverInitializerProto(),
            parameters_pb2.SolveParametersProto(**settings),
            hints,
            None,
            callback_pb2.CallbackRegistrationProto(),
            None,
            None,
        )
    except (RuntimeError, ValueError, AttributeError, StatusNotOk) as error:
        # 9.15 raises these for an internal failure of a solver, some of them while building its own message.
        raise UnsolvedError(f"solver failed: {error.__context__ or error}") from error
