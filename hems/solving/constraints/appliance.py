"""Appliances: one binary per slot in which the programme may start."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from hems.domain.problem import ApplianceInput
from hems.planning.reading import appliance_power_w, appliance_starts
from hems.solving.frame import Fixing, Frame
from hems.solving.program import Indices, Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceColumns:
    """Where an appliance is in the program: exactly one of ``start`` is 1."""

    start: Indices
    """Binaries, one per candidate; none where there is no choice."""
    candidates: tuple[int, ...]
    """Start slots."""
    announced: tuple[Fixing, ...] = ()

    def rounded(self, values: Numbers, *, steady: bool = False) -> Iterable[Fixing]:  # noqa: ARG002
        """The likeliest start."""
        chosen = np.zeros(len(self.start))
        chosen[int(np.argmax(values[self.start]))] = 1.0
        yield self.start, chosen

    def resting(self) -> Iterable[Fixing]:
        """Not in this horizon."""
        chosen = np.zeros(len(self.start))
        chosen[-1] = 1.0
        yield self.start, chosen

    def start_slot(self, values: Numbers) -> int:
        """The start that was chosen."""
        if len(self.start) == 0:
            return self.candidates[0]
        return self.candidates[int(np.argmax(values[self.start]))]


def put_appliance(frame: Frame, appliance: ApplianceInput) -> ApplianceColumns:
    """Columns of one appliance that has not started; one under way is load."""
    program, grid = frame.program, frame.problem.grid
    candidates = appliance_starts(appliance, grid)
    if appliance.started_at is not None or candidates[0] >= grid.count:
        return ApplianceColumns(start=np.empty(0, dtype=np.int64), candidates=candidates)
    # Not in this horizon is the way out where no start fits under a limit.
    candidates = (*(each for each in candidates if each < grid.count), grid.count)
    cost = [
        _late_h(frame, appliance, each) * frame.weights.appliance + _moved(frame, appliance, each)
        for each in candidates
    ]
    cost[-1] += frame.weights.protection
    start = program.binaries(len(candidates), cost=cost)
    program.put(np.repeat(program.rows(1, lower=1.0, upper=1.0), len(candidates)), start, 1.0)
    slots, columns, powers = [], [], []
    for column, first in zip(start, candidates, strict=True):
        profile_w = appliance_power_w(appliance, first, grid)
        running = np.flatnonzero(profile_w)
        slots.append(running)
        columns.append(np.full(len(running), column))
        powers.append(np.array(profile_w)[running] / 1000)
    frame.place(
        np.concatenate(columns),
        np.concatenate(powers),
        circuit_id=appliance.circuit_id,
        phases=appliance.phases,
        slots=np.concatenate(slots),
    )
    kept = np.array([grid.slot_start(each) == appliance.announced_start_at for each in candidates], dtype=float)
    announced = ((start, kept),) if kept.any() else ()
    added = ApplianceColumns(start=start, candidates=candidates, announced=announced)
    frame.switches.append(added)
    return added


def _late_h(frame: Frame, appliance: ApplianceInput, start: int) -> float:
    end_at = frame.problem.grid.slot_start(start + len(appliance.profile_w))
    return max(0.0, (end_at - appliance.deadline_at) / timedelta(hours=1))


def _moved(frame: Frame, appliance: ApplianceInput, start: int) -> float:
    if appliance.announced_start_at is None:
        return 0.0
    return (
        0.0 if frame.problem.grid.slot_start(start) == appliance.announced_start_at else frame.problem.change_cost_eur
    )
