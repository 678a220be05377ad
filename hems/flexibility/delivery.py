"""What was asked for against what was measured, step by step."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from hems.domain.flex import CommitmentState, Delivery, Envelope, Setpoint, TelemetryMinute

MINUTE_S = 60.0
COVERED_MIN_RATIO = 0.8
"""A step is measured if this share of it is: up to three lost minutes do not void a quarter of an hour."""


def delivery(
    setpoint: Setpoint, envelope: Envelope | None, minutes: Sequence[TelemetryMinute], final_state: CommitmentState
) -> Delivery:
    """Report on a setpoint that has ended.

    Args:
        setpoint: as accepted.
        envelope: the one that it relied on, for the baseline told beforehand; None: it is not known any more.
        minutes: in any order, more than needed does no harm; two of one minute count once, the later one that
            was measured: a restart sees its first minute in part.
        final_state: how it ended.
    """
    means = {each.start_at: each.grid_power_w for each in minutes if each.grid_power_w is not None}
    measured = [(at, MINUTE_S, power_w) for at, power_w in means.items()]
    starts = [setpoint.start_at + timedelta(seconds=index * setpoint.step_s) for index in range(len(setpoint.power_w))]
    return Delivery(
        event_id=setpoint.event_id,
        revision=setpoint.revision,
        start_at=setpoint.start_at,
        step_s=setpoint.step_s,
        asked_w=setpoint.power_w,
        baseline_w=tuple(_mean_w(_baseline(envelope), at, setpoint.step_s) for at in starts),
        measured_w=tuple(_mean_w(measured, at, setpoint.step_s) for at in starts),
        final_state=final_state,
    )


def _baseline(envelope: Envelope | None) -> list[tuple[datetime, float, float]]:
    if envelope is None:
        return []
    return [
        (envelope.start_at + timedelta(seconds=index * envelope.step_s), float(envelope.step_s), power_w)
        for index, power_w in enumerate(envelope.baseline_w)
    ]


def _mean_w(pieces: Iterable[tuple[datetime, float, float]], start_at: datetime, step_s: int) -> float | None:
    """Mean over a step of what is known of it (start, length, mean power of each piece); None: too little is."""
    covered_s = 0.0
    energy_ws = 0.0
    for piece_at, length_s, power_w in pieces:
        begin_s = max((piece_at - start_at).total_seconds(), 0.0)
        end_s = min((piece_at - start_at).total_seconds() + length_s, float(step_s))
        if end_s > begin_s:
            covered_s += end_s - begin_s
            energy_ws += power_w * (end_s - begin_s)
    return energy_ws / covered_s if covered_s >= COVERED_MIN_RATIO * step_s else None
