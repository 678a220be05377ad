"""Whether a setpoint is inside the envelope that it relies on; if not, the first bound that it breaks."""

import math
from datetime import datetime, timedelta

from hems.domain.flex import Direction, Envelope, Refusal, RefusalCode, Setpoint, ViolatedBound

LATE_START_MAX_S = 30.0
"""A setpoint may have begun this long ago: sending it takes a moment, and clocks differ. As long as the clock skew."""
STEP_MIN_S = 60
"""What was delivered is proved with means of minutes."""


def refusal(setpoint: Setpoint, envelope: Envelope | None, now_at: datetime) -> Refusal | None:
    """Why a setpoint is not followed; None: it is inside the promise.

    Args:
        setpoint: aware instants.
        envelope: the one in force; None: there is none.
        now_at: aware; trusted by whoever asks.
    """
    return (
        _malformed(setpoint)
        or _not_on(setpoint, envelope, now_at)
        or (None if envelope is None else _outside(setpoint, envelope))
    )


def _malformed(setpoint: Setpoint) -> Refusal | None:
    if setpoint.step_s < STEP_MIN_S:
        return Refusal(
            code=RefusalCode.NOT_SUPPORTED,
            text=f"a step lasts {setpoint.step_s} s; the shortest that can be proved has {STEP_MIN_S} s",
        )
    if not setpoint.power_w or not all(math.isfinite(power_w) for power_w in setpoint.power_w):
        return Refusal(
            code=RefusalCode.NOT_SUPPORTED, text="a setpoint asks for one finite power per step, at least one"
        )
    return None


def _not_on(setpoint: Setpoint, envelope: Envelope | None, now_at: datetime) -> Refusal | None:
    """Envelope and start, before any power."""
    if envelope is None:
        return Refusal(code=RefusalCode.STALE, text="no envelope is in force: wait for the next one")
    if setpoint.envelope_id != envelope.envelope_id:
        text = f"it relies on envelope {setpoint.envelope_id}, but {envelope.envelope_id} is in force"
        return Refusal(code=RefusalCode.STALE, text=text)
    if now_at >= envelope.valid_until_at:
        text = f"the envelope was valid until {_instant(envelope.valid_until_at)}: wait for the next one"
        return Refusal(code=RefusalCode.STALE, text=text)
    if setpoint.start_at < now_at - timedelta(seconds=LATE_START_MAX_S):
        text = f"it starts at {_instant(setpoint.start_at)}, more than {LATE_START_MAX_S:.0f} s ago"
        return Refusal(code=RefusalCode.STALE, text=text)
    if setpoint.start_at >= envelope.valid_until_at:
        text = f"it starts after the envelope ends at {_instant(envelope.valid_until_at)}"
        return Refusal(code=RefusalCode.OUTSIDE_ENVELOPE, text=text)
    return None


def _outside(setpoint: Setpoint, envelope: Envelope) -> Refusal | None:
    if not envelope.hold_blocks:
        text = f"the envelope offers nothing: {envelope.null_reason or 'no hold blocks'}"
        return Refusal(code=RefusalCode.OUTSIDE_ENVELOPE, text=text)
    duration_s = setpoint.step_s * len(setpoint.power_w)
    bounds_w = envelope.bounds_w(duration_s)
    if bounds_w is None:
        longest_s = max(block.duration_s for block in envelope.hold_blocks)
        text = f"it lasts {duration_s} s, the longest hold block {longest_s} s"
        return Refusal(code=RefusalCode.OUTSIDE_ENVELOPE, text=text)
    for step, asked_w in enumerate(setpoint.power_w):
        for direction, limit_w in zip((Direction.DOWN, Direction.UP), bounds_w, strict=True):
            beyond = asked_w > limit_w if direction is Direction.UP else asked_w < limit_w
            if beyond:
                return _beyond(envelope, direction, duration_s, step, asked_w, limit_w)
    return None


def _beyond(
    envelope: Envelope, direction: Direction, duration_s: int, step: int, asked_w: float, limit_w: float
) -> Refusal:
    block_s = min(
        block.duration_s
        for block in envelope.hold_blocks
        if block.duration_s >= duration_s and block.direction is direction and block.power_w == limit_w
    )
    bound = f"{direction.value} {block_s} s"
    side = "more" if direction is Direction.UP else "less"
    return Refusal(
        code=RefusalCode.OUTSIDE_ENVELOPE,
        text=f"step {step} asks for {asked_w:g} W, {side} than the {limit_w:g} W of hold block {bound}",
        violated=ViolatedBound(bound=bound, step=step, asked_w=asked_w, limit_w=limit_w),
    )


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
