"""What device powers lead to: stored energy, grid power, cost and bent wishes. Shared by every maker of plans."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from hems.domain.plan import BatteryPlan, CarPlan, HeatPlan, Origin, Plan, PvPlan, UnmetWish, Wish
from hems.domain.problem import BatteryInput, CarInput, HeatInput, PlanningProblem
from hems.domain.site import DeviceId
from hems.planning.plausible import chargeable_later_wh
from hems.planning.purpose import purpose_of

WISH_TOLERANCE_WH = 1.0
"""A wish bent by less is met: rounding, and nobody could notice."""

OVER_LIMIT_TOLERANCE_W = 1.0
"""A connection limit exceeded by less is kept."""

Series = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """Everything that a plan decides: one series per device in the order of the problem [W]."""

    batteries: tuple[Series, ...]
    cars: tuple[Series, ...]
    heat: tuple[Series, ...]
    pv: tuple[Series, ...]
    """Production after curtailment, >= 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Worth of energy per battery and car, one series each [EUR/kWh]."""

    batteries: tuple[Series, ...]
    cars: tuple[Series, ...]


def plan_of(
    problem: PlanningProblem, powers: Powers, *, values: Values | None, origin: Origin, reproducible: bool = True
) -> Plan:
    """The plan that follows from powers. ``problem`` has passed :func:`hems.planning.plausible.plausible`."""
    grid_w = grid_power_w(problem, powers)
    stored = tuple(
        stored_wh(battery, series, problem.grid.slot_h)
        for battery, series in zip(problem.batteries, powers.batteries, strict=True)
    )
    return Plan(
        issued_at=problem.issued_at,
        grid=problem.grid,
        origin=origin,
        reproducible=reproducible,
        import_price_eur_per_kwh=problem.import_price_eur_per_kwh,
        export_price_eur_per_kwh=problem.export_price_eur_per_kwh,
        grid_power_w=grid_w,
        batteries=tuple(
            BatteryPlan(
                device_id=battery.device_id,
                power_w=powers.batteries[index],
                stored_wh=stored[index],
                value_eur_per_kwh=values.batteries[index] if values else None,
                purpose=tuple(
                    purpose_of(battery_power_w=own_w, grid_power_w=site_w)
                    for own_w, site_w in zip(powers.batteries[index], grid_w, strict=True)
                ),
            )
            for index, battery in enumerate(problem.batteries)
        ),
        cars=tuple(
            CarPlan(
                device_id=car.device_id,
                power_w=powers.cars[index],
                value_eur_per_kwh=values.cars[index] if values else None,
                energy_needed_wh=car.energy_needed_wh,
                departure_at=car.departure_at,
                session_energy_wh=car.session_energy_wh,
            )
            for index, car in enumerate(problem.cars)
        ),
        heat=tuple(
            HeatPlan(device_id=pump.device_id, power_w=series)
            for pump, series in zip(problem.heat, powers.heat, strict=True)
        ),
        pv=tuple(
            PvPlan(device_id=plant.device_id, production_power_w=series)
            for plant, series in zip(problem.pv, powers.pv, strict=True)
        ),
        cost_eur=cost_eur(problem, grid_w, stored),
        unmet=unmet_wishes(problem, grid_w=grid_w, stored=stored, cars=powers.cars, heat=powers.heat),
    )


def grid_power_w(problem: PlanningProblem, powers: Powers) -> Series:
    """Sum of all devices per slot, load convention [W]."""
    consuming = (problem.load_power_w, *powers.batteries, *powers.cars, *powers.heat)
    taken = [sum(slot) for slot in zip(*consuming, strict=True)]
    made = [sum(slot) for slot in zip(*powers.pv, strict=True)] if powers.pv else [0.0] * len(taken)
    return tuple(use - production for use, production in zip(taken, made, strict=True))


def stored_wh(battery: BatteryInput, power_w: Sequence[float], slot_h: float) -> Series:
    """Energy above empty at the end of each slot, DC side [Wh]; losses on the way in and on the way out."""
    changes = (
        each * slot_h * battery.charge_efficiency_ratio
        if each >= 0
        else each * slot_h / battery.discharge_efficiency_ratio
        for each in power_w
    )
    return tuple(accumulate(changes, initial=battery.stored_wh))[1:]


def cost_eur(problem: PlanningProblem, grid_w: Sequence[float], stored: Sequence[Series]) -> float:
    """Energy cost over the horizon less the worth of what is stored at its end [EUR]."""
    per_w = problem.grid.slot_h / 1000
    energy = sum(
        power_w * per_w * (buy if power_w >= 0 else sell)
        for power_w, buy, sell in zip(
            grid_w, problem.import_price_eur_per_kwh, problem.export_price_eur_per_kwh, strict=True
        )
    )
    left = sum(
        series[-1] / 1000 * battery.terminal_value_eur_per_kwh
        for battery, series in zip(problem.batteries, stored, strict=True)
    )
    return energy - left


def excess_import_w(problem: PlanningProblem) -> Series:
    """By how much load alone, with all PV running, would exceed the import limit per slot, >= 0 [W]."""
    made = [sum(slot) for slot in zip(*(plant.production_power_w for plant in problem.pv), strict=True)]
    made = made or [0.0] * problem.grid.count
    return tuple(
        max(0.0, load_w - production_w - limit_w)
        for load_w, production_w, limit_w in zip(problem.load_power_w, made, problem.import_power_max_w, strict=True)
    )


def excess_export_w(problem: PlanningProblem) -> Series:
    """By how much PV that cannot be curtailed would exceed the export limit per slot, >= 0 [W]."""
    fixed = [plant.production_power_w for plant in problem.pv if not plant.curtailable]
    made = [sum(slot) for slot in zip(*fixed, strict=True)] or [0.0] * problem.grid.count
    return tuple(
        max(0.0, production_w - load_w - limit_w)
        for load_w, production_w, limit_w in zip(problem.load_power_w, made, problem.export_power_max_w, strict=True)
    )


def unmet_wishes(
    problem: PlanningProblem,
    *,
    grid_w: Sequence[float],
    stored: Sequence[Series],
    cars: Sequence[Series],
    heat: Sequence[Series],
) -> tuple[UnmetWish, ...]:
    """Every wish that these powers bend, strongest first."""
    found = [*_connection(problem, grid_w)]
    for car, series in zip(problem.cars, cars, strict=True):
        found += _departure(problem, car, series)
    for pump, series in zip(problem.heat, heat, strict=True):
        found += _heat(problem, pump, series)
    for battery, series in zip(problem.batteries, stored, strict=True):
        found += _storage(problem, battery, series)
    rank = list(Wish)
    return tuple(sorted(found, key=lambda each: rank.index(each.wish)))


def _connection(problem: PlanningProblem, grid_w: Sequence[float]) -> Iterator[UnmetWish]:
    over = [
        max(0.0, power_w - import_max_w, -power_w - export_max_w)
        for power_w, import_max_w, export_max_w in zip(
            grid_w, problem.import_power_max_w, problem.export_power_max_w, strict=True
        )
    ]
    bent = [index for index, power_w in enumerate(over) if power_w > OVER_LIMIT_TOLERANCE_W]
    if bent:
        total_wh = sum(over[index] for index in bent) * problem.grid.slot_h
        yield UnmetWish(
            wish=Wish.CONNECTION, device_id=None, shortfall_wh=total_wh, at=problem.grid.slot_start(bent[0])
        )


def _departure(problem: PlanningProblem, car: CarInput, power_w: Sequence[float]) -> Iterator[UnmetWish]:
    charged_wh = sum(power_w) * problem.grid.slot_h
    missing_wh = car.energy_needed_wh - charged_wh - chargeable_later_wh(car, problem.grid)
    if missing_wh > WISH_TOLERANCE_WH:
        yield UnmetWish(wish=Wish.DEPARTURE, device_id=car.device_id, shortfall_wh=missing_wh, at=car.departure_at)


def _heat(problem: PlanningProblem, pump: HeatInput, power_w: Sequence[float]) -> Iterator[UnmetWish]:
    used_wh = list(accumulate(each * problem.grid.slot_h for each in power_w))
    below = [lower - used for lower, used in zip(pump.energy_min_wh, used_wh, strict=True)]
    above = [used - upper for upper, used in zip(pump.energy_max_wh, used_wh, strict=True)]
    yield from _worst(problem, Wish.HEAT_MIN, pump.device_id, below)
    yield from _worst(problem, Wish.HEAT_MAX, pump.device_id, above)


def _storage(problem: PlanningProblem, battery: BatteryInput, stored: Sequence[float]) -> Iterator[UnmetWish]:
    yield from _worst(problem, Wish.RESERVE, battery.device_id, [battery.reserve_wh - each for each in stored])
    outside = [max(battery.floor_wh - each, each - battery.ceiling_wh) for each in stored]
    yield from _worst(problem, Wish.WINDOW, battery.device_id, outside)


def _worst(
    problem: PlanningProblem, wish: Wish, device_id: DeviceId, missing_wh: Sequence[float]
) -> Iterator[UnmetWish]:
    first: datetime | None = next(
        (problem.grid.slot_start(index) for index, each in enumerate(missing_wh) if each > WISH_TOLERANCE_WH), None
    )
    if first is not None:
        yield UnmetWish(wish=wish, device_id=device_id, shortfall_wh=max(missing_wh), at=first)
