"""A car's stay at a charger, as the house has seen it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSession:
    """One finished stay, from plug-in to unplug."""

    plugged_at: datetime
    unplugged_at: datetime
    energy_wh: float
    """Charged, AC side [Wh]."""
    was_full: bool = True
    """The car took no more; False: it left while it would have, so that it wanted at least this much."""
