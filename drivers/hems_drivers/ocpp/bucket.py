"""How often something may happen: bursts are fine, storms are not."""


class TokenBucket:
    """``capacity`` at once, then one each ``refill_s``. Starts full."""

    def __init__(self, *, capacity: int, refill_s: float) -> None:
        self._capacity = capacity
        self._refill_s = refill_s
        self._tokens = float(capacity)
        self._at_mono_s: float | None = None

    def take(self, mono_s: float) -> bool:
        """Use one up; False where none is left."""
        if self._at_mono_s is not None:
            self._tokens = min(self._capacity, self._tokens + (mono_s - self._at_mono_s) / self._refill_s)
        self._at_mono_s = mono_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
