"""Fields that say where something is reached: ports, hosts, brokers, topics and values inside messages."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Final

from hems.config.fields import Scalar, matching, one_of, whole
from hems.config.quantity import quoted, refusal
from hems.domain.wiring import MQTT_PORT, MQTT_TLS_PORT, MqttPoint

_BY_ID: Final = "/dev/serial/by-id/"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_NAME_MAX: Final = 253
_INTERFACE: Final = r"[A-Za-z0-9_-]{1,15}"
_BROKER: Final = re.compile(rf"(mqtts?)://(?:({_NAME})|\[([0-9A-Fa-f:.]+)\])(?::(\d{{1,5}}))?/?", re.ASCII)
_TOPIC_BYTES_MAX: Final = 200
"""MQTT allows 65,535; what is longer than this is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """What the address of a broker says."""

    host: str
    port: int
    tls: bool


def _factor(text: str) -> float:
    if not re.fullmatch(r"-?\d{1,7}(\.\d{1,6})?", text, re.ASCII) or float(text) == 0:
        raise refusal(f'{quoted(text)} is not a factor, for example "0.1"; below zero it turns the sign')
    return float(text)


def _serial_port(text: str) -> str:
    if re.fullmatch(r"/dev/tty(USB|ACM)\d+", text, re.ASCII):
        raise refusal(
            f"{quoted(text)} can become another device after a restart; use its name under {_BY_ID} "
            f'(the command "ls {_BY_ID}" shows it)'
        )
    if not re.fullmatch(re.escape(_BY_ID) + r"[\w.:-]+", text, re.ASCII):
        raise refusal(f"{quoted(text)} is not a serial port; its name begins with {_BY_ID}")
    return text


def is_host(text: str) -> bool:
    """Whether a name or an address can be looked up; the system raises UnicodeError where a part is empty or too long.

    What ends with a number is an address: 192.0.2.300 would be looked up for ever as a name that nobody has.
    """
    if re.fullmatch(_NAME, text, re.ASCII) is None:
        return _is_ipv6(text)
    return _is_ipv4(text) if text.rpartition(".")[2].isdigit() else len(text) <= _NAME_MAX


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    """An address of a link may say at which interface, as ``fe80::1%eth0``."""
    address, mark, interface = text.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return not mark or re.fullmatch(_INTERFACE, interface, re.ASCII) is not None


def _hostname(text: str) -> str:
    if re.fullmatch(rf"{_NAME}:\d{{1,5}}", text, re.ASCII):
        raise refusal(f"{quoted(text)} holds a port; write only the host here, the port is a setting of its own")
    if not is_host(text):
        raise refusal(f'{quoted(text)} is not a host name or an address, for example "192.0.2.20"')
    return text


def _broker(text: str) -> BrokerAddress:
    if "@" in text:
        raise refusal('must not hold a login; write "user: NAME" and "password: !secret NAME"')
    match = _BROKER.fullmatch(text)
    if match is None or not is_host(match[2] or match[3]):
        raise refusal(f'{quoted(text)} is not the address of a broker, for example "mqtts://broker.example:8883"')
    scheme, name, address, port = match.groups()
    if port is not None and not 1 <= int(port) <= 65_535:
        raise refusal(f"{quoted(text)}: a port is a whole number from 1 to 65535")
    tls = scheme == "mqtts"
    usual = MQTT_TLS_PORT if tls else MQTT_PORT
    return BrokerAddress(host=name or address, port=usual if port is None else int(port), tls=tls)


def _web_address(text: str) -> str:
    address = re.fullmatch(r"https?://(\[[^\]]+\]|[^/:@\s]+)(:\d{1,5})?(/[!-~]*)?", text)
    if address is None or not is_host(address[1].strip("[]")):
        raise refusal(f'{quoted(text)} is not a web address; write it as in "http://192.0.2.30/limits"')
    return text


def _topic(text: str) -> str:
    if not text or not text.isprintable() or len(text.encode()) > _TOPIC_BYTES_MAX:
        raise refusal(f'{quoted(text)} is not a topic, for example "heatpump/block/set"')
    if any(wildcard in text for wildcard in "+#"):
        raise refusal(f"{quoted(text)} has a wildcard; name one topic, without + and #")
    return text


def _point(text: str) -> MqttPoint:
    topic, mark, path = text.partition("#")
    keys = tuple(path.split(".")) if mark else ()
    if mark and not all(keys):
        message = f'{quoted(text)} does not say which value; write it as in "meter/state#power.total"'
        raise refusal(f"{message}, or without # where the whole message is the number")
    return MqttPoint(topic=_topic(topic), path=keys)


SerialPort = Annotated[
    str, Scalar(_serial_port, {"type": "string", "pattern": f"^{_BY_ID}", "examples": [f"{_BY_ID}usb-FTDI_P1-0000"]})
]
Hostname = Annotated[str, Scalar(_hostname, {"type": "string", "examples": ["192.0.2.20"]})]
Port = Annotated[int, whole(1, 65_535)]
ListenPort = Annotated[int, whole(1_024, 65_535)]
"""Ports below 1024 belong to the system; the daemon is not root."""
UnitId = Annotated[int, whole(0, 255)]
SerialUnitId = Annotated[int, whole(1, 247)]
"""On a serial line 0 is for all at once, and nobody answers it."""
Baud = Annotated[int, one_of(1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200)]
StopBits = Annotated[int, one_of(1, 2)]
RegisterAddress = Annotated[int, whole(0, 65_535)]
BitNumber = Annotated[int, whole(0, 15)]
Factor = Annotated[float, Scalar(_factor, {"type": "number", "examples": ["0.1"]})]
"""What one step of a register is worth."""
Identity = Annotated[str, matching(r"[A-Za-z0-9*_=:+|@.-]{1,48}", "an OCPP identity", "CP-0042")]
"""Characters and length of OCPP's identifierString."""
MqttUrl = Annotated[
    BrokerAddress,
    Scalar(_broker, {"type": "string", "pattern": "^mqtts?://", "examples": ["mqtts://broker.example:8883"]}),
]
"""Without a port it is 1883, with mqtts 8883."""
WebAddress = Annotated[
    str, Scalar(_web_address, {"type": "string", "pattern": "^https?://", "examples": ["http://192.0.2.30/limits"]})
]
TOPIC: Final = Scalar(_topic, {"type": "string", "pattern": "^[^+#]+$", "examples": ["heatpump/block/set"]})
Topic = Annotated[str, TOPIC]
POINT: Final = Scalar(_point, {"type": "string", "examples": ["meter/state#power.total"]})
Point = Annotated[MqttPoint, POINT]
"""TOPIC where the message is a number, TOPIC#key.key where it is JSON with the number inside."""
TopicLevel = Annotated[str, matching(r"[A-Za-z0-9_-]{1,64}", "a name of letters, digits, - and _", "HOME-4711")]
"""One level of a topic."""
