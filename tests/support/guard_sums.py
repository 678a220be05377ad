"""What a house draws and makes under its commands, summed anew: the independent arithmetic of the guard's tests.

Nothing of the guard's own arithmetic is used except the tick's estimate, which it is given as its input, and three
published numbers: the share of a fuse that is planned with (0.95), the appliance that may start unseen (13 A, up to
0.72 of the rating), and the nominal voltage (230 V).
"""

import math
from collections.abc import Iterator

from hems.domain.command import (
    BatteryPower,
    ChargeCurrent,
    Command,
    HeatPumpPower,
    ProductionLimit,
)
from hems.domain.power import Phase
from hems.domain.reading import Quality
from hems.domain.site import Battery, Charger, Circuit, DeviceId, PvPlant, Site
from tests.support.cases import Case

OVERSHOOT_RATIO = 1.3
"""A plant that is not limited may make this much of its peak power."""


def measured_w(case: Case, device_id: DeviceId) -> float:
    """Power that an answering device says it has [W]."""
    image = case.image
    for group in (image.pv, image.batteries, image.chargers, image.heat_pumps):
        if device_id in group and device_id in case.answering:
            value = group[device_id].value
            assert value is not None
            return float(value.power_w)
    return 0.0


def phases_in_use(case: Case, device_id: DeviceId) -> tuple[Phase, ...]:
    device = next(each for each in case.site.controllables if each.id == device_id)
    if isinstance(device, Charger):
        value = case.image.chargers[device_id].value
        assert value is not None
        return device.phases[: value.phase_count]
    return device.phases


def residual_on(case: Case, phase: Phase, *, high: bool) -> float:
    """Load that nothing controls, on one phase; all of it where the meter does not tell phases apart [W]."""
    assert case.image.grid is not None
    grid = case.image.grid.value
    assert grid is not None
    per_phase = grid.phase_power_high_w if high else grid.phase_power_w
    devices = [each.id for each in case.site.controllables if each.id in case.answering]
    if per_phase is None:
        return grid.power_w - sum(measured_w(case, each) for each in devices)
    mine = [each for each in devices if phase in phases_in_use(case, each)]
    value = {Phase.L1: per_phase.l1, Phase.L2: per_phase.l2, Phase.L3: per_phase.l3}[phase]
    return value - sum(measured_w(case, each) / len(phases_in_use(case, each)) for each in mine)


def sleeps(case: Case, plant: PvPlant) -> bool:
    """Whether a silent plant made less than a hundredth of its peak when it answered last, within 18 hours."""
    reading = case.image.pv.get(plant.id)
    if plant.id in case.answering or reading is None or reading.value is None:
        return False
    usable = reading.quality in (Quality.GOOD, Quality.SUBSTITUTED)
    recent = case.now.mono_s - reading.mono_s <= 18 * 3_600
    return usable and recent and abs(reading.value.power_w) <= 0.01 * plant.peak_w


def masked_on(case: Case, phase: Phase) -> float:
    """Load on a phase that silent plants, and silent batteries beyond their charging nameplates, feed unseen [W]."""
    found_w = 0.0
    feeders: tuple[PvPlant | Battery, ...] = (*case.site.pv, *case.site.batteries)
    for device in feeders:
        if device.id in case.answering or (isinstance(device, PvPlant) and sleeps(case, device)):
            continue
        on_phase_ratio = 1 / len(device.phases) if phase in device.phases else 0.0
        feeds_ratio = on_phase_ratio if tells_phases(case) else 1.0
        if isinstance(device, PvPlant):
            found_w += device.peak_w * feeds_ratio
        else:
            counted_w = device.charge_power_max_w * on_phase_ratio
            found_w += max(0.0, device.discharge_power_max_w * feeds_ratio - counted_w)
    return found_w


def tells_phases(case: Case) -> bool:
    """Whether the meter tells phases apart; where it does not, a phase might carry everything."""
    grid = None if case.image.grid is None else case.image.grid.value
    return grid is not None and grid.phase_power_high_w is not None


def residual_w(case: Case) -> float:
    """Load that nothing controls, all phases [W]."""
    assert case.image.grid is not None
    grid = case.image.grid.value
    assert grid is not None
    return grid.power_w - sum(measured_w(case, each.id) for each in case.site.controllables)


def reserve_on(case: Case, phase: Phase) -> float:
    """Power to keep free on one phase for the load that nothing controls [W].

    Seen every two seconds: what is there, and what silent devices may feed of it. Seen less often: one 13 A appliance
    more than is there, but no more than 72 % of the fuse, and for the moment it may use the 5 % of the fuse that are
    kept spare. Not seen: the day's high, 13 A at least.
    """
    fuse_w = case.site.circuits[0].fuse_a * 230.0
    if not case.sees_grid:
        remembered = [
            {Phase.L1: each.high_w.l1, Phase.L2: each.high_w.l2, Phase.L3: each.high_w.l3}[phase]
            for each in case.state.residual_highs
            if each.hour > case.now.mono_s // 3600 - 24
        ]
        return max([13.0 * 230.0, *remembered])
    present_w = residual_on(case, phase, high=True) + masked_on(case, phase)
    before_s = case.state.ticked_mono_s
    if before_s is not None and case.now.mono_s - before_s <= 2.0 and case.site.meter.period_s <= 2.0:
        return max(0.0, present_w)
    return max(present_w, min(max(present_w, 0.0) + 13.0 * 230.0, 0.72 * fuse_w) - 0.05 * fuse_w)


def draws_w(case: Case, device_id: DeviceId, action: object) -> Iterator[tuple[Phase, float]]:
    """What a command lets a device draw, by phase [W]; production is negative."""
    device = next(each for each in case.site.controllables if each.id == device_id)
    match action:
        case ChargeCurrent(current_a=current_a, phase_count=phase_count):
            for phase in device.phases[:phase_count]:
                yield phase, current_a * 230.0
        case HeatPumpPower(power_w=None):
            for phase in device.phases:
                yield phase, nameplate_of(case, device_id) / len(device.phases)
        case BatteryPower(power_w=float(power_w)) | HeatPumpPower(power_w=float(power_w)):
            for phase in device.phases:
                yield phase, power_w / len(device.phases)
        case ProductionLimit(production_power_max_w=limit_w):
            made_w = production_w(case, device_id, limit_w)
            for phase in device.phases:
                yield phase, -made_w / len(device.phases)


def production_w(case: Case, plant_id: DeviceId, limit_w: float | None) -> float:
    """Most that a plant may make under its command; one that cannot be limited counts with what it makes now [W]."""
    plant = next(each for each in case.site.pv if each.id == plant_id)
    if not plant.curtailable:
        return max(0.0, -measured_w(case, plant_id)) if plant_id in case.answering else plant.peak_w
    return OVERSHOOT_RATIO * plant.peak_w if limit_w is None else limit_w


def total_w(case: Case, device_id: DeviceId, action: object) -> float:
    return sum(power_w for _, power_w in draws_w(case, device_id, action))


def behind(site: Site, circuit: Circuit) -> set[DeviceId]:
    """Devices on a circuit or on one that it feeds, found from the top down."""
    fed = {circuit.id}
    for _ in site.circuits:
        fed |= {each.id for each in site.circuits if each.parent in fed}
    return {device.id for device in site.controllables if device.circuit in fed}


def worst_silent_w(case: Case, circuit: Circuit, phase: Phase, *, importing: bool) -> float:
    """Nameplates of the silent devices that may load a phase of a circuit [W]."""
    found_w = 0.0
    inside = behind(case.site, circuit)
    for device in case.site.controllables:
        if device.id in case.answering or device.id not in inside or phase not in device.phases:
            continue
        count = len(device.phases)
        if device.id in {each.id for each in case.site.batteries}:
            battery = next(each for each in case.site.batteries if each.id == device.id)
            power_w = battery.charge_power_max_w if importing else battery.discharge_power_max_w
            found_w += power_w / count
        elif isinstance(device, Charger) and importing:
            single = (device.power_max_w,) if device.switches_phases else ()
            worst_w = min(device.current_max_a * 230.0, max((device.power_max_w / count, *single)))
            found_w += worst_w
        elif importing:
            found_w += sum(each.power_max_w / count for each in case.site.heat_pumps if each.id == device.id)
    return found_w


# --- The promises ---------------------------------------------------------------------------------------------------


def disobeying_w(case: Case, device_id: DeviceId) -> float:
    """What an answering device draws that was told at most 500 W, if for half a minute or more, else 0 [W]."""
    since_s = case.state.overdrawing_since_mono_s.get(device_id, math.inf)
    drawn_w = measured_w(case, device_id)
    return drawn_w if case.now.mono_s - since_s >= 30.0 and drawn_w > 500.0 * 1.1 + 200.0 else 0.0


def pv_ids(case: Case) -> set[DeviceId]:
    return {each.id for each in case.site.pv}


def limit_of(command: Command) -> float | None:
    assert isinstance(command.action, ProductionLimit)
    return command.action.production_power_max_w


def nameplate_of(case: Case, device_id: DeviceId) -> float:
    """Most that a device can draw [W]."""
    for battery in case.site.batteries:
        if battery.id == device_id:
            return battery.charge_power_max_w
    for charger in case.site.chargers:
        if charger.id == device_id:
            return min(charger.power_max_w, charger.current_max_a * 230.0 * len(charger.phases))
    return next((each.power_max_w for each in case.site.heat_pumps if each.id == device_id), 0.0)
