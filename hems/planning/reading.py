"""What the parts of a planning problem mean slot by slot. Solver, rules and check read it the same way.

Every function takes parts of a problem that has passed :func:`hems.planning.plausible.plausible`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import (
    ApplianceInput,
    BatteryInput,
    CarInput,
    ChargeMode,
    CircuitInput,
    HeatInput,
    InverterInput,
    PlanningProblem,
    PvInput,
    Series,
    Taper,
)
from hems.domain.site import MAIN, CircuitId
from hems.domain.time import SlotGrid

ON_OFF_S = 6 * 3600
"""How far ahead smallest powers, levels, starts and rests are planned exactly; later a slot mean may be anything.

Costs 0.01-0.5 cent per 48 h plan against on/off everywhere (measured in closed loop) and saves most binaries."""

ON_W = 1.0
"""A device that uses no more is off."""


def on_off_slots(grid: SlotGrid) -> int:
    """Slots in which devices run at 0 or at least their smallest power."""
    return min(grid.count, ON_OFF_S // grid.slot_s)


def connected_ratio(car: CarInput, grid: SlotGrid) -> Series:
    """Share of each slot in which a car can charge, 0..1.

    The slot of arrival counts in part, so that a car that has just been plugged in charges at once. The slot of
    departure does not count at all: a deadline rounds down, never later than asked.
    """
    until = grid.whole_slots_before(car.departure_at)
    arrived = (car.arrival_at - grid.start_at) / timedelta(seconds=grid.slot_s)
    return tuple(min(1.0, max(0.0, index + 1 - arrived)) if index < until else 0.0 for index in range(grid.count))


def chargeable_later_wh(car: CarInput, grid: SlotGrid, until: datetime | None = None) -> float:
    """What a car can still take between the end of the grid and ``until`` (None: its departure), AC side [Wh]."""
    later = ((until or car.departure_at) - max(grid.end_at, car.arrival_at)) / timedelta(hours=1)
    return max(0.0, later) * car.power_max_w


def energy_max_wh(car: CarInput) -> float:
    """Most that a car may have been charged with [Wh]."""
    return car.energy_needed_wh if car.energy_max_wh is None else car.energy_max_wh


def mode_on(car: CarInput, phase_count: int) -> ChargeMode | None:
    """The way to charge on so many phases."""
    return next((mode for mode in car.modes if len(mode.phases) == phase_count), None)


def taper_limit_w(taper: Taper | None, *, power_max_w: float, end_wh: float, stored_wh: float) -> float:
    """Most power with this energy at the end of a slot, on the way to ``end_wh`` from either side [W]."""
    if taper is None:
        return power_max_w
    slope = (power_max_w - taper.end_power_w) / abs(end_wh - taper.from_wh)
    left_wh = end_wh - stored_wh if taper.from_wh < end_wh else stored_wh - end_wh
    return min(power_max_w, taper.end_power_w + slope * max(0.0, left_wh))


def taper_power_w(
    taper: Taper | None, *, power_max_w: float, end_wh: float, stored_wh: float, wh_per_w: float
) -> float:
    """Most constant power of a slot that begins with this energy and moves it by ``wh_per_w`` towards ``end_wh`` [W].

    The fixed point of :func:`taper_limit_w`: p = end + slope * (left - p * wh_per_w).
    """
    if taper is None:
        return power_max_w
    slope = (power_max_w - taper.end_power_w) / abs(end_wh - taper.from_wh)
    left_wh = end_wh - stored_wh if taper.from_wh < end_wh else stored_wh - end_wh
    return min(power_max_w, (taper.end_power_w + slope * max(0.0, left_wh)) / (1 + slope * wh_per_w))


def fixed_run_slots(pump: HeatInput, grid: SlotGrid) -> tuple[int, int]:
    """How many of the first slots a heat pump must run, and must rest, because of what it did before."""
    needed_s = (pump.min_run_s if pump.running else pump.min_rest_s) - pump.state_s
    slots = min(max(0, math.ceil(needed_s / grid.slot_s)), on_off_slots(grid))
    return (slots, 0) if pump.running else (0, slots)


def appliance_starts(appliance: ApplianceInput, grid: SlotGrid) -> tuple[int, ...]:
    """Slots in which an appliance can start, soonest first, at least one.

    Those that keep the deadline, or where none does every slot from the soonest on; last of all ``grid.count``: not
    within this horizon. Under way: the slot in which it started, negative. One that may not start earlier than after
    the grid has that start alone.
    """
    slot = timedelta(seconds=grid.slot_s)
    if appliance.started_at is not None:
        return (math.floor((appliance.started_at - grid.start_at) / slot),)
    earliest = max(0, math.ceil((appliance.earliest_at - grid.start_at) / slot))
    if earliest >= grid.count:
        return (earliest,)
    latest = grid.whole_slots_before(appliance.deadline_at) - max(1, len(appliance.profile_w))
    return (*(range(earliest, latest + 1) or range(earliest, grid.count)), grid.count)


def appliance_power_w(appliance: ApplianceInput, start: int, grid: SlotGrid) -> Series:
    """Mean power per slot of an appliance that starts at the beginning of slot ``start`` [W]."""
    profile = appliance.profile_w
    return tuple(profile[slot - start] if 0 <= slot - start < len(profile) else 0.0 for slot in range(grid.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class InverterMembers:
    """What hangs on an inverter's DC bus: indices into the problem's batteries and PV plants."""

    batteries: tuple[int, ...]
    pv: tuple[int, ...]


def inverter_members(problem: PlanningProblem) -> tuple[InverterMembers, ...]:
    """Members per inverter in the order of the problem; of two inverters of one name the first has them."""
    ids = [each.device_id for each in problem.inverters]
    return tuple(
        InverterMembers(
            batteries=tuple(i for i, each in enumerate(problem.batteries) if each.inverter_id == device_id),
            pv=tuple(i for i, each in enumerate(problem.pv) if each.inverter_id == device_id),
        )
        if device_id not in ids[:index]
        else InverterMembers(batteries=(), pv=())
        for index, device_id in enumerate(ids)
    )


_Placed = PvInput | BatteryInput | InverterInput | CarInput | HeatInput | ApplianceInput


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitMembers:
    """Whose AC power flows through a fuse, as indices into the problem's parts; nothing that is behind an inverter."""

    circuit: CircuitInput
    pv: tuple[int, ...]
    batteries: tuple[int, ...]
    inverters: tuple[int, ...]
    cars: tuple[int, ...]
    heat: tuple[int, ...]
    appliances: tuple[int, ...]


def circuit_members(problem: PlanningProblem) -> tuple[CircuitMembers, ...]:
    """Members per circuit in the order of the problem, those of its sub-circuits among them."""
    above = {each.circuit_id: set(circuits_above(problem, each.circuit_id)) for each in problem.circuits}
    above.setdefault(MAIN, {MAIN})

    def behind(circuit: CircuitInput, parts: Sequence[_Placed]) -> tuple[int, ...]:
        return tuple(
            index
            for index, each in enumerate(parts)
            if circuit.circuit_id in above[each.circuit_id] and getattr(each, "inverter_id", None) is None
        )

    return tuple(
        CircuitMembers(
            circuit=circuit,
            pv=behind(circuit, problem.pv),
            batteries=behind(circuit, problem.batteries),
            inverters=behind(circuit, problem.inverters),
            cars=behind(circuit, problem.cars),
            heat=behind(circuit, problem.heat),
            appliances=behind(circuit, problem.appliances),
        )
        for circuit in problem.circuits
    )


def circuits_above(problem: PlanningProblem, circuit_id: CircuitId) -> Iterator[CircuitId]:
    """A circuit and all that carry it, up to the main fuse."""
    parents = {each.circuit_id: each.parent_id for each in problem.circuits}
    here: CircuitId | None = circuit_id
    while here is not None:
        yield here
        here = parents.get(here)


def share_on(phases: tuple[Phase, ...], phase: Phase) -> float:
    """Part of a device's power on a phase, 0..1."""
    return 1 / len(phases) if phase in phases else 0.0


def uncontrolled_w(problem: PlanningProblem) -> Series:
    """What flows at the connection whatever is decided: load and appliances under way less PV that runs anyway [W]."""
    under_way = [
        appliance_power_w(each, appliance_starts(each, problem.grid)[0], problem.grid)
        for each in problem.appliances
        if each.started_at is not None
    ]
    stuck = [each.production_power_w for each in problem.pv if not each.curtailable]
    return tuple(
        load_w + sum(each[slot] for each in under_way) - sum(each[slot] for each in stuck)
        for slot, load_w in enumerate(problem.load_power_w)
    )


def uncontrolled_phases_w(problem: PlanningProblem, members: CircuitMembers) -> tuple[Series, Series, Series]:
    """The same behind one fuse on L1, L2 and L3 [W]."""
    l1, l2, l3 = (_uncontrolled_phase_w(problem, members, phase) for phase in ALL_PHASES)
    return l1, l2, l3


def _uncontrolled_phase_w(problem: PlanningProblem, members: CircuitMembers, phase: Phase) -> Series:
    grid, loads = problem.grid, members.circuit.phase_load_w
    if loads is not None:
        flow_w = list(loads[ALL_PHASES.index(phase)])
    elif members.circuit.circuit_id == MAIN:
        flow_w = [each / len(ALL_PHASES) for each in problem.load_power_w]
    else:
        flow_w = [0.0] * grid.count
    for appliance in (problem.appliances[index] for index in members.appliances):
        if appliance.started_at is not None:
            power_w = appliance_power_w(appliance, appliance_starts(appliance, grid)[0], grid)
            share = share_on(appliance.phases, phase)
            flow_w = [before + share * each for before, each in zip(flow_w, power_w, strict=True)]
    for plant in (problem.pv[index] for index in members.pv):
        if not plant.curtailable:
            share = share_on(plant.phases, phase)
            flow_w = [before - share * each for before, each in zip(flow_w, plant.production_power_w, strict=True)]
    return tuple(flow_w)


def limited_ranges(uncontrolled: Series, *, import_max_w: Series, export_max_w: Series) -> tuple[Series, Series]:
    """Least and most that may flow: the limits, or what nothing controls where that lies outside them [W].

    At a fuse, the connection and the grid operator's limit alike: devices never make an excess worse.
    """
    lower = tuple(min(-limit, base) for limit, base in zip(export_max_w, uncontrolled, strict=True))
    upper = tuple(max(limit, base) for limit, base in zip(import_max_w, uncontrolled, strict=True))
    return lower, upper
