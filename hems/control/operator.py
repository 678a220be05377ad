"""The grid operator's limit as a state machine: heard, limited, silent, failsafe.

Transitions are those of the EEBUS use cases LPC and LPP (1.0.0, sections 2.2 and 2.3) with two differences, both to
the side of the grid. What cannot be accepted (a negative limit) changes no state; there it would end the failsafe. And
who is autonomous keeps to the failsafe value; there it may do as it likes. A broken control box would otherwise set a
street free two hours after it died.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from hems.domain.operator import LimitState, LimitWrite, OperatorControl

HEARTBEAT_MAX_S = 120.0
"""Longest silence of an operator who is in control (LPC-911, LPC-912) [s]."""
WRITE_WINDOW_S = 60.0
"""Who is not in control gains it by a heartbeat and a write within this time (LPC-913) [s]."""
SETTLE_S = 120.0
"""How long a start, or a heartbeat that returns, waits for a write (LPC-906, LPC-921) [s]."""
LIMIT_MAX_W = 1e7
"""10 MW: no house has such a connection, so it is a wrong unit."""


class Step(StrEnum):
    """What moves the machine."""

    LIMIT = "limit"
    RELEASE = "release"
    ENDED = "ended"
    """The time of a limit is over."""
    SILENCE = "silence"
    """No heartbeat for two minutes."""
    SETTLED = "settled"
    """Nobody wrote in the time that a start, or a returning heartbeat, gives."""
    PATIENCE = "patience"
    """The failsafe duration is over."""


_INIT, _FREE, _HELD, _SAFE, _LONE = LimitState
TRANSITIONS: dict[tuple[LimitState, Step], LimitState] = {
    (_INIT, Step.LIMIT): _HELD,
    (_INIT, Step.RELEASE): _FREE,
    (_INIT, Step.SETTLED): _LONE,
    (_FREE, Step.LIMIT): _HELD,
    (_FREE, Step.RELEASE): _FREE,
    (_FREE, Step.SILENCE): _SAFE,
    (_HELD, Step.LIMIT): _HELD,
    (_HELD, Step.RELEASE): _FREE,
    (_HELD, Step.ENDED): _FREE,
    (_HELD, Step.SILENCE): _SAFE,
    (_SAFE, Step.LIMIT): _HELD,
    (_SAFE, Step.RELEASE): _FREE,
    (_SAFE, Step.SETTLED): _LONE,
    (_SAFE, Step.PATIENCE): _LONE,
    (_LONE, Step.LIMIT): _HELD,
    (_LONE, Step.RELEASE): _FREE,
}
"""Every step that is possible in a state; no other one moves it."""


class Refusal(StrEnum):
    """Why a write was not accepted."""

    NOT_A_LIMIT = "a limit is a power from 0 W to 10 MW"
    NOT_A_DURATION = "a duration is a number of seconds, not negative"
    NO_HEARTBEAT = "no heartbeat within the last 60 s: send one first"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLine:
    """One machine: an operator's control of one way, and where it stands."""

    control: OperatorControl
    state: LimitState
    entered_mono_s: float
    heard_mono_s: float | None = None
    """Last heartbeat."""
    awaiting_mono_s: float | None = None
    """First heartbeat of an operator who was silent and has written nothing yet."""
    written_w: float | None = None
    """The limit in force as it was written; before the first word of a new start, that of the last one [W]."""
    ends_mono_s: float | None = None

    @property
    def limit_w(self) -> float | None:
        """What holds now [W]; None: no limit. Never below the floor."""
        match self.state:
            case LimitState.UNLIMITED_CONTROLLED:
                return None
            case LimitState.LIMITED:
                assert self.written_w is not None
                bare_w = self.written_w
            case LimitState.INIT:
                # The limit of before the restart goes on where it is the tighter one.
                failsafe_w = self.control.failsafe_w
                bare_w = failsafe_w if self.written_w is None else min(self.written_w, failsafe_w)
            case _:
                bare_w = self.control.failsafe_w
        return max(bare_w, self.control.floor_w)


def start(
    control: OperatorControl, mono_s: float, *, kept_w: float | None = None, left_s: float | None = None
) -> OperatorLine:
    """A machine after a start: held back until somebody is heard.

    Args:
        control: of the site file.
        mono_s: now.
        kept_w: limit that was in force before the restart; None: none was.
        left_s: for how much longer; None: without end.
    """
    ends_mono_s = None if kept_w is None or left_s is None else mono_s + left_s
    return OperatorLine(
        control=control, state=LimitState.INIT, entered_mono_s=mono_s, written_w=kept_w, ends_mono_s=ends_mono_s
    )


def heartbeat(line: OperatorLine, mono_s: float) -> OperatorLine:
    """The operator is there. That alone ends no silence: control is taken by a write."""
    line = passed(line, mono_s)
    awaiting_mono_s = line.awaiting_mono_s
    if line.state is LimitState.FAILSAFE and awaiting_mono_s is None:
        awaiting_mono_s = mono_s
    return replace(line, heard_mono_s=mono_s, awaiting_mono_s=awaiting_mono_s)


def write(line: OperatorLine, wanted: LimitWrite, mono_s: float) -> tuple[OperatorLine, Refusal | None]:
    """Take what the operator writes; refused, it changes nothing."""
    line = passed(line, mono_s)
    refusal = _refusal(line, wanted, mono_s)
    if refusal is not None:
        return line, refusal
    if wanted.limit_w is None:
        return _moved(line, Step.RELEASE, mono_s), None
    # A duration of 0 is what control boxes send that have none: read as "over", it set houses free (evcc#32492).
    ends_mono_s = mono_s + wanted.duration_s if wanted.duration_s else None
    return replace(_moved(line, Step.LIMIT, mono_s), written_w=wanted.limit_w, ends_mono_s=ends_mono_s), None


def passed(line: OperatorLine, mono_s: float) -> OperatorLine:
    """The machine at a later second: what was due in between, in its order."""
    while (due := _due(line)) is not None and due[0] <= mono_s:
        line = _moved(line, due[1], due[0])
    if line.ends_mono_s is not None and line.ends_mono_s <= mono_s:
        # The limit of before a restart; while limited, its end was a step above.
        line = replace(line, written_w=None, ends_mono_s=None)
    return line


def _refusal(line: OperatorLine, wanted: LimitWrite, mono_s: float) -> Refusal | None:
    limit_w, duration_s = wanted.limit_w, wanted.duration_s
    if limit_w is not None and not 0 <= limit_w <= LIMIT_MAX_W:
        return Refusal.NOT_A_LIMIT
    if duration_s is not None and not 0 <= duration_s < math.inf:
        return Refusal.NOT_A_DURATION
    in_control = line.state in (LimitState.LIMITED, LimitState.UNLIMITED_CONTROLLED)
    heard = line.heard_mono_s is not None and mono_s - line.heard_mono_s <= WRITE_WINDOW_S
    return None if in_control or heard else Refusal.NO_HEARTBEAT


def _due(line: OperatorLine) -> tuple[float, Step] | None:
    """What time alone will do next, and when."""
    heard_mono_s = line.entered_mono_s if line.heard_mono_s is None else line.heard_mono_s
    silent = (heard_mono_s + HEARTBEAT_MAX_S, Step.SILENCE)
    match line.state:
        case LimitState.INIT:
            return line.entered_mono_s + SETTLE_S, Step.SETTLED
        case LimitState.UNLIMITED_CONTROLLED:
            return silent
        case LimitState.LIMITED:
            return silent if line.ends_mono_s is None else min(silent, (line.ends_mono_s, Step.ENDED))
        case LimitState.FAILSAFE:
            patience = (line.entered_mono_s + line.control.failsafe_s, Step.PATIENCE)
            if line.awaiting_mono_s is None:
                return patience
            return min(patience, (line.awaiting_mono_s + SETTLE_S, Step.SETTLED))
        case LimitState.UNLIMITED_AUTONOMOUS:
            return None


def _moved(line: OperatorLine, step: Step, mono_s: float) -> OperatorLine:
    after = TRANSITIONS[line.state, step]
    entered_mono_s = line.entered_mono_s if after is line.state else mono_s
    return replace(
        line, state=after, entered_mono_s=entered_mono_s, awaiting_mono_s=None, written_w=None, ends_mono_s=None
    )
