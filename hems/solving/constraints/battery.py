"""Home batteries: charge, discharge and stored energy.

No direction binaries. Where prices or limits could reward wasting energy, discharging carries a surcharge above any
price, so that a battery never empties itself to be paid for refilling; only a wish that ranks above cost may still
use it there. What is left of both ways at once is repaired after the solve.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hems.domain.problem import BatteryInput, Taper
from hems.domain.site import DeviceId
from hems.solving.frame import Frame
from hems.solving.program import Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryColumns:
    """Where a battery is in the program; ``balance`` rows price stored energy."""

    charge: Indices
    discharge: Indices
    energy: Indices
    balance: Indices
    floor_kwh: float
    ceiling_kwh: float
    outside: Indices | None
    """How far it is outside its window; None for one that starts inside."""


def put_battery(frame: Frame, battery: BatteryInput, buses: Mapping[DeviceId, Indices]) -> BatteryColumns:
    """Columns of one battery, at its own connection or on the DC bus of its inverter."""
    program, count, hours, weights = frame.program, frame.count, frame.slot_h, frame.weights
    gain, loss = battery.charge_efficiency_ratio, battery.discharge_efficiency_ratio
    floor, ceiling = battery.floor_wh / 1000, battery.ceiling_wh / 1000
    stored = _reachable_start_kwh(battery, hours * count)
    lowest, highest = min(floor, stored), max(ceiling, stored)
    span = highest - lowest
    charge = program.columns(
        count, upper=min(battery.charge_power_max_w / 1000, span / gain / hours), cost=weights.cycling * hours
    )
    worn = weights.cycling + battery.cycle_cost_eur_per_kwh
    discharge = program.columns(
        count,
        upper=min(battery.discharge_power_max_w / 1000, span * loss / hours),
        cost=(worn + np.where(frame.wasteful, weights.waste, 0.0)) * hours,
    )
    end_value = np.zeros(count)
    end_value[-1] = -battery.terminal_value_eur_per_kwh
    energy = program.columns(count, lower=lowest, upper=highest, cost=end_value)
    start = np.zeros(count)
    start[0] = stored
    balance = program.rows(count, lower=start, upper=start)
    program.put(balance, energy, 1.0)
    program.put(balance[1:], energy[:-1], -1.0)
    program.put(balance, charge, -gain * hours)
    program.put(balance, discharge, hours / loss)
    for columns, sign in ((charge, 1.0), (discharge, -1.0)):
        if battery.inverter_id is not None:
            program.put(buses[battery.inverter_id], columns, sign)
        else:
            frame.place(columns, sign, circuit_id=battery.circuit_id, phases=battery.phases, slots=frame.slots)
    frame.one_way.append((charge, discharge))
    under = None
    for bound, weight in ((min(battery.reserve_wh / 1000, ceiling), weights.reserve), (floor, weights.window)):
        if bound > lowest:
            under = frame.soft_lower(energy, bound=bound, miss_max=bound - lowest, cost=weight * hours).miss
    over = None
    if highest > ceiling:
        over = frame.soft_upper(energy, bound=ceiling, miss_max=highest - ceiling, cost=weights.window * hours).miss
    if battery.charge_taper is not None:
        limit_w = battery.charge_power_max_w
        _put_taper(frame, charge, energy, battery.charge_taper, limit_w=limit_w, end=ceiling, beyond=over)
    if battery.discharge_taper is not None:
        limit_w = battery.discharge_power_max_w
        outside = under if lowest < floor else None
        _put_taper(frame, discharge, energy, battery.discharge_taper, limit_w=limit_w, end=floor, beyond=outside)
    return BatteryColumns(
        charge=charge,
        discharge=discharge,
        energy=energy,
        balance=balance,
        floor_kwh=floor,
        ceiling_kwh=ceiling,
        outside=over if highest > ceiling else under if lowest < floor else None,
    )


def _put_taper(
    frame: Frame,
    power: Indices,
    energy: Indices,
    taper: Taper,
    *,
    limit_w: float,
    end: float,
    beyond: Indices | None,
) -> None:
    """``power <= end power + slope * distance to the end``; ``beyond`` the window what its end gives."""
    distance = abs(end - taper.from_wh / 1000)
    fall = (limit_w - taper.end_power_w) / 1000
    if distance <= 0 or fall <= 0:
        return
    slope = fall / distance
    toward = 1.0 if taper.from_wh / 1000 < end else -1.0
    rows = frame.program.rows(frame.count, upper=taper.end_power_w / 1000 + slope * toward * end)
    frame.program.put(rows, power, 1.0)
    frame.program.put(rows, energy, toward * slope)
    if beyond is not None:
        frame.program.put(rows, beyond, -slope)


def _reachable_start_kwh(battery: BatteryInput, horizon_h: float) -> float:
    """Measured energy, moved to where the horizon can bring it back into the window if it is absurdly far out."""
    furthest_up_wh = battery.ceiling_wh + battery.discharge_power_max_w / battery.discharge_efficiency_ratio * horizon_h
    furthest_down_wh = battery.floor_wh - battery.charge_power_max_w * battery.charge_efficiency_ratio * horizon_h
    return min(max(battery.stored_wh, furthest_down_wh), furthest_up_wh) / 1000
