"""Limits of the grid operator: what the site file says of them, what is written to us, what is remembered.

States and words are those of the EEBUS use cases for limiting consumption (LPC) and production (LPP).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hems.domain.site import DeviceId

FAILSAFE_S = 7_200.0
"""Failsafe duration unless somebody says another: the least that LPC and LPP allow, of 2 to 24 h [s]."""


class Way(StrEnum):
    """What is limited."""

    CONSUMPTION = "consumption"
    PRODUCTION = "production"


class LimitState(StrEnum):
    """Where a controlled system stands."""

    INIT = "init"
    """Just started: nobody has been heard yet."""
    UNLIMITED_CONTROLLED = "unlimited_controlled"
    """The operator is heard and sets no limit."""
    LIMITED = "limited"
    FAILSAFE = "failsafe"
    """The operator was heard and fell silent."""
    UNLIMITED_AUTONOMOUS = "unlimited_autonomous"
    """Silent for so long that the house decides by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorControl:
    """What the operator may limit, one way."""

    way: Way
    failsafe_w: float
    """Limit while the operator is silent, >= 0 [W]."""
    floor_w: float = 0.0
    """Left in any case, whatever is written, >= 0 [W]."""
    dims: frozenset[DeviceId] | None = None
    """Devices whose consumption from the grid is limited together, the household's own load not counted
    (section 14a EnWG); None: the whole connection is."""
    failsafe_s: float = FAILSAFE_S
    """Least time in the failsafe state without a word from the operator [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOperator:
    """Who may limit the house, and how."""

    name: str
    controls: tuple[OperatorControl, ...]
    """At most one for each way."""

    def control(self, way: Way) -> OperatorControl | None:
        """The one of a way."""
        return next((each for each in self.controls if each.way is way), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWrite:
    """What an operator writes. ``limit_w`` None: no limit now."""

    limit_w: float | None
    """Magnitude [W]."""
    duration_s: float | None = None
    """From now; None: until it is written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLimit:
    """What survives a restart: the limit that was in force, written before it is acknowledged."""

    limit_w: float
    until_at: datetime | None
    """None: it had no end, or the clock was not trusted when it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPeriod:
    """One stretch of time under one limit, as the owner may show it to the operator."""

    way: Way
    state: LimitState
    """Limited is the operator's own; init and failsafe are the house holding itself back in silence."""
    started_at: datetime
    until_at: datetime
    """Its end; of one that lasts, how far it has been written down."""
    written_w: float | None
    """As it was written; None: it was not [W]."""
    limit_w: float
    """As it was kept [W]."""
    mean_w: float | None = None
    """Mean of what the limit counts, while it was measured; None: it was not [W]."""
    high_w: float | None = None
    """Highest mean of a minute [W]."""
    above_s: float = 0.0
    """Time for which it was above the limit, the first ten seconds, in which devices follow, left out [s]."""
