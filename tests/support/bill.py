"""The bill of a plan, and what is needed to write one; see :mod:`tests.support.metering`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hems.domain.problem import PlanningProblem

EXACT_H = 6
"""Starts and changes between phases are planned, and priced, in the first hours only; later means are an outlook."""

ON_W = 1.0
"""Below it a device is off."""

Watts = tuple[Sequence[float], ...]
"""Mean power per slot, one series per device of a kind in the order of the problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What a house does."""

    batteries: Watts = ()
    """Positive charges."""
    cars: Watts = ()
    heat: Watts = ()
    appliances: Watts = ()
    pv: Watts = ()
    """Production, >= 0."""
    tank_heat: Watts | None = None
    """The part of each heat pump's power that heats water; None: all of it, or nothing where there is a room."""
    car_phases: tuple[Sequence[int], ...] | None = None
    """Conductors that each car charges on; None: those of its largest mode."""


@dataclass(slots=True)
class Bill:
    """What came of it."""

    import_wh: float = 0.0
    export_wh: float = 0.0
    import_max_w: float = 0.0
    energy_eur: float = 0.0
    """Bought less sold."""
    peak_eur: float = 0.0
    carbon_eur: float = 0.0
    wear_eur: float = 0.0
    stored_eur: float = 0.0
    """Worth of what the batteries hold at the end."""
    missed: dict[str, float] = field(default_factory=dict)
    """Wishes that were not kept: energy in Wh, temperature in K at worst, lateness in s."""
    broken: list[str] = field(default_factory=list)
    """What no house could do."""

    @property
    def cost_eur(self) -> float:
        """Everything that costs, less the worth of what is left."""
        return self.energy_eur + self.peak_eur + self.carbon_eur + self.wear_eur - self.stored_eur

    @property
    def turnover_eur(self) -> float:
        """Size of the numbers behind the cost, which itself may be nothing."""
        return (
            abs(self.energy_eur) + abs(self.peak_eur) + abs(self.carbon_eur) + abs(self.wear_eur) + abs(self.stored_eur)
        )


class Reading:
    """One problem, one conduct, and the bill that is being written."""

    def __init__(self, problem: PlanningProblem, conduct: Conduct, tolerance_w: float) -> None:
        self.problem, self.conduct, self.tolerance_w = problem, conduct, tolerance_w
        self.hours = problem.grid.slot_s / 3600
        self.count = problem.grid.count
        self.exact = min(self.count, int(EXACT_H / self.hours))
        self.tolerance_wh = tolerance_w * self.hours * self.count
        self.bill = Bill()

    def broke(self, what: str, slot: int, value: float) -> None:
        """Note what no house could do."""
        self.bill.broken.append(f"{what}, slot {slot}: {value:.1f}")

    def missed(self, wish: str, amount: float) -> None:
        """Note by how much a wish was not kept; amounts add up."""
        self.bill.missed[wish] = self.bill.missed.get(wish, 0.0) + amount
