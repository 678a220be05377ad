"""What odd numbers in a planning problem mean. Solver, rules and check start from the same reading of them."""

from dataclasses import replace
from datetime import timedelta

from hems.domain.problem import BatteryInput, CarInput, HeatInput, PlanningProblem, PvInput
from hems.domain.time import SlotGrid

EFFICIENCY_MIN_RATIO = 0.05
"""Below it a reading is a mistake; it also keeps the division by the discharge efficiency harmless."""

POWER_PLAUSIBLE_MAX_W = 1e6
"""More than any house: 1,450 A on three phases. Larger device powers and limits count as this."""

ENERGY_PLAUSIBLE_MAX_WH = 1e8
"""A hundred MWh: more than any storage in a house, small enough for exact arithmetic to a mWh."""

ON_OFF_S = 6 * 3600
"""How far ahead a car's smallest power is planned exactly; later a slot mean may be anything up to the maximum.

Costs 0.01-0.5 cent per 48 h plan against on/off everywhere (measured in closed loop) and saves most binaries."""


def plausible(problem: PlanningProblem) -> PlanningProblem:
    """The problem with numbers that physics allows, shapes and identities unchanged.

    Negative magnitudes count as 0, efficiencies lie in 0.05..1, a ceiling is not below its floor, and a device
    whose smallest power exceeds its largest cannot run. Measured stored energy stays what was measured, within
    +-100 MWh.
    """
    return replace(
        problem,
        load_power_w=tuple(_within(each, 1e9) for each in problem.load_power_w),
        import_power_max_w=tuple(_power_w(each) for each in problem.import_power_max_w),
        export_power_max_w=tuple(_power_w(each) for each in problem.export_power_max_w),
        pv=tuple(_pv(each) for each in problem.pv),
        batteries=tuple(_battery(each) for each in problem.batteries),
        cars=tuple(_car(each) for each in problem.cars),
        heat=tuple(_heat(each) for each in problem.heat),
    )


def connected_ratio(car: CarInput, grid: SlotGrid) -> tuple[float, ...]:
    """Share of each slot in which a car can charge, 0..1.

    The slot of arrival counts in part, so that a car that has just been plugged in charges at once. The slot of
    departure does not count at all: a deadline rounds down, never later than asked.
    """
    until = grid.whole_slots_before(car.departure_at)
    arrived = (car.arrival_at - grid.start_at) / timedelta(seconds=grid.slot_s)
    return tuple(min(1.0, max(0.0, index + 1 - arrived)) if index < until else 0.0 for index in range(grid.count))


def chargeable_later_wh(car: CarInput, grid: SlotGrid) -> float:
    """What a car can still take between the end of the grid and its departure, AC side [Wh]."""
    later = (car.departure_at - max(grid.end_at, car.arrival_at)) / timedelta(hours=1)
    return max(0.0, later) * car.power_max_w


def on_off_slots(grid: SlotGrid) -> int:
    """Slots in which a car charges at 0 or at least its smallest power."""
    return min(grid.count, ON_OFF_S // grid.slot_s)


def _within(value: float, bound: float) -> float:
    return min(max(value, -bound), bound)


def _power_w(power_w: float) -> float:
    return min(max(power_w, 0.0), POWER_PLAUSIBLE_MAX_W)


def _energy_wh(energy_wh: float) -> float:
    return min(max(energy_wh, 0.0), ENERGY_PLAUSIBLE_MAX_WH)


def _efficiency(ratio: float) -> float:
    return min(max(ratio, EFFICIENCY_MIN_RATIO), 1.0)


def _running_max_w(power_min_w: float, power_max_w: float) -> float:
    return power_max_w if power_min_w <= power_max_w else 0.0


def _pv(plant: PvInput) -> PvInput:
    return replace(plant, production_power_w=tuple(min(max(each, 0.0), 1e9) for each in plant.production_power_w))


def _battery(battery: BatteryInput) -> BatteryInput:
    floor_wh = _energy_wh(battery.floor_wh)
    return replace(
        battery,
        stored_wh=_within(battery.stored_wh, ENERGY_PLAUSIBLE_MAX_WH),
        floor_wh=floor_wh,
        ceiling_wh=max(floor_wh, _energy_wh(battery.ceiling_wh)),
        reserve_wh=_energy_wh(battery.reserve_wh),
        charge_power_max_w=_power_w(battery.charge_power_max_w),
        discharge_power_max_w=_power_w(battery.discharge_power_max_w),
        charge_efficiency_ratio=_efficiency(battery.charge_efficiency_ratio),
        discharge_efficiency_ratio=_efficiency(battery.discharge_efficiency_ratio),
    )


def _car(car: CarInput) -> CarInput:
    power_min_w, power_max_w = _power_w(car.power_min_w), _power_w(car.power_max_w)
    return replace(
        car,
        energy_needed_wh=_energy_wh(car.energy_needed_wh),
        power_min_w=power_min_w,
        power_max_w=_running_max_w(power_min_w, power_max_w),
    )


def _heat(pump: HeatInput) -> HeatInput:
    power_min_w, power_max_w = _power_w(pump.power_min_w), _power_w(pump.power_max_w)
    return replace(
        pump,
        power_min_w=power_min_w,
        power_max_w=_running_max_w(power_min_w, power_max_w),
        energy_min_wh=tuple(_energy_wh(each) for each in pump.energy_min_wh),
        energy_max_wh=tuple(_energy_wh(each) for each in pump.energy_max_wh),
    )
