"""Time of one tick, and of a simulated day of ticks.

Run with ``python -m benchmarks.tick``. Two houses: thirty devices behind sub-circuits, ticking every second, and an
ordinary house (PV, battery, car) whose day of 60-second ticks runs in closed loop with a trivial model of its devices.
"""

import random
import statistics
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hems.control.state import ControlState
from hems.control.tick import tick
from hems.domain.command import Action, BatteryPower, ChargeCurrent, Command, Limit
from hems.domain.plan import BatteryPlan, CarPlan, Cost, HeatPlan, Origin, Plan, Purpose, PvPlan
from hems.domain.power import ALL_PHASES, PhaseValues
from hems.domain.reading import (
    BatteryValues,
    CarState,
    ChargerValues,
    GridValues,
    HeatPumpValues,
    Image,
    PvValues,
    Reading,
)
from hems.domain.site import MAIN, Circuit, CircuitId, DeviceId, Site
from hems.domain.time import Now, SlotGrid
from tests.support.houses import home_a, home_b

START_AT = datetime(2026, 1, 15, tzinfo=UTC)
TICKS = 3_000
DAY_TICKS = 1_440
PLANNED_SLOTS = 192


def thirty_devices() -> Site:
    """Ten batteries, eight chargers, six heat pumps and six plants, half of them behind two sub-circuits."""
    house = home_b()
    circuits = (
        Circuit(id=MAIN, fuse_a=250.0, parent=None),
        Circuit(id=CircuitId("barn"), fuse_a=80.0, parent=MAIN),
        Circuit(id=CircuitId("garage"), fuse_a=63.0, parent=CircuitId("barn")),
    )
    places = (MAIN, MAIN, circuits[1].id, circuits[2].id)
    battery, charger, pump, plant = house.batteries[0], house.chargers[0], house.heat_pumps[0], house.pv[0]
    return replace(
        house,
        circuits=circuits,
        batteries=tuple(
            replace(battery, id=DeviceId(f"battery {n}"), circuit=places[n % 4], phases=(ALL_PHASES[n % 3],))
            for n in range(10)
        ),
        chargers=tuple(replace(charger, id=DeviceId(f"charger {n}"), circuit=places[n % 4]) for n in range(8)),
        heat_pumps=tuple(replace(pump, id=DeviceId(f"pump {n}"), circuit=places[n % 4]) for n in range(6)),
        pv=tuple(replace(plant, id=DeviceId(f"roof {n}"), circuit=places[n % 4]) for n in range(6)),
    )


def random_image(site: Site, chance: random.Random, mono_s: float) -> Image:
    """Plausible readings, one in fifty of them missing."""

    def lost() -> bool:
        return chance.random() < 0.02

    phases = PhaseValues(l1=chance.gauss(0, 9_000), l2=chance.gauss(0, 9_000), l3=chance.gauss(0, 9_000))
    grid = GridValues(power_w=phases.total, phase_power_w=phases, phase_power_high_w=phases)
    return Image(
        grid=None if lost() else Reading(value=grid, mono_s=mono_s),
        pv={
            each.id: Reading(value=PvValues(power_w=-chance.uniform(0, each.peak_w)), mono_s=mono_s)
            for each in site.pv
            if not lost()
        },
        batteries={
            each.id: Reading(
                value=BatteryValues(
                    power_w=chance.uniform(-each.discharge_power_max_w, each.charge_power_max_w),
                    stored_wh=chance.uniform(each.floor_wh, each.ceiling_wh),
                ),
                mono_s=mono_s,
            )
            for each in site.batteries
            if not lost()
        },
        chargers={
            each.id: Reading(
                value=ChargerValues(
                    car=chance.choice(tuple(CarState)),
                    power_w=chance.uniform(0, each.power_max_w),
                    session_energy_wh=chance.uniform(0, 20_000),
                    offered_current_a=chance.choice((0.0, 6.0, 16.0)),
                    phase_count=chance.choice((1, 3)),
                ),
                mono_s=mono_s,
            )
            for each in site.chargers
            if not lost()
        },
        heat_pumps={
            each.id: Reading(
                value=HeatPumpValues(
                    power_w=chance.uniform(0, each.power_max_w),
                    room_c=chance.uniform(19, 23),
                    tank_c=chance.uniform(40, 60),
                ),
                mono_s=mono_s,
            )
            for each in site.heat_pumps
            if not lost()
        },
    )


def plan_for(site: Site, chance: random.Random) -> Plan:
    """Two days of random prices and values."""
    grid = SlotGrid(start_at=START_AT, count=PLANNED_SLOTS)
    prices = tuple(chance.uniform(0.05, 0.40) for _ in range(grid.count))

    def series(low: float, high: float) -> tuple[float, ...]:
        return tuple(chance.uniform(low, high) for _ in range(grid.count))

    return Plan(
        issued_at=START_AT,
        grid=grid,
        origin=Origin.SOLVER,
        reproducible=True,
        import_price_eur_per_kwh=prices,
        export_price_eur_per_kwh=tuple(price - 0.1 for price in prices),
        grid_power_w=(0.0,) * grid.count,
        batteries=tuple(
            BatteryPlan(
                device_id=each.id,
                power_w=series(-5_000, 5_000),
                stored_wh=series(1_000, 10_000),
                value_eur_per_kwh=series(0.1, 0.3),
                purpose=(Purpose.SELF_CONSUME,) * grid.count,
            )
            for each in site.batteries
        ),
        cars=tuple(
            CarPlan(
                device_id=each.id,
                power_w=series(0, 11_000),
                phase_count=(3,) * grid.count,
                value_eur_per_kwh=series(0.1, 0.3),
                energy_needed_wh=30_000.0,
                departure_at=START_AT + timedelta(hours=30),
            )
            for each in site.chargers
        ),
        heat=tuple(HeatPlan(device_id=each.id, power_w=series(0, 2_500)) for each in site.heat_pumps),
        pv=tuple(PvPlan(device_id=each.id, production_power_w=series(0, 6_000)) for each in site.pv),
        cost=Cost(),
        unmet=(),
    )


def now_after(seconds: float) -> Now:
    return Now(at=START_AT + timedelta(seconds=seconds), mono_s=seconds, wall_trusted=True)


def measure_ticks(site: Site) -> list[float]:
    """Milliseconds of each tick, one second apart."""
    chance = random.Random(20_260_115)
    plan = plan_for(site, chance)
    limits: tuple[Limit, ...] = ()
    state = ControlState.start(site)
    taken_ms: list[float] = []
    for number in range(TICKS):
        image = random_image(site, chance, float(number))
        begun_s = time.perf_counter()
        state = tick(state, image, plan, limits, now_after(number)).state
        taken_ms.append((time.perf_counter() - begun_s) * 1e3)
    return taken_ms


@dataclass(slots=True)
class TrivialHouse:
    """Home A with a sine for the sun, a constant load with an evening, and devices that do as they are told."""

    site: Site
    stored_wh: float = 5_000.0
    battery_w: float = 0.0
    charger_w: float = 0.0
    session_wh: float = 0.0
    offered_a: float = 0.0
    phase_count: int = 3

    def image(self, minute: int) -> Image:
        """What is measured at a minute of the day."""
        hour = minute / 60
        sun_w = max(0.0, 4_500.0 * (1 - ((hour - 12.5) / 4.5) ** 2))
        load_w = 2_200.0 if 18 <= hour < 22 else 350.0
        plugged = hour >= 17 or hour < 8
        car = CarState.CHARGING if self.charger_w > 0 else CarState.CONNECTED if plugged else CarState.ABSENT
        power_w = load_w + self.battery_w + self.charger_w - sun_w
        phase = PhaseValues(l1=power_w / 3, l2=power_w / 3, l3=power_w / 3)
        mono_s = minute * 60.0
        grid = GridValues(power_w=power_w, phase_power_w=phase, phase_power_high_w=phase)
        battery = BatteryValues(power_w=self.battery_w, stored_wh=self.stored_wh)
        charger = ChargerValues(
            car=car,
            power_w=self.charger_w,
            session_energy_wh=self.session_wh,
            offered_current_a=self.offered_a,
            phase_count=self.phase_count,
        )
        return Image(
            grid=Reading(value=grid, mono_s=mono_s),
            pv={self.site.pv[0].id: Reading(value=PvValues(power_w=-sun_w), mono_s=mono_s)},
            batteries={self.site.batteries[0].id: Reading(value=battery, mono_s=mono_s)},
            chargers={self.site.chargers[0].id: Reading(value=charger, mono_s=mono_s)},
        )

    def obey(self, commands: tuple[Command, ...]) -> None:
        """Follow the commands for a minute."""
        for command in commands:
            self._act(command.action)
        self.stored_wh += self.battery_w / 60
        self.session_wh += self.charger_w / 60

    def _act(self, action: Action) -> None:
        match action:
            case BatteryPower(power_w=power_w):
                self.battery_w = power_w
            case ChargeCurrent(current_a=current_a, phase_count=phase_count):
                self.offered_a, self.phase_count = current_a, phase_count
                self.charger_w = current_a * phase_count * 230.0 if self.session_wh < 12_000 else 0.0
            case _:
                pass


def measure_day(site: Site) -> float:
    """Seconds for a day of ticks in closed loop, without a plan."""
    house = TrivialHouse(site=site)
    state = ControlState.start(site)
    begun_s = time.perf_counter()
    for minute in range(DAY_TICKS):
        result = tick(state, house.image(minute), None, (), now_after(minute * 60.0))
        house.obey(result.commands)
        state = result.state
    return time.perf_counter() - begun_s


def main() -> None:
    for name, site in (("30 devices", thirty_devices()), ("home A", home_a()), ("home B", home_b())):
        taken_ms = sorted(measure_ticks(site))
        p99_ms = taken_ms[int(len(taken_ms) * 0.99)]
        print(
            f"{name}: {TICKS} ticks, median {statistics.median(taken_ms):.3f} ms,"
            f" p99 {p99_ms:.3f} ms, max {taken_ms[-1]:.3f} ms"
        )
    day_s = min(measure_day(home_a()) for _ in range(3))
    print(f"home A: a day of {DAY_TICKS} ticks of 60 s takes {day_s:.3f} s ({day_s / DAY_TICKS * 1e3:.3f} ms per tick)")


if __name__ == "__main__":
    main()
