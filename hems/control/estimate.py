"""From readings to what the house is doing: power balance, residual load, who is silent."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hems.control import frozen, island, residual
from hems.control.frozen import Still
from hems.control.island import Claim
from hems.control.plausible import (
    plausible_battery,
    plausible_charger,
    plausible_grid,
    plausible_heat_pump,
    plausible_pv,
)
from hems.control.residual import FAST_METER_S, Span
from hems.control.state import ControlState, Drawn, HourHigh
from hems.domain.events import Mode
from hems.domain.power import VOLTAGE_V, Phase, PhaseValues, spread
from hems.domain.reading import (
    BatteryValues,
    ChargerValues,
    GridValues,
    HeatPumpValues,
    Image,
    PvValues,
    Reading,
)
from hems.domain.site import Battery, Controllable, DeviceId, Site
from hems.domain.time import Now

T = TypeVar("T")
D = TypeVar("D", bound=Controllable)

FUSE_USE_RATIO = 0.95
"""Share of a fuse's rating that is planned with: at 5 % under nominal voltage the same power takes 5 % more current."""
DEVICE_AGE_MAX_S = 30.0
"""A device reading older than this is not acted on; half the shortest lease. Step drives with longer ticks poll
every tick, so their readings are fresh."""
ASLEEP_RATIO = 0.01
"""Of its peak: an inverter that goes to sleep at dusk made less than this before."""
NIGHT_S = 18 * 3600.0
"""The longest night at 57 degrees north, from when an inverter goes to sleep to when it wakes."""
AWAKE_W = 100.0
"""A house that makes more than this beside its devices has one that is not asleep; meters differ by less."""
OVERDRAW_S = 30.0
"""What draws more than it was told for longer does not follow: chargers take up to half a minute to obey [s]."""
OVERDRAW_RATIO, OVERDRAW_W = 1.1, 200.0
"""Tolerance of power meters in chargers and inverters, and what a device draws for itself."""
RECOVERY_S = 30.0
"""A meter that comes and goes would switch cars with it: what was kept free while it was away is given back over this
time [s]."""
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
    """Grid power less all devices that answer [W]; None without a grid reading. To be met now; as the house's own load
    to be shown and remembered: :attr:`load_w`."""
    residual_high_w: PhaseValues | None
    """Highest one-second residual load per phase since the tick before; None without a grid reading [W]."""
    masked_w: PhaseValues
    """Load per phase that silent devices may be feeding, so that the residual does not show it, >= 0 [W]."""
    residual_highs: tuple[HourHigh, ...]
    recovering_since_mono_s: float | None
    """As in the state: the meter is back, and not trusted with everything yet."""
    grid_still: Still | None
    """What the meter says while it says the same."""
    is_island: bool
    """The grid has failed, and a battery's inverter feeds the house: nothing flows through the connection."""
    island_claim: Claim | None
    """As in the state: what inverters say of it."""
    silent: frozenset[DeviceId]
    asleep: frozenset[DeviceId]
    """Silent plants that made nothing when they last answered: many inverters say nothing in the dark."""
    device_phase_w: PhaseValues
    """Power of all metered devices per phase [W]."""
    drawn_lately: Mapping[DeviceId, tuple[Drawn, ...]]
    overdrawing_since_mono_s: Mapping[DeviceId, float]
    disobeying_w: Mapping[DeviceId, float]
    """Power of the devices that have drawn more than they were told for too long, > 0 [W]. The others make room."""

    @property
    def grid_is_frozen(self) -> bool:
        """Whether the meter speaks and is not believed."""
        return self.grid_still is not None and self.grid_still.is_proven

    @property
    def load_w(self) -> float | None:
        """What the house draws beside its devices [W]; None while any of them is silent: its power would be in it.

        An inverter that sleeps has none, unless the house seems to make power by itself.
        """
        if self.residual_w is None or self.silent - self.asleep:
            return None
        return None if self.asleep and self.residual_w < -AWAKE_W else self.residual_w

    def feeding_batteries(self, site: Site) -> list[tuple[Battery, BatteryValues]]:
        """Those whose inverters say that they feed an island."""
        answering = [(each, values) for each in site.batteries if (values := self.batteries.get(each.id)) is not None]
        return [(battery, values) for battery, values in answering if values.islanded]

    def power_w(self, device_id: DeviceId) -> float | None:
        """Measured power of a device, load convention [W]."""
        for group in (self.pv, self.batteries, self.chargers, self.heat_pumps):
            if device_id in group:
                return group[device_id].power_w
        return None


def estimate(state: ControlState, image: Image, now: Now) -> Estimate:
    """Freeze what may be acted on, and derive the rest."""
    site = state.site
    grid = _usable_grid(site, image, now)
    pv = _usable(site.pv, image.pv, plausible_pv, now)
    batteries = _usable(site.batteries, image.batteries, plausible_battery, now)
    chargers = _usable(site.chargers, image.chargers, plausible_charger, now)
    heat_pumps = _usable(site.heat_pumps, image.heat_pumps, plausible_heat_pump, now)
    answering: set[DeviceId] = {*pv, *batteries, *chargers, *heat_pumps}
    silent = {device.id for device in site.controllables if device.id not in answering}
    present_w = _phase_power(site, pv, batteries, chargers, heat_pumps)
    devices = _sum(present_w)
    claim = island.claim(state.island_claim, batteries, image.grid, grid, now.mono_s)
    is_island = claim is not None and not claim.is_disproved
    if is_island:
        grid = island.NO_EXCHANGE
    still = frozen.watch(
        state.grid_still, grid, answering, devices.total, period_s=site.meter.period_s, mono_s=now.mono_s
    )
    if grid is None or (still is not None and still.is_proven):
        grid = None
        silent.add(site.meter.id)
    grid_mono_s = now.mono_s if image.grid is None or is_island else image.grid.mono_s
    read_mono_s = {
        device_id: reading.mono_s
        for group in (image.pv, image.batteries, image.chargers, image.heat_pumps)
        for device_id, reading in group.items()
    }
    drawn_lately = residual.drawn_lately(state, present_w, read_mono_s=read_mono_s, grid_mono_s=grid_mono_s, now=now)
    feeds = {*pv, *batteries} if is_island else set[DeviceId]()
    residual_w, high = _residual(state, grid, present_w, drawn_lately, feeds, min(grid_mono_s, now.mono_s))
    # The meter lags behind the devices: its high may still hold what a device drew a moment ago. For this tick that is
    # on the safe side; for a day it would be wrong, so what is remembered gives the device the higher of then and now.
    drawn = devices if state.device_phase_w is None else devices.highest_with(state.device_phase_w)
    asleep = _asleep(site, silent, image, now)
    masked_w = _masked(site, silent - asleep, grid)
    # An island's load is known in sum only; for a day it would count as a high of every phase.
    lasting = (
        None
        if grid is None or high is None or is_island
        else high.lowest_with(_phase_high(site, grid, drawn)) + masked_w
    )
    overdrawing = _overdrawing(state, {**batteries, **chargers, **heat_pumps}, now)
    return Estimate(
        grid=grid,
        pv=pv,
        batteries=batteries,
        chargers=chargers,
        heat_pumps=heat_pumps,
        residual_w=residual_w,
        residual_high_w=high,
        masked_w=masked_w,
        recovering_since_mono_s=_recovering(state, grid, now),
        grid_still=still,
        is_island=is_island,
        island_claim=claim,
        residual_highs=_remember(state.residual_highs, lasting, now),
        silent=frozenset(silent),
        asleep=asleep,
        device_phase_w=devices,
        drawn_lately=drawn_lately,
        overdrawing_since_mono_s={device_id: since_mono_s for device_id, (since_mono_s, _) in overdrawing.items()},
        disobeying_w={
            device_id: power_w
            for device_id, (since_mono_s, power_w) in overdrawing.items()
            if now.mono_s - since_mono_s >= OVERDRAW_S
        },
    )


def _residual(
    state: ControlState,
    grid: GridValues | None,
    present_w: Mapping[DeviceId, PhaseValues],
    drawn_lately: Mapping[DeviceId, tuple[Drawn, ...]],
    feeds: Collection[DeviceId],
    grid_mono_s: float,
) -> tuple[float | None, PhaseValues | None]:
    """Residual load and its highest second per phase [W]; None without a grid reading.

    In an island the inverters are the meter: what they give, ``feeds`` together, is what all loads draw.
    """
    if grid is None:
        return None, None
    if feeds:
        given_w = -sum(present_w[device_id].total for device_id in feeds)
        grid = GridValues(power_w=given_w, phase_power_w=None, phase_power_high_w=None)
    devices = _sum({device_id: each for device_id, each in present_w.items() if device_id not in feeds})
    drawn = {device_id: each for device_id, each in drawn_lately.items() if device_id not in feeds}
    span = residual.span_of(drawn, grid_mono_s=grid_mono_s)
    low_w, high_w, period_s = span.low_w.total, span.high_w.total, state.site.meter.period_s
    if period_s > FAST_METER_S and not feeds:
        low_w, high_w = residual.mean_span_w(drawn, grid_mono_s=grid_mono_s, period_s=period_s)
    residual_w = residual.nearest_w(
        state.residual_w, grid_w=grid.power_w, present_w=devices.total, low_w=low_w, high_w=high_w
    )
    return residual_w, _residual_high(state, grid, devices, span)


def _usable_grid(site: Site, image: Image, now: Now) -> GridValues | None:
    grid = None if image.grid is None else image.grid.usable(mono_s=now.mono_s, max_age_s=site.meter.max_age_s)
    return grid if grid is not None and plausible_grid(grid, site) else None


def _recovering(state: ControlState, grid: GridValues | None, now: Now) -> float | None:
    if grid is None:
        return None
    was_away = state.site.meter.id in state.silent or state.mode is Mode.ISLANDED
    if state.ticked_mono_s is not None and was_away:
        return now.mono_s
    since_s = state.recovering_since_mono_s
    return None if since_s is None or now.mono_s - since_s >= RECOVERY_S else since_s


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


def _phase_power(
    site: Site,
    pv: Mapping[DeviceId, PvValues],
    batteries: Mapping[DeviceId, BatteryValues],
    chargers: Mapping[DeviceId, ChargerValues],
    heat_pumps: Mapping[DeviceId, HeatPumpValues],
) -> dict[DeviceId, PhaseValues]:
    """Power per phase of every device that answers."""
    found = {plant.id: spread(pv[plant.id].power_w, plant.phases) for plant in site.pv if plant.id in pv}
    for battery in site.batteries:
        if battery.id in batteries:
            found[battery.id] = spread(batteries[battery.id].power_w, battery.phases)
    for pump in site.heat_pumps:
        if pump.id in heat_pumps:
            found[pump.id] = spread(heat_pumps[pump.id].power_w, pump.phases)
    for charger in site.chargers:
        if (values := chargers.get(charger.id)) is not None:
            found[charger.id] = spread(values.power_w, charger.wired_phases(values.phase_count))
    return found


def _sum(present_w: Mapping[DeviceId, PhaseValues]) -> PhaseValues:
    l1 = l2 = l3 = 0.0
    for each in present_w.values():
        l1, l2, l3 = l1 + each.l1, l2 + each.l2, l3 + each.l3
    return PhaseValues(l1=l1, l2=l2, l3=l3)


def _residual_high(state: ControlState, grid: GridValues, devices: PhaseValues, span: Span) -> PhaseValues:
    """Highest residual load per phase that fits grid and devices and is nearest to the one before."""
    site = state.site
    full_w = site.circuits[0].fuse_a * VOLTAGE_V * FUSE_USE_RATIO
    if grid.phase_power_high_w is not None:
        return residual.nearest_phases(
            state.residual_high_w, grid_w=grid.phase_power_high_w, present_w=devices, span=span, full_w=full_w
        )
    if grid.power_w > full_w:
        return _on_any_phase(site, grid.power_w - span.low_w.total)
    before_w = None if state.residual_high_w is None else state.residual_high_w.l1
    whole_w = residual.nearest_w(
        before_w,
        grid_w=grid.power_w,
        present_w=devices.total,
        low_w=span.low_w.total,
        high_w=span.high_w.total,
    )
    return _on_any_phase(site, whole_w)


def _phase_high(site: Site, grid: GridValues, devices: PhaseValues) -> PhaseValues:
    if grid.phase_power_high_w is not None:
        return grid.phase_power_high_w - devices
    return _on_any_phase(site, grid.power_w - devices.total)


def _masked(site: Site, silent: Collection[DeviceId], grid: GridValues | None) -> PhaseValues:
    """What silent devices may be making: the residual is lower by it, and it may stop between two readings.

    The nameplate with which a silent battery charges counts for the fuses already; it either charges or gives.
    """

    def feeds(power_w: float, phases: tuple[Phase, ...]) -> PhaseValues:
        tells_phases = grid is not None and grid.phase_power_high_w is not None
        return spread(power_w, phases) if tells_phases else _on_any_phase(site, power_w)

    masked_w = PhaseValues()
    for plant in site.pv:
        if plant.id in silent:
            masked_w = masked_w + feeds(plant.peak_w, plant.phases)
    for battery in site.batteries:
        if battery.id in silent:
            gives_w = feeds(battery.discharge_power_max_w, battery.phases)
            counted_w = spread(battery.charge_power_max_w, battery.phases)
            masked_w = masked_w + (gives_w - counted_w).highest_with(PhaseValues())
    return masked_w


def _asleep(site: Site, silent: Collection[DeviceId], image: Image, now: Now) -> frozenset[DeviceId]:
    """By what was measured, not by the wall clock: a step of it must not release a limit."""
    found = set()
    for plant in site.pv:
        reading = image.pv.get(plant.id)
        last = None if reading is None else reading.usable(mono_s=now.mono_s, max_age_s=NIGHT_S)
        if plant.id in silent and last is not None and abs(last.power_w) <= ASLEEP_RATIO * plant.peak_w:
            found.add(plant.id)
    return frozenset(found)


def _on_any_phase(site: Site, whole_w: float) -> PhaseValues:
    """Where the meter does not tell phases apart, each phase might carry the whole residual load."""
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
