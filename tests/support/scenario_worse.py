"""Plans as other systems make them: each scenario's expectations have to tell one of them from a good plan."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from hems.domain.plan import Origin, Plan
from hems.domain.problem import CarInput, PlanningProblem, Series
from hems.planning.fallback import fallback_plan
from hems.planning.outcome import Powers, plan_of
from hems.planning.plausible import plausible
from hems.planning.reading import connected_ratio
from hems.solving.plan import solve


def powers_of(plan: Plan) -> Powers:
    """What a plan decides."""
    tank = tuple(each.tank_power_w or (0.0,) * plan.grid.count for each in plan.heat)
    slot = timedelta(seconds=plan.grid.slot_s)
    return Powers(
        batteries=tuple(each.power_w for each in plan.batteries),
        cars=tuple(each.power_w for each in plan.cars),
        car_phases=tuple(each.phase_count for each in plan.cars),
        room_heat=tuple(
            tuple(map(float.__sub__, each.power_w, own)) for each, own in zip(plan.heat, tank, strict=True)
        ),
        tank_heat=tank,
        starts=tuple(round((each.start_at - plan.grid.start_at) / slot) for each in plan.appliances),
        pv=tuple(each.production_power_w for each in plan.pv),
    )


def _told(problem: PlanningProblem, powers: Powers) -> Plan:
    return plan_of(plausible(problem), powers, values=None, origin=Origin.RULES)


def _solved_as(problem: PlanningProblem, **changes: object) -> Plan:
    """The plan for another problem, in this one."""
    return _told(problem, powers_of(solve(replace(problem, **changes)).plan))  # type: ignore[arg-type]


def nothing_at_all(problem: PlanningProblem) -> Plan:
    """No solution: all zero."""
    powers, rest = powers_of(fallback_plan(problem)), (0.0,) * problem.grid.count
    return _told(
        problem,
        replace(
            powers,
            batteries=tuple(rest for _ in powers.batteries),
            cars=tuple(rest for _ in powers.cars),
            car_phases=tuple((0,) * problem.grid.count for _ in powers.cars),
            room_heat=tuple(rest for _ in powers.room_heat),
            tank_heat=tuple(rest for _ in powers.tank_heat),
        ),
    )


def each_car_alone(problem: PlanningProblem) -> Plan:
    """Every car as if it were the only one."""
    alone = [powers_of(solve(replace(problem, cars=(each,))).plan) for each in problem.cars]
    return _told(
        problem,
        replace(
            alone[0],
            cars=tuple(each.cars[0] for each in alone),
            car_phases=tuple(each.car_phases[0] for each in alone),
        ),
    )


def at_the_last_moment(problem: PlanningProblem) -> Plan:
    """Cars at full power at the end of their stay."""
    powers = powers_of(solve(problem).plan)
    late = tuple(_late(each, problem) for each in problem.cars)
    phases = tuple(len(car.modes[-1].phases) for car in problem.cars)
    counts = tuple(tuple(on if each else 0 for each in own) for own, on in zip(late, phases, strict=True))
    return _told(problem, replace(powers, cars=late, car_phases=counts))


def _late(car: CarInput, problem: PlanningProblem) -> Series:
    left_wh, found = car.energy_needed_wh, []
    for share in reversed(connected_ratio(car, problem.grid)):
        power_w = min(left_wh / problem.grid.slot_h, share * car.power_max_w)
        left_wh -= power_w * problem.grid.slot_h
        found.append(power_w)
    return tuple(reversed(found))


def batteries_in_turn(problem: PlanningProblem) -> Plan:
    """Batteries full and empty in turn, slot by slot, while energy costs less than nothing."""
    powers = powers_of(solve(problem).plan)
    cycled = []
    for battery, own in zip(problem.batteries, powers.batteries, strict=True):
        swing_w = min(battery.charge_power_max_w, battery.discharge_power_max_w) / 2
        cycled.append(
            tuple(
                swing_w * (1 if slot % 2 == 0 else -1) if price < 0 else each
                for slot, (each, price) in enumerate(zip(own, problem.import_price_eur_per_kwh, strict=True))
            )
        )
    return _told(problem, replace(powers, batteries=tuple(cycled)))


def _only_on(problem: PlanningProblem, phases: int) -> Plan:
    cars = tuple(
        replace(car, modes=tuple(each for each in car.modes if len(each.phases) == phases)) for car in problem.cars
    )
    return _solved_as(problem, cars=cars)


def _without_losses(problem: PlanningProblem) -> Plan:
    lossless = tuple(
        replace(each, charge_efficiency_ratio=1.0, discharge_efficiency_ratio=1.0) for each in problem.batteries
    )
    return _solved_as(problem, batteries=lossless)


def _without_limits(problem: PlanningProblem) -> Plan:
    free = (1e6,) * problem.grid.count
    fuses = tuple(replace(each, phase_power_max_w=(1e6, 1e6, 1e6)) for each in problem.circuits)
    return _solved_as(
        problem, circuits=fuses, import_power_max_w=free, export_power_max_w=free, operator_import_max_w=None
    )


def _as_if_there(problem: PlanningProblem) -> Plan:
    return _solved_as(problem, cars=tuple(replace(each, arrival_at=problem.grid.start_at) for each in problem.cars))


def _as_if_free_to_stop(problem: PlanningProblem) -> Plan:
    return _solved_as(problem, heat=tuple(replace(each, min_run_s=0.0, min_rest_s=0.0) for each in problem.heat))


def _without_net_metering(problem: PlanningProblem) -> Plan:
    """As if what is fed in earned 5 ct/kWh."""
    return _solved_as(problem, export_price_eur_per_kwh=(0.05,) * problem.grid.count, netting=None)


def _without_the_sun(problem: PlanningProblem) -> Plan:
    """The same batteries, cars and heat as on a dark day; the sun shines all the same."""
    dark = tuple(replace(each, production_power_w=(0.0,) * problem.grid.count) for each in problem.pv)
    powers = powers_of(solve(replace(problem, pv=dark)).plan)
    return _told(problem, replace(powers, pv=tuple(each.production_power_w for each in problem.pv)))


def _all_sun_fed_in(problem: PlanningProblem) -> Plan:
    powers = powers_of(solve(problem).plan)
    return _told(problem, replace(powers, pv=tuple(each.production_power_w for each in problem.pv)))


WORSE: Mapping[str, Callable[[PlanningProblem], Plan]] = {
    "by rules": fallback_plan,
    "nothing at all": nothing_at_all,
    "each car alone": each_car_alone,
    "at the last moment": at_the_last_moment,
    "batteries in turn": batteries_in_turn,
    "on one phase only": lambda problem: _only_on(problem, 1),
    "on three phases only": lambda problem: _only_on(problem, 3),
    "without losses": _without_losses,
    "without limits": _without_limits,
    "without the peak": lambda problem: _solved_as(problem, peaks=()),
    "without net metering": _without_net_metering,
    "without the sun": _without_the_sun,
    "all sun fed in": _all_sun_fed_in,
    "as if all cars were there": _as_if_there,
    "as if the pump could stop at any time": _as_if_free_to_stop,
}
"""By the name that ``expected.yaml`` calls them."""
