"""What device powers lead to: stored energy, temperatures, grid power, cost and bent wishes.

Shared by every maker of plans.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hems.domain.plan import (
    AppliancePlan,
    BatteryPlan,
    CarPlan,
    Explanation,
    HeatPlan,
    InverterPlan,
    Origin,
    Plan,
    PvPlan,
    UnmetWish,
)
from hems.domain.problem import CarInput, HeatInput, PlanningProblem, Series
from hems.domain.time import SlotGrid
from hems.planning.constraints import appliance, battery, car, circuit, connection, heat
from hems.planning.constraints.findings import RANKS
from hems.planning.constraints.inverter import inverter_power_w
from hems.planning.purpose import purpose_of
from hems.planning.reading import ON_W, appliance_power_w
from hems.planning.tariff import carbon_price, cost_of, peak_power_w


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """Everything that a plan decides: one series per device in the order of the problem [W]."""

    batteries: tuple[Series, ...]
    cars: tuple[Series, ...]
    car_phases: tuple[tuple[int, ...], ...]
    """Number of phases that each car charges on; of no account where it does not charge."""
    room_heat: tuple[Series, ...]
    """Electrical power of each heat pump for its room; zeros where it has none."""
    tank_heat: tuple[Series, ...]
    starts: tuple[int, ...]
    """Slot in which each appliance starts: one of its ``appliance_starts``, or a later one."""
    pv: tuple[Series, ...]
    """Production after curtailment, >= 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Worth of energy per battery and car, one series each [EUR/kWh]."""

    batteries: tuple[Series, ...]
    cars: tuple[Series, ...]


def plan_of(
    problem: PlanningProblem,
    powers: Powers,
    *,
    values: Values | None,
    origin: Origin,
    explanation: Explanation | None = None,
    reproducible: bool = True,
) -> Plan:
    """The plan that follows from powers. ``problem`` has passed :func:`hems.planning.plausible.plausible`."""
    inverters_w = inverter_power_w(problem, batteries_w=powers.batteries, pv_w=powers.pv)
    grid_w = grid_power_w(problem, powers)
    batteries = tuple(_battery(problem, powers, values, grid_w, index) for index in range(len(problem.batteries)))
    cars = tuple(_car(problem.grid, each, powers, values, index) for index, each in enumerate(problem.cars))
    pumps = tuple(_heat(problem, each, powers, index) for index, each in enumerate(problem.heat))
    plan = Plan(
        issued_at=problem.issued_at,
        grid=problem.grid,
        origin=origin,
        reproducible=reproducible,
        import_price_eur_per_kwh=problem.import_price_eur_per_kwh,
        export_price_eur_per_kwh=problem.export_price_eur_per_kwh,
        carbon_price_eur_per_kwh=carbon_price(problem),
        grid_power_w=grid_w,
        batteries=batteries,
        cars=cars,
        heat=pumps,
        pv=tuple(
            PvPlan(device_id=plant.device_id, production_power_w=series)
            for plant, series in zip(problem.pv, powers.pv, strict=True)
        ),
        appliances=tuple(_appliance(problem, powers, index) for index in range(len(problem.appliances))),
        inverters=tuple(
            InverterPlan(device_id=inverter.device_id, power_w=series)
            for inverter, series in zip(problem.inverters, inverters_w, strict=True)
        ),
        cost=cost_of(problem, grid_w=grid_w, batteries=batteries, cars=cars, heat=pumps),
        unmet=(),
        peak_power_w=peak_power_w(problem, grid_w),
        explanation=explanation,
    )
    return replace(plan, unmet=unmet_wishes(problem, plan))


def _battery(
    problem: PlanningProblem, powers: Powers, values: Values | None, grid_w: Series, index: int
) -> BatteryPlan:
    described, power_w = problem.batteries[index], powers.batteries[index]
    return BatteryPlan(
        device_id=described.device_id,
        power_w=power_w,
        stored_wh=battery.stored_wh(described, power_w, problem.grid.slot_h),
        value_eur_per_kwh=values.batteries[index] if values else None,
        purpose=tuple(
            purpose_of(battery_power_w=own_w, grid_power_w=site_w)
            for own_w, site_w in zip(power_w, grid_w, strict=True)
        ),
    )


def _car(grid: SlotGrid, described: CarInput, powers: Powers, values: Values | None, index: int) -> CarPlan:
    power_w = powers.cars[index]
    return CarPlan(
        device_id=described.device_id,
        power_w=power_w,
        phase_count=tuple(
            count if each > ON_W else 0 for each, count in zip(power_w, powers.car_phases[index], strict=True)
        ),
        value_eur_per_kwh=values.cars[index] if values else None,
        energy_needed_wh=described.energy_needed_wh,
        departure_at=described.departure_at,
        session_energy_wh=described.session_energy_wh,
        ready_ratio=car.ready_ratio(described, power_w, grid),
    )


def _heat(problem: PlanningProblem, pump: HeatInput, powers: Powers, index: int) -> HeatPlan:
    room_w, tank_w, slot_h = powers.room_heat[index], powers.tank_heat[index], problem.grid.slot_h
    return HeatPlan(
        device_id=pump.device_id,
        power_w=tuple(sum(both) for both in zip(room_w, tank_w, strict=True)),
        tank_power_w=tank_w if pump.tank else (),
        room_c=heat.room_c(pump.room, room_w, slot_h) if pump.room else (),
        tank_c=heat.tank_c(pump.tank, tank_w, slot_h) if pump.tank else (),
    )


def _appliance(problem: PlanningProblem, powers: Powers, index: int) -> AppliancePlan:
    described, start = problem.appliances[index], powers.starts[index]
    return AppliancePlan(
        device_id=described.device_id,
        start_at=described.started_at or problem.grid.slot_start(start),
        power_w=appliance_power_w(described, start, problem.grid),
    )


def grid_power_w(problem: PlanningProblem, powers: Powers) -> Series:
    """Sum of load and the AC power of everything per slot, load convention [W]."""
    taking = [problem.load_power_w, *powers.cars, *powers.room_heat, *powers.tank_heat]
    taking += [
        appliance_power_w(each, start, problem.grid)
        for each, start in zip(problem.appliances, powers.starts, strict=True)
    ]
    taking += inverter_power_w(problem, batteries_w=powers.batteries, pv_w=powers.pv)
    taking += [
        series for each, series in zip(problem.batteries, powers.batteries, strict=True) if each.inverter_id is None
    ]
    giving = [series for each, series in zip(problem.pv, powers.pv, strict=True) if each.inverter_id is None]
    return tuple(
        sum(each[slot] for each in taking) - sum(each[slot] for each in giving) for slot in range(problem.grid.count)
    )


def unmet_wishes(problem: PlanningProblem, plan: Plan) -> tuple[UnmetWish, ...]:
    """Every wish that a plan's powers and states bend, strongest first."""
    return tuple(sorted(_unmet(problem, plan), key=lambda each: RANKS[each.wish]))


def _unmet(problem: PlanningProblem, plan: Plan) -> Iterator[UnmetWish]:
    yield from connection.unmet(problem, plan.grid_power_w)
    yield from circuit.unmet(problem, plan)
    for each, driven in zip(problem.cars, plan.cars, strict=True):
        yield from car.unmet(problem, each, driven.power_w)
    for index, asked in enumerate(problem.appliances):
        yield from appliance.unmet(problem, asked, appliance.start_of(problem, plan, index))
    for pump, heated in zip(problem.heat, plan.heat, strict=True):
        yield from heat.unmet(problem, pump, power_w=heated.power_w, room=heated.room_c, tank=heated.tank_c)
    for stored, charged in zip(problem.batteries, plan.batteries, strict=True):
        yield from battery.unmet(problem, stored, charged.stored_wh)
    yield from battery.unmet_restrictions(
        problem,
        batteries_w=[each.power_w for each in plan.batteries],
        pv_w=[each.production_power_w for each in plan.pv],
        grid_w=plan.grid_power_w,
    )
