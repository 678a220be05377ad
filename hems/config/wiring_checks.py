"""Cross-checks of how devices are reached: which kind at which connection, and each address once."""

from collections.abc import Iterator
from typing import Final

from hems.config.devices import DeviceEntry, GridMeterEntry, HeatPumpEntry
from hems.config.finding import Finding
from hems.config.quantity import quoted
from hems.config.schema import Bridge, Dsmr, ModbusRtu, ModbusTcp, Mqtt, Ocpp, SiteFile
from hems.config.topic_checks import check_topics
from hems.config.tree import Path, Tree

PROFILES: Final = ("sunspec",)
"""Register maps that there are."""

# Kind of a device: types of connection that it may have, the usual one first; a simulated one fits every kind.
_POSSIBLE: Final = {
    "grid_meter": ("dsmr", "modbus_tcp", "modbus_rtu", "mqtt"),
    "hybrid_inverter": ("modbus_tcp", "modbus_rtu"),
    "solar": ("modbus_tcp", "modbus_rtu"),
    "battery": ("modbus_tcp", "modbus_rtu"),
    "charger": ("ocpp",),
    "heat_pump": ("mqtt",),
}
_TOPICS: Final = {
    "grid_meter": 'mqtt: {power: "meter/state#power"}',
    "heat_pump": (
        'mqtt: {power: "hp/power", block: {command: "hp/block/set", state: "hp/block"}, '
        'boost: {command: "hp/boost/set", state: "hp/boost"}}'
    ),
}


def check_wiring(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    """Everything about connections that does not fit together."""
    yield from _meter_ports(file, tree)
    yield from _kinds(file, tree)
    yield from check_topics(file, tree)
    yield from _shared_addresses(file, tree)
    yield from _shared_lines(file, tree)
    yield from _shared_connections(file, tree)
    yield from _aggregator(file, tree)


def _meter_ports(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    for name, connection in file.connections.items():
        if not isinstance(connection, Dsmr):
            continue
        if (connection.port is None) == (connection.host is None):
            yield tree.error(
                ("connections", name),
                "needs either a port (serial) or a host (network)",
                'for example "port: /dev/serial/by-id/usb-FTDI_P1-0000"',
                at_key=True,
            )
        elif connection.port is not None and connection.tcp_port is not None:
            message = "belongs to a host; a serial port has none"
            yield tree.error(("connections", name, "tcp_port"), message, "delete it", at_key=True)


def _kinds(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    for index, device in enumerate(file.devices):
        path: Path = ("devices", index)
        connection = file.connections[device.connection]
        possible = _POSSIBLE[device.kind]
        if connection.type not in (*possible, "simulated"):
            kind = device.kind.replace("_", " ")
            message = f"{quoted(device.connection)} is of type {connection.type}, where no {kind} can be"
            advice = f"a {kind} needs a connection of type {' or '.join(possible)}"
            yield tree.error((*path, "connection"), message, advice)
            continue
        yield from _profile(tree, path, device, is_modbus=isinstance(connection, ModbusTcp | ModbusRtu))
        if isinstance(device, GridMeterEntry | HeatPumpEntry):
            yield from _topics(file, tree, path, device)


def _profile(tree: Tree, path: Path, device: DeviceEntry, *, is_modbus: bool) -> Iterator[Finding]:
    choice = " or ".join(PROFILES)
    if is_modbus and device.profile is None:
        message = "Modbus alone does not say which register means what"
        yield tree.error((*path, "connection"), message, f'add "profile: {choice}" to this device')
    elif is_modbus and device.profile not in PROFILES:
        message = f"there is no profile {quoted(str(device.profile))}"
        yield tree.error((*path, "profile"), message, f"the one that works now is {choice}")
    elif not is_modbus and device.profile is not None:
        message = "is a register map of Modbus, and this device is not connected by it"
        yield tree.error((*path, "profile"), message, "delete it", at_key=True)


def _topics(file: SiteFile, tree: Tree, path: Path, device: GridMeterEntry | HeatPumpEntry) -> Iterator[Finding]:
    is_mqtt = isinstance(file.connections[device.connection], Mqtt)
    if is_mqtt and device.mqtt is None:
        message = f"{quoted(device.connection)} is a broker; its topics are missing"
        yield tree.error((*path, "connection"), message, f"add as in {_TOPICS[device.kind]}")
    elif not is_mqtt and device.mqtt is not None:
        message = f"{quoted(device.connection)} is not a broker"
        yield tree.error(
            (*path, "mqtt"), message, "delete the topics, or give the device another connection", at_key=True
        )
    elif isinstance(device, GridMeterEntry):
        yield from _meter_topics(file, tree, (*path, "mqtt"), device)
    else:
        yield from _heat_pump_topics(tree, (*path, "mqtt"), device)


def _meter_topics(file: SiteFile, tree: Tree, path: Path, device: GridMeterEntry) -> Iterator[Finding]:
    phases = None if device.mqtt is None else device.mqtt.phases
    if phases is not None and file.site.grid.phases == 1:
        message = "the house has one phase, so power says it all"
        yield tree.error((*path, "phases"), message, "delete the line, or set site.grid.phases to 3", at_key=True)
    elif phases is not None and len(phases) != 3:
        yield tree.error((*path, "phases"), f"{len(phases)} topics for three phases", "write those of L1, L2 and L3")


def _heat_pump_topics(tree: Tree, path: Path, device: HeatPumpEntry) -> Iterator[Finding]:
    topics = device.mqtt
    if topics is None:
        return
    for name, relay in (("block", topics.block), ("boost", topics.boost)):
        if relay.on == relay.off:
            message = f"on and off are both {quoted(relay.on)}"
            yield tree.error((*path, name), message, "they must differ", at_key=True)
    for name, is_planned, is_measured in (
        ("room", device.comfort is not None, topics.room is not None),
        ("tank", device.tank is not None, topics.tank is not None),
    ):
        if is_planned and not is_measured:
            message = f"nobody measures the {name}, so its heat cannot be planned"
            yield tree.warning(path, message, f'add "{name}: TOPIC" of a thermometer, in degrees C')


def _shared_addresses(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    """Two masters on one address disturb each other in ways that look like a broken device."""
    first_by_address: dict[tuple[object, ...], str] = {}
    for name, connection in file.connections.items():
        match connection:
            case ModbusTcp(host=host, port=port, unit=unit):
                address: tuple[object, ...] = ("unit", host.lower(), port, unit)
                key, what = "host", f"unit {unit} at {host}:{port} is already connected as"
            case ModbusRtu(port=serial_port, unit=unit):
                address = ("unit", serial_port, unit)
                key, what = "unit", f"unit {unit} on this line is already connected as"
            case Ocpp(identity=identity):
                address, key, what = ("identity", identity), "identity", f"{quoted(identity)} is already taken by"
            case Dsmr(port=str(port)) | Bridge(port=port):
                address, key, what = ("port", port), "port", "this port is already taken by"
            case _:
                continue
        first = first_by_address.setdefault(address, name)
        if first != name:
            line = tree.key_place(("connections", first)).line
            advice = "another unit, or one connection too many" if key in ("host", "unit") else "one of them is wrong"
            yield tree.error(("connections", name, key), f"{what} {quoted(first)} on line {line}", advice)


def _shared_lines(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    """An RS-485 line has one speed, and nothing but Modbus on it."""
    first_by_port: dict[str, str] = {}
    other_ports = {each.port: name for name, each in file.connections.items() if isinstance(each, Dsmr | Bridge)}
    for name, connection in file.connections.items():
        if not isinstance(connection, ModbusRtu):
            continue
        if (other := other_ports.get(connection.port)) is not None:
            what = "customer port" if isinstance(file.connections[other], Dsmr) else "bridge"
            message = f"this port is the {what} of {quoted(other)}"
            yield tree.error(("connections", name, "port"), message, "one of them is wrong")
        first = first_by_port.setdefault(connection.port, name)
        wanted = file.connections[first]
        assert isinstance(wanted, ModbusRtu)
        line = tree.key_place(("connections", first)).line
        for key in ("baud", "parity", "stop_bits"):
            if getattr(connection, key) != getattr(wanted, key):
                message = f"{quoted(first)} on line {line} is at the same port with {key} {getattr(wanted, key)}"
                yield tree.error(("connections", name, key), message, "set both devices, and both entries, alike")


def _shared_connections(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    """A charger and a Modbus unit are each one box, and a box is one entry."""
    first_by_connection: dict[str, int] = {}
    for index, device in enumerate(file.devices):
        connection = file.connections[device.connection]
        if not isinstance(connection, Ocpp | ModbusTcp | ModbusRtu) or connection.type not in _POSSIBLE[device.kind]:
            continue
        earlier = first_by_connection.setdefault(device.connection, index)
        if earlier != index:
            message = f"{quoted(device.connection)} already belongs to {quoted(file.devices[earlier].name)}"
            advice = (
                "each charger has an identity of its own"
                if isinstance(connection, Ocpp)
                else "each box has a unit of its own; modules and battery of one box are a hybrid_inverter"
            )
            yield tree.error(("devices", index, "connection"), message, advice)


def _aggregator(file: SiteFile, tree: Tree) -> Iterator[Finding]:
    if file.aggregator is None:
        return
    name = file.aggregator.connection
    broker = file.connections[name]
    if not isinstance(broker, Mqtt):
        message = f"{quoted(name)} is of type {broker.type}; an aggregator is reached over a broker"
        yield tree.error(("aggregator", "connection"), message, "give it a connection of type mqtt")
    elif not broker.url.tls and not _is_this_machine(broker.url.host):
        message = "what the house tells the aggregator, and what it asks for, travels unencrypted"
        yield tree.warning(("connections", name, "url"), message, 'write "mqtts://"')


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"
