"""How devices are reached: what the installer wrote about connections, secrets resolved. No adapter knows the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from hems.domain.operator import Way
from hems.domain.site import DeviceId

OCPP_PORT = 8887
"""Where chargers call us unless the site file says otherwise."""
MQTT_PORT, MQTT_TLS_PORT = 1883, 8883


@dataclass(frozen=True, slots=True, kw_only=True)
class DsmrConnection:
    """Customer port (P1) of a smart meter: a serial port, or a reader in the network that sends its bytes on."""

    serial_port: str | None = None
    host: str | None = None
    tcp_port: int = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusTcpConnection:
    """One unit behind one endpoint; units of one endpoint share its link."""

    host: str
    port: int = 502
    unit: int = 1

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.host}:{self.port} unit {self.unit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusRtuConnection:
    """One unit on an RS-485 line; units of one line share its link."""

    port: str
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: int = 1
    unit: int = 1

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.port} unit {self.unit}"


ModbusConnection = ModbusTcpConnection | ModbusRtuConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class OcppConnection:
    """A charger that calls ``ws://HOST:listen_port/ocpp/IDENTITY`` with basic authentication."""

    identity: str
    password: str = field(repr=False)
    listen_port: int = OCPP_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConnection:
    """A broker."""

    host: str
    port: int = MQTT_PORT
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConnection:
    """A box that answers with JSON when it is asked."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeConnection:
    """A microcontroller on USB that reads contacts (firmware-bridge/)."""

    port: str


BRIDGE_CONTACTS = tuple(f"in{pin}" for pin in range(1, 9))
"""As the site file names them; a board may have fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConnection:
    """Nothing to reach: a house of ``hems simulate``."""


Connection = (
    DsmrConnection
    | ModbusConnection
    | OcppConnection
    | MqttConnection
    | HttpConnection
    | BridgeConnection
    | SimulatedConnection
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttPoint:
    """A number in a message: the whole payload, or a value inside a JSON payload (``TOPIC#key.key.0`` in the file)."""

    topic: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttMeter:
    """A meter that publishes: power, import positive [W]."""

    power: MqttPoint
    phase_power: tuple[MqttPoint, ...] = ()
    """L1, L2, L3, or none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttRelay:
    """A switch: what is published to change it, and where it tells its state."""

    command_topic: str
    state: MqttPoint
    on: str = "on"
    off: str = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttHeatPump:
    """SG-Ready heat pump behind two relays (block, boost), with what is measured of it."""

    block: MqttRelay
    boost: MqttRelay
    power: MqttPoint
    room: MqttPoint | None = None
    """Room temperature [degrees C]."""
    tank: MqttPoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceWiring:
    """How one device of the site is reached. The two devices of a hybrid inverter have the same connection."""

    connection: str
    profile: str | None = None
    mqtt: MqttMeter | MqttHeatPump | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorWiring:
    """Whom the house tells what it can promise, and over which broker."""

    connection: str
    aggregator_id: str
    home_id: str
    """What the aggregator calls this house: a pseudonym, never the address."""


class RegisterType(StrEnum):
    """What adjacent registers hold together."""

    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"

    @property
    def word_count(self) -> int:
        """Registers of 16 bit."""
        return int(self.value[-2:]) // 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """A value in a Modbus unit: a coil, an input, a bit of a register, or a number in one or more of them."""

    function: int
    """1 coil, 2 discrete input, 3 holding register, 4 input register."""
    address: int
    """On the wire, counted from 0."""
    bit: int | None = None
    """0 is the lowest."""
    type: RegisterType = RegisterType.UINT16
    scale: float = 1.0
    """What one step is worth, in the house unit."""
    word_order: Literal["big", "little"] = "big"

    def __str__(self) -> str:
        """Its name in the document."""
        return f"fc {self.function} address {self.address}" + ("" if self.bit is None else f" bit {self.bit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitContact:
    """A relay contact of the grid operator's, read by an input module."""

    state: MqttPoint
    limited: str
    """What the module tells while the operator limits."""
    free: str
    """What it tells otherwise; all else counts as limited."""
    limit_w: float
    """What then holds [W]; of a flag beside a value nothing of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSource:
    """Where the limit of one way is told."""

    way: Way
    limit: MqttPoint | None = None
    active: LimitContact | None = None
    """A flag beside the limit: while it says otherwise, there is none."""
    contacts: tuple[LimitContact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorWiring:
    """How the grid operator tells his limits: over which broker, or by which box that is asked.

    Of a box the points have no topic: its answer is one document. That of a Modbus unit is made of its registers, that
    of a bridge of its contacts, each under its name.
    """

    connection: str
    heartbeat_topic: str | None
    """None: every message is a sign of life."""
    sources: tuple[LimitSource, ...]
    registers: tuple[Register, ...] = ()
    """What is read of a Modbus unit."""
    heartbeat: MqttPoint | None = None
    """A value of the document that moves while the operator is there; None: every answer is a sign of life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """All connections by their name in the site file, and the devices at them."""

    connections: Mapping[str, Connection]
    devices: Mapping[DeviceId, DeviceWiring]
    aggregator: AggregatorWiring | None = None
    operator: OperatorWiring | None = None
