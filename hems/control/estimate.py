"""From readings to what the house is doing: power balance, residual load, who is silent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hems.control.state import ControlState, HourHigh
from hems.domain.power import PhaseValues, phase_sum, spread
from hems.domain.reading import (
    BatteryValues,
    ChargerValues,
    GridValues,
    HeatPumpValues,
    Image,
    PvValues,
    Reading,
)
from hems.domain.site import DeviceId, Site
from hems.domain.time import Now

T = TypeVar("T")

DEVICE_AGE_MAX_S = 30.0
"""A device reading older than this is not acted on; half the shortest lease. Step drives with longer ticks poll
every tick, so their readings are fresh."""
HIGH_HOURS = 24
"""The residual load's recent high looks back one day: kettles and ovens come back daily."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The house at one tick. A device without a usable reading is missing from its mapping."""

    grid: GridValues | None
    pv: Mapping[DeviceId, PvValues]
    batteries: Mapping[DeviceId, BatteryValues]
    chargers: Mapping[DeviceId, ChargerValues]
    heat_pumps: Mapping[DeviceId, HeatPumpValues]
    residual_w: float | None
    """Grid power less all metered devices [W]; None without a grid reading."""
    residual_high_w: PhaseValues | None
    """Highest one-second residual load per phase since the tick before; None without a grid reading [W]."""
    residual_highs: tuple[HourHigh, ...]
    silent: frozenset[DeviceId]

    def power_w(self, device_id: DeviceId) -> float | None:
        """Measured power of a device, load convention [W]."""
        for group in (self.pv, self.batteries, self.chargers, self.heat_pumps):
            if device_id in group:
                return group[device_id].power_w
        return None


def estimate(state: ControlState, image: Image, now: Now) -> Estimate:
    """Freeze what may be acted on, and derive the rest."""
    site = state.site
    grid = None
    if image.grid is not None:
        grid = image.grid.usable(mono_s=now.mono_s, max_age_s=site.meter.max_age_s)
    pv = _usable(image.pv, (device.id for device in site.pv), now)
    batteries = _usable(image.batteries, (device.id for device in site.batteries), now)
    chargers = _usable(image.chargers, (device.id for device in site.chargers), now)
    heat_pumps = _usable(image.heat_pumps, (device.id for device in site.heat_pumps), now)
    answering: set[DeviceId] = {*pv, *batteries, *chargers, *heat_pumps}
    silent = {device.id for device in site.controllables if device.id not in answering}
    if grid is None:
        silent.add(site.meter.id)
    devices = _device_phase_power(site, pv, batteries, chargers, heat_pumps)
    residual_w = None if grid is None else grid.power_w - devices.total
    high = None if grid is None else _residual_high(site, grid, devices)
    return Estimate(
        grid=grid,
        pv=pv,
        batteries=batteries,
        chargers=chargers,
        heat_pumps=heat_pumps,
        residual_w=residual_w,
        residual_high_w=high,
        residual_highs=_remember(state.residual_highs, high, now),
        silent=frozenset(silent),
    )


def _usable(readings: Mapping[DeviceId, Reading[T]], known: Iterable[DeviceId], now: Now) -> dict[DeviceId, T]:
    found: dict[DeviceId, T] = {}
    for device_id in known:
        reading = readings.get(device_id)
        value = None if reading is None else reading.usable(mono_s=now.mono_s, max_age_s=DEVICE_AGE_MAX_S)
        if value is not None:
            found[device_id] = value
    return found


def _device_phase_power(
    site: Site,
    pv: Mapping[DeviceId, PvValues],
    batteries: Mapping[DeviceId, BatteryValues],
    chargers: Mapping[DeviceId, ChargerValues],
    heat_pumps: Mapping[DeviceId, HeatPumpValues],
) -> PhaseValues:
    parts = [spread(pv[plant.id].power_w, plant.phases) for plant in site.pv if plant.id in pv]
    parts += [spread(batteries[each.id].power_w, each.phases) for each in site.batteries if each.id in batteries]
    parts += [spread(heat_pumps[each.id].power_w, each.phases) for each in site.heat_pumps if each.id in heat_pumps]
    for charger in site.chargers:
        if (values := chargers.get(charger.id)) is not None:
            parts.append(spread(values.power_w, charger.wired_phases(values.phase_count)))
    return phase_sum(parts)


def _residual_high(site: Site, grid: GridValues, devices: PhaseValues) -> PhaseValues:
    """Where the meter does not tell phases apart, each phase might carry the whole residual load."""
    if grid.phase_power_high_w is not None:
        return grid.phase_power_high_w - devices
    whole_w = grid.power_w - devices.total
    if site.connection.phase_count == 1:
        return PhaseValues(l1=whole_w)
    return PhaseValues(l1=whole_w, l2=whole_w, l3=whole_w)


def _remember(highs: tuple[HourHigh, ...], high: PhaseValues | None, now: Now) -> tuple[HourHigh, ...]:
    hour = int(now.mono_s // 3600)
    kept = tuple(each for each in highs if each.hour > hour - HIGH_HOURS) if highs and highs[-1].hour != hour else highs
    if high is None:
        return kept
    if kept and kept[-1].hour == hour:
        merged = kept[-1].high_w.highest_with(high)
        return kept if merged == kept[-1].high_w else (*kept[:-1], HourHigh(hour=hour, high_w=merged))
    return (*kept, HourHigh(hour=hour, high_w=high))
