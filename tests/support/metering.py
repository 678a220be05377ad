"""What meter, battery, thermometer and bill would say of a plan: physics alone, for any planner's powers.

Written from what the problem document says, not from the code that makes plans, and shares no function with it. It
takes nothing but a problem and one series of watts per device, so that our plans, a peer's and a proven optimum are
priced alike.
"""

import math
from collections.abc import Iterator, Sequence

from hems.domain.plan import Plan
from hems.domain.problem import CarInput, PlanningProblem
from hems.domain.site import MAIN, CircuitId
from tests.support.bill import Bill, Conduct, Reading
from tests.support.metering_devices import appliance_of, battery_of, car_of, pump_of

Wire = tuple[CircuitId, Sequence[Sequence[str]], Sequence[float]]
"""Where something is connected, on which conductors by slot, and its power."""


def conduct_of(plan: Plan) -> Conduct:
    """A plan's powers."""
    nothing = (0.0,) * plan.grid.count
    return Conduct(
        batteries=tuple(each.power_w for each in plan.batteries),
        cars=tuple(each.power_w for each in plan.cars),
        heat=tuple(each.power_w for each in plan.heat),
        appliances=tuple(each.power_w for each in plan.appliances),
        pv=tuple(each.production_power_w for each in plan.pv),
        tank_heat=tuple(each.tank_power_w or nothing for each in plan.heat),
        car_phases=tuple(each.phase_count for each in plan.cars),
    )


def metered(problem: PlanningProblem, conduct: Conduct, *, tolerance_w: float = 1.0) -> Bill:
    """The bill of doing exactly this.

    Args:
        problem: with plausible numbers.
        conduct: every device of it.
        tolerance_w: what a solver's rounding may be off; for a level, what that makes over the horizon.
    """
    reading = Reading(problem, conduct, tolerance_w)
    inverters_w = _inverters_w(reading)
    net_w = _net_w(reading, inverters_w)
    _energy(reading, net_w)
    _extras(reading, net_w)
    _connection(reading, net_w)
    _fuses(reading, inverters_w)
    _plants(reading)
    for battery, power_w in zip(problem.batteries, conduct.batteries, strict=True):
        battery_of(reading, battery, power_w)
    for index, (car, power_w) in enumerate(zip(problem.cars, conduct.cars, strict=True)):
        car_of(reading, car, power_w, _phase_counts(reading, index))
    for index, (pump, power_w) in enumerate(zip(problem.heat, conduct.heat, strict=True)):
        pump_of(reading, pump, power_w, _water_w(reading, index))
    for appliance, power_w in zip(problem.appliances, conduct.appliances, strict=True):
        appliance_of(reading, appliance, power_w)
    return reading.bill


def _phase_counts(reading: Reading, index: int) -> Sequence[int]:
    if reading.conduct.car_phases is not None:
        return reading.conduct.car_phases[index]
    modes = reading.problem.cars[index].modes
    return [len(modes[-1].phases) if modes and each > 0 else 0 for each in reading.conduct.cars[index]]


def _water_w(reading: Reading, index: int) -> Sequence[float]:
    if reading.conduct.tank_heat is not None:
        return reading.conduct.tank_heat[index]
    return [0.0] * reading.count if reading.problem.heat[index].room else reading.conduct.heat[index]


def _inverters_w(reading: Reading) -> list[list[float]]:
    """AC power of each hybrid inverter, positive into it: the receiving side gets what the loss leaves.

    Of two inverters of one name the first has all that names it.
    """
    problem, conduct = reading.problem, reading.conduct
    found: list[list[float]] = []
    seen: set[str] = set()
    for inverter in problem.inverters:
        own = inverter.device_id if inverter.device_id not in seen else None
        seen.add(inverter.device_id)
        series = []
        for slot in range(reading.count):
            bus_w = 0.0
            if own is not None:
                pairs = zip(problem.batteries, conduct.batteries, strict=True)
                bus_w += sum(power_w[slot] for each, power_w in pairs if each.inverter_id == own)
                roofs = zip(problem.pv, conduct.pv, strict=True)
                bus_w -= sum(made_w[slot] for each, made_w in roofs if each.inverter_id == own)
            ac_w = bus_w / inverter.efficiency_ratio if bus_w > 0 else bus_w * inverter.efficiency_ratio
            if not -inverter.give_power_max_w - 1 <= ac_w <= inverter.take_power_max_w + 1:
                reading.broke(inverter.device_id, slot, ac_w)
            series.append(ac_w)
        found.append(series)
    return found


def _net_w(reading: Reading, inverters_w: Sequence[Sequence[float]]) -> list[float]:
    """Import per slot, negative where the house exports."""
    wires = [power_w for _, _, power_w in _wires(reading, inverters_w)]
    return [
        math.fsum((load_w, *(power_w[slot] for power_w in wires)))
        for slot, load_w in enumerate(reading.problem.load_power_w)
    ]


def _wires(reading: Reading, inverters_w: Sequence[Sequence[float]]) -> Iterator[Wire]:
    """All that is connected to AC and that the plan decides on."""
    problem, conduct = reading.problem, reading.conduct
    for battery, power_w in zip(problem.batteries, conduct.batteries, strict=True):
        if battery.inverter_id is None:
            yield battery.circuit_id, [battery.phases] * reading.count, power_w
    for roof, made_w in zip(problem.pv, conduct.pv, strict=True):
        if roof.inverter_id is None:
            yield roof.circuit_id, [roof.phases] * reading.count, [-each for each in made_w]
    for inverter, power_w in zip(problem.inverters, inverters_w, strict=True):
        yield inverter.circuit_id, [inverter.phases] * reading.count, power_w
    for pump, power_w in zip(problem.heat, conduct.heat, strict=True):
        yield pump.circuit_id, [pump.phases] * reading.count, power_w
    for appliance, power_w in zip(problem.appliances, conduct.appliances, strict=True):
        yield appliance.circuit_id, [appliance.phases] * reading.count, power_w
    for index, (car, power_w) in enumerate(zip(problem.cars, conduct.cars, strict=True)):
        yield car.circuit_id, _car_phases(car, power_w, _phase_counts(reading, index)), power_w


def _car_phases(car: CarInput, power_w: Sequence[float], counts: Sequence[int]) -> list[Sequence[str]]:
    """It gives back on the conductors of its largest mode."""
    ways: dict[int, Sequence[str]] = {len(mode.phases): mode.phases for mode in reversed(car.modes)}
    largest: Sequence[str] = car.modes[-1].phases if car.modes else ()
    return [largest if each < 0 else ways.get(count, ()) for count, each in zip(counts, power_w, strict=True)]


def _energy(reading: Reading, net_w: Sequence[float]) -> None:
    problem, bill = reading.problem, reading.bill
    sold: list[tuple[float, float]] = []
    for slot, power_w in enumerate(net_w):
        energy_wh = power_w * reading.hours
        if energy_wh > 0:
            bill.import_wh += energy_wh
            bill.energy_eur += energy_wh / 1000 * problem.import_price_eur_per_kwh[slot]
        else:
            bill.export_wh -= energy_wh
            sold.append((problem.export_price_eur_per_kwh[slot], -energy_wh))
            bill.energy_eur += energy_wh / 1000 * problem.export_price_eur_per_kwh[slot]
        bill.import_max_w = max(bill.import_max_w, power_w)
    if problem.netting is not None:
        surplus_wh = bill.export_wh - max(0.0, bill.import_wh + problem.netting.balance_wh)
        for price, energy_wh in sorted(sold):  # a kind supplier nets the best hours
            part_wh = min(max(surplus_wh, 0.0), energy_wh)
            bill.energy_eur += part_wh / 1000 * (price - problem.netting.surplus_price_eur_per_kwh)
            surplus_wh -= part_wh


def _extras(reading: Reading, net_w: Sequence[float]) -> None:
    problem, bill = reading.problem, reading.bill
    for peak in problem.peaks:
        seen_w = [power_w for slot, power_w in enumerate(net_w) if not peak.counts or peak.counts[slot]]
        bill.peak_eur += max(0.0, max(seen_w, default=0.0) - peak.paid_power_w) / 1000 * peak.price_eur_per_kw
    if problem.carbon is not None:
        for power_w, intensity in zip(net_w, problem.carbon.intensity_g_per_kwh, strict=True):
            kilograms = max(power_w, 0.0) * reading.hours / 1000 * intensity / 1000
            bill.carbon_eur += kilograms * problem.carbon.price_eur_per_kg


def _connection(reading: Reading, net_w: Sequence[float]) -> None:
    problem = reading.problem
    for slot, power_w in enumerate(net_w):
        over_w = max(power_w - problem.import_power_max_w[slot], -power_w - problem.export_power_max_w[slot])
        if over_w > reading.tolerance_w:
            reading.missed("connection", over_w * reading.hours)
        for limits, own_w in ((problem.operator_import_max_w, power_w), (problem.operator_export_max_w, -power_w)):
            if limits is not None and own_w - limits[slot] > reading.tolerance_w:
                reading.missed("operator", (own_w - limits[slot]) * reading.hours)


def _fuses(reading: Reading, inverters_w: Sequence[Sequence[float]]) -> None:
    """Each conductor of each fuse carries what hangs below it."""
    parents = {each.circuit_id: each.parent_id for each in reading.problem.circuits}

    def carries(circuit_id: CircuitId, place: CircuitId | None) -> bool:
        while place is not None and place != circuit_id:
            place = parents.get(place)
        return place is not None

    wires = list(_wires(reading, inverters_w))
    for circuit in reading.problem.circuits:
        below = [wire for wire in wires if carries(circuit.circuit_id, wire[0])]
        for number, limit_w in enumerate(circuit.phase_power_max_w):
            conductor = f"L{number + 1}"
            flow = _uncontrolled_w(reading, circuit.circuit_id, circuit.phase_load_w, number)
            for _, phases, power_w in below:
                for slot, own in enumerate(phases):
                    flow[slot] += power_w[slot] / len(own) if conductor in own else 0.0
            for each in flow:
                if abs(each) - limit_w > reading.tolerance_w:
                    reading.missed(f"fuse {circuit.circuit_id} {conductor}", (abs(each) - limit_w) * reading.hours)


def _uncontrolled_w(
    reading: Reading, circuit_id: CircuitId, loads: Sequence[Sequence[float]] | None, number: int
) -> list[float]:
    if loads is not None:
        return list(loads[number])
    return [each / 3 if circuit_id == MAIN else 0.0 for each in reading.problem.load_power_w]


def _plants(reading: Reading) -> None:
    for roof, series in zip(reading.problem.pv, reading.conduct.pv, strict=True):
        for slot, (made_w, could_w) in enumerate(zip(series, roof.production_power_w, strict=True)):
            clipped = roof.curtailable or roof.inverter_id is not None  # an inverter leaves what it cannot take
            least_w = 0.0 if clipped else could_w
            if not least_w - reading.tolerance_w <= made_w <= could_w + reading.tolerance_w:
                reading.broke(roof.device_id, slot, made_w)
