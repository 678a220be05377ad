"""The report of a simulation: one document of figures (``hems/simulation-report/1``)."""

from collections.abc import Mapping
from typing import Any, Literal

from hems.domain.site import Site
from hems.domain.time import local_day
from hems.sim.data import HouseData
from hems.sim.days import deliverable_wh, pending_car_wh
from hems.sim.house import SimHouse
from hems.sim.loop import ClosedLoop
from hems.sim.netting import netting_credit_eur
from hems.sim.settings import Settings
from hems.sim.tariff import peak_cost_eur

REPORT_SCHEMA: Literal["hems/simulation-report/1"] = "hems/simulation-report/1"
FIRST_VIOLATIONS = 5
CAPTURED_MIN_RATIO = 0.05
"""Below this share of the rules' cost there is nothing to capture, and a ratio would be noise."""


def end_correction_eur(house: SimHouse, *, stored_at_start_wh: float, mean_import_eur_per_kwh: float) -> float:
    """To be added to the cost, for what strategies may leave differently at the end [EUR].

    Stored energy, and energy that a plugged-in car still waits for, are valued at the mean purchase price of the
    window: what is in the battery will save a purchase, after its losses; what the car still needs will be bought.
    Negative for a battery fuller than at the start.
    """
    gained_wh = deliverable_wh(house) - stored_at_start_wh
    return (pending_car_wh(house) - gained_wh) / 1000 * mean_import_eur_per_kwh


def mean_import_price(data: HouseData, settings: Settings) -> float:
    """Mean purchase price of the window [EUR/kWh]."""
    first, end = data.slot_index(settings.start_at), data.grid.whole_slots_before(settings.end_at)
    return float(data.import_eur_per_kwh[first:end].mean())


def figures(loop: ClosedLoop, *, end_eur: float) -> dict[str, Any]:
    """One strategy's figures. Prices in EUR, energy in Wh, power in W, rounded to what means something."""
    house, site = loop.house, loop.site
    peak_eur = peak_cost_eur(site.tariff.capacity, house.totals.month_peaks_w, house.start_at, house.at, site.zone)
    totals = loop.house.totals
    netted_eur = netting_credit_eur(site.tariff.net_metering, totals.billing_years, house.start_at, house.at, site.zone)
    times = sorted(loop.counts.plan_times_s)
    first = loop.checkers.violations[:FIRST_VIOLATIONS]
    return {
        "cost_eur": round(totals.cost_eur - netted_eur + peak_eur + end_eur, 4),
        "energy_cost_eur": round(totals.cost_eur, 4),
        "peak_cost_eur": round(peak_eur, 4),
        "netting_credit_eur": round(netted_eur, 4),
        "end_correction_eur": round(end_eur, 4),
        "import_wh": round(totals.import_wh, 1),
        "export_wh": round(totals.export_wh, 1),
        "co2_kg": None if site.tariff.carbon is None else round(totals.co2_g / 1000, 2),
        "peak_import_w": round(totals.peak_import_w, 1),
        "unmet_car_wh": round(totals.unmet_car_wh, 1),
        "pending_car_wh": round(pending_car_wh(loop.house), 1),
        "car_wh": round(totals.car_wh, 1),
        "discomfort_degree_h": round(totals.discomfort_degree_h, 2),
        "tank_discomfort_degree_h": round(totals.tank_discomfort_degree_h, 2),
        "battery_throughput_wh": round(totals.battery_throughput_wh, 1),
        "curtailed_wh": round(totals.curtailed_wh, 1),
        "fuse_exceeded_s": sum(totals.fuse_exceeded_s.values()),
        "plans": loop.counts.plans,
        "plans_refused": loop.counts.refused,
        "plans_announced": loop.counts.announced,
        "plans_switched_otherwise": loop.counts.switched_otherwise,
        "plan_time_p95_s": _percentile(times, 0.95),
        "violations": loop.checkers.violation_count,
        "days": [each.figures() for each in loop.days],
        "first_violations": [f"{each.at.isoformat()} {each.rule} {each.device_id}: {each.text}" for each in first],
    }


def _percentile(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4) if ordered else None


def report(site: Site, settings: Settings, strategies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The whole document."""
    return {
        "schema": REPORT_SCHEMA,
        "site": site.name,
        "start": local_day(settings.start_at, site.zone).isoformat(),
        "days": settings.days,
        "step_s": settings.step_s,
        "seed": settings.seed,
        "departures": settings.departures,
        "execution": settings.execution,
        "data": settings.folder.name,
        "strategies": dict(strategies),
        "captured_value_ratio": captured(strategies, against="perfect"),
        "captured_of_informed_ratio": captured(strategies, against="informed"),
    }


def captured(strategies: Mapping[str, Mapping[str, Any]], *, against: str) -> float | None:
    """(rules - plan) / (rules - best); None where one is missing or there is next to nothing to capture."""
    if not {"rules", "plan", against} <= set(strategies):
        return None
    rules, plan, best = (float(strategies[name]["cost_eur"]) for name in ("rules", "plan", against))
    possible = rules - best
    return None if possible < CAPTURED_MIN_RATIO * abs(rules) or possible <= 0 else round((rules - plan) / possible, 4)
