"""A plan by rules, for when no solver answers: self-consumption, car on plug-in, heat along its lower edge."""

from collections.abc import Sequence
from dataclasses import replace

from hems.domain.plan import BatteryPlan, Origin, Plan, Purpose
from hems.domain.problem import BatteryInput, PlanningProblem
from hems.planning.outcome import Powers, Series, excess_import_w, plan_of
from hems.planning.plausible import connected_ratio, on_off_slots, plausible


def fallback_plan(problem: PlanningProblem) -> Plan:
    """What the house does without a planner, as a plan that passes the check.

    Slot by slot: cars take full power from plug-in on as far as the connection allows, before heat, as the
    wishes are ranked; heat pumps use what the lower edge of their band asks for; batteries store what is left
    over and cover what is missing above their reserve (above their floor where load alone exceeds the
    connection); PV is curtailed beyond the export limit, and to zero export where exporting costs money.
    """
    problem = plausible(problem)
    cars, heat = _consumers(problem)
    batteries, pv = _sources(problem, consumed_w=_sum_by_slot(problem, cars + heat))
    powers = Powers(batteries=batteries, cars=cars, heat=heat, pv=pv)
    plan = plan_of(problem, powers, values=None, origin=Origin.RULES)
    return replace(plan, batteries=tuple(_self_consuming(each) for each in plan.batteries))


def _self_consuming(battery: BatteryPlan) -> BatteryPlan:
    return replace(battery, purpose=(Purpose.SELF_CONSUME,) * len(battery.purpose))


def _sum_by_slot(problem: PlanningProblem, series: Sequence[Series]) -> list[float]:
    return [sum(each[index] for each in series) for index in range(problem.grid.count)]


def _consumers(problem: PlanningProblem) -> tuple[tuple[Series, ...], tuple[Series, ...]]:
    """Powers of cars and heat pumps inside what load and PV leave of the import limit."""
    slot_h = problem.grid.slot_h
    made_w = _sum_by_slot(problem, [plant.production_power_w for plant in problem.pv])
    connected = [connected_ratio(car, problem.grid) for car in problem.cars]
    needed_wh = [car.energy_needed_wh for car in problem.cars]
    used_wh = [0.0] * len(problem.heat)
    cars: list[list[float]] = [[] for _ in problem.cars]
    heat: list[list[float]] = [[] for _ in problem.heat]
    exact = on_off_slots(problem.grid)
    for slot in range(problem.grid.count):
        room_w = max(0.0, problem.import_power_max_w[slot] - problem.load_power_w[slot] + made_w[slot])
        for index, car in enumerate(problem.cars):
            share = connected[index][slot]
            offered_w = min(car.power_max_w * share, room_w)
            starts = slot >= exact or offered_w >= car.power_min_w * share
            power_w = min(offered_w, needed_wh[index] / slot_h) if starts else 0.0
            needed_wh[index] -= power_w * slot_h
            room_w -= power_w
            cars[index].append(power_w)
        for index, pump in enumerate(problem.heat):
            wanted_w = max(0.0, pump.energy_min_wh[slot] - used_wh[index]) / slot_h
            power_w = min(wanted_w, pump.power_max_w, room_w)
            used_wh[index] += power_w * slot_h
            room_w -= power_w
            heat[index].append(power_w)
    return tuple(tuple(each) for each in cars), tuple(tuple(each) for each in heat)


def _sources(problem: PlanningProblem, *, consumed_w: Sequence[float]) -> tuple[tuple[Series, ...], tuple[Series, ...]]:
    """Powers of batteries, and production of PV after curtailment."""
    stored_wh = [battery.stored_wh for battery in problem.batteries]
    batteries: list[list[float]] = [[] for _ in problem.batteries]
    pv: list[list[float]] = [[] for _ in problem.pv]
    excess_w = excess_import_w(problem)
    for slot in range(problem.grid.count):
        made_w = sum(plant.production_power_w[slot] for plant in problem.pv)
        net_w = problem.load_power_w[slot] + consumed_w[slot] - made_w
        for index, battery in enumerate(problem.batteries):
            floor_wh = battery.floor_wh if excess_w[slot] > 0 else max(battery.floor_wh, battery.reserve_wh)
            power_w, change_wh = _self_consumption(battery, stored_wh[index], net_w, floor_wh, problem.grid.slot_h)
            stored_wh[index] += change_wh
            net_w += power_w
            batteries[index].append(power_w)
        export_max_w = problem.export_power_max_w[slot] if problem.export_price_eur_per_kwh[slot] >= 0 else 0.0
        over_w = max(0.0, -net_w - export_max_w)
        for index, plant in enumerate(problem.pv):
            held_w = min(over_w, plant.production_power_w[slot]) if plant.curtailable else 0.0
            over_w -= held_w
            pv[index].append(plant.production_power_w[slot] - held_w)
    return tuple(tuple(each) for each in batteries), tuple(tuple(each) for each in pv)


def _self_consumption(
    battery: BatteryInput, stored_wh: float, net_w: float, floor_wh: float, slot_h: float
) -> tuple[float, float]:
    """Power that stores a surplus or covers a deficit (``net_w`` > 0), and the change of stored energy [W, Wh]."""
    if net_w < 0:
        room_w = max(0.0, battery.ceiling_wh - stored_wh) / battery.charge_efficiency_ratio / slot_h
        charge_w = min(-net_w, battery.charge_power_max_w, room_w)
        return charge_w, charge_w * slot_h * battery.charge_efficiency_ratio
    draw_w = max(0.0, stored_wh - floor_wh) * battery.discharge_efficiency_ratio / slot_h
    discharge_w = min(net_w, battery.discharge_power_max_w, draw_w)
    return -discharge_w, -discharge_w * slot_h / battery.discharge_efficiency_ratio
