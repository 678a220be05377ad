"""Batteries, cars, heat pumps and appliances as a meter would follow them; see :mod:`tests.support.metering`."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from hems.domain.problem import ApplianceInput, BatteryInput, CarInput, HeatInput, Taper
from tests.support.bill import ON_W, Reading

BAND_TOLERANCE_K = 0.05


def battery_of(reading: Reading, battery: BatteryInput, power_w: Sequence[float]) -> None:
    """Stored energy slot by slot, its window, wear, and what is left at the end."""
    bill, name = reading.bill, battery.device_id
    stored_wh, lowest_wh = battery.stored_wh, math.inf
    for slot, each in enumerate(power_w):
        before_wh = stored_wh
        if each > 0:
            stored_wh += each * reading.hours * battery.charge_efficiency_ratio
            limit_w = _tapered_w(
                reading, battery.charge_taper, battery.charge_power_max_w, battery.ceiling_wh, stored_wh
            )
        else:
            stored_wh += each * reading.hours / battery.discharge_efficiency_ratio
            bill.wear_eur -= each * reading.hours / 1000 * battery.cycle_cost_eur_per_kwh
            limit_w = _tapered_w(
                reading, battery.discharge_taper, battery.discharge_power_max_w, battery.floor_wh, stored_wh
            )
        if abs(each) > limit_w + reading.tolerance_w:
            reading.broke(name, slot, each)
        lowest_wh = min(lowest_wh, stored_wh)
        rises = stored_wh > max(battery.ceiling_wh, before_wh) + reading.tolerance_wh
        falls = stored_wh < min(battery.floor_wh, before_wh) - reading.tolerance_wh
        if rises or falls:
            reading.broke(f"{name} stored", slot, stored_wh)
    bill.stored_eur += stored_wh / 1000 * battery.terminal_value_eur_per_kwh
    if battery.reserve_wh - lowest_wh > reading.tolerance_wh:
        reading.missed(f"reserve {name}", battery.reserve_wh - lowest_wh)


def _tapered_w(reading: Reading, taper: Taper | None, power_max_w: float, end_wh: float, stored_wh: float) -> float:
    """Most power on the straight line from where the taper begins down to the end of the window."""
    if taper is None:
        return power_max_w
    progress = (stored_wh - taper.from_wh) / (end_wh - taper.from_wh)
    spare_w = abs(reading.tolerance_wh / (end_wh - taper.from_wh)) * power_max_w
    return power_max_w - min(1.0, max(0.0, progress)) * (power_max_w - taper.end_power_w) + spare_w


def car_of(reading: Reading, car: CarInput, power_w: Sequence[float], counts: Sequence[int]) -> None:
    """What it has charged slot by slot, its starts and phases, and what it leaves without."""
    name, give = car.device_id, car.discharge
    give_max_w, least_wh = (give.power_max_w, -give.available_wh) if give else (0.0, 0.0)
    most_wh = car.energy_needed_wh if car.energy_max_wh is None else car.energy_max_wh
    charged_wh, levels_wh = 0.0, [0.0]
    for slot, each in enumerate(power_w):
        there = _presence_ratio(reading, car, slot)
        if not -give_max_w * there - reading.tolerance_w <= each <= car.power_max_w * there + reading.tolerance_w:
            reading.broke(name, slot, each)
        if each < 0 and give is not None:
            charged_wh += each * reading.hours / give.round_trip_efficiency_ratio
            reading.bill.wear_eur -= each * reading.hours / 1000 * give.cycle_cost_eur_per_kwh
        else:
            charged_wh += each * reading.hours
        if not least_wh - reading.tolerance_wh <= charged_wh <= max(most_wh, 0.0) + reading.tolerance_wh:
            reading.broke(f"{name} charged", slot, charged_wh)
        levels_wh.append(charged_wh)
    now = len(car.modes[car.charging_mode].phases) if car.charging_mode is not None else 0
    for count in counts[: reading.exact]:
        reading.bill.wear_eur += car.switch_cost_eur if count not in {0, now} else 0.0
        now = count
    _target(reading, car, "departure", car.departure_at, car.energy_needed_wh, levels_wh)
    for target in car.targets:
        if target.minimum or target.probability_ratio >= 1:
            wish = "minimum" if target.minimum else "departure"
            _target(reading, car, wish, target.at, target.energy_wh, levels_wh)


def _presence_ratio(reading: Reading, car: CarInput, slot: int) -> float:
    """Share of a slot for which a car is there; it has left by the beginning of the slot in which it leaves."""
    begins_at = reading.problem.grid.start_at + timedelta(seconds=slot * reading.problem.grid.slot_s)
    ends_at = begins_at + timedelta(seconds=reading.problem.grid.slot_s)
    if ends_at > car.departure_at or ends_at <= car.arrival_at:
        return 0.0
    return (ends_at - max(begins_at, car.arrival_at)) / (ends_at - begins_at)


def _target(
    reading: Reading, car: CarInput, wish: str, at: datetime, energy_wh: float, levels_wh: Sequence[float]
) -> None:
    grid = reading.problem.grid
    ended = min(reading.count, max(0, math.floor((at - grid.start_at) / timedelta(seconds=grid.slot_s))))
    end_at = grid.start_at + timedelta(seconds=reading.count * grid.slot_s)
    beyond_h = max(0.0, (at - max(end_at, car.arrival_at)) / timedelta(hours=1))
    missing_wh = energy_wh - levels_wh[ended] - beyond_h * car.power_max_w
    if missing_wh > reading.tolerance_wh:
        reading.missed(f"{wish} {car.device_id}", missing_wh)


def pump_of(reading: Reading, pump: HeatInput, power_w: Sequence[float], water_w: Sequence[float]) -> None:
    """Powers it can run at, starts, and the temperatures that follow."""
    name, on = pump.device_id, pump.running
    for slot, (each, water) in enumerate(zip(power_w, water_w, strict=True)):
        if not -reading.tolerance_w <= water <= each + reading.tolerance_w:
            reading.broke(f"{name} water", slot, water)
        if each > pump.power_max_w + reading.tolerance_w:
            reading.broke(name, slot, each)
        if slot < reading.exact:
            reading.bill.wear_eur += pump.start_cost_eur if each > ON_W and not on else 0.0
            on = each > ON_W
            if on and not _runs_at(reading, pump, each):
                reading.broke(f"{name} cannot run so", slot, each)
    if pump.room is not None:
        room = pump.room
        rest_w = [both - water for both, water in zip(power_w, water_w, strict=True)]
        heat_w = [cop * own + sun for cop, own, sun in zip(room.cop_ratio, rest_w, room.gains_w, strict=True)]
        states = _temperatures_c(
            reading, room.temperature_c, heat_w, room.outdoor_c, room.loss_w_per_k, room.capacity_wh_per_k
        )
        _band(reading, f"room {name}", states, room.comfort_min_c, room.comfort_max_c)
    if pump.tank is not None:
        tank = pump.tank
        heat_w = [cop * own - tapped for cop, own, tapped in zip(tank.cop_ratio, water_w, tank.draws_w, strict=True)]
        around_c = [tank.ambient_c] * reading.count
        states = _temperatures_c(
            reading, tank.temperature_c, heat_w, around_c, tank.loss_w_per_k, tank.capacity_wh_per_k
        )
        highest_c = math.inf if tank.hygiene else tank.temperature_max_c
        _band(reading, f"tank {name}", states, [tank.temperature_min_c] * reading.count, [highest_c] * reading.count)


def _runs_at(reading: Reading, pump: HeatInput, power_w: float) -> bool:
    if pump.levels_w:
        return any(abs(power_w - level) <= reading.tolerance_w for level in pump.levels_w)
    return power_w >= pump.power_min_w - reading.tolerance_w


def _temperatures_c(
    reading: Reading,
    start_c: float,
    heat_w: Sequence[float],
    around_c: Sequence[float],
    loss_w_per_k: float,
    capacity_wh_per_k: float,
) -> list[float]:
    """One heat capacity with one loss: it nears its balance like e to the minus time over capacity / loss."""
    states, now_c = [], start_c
    for heat, outside_c in zip(heat_w, around_c, strict=True):
        if loss_w_per_k * reading.hours / capacity_wh_per_k < 1e-9:
            now_c += heat * reading.hours / capacity_wh_per_k
        else:
            balance_c = outside_c + heat / loss_w_per_k
            now_c = balance_c + (now_c - balance_c) * math.exp(-loss_w_per_k * reading.hours / capacity_wh_per_k)
        states.append(now_c)
    return states


def _band(reading: Reading, name: str, states: Sequence[float], low: Sequence[float], high: Sequence[float]) -> None:
    below = max(edge - each for edge, each in zip(low, states, strict=True))
    above = max(each - edge for edge, each in zip(high, states, strict=True))
    for wish, missing in (("too cold", below), ("too warm", above)):
        if missing > BAND_TOLERANCE_K:
            reading.missed(f"{name} {wish}", missing)


def appliance_of(reading: Reading, appliance: ApplianceInput, power_w: Sequence[float]) -> None:
    """A programme runs once, whole, or as far as the horizon goes."""
    profile = appliance.profile_w
    first = 0 if appliance.started_at is None else -len(profile)
    starts = (start for start in range(first, reading.count + 1) if _follows(reading, power_w, profile, start))
    start = next(starts, None)
    if start is None:
        reading.broke(f"{appliance.device_id} keeps no programme", 0, max(power_w))
        return
    ends_at = reading.problem.grid.start_at + timedelta(seconds=(start + len(profile)) * reading.problem.grid.slot_s)
    if ends_at > appliance.deadline_at and appliance.started_at is None:
        reading.missed(f"appliance {appliance.device_id}", (ends_at - appliance.deadline_at).total_seconds())


def _follows(reading: Reading, power_w: Sequence[float], profile: Sequence[float], start: int) -> bool:
    return all(
        abs(each - (profile[slot - start] if 0 <= slot - start < len(profile) else 0.0)) <= reading.tolerance_w
        for slot, each in enumerate(power_w)
    )
