"""Fuses: what flows through each of them, phase by phase."""

from collections.abc import Iterator, Sequence

from hems.domain.plan import CarPlan, Plan, Unit, UnmetWish, Wish
from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import CarInput, PlanningProblem
from hems.domain.site import MAIN, CircuitId
from hems.planning.constraints.findings import TOLERANCES, bent_in_sum, outside
from hems.planning.reading import circuit_members, limited_ranges, mode_on, uncontrolled_phases_w


def car_phases(car: CarInput, power_w: float, phase_count: int) -> tuple[Phase, ...]:
    """Conductors that a car charges on, or gives back on (those of its last mode)."""
    if power_w < 0 and car.modes:
        return car.modes[-1].phases
    mode = mode_on(car, phase_count)
    return mode.phases if mode else ()


def phase_flows_w(problem: PlanningProblem, plan: Plan) -> dict[tuple[CircuitId, Phase], list[float]]:
    """Power through each phase of each fuse per slot, load convention, summed device by device from below [W]."""
    flows = _loads(problem)
    parents = {each.circuit_id: each.parent_id for each in problem.circuits}
    for circuit_id, phases, power_w in _devices(problem, plan):
        here: CircuitId | None = circuit_id
        while here is not None:
            for phase in phases:
                flow = flows.get((here, phase))
                if flow is not None:
                    flow[:] = [before + each / len(phases) for before, each in zip(flow, power_w, strict=True)]
            here = parents.get(here)
    return flows


def _loads(problem: PlanningProblem) -> dict[tuple[CircuitId, Phase], list[float]]:
    flows = {}
    for circuit in problem.circuits:
        for index, phase in enumerate(ALL_PHASES):
            if circuit.phase_load_w is not None:
                flow = list(circuit.phase_load_w[index])
            elif circuit.circuit_id == MAIN:
                flow = [each / 3 for each in problem.load_power_w]
            else:
                flow = [0.0] * problem.grid.count
            flows[circuit.circuit_id, phase] = flow
    return flows


def _devices(problem: PlanningProblem, plan: Plan) -> Iterator[tuple[CircuitId, tuple[Phase, ...], Sequence[float]]]:
    """Circuit, phases and power in load convention of all that has its own connection to AC."""
    for battery, charged in zip(problem.batteries, plan.batteries, strict=True):
        if battery.inverter_id is None:
            yield battery.circuit_id, battery.phases, charged.power_w
    for plant, made in zip(problem.pv, plan.pv, strict=True):
        if plant.inverter_id is None:
            yield plant.circuit_id, plant.phases, [-each for each in made.production_power_w]
    for inverter, turned in zip(problem.inverters, plan.inverters, strict=True):
        yield inverter.circuit_id, inverter.phases, turned.power_w
    for pump, heated in zip(problem.heat, plan.heat, strict=True):
        yield pump.circuit_id, pump.phases, heated.power_w
    for appliance, run in zip(problem.appliances, plan.appliances, strict=True):
        yield appliance.circuit_id, appliance.phases, run.power_w
    for car, driven in zip(problem.cars, plan.cars, strict=True):
        yield from _car(car, driven)


def _car(car: CarInput, planned: CarPlan) -> Iterator[tuple[CircuitId, tuple[Phase, ...], Sequence[float]]]:
    """A car once for each set of phases that it uses."""
    pairs = zip(planned.power_w, planned.phase_count, strict=True)
    used = [car_phases(car, power_w, count) for power_w, count in pairs]
    for phases in sorted(set(used)):
        if phases:
            own = [each if on == phases else 0.0 for each, on in zip(planned.power_w, used, strict=True)]
            yield car.circuit_id, phases, own


def unmet(problem: PlanningProblem, plan: Plan) -> Iterator[UnmetWish]:
    """Fuses passed because of what nothing controls."""
    flows = phase_flows_w(problem, plan)
    for circuit in problem.circuits:
        for limit_w, phase in zip(circuit.phase_power_max_w, ALL_PHASES, strict=True):
            over = [abs(each) - limit_w for each in flows[circuit.circuit_id, phase]]
            yield from bent_in_sum(problem.grid, Wish.CONNECTION, over, circuit_id=circuit.circuit_id, phase=phase)


def violations(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """No fuse carries more than it may, or than what nothing controls makes it carry."""
    flows = phase_flows_w(problem, plan)
    for members in circuit_members(problem):
        circuit_id = members.circuit.circuit_id
        alone = uncontrolled_phases_w(problem, members)
        for phase, limit_w, base in zip(ALL_PHASES, members.circuit.phase_power_max_w, alone, strict=True):
            limits = (limit_w,) * problem.grid.count
            lower, upper = limited_ranges(base, import_max_w=limits, export_max_w=limits)
            flow = flows[circuit_id, phase]
            yield from outside(f"circuit {circuit_id} {phase}", flow, lower, upper, TOLERANCES[Unit.W])
