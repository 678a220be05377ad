"""What bending a wish costs inside the solver, relative to the dearest price: ranks far apart, numbers still exact.

Energy that moves is priced per kWh, a level that is missed per kWh and hour. The factors keep the published order
(design, decision 9) for bends that last up to about ten hours; the span from the largest to the smallest is 1e9,
which GLOP still resolves.
"""

from dataclasses import dataclass

from hems.domain.problem import PlanningProblem

PRICE_MIN_EUR_PER_KWH = 0.1
"""Floor of the unit: with free energy wishes still cost something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """EUR per kWh for flows, EUR per kWh and hour for levels."""

    unit: float
    """The dearest price of the problem [EUR/kWh]."""
    connection: float
    operator: float
    protection: float
    """Per slot of a minimum run or rest that is cut short, and per K of a hygiene run."""
    minimum: float
    departure: float
    appliance: float
    """Per hour that it is late."""
    heat_min: float
    heat_max: float
    commitment: float
    reserve: float
    window: float
    preference: float
    """Charging from the grid, or selling, against the household's wish."""
    waste: float
    """Discharging where wasting would pay: above what any price can return."""
    cycling: float = 0.0005
    """A tie-break against pointless cycles; wear is not meant. 0.02 would cost 10 % of what planning saves."""
    waiting_per_h: float = 0.00002
    """Cars charge sooner rather than later at equal prices: slack before departure is free."""
    sun: float = 0.00001
    """Produce rather than curtail at equal cost."""


def weights_for(problem: PlanningProblem) -> Weights:
    """Weights in proportion to the dearest price of the problem."""
    prices = (
        *problem.import_price_eur_per_kwh,
        *problem.export_price_eur_per_kwh,
        *(battery.terminal_value_eur_per_kwh for battery in problem.batteries),
    )
    unit = max(PRICE_MIN_EUR_PER_KWH, *(abs(each) for each in prices))
    return Weights(
        unit=unit,
        connection=50_000 * unit,
        operator=20_000 * unit,
        protection=5_000 * unit,
        minimum=2_000 * unit,
        departure=500 * unit,
        appliance=200 * unit,
        heat_min=50 * unit,
        heat_max=20 * unit,
        commitment=12 * unit,
        reserve=8 * unit,
        window=6 * unit,
        preference=3 * unit,
        waste=2 * unit,
    )
