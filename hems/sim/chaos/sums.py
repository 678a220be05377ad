"""What devices draw and are told, summed per circuit and phase for the judge, from the site file and nothing else."""

from collections.abc import Collection, Mapping

from hems.domain.command import (
    Action,
    BatteryPower,
    BatteryReleased,
    ChargeCurrent,
    Command,
    HeatPumpPower,
    ProductionLimit,
)
from hems.domain.site import Battery, Charger, CircuitId, Controllable, DeviceId, HeatPump, Site
from hems.sim.house import SimHouse
from hems.sim.meter import Stretch

Phases = tuple[str, ...]
DrawsAndFeeds = tuple[float, float]


class Flows:
    """Sums over one house."""

    def __init__(self, site: Site) -> None:
        """Find what hangs behind each fuse, from the top down."""
        self._site = site
        self.behind: Mapping[CircuitId, Collection[DeviceId]] = {
            circuit.id: _behind(site, circuit.id) for circuit in site.circuits
        }

    def drawn_w(self, house: SimHouse, stretch: Stretch, circuit: CircuitId) -> list[float]:
        """What the devices behind a fuse drew on L1, L2, L3 [W]."""
        found = [0.0, 0.0, 0.0]
        for device in self._site.controllables:
            if device.id in self.behind[circuit]:
                phases = _in_use(house, device)
                for phase in phases:
                    found[_number(phase)] += stretch.power_w[device.id] / len(phases)
        return found

    def could_give_way(
        self, house: SimHouse, stretch: Stretch, deaf: Collection[DeviceId]
    ) -> dict[CircuitId, list[DrawsAndFeeds]]:
        """Per fuse and phase: what devices that listen draw, and feed, because their command lets them [W]."""
        found = {circuit.id: [(0.0, 0.0)] * 3 for circuit in self._site.circuits}
        for device in self._site.controllables:
            held = stretch.held.get(device.id)
            if held is None or device.id in deaf:
                continue
            power_w = stretch.power_w[device.id]
            draws_w, feeds_w = _allowed(held.action, device, self._site, power_w)
            phases = _in_use(house, device)
            for circuit in self._site.circuits:
                if device.id in self.behind[circuit.id]:
                    for phase in phases:
                        before = found[circuit.id][_number(phase)]
                        share = (before[0] + draws_w / len(phases), before[1] + feeds_w / len(phases))
                        found[circuit.id][_number(phase)] = share
        return found


def _allowed(action: Action, device: Controllable, site: Site, power_w: float) -> DrawsAndFeeds:
    """Of a device's power, what its command asks for or lets it take; not what it does by itself."""
    draws_w, feeds_w = max(power_w, 0.0), max(-power_w, 0.0)
    match action:
        case ChargeCurrent(current_a=current_a):
            return (draws_w if current_a > 0 else 0.0, 0.0)
        case BatteryReleased():
            return (0.0, 0.0)
        case BatteryPower(power_w=told_w):
            return (draws_w if told_w > 0 else 0.0, feeds_w if told_w < 0 else 0.0)
        case HeatPumpPower(power_w=told_w):
            return (draws_w if told_w is None or told_w > 0 else 0.0, 0.0)
        case ProductionLimit(production_power_max_w=limit_w):
            curtailable = any(plant.id == device.id and plant.curtailable for plant in site.pv)
            return (0.0, feeds_w if curtailable and (limit_w is None or limit_w > 0) else 0.0)


def told_draw_w(device_id: DeviceId, command: Command, site: Site) -> float:
    """Most that a command lets a device draw, >= 0 [W]."""
    match command.action:
        case ChargeCurrent(current_a=current_a, phase_count=count):
            charger = next(each for each in site.chargers if each.id == device_id)
            return min(current_a * 230.0 * count, charger.power_max_w)
        case BatteryPower(power_w=power_w):
            return max(power_w, 0.0)
        case HeatPumpPower(power_w=None):
            return next(each.power_max_w for each in site.heat_pumps if each.id == device_id)
        case HeatPumpPower(power_w=float(power_w)):
            return power_w
        case _:
            return 0.0


def nameplate_on_w(device: Controllable, phase: str) -> float:
    """Most that a consumer can draw on a phase, on one phase alone where it may charge so, >= 0 [W]."""
    if phase not in {str(each) for each in device.phases}:
        return 0.0
    match device:
        case Charger():
            return min(device.current_max_a * 230.0, device.power_max_w)
        case Battery():
            return device.charge_power_max_w / len(device.phases)
        case HeatPump():
            return device.power_max_w / len(device.phases)
        case _:
            return 0.0


def told_feed_w(device_id: DeviceId, command: Command, site: Site, made_w: float) -> float:
    """What a device may feed under a command: a plant no more than it makes now, >= 0 [W]."""
    del device_id, site
    match command.action:
        case BatteryPower(power_w=power_w):
            return max(-power_w, 0.0)
        case ProductionLimit(production_power_max_w=limit_w):
            return made_w if limit_w is None else min(made_w, limit_w)
        case _:
            return 0.0


def charged_on(device: Controllable, action: Action) -> Phases:
    """Phases that a command loads."""
    names = tuple(str(phase) for phase in device.phases)
    return names[: action.phase_count] if isinstance(action, ChargeCurrent) else names


def _in_use(house: SimHouse, device: Controllable) -> Phases:
    names = tuple(str(phase) for phase in device.phases)
    return names[: house.chargers[device.id].phase_count] if isinstance(device, Charger) else names


def _number(phase: str) -> int:
    return ("L1", "L2", "L3").index(phase)


def _behind(site: Site, circuit: CircuitId) -> frozenset[DeviceId]:
    fed = {circuit}
    for _ in site.circuits:
        fed |= {each.id for each in site.circuits if each.parent in fed}
    return frozenset(device.id for device in site.controllables if device.circuit in fed)
