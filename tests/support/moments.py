"""Moments of homes A and B for tables of cycles: what is measured, what is planned, what the tick answers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain.asked import NOTHING_ASKED, Asked
from hems.domain.command import (
    Action,
    BatteryPower,
    BatteryReleased,
    ChargeCurrent,
    HeatPumpPower,
    Limit,
    ProductionLimit,
)
from hems.domain.plan import BatteryPlan, CarPlan, Cost, HeatPlan, Origin, Plan, Purpose, PvPlan
from hems.domain.power import PhaseValues
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
from hems.domain.reasons import Reason
from hems.domain.site import DeviceId, Site
from hems.domain.time import Now, SlotGrid
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, PV

START_AT = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
MONO_AT_START_S = 50_000.0


def now_after(seconds: float, *, trusted: bool = True) -> Now:
    at = START_AT + timedelta(seconds=seconds)
    return Now(at=at, mono_s=MONO_AT_START_S + seconds, wall_trusted=trusted)


@dataclass(frozen=True, kw_only=True)
class House:
    """What is measured at one moment; powers are magnitudes except the battery's (positive charges) [W]."""

    load_w: float = 500.0
    load_phase_w: tuple[float, float, float] | None = None
    """None: the load in equal parts."""
    pv_w: float = 0.0
    battery_w: float = 0.0
    stored_wh: float | None = 5_000.0
    charge_max_w: float | None = None
    car: CarState = CarState.ABSENT
    car_w: float = 0.0
    offered_a: float = 0.0
    phase_count: int = 3
    session_wh: float = 0.0
    pump_w: float = 0.0
    room_c: float | None = 21.0
    tank_c: float | None = 50.0
    without: tuple[DeviceId, ...] = ()
    """Devices that do not answer; they draw all the same."""

    def image(self, site: Site, mono_s: float) -> Image:
        loads_w = self.load_phase_w or (self.load_w / 3,) * 3
        each_w = [(self.battery_w + self.pump_w - self.pv_w) / 3] * 3
        for phase in range(self.phase_count):
            each_w[phase] += self.car_w / self.phase_count
        l1, l2, l3 = (load + device for load, device in zip(loads_w, each_w, strict=True))
        phases = PhaseValues(l1=l1, l2=l2, l3=l3)
        grid = GridValues(power_w=l1 + l2 + l3, phase_power_w=phases, phase_power_high_w=phases)
        battery = BatteryValues(power_w=self.battery_w, stored_wh=self.stored_wh, charge_power_max_w=self.charge_max_w)
        charger = ChargerValues(
            car=self.car,
            power_w=self.car_w,
            session_energy_wh=self.session_wh,
            offered_current_a=self.offered_a,
            phase_count=self.phase_count,
        )
        pump = HeatPumpValues(power_w=self.pump_w, room_c=self.room_c, tank_c=self.tank_c)
        answering = {each.id for each in site.devices} - set(self.without)
        return Image(
            grid=Reading(value=grid, mono_s=mono_s) if site.meter.id in answering else None,
            pv={PV: Reading(value=PvValues(power_w=-self.pv_w), mono_s=mono_s)} if PV in answering else {},
            batteries={BATTERY: Reading(value=battery, mono_s=mono_s)} if BATTERY in answering else {},
            chargers={CHARGER: Reading(value=charger, mono_s=mono_s)} if CHARGER in answering else {},
            heat_pumps={HEAT_PUMP: Reading(value=pump, mono_s=mono_s)} if HEAT_PUMP in answering else {},
        )


def plan_of(
    *,
    buy_at: float | tuple[float, ...] = 0.30,
    sell_at: float = 0.10,
    battery_value: float | None = 0.20,
    battery_w: float = 0.0,
    purpose: Purpose = Purpose.SELF_CONSUME,
    car_value: float | None = None,
    car_w: tuple[float, ...] = (0.0,) * 8,
    car_needs_wh: float = 20_000.0,
    departure_at: datetime = START_AT + timedelta(hours=20),
    heat_w: tuple[float, ...] | None = None,
    session_wh: float = 0.0,
    peak_w: float | None = None,
) -> Plan:
    """Eight slots from the start, alike unless a series is given; no car and no heat unless asked for."""
    grid = SlotGrid(start_at=START_AT, count=8)
    buy = buy_at if isinstance(buy_at, tuple) else (buy_at,) * 8
    car = CarPlan(
        device_id=CHARGER,
        power_w=car_w,
        phase_count=tuple(3 if each > 0 else 0 for each in car_w),
        value_eur_per_kwh=None if car_value is None else (car_value,) * 8,
        energy_needed_wh=car_needs_wh,
        departure_at=departure_at,
        session_energy_wh=session_wh,
    )
    battery = BatteryPlan(
        device_id=BATTERY,
        power_w=(battery_w,) * 8,
        stored_wh=(5_000.0,) * 8,
        value_eur_per_kwh=None if battery_value is None else (battery_value,) * 8,
        purpose=(purpose,) * 8,
    )
    return Plan(
        issued_at=START_AT,
        grid=grid,
        origin=Origin.SOLVER,
        reproducible=True,
        import_price_eur_per_kwh=buy,
        export_price_eur_per_kwh=(sell_at,) * 8,
        grid_power_w=(0.0,) * 8,
        batteries=(battery,),
        cars=() if car_value is None else (car,),
        heat=() if heat_w is None else (HeatPlan(device_id=HEAT_PUMP, power_w=heat_w),),
        pv=(PvPlan(device_id=PV, production_power_w=(0.0,) * 8),),
        peak_power_w=() if peak_w is None else (peak_w,) * 8,
        cost=Cost(),
        unmet=(),
    )


class Cycles:
    """A house that ticks; the state goes from row to row."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.state = ControlState.start(site)
        self.at_s = -1.0

    def tick(
        self,
        at_s: float,
        house: House,
        plan: Plan | None = None,
        *,
        limits: tuple[Limit, ...] = (),
        trusted: bool = True,
        asked: Asked = NOTHING_ASKED,
    ) -> TickResult:
        now = now_after(at_s, trusted=trusted)
        result = tick(self.state, house.image(self.site, now.mono_s), plan, limits, now, asked)
        self.state = result.state
        self.at_s = at_s
        return result


def once(site: Site, house: House, plan: Plan | None = None, *, limits: tuple[Limit, ...] = ()) -> TickResult:
    """A second tick like the first, so that a one-second meter counts as looked at every second."""
    cycles = Cycles(site)
    cycles.tick(0.0, house, plan, limits=limits)
    return cycles.tick(1.0, house, plan, limits=limits)


def action_of(result: TickResult, device_id: DeviceId) -> Action:
    return next(each.action for each in result.commands if each.device_id == device_id)


def power_of(result: TickResult, device_id: DeviceId) -> float | None:
    """Commanded power, load convention; of a plant minus its limit, None where a device is free [W]."""
    action = action_of(result, device_id)
    match action:
        case BatteryReleased():
            return None
        case BatteryPower(power_w=power_w) | HeatPumpPower(power_w=power_w):
            return power_w
        case ChargeCurrent(current_a=current_a, phase_count=phase_count):
            return round(current_a * phase_count * 230.0, 3)
        case ProductionLimit(production_power_max_w=limit_w):
            return None if limit_w is None else -limit_w


def reason_of(result: TickResult, device_id: DeviceId) -> Reason:
    return result.state.episodes[device_id].reason


def rules_of(result: TickResult, device_id: DeviceId) -> list[str]:
    command = next(each for each in result.commands if each.device_id == device_id)
    return [limit.rule.value for limit in command.limited_by]
