"""The whole house as one program: every family puts itself in, one balance row per slot."""

from dataclasses import dataclass

import numpy as np

from hems.domain.problem import PlanningProblem, PvInput
from hems.planning.reading import uncontrolled_w
from hems.solving.constraints.appliance import ApplianceColumns, put_appliance
from hems.solving.constraints.battery import BatteryColumns, put_battery
from hems.solving.constraints.car import CarColumns, put_car
from hems.solving.constraints.circuit import CircuitRows, put_circuits
from hems.solving.constraints.connection import (
    ConnectionColumns,
    Uncontrolled,
    put_connection,
    put_preferences,
    put_sun_only,
    wasteful_slots,
)
from hems.solving.constraints.heat import HeatColumns, put_heat
from hems.solving.constraints.inverter import put_inverter
from hems.solving.constraints.pv import put_pv
from hems.solving.frame import Frame, Switch
from hems.solving.program import Indices, Numbers, Program
from hems.solving.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The program and the places of its parts."""

    program: Program
    balance: Indices
    connection: ConnectionColumns
    circuits: tuple[CircuitRows, ...]
    batteries: tuple[BatteryColumns, ...]
    cars: tuple[CarColumns, ...]
    heat: tuple[HeatColumns, ...]
    appliances: tuple[ApplianceColumns, ...]
    pv: tuple[Indices | None, ...]
    """None where a plant cannot be held back."""
    switches: tuple[Switch, ...]
    start_rows: tuple[Indices, ...]
    """See :class:`~hems.solving.frame.Frame`."""
    one_way: tuple[tuple[Indices, Indices], ...]
    own_rows: Indices
    """See :class:`~hems.solving.frame.Frame`."""
    surplus_rows: tuple[Indices, ...]
    """Rows per slot that allow as much as there is surplus of the sun over the load."""


def house_of(problem: PlanningProblem, weights: Weights) -> House:
    """The program of a plausible problem."""
    program = Program()
    given = _uncontrolled(problem)
    balance = program.rows(
        problem.grid.count, lower=given.hopeless_kw - given.net_kw, upper=given.hopeless_kw - given.net_kw
    )
    frame = Frame(
        program=program,
        problem=problem,
        weights=weights,
        balance=balance,
        wasteful=wasteful_slots(problem, given),
    )
    buses = {each.device_id: put_inverter(frame, each) for each in problem.inverters}
    pv = tuple(
        put_pv(frame, each, buses) if each.curtailable or each.inverter_id is not None else None for each in problem.pv
    )
    batteries = tuple(put_battery(frame, each, buses) for each in problem.batteries)
    cars = tuple(put_car(frame, each) for each in problem.cars)
    heat = tuple(put_heat(frame, each) for each in problem.heat)
    appliances = tuple(put_appliance(frame, each) for each in problem.appliances)
    connection = put_connection(frame, given)
    if batteries or any(car.discharge is not None for car in cars):
        put_sun_only(frame, connection, pv, given)
    surplus_rows = put_preferences(frame, connection, batteries, cars, given)
    return House(
        program=program,
        balance=balance,
        connection=connection,
        circuits=put_circuits(frame),
        batteries=batteries,
        cars=cars,
        heat=heat,
        appliances=appliances,
        pv=pv,
        switches=tuple(frame.switches),
        start_rows=tuple(frame.start_rows),
        one_way=tuple(frame.one_way),
        own_rows=np.concatenate([*frame.own_rows, np.empty(0, dtype=np.int64)]),
        surplus_rows=surplus_rows,
    )


def _uncontrolled(problem: PlanningProblem) -> Uncontrolled:
    zero = np.zeros(problem.grid.count)
    sun_kw = sum((np.array(each.production_power_w) / 1000 for each in problem.pv if _is_fixed(each)), start=zero)
    expected_kw = sum((np.array(each.production_power_w) / 1000 for each in problem.pv), start=zero)
    net_kw = np.array(uncontrolled_w(problem)) / 1000
    excess_import_kw = np.maximum(net_kw - np.array(problem.import_power_max_w) / 1000, 0.0)
    excess_export_kw = np.maximum(-net_kw - np.array(problem.export_power_max_w) / 1000, 0.0)
    help_kw = _flexible_kw(problem)
    return Uncontrolled(
        net_kw=net_kw,
        sun_kw=sun_kw,
        surplus_kw=np.maximum(expected_kw - np.array(problem.load_power_w) / 1000, 0.0),
        excess_import_kw=excess_import_kw,
        excess_export_kw=excess_export_kw,
        hopeless_kw=np.maximum(excess_import_kw - help_kw, 0) - np.maximum(excess_export_kw - help_kw, 0),
        help_kw=help_kw,
    )


def _is_fixed(plant: PvInput) -> bool:
    return not plant.curtailable and plant.inverter_id is None


def _flexible_kw(problem: PlanningProblem) -> float:
    watts = sum(each.charge_power_max_w + each.discharge_power_max_w for each in problem.batteries)
    watts += sum(car.power_max_w for car in problem.cars) + sum(pump.power_max_w for pump in problem.heat)
    watts += sum(car.discharge.power_max_w for car in problem.cars if car.discharge is not None)
    watts += sum(max(each.profile_w, default=0.0) for each in problem.appliances)
    watts += sum(max(each.production_power_w) for each in problem.pv if not _is_fixed(each))
    watts += sum(each.give_power_max_w + each.take_power_max_w for each in problem.inverters)
    return watts / 1000


def without_temptation(house: House, cost: Numbers) -> Numbers:
    """Costs in which export earns no more than import costs, so that resting is always best."""
    changed = cost.copy()
    at = house.connection
    changed[at.export_power[at.tempting]] = -changed[at.import_power[at.tempting]]
    return changed
