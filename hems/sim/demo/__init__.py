"""The houses of the demo: their site files, and what is true of their past, prices and weather.

Nothing here loads numpy, because the daemon of a demo reads it too.
"""

from pathlib import Path

from hems.domain.errors import BadInputError

HOUSES = ("full", "small")
OCPP_IDENTITY = "demo-wallbox"
OCPP_PATH = f"/ocpp/{OCPP_IDENTITY}"
MODBUS_UNIT, METER_UNIT = 1, 2
"""Hybrid inverter, and the same grid connection seen by a Modbus meter (SunSpec 203)."""

_FOLDER = Path(__file__).parent


def require_house(name: str) -> str:
    """The name of a house.

    Raises:
        BadInputError: there is no such house.
    """
    if name not in HOUSES:
        raise BadInputError(f'--house: "{name}" is not a demo house; choose from {", ".join(HOUSES)}')
    return name


def site_text(house: str, *, p1_port: int, modbus_port: int, mqtt_port: int = 1883, ocpp_port: int = 8887) -> str:
    """The site file of a demo house, its ports on loopback filled in.

    The full house names one secret, ``wallbox``: the charger's password.

    Raises:
        BadInputError: there is no such house.
    """
    text = (_FOLDER / f"{require_house(house)}.yaml").read_text(encoding="utf-8")
    ports = {"p1_port": p1_port, "modbus_port": modbus_port, "mqtt_port": mqtt_port, "ocpp_port": ocpp_port}
    for name, port in ports.items():
        text = text.replace(f"{{{name}}}", str(port))
    return text
