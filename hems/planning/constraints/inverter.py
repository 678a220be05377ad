"""Hybrid inverters: PV and batteries on one DC bus behind one AC connection."""

from collections.abc import Iterator, Sequence

from hems.domain.plan import Plan
from hems.domain.problem import BatteryInput, InverterInput, PlanningProblem, Series
from hems.planning.constraints.findings import POWER_TOLERANCE_W, outside
from hems.planning.reading import inverter_members


def ac_power_w(inverter: InverterInput, dc_w: float) -> float:
    """Power on the AC side for one at the DC bus, load convention both; the loss is paid on the side it goes to."""
    return dc_w / inverter.efficiency_ratio if dc_w > 0 else dc_w * inverter.efficiency_ratio


def dc_power_w(inverter: InverterInput, ac_w: float) -> float:
    """Inverse of :func:`ac_power_w`."""
    return ac_w * inverter.efficiency_ratio if ac_w > 0 else ac_w / inverter.efficiency_ratio


def inverter_power_w(
    problem: PlanningProblem, *, batteries_w: Sequence[Series], pv_w: Sequence[Series]
) -> tuple[Series, ...]:
    """AC power of every inverter, load convention [W]."""
    return tuple(
        tuple(
            ac_power_w(inverter, sum(batteries_w[i][slot] for i in of.batteries) - sum(pv_w[i][slot] for i in of.pv))
            for slot in range(problem.grid.count)
        )
        for inverter, of in zip(problem.inverters, inverter_members(problem), strict=True)
    )


def dc_efficiency_ratio(problem: PlanningProblem, devices: Sequence[BatteryInput]) -> tuple[float, ...]:
    """What a device's power is worth on AC: 1, or the efficiency of the inverter that it is behind."""
    ratios = {each.device_id: each.efficiency_ratio for each in reversed(problem.inverters)}
    return tuple(1.0 if each.inverter_id is None else ratios[each.inverter_id] for each in devices)


def violations(problem: PlanningProblem, plan: Plan) -> Iterator[str]:
    """The AC side follows from the DC bus and keeps its limits."""
    taken: set[str] = set()
    for inverter, planned in zip(problem.inverters, plan.inverters, strict=True):
        name = f"inverter {inverter.device_id}"
        bus_w = [0.0] * problem.grid.count
        if inverter.device_id not in taken:
            for battery, own in zip(problem.batteries, plan.batteries, strict=True):
                if battery.inverter_id == inverter.device_id:
                    bus_w = [before + each for before, each in zip(bus_w, own.power_w, strict=True)]
            for plant, made in zip(problem.pv, plan.pv, strict=True):
                if plant.inverter_id == inverter.device_id:
                    bus_w = [before - each for before, each in zip(bus_w, made.production_power_w, strict=True)]
        taken.add(inverter.device_id)
        yield from _conversion(name, inverter, bus_w, planned.power_w)
        lower = [-inverter.give_power_max_w] * problem.grid.count
        yield from outside(name, planned.power_w, lower, [inverter.take_power_max_w] * problem.grid.count)


def _conversion(name: str, inverter: InverterInput, bus_w: Sequence[float], told: Series) -> Iterator[str]:
    for slot, (dc_w, told_w) in enumerate(zip(bus_w, told, strict=True)):
        taken_w, given_w = max(dc_w, 0.0), max(-dc_w, 0.0)
        right_w = taken_w / inverter.efficiency_ratio - given_w * inverter.efficiency_ratio
        if abs(told_w - right_w) > POWER_TOLERANCE_W:
            yield f"{name}: {told_w:.1f} W in slot {slot}, its DC bus makes it {right_w:.1f} W"
            return
