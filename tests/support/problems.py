"""Planning problems for tests: ordinary parts and houses."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import (
    ApplianceInput,
    BatteryInput,
    CarbonInput,
    CarDischarge,
    CarInput,
    CarTarget,
    ChargeMode,
    CircuitInput,
    HeatInput,
    HygieneInput,
    InverterInput,
    NettingInput,
    PeakInput,
    PlanningProblem,
    PvInput,
    RoomInput,
    TankInput,
    Taper,
)
from hems.domain.site import MAIN, CircuitId, DeviceId
from hems.domain.time import SlotGrid

START_AT = datetime(2026, 3, 10, 6, tzinfo=UTC)


def flat_problem(count: int = 8, **changes: object) -> PlanningProblem:
    """0.30 EUR in, 0.05 EUR out, no load, 17 kW each way, no devices."""
    problem = PlanningProblem(
        issued_at=START_AT,
        grid=SlotGrid(start_at=START_AT, count=count),
        import_price_eur_per_kwh=(0.30,) * count,
        export_price_eur_per_kwh=(0.05,) * count,
        load_power_w=(0.0,) * count,
        import_power_max_w=(17_250.0,) * count,
        export_power_max_w=(17_250.0,) * count,
    )
    return replace(problem, **changes)  # type: ignore[arg-type]


def battery(**changes: object) -> BatteryInput:
    """10 kWh, 5 kW, 95 % each way, half full."""
    ordinary = BatteryInput(
        device_id=DeviceId("battery"),
        stored_wh=5000.0,
        floor_wh=500.0,
        ceiling_wh=10_000.0,
        reserve_wh=500.0,
        charge_power_max_w=5000.0,
        discharge_power_max_w=5000.0,
        charge_efficiency_ratio=0.95,
        discharge_efficiency_ratio=0.95,
        terminal_value_eur_per_kwh=0.15,
    )
    return replace(ordinary, **changes)  # type: ignore[arg-type]


THREE_PHASES = ChargeMode(phases=ALL_PHASES, power_min_w=4140.0, power_max_w=11_040.0)
ONE_PHASE = ChargeMode(phases=(Phase.L1,), power_min_w=1380.0, power_max_w=3680.0)


def car(**changes: object) -> CarInput:
    """Needs 10 kWh within two hours from the start, 4.1 to 11 kW on three phases."""
    ordinary = CarInput(
        device_id=DeviceId("charger"),
        arrival_at=START_AT,
        departure_at=START_AT + timedelta(hours=2),
        energy_needed_wh=10_000.0,
        modes=(THREE_PHASES,),
    )
    return replace(ordinary, **changes)  # type: ignore[arg-type]


def room(count: int = 8, **changes: object) -> RoomInput:
    """20 degrees C, comfort 19 to 22, 5 outside, 10 kWh/K, 150 W/K: loses 2,250 W; a COP of 4."""
    ordinary = RoomInput(
        temperature_c=20.0,
        comfort_min_c=(19.0,) * count,
        comfort_max_c=(22.0,) * count,
        capacity_wh_per_k=10_000.0,
        loss_w_per_k=150.0,
        outdoor_c=(5.0,) * count,
        gains_w=(0.0,) * count,
        cop_ratio=(4.0,) * count,
    )
    return replace(ordinary, **changes)  # type: ignore[arg-type]


def tank(count: int = 8, **changes: object) -> TankInput:
    """200 litres at 50 degrees C, 45 to 60, nothing tapped, a COP of 3."""
    ordinary = TankInput(
        temperature_c=50.0,
        temperature_min_c=45.0,
        temperature_max_c=60.0,
        capacity_wh_per_k=232.6,
        loss_w_per_k=2.0,
        ambient_c=18.0,
        draws_w=(0.0,) * count,
        cop_ratio=(3.0,) * count,
    )
    return replace(ordinary, **changes)  # type: ignore[arg-type]


def heat_pump(count: int = 8, **changes: object) -> HeatInput:
    """600 to 2,500 W for a room."""
    ordinary = HeatInput(device_id=DeviceId("heat_pump"), power_min_w=600.0, power_max_w=2500.0, room=room(count))
    return replace(ordinary, **changes)  # type: ignore[arg-type]


def appliance(**changes: object) -> ApplianceInput:
    """A dishwasher: 1 h, 2 kW first and last, from the start on, done in two hours."""
    ordinary = ApplianceInput(
        device_id=DeviceId("dishwasher"),
        profile_w=(2000.0, 200.0, 200.0, 2000.0),
        earliest_at=START_AT,
        deadline_at=START_AT + timedelta(hours=2),
    )
    return replace(ordinary, **changes)  # type: ignore[arg-type]


def inverter(**changes: object) -> InverterInput:
    """A hybrid inverter of 5 kW, 96 %."""
    ordinary = InverterInput(
        device_id=DeviceId("hybrid"), give_power_max_w=5000.0, take_power_max_w=5000.0, efficiency_ratio=0.96
    )
    return replace(ordinary, **changes)  # type: ignore[arg-type]


def circuit(**changes: object) -> CircuitInput:
    """The main fuse, 3 x 25 A."""
    ordinary = CircuitInput(circuit_id=MAIN, parent_id=None, phase_power_max_w=(5750.0, 5750.0, 5750.0))
    return replace(ordinary, **changes)  # type: ignore[arg-type]


def house_problem(seed: int, *, with_car: bool = True, with_heat: bool = False, count: int = 192) -> PlanningProblem:
    """Battery 10 kWh, PV 6 kWp, about 10 kWh of load a day, Dutch-like quarter-hour prices."""
    rng = random.Random(seed)
    hours = [6 + slot / 4 for slot in range(count)]
    cloud = [rng.uniform(0.3, 1.0) for _ in range(count // 4 + 1)]
    sun = [
        6000 * cloud[slot // 4] * max(0.0, math.sin((hour % 24 - 6) / 12 * math.pi)) if 6 < hour % 24 < 18 else 0.0
        for slot, hour in enumerate(hours)
    ]
    spot = [
        0.09
        + 0.05 * math.sin((hour - 1) / 6 * math.pi)
        - 0.05 * math.sin((hour % 24 - 6) / 12 * math.pi)
        + rng.gauss(0, 0.008)
        for hour in hours
    ]
    load = [250 + 300 * rng.random() + (900 if 17 <= hour % 24 < 21 else 0) * rng.random() for hour in hours]
    draws = [1200.0 if 6.5 <= hour % 24 < 8.5 or 18 <= hour % 24 < 20 else 0.0 for hour in hours]
    return PlanningProblem(
        issued_at=START_AT,
        grid=SlotGrid(start_at=START_AT, count=count),
        import_price_eur_per_kwh=tuple(each * 1.21 + 0.13 for each in spot),
        export_price_eur_per_kwh=tuple(each - 0.015 for each in spot),
        load_power_w=tuple(load),
        import_power_max_w=(17_250.0,) * count,
        export_power_max_w=(17_250.0,) * count,
        pv=(PvInput(device_id=DeviceId("roof"), production_power_w=tuple(sun), curtailable=seed % 2 == 0),),
        batteries=(battery(stored_wh=rng.uniform(500, 10_000)),),
        cars=(
            car(
                departure_at=START_AT + timedelta(hours=rng.uniform(4, 24)),
                energy_needed_wh=rng.uniform(4000, 40_000),
            ),
        )
        if with_car
        else (),
        heat=(heat_pump(count, tank=tank(count, draws_w=tuple(draws))),) if with_heat else (),
    )


def full_problem(seed: int, *, count: int = 192) -> PlanningProblem:
    """The fullest ordinary house: everything that version 2 knows, with sensible numbers."""
    rng = random.Random(seed)
    house = house_problem(seed, count=count)
    kitchen = CircuitId("kitchen")
    return replace(
        house,
        batteries=(
            replace(
                house.batteries[0],
                cycle_cost_eur_per_kwh=0.02,
                charge_taper=Taper(from_wh=9000.0, end_power_w=1000.0),
                discharge_taper=Taper(from_wh=1500.0, end_power_w=1000.0),
                inverter_id=DeviceId("hybrid"),
            ),
        ),
        inverters=(inverter(),),
        pv=(*house.pv, replace(house.pv[0], device_id=DeviceId("barn"), inverter_id=DeviceId("hybrid"))),
        cars=(
            car(
                modes=(ONE_PHASE, THREE_PHASES),
                departure_at=START_AT + timedelta(hours=22),
                energy_needed_wh=rng.uniform(8000, 40_000),
                energy_max_wh=45_000.0,
                taper=Taper(from_wh=38_000.0, end_power_w=2000.0),
                discharge=CarDischarge(power_max_w=5000.0, available_wh=5000.0, round_trip_efficiency_ratio=0.85),
                targets=(
                    CarTarget(at=START_AT + timedelta(hours=2), energy_wh=4000.0, minimum=True),
                    CarTarget(at=START_AT + timedelta(hours=12), energy_wh=8000.0, probability_ratio=0.1),
                ),
                switch_cost_eur=0.01,
            ),
        ),
        heat=(
            heat_pump(
                count,
                tank=tank(
                    count,
                    hygiene=HygieneInput(temperature_c=60.0, by_at=START_AT + timedelta(hours=20)),
                    draws_w=tuple(400.0 * rng.random() for _ in range(count)),
                ),
                running=True,
                state_s=900.0,
                min_run_s=2700.0,
                min_rest_s=1800.0,
                start_cost_eur=0.02,
            ),
        ),
        appliances=(appliance(deadline_at=START_AT + timedelta(hours=10), circuit_id=kitchen),),
        circuits=(circuit(), circuit(circuit_id=kitchen, parent_id=MAIN, phase_power_max_w=(3680.0, 0.0, 0.0))),
        peaks=(PeakInput(price_eur_per_kw=4.0, paid_power_w=2500.0),),
        netting=NettingInput(balance_wh=5000.0, surplus_price_eur_per_kwh=-0.2),
        carbon=CarbonInput(intensity_g_per_kwh=(300.0,) * count, price_eur_per_kg=0.05),
        change_cost_eur=0.01,
    )
