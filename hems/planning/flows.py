"""How much room is left in a slot, at the connection and on every phase of every fuse at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import PlanningProblem, Series
from hems.domain.site import MAIN, CircuitId
from hems.planning.reading import (
    circuit_members,
    circuits_above,
    limited_ranges,
    share_on,
    uncontrolled_phases_w,
    uncontrolled_w,
)

FITS_W = 1e-3
"""Rounding that may add up over the devices of a slot, far below what counts as passing a limit [W]."""

Weights = tuple[float, ...]
"""Part of a device's power that flows through each limited conductor, the connection first."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Power through each limited conductor in one slot, load convention [W]."""

    now: list[float]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def room_up_w(self, weights: Weights) -> float:
        """Most that a device of these weights can take more, >= 0."""
        rooms = zip(self.now, self.upper, weights, strict=True)
        return max(0.0, min((upper - now) / weight for now, upper, weight in rooms if weight > 0))

    def room_down_w(self, weights: Weights) -> float:
        """Most that it can take less, or give more, >= 0."""
        rooms = zip(self.now, self.lower, weights, strict=True)
        return max(0.0, min((now - lower) / weight for now, lower, weight in rooms if weight > 0))

    def missing_w(self, weights: Weights) -> float:
        """What a device of these weights would have to take more for no lower limit to be passed, >= 0."""
        gaps = zip(self.now, self.lower, weights, strict=True)
        return max(0.0, *((lower - now) / weight for now, lower, weight in gaps if weight > 0))

    def add(self, weights: Weights, power_w: float) -> None:
        """Lets a device take more."""
        self.now[:] = [now + weight * power_w for now, weight in zip(self.now, weights, strict=True)]

    @property
    def fits(self) -> bool:
        """Whether no limit is passed."""
        conductors = zip(self.lower, self.now, self.upper, strict=True)
        return all(lower - FITS_W <= now <= upper + FITS_W for lower, now, upper in conductors)


class Conductors:
    """All that is limited: the connection, with the operator's limit, and each phase of each fuse."""

    def __init__(self, problem: PlanningProblem) -> None:
        self._above = {each.circuit_id: set(circuits_above(problem, each.circuit_id)) for each in problem.circuits}
        self._above.setdefault(MAIN, {MAIN})
        self._fuses = [(each.circuit_id, phase) for each in problem.circuits for phase in ALL_PHASES]
        alone = uncontrolled_w(problem)
        lower, upper = limited_ranges(
            alone,
            import_max_w=_least(problem.import_power_max_w, problem.operator_import_max_w),
            export_max_w=_least(problem.export_power_max_w, problem.operator_export_max_w),
        )
        self._alone, self._lower, self._upper = [alone], [lower], [upper]
        for members in circuit_members(problem):
            bases = uncontrolled_phases_w(problem, members)
            for base, limit_w in zip(bases, members.circuit.phase_power_max_w, strict=True):
                limits = (limit_w,) * problem.grid.count
                lower, upper = limited_ranges(base, import_max_w=limits, export_max_w=limits)
                self._alone.append(base)
                self._lower.append(lower)
                self._upper.append(upper)

    def weights(self, circuit_id: CircuitId, phases: tuple[Phase, ...]) -> Weights:
        """Of a device in this circuit on these phases."""
        above = self._above[circuit_id]
        return (1.0, *(share_on(phases, phase) if fuse in above else 0.0 for fuse, phase in self._fuses))

    def flow(self, slot: int, placed: Sequence[tuple[Weights, Series]] = ()) -> Flow:
        """What flows when nothing is decided but these devices."""
        flow = Flow(
            now=[each[slot] for each in self._alone],
            lower=tuple(each[slot] for each in self._lower),
            upper=tuple(each[slot] for each in self._upper),
        )
        for weights, power_w in placed:
            flow.add(weights, power_w[slot])
        return flow

    def exceeded(self, slot: int) -> bool:
        """Whether what nothing controls fills or passes a limit on import."""
        return any(alone[slot] >= upper[slot] for alone, upper in zip(self._alone, self._upper, strict=True))


def _least(limit: Series, other: Series | None) -> Series:
    return limit if other is None else tuple(min(pair) for pair in zip(limit, other, strict=True))
