"""What of the truth a strategy is given.

The strategies of the command line are the ends of a scale. What lies between them (true load with forecast sun, half
the error of a forecast) tells what each unknown costs; benchmarks use it.
"""

from dataclasses import dataclass

HORIZON_SLOTS = 192
"""48 h: the shortest horizon at which the worth of stored energy at its end no longer matters (design, measured)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """How far a strategy looks, and what it need not forecast."""

    load_error_ratio: float = 1.0
    """How much of its own forecast's error is left: 1 all of it, 0 the truth."""
    pv_error_ratio: float = 1.0
    weather: bool = False
    prices: bool = False
    """Prices beyond the published ones."""
    cars: bool = False
    """Cars yet to come, and what a car that is there needs by when."""
    horizon_slots: int = HORIZON_SLOTS
    history_days: int | None = None
    """How long ago its measurements begin, at any time; None: with the data. A new house has few."""

    def __post_init__(self) -> None:
        if not (0 <= self.load_error_ratio <= 1 and 0 <= self.pv_error_ratio <= 1):
            raise ValueError(f"a forecast keeps 0 to 1 of its error: {self}")
        if self.horizon_slots < 1 or (self.history_days is not None and self.history_days < 0):
            raise ValueError(f"at least one slot ahead, and no less than nothing behind: {self}")

    @property
    def is_own(self) -> bool:
        """Nothing of the truth is given."""
        return self == Foresight(horizon_slots=self.horizon_slots, history_days=self.history_days)


OWN = Foresight()
INFORMED = Foresight(load_error_ratio=0.0, pv_error_ratio=0.0, weather=True)
PERFECT = Foresight(load_error_ratio=0.0, pv_error_ratio=0.0, weather=True, prices=True, cars=True)

FORESIGHT = {"plan": OWN, "informed": INFORMED, "perfect": PERFECT}
"""Of each strategy that plans."""
