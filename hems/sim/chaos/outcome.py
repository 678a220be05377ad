"""What came of a run under faults."""

from dataclasses import dataclass, field

from hems.sim.chaos.judge import Broken


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One run of one house."""

    drive: str
    """``steps`` or ``application``."""
    house_s: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """Injected, by kind."""
    broken: list[Broken] = field(default_factory=list)
    broken_count: int = 0
    longest_over_s: dict[str, int] = field(default_factory=dict)
    """By circumstance: time at a stretch that controlled load kept a fuse or limit exceeded."""
    recoveries_s: list[float] = field(default_factory=list)
    """From the end of the last fault to normal."""
    plans: int = 0
    restarts: int = 0
    promises: int = 0
    """Overrides and setpoints that were acknowledged."""
    promises_over_restarts: int = 0
    """Those that still held when the daemon was started again."""


class Recovery:
    """How long a house takes to be normal again after all faults have ended."""

    def __init__(self, *, cycle_s: int) -> None:
        """``cycle_s``: between two plans. Two of them are allowed."""
        self.times_s: list[float] = []
        self._allowed_s = 2 * cycle_s
        self._calm_since_s: int | None = None
        self._done = True

    def see(self, elapsed_s: int, *, calm: bool, normal: bool) -> str | None:
        """Take a moment; returns what is wrong, once for each calm."""
        if not calm:
            self._calm_since_s, self._done = None, False
            return None
        if self._calm_since_s is None:
            self._calm_since_s = elapsed_s
        if self._done:
            return None
        lasted_s = elapsed_s - self._calm_since_s
        if normal:
            self.times_s.append(float(lasted_s))
            self._done = True
        elif lasted_s > self._allowed_s:
            self._done = True
            return f"not normal {lasted_s} s after the last fault, allowed {self._allowed_s} s"
        return None

    @property
    def done(self) -> bool:
        """Nothing is waited for."""
        return self._done
