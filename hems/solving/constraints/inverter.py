"""Hybrid inverters: one AC connection for the PV and the battery on a DC bus."""

from hems.domain.problem import InverterInput
from hems.solving.frame import Frame
from hems.solving.program import Indices


def put_inverter(frame: Frame, inverter: InverterInput) -> Indices:
    """Rows of the DC bus, consumption positive; members put themselves in.

    ``take`` is AC power drawn, ``give`` AC power fed out; losses are on the DC side of both.
    """
    program, count, weights = frame.program, frame.count, frame.weights
    take = program.columns(count, upper=inverter.take_power_max_w / 1000, cost=weights.cycling * frame.slot_h)
    give = program.columns(count, upper=inverter.give_power_max_w / 1000, cost=weights.cycling * frame.slot_h)
    for columns, sign in ((take, 1.0), (give, -1.0)):
        frame.place(columns, sign, circuit_id=inverter.circuit_id, phases=inverter.phases, slots=frame.slots)
    bus = program.rows(count, lower=0.0, upper=0.0)
    program.put(bus, take, -inverter.efficiency_ratio)
    program.put(bus, give, 1.0 / inverter.efficiency_ratio)
    frame.one_way.append((take, give))
    return bus
