"""A linear program with whole numbers, collected as numpy arrays.

Arrays instead of solver expressions: 2 ms instead of 60 ms to build a 48 h problem of a house with everything.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

NOTHING = 1e-12
"""A smaller coefficient moves nothing (what is left of the warmth in a hut without walls after a slot is 1e-17), and a
simplex method that divides by it loses its precision."""


@dataclass(slots=True)
class Program:
    """Minimise ``cost @ x`` with ``row_lower <= A x <= row_upper``, ``lower <= x <= upper``, some x whole."""

    _lower: list[Numbers] = field(default_factory=list)
    _upper: list[Numbers] = field(default_factory=list)
    _cost: list[Numbers] = field(default_factory=list)
    _whole: list[Indices] = field(default_factory=list)
    _row_lower: list[Numbers] = field(default_factory=list)
    _row_upper: list[Numbers] = field(default_factory=list)
    _rows: list[Indices] = field(default_factory=list)
    _columns: list[Indices] = field(default_factory=list)
    _coefficients: list[Numbers] = field(default_factory=list)
    column_count: int = 0
    row_count: int = 0

    def columns(self, count: int, *, lower: ArrayLike = 0.0, upper: ArrayLike, cost: ArrayLike = 0.0) -> Indices:
        """Add variables; scalars stand for all of them."""
        self._lower.append(_spread(lower, count))
        self._upper.append(_spread(upper, count))
        self._cost.append(_spread(cost, count))
        self.column_count += count
        return np.arange(self.column_count - count, self.column_count)

    def binaries(self, count: int, *, cost: ArrayLike = 0.0) -> Indices:
        """Add variables that are 0 or 1."""
        added = self.columns(count, upper=1.0, cost=cost)
        self._whole.append(added)
        return added

    def rows(self, count: int, *, lower: ArrayLike = -np.inf, upper: ArrayLike = np.inf) -> Indices:
        """Add constraints, empty until :meth:`put`."""
        self._row_lower.append(_spread(lower, count))
        self._row_upper.append(_spread(upper, count))
        self.row_count += count
        return np.arange(self.row_count - count, self.row_count)

    def put(self, rows: Indices, columns: Indices, coefficients: ArrayLike) -> None:
        """Coefficients of columns in rows, pairwise; each pair at most once."""
        self._rows.append(rows)
        self._columns.append(columns)
        self._coefficients.append(_spread(coefficients, len(rows)))

    def bounds(self) -> tuple[Numbers, Numbers]:
        """Lower and upper bound of every variable so far."""
        return np.concatenate(self._lower), np.concatenate(self._upper)

    def frozen(self, *, cost_unit: float) -> "Arrays":
        """The whole program, entries sorted by row, cost counted in ``cost_unit`` so that it has ordinary size."""
        rows, columns = np.concatenate(self._rows), np.concatenate(self._columns)
        coefficients = np.concatenate(self._coefficients)
        order = np.lexsort((columns, rows))
        order = order[np.abs(coefficients[order]) > NOTHING]
        return Arrays(
            lower=np.concatenate(self._lower),
            upper=np.concatenate(self._upper),
            cost=np.concatenate(self._cost) / cost_unit,
            whole=np.concatenate([*self._whole, np.empty(0, dtype=np.int64)]),
            row_lower=np.concatenate(self._row_lower),
            row_upper=np.concatenate(self._row_upper),
            rows=rows[order],
            columns=columns[order],
            coefficients=coefficients[order],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrays:
    """A complete program; see :class:`Program`."""

    lower: Numbers
    upper: Numbers
    cost: Numbers
    whole: Indices
    row_lower: Numbers
    row_upper: Numbers
    rows: Indices
    columns: Indices
    coefficients: Numbers


def _spread(values: ArrayLike, count: int) -> Numbers:
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), count))
