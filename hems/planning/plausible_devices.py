"""What odd numbers of a device mean; see :mod:`hems.planning.plausible`."""

import math
from dataclasses import replace
from datetime import timedelta

from hems.domain.power import ALL_PHASES, Phase
from hems.domain.problem import (
    ApplianceInput,
    BatteryInput,
    CarDischarge,
    CarInput,
    CarTarget,
    ChargeMode,
    HeatInput,
    InverterInput,
    PvInput,
    RoomInput,
    Series,
    TankInput,
    Taper,
)
from hems.domain.time import SlotGrid
from hems.planning.reading import ON_W

EFFICIENCY_MIN_RATIO = 0.05
"""Below it a reading is a mistake; it also keeps the division by the discharge efficiency harmless."""

POWER_PLAUSIBLE_MAX_W = 1e6
"""More than any house: 1,450 A on three phases. Larger device powers and limits count as this."""

FORECAST_PLAUSIBLE_MAX_W = 1e9
"""Bound of load and PV, so high that even a corrupt forecast keeps its shape."""

ENERGY_PLAUSIBLE_MAX_WH = 1e8
"""A hundred MWh: more than any storage in a house, small enough for exact arithmetic to a mWh."""

PRICE_PLAUSIBLE_MAX_EUR = 1e4
"""Per kWh, kg, start or change: ten times the worst that a balancing market ever asked for a kWh."""

TEMPERATURE_PLAUSIBLE_C = (-50.0, 150.0)
COP_PLAUSIBLE_RATIO = (0.5, 15.0)
DURATION_PLAUSIBLE_MAX_S = 1e9
EARLIEST_PLAUSIBLE_MAX = timedelta(days=366)


def clamped(value: float, low: float, high: float) -> float:
    """The nearest number inside; for one that is none the one nearest to zero."""
    return min(max(0.0 if math.isnan(value) else value, low), high)


def series_within(values: Series, low: float, high: float) -> Series:
    """Each value clamped."""
    return tuple(clamped(each, low, high) for each in values)


def power_w(value: float) -> float:
    """A magnitude of power [W]."""
    return clamped(value, 0.0, POWER_PLAUSIBLE_MAX_W)


def energy_wh(value: float) -> float:
    """A magnitude of energy [Wh]."""
    return clamped(value, 0.0, ENERGY_PLAUSIBLE_MAX_WH)


def price_eur(value: float) -> float:
    """A price that is never negative [EUR]."""
    return clamped(value, 0.0, PRICE_PLAUSIBLE_MAX_EUR)


def any_price_eur(value: float) -> float:
    """A price of either sign [EUR]."""
    return clamped(value, -PRICE_PLAUSIBLE_MAX_EUR, PRICE_PLAUSIBLE_MAX_EUR)


def _efficiency(value: float) -> float:
    return clamped(value, EFFICIENCY_MIN_RATIO, 1.0)


def _duration_s(value: float) -> float:
    return clamped(value, 0.0, DURATION_PLAUSIBLE_MAX_S)


def _temperature_c(value: float) -> float:
    return clamped(value, *TEMPERATURE_PLAUSIBLE_C)


def _running_max_w(power_min_w: float, power_max_w: float) -> float:
    return power_max_w if power_min_w <= power_max_w else 0.0


def _phases(phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
    """Each conductor once; a device that names none is on all."""
    return tuple(each for each in ALL_PHASES if each in phases) or ALL_PHASES


def pv_of(plant: PvInput) -> PvInput:
    """Production >= 0. Behind a hybrid inverter it can be curtailed: the inverter clips it."""
    return replace(
        plant,
        production_power_w=series_within(plant.production_power_w, 0.0, FORECAST_PLAUSIBLE_MAX_W),
        curtailable=plant.curtailable or plant.inverter_id is not None,
        phases=_phases(plant.phases),
    )


def battery_of(battery: BatteryInput) -> BatteryInput:
    """A ceiling not below its floor, tapers that begin inside the window; measured energy stays as it is."""
    floor_wh = energy_wh(battery.floor_wh)
    ceiling_wh = max(floor_wh, energy_wh(battery.ceiling_wh))
    charge_w, discharge_w = power_w(battery.charge_power_max_w), power_w(battery.discharge_power_max_w)
    charge_taper, discharge_taper = battery.charge_taper, battery.discharge_taper
    if charge_taper is not None:
        charge_taper = _taper(charge_taper, charge_w)
        charge_taper = charge_taper if charge_taper.from_wh < ceiling_wh else None
    if discharge_taper is not None:
        discharge_taper = _taper(discharge_taper, discharge_w)
        discharge_taper = discharge_taper if discharge_taper.from_wh > floor_wh else None
    return replace(
        battery,
        stored_wh=clamped(battery.stored_wh, -ENERGY_PLAUSIBLE_MAX_WH, ENERGY_PLAUSIBLE_MAX_WH),
        floor_wh=floor_wh,
        ceiling_wh=ceiling_wh,
        reserve_wh=energy_wh(battery.reserve_wh),
        charge_power_max_w=charge_w,
        discharge_power_max_w=discharge_w,
        charge_efficiency_ratio=_efficiency(battery.charge_efficiency_ratio),
        discharge_efficiency_ratio=_efficiency(battery.discharge_efficiency_ratio),
        terminal_value_eur_per_kwh=any_price_eur(battery.terminal_value_eur_per_kwh),
        cycle_cost_eur_per_kwh=price_eur(battery.cycle_cost_eur_per_kwh),
        charge_taper=charge_taper,
        discharge_taper=discharge_taper,
        phases=_phases(battery.phases),
    )


def _taper(taper: Taper, power_max_w: float) -> Taper:
    return Taper(
        from_wh=clamped(taper.from_wh, -ENERGY_PLAUSIBLE_MAX_WH, ENERGY_PLAUSIBLE_MAX_WH),
        end_power_w=clamped(taper.end_power_w, 0.0, power_max_w),
    )


def inverter_of(inverter: InverterInput) -> InverterInput:
    """Limits >= 0, an efficiency that an inverter can have."""
    return replace(
        inverter,
        give_power_max_w=power_w(inverter.give_power_max_w),
        take_power_max_w=power_w(inverter.take_power_max_w),
        efficiency_ratio=_efficiency(inverter.efficiency_ratio),
        phases=_phases(inverter.phases),
    )


def car_of(car: CarInput, grid: SlotGrid) -> CarInput:
    """Modes that can run, each number of phases once; targets between the start of the grid and the departure.

    A mode on no phase is none. What is above ``energy_needed_wh`` fits at most ``energy_max_wh``.
    """
    kept = _kept_modes(car.modes)
    modes = tuple(_mode(car.modes[index]) for index in kept)
    needed_wh = energy_wh(car.energy_needed_wh)
    most_wh = None if car.energy_max_wh is None else max(needed_wh, energy_wh(car.energy_max_wh))
    taper = None if car.taper is None else _taper(car.taper, max((each.power_max_w for each in modes), default=0.0))
    if taper is not None and taper.from_wh >= (needed_wh if most_wh is None else most_wh):
        taper = None
    return replace(
        car,
        energy_needed_wh=needed_wh,
        modes=modes,
        targets=tuple(_target(each, car, grid) for each in car.targets),
        missing_price_eur_per_kwh=price_eur(car.missing_price_eur_per_kwh),
        energy_max_wh=most_wh,
        taper=taper,
        discharge=_discharge(car.discharge) if car.discharge is not None and modes else None,
        charging_mode=kept.index(car.charging_mode) if car.charging_mode in kept else None,
        switch_cost_eur=price_eur(car.switch_cost_eur),
    )


def _kept_modes(modes: tuple[ChargeMode, ...]) -> list[int]:
    """Indices of the modes that have phases; of two on as many phases the first."""
    counts = [len(set(mode.phases)) for mode in modes]
    return [index for index, count in enumerate(counts) if count and count not in counts[:index]]


def _mode(mode: ChargeMode) -> ChargeMode:
    lowest_w = power_w(mode.power_min_w)
    return ChargeMode(
        phases=_phases(mode.phases),
        power_min_w=lowest_w,
        power_max_w=_running_max_w(lowest_w, power_w(mode.power_max_w)),
    )


def _target(target: CarTarget, car: CarInput, grid: SlotGrid) -> CarTarget:
    return replace(
        target,
        at=target.at if grid.start_at < target.at <= car.departure_at else car.departure_at,
        energy_wh=energy_wh(target.energy_wh),
        probability_ratio=clamped(target.probability_ratio, 0.0, 1.0),
    )


def _discharge(discharge: CarDischarge) -> CarDischarge:
    return CarDischarge(
        power_max_w=power_w(discharge.power_max_w),
        available_wh=energy_wh(discharge.available_wh),
        round_trip_efficiency_ratio=_efficiency(discharge.round_trip_efficiency_ratio),
        cycle_cost_eur_per_kwh=price_eur(discharge.cycle_cost_eur_per_kwh),
    )


def heat_of(pump: HeatInput) -> HeatInput:
    """Powers and levels that it can run at, a room and a tank that physics allows; without either it cannot run.

    One that can run as slowly as it likes has no runs and rests to keep: running at nearly nothing is resting.
    """
    lowest_w = power_w(pump.power_min_w)
    highest_w = _running_max_w(lowest_w, power_w(pump.power_max_w)) if pump.room or pump.tank else 0.0
    levels_w = tuple(sorted({clamped(each, 0.0, highest_w) for each in pump.levels_w} - {0.0}))
    longest_s = DURATION_PLAUSIBLE_MAX_S if lowest_w > ON_W or levels_w else 0.0
    return replace(
        pump,
        power_min_w=lowest_w,
        power_max_w=highest_w,
        levels_w=levels_w,
        room=None if pump.room is None else _room(pump.room),
        tank=None if pump.tank is None else _tank(pump.tank),
        state_s=_duration_s(pump.state_s),
        min_run_s=clamped(pump.min_run_s, 0.0, longest_s),
        min_rest_s=clamped(pump.min_rest_s, 0.0, longest_s),
        rest_max_s=None if pump.rest_max_s is None else _duration_s(pump.rest_max_s),
        start_cost_eur=price_eur(pump.start_cost_eur),
        phases=_phases(pump.phases),
    )


def _room(room: RoomInput) -> RoomInput:
    lower_c = series_within(room.comfort_min_c, *TEMPERATURE_PLAUSIBLE_C)
    upper_c = series_within(room.comfort_max_c, *TEMPERATURE_PLAUSIBLE_C)
    return RoomInput(
        temperature_c=_temperature_c(room.temperature_c),
        comfort_min_c=lower_c,
        comfort_max_c=tuple(max(pair) for pair in zip(lower_c, upper_c, strict=True)),
        capacity_wh_per_k=_capacity(room.capacity_wh_per_k),
        loss_w_per_k=power_w(room.loss_w_per_k),
        outdoor_c=series_within(room.outdoor_c, *TEMPERATURE_PLAUSIBLE_C),
        gains_w=series_within(room.gains_w, 0.0, POWER_PLAUSIBLE_MAX_W),
        cop_ratio=series_within(room.cop_ratio, *COP_PLAUSIBLE_RATIO),
    )


def _tank(tank: TankInput) -> TankInput:
    lower_c = _temperature_c(tank.temperature_min_c)
    hygiene = tank.hygiene
    return TankInput(
        temperature_c=_temperature_c(tank.temperature_c),
        temperature_min_c=lower_c,
        temperature_max_c=max(lower_c, _temperature_c(tank.temperature_max_c)),
        capacity_wh_per_k=_capacity(tank.capacity_wh_per_k),
        loss_w_per_k=power_w(tank.loss_w_per_k),
        ambient_c=_temperature_c(tank.ambient_c),
        draws_w=series_within(tank.draws_w, 0.0, POWER_PLAUSIBLE_MAX_W),
        cop_ratio=series_within(tank.cop_ratio, *COP_PLAUSIBLE_RATIO),
        hygiene=None if hygiene is None else replace(hygiene, temperature_c=_temperature_c(hygiene.temperature_c)),
    )


def _capacity(wh_per_k: float) -> float:
    return clamped(wh_per_k, 1.0, ENERGY_PLAUSIBLE_MAX_WH)


def appliance_of(appliance: ApplianceInput, grid: SlotGrid) -> ApplianceInput:
    """A profile >= 0; a start further ahead than anybody plans counts as a year after the grid."""
    return replace(
        appliance,
        earliest_at=min(appliance.earliest_at, grid.end_at + EARLIEST_PLAUSIBLE_MAX),
        profile_w=series_within(appliance.profile_w, 0.0, POWER_PLAUSIBLE_MAX_W),
        phases=_phases(appliance.phases),
    )
