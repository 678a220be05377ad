"""A checked site file as the domain's Wiring."""

from collections.abc import Mapping
from typing import Final, Literal

from hems.config.build_operator import build_operator_wiring
from hems.config.devices import DeviceEntry, GridMeterEntry, HeatPumpEntry, HeatPumpTopics, MeterTopics, RelayTopics
from hems.config.references import device_ids
from hems.config.schema import Bridge, Dsmr, Http, ModbusRtu, ModbusTcp, Mqtt, Ocpp, SiteFile
from hems.config.schema import Connection as ConnectionEntry
from hems.domain.site import DeviceId, Site
from hems.domain.wiring import (
    AggregatorWiring,
    BridgeConnection,
    Connection,
    DeviceWiring,
    DsmrConnection,
    HttpConnection,
    ModbusRtuConnection,
    ModbusTcpConnection,
    MqttConnection,
    MqttHeatPump,
    MqttMeter,
    MqttRelay,
    OcppConnection,
    SimulatedConnection,
    Wiring,
)

PARITY_LETTER: Final[Mapping[str, Literal["N", "E", "O"]]] = {"none": "N", "even": "E", "odd": "O"}


def build_wiring(file: SiteFile, secret_by_name: Mapping[str, str], site: Site) -> Wiring:
    """How everything is reached; the file has passed every check and all of its secrets are known."""
    devices = {DeviceId(each): _device(entry) for entry in file.devices for each in device_ids(entry)}
    aggregator = None
    if file.aggregator is not None:
        section = file.aggregator
        aggregator = AggregatorWiring(connection=section.connection, aggregator_id=section.id, home_id=section.home)
    return Wiring(
        connections={name: _connection(entry, secret_by_name) for name, entry in file.connections.items()},
        devices=devices,
        aggregator=aggregator,
        operator=build_operator_wiring(file, site),
    )


def _connection(entry: ConnectionEntry, secret_by_name: Mapping[str, str]) -> Connection:
    match entry:
        case Dsmr(port=port, host=host, tcp_port=tcp_port):
            if tcp_port is None:
                return DsmrConnection(serial_port=port, host=host)
            return DsmrConnection(serial_port=port, host=host, tcp_port=tcp_port)
        case ModbusTcp(host=host, port=port, unit=unit):
            return ModbusTcpConnection(host=host, port=port, unit=unit)
        case ModbusRtu(port=serial_port, baud=baud, parity=parity, stop_bits=stop_bits, unit=unit):
            letter = PARITY_LETTER[parity]
            return ModbusRtuConnection(port=serial_port, baud=baud, parity=letter, stop_bits=stop_bits, unit=unit)
        case Ocpp(identity=identity, password=password, listen=listen):
            return OcppConnection(identity=identity, password=secret_by_name[password.name], listen_port=listen)
        case Mqtt(url=url, user=user, password=password):
            secret = None if password is None else secret_by_name[password.name]
            return MqttConnection(host=url.host, port=url.port, tls=url.tls, user=user, password=secret)
        case Http(url=url):
            return HttpConnection(url=url)
        case Bridge(port=bridge_port):
            return BridgeConnection(port=bridge_port)
    return SimulatedConnection()


def _device(entry: DeviceEntry) -> DeviceWiring:
    topics: MqttMeter | MqttHeatPump | None = None
    if isinstance(entry, GridMeterEntry) and entry.mqtt is not None:
        topics = _meter(entry.mqtt)
    elif isinstance(entry, HeatPumpEntry) and entry.mqtt is not None:
        topics = _heat_pump(entry.mqtt)
    return DeviceWiring(connection=entry.connection, profile=entry.profile, mqtt=topics)


def _meter(topics: MeterTopics) -> MqttMeter:
    return MqttMeter(power=topics.power, phase_power=topics.phases or ())


def _heat_pump(topics: HeatPumpTopics) -> MqttHeatPump:
    return MqttHeatPump(
        block=_relay(topics.block),
        boost=_relay(topics.boost),
        power=topics.power,
        room=topics.room,
        tank=topics.tank,
    )


def _relay(topics: RelayTopics) -> MqttRelay:
    return MqttRelay(command_topic=topics.command, state=topics.state, on=topics.on, off=topics.off)
