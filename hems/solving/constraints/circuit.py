"""Fuses: what flows through each circuit on each phase, either way."""

from dataclasses import dataclass

import numpy as np

from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import PlanningProblem
from hems.domain.site import MAIN, CircuitId
from hems.planning.reading import circuit_members, share_on, uncontrolled_phases_w
from hems.solving.constraints.connection import SLACK_SPARE_KW
from hems.solving.frame import UNBOUNDED_KW, Flow, Frame
from hems.solving.program import Indices, Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRows:
    """Rows of one fuse on one phase in one direction, one per slot or -1 where it cannot be reached."""

    circuit_id: CircuitId
    phase: Phase
    rows: Indices
    sign: float
    """1: what is consumed behind it, -1: what is fed out of it."""


def put_circuits(frame: Frame) -> tuple[CircuitRows, ...]:
    """Rows for every fuse, where what hangs behind it could reach its rating."""
    found = []
    lower, upper = frame.program.bounds()
    above = _above(frame.problem)
    for members in circuit_members(frame.problem):
        circuit = members.circuit
        flows = [flow for flow in frame.flows if circuit.circuit_id in above[flow.circuit_id]]
        bases_w = uncontrolled_phases_w(frame.problem, members)
        done: set[tuple[object, ...]] = set()
        for number, phase in enumerate(ALL_PHASES):
            share = [share_on(flow.phases, phase) for flow in flows]
            same = (bases_w[number], tuple(share), circuit.phase_power_max_w[number])
            if same in done:
                continue  # equal phases need one row
            done.add(same)
            limit_kw = min(circuit.phase_power_max_w[number] / 1000, UNBOUNDED_KW)
            base_kw = np.array(bases_w[number]) / 1000
            for sign in (1.0, -1.0):
                rows = _put(frame, flows, share, sign, sign * base_kw, limit_kw, lower, upper)
                if rows is not None:
                    found.append(CircuitRows(circuit_id=circuit.circuit_id, phase=phase, rows=rows, sign=sign))
    return tuple(found)


def _above(problem: PlanningProblem) -> dict[CircuitId, set[CircuitId]]:
    """Each circuit with all that feed it."""
    parents = {each.circuit_id: each.parent_id for each in problem.circuits}
    found: dict[CircuitId, set[CircuitId]] = {MAIN: {MAIN}}
    for circuit_id in parents:
        here: CircuitId | None = circuit_id
        found[circuit_id] = set()
        while here is not None:
            found[circuit_id].add(here)
            here = parents.get(here)
    return found


def _put(
    frame: Frame,
    flows: list[Flow],
    share: list[float],
    sign: float,
    base_kw: Numbers,
    limit_kw: float,
    lower: Numbers,
    upper: Numbers,
) -> Indices | None:
    """``sign * flows <= limit - base``; beyond the limit only as far as the base alone is."""
    most_kw = np.zeros(frame.count)
    for flow, part in zip(flows, share, strict=True):
        weight = sign * part * flow.coefficients
        np.add.at(most_kw, flow.slots, np.maximum(weight * upper[flow.columns], weight * lower[flow.columns]))
    reached = (base_kw + most_kw > limit_kw) & (most_kw > 0)
    slots = np.flatnonzero(reached)
    if len(slots) == 0:
        return None
    excess_kw = np.maximum(base_kw - limit_kw, 0.0)[slots]
    rows = frame.program.rows(len(slots), upper=(limit_kw - base_kw)[slots] + np.maximum(excess_kw - most_kw[slots], 0))
    by_slot = np.full(frame.count, -1, dtype=np.int64)
    by_slot[slots] = rows
    for flow, part in zip(flows, share, strict=True):
        at = by_slot[flow.slots]
        inside = (at >= 0) & (part > 0)
        frame.program.put(at[inside], flow.columns[inside], sign * part * flow.coefficients[inside])
    over = np.flatnonzero(excess_kw > 0)
    room_kw = np.minimum(excess_kw[over], most_kw[slots][over]) + SLACK_SPARE_KW
    slack = frame.program.columns(len(over), upper=room_kw, cost=frame.weights.connection * frame.slot_h)
    frame.program.put(rows[over], slack, -1.0)
    return by_slot
