"""The house as a linear program: one function per device family, one balance row per slot.

Kept from the lazy formulation that measured fastest: no direction binaries for batteries. Where prices or limits
could reward wasting energy, discharging carries a surcharge above any price, so that a battery never empties
itself to be paid for refilling; only a wish that ranks above cost may still use it there.

Slots stay on the problem's own grid. Coarse slots for the later hours were measured too: 3 ms instead of 6 ms for
the linear program of battery, PV and car over 48 h, which does not pay for expanding their powers again under
limits that hold per quarter hour.
"""

from dataclasses import dataclass

import numpy as np

from hems.domain.problem import BatteryInput, CarInput, HeatInput, PlanningProblem
from hems.planning.outcome import excess_export_w, excess_import_w
from hems.planning.plausible import connected_ratio, on_off_slots
from hems.solving.program import Flags, Indices, Numbers, Program
from hems.solving.weights import Weights

UNBOUNDED_KW = 1e4
"""A connection without a limit that matters [kW]."""

SLACK_SPARE_KW = 0.0005
"""Room for rounding where the connection is exceeded anyway, half of what the check tolerates [kW]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryColumns:
    """Where a battery is in the program; ``balance`` rows price stored energy."""

    charge: Indices
    discharge: Indices
    energy: Indices
    balance: Indices
    floor_kwh: float
    ceiling_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CarColumns:
    """Where a car is in the program. Binaries belong to the slots ``on_slots``, none where the smallest power is 0."""

    power: Indices
    need: Indices
    """The row whose dual is the worth of a charged kWh."""
    on: Indices
    part: Indices
    """Binaries of which one may be 1: the slot in which the car charges for part of the time."""
    on_slots: Indices
    smallest_kw: Numbers
    """Smallest power of each slot with a binary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionColumns:
    """Where the connection is in the program; ``importing`` binaries belong to the slots ``tempting``."""

    import_power: Indices
    export_power: Indices
    tempting: Indices
    importing: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The program and the places of its parts."""

    program: Program
    connection: ConnectionColumns
    batteries: tuple[BatteryColumns, ...]
    cars: tuple[CarColumns, ...]
    heat: tuple[Indices, ...]
    pv: tuple[Indices | None, ...]
    """None where a plant cannot be curtailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every family needs: the program, its balance rows (consumption is positive), slots and weights."""

    program: Program
    balance: Indices
    problem: PlanningProblem
    weights: Weights
    slot_h: float
    count: int
    wasteful: Flags
    """Slots in which burning energy would pay."""


def house_of(problem: PlanningProblem, weights: Weights) -> House:
    """The program of a plausible problem."""
    program = Program()
    count = problem.grid.count
    buy, sell = np.array(problem.import_price_eur_per_kwh), np.array(problem.export_price_eur_per_kwh)
    load_kw = np.array(problem.load_power_w) / 1000
    made_kw = {
        curtailable: sum(
            (np.array(each.production_power_w) / 1000 for each in problem.pv if each.curtailable is curtailable),
            start=np.zeros(count),
        )
        for curtailable in (False, True)
    }
    net_kw = load_kw - made_kw[False]
    excess_import_kw = np.array(excess_import_w(problem)) / 1000
    excess_export_kw = np.array(excess_export_w(problem)) / 1000
    # What no device here could help is taken out: a corrupt forecast of a GW shall not spoil the arithmetic.
    help_kw = _flexible_kw(problem)
    hopeless_kw = np.maximum(excess_import_kw - help_kw, 0) - np.maximum(excess_export_kw - help_kw, 0)
    balance = program.rows(count, lower=hopeless_kw - net_kw, upper=hopeless_kw - net_kw)
    frame = Frame(
        program=program,
        balance=balance,
        problem=problem,
        weights=weights,
        slot_h=problem.grid.slot_h,
        count=count,
        wasteful=(buy < 0) | ((sell < 0) & (net_kw < 0)) | (excess_export_kw > 0),
    )
    pv = tuple(
        _pv(frame, np.array(each.production_power_w) / 1000) if each.curtailable else None for each in problem.pv
    )
    batteries = tuple(_battery(frame, each) for each in problem.batteries)
    cars = tuple(_car(frame, each) for each in problem.cars)
    heat = tuple(_heat(frame, each) for each in problem.heat)
    connection = _connection(
        frame,
        slack_import_kw=np.minimum(excess_import_kw, help_kw),
        slack_export_kw=np.minimum(excess_export_kw, help_kw),
    )
    if batteries:
        _sell_sun_only(
            frame,
            connection,
            pv,
            fixed_kw=np.maximum(made_kw[False] + np.minimum(hopeless_kw, 0), hopeless_kw - net_kw),
        )
    return House(program=program, connection=connection, batteries=batteries, cars=cars, heat=heat, pv=pv)


def _flexible_kw(problem: PlanningProblem) -> float:
    watts = sum(each.charge_power_max_w + each.discharge_power_max_w for each in problem.batteries)
    watts += sum(car.power_max_w for car in problem.cars) + sum(pump.power_max_w for pump in problem.heat)
    return watts / 1000


def _connection(frame: Frame, *, slack_import_kw: Numbers, slack_export_kw: Numbers) -> ConnectionColumns:
    """Import and export, their limits, and binaries where selling earns more than buying costs.

    In those slots a relaxed program would buy and sell at once without end.
    """
    program, problem, hours = frame.program, frame.problem, frame.slot_h
    buy, sell = np.array(problem.import_price_eur_per_kwh), np.array(problem.export_price_eur_per_kwh)
    import_max_kw = np.minimum(np.array(problem.import_power_max_w) / 1000, UNBOUNDED_KW)
    export_max_kw = np.minimum(np.array(problem.export_power_max_w) / 1000, UNBOUNDED_KW)
    tempting = np.flatnonzero((sell > buy + 1e-9) & (import_max_kw > 0) & (export_max_kw > 0))
    taken = program.columns(frame.count, upper=import_max_kw, cost=buy * hours)
    given = program.columns(frame.count, upper=export_max_kw, cost=-sell * hours)
    program.put(frame.balance, taken, -1.0)
    program.put(frame.balance, given, 1.0)
    for sign, slack_kw in ((-1.0, slack_import_kw), (1.0, slack_export_kw)):
        slots = np.flatnonzero(slack_kw > 0)
        price = (buy if sign < 0 else -sell)[slots]
        room_kw = slack_kw[slots] + SLACK_SPARE_KW
        over = program.columns(len(slots), upper=room_kw, cost=(frame.weights.connection + price) * hours)
        program.put(frame.balance[slots], over, sign)
    importing = program.binaries(len(tempting))
    for columns, limit_kw, side in ((taken, import_max_kw, 0), (given, export_max_kw, 1)):
        # side 0: power <= limit * importing; side 1: power <= limit * (1 - importing)
        rows = program.rows(len(tempting), upper=side * limit_kw[tempting])
        program.put(rows, columns[tempting], 1.0)
        program.put(rows, importing, (1.0 if side else -1.0) * limit_kw[tempting])
    return ConnectionColumns(import_power=taken, export_power=given, tempting=tempting, importing=importing)


def _sell_sun_only(
    frame: Frame, connection: ConnectionColumns, pv: tuple[Indices | None, ...], *, fixed_kw: Numbers
) -> None:
    """At a negative export price nothing but the sun is exported: PV may be stuck with it, a battery is not."""
    slots = np.flatnonzero(np.array(frame.problem.export_price_eur_per_kwh) < 0)
    rows = frame.program.rows(len(slots), upper=fixed_kw[slots])
    frame.program.put(rows, connection.export_power[slots], 1.0)
    for production in pv:
        if production is not None:
            frame.program.put(rows, production[slots], -1.0)


def _pv(frame: Frame, production_kw: Numbers) -> Indices:
    """Production of a plant that can be curtailed; the tiny reward keeps it running where export earns nothing."""
    columns = frame.program.columns(frame.count, upper=production_kw, cost=-frame.weights.sun * frame.slot_h)
    frame.program.put(frame.balance, columns, -1.0)
    return columns


def _battery(frame: Frame, battery: BatteryInput) -> BatteryColumns:
    """Charge, discharge and stored energy; reserve and window as soft rows where they can be missed."""
    program, count, hours, weights = frame.program, frame.count, frame.slot_h, frame.weights
    gain, loss = battery.charge_efficiency_ratio, battery.discharge_efficiency_ratio
    floor, ceiling = battery.floor_wh / 1000, battery.ceiling_wh / 1000
    stored = _reachable_start_kwh(battery, hours * count)
    lowest, highest = min(floor, stored), max(ceiling, stored)
    span = highest - lowest
    charge = program.columns(
        count, upper=min(battery.charge_power_max_w / 1000, span / gain / hours), cost=weights.cycling * hours
    )
    discharge = program.columns(
        count,
        upper=min(battery.discharge_power_max_w / 1000, span * loss / hours),
        cost=(weights.cycling + np.where(frame.wasteful, weights.waste, 0.0)) * hours,
    )
    end_value = np.zeros(count)
    end_value[-1] = -battery.terminal_value_eur_per_kwh
    energy = program.columns(count, lower=lowest, upper=highest, cost=end_value)
    program.put(frame.balance, charge, 1.0)
    program.put(frame.balance, discharge, -1.0)
    start = np.zeros(count)
    start[0] = stored
    balance = program.rows(count, lower=start, upper=start)
    program.put(balance, energy, 1.0)
    program.put(balance[1:], energy[:-1], -1.0)
    program.put(balance, charge, -gain * hours)
    program.put(balance, discharge, hours / loss)
    reserve = min(battery.reserve_wh / 1000, ceiling)
    _soft_lower(frame, energy, bound=reserve, lowest=lowest, weight=weights.reserve)
    _soft_lower(frame, energy, bound=floor, lowest=lowest, weight=weights.window)
    if highest > ceiling:
        over = program.columns(count, upper=highest - ceiling, cost=weights.window * hours)
        rows = program.rows(count, upper=ceiling)
        program.put(rows, energy, 1.0)
        program.put(rows, over, -1.0)
    return BatteryColumns(
        charge=charge,
        discharge=discharge,
        energy=energy,
        balance=balance,
        floor_kwh=floor,
        ceiling_kwh=ceiling,
    )


def _reachable_start_kwh(battery: BatteryInput, horizon_h: float) -> float:
    """Measured energy, moved to where the horizon can bring it back into the window if it is absurdly far out."""
    furthest_up_wh = battery.ceiling_wh + battery.discharge_power_max_w / battery.discharge_efficiency_ratio * horizon_h
    furthest_down_wh = battery.floor_wh - battery.charge_power_max_w * battery.charge_efficiency_ratio * horizon_h
    return min(max(battery.stored_wh, furthest_down_wh), furthest_up_wh) / 1000


def _soft_lower(frame: Frame, energy: Indices, *, bound: float, lowest: float, weight: float) -> None:
    if bound <= lowest:
        return
    under = frame.program.columns(frame.count, upper=bound - lowest, cost=weight * frame.slot_h)
    rows = frame.program.rows(frame.count, lower=bound)
    frame.program.put(rows, energy, 1.0)
    frame.program.put(rows, under, 1.0)


def _car(frame: Frame, car: CarInput) -> CarColumns:
    """Charging power, the energy wish, and binaries for the smallest power in the first hours."""
    program, problem, hours = frame.program, frame.problem, frame.slot_h
    share = np.array(connected_ratio(car, problem.grid))
    room_kwh = float(share.sum()) * hours * car.power_max_w / 1000
    most_kwh = min(car.energy_needed_wh / 1000, room_kwh)
    largest_kw = np.minimum(car.power_max_w / 1000 * share, most_kwh / hours)
    elapsed_h = np.arange(frame.count) * hours
    power = program.columns(frame.count, upper=largest_kw, cost=frame.weights.waiting_per_h * elapsed_h * hours)
    program.put(frame.balance, power, 1.0)
    need = program.rows(1, lower=most_kwh, upper=most_kwh)
    missing = program.columns(1, upper=most_kwh, cost=frame.weights.departure)
    program.put(np.repeat(need, frame.count), power, hours)
    program.put(need, missing, 1.0)
    smallest_kw = np.minimum(car.power_min_w / 1000 * share, largest_kw)[: on_off_slots(problem.grid)]
    slots = np.flatnonzero(smallest_kw > 0)
    on, part = program.binaries(len(slots)), program.binaries(len(slots))
    at_most = program.rows(len(slots), upper=0.0)
    program.put(at_most, power[slots], 1.0)
    program.put(at_most, on, -largest_kw[slots])
    program.put(at_most, part, -largest_kw[slots])
    at_least = program.rows(len(slots), lower=0.0)
    program.put(at_least, power[slots], 1.0)
    program.put(at_least, on, -smallest_kw[slots])
    program.put(np.repeat(program.rows(1, upper=1.0), len(slots)), part, 1.0)
    return CarColumns(power=power, need=need, on=on, part=part, on_slots=slots, smallest_kw=smallest_kw[slots])


def _heat(frame: Frame, pump: HeatInput) -> Indices:
    """Power and energy band. No binaries: a slot mean may be anything, the pump runs for part of the slot."""
    program, count, hours = frame.program, frame.count, frame.slot_h
    most_kwh = pump.power_max_w / 1000 * hours * np.arange(1, count + 1)
    lower = np.minimum(np.array(pump.energy_min_wh) / 1000, most_kwh)
    upper = np.minimum(np.array(pump.energy_max_wh) / 1000, most_kwh)
    power = program.columns(count, upper=pump.power_max_w / 1000)
    used = program.columns(count, upper=most_kwh)
    program.put(frame.balance, power, 1.0)
    sums = program.rows(count, lower=0.0, upper=0.0)
    program.put(sums, used, 1.0)
    program.put(sums[1:], used[:-1], -1.0)
    program.put(sums, power, -hours)
    for weight, bound, sign in ((frame.weights.heat_min, lower, 1.0), (frame.weights.heat_max, upper, -1.0)):
        miss = program.columns(count, upper=most_kwh, cost=weight * hours)
        rows = program.rows(count, lower=bound if sign > 0 else -np.inf, upper=np.inf if sign > 0 else bound)
        program.put(rows, used, 1.0)
        program.put(rows, miss, sign)
    return power
