"""From the wiring to drivers: one for each box, and the broker links that they share."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hems.app.shelf import Shelf
from hems.domain.errors import BadInputError, OperatingError
from hems.domain.site import Battery, Charger, Device, GridMeter, PvPlant, Site
from hems.domain.wiring import (
    BridgeConnection,
    DsmrConnection,
    ModbusRtuConnection,
    ModbusTcpConnection,
    MqttConnection,
    MqttHeatPump,
    MqttMeter,
    OcppConnection,
    SimulatedConnection,
    Wiring,
)
from hems.ports import Clock, Driver, Offload
from hems.runtime.mqtt import MqttLink
from hems_drivers.bridge.operator_box import BridgeOperatorBox
from hems_drivers.modbus.link import Links
from hems_drivers.modbus.operator_box import ModbusOperatorBox
from hems_drivers.mqtt import OperatorBox, mqtt_driver
from hems_drivers.ocpp.server import central_system
from hems_drivers.ocpp.transactions import Memory
from hems_drivers.p1 import p1_driver
from hems_drivers.sunspec.driver import sunspec_driver

T = TypeVar("T")
Will = tuple[str, bytes, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """Drivers of all devices, and the broker links by the name of their connection."""

    drivers: tuple[Driver, ...]
    brokers: Mapping[str, MqttLink]
    operator_box: OperatorBox | ModbusOperatorBox | BridgeOperatorBox | None
    """None: no grid operator is connected, or by HTTP."""

    @property
    def tasks(self) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
        """What keeps the links up."""
        return tuple((f"broker {name}", link.run) for name, link in self.brokers.items())


class StoredMemory:
    """Implements :class:`hems_drivers.ocpp.Memory` on a shelf: what chargers were told survives our restart."""

    def __init__(self, shelf: Shelf[bytes], key: str, offload: Offload) -> None:
        """One key for each port that chargers call."""
        self._shelf = shelf
        self._key = key
        self._offload = offload

    async def load(self) -> bytes | None:
        """What was saved last."""
        return self._shelf.all().get(self._key)

    async def save(self, content: bytes) -> None:
        """Keep it; durable when this returns.

        Raises:
            OperatingError: the disk does not take it now; it is written with the next one.
        """
        if not await self._offload(lambda: self._shelf.put(self._key, content)):
            raise OperatingError("the disk does not take it now")


def connect(
    site: Site,
    wiring: Wiring,
    *,
    clock: Clock,
    dice: random.Random,
    chargers_told: Shelf[bytes],
    disk: Offload,
    ocpp_host: str,
    wills: Mapping[str, Will],
) -> Connected:
    """Make a driver for every box of the wiring.

    Args:
        site: the devices.
        wiring: how they are reached.
        clock: house time.
        dice: spreads attempts.
        chargers_told: what OCPP chargers were told, by port.
        disk: the store's thread.
        ocpp_host: address at which chargers may call.
        wills: last will for the broker link of a connection.

    Raises:
        BadInputError: a device is simulated: only ``hems simulate`` knows such houses.
    """
    by_connection: dict[str, list[Device]] = defaultdict(list)
    for device in site.devices:
        by_connection[wiring.devices[device.id].connection].append(device)
    links = Links(clock=clock, random=dice)
    operator_at = None if wiring.operator is None else wiring.operator.connection
    brokers = {
        name: MqttLink(each, client_id=_client_id(site, wiring, name), will=wills.get(name), clock=clock, random=dice)
        for name, each in wiring.connections.items()
        if isinstance(each, MqttConnection) and (name in by_connection or name in wills or name == operator_at)
    }
    drivers: list[Driver] = []
    stations: dict[int, dict[str, tuple[Charger, OcppConnection]]] = defaultdict(dict)
    for name, devices in by_connection.items():
        match wiring.connections[name]:
            case DsmrConnection() as p1:
                drivers += [p1_driver(p1, meter=each, clock=clock) for each in devices if isinstance(each, GridMeter)]
            case ModbusTcpConnection() | ModbusRtuConnection() as modbus:
                drivers.append(
                    sunspec_driver(
                        modbus,
                        meter=_the(GridMeter, devices),
                        pv=_the(PvPlant, devices),
                        battery=_the(Battery, devices),
                        links=links,
                        clock=clock,
                    )
                )
            case MqttConnection():
                drivers.append(_over_mqtt(brokers[name], devices, wiring, clock))
            case OcppConnection() as ocpp:
                for charger in devices:
                    if isinstance(charger, Charger):
                        stations[ocpp.listen_port][ocpp.identity] = (charger, ocpp)
            case SimulatedConnection():
                raise BadInputError(
                    f'connection "{name}" is simulated: its devices exist in hems simulate only; use hems demo to see '
                    "a whole simulated house, or name how the devices are reached"
                )
    for port, chargers in stations.items():
        memory: Memory = StoredMemory(chargers_told, str(port), disk)
        drivers.append(central_system(chargers, host=ocpp_host, port=port, memory=memory, clock=clock, random=dice))
    return Connected(drivers=tuple(drivers), brokers=brokers, operator_box=_operator_box(wiring, brokers, links, clock))


def _operator_box(
    wiring: Wiring, brokers: Mapping[str, MqttLink], links: Links, clock: Clock
) -> OperatorBox | ModbusOperatorBox | BridgeOperatorBox | None:
    operator = wiring.operator
    if operator is None:
        return None
    match wiring.connections[operator.connection]:
        case MqttConnection():
            return OperatorBox(operator, brokers[operator.connection], clock)
        case ModbusTcpConnection() | ModbusRtuConnection() as modbus:
            return ModbusOperatorBox(operator, modbus, links, clock)
        case BridgeConnection() as bridge:
            return BridgeOperatorBox(operator, bridge, clock)
    return None


def _over_mqtt(mqtt: MqttLink, devices: list[Device], wiring: Wiring, clock: Clock) -> Driver:
    points = {each.id: wiring.devices[each.id].mqtt for each in devices}
    return mqtt_driver(
        mqtt,
        meters={device_id: each for device_id, each in points.items() if isinstance(each, MqttMeter)},
        heat_pumps={device_id: each for device_id, each in points.items() if isinstance(each, MqttHeatPump)},
        clock=clock,
    )


def _the(kind: type[T], devices: list[Device]) -> T | None:
    return next((each for each in devices if isinstance(each, kind)), None)


def _client_id(site: Site, wiring: Wiring, connection: str) -> str:
    """The same after a restart, and no other home's: brokers cut off the older of two clients with one name."""
    wanted = wiring.aggregator
    if wanted is not None and wanted.connection == connection:
        return f"hems-{wanted.aggregator_id}-{wanted.home_id}"
    return f"hems-{hashlib.sha256(site.name.encode()).hexdigest()[:8]}-{connection}"
