"""What a command must be before anybody looks at its content: not too many, fresh, and new."""

from collections.abc import Callable
from datetime import datetime, timedelta

from hems.aggregator.messages import Command
from hems.domain.flex import Refusal, RefusalCode

SKEW_MAX_S = 30.0
RATE_PER_S = 1.0
BURST = 10


class Allowance:
    """So many at once, so many a second after that: a token bucket."""

    def __init__(self, monotonic_s: Callable[[], float], *, rate_per_s: float = RATE_PER_S, burst: int = BURST) -> None:
        self._monotonic_s = monotonic_s
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._filled_mono_s = monotonic_s()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        mono_s = self._monotonic_s()
        self._tokens = min(self._burst, self._tokens + (mono_s - self._filled_mono_s) * self._rate_per_s)
        self._filled_mono_s = mono_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def untimely(command: Command, *, now_at: datetime, clock_trusted: bool) -> Refusal | None:
    """Refusal of a command that comes too late, or whose time cannot be judged."""
    if not clock_trusted:
        text = "this home does not know the time yet: try again when its state says clock_trusted"
        return Refusal(code=RefusalCode.CLOCK, text=text)
    if command.exp <= now_at:
        return Refusal(
            code=RefusalCode.STALE, text=f"it expired at {_instant(command.exp)}, here it is {_instant(now_at)}"
        )
    if abs(command.ts - now_at) > timedelta(seconds=SKEW_MAX_S):
        text = f"it was made at {_instant(command.ts)}, more than {SKEW_MAX_S:.0f} s from {_instant(now_at)}, now"
        return Refusal(code=RefusalCode.CLOCK, text=text)
    return None


def out_of_sequence(command: Command, last_seq: int) -> Refusal | None:
    """Refusal of a command that was overtaken by a later one, or is played again."""
    if command.seq > last_seq:
        return None
    return Refusal(
        code=RefusalCode.REPLAY, text=f"seq {command.seq} is not above {last_seq}, the last one that was taken"
    )


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
