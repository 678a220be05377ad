"""What a device does next by the plan, in one short sentence with its time and the price that decides."""

from dataclasses import dataclass
from datetime import datetime

from hems.domain.plan import BatteryPlan, CarPlan, HeatPlan, Plan, Purpose, PvPlan
from hems.domain.site import Battery, Charger, Device, HeatPump, PvPlant, Site
from hems.explain.words import brings, clock, coming, costs

RUNS_W = 100.0
"""Planned power below this is standing by."""
SUN_W = 50.0

_BATTERY_DOES = {
    Purpose.CHARGE_FROM_GRID: "buys from the grid",
    Purpose.STORE_SURPLUS: "stores what is left over",
    Purpose.COVER_LOAD: "covers the house",
    Purpose.SELL: "sells",
    Purpose.SELF_CONSUME: "stores what is left over and covers the house",
    Purpose.HOLD: "rests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The next change, and when."""

    text: str
    at: datetime


def next_change(device: Device, plan: Plan | None, now_at: datetime, site: Site) -> Ahead | None:
    """The first planned change after the present slot; None where nothing is planned or nothing changes."""
    slot = None if plan is None else plan.grid.index_at(now_at)
    if plan is None or slot is None:
        return None
    match device:
        case Battery():
            own = next((each for each in plan.batteries if each.device_id == device.id), None)
            return None if own is None else _battery(own, plan, slot, now_at, site)
        case Charger():
            car = next((each for each in plan.cars if each.device_id == device.id), None)
            return None if car is None else _car(car, plan, slot, now_at, site)
        case HeatPump():
            heat = next((each for each in plan.heat if each.device_id == device.id), None)
            return None if heat is None else _heat(heat, plan, slot, now_at, site)
        case PvPlant():
            plant = next((each for each in plan.pv if each.device_id == device.id), None)
            return None if plant is None else _sun(plant, plan, slot, now_at, site)
        case _:
            return None


def _battery(own: BatteryPlan, plan: Plan, slot: int, now_at: datetime, site: Site) -> Ahead | None:
    for later in range(slot + 1, plan.grid.count):
        purpose = own.purpose[later]
        if purpose is not own.purpose[slot] and (purpose is Purpose.HOLD or abs(own.power_w[later]) >= RUNS_W):
            at = plan.grid.slot_start(later)
            price = ""
            if purpose in (Purpose.CHARGE_FROM_GRID, Purpose.COVER_LOAD):
                price = f", when buying {costs(round(plan.import_price_eur_per_kwh[later], 3))}"
            elif purpose is Purpose.SELL:
                price = f", when it {brings(round(plan.export_price_eur_per_kwh[later], 3))}"
            return Ahead(text=f"From {coming(at, now_at, site.zone)} it {_BATTERY_DOES[purpose]}{price}", at=at)
    return None


def _car(car: CarPlan, plan: Plan, slot: int, now_at: datetime, site: Site) -> Ahead | None:
    leaves = clock(car.departure_at, site.zone)
    if car.ready_ratio is not None:
        leaves += f" ({100 * car.ready_ratio:.0f} % likely)"
    if car.power_w[slot] < RUNS_W:
        later = _first(car.power_w, slot, above=True)
        if later is None:
            return None
        at = plan.grid.slot_start(later)
        price = costs(round(plan.import_price_eur_per_kwh[later], 3))
        return Ahead(
            text=f"Charges from {coming(at, now_at, site.zone)}, when buying {price}; ready by {leaves}", at=at
        )
    later = _first(car.power_w, slot, above=False)
    if later is None:
        return None
    at = plan.grid.slot_start(later)
    again = any(power_w >= RUNS_W for power_w in car.power_w[later:])
    verb = "Pauses" if again else "Has what it needs"
    return Ahead(text=f"{verb} at about {coming(at, now_at, site.zone)}; ready by {leaves}", at=at)


def _heat(heat: HeatPlan, plan: Plan, slot: int, now_at: datetime, site: Site) -> Ahead | None:
    runs = heat.power_w[slot] >= RUNS_W
    later = _first(heat.power_w, slot, above=not runs)
    if later is None:
        return None
    at = plan.grid.slot_start(later)
    if runs:
        return Ahead(text=f"Rests from {coming(at, now_at, site.zone)}", at=at)
    price = costs(round(plan.import_price_eur_per_kwh[later], 3))
    return Ahead(text=f"Heats from {coming(at, now_at, site.zone)}, when buying {price}", at=at)


def _sun(plant: PvPlan, plan: Plan, slot: int, now_at: datetime, site: Site) -> Ahead | None:
    if plant.production_power_w[slot] >= SUN_W:
        return None
    later = next((i for i in range(slot + 1, plan.grid.count) if plant.production_power_w[i] >= SUN_W), None)
    if later is None:
        return None
    at = plan.grid.slot_start(later)
    return Ahead(text=f"Sun from about {coming(at, now_at, site.zone)}", at=at)


def _first(power_w: tuple[float, ...], slot: int, *, above: bool) -> int | None:
    later = range(slot + 1, len(power_w))
    return next((i for i in later if (power_w[i] >= RUNS_W) is above), None)
