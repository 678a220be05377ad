"""What a plan costs: energy with or without netting, peaks, emissions, wear, less what is stored."""

from collections.abc import Sequence

from hems.domain.plan import BatteryPlan, CarPlan, Cost, HeatPlan
from hems.domain.problem import PlanningProblem, Series
from hems.planning.constraints import battery as batteries_of
from hems.planning.constraints import car as cars_of
from hems.planning.constraints import heat as heat_of


def cost_of(
    problem: PlanningProblem,
    *,
    grid_w: Sequence[float],
    batteries: Sequence[BatteryPlan],
    cars: Sequence[CarPlan],
    heat: Sequence[HeatPlan],
) -> Cost:
    """Cost over the horizon [EUR]."""
    slot_h = problem.grid.slot_h
    imported = [max(0.0, each) * slot_h / 1000 for each in grid_w]
    exported = [max(0.0, -each) * slot_h / 1000 for each in grid_w]
    prices = zip(problem.import_price_eur_per_kwh, problem.export_price_eur_per_kwh, strict=True)
    energy_eur = sum(
        bought * buy - sold * sell for (buy, sell), bought, sold in zip(prices, imported, exported, strict=True)
    )
    wear_eur = sum(
        batteries_of.wear_eur(each, own.power_w, slot_h) for each, own in zip(problem.batteries, batteries, strict=True)
    )
    wear_eur += sum(
        cars_of.wear_eur(each, own.power_w, own.phase_count, problem.grid)
        for each, own in zip(problem.cars, cars, strict=True)
    )
    wear_eur += sum(
        heat_of.wear_eur(each, own.power_w, problem.grid) for each, own in zip(problem.heat, heat, strict=True)
    )
    return Cost(
        energy_eur=energy_eur + _surplus_eur(problem, imported, exported),
        peak_eur=_peak_eur(problem, grid_w),
        carbon_eur=_carbon_eur(problem, imported),
        wear_eur=wear_eur,
        stored_eur=sum(
            own.stored_wh[-1] / 1000 * each.terminal_value_eur_per_kwh
            for each, own in zip(problem.batteries, batteries, strict=True)
        ),
    )


def _surplus_eur(problem: PlanningProblem, imported: Sequence[float], exported: Sequence[float]) -> float:
    """What export beyond the year's import earns less than its price; the worst paid export counts as surplus first."""
    if problem.netting is None:
        return 0.0
    left_kwh = sum(exported) - max(0.0, problem.netting.balance_wh / 1000 + sum(imported))
    lost_eur = 0.0
    for price, sold_kwh in sorted(zip(problem.export_price_eur_per_kwh, exported, strict=True)):
        surplus_kwh = min(max(0.0, left_kwh), sold_kwh)
        lost_eur += surplus_kwh * (price - problem.netting.surplus_price_eur_per_kwh)
        left_kwh -= surplus_kwh
    return lost_eur


def _peak_eur(problem: PlanningProblem, grid_w: Sequence[float]) -> float:
    total_eur = 0.0
    for peak in problem.peaks:
        counts = peak.counts or (True,) * len(grid_w)
        highest_w = max((each for each, counted in zip(grid_w, counts, strict=True) if counted), default=0.0)
        total_eur += peak.price_eur_per_kw * max(0.0, highest_w - peak.paid_power_w) / 1000
    return total_eur


def peak_power_w(problem: PlanningProblem, grid_w: Sequence[float]) -> tuple[float | None, ...]:
    """Import per slot up to which no peak costs more than with these powers; None where none counts [W]."""
    found: list[float | None] = [None] * len(grid_w) if problem.peaks else []
    for peak in problem.peaks:
        counts = peak.counts or (True,) * len(grid_w)
        counted = [slot for slot, counted in enumerate(counts) if counted]
        level_w = max([peak.paid_power_w, *(grid_w[slot] for slot in counted)])
        for slot in counted:
            before_w = found[slot]
            found[slot] = level_w if before_w is None else min(before_w, level_w)
    return tuple(found)


def carbon_price(problem: PlanningProblem) -> Series:
    """What emissions of an imported kWh cost per slot; empty where they cost nothing [EUR/kWh]."""
    carbon = problem.carbon
    if carbon is None:
        return ()
    return tuple(each / 1000 * carbon.price_eur_per_kg for each in carbon.intensity_g_per_kwh)


def _carbon_eur(problem: PlanningProblem, imported: Sequence[float]) -> float:
    prices = carbon_price(problem)
    return sum(price * kwh for price, kwh in zip(prices, imported, strict=True)) if prices else 0.0
