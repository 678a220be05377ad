"""Power and phases, and the one sign convention of the house.

Load convention: power into the thing named is positive. A charging battery, a charging car and import from
the grid are positive; PV and export are negative. For the grid connection the thing is the site, so that
``grid_power_w == sum(device power_w)`` with the unmetered load as the residual device. Magnitudes that are
named by a direction (``import_power_w``, ``production_power_w``) are never negative.
"""

from dataclasses import dataclass
from enum import StrEnum

VOLTAGE_V = 230.0
"""Nominal phase voltage (IEC 60038) [V]."""


class Phase(StrEnum):
    """A conductor of the grid connection."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"


ALL_PHASES = (Phase.L1, Phase.L2, Phase.L3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseValues:
    """One number per phase; its holder's name carries the unit. A one-phase house uses ``l1`` only."""

    l1: float = 0.0
    l2: float = 0.0
    l3: float = 0.0

    def on(self, phase: Phase) -> float:
        """Value of one phase."""
        return self.l1 if phase is Phase.L1 else self.l2 if phase is Phase.L2 else self.l3

    @property
    def total(self) -> float:
        """Sum over the phases."""
        return self.l1 + self.l2 + self.l3

    def __add__(self, other: "PhaseValues") -> "PhaseValues":
        return PhaseValues(l1=self.l1 + other.l1, l2=self.l2 + other.l2, l3=self.l3 + other.l3)

    def __sub__(self, other: "PhaseValues") -> "PhaseValues":
        return PhaseValues(l1=self.l1 - other.l1, l2=self.l2 - other.l2, l3=self.l3 - other.l3)

    def scaled(self, ratio: float) -> "PhaseValues":
        """Each phase times a number."""
        return PhaseValues(l1=self.l1 * ratio, l2=self.l2 * ratio, l3=self.l3 * ratio)

    def highest_with(self, other: "PhaseValues") -> "PhaseValues":
        """The higher value on each phase."""
        return PhaseValues(l1=max(self.l1, other.l1), l2=max(self.l2, other.l2), l3=max(self.l3, other.l3))

    def lowest_with(self, other: "PhaseValues") -> "PhaseValues":
        """The lower value on each phase."""
        return PhaseValues(l1=min(self.l1, other.l1), l2=min(self.l2, other.l2), l3=min(self.l3, other.l3))


def spread(total: float, phases: tuple[Phase, ...]) -> PhaseValues:
    """A balanced load: the total in equal parts over the phases it is wired to."""
    share = total / len(phases)
    return PhaseValues(
        l1=share if Phase.L1 in phases else 0.0,
        l2=share if Phase.L2 in phases else 0.0,
        l3=share if Phase.L3 in phases else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRange:
    """Closed range of power, load convention [W]. Never empty: narrowing that would empty it keeps a point."""

    lower_w: float
    upper_w: float

    def __post_init__(self) -> None:
        if not self.lower_w <= self.upper_w:
            raise ValueError(f"empty power range: {self.lower_w} .. {self.upper_w} W")

    def __contains__(self, power_w: float) -> bool:
        return self.lower_w <= power_w <= self.upper_w

    def clamp(self, power_w: float) -> float:
        """Nearest power inside."""
        return min(max(power_w, self.lower_w), self.upper_w)

    def narrowed_to(self, other: "PowerRange") -> "PowerRange":
        """What both allow; where they do not meet, the point of this range that is nearest to the other.

        This is decision rights in one line: whoever comes later chooses inside what was left, never outside.
        """
        return PowerRange(lower_w=self.clamp(other.lower_w), upper_w=self.clamp(other.upper_w))
