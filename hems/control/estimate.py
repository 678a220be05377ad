"""From readings to what the house is doing: power balance, residual load, who is silent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hems.control.plausible import (
    plausible_battery,
    plausible_charger,
    plausible_grid,
    plausible_heat_pump,
    plausible_pv,
)
from hems.control.state import ControlState, HourHigh
from hems.domain.power import ALL_PHASES, Phase, PhaseValues
from hems.domain.reading import (
    BatteryValues,
    ChargerValues,
    GridValues,
    HeatPumpValues,
    Image,
    PvValues,
    Reading,
)
from hems.domain.site import Controllable, DeviceId, Site
from hems.domain.time import Now

T = TypeVar("T")
D = TypeVar("D", bound=Controllable)

DEVICE_AGE_MAX_S = 30.0
"""A device reading older than this is not acted on; half the shortest lease. Step drives with longer ticks poll
every tick, so their readings are fresh."""
OVERDRAW_S = 30.0
"""What draws more than it was told for longer does not follow: chargers take up to half a minute to obey [s]."""
OVERDRAW_RATIO, OVERDRAW_W = 1.1, 200.0
"""Tolerance of power meters in chargers and inverters, and what a device draws for itself."""
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
    device_phase_w: PhaseValues
    """Power of all metered devices per phase [W]."""
    overdrawing_since_mono_s: Mapping[DeviceId, float]
    disobeying_w: Mapping[DeviceId, float]
    """Power of the devices that have drawn more than they were told for too long, > 0 [W]. The others make room."""

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
        if grid is not None and not plausible_grid(grid, site):
            grid = None
    pv = _usable(site.pv, image.pv, plausible_pv, now)
    batteries = _usable(site.batteries, image.batteries, plausible_battery, now)
    chargers = _usable(site.chargers, image.chargers, plausible_charger, now)
    heat_pumps = _usable(site.heat_pumps, image.heat_pumps, plausible_heat_pump, now)
    answering: set[DeviceId] = {*pv, *batteries, *chargers, *heat_pumps}
    silent = {device.id for device in site.controllables if device.id not in answering}
    if grid is None:
        silent.add(site.meter.id)
    devices = _device_phase_power(site, pv, batteries, chargers, heat_pumps)
    residual_w = None if grid is None else grid.power_w - devices.total
    high = None if grid is None else _residual_high(site, grid, devices)
    # The meter lags behind the devices: its high may still hold what a device drew a moment ago. For this tick that is
    # on the safe side; for a day it would be wrong, so what is remembered gives the device the higher of then and now.
    drawn = devices if state.device_phase_w is None else devices.highest_with(state.device_phase_w)
    lasting = None if grid is None else _residual_high(site, grid, drawn)
    overdrawing = _overdrawing(state, {**batteries, **chargers, **heat_pumps}, now)
    return Estimate(
        grid=grid,
        pv=pv,
        batteries=batteries,
        chargers=chargers,
        heat_pumps=heat_pumps,
        residual_w=residual_w,
        residual_high_w=high,
        residual_highs=_remember(state.residual_highs, lasting, now),
        silent=frozenset(silent),
        device_phase_w=devices,
        overdrawing_since_mono_s={device_id: since_mono_s for device_id, (since_mono_s, _) in overdrawing.items()},
        disobeying_w={
            device_id: power_w
            for device_id, (since_mono_s, power_w) in overdrawing.items()
            if now.mono_s - since_mono_s >= OVERDRAW_S
        },
    )


def _usable(
    devices: Sequence[D], readings: Mapping[DeviceId, Reading[T]], plausible: Callable[[T, D], bool], now: Now
) -> dict[DeviceId, T]:
    found: dict[DeviceId, T] = {}
    for device in devices:
        reading = readings.get(device.id)
        value = None if reading is None else reading.usable(mono_s=now.mono_s, max_age_s=DEVICE_AGE_MAX_S)
        if value is not None and plausible(value, device):
            found[device.id] = value
    return found


def _overdrawing(
    state: ControlState, consumers: Mapping[DeviceId, BatteryValues | ChargerValues | HeatPumpValues], now: Now
) -> dict[DeviceId, tuple[float, float]]:
    """Since when, and how much, devices draw that were told to draw less."""
    found: dict[DeviceId, tuple[float, float]] = {}
    for device_id, told_w in state.told_power_w.items():
        values = consumers.get(device_id)
        if values is not None and values.power_w > max(told_w, 0.0) * OVERDRAW_RATIO + OVERDRAW_W:
            since_mono_s = state.overdrawing_since_mono_s.get(device_id, now.mono_s)
            found[device_id] = (since_mono_s, values.power_w)
    return found


def _device_phase_power(
    site: Site,
    pv: Mapping[DeviceId, PvValues],
    batteries: Mapping[DeviceId, BatteryValues],
    chargers: Mapping[DeviceId, ChargerValues],
    heat_pumps: Mapping[DeviceId, HeatPumpValues],
) -> PhaseValues:
    parts = [(pv[plant.id].power_w, plant.phases) for plant in site.pv if plant.id in pv]
    parts += [(batteries[each.id].power_w, each.phases) for each in site.batteries if each.id in batteries]
    parts += [(heat_pumps[each.id].power_w, each.phases) for each in site.heat_pumps if each.id in heat_pumps]
    for charger in site.chargers:
        if (values := chargers.get(charger.id)) is not None:
            parts.append((values.power_w, charger.wired_phases(values.phase_count)))
    sum_w = dict.fromkeys(ALL_PHASES, 0.0)
    for power_w, phases in parts:
        share_w = power_w / len(phases)
        for phase in phases:
            sum_w[phase] += share_w
    return PhaseValues(l1=sum_w[Phase.L1], l2=sum_w[Phase.L2], l3=sum_w[Phase.L3])


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
