"""Planning problems for tests: an ordinary house, and random ones with absurd and contradictory numbers."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hems.domain.problem import BatteryInput, CarInput, HeatInput, PlanningProblem, PvInput
from hems.domain.site import DeviceId
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


def car(**changes: object) -> CarInput:
    """Needs 10 kWh within two hours from the start, 4.1 to 11 kW."""
    ordinary = CarInput(
        device_id=DeviceId("charger"),
        arrival_at=START_AT,
        departure_at=START_AT + timedelta(hours=2),
        energy_needed_wh=10_000.0,
        power_min_w=4140.0,
        power_max_w=11_040.0,
    )
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
    heat_needed = [300 * (slot + 1) / 4 for slot in range(count)]
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
        heat=(
            HeatInput(
                device_id=DeviceId("heat_pump"),
                power_min_w=600.0,
                power_max_w=2500.0,
                energy_min_wh=tuple(max(0.0, each - 2000) for each in heat_needed),
                energy_max_wh=tuple(each + 3000 for each in heat_needed),
            ),
        )
        if with_heat
        else (),
    )


def odd_problem(seed: int) -> PlanningProblem:
    """A random house; about half of them with absurd or contradictory numbers."""
    rng = random.Random(seed)
    count = rng.choice([1, 2, 5, 24, 96, 96, 192] + ([672] if seed % 50 == 0 else []))
    level = rng.choice([0.0, 0.25, 0.25, 0.25, 0.25, -0.05, 1000.0])
    imports = [level + rng.choice([0.02, 0.2, 0.2]) * rng.gauss(0, 1) for _ in range(count)]
    spread = rng.choice([0.0, 0.05, 0.1, 0.1, -0.1])
    exports = [each - spread for each in imports] if rng.random() < 0.7 else [rng.uniform(-0.1, 0.3)] * count
    fuse_w = rng.choice([17_250.0, 17_250.0, 3000.0, 0.0, -100.0, 1e9])
    return PlanningProblem(
        issued_at=START_AT,
        grid=SlotGrid(start_at=START_AT, count=count),
        import_price_eur_per_kwh=tuple(imports),
        export_price_eur_per_kwh=tuple(exports),
        load_power_w=tuple(rng.choice([0.0, 300.0, 3000.0 * rng.random(), 5e4]) for _ in range(count))
        if rng.random() < 0.5
        else tuple(rng.uniform(100, 2000) for _ in range(count)),
        import_power_max_w=tuple(fuse_w if rng.random() < 0.9 else 0.0 for _ in range(count)),
        export_power_max_w=(rng.choice([17_250.0, 5000.0, 0.0]),) * count,
        pv=tuple(_odd_pv(rng, index, count) for index in range(rng.choice([0, 1, 1, 2]))),
        batteries=tuple(_odd_battery(rng, index) for index in range(rng.choice([0, 1, 1, 1, 2, 3]))),
        cars=tuple(_odd_car(rng, index, count) for index in range(rng.choice([0, 1, 1, 2, 3]))),
        heat=tuple(_odd_heat(rng, index, count) for index in range(rng.choice([0, 0, 1, 2]))),
    )


def _odd_pv(rng: random.Random, index: int, count: int) -> PvInput:
    peak_w = rng.choice([6000.0, 6000.0, 30_000.0, -100.0, 1e9])
    return PvInput(
        device_id=DeviceId(f"roof_{index}"),
        production_power_w=tuple(peak_w * max(0.0, math.sin((slot / 4 - 1) / 12 * math.pi)) for slot in range(count)),
        curtailable=rng.random() < 0.5,
    )


def _odd_battery(rng: random.Random, index: int) -> BatteryInput:
    capacity_wh = rng.choice([10_000.0, 5000.0, 0.0, 1e6])
    return BatteryInput(
        device_id=DeviceId(f"battery_{index}"),
        stored_wh=rng.choice([rng.uniform(0, 1) * capacity_wh, -500.0, 1.2 * capacity_wh + 10, 1e7]),
        floor_wh=rng.choice([0.05, 0.05, 1.1]) * capacity_wh,
        ceiling_wh=capacity_wh,
        reserve_wh=rng.choice([0.0, 0.2, 0.2, 2.0]) * capacity_wh,
        charge_power_max_w=rng.choice([5000.0, 5000.0, 0.0, -5.0, 1e7]),
        discharge_power_max_w=rng.choice([5000.0, 5000.0, 0.0]),
        charge_efficiency_ratio=rng.choice([0.95, 0.95, 1.0, 0.0, 1.3]),
        discharge_efficiency_ratio=rng.choice([0.95, 0.95, 1.0, 0.0]),
        terminal_value_eur_per_kwh=rng.choice([0.15, 0.15, 0.0, -0.1, 100.0]),
    )


def _odd_car(rng: random.Random, index: int, count: int) -> CarInput:
    arrival_at = START_AT + timedelta(minutes=rng.choice([-60, 0, 0, 7, 15 * rng.randrange(count)]))
    return CarInput(
        device_id=DeviceId(f"charger_{index % 2}"),
        arrival_at=arrival_at,
        departure_at=arrival_at + timedelta(minutes=rng.choice([1, -120, 400, 600, 61, 5000])),
        energy_needed_wh=rng.choice([10_000.0, 30_000.0, 200.0, 0.0, -10.0, 1e6]),
        power_min_w=rng.choice([1380.0, 4140.0, 4140.0, 0.0, 12_000.0]),
        power_max_w=rng.choice([3700.0, 11_040.0, 11_040.0, 0.0, 1e8]),
    )


def _odd_heat(rng: random.Random, index: int, count: int) -> HeatInput:
    slope_wh = rng.choice([100.0, 500.0, 1e5])
    below_wh, above_wh = rng.choice([(2000.0, 2000.0), (0.0, 0.0), (-500.0, -500.0), (1e9, 1e9)])
    return HeatInput(
        device_id=DeviceId(f"heat_{index}"),
        power_min_w=rng.choice([600.0, 0.0, 5000.0]),
        power_max_w=rng.choice([2500.0, 2500.0, 0.0]),
        energy_min_wh=tuple(slope_wh * slot - below_wh for slot in range(count)),
        energy_max_wh=tuple(slope_wh * slot + above_wh for slot in range(count)),
    )
