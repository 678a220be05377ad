"""What every family of devices needs while it is written into the program."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from hems.domain.power import Phase
from hems.domain.problem import PlanningProblem
from hems.domain.site import CircuitId
from hems.planning.reading import on_off_slots
from hems.solving.program import Flags, Indices, Numbers, Program
from hems.solving.weights import Weights

UNBOUNDED_KW = 1e4
"""A limit that does not matter [kW]."""

Fixing = tuple[Indices, Numbers]
"""Columns and the whole number that each of them takes."""


class Switch(Protocol):
    """A device that is on or off."""

    @property
    def announced(self) -> Iterable[Fixing]:
        """What the plan in force says of its whole numbers; nothing where it says nothing."""
        ...

    def rounded(self, values: Numbers, *, steady: bool = False) -> Iterable[Fixing]:
        """A pattern of its whole numbers near a point of the relaxed program; ``steady``: in one run, if it can."""
        ...

    def resting(self) -> Iterable[Fixing]:
        """The pattern that fits under any limit."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What some columns put on a circuit: consumption positive."""

    slots: Indices
    columns: Indices
    coefficients: Numbers
    circuit_id: CircuitId
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Soft:
    """A bound that can be missed: its rows and how far it is missed, one for each column."""

    rows: Indices
    miss: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The program under construction. Consumption is positive in ``balance`` rows, one per slot."""

    program: Program
    problem: PlanningProblem
    weights: Weights
    balance: Indices
    wasteful: Flags
    """Slots in which burning energy would pay."""
    flows: list[Flow] = field(default_factory=list)
    one_way: list[tuple[Indices, Indices]] = field(default_factory=list)
    """Pairs of opposite flows of one device, of which only one may run in a slot."""
    switches: list[Switch] = field(default_factory=list)
    start_rows: list[Indices] = field(default_factory=list)
    """One row per device that pays for its starts: how many there are."""
    own_rows: list[Indices] = field(default_factory=list)
    """Rows that hold one device's powers in a slot and whether it is on: what they cost is its own limit, not the
    worth of energy."""

    @property
    def count(self) -> int:
        """Slots."""
        return self.problem.grid.count

    @property
    def slot_h(self) -> float:
        """Length of a slot [h]."""
        return self.problem.grid.slot_h

    @property
    def exact(self) -> int:
        """Slots in which devices are really on or off."""
        return on_off_slots(self.problem.grid)

    @property
    def slots(self) -> Indices:
        """Every slot."""
        return np.arange(self.count)

    def place(
        self,
        columns: Indices,
        coefficients: ArrayLike,
        *,
        circuit_id: CircuitId,
        phases: Sequence[Phase],
        slots: Indices,
    ) -> None:
        """Let columns [kW] flow from the connection through the circuits to a device, pairwise with ``slots``."""
        spread = np.array(np.broadcast_to(np.asarray(coefficients, dtype=np.float64), len(columns)))
        self.program.put(self.balance[slots], columns, spread)
        self.flows.append(
            Flow(slots=slots, columns=columns, coefficients=spread, circuit_id=circuit_id, phases=tuple(phases))
        )

    def count_starts(self, starts: Indices) -> None:
        """Add the number of a device's priced ``starts``, any number yet."""
        row = self.program.rows(1, lower=0.0)
        self.program.put(np.repeat(row, len(starts)), starts, 1.0)
        self.start_rows.append(row)

    def soft_lower(self, columns: Indices, *, bound: ArrayLike, miss_max: ArrayLike, cost: ArrayLike) -> Soft:
        """``column + miss >= bound`` with a priced miss."""
        return self._soft(columns, bound=bound, miss_max=miss_max, cost=cost, sign=1.0)

    def soft_upper(self, columns: Indices, *, bound: ArrayLike, miss_max: ArrayLike, cost: ArrayLike) -> Soft:
        """``column - miss <= bound`` with a priced miss."""
        return self._soft(columns, bound=bound, miss_max=miss_max, cost=cost, sign=-1.0)

    def _soft(self, columns: Indices, *, bound: ArrayLike, miss_max: ArrayLike, cost: ArrayLike, sign: float) -> Soft:
        count = len(columns)
        miss = self.program.columns(count, upper=miss_max, cost=cost)
        rows = self.program.rows(count, **{"lower" if sign > 0 else "upper": bound})
        self.program.put(rows, columns, 1.0)
        self.program.put(rows, miss, sign)
        return Soft(rows=rows, miss=miss)


def windows(count: int, length: int) -> Iterator[tuple[int, range]]:
    """For each slot the slots up to it that a run of ``length`` slots through it may have started in."""
    for slot in range(count):
        yield slot, range(max(0, slot - length + 1), slot + 1)


def without_pauses(on: Flags) -> Flags:
    """On from the first slot that is on to the last."""
    filled: Flags = np.logical_or.accumulate(on) & np.logical_or.accumulate(on[::-1])[::-1]
    return filled
