"""Random planning problems with absurd and contradictory numbers among the ordinary ones."""

import math
import random
from dataclasses import replace
from datetime import timedelta

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
    CommitmentInput,
    HeatInput,
    HygieneInput,
    InverterInput,
    NettingInput,
    PeakInput,
    PlanningProblem,
    PvInput,
    RoomInput,
    Series,
    TankInput,
    Taper,
)
from hems.domain.site import MAIN, CircuitId, DeviceId
from hems.domain.time import SlotGrid
from tests.support.problems import START_AT

PHASES: list[tuple[Phase, ...]] = [ALL_PHASES, ALL_PHASES, (Phase.L1,), (Phase.L2,), (Phase.L1, Phase.L3), ()]


def odd_problem(seed: int) -> PlanningProblem:
    """A random house; about half of them with absurd or contradictory numbers."""
    return _Odd(random.Random(seed), seed).problem()


class _Odd:
    def __init__(self, rng: random.Random, seed: int) -> None:
        self.rng = rng
        self.count = rng.choice([1, 2, 5, 24, 96, 96, 192] + ([672] if seed % 50 == 0 else []))
        self.circuits = self._circuits() if rng.random() < 0.5 else ()
        self.circuit_ids = [MAIN, *(each.circuit_id for each in self.circuits)]
        self.inverters = tuple(self._inverter(index) for index in range(rng.choice([0, 0, 1, 1, 2])))
        self.inverter_ids = [None, *(each.device_id for each in self.inverters)]

    def problem(self) -> PlanningProblem:
        rng, count = self.rng, self.count
        level = rng.choice([0.0, 0.25, 0.25, 0.25, 0.25, -0.05, 1000.0])
        imports = [level + rng.choice([0.02, 0.2, 0.2]) * rng.gauss(0, 1) for _ in range(count)]
        spread = rng.choice([0.0, 0.05, 0.1, 0.1, -0.1])
        exports = [each - spread for each in imports] if rng.random() < 0.7 else [rng.uniform(-0.1, 0.3)] * count
        fuse_w = rng.choice([17_250.0, 17_250.0, 3000.0, 0.0, -100.0, 1e9])
        house = PlanningProblem(
            issued_at=START_AT,
            grid=SlotGrid(start_at=START_AT, count=count),
            import_price_eur_per_kwh=tuple(imports),
            export_price_eur_per_kwh=tuple(exports),
            load_power_w=self._load(),
            import_power_max_w=tuple(fuse_w if rng.random() < 0.9 else 0.0 for _ in range(count)),
            export_power_max_w=(rng.choice([17_250.0, 5000.0, 0.0]),) * count,
            pv=tuple(self._pv(index) for index in range(rng.choice([0, 1, 1, 2]))),
            batteries=tuple(self._battery(index) for index in range(rng.choice([0, 1, 1, 1, 2, 3]))),
            inverters=self.inverters,
            cars=tuple(self._car(index) for index in range(rng.choice([0, 1, 1, 2, 3]))),
            heat=tuple(self._heat(index) for index in range(rng.choice([0, 0, 1, 2]))),
            appliances=tuple(self._appliance(index) for index in range(rng.choice([0, 0, 1, 2]))),
            circuits=self.circuits,
        )
        return self._with_rules(house)

    def _with_rules(self, house: PlanningProblem) -> PlanningProblem:
        """Tariffs, operator and promises."""
        rng, count = self.rng, self.count
        limited = rng.random() < 0.3
        return replace(
            house,
            operator_import_max_w=tuple(rng.choice([4200.0, 0.0, 1e9]) for _ in range(count)) if limited else None,
            operator_export_max_w=(rng.choice([0.0, 3000.0, -5.0]),) * count if rng.random() < 0.2 else None,
            peaks=tuple(self._peak() for _ in range(rng.choice([0, 0, 1, 2]))),
            netting=NettingInput(
                balance_wh=rng.choice([1e5, 2000.0, 0.0, -1e6, 1e12]),
                surplus_price_eur_per_kwh=rng.choice([0.01, -0.1, 5.0]),
            )
            if rng.random() < 0.2
            else None,
            carbon=CarbonInput(
                intensity_g_per_kwh=tuple(rng.choice([100.0, 400.0, -50.0]) for _ in range(count)),
                price_eur_per_kg=rng.choice([0.1, 0.0, -1.0]),
            )
            if rng.random() < 0.2
            else None,
            commitments=tuple(self._commitment(index) for index in range(rng.choice([0, 0, 0, 1, 2]))),
            change_cost_eur=rng.choice([0.0, 0.01, -1.0]),
            net_error_w=self._series(0.0, 300.0, 2000.0, -5.0, 1e9) if rng.random() < 0.5 else (),
        )

    def _load(self) -> Series:
        rng = self.rng
        if rng.random() < 0.5:
            return tuple(rng.choice([0.0, 300.0, 3000.0 * rng.random(), 5e4]) for _ in range(self.count))
        return tuple(rng.uniform(100, 2000) for _ in range(self.count))

    def _series(self, *values: float) -> Series:
        return tuple(self.rng.choice(values) for _ in range(self.count))

    def _at(self, *minutes: float) -> timedelta:
        return timedelta(minutes=self.rng.choice([*minutes, 15 * self.rng.randrange(self.count)]))

    def _peak(self) -> PeakInput:
        rng = self.rng
        return PeakInput(
            price_eur_per_kw=rng.choice([4.0, 60.0, -1.0]),
            paid_power_w=rng.choice([2500.0, 0.0, -10.0]),
            counts=tuple(rng.random() < 0.5 for _ in range(self.count)) if rng.random() < 0.5 else (),
        )

    def _commitment(self, index: int) -> CommitmentInput:
        rng = self.rng
        asked_w = rng.choice([0.0, 2000.0, -3000.0, 1e8])
        return CommitmentInput(
            commitment_id=f"promise_{index}",
            grid_power_w=tuple(asked_w if rng.random() < 0.3 else None for _ in range(self.count)),
            tolerance_w=rng.choice([0.0, 100.0, -5.0]),
        )

    def _circuits(self) -> tuple[CircuitInput, ...]:
        """A main fuse and up to three more; parents that do not exist are refused, but loops are not."""
        rng = self.rng
        names = [CircuitId(f"circuit_{index}") for index in range(rng.randrange(4))]
        main = [self._circuit(MAIN, None)] if rng.random() < 0.8 else []
        known = [each.circuit_id for each in main] + names
        return (*main, *(self._circuit(name, rng.choice([None, MAIN, *known])) for name in names))

    def _circuit(self, circuit_id: CircuitId, parent_id: CircuitId | None) -> CircuitInput:
        rng = self.rng
        fuse_w = rng.choice([5750.0, 5750.0, 3680.0, 0.0, -1.0, 1e9])
        loads = [self._series(0.0, 500.0 * rng.random(), rng.choice([2000.0, 8000.0, -6000.0])) for _ in ALL_PHASES]
        return CircuitInput(
            circuit_id=circuit_id,
            parent_id=parent_id,
            phase_power_max_w=(fuse_w, rng.choice([fuse_w, 0.0]), fuse_w),
            phase_load_w=(loads[0], loads[1], loads[2]) if rng.random() < 0.5 else None,
        )

    def _inverter(self, index: int) -> InverterInput:
        rng = self.rng
        return InverterInput(
            device_id=DeviceId("hybrid" if rng.random() < 0.1 else f"hybrid_{index}"),
            give_power_max_w=rng.choice([5000.0, 5000.0, 0.0, -1.0, 1e9]),
            take_power_max_w=rng.choice([5000.0, 0.0, 1e9]),
            efficiency_ratio=rng.choice([0.96, 0.96, 1.0, 0.0, 1.5]),
            circuit_id=rng.choice(self.circuit_ids),
            phases=rng.choice(PHASES),
        )

    def _pv(self, index: int) -> PvInput:
        rng = self.rng
        peak_w = rng.choice([6000.0, 6000.0, 30_000.0, -100.0, 1e9])
        hours = [slot / 4 - 1 for slot in range(self.count)]
        return PvInput(
            device_id=DeviceId(f"roof_{index}"),
            production_power_w=tuple(peak_w * max(0.0, math.sin(hour / 12 * math.pi)) for hour in hours),
            curtailable=rng.random() < 0.5,
            inverter_id=rng.choice(self.inverter_ids),
            circuit_id=rng.choice(self.circuit_ids),
            phases=rng.choice(PHASES),
        )

    def _taper(self, *from_wh: float) -> Taper | None:
        rng = self.rng
        if rng.random() < 0.6:
            return None
        return Taper(from_wh=rng.choice([*from_wh, -1e9]), end_power_w=rng.choice([0.0, 500.0, 1000.0, -5.0, 1e9]))

    def _battery(self, index: int) -> BatteryInput:
        rng = self.rng
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
            cycle_cost_eur_per_kwh=rng.choice([0.0, 0.03, -1.0]),
            charge_taper=self._taper(0.9 * capacity_wh, capacity_wh),
            discharge_taper=self._taper(0.15 * capacity_wh, 0.0),
            charges_from_grid=rng.random() < 0.7,
            sells=rng.random() < 0.7,
            inverter_id=rng.choice(self.inverter_ids),
            circuit_id=rng.choice(self.circuit_ids),
            phases=rng.choice(PHASES),
        )

    def _mode(self) -> ChargeMode:
        rng = self.rng
        return ChargeMode(
            phases=rng.choice(PHASES),
            power_min_w=rng.choice([1380.0, 4140.0, 4140.0, 0.0, 12_000.0]),
            power_max_w=rng.choice([3700.0, 11_040.0, 11_040.0, 0.0, 1e8]),
        )

    def _car(self, index: int) -> CarInput:
        rng = self.rng
        arrival_at = START_AT + self._at(-60, 0, 0, 7)
        modes = tuple(self._mode() for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 0])))
        return CarInput(
            device_id=DeviceId(f"charger_{index % 2}"),
            arrival_at=arrival_at,
            departure_at=arrival_at + timedelta(minutes=rng.choice([1, -120, 400, 600, 61, 5000])),
            energy_needed_wh=rng.choice([10_000.0, 30_000.0, 200.0, 0.0, -10.0, 1e6]),
            modes=modes,
            targets=tuple(self._target() for _ in range(rng.choice([0, 0, 1, 3]))),
            missing_price_eur_per_kwh=rng.choice([0.6, -1.0, 1e9]),
            energy_max_wh=rng.choice([None, None, 40_000.0, 100.0]),
            taper=self._taper(8000.0, 35_000.0),
            discharge=self._discharge() if rng.random() < 0.3 else None,
            charging_mode=rng.choice([None, 0, 1, 7]),
            switch_cost_eur=rng.choice([0.0, 0.02, -1.0]),
            announced_on=tuple(rng.random() < 0.5 for _ in range(rng.choice([0, 3, 400]))),
            circuit_id=rng.choice(self.circuit_ids),
        )

    def _target(self) -> CarTarget:
        rng = self.rng
        return CarTarget(
            at=START_AT + self._at(-600, 60, 300, 1e5),
            energy_wh=rng.choice([2000.0, 5000.0, 1e7, -5.0]),
            probability_ratio=rng.choice([0.05, 1.0, 2.0, -1.0]),
            minimum=rng.random() < 0.4,
        )

    def _discharge(self) -> CarDischarge:
        rng = self.rng
        return CarDischarge(
            power_max_w=rng.choice([5000.0, 0.0, -1.0, 1e9]),
            available_wh=rng.choice([5000.0, 0.0, -100.0]),
            round_trip_efficiency_ratio=rng.choice([0.85, 0.0, 3.0]),
            cycle_cost_eur_per_kwh=rng.choice([0.0, 0.05, -1.0]),
        )

    def _heat(self, index: int) -> HeatInput:
        rng = self.rng
        return HeatInput(
            device_id=DeviceId(f"heat_{index}"),
            power_min_w=rng.choice([600.0, 600.0, 0.0, 5000.0]),
            power_max_w=rng.choice([2500.0, 2500.0, 0.0]),
            levels_w=rng.choice([(), (), (2000.0, 700.0), (-5.0, 9000.0), (100.0,)]),
            room=self._room() if rng.random() < 0.7 else None,
            tank=self._tank() if rng.random() < 0.6 else None,
            running=rng.random() < 0.5,
            state_s=rng.choice([1e9, 300.0, 0.0, -5.0]),
            min_run_s=rng.choice([0.0, 1800.0, 2700.0, 1e12]),
            min_rest_s=rng.choice([0.0, 900.0, 1e5]),
            rest_max_s=rng.choice([None, 7200.0, -1.0]),
            start_cost_eur=rng.choice([0.0, 0.05, -1.0]),
            announced_on=tuple(rng.random() < 0.5 for _ in range(rng.choice([0, 5]))),
            circuit_id=rng.choice(self.circuit_ids),
            phases=rng.choice(PHASES),
        )

    def _room(self) -> RoomInput:
        rng = self.rng
        lower_c = rng.choice([19.0, 19.0, -300.0, 90.0])
        return RoomInput(
            temperature_c=rng.choice([20.0, 17.0, 26.0, -500.0]),
            comfort_min_c=tuple(lower_c + rng.choice([0.0, 0.0, 1.0]) for _ in range(self.count)),
            comfort_max_c=(rng.choice([22.0, 18.0]),) * self.count,
            capacity_wh_per_k=rng.choice([10_000.0, 3000.0, 0.0, 1e12]),
            loss_w_per_k=rng.choice([150.0, 300.0, 0.0, -5.0, 1e9]),
            outdoor_c=(rng.choice([5.0, -10.0, 35.0, -400.0]),) * self.count,
            gains_w=self._series(0.0, 500.0, rng.choice([-100.0, 1e9, 0.0])),
            cop_ratio=self._series(3.5, rng.choice([4.0, 0.0, 1e6])),
        )

    def _tank(self) -> TankInput:
        rng = self.rng
        hygiene = HygieneInput(temperature_c=rng.choice([60.0, 65.0, 500.0]), by_at=START_AT + self._at(-60, 300, 1e5))
        return TankInput(
            temperature_c=rng.choice([50.0, 44.0, 80.0, 1e12]),
            temperature_min_c=rng.choice([45.0, 45.0, 99.0]),
            temperature_max_c=rng.choice([60.0, 50.0, 20.0]),
            capacity_wh_per_k=rng.choice([232.6, 350.0, 0.0]),
            loss_w_per_k=rng.choice([2.0, 0.0, -1.0, 1e5]),
            ambient_c=rng.choice([18.0, 300.0]),
            draws_w=self._series(0.0, 0.0, 800.0, rng.choice([3000.0, -50.0, 1e8])),
            cop_ratio=self._series(2.8, rng.choice([3.0, -1.0])),
            hygiene=hygiene if rng.random() < 0.4 else None,
        )

    def _appliance(self, index: int) -> ApplianceInput:
        rng = self.rng
        earliest_at = START_AT + self._at(-60, 0, 7, 1e6)
        return ApplianceInput(
            device_id=DeviceId(f"appliance_{index}"),
            profile_w=rng.choice([(2000.0, 200.0, 2000.0), (2000.0,), (), (-5.0, 1e7), (500.0,) * 200]),
            earliest_at=earliest_at,
            deadline_at=earliest_at + timedelta(minutes=rng.choice([180, 600, 20, -60, 1e5])),
            started_at=START_AT - timedelta(minutes=rng.choice([5, 20, 1e6, -40])) if rng.random() < 0.2 else None,
            announced_start_at=rng.choice([None, START_AT]),
            circuit_id=rng.choice(self.circuit_ids),
            phases=rng.choice(PHASES),
        )
