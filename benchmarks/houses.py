"""Houses with more in them than a peer can express, as planning problems: for times, memory and growth.

C is problem M with a hot-water tank on a heat pump and net metering. D is a January house with everything: fuses by
phase, a car on one phase or three, room and tank on one heat pump with a minimum run and a price for starts, wear and a
taper of the battery, a dishwasher with a deadline, and a peak tariff in mid-month.
"""

import math
import random
from dataclasses import replace
from datetime import timedelta

from benchmarks.peers.documents import problem_of
from benchmarks.problems import Appliance, Car, Facts, drifted, problem_m, winter_house
from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import (
    ChargeMode,
    CircuitInput,
    HeatInput,
    NettingInput,
    PeakInput,
    PlanningProblem,
    RoomInput,
    TankInput,
    Taper,
)
from hems.domain.site import MAIN, DeviceId

SHOWER_H = (7.0, 19.5, 21.0)
PHASE_MAX_W = 25 * 230.0
"""A fuse of 25 A."""


def house_c(seed: int) -> PlanningProblem:
    """Problem C."""
    facts = problem_m(seed)
    return _with_netting(problem_of(facts), _tank_pump(facts))


def house_c_drifted(seed: int, number: int) -> PlanningProblem:
    """C a minute later."""
    facts = problem_m(seed)
    return _with_netting(problem_of(drifted(facts, number)), _tank_pump(facts))


def house_d(seed: int, *, hours: int = 48) -> PlanningProblem:
    """Problem D."""
    facts = _facts_d(seed, hours)
    return _everything(problem_of(facts), facts)


def house_d_drifted(seed: int, number: int) -> PlanningProblem:
    """D a minute later: forecasts, state of charge, room and tank have drifted."""
    facts = _facts_d(seed, 48)
    problem = _everything(problem_of(drifted(facts, number)), facts)
    rng = random.Random(f"temperatures {seed} {number}")
    pump = problem.heat[0]
    assert pump.room is not None
    assert pump.tank is not None
    room = replace(pump.room, temperature_c=pump.room.temperature_c + rng.uniform(-0.05, 0.05))
    tank = replace(pump.tank, temperature_c=pump.tank.temperature_c + rng.uniform(-0.2, 0.2))
    return replace(problem, heat=(replace(pump, room=room, tank=tank),))


def crowded(devices: int, seed: int) -> PlanningProblem:
    """As many devices, over 48 hours: battery, car, dishwasher and heat pump in turn, each a little different."""
    facts = _facts_d(seed, 48)
    base = problem_of(facts)
    rng = random.Random(f"crowd {seed}")
    batteries, cars, appliances, pumps = [], [], [], []
    for number in range(devices):
        name = DeviceId(f"{('battery', 'car', 'appliance', 'pump')[number % 4]}_{number}")
        match number % 4:
            case 0:
                stored_wh = rng.uniform(1000, 9000)
                batteries.append(replace(base.batteries[0], device_id=name, stored_wh=stored_wh))
            case 1:
                energy_wh = rng.uniform(8000, 30_000)
                cars.append(replace(base.cars[0], device_id=name, energy_needed_wh=energy_wh))
            case 2:
                deadline_at = base.grid.start_at + timedelta(hours=rng.uniform(6, 40))
                appliances.append(replace(base.appliances[0], device_id=name, deadline_at=deadline_at))
            case _:
                pumps.append(replace(_pump(facts), device_id=name))
    connection_w = (facts.connection_max_w * max(1.0, devices / 5),) * facts.count
    return replace(
        base,
        batteries=tuple(batteries),
        cars=tuple(cars),
        appliances=tuple(appliances),
        heat=tuple(pumps),
        import_power_max_w=connection_w,
        export_power_max_w=connection_w,
    )


def _facts_d(seed: int, hours: int) -> Facts:
    facts = winter_house("D", seed, hours=hours)
    return replace(
        facts,
        pv_curtailable=True,
        car=Car(energy_wh=25_000.0, deadline_slot=52),
        appliance=Appliance(deadline_slot=60),
    )


def _with_netting(problem: PlanningProblem, pump: HeatInput) -> PlanningProblem:
    """Export earns its price as far as the horizon's import goes; beyond it, the worst price of all."""
    worst = min(problem.export_price_eur_per_kwh)
    netting = NettingInput(balance_wh=0.0, surplus_price_eur_per_kwh=worst)
    return replace(problem, heat=(pump,), netting=netting)


def _everything(problem: PlanningProblem, facts: Facts) -> PlanningProblem:
    battery = replace(
        problem.batteries[0],
        cycle_cost_eur_per_kwh=0.02,
        charge_taper=Taper(from_wh=8500.0, end_power_w=1000.0),
        phases=(Phase.L1,),
        charge_power_max_w=3600.0,
        discharge_power_max_w=3600.0,
    )
    car = replace(
        problem.cars[0],
        modes=(
            ChargeMode(phases=(Phase.L2,), power_min_w=1380.0, power_max_w=3680.0),
            ChargeMode(phases=ALL_PHASES, power_min_w=4140.0, power_max_w=11_040.0),
        ),
        switch_cost_eur=0.02,
    )
    shares = (0.5, 0.3, 0.2)
    fuse = CircuitInput(
        circuit_id=MAIN,
        parent_id=None,
        phase_power_max_w=(PHASE_MAX_W, PHASE_MAX_W, PHASE_MAX_W),
        phase_load_w=(
            tuple(each * shares[0] for each in problem.load_power_w),
            tuple(each * shares[1] for each in problem.load_power_w),
            tuple(each * shares[2] for each in problem.load_power_w),
        ),
    )
    return replace(
        problem,
        batteries=(battery,),
        cars=(car,),
        heat=(_pump(facts),),
        pv=(replace(problem.pv[0], phases=(Phase.L3,)),),
        circuits=(fuse,),
        peaks=(PeakInput(price_eur_per_kw=4.0, paid_power_w=4000.0),),
    )


def _outdoor_c(facts: Facts) -> tuple[float, ...]:
    mean_c = 2.0 if facts.start_at.month == 1 else 11.0
    return tuple(mean_c - 4 * math.cos((hour - 3) / 12 * math.pi) for hour in _hours(facts))


def _hours(facts: Facts) -> tuple[float, ...]:
    return tuple((facts.start_at.hour + (slot + 0.5) * facts.slot_s / 3600) % 24 for slot in range(facts.count))


def _tank_pump(facts: Facts) -> HeatInput:
    """200 l at 48 to 58 degrees; a shower in the morning, dishes and baths in the evening."""
    draws = [0.0] * facts.count
    for slot, hour in enumerate(_hours(facts)):
        draws[slot] = 40.0 + (5000.0 if any(0 <= hour - start < 0.5 for start in SHOWER_H) else 0.0)
    return HeatInput(
        device_id=DeviceId("pump"),
        power_min_w=600.0,
        power_max_w=2200.0,
        tank=TankInput(
            temperature_c=52.0,
            temperature_min_c=46.0,
            temperature_max_c=58.0,
            capacity_wh_per_k=232.0,
            loss_w_per_k=2.0,
            ambient_c=18.0,
            draws_w=tuple(draws),
            cop_ratio=tuple(2.2 + 0.04 * each for each in _outdoor_c(facts)),
        ),
    )


def _pump(facts: Facts) -> HeatInput:
    """The same tank and a house of 160 W/K on one compressor."""
    outdoor_c = _outdoor_c(facts)
    hours = _hours(facts)
    return replace(
        _tank_pump(facts),
        power_max_w=3500.0,
        room=RoomInput(
            temperature_c=20.4,
            comfort_min_c=tuple(20.0 if 6 <= hour < 23 else 18.0 for hour in hours),
            comfort_max_c=(22.5,) * facts.count,
            capacity_wh_per_k=9000.0,
            loss_w_per_k=160.0,
            outdoor_c=outdoor_c,
            gains_w=tuple(250.0 + 0.15 * each for each in facts.pv_w),
            cop_ratio=tuple(3.4 + 0.08 * each for each in outdoor_c),
        ),
        min_run_s=45 * 60,
        min_rest_s=30 * 60,
        start_cost_eur=0.05,
    )
