"""The slot of the plan that is in force."""

import math
from dataclasses import dataclass

from hems.domain.plan import Plan
from hems.domain.time import Now

RULES_BUY, RULES_WORTH, RULES_SELL = 1.0, 0.5, 0.0
"""Prices that make the merit order a plain self-consumption rule: store every surplus, cover every load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The slot of the plan that is in force."""

    plan: Plan
    slot: int

    @property
    def buy_at(self) -> float:
        """Import price, with what its emissions cost [EUR/kWh]."""
        carbon = self.plan.carbon_price_eur_per_kwh
        return self.plan.import_price_eur_per_kwh[self.slot] + (carbon[self.slot] if carbon else 0.0)

    @property
    def sell_at(self) -> float:
        """Export price [EUR/kWh]."""
        return self.plan.export_price_eur_per_kwh[self.slot]

    @property
    def peak_w(self) -> float:
        """Import that raises no peak which costs money; infinite where none counts [W]."""
        level_w = self.plan.peak_power_w[self.slot] if self.plan.peak_power_w else None
        return math.inf if level_w is None else level_w


def moment_of(plan: Plan | None, now: Now) -> Moment | None:
    """The plan's slot for now; None where there is none, or the wall clock cannot tell."""
    if plan is None or not now.wall_trusted:
        return None
    slot = plan.grid.index_at(now.at)
    return None if slot is None else Moment(plan=plan, slot=slot)
