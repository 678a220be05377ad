"""How long to leave alone what did not answer."""

from random import Random

FIRST_S, LAST_S = 1.0, 60.0
JITTER_RATIO = 0.2
"""So that thirty devices behind one switch that was restarted do not come back in the same instant."""


class Backoff:
    """Pauses of 1, 2, 4 ... 60 s, each up to a fifth shorter or longer, until something succeeds."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failure_count = 0
        self._failing_since_s = 0.0
        self.retry_mono_s = float("-inf")
        """Not before this monotonic second."""

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failure_count > 0

    def failed(self, mono_s: float) -> bool:
        """Note a failure; True if it is the first in a row."""
        if not self.failing:
            self._failing_since_s = mono_s
        pause_s = min(LAST_S, FIRST_S * 2.0 ** min(self._failure_count, 10))
        self._failure_count += 1
        self.retry_mono_s = mono_s + pause_s * self._random.uniform(1 - JITTER_RATIO, 1 + JITTER_RATIO)
        return self._failure_count == 1

    def succeeded(self, mono_s: float) -> float | None:
        """Note a success; after failures, for how long they lasted [s]."""
        if not self.failing:
            return None
        self._failure_count = 0
        self.retry_mono_s = float("-inf")
        return mono_s - self._failing_since_s
