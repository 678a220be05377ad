# ruff: noqa: S106 - passwords of houses that do not exist
"""How a site file reaches its devices: the wiring in numbers, secrets resolved, where the house stands."""

from pathlib import Path

import pytest

from hems.config import House, Location, Severity, check_text, load_house, load_house_file, load_site
from hems.domain.errors import BadInputError
from hems.domain.site import DeviceId
from hems.domain.wiring import (
    AggregatorWiring,
    BridgeConnection,
    DeviceWiring,
    DsmrConnection,
    ModbusTcpConnection,
    MqttConnection,
    MqttHeatPump,
    MqttMeter,
    MqttPoint,
    MqttRelay,
    OcppConnection,
    SimulatedConnection,
)
from tests.unit.config.good_site import GOOD, changed

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
SECRETS = {"wallbox": "w-1", "carport": "c-2", "mqtt": "m-3"}


def house_of(text: str) -> House:
    return load_house(text, "site.yaml", SECRETS.get)


def test_a_heat_pump_behind_two_contacts_rests_for_two_hours_at_most():
    (pump,) = load_house_file(EXAMPLES / "full.yaml", lambda name: f"<{name}>").site.heat_pumps
    assert pump.rest_max_s == 7_200.0
    (simulated,) = load_house_file(EXAMPLES / "home_b.yaml", lambda name: f"<{name}>").site.heat_pumps
    assert simulated.rest_max_s is None


def test_the_full_house_reaches_every_device():
    house = load_house_file(EXAMPLES / "full.yaml", lambda name: f"<{name}>")

    assert house.location == Location(latitude_deg=52.09, longitude_deg=5.12)
    assert house.wiring.connections == {
        "p1": DsmrConnection(host="192.0.2.10", tcp_port=23),
        "hybrid": ModbusTcpConnection(host="192.0.2.20", port=502, unit=1),
        "shed": ModbusTcpConnection(host="192.0.2.21", port=502, unit=126),
        "battery": ModbusTcpConnection(host="192.0.2.22", port=502, unit=1),
        "driveway": OcppConnection(identity="CP-0042", password="<driveway>", listen_port=8887),
        "guest": OcppConnection(identity="CP-0043", password="<guest>", listen_port=8888),
        "home": MqttConnection(host="192.0.2.5", port=1883, tls=False, user="hems", password="<home_broker>"),
        "market": MqttConnection(
            host="broker.aggregator.example", port=8883, tls=True, user="HOME-4711", password="<market_broker>"
        ),
        "relays": BridgeConnection(port="/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"),
    }
    by_profile = {
        DeviceId(each): DeviceWiring(connection=connection, profile="sunspec")
        for each, connection in (
            ("hybrid-pv", "hybrid"),
            ("hybrid-battery", "hybrid"),
            ("shed", "shed"),
            ("cellar", "battery"),
        )
    }
    topics = MqttHeatPump(
        power=MqttPoint(topic="heatpump/energy", path=("power",)),
        room=MqttPoint(topic="living/sensor", path=("temperature",)),
        tank=MqttPoint(topic="heatpump/tank"),
        block=MqttRelay(command_topic="relays/1/set", state=MqttPoint(topic="relays/1/state")),
        boost=MqttRelay(
            command_topic="relays/2/set",
            state=MqttPoint(topic="relays/2/state", path=("output",)),
            on="true",
            off="false",
        ),
    )
    assert house.wiring.devices == by_profile | {
        DeviceId("grid"): DeviceWiring(connection="p1"),
        DeviceId("driveway"): DeviceWiring(connection="driveway"),
        DeviceId("guest"): DeviceWiring(connection="guest"),
        DeviceId("heat-pump"): DeviceWiring(connection="home", mqtt=topics),
    }
    assert house.wiring.aggregator == AggregatorWiring(connection="market", aggregator_id="FLEX", home_id="HOME-4711")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_a_house_without_a_warning(path: Path):
    result = check_text(path.read_text(), path.name, lambda _: "secret")

    assert result.report == ""
    assert result.house is not None
    assert result.house.site == load_site(path.read_text(), path.name)
    assert set(result.house.wiring.devices) == {device.id for device in result.house.site.devices}
    assert {each.connection for each in result.house.wiring.devices.values()} <= set(result.house.wiring.connections)


def test_a_simulated_house_has_nothing_to_reach_and_no_place():
    house = load_house_file(EXAMPLES / "home_a.yaml")

    assert house.wiring.connections == {"simulated": SimulatedConnection()}
    assert house.wiring.aggregator is None
    assert house.location is None


@pytest.mark.parametrize(
    ("written", "host", "port", "tls"),
    [
        ("mqtt://broker", "broker", 1883, False),
        ("mqtts://broker", "broker", 8883, True),
        ("mqtts://broker.example:1884/", "broker.example", 1884, True),
        ("mqtt://[2001:db8::7]", "2001:db8::7", 1883, False),
        ("mqtt://[2001:db8::7]:1885", "2001:db8::7", 1885, False),
    ],
)
def test_the_address_of_a_broker_is_a_host_a_port_and_whether_it_is_encrypted(written, host, port, tls):
    house = house_of(GOOD.replace("mqtts://broker.example:8883", written))

    assert house.wiring.connections["broker"] == MqttConnection(
        host=host, port=port, tls=tls, user="site-42", password="m-3"
    )


def test_a_meter_at_a_broker_has_its_phases():
    text = changed("connection: p1,", "connection: broker, mqtt: {power: m, phases: [m/1, m/2, m#p.3]},")

    assert house_of(text).wiring.devices[DeviceId("grid")].mqtt == MqttMeter(
        power=MqttPoint(topic="m"),
        phase_power=(MqttPoint(topic="m/1"), MqttPoint(topic="m/2"), MqttPoint(topic="m", path=("p", "3"))),
    )


def test_a_secret_that_is_not_set_is_an_error_at_its_line_and_the_site_is_there():
    result = check_text(GOOD, "site.yaml", {"wallbox": "x", "mqtt": ""}.get)

    assert result.house is None
    assert result.site is not None
    assert [(each.line, each.column, each.severity) for each in result.findings] == [
        (16, 54, Severity.ERROR),
        (17, 85, Severity.ERROR),
    ]
    first, _ = result.findings
    assert first.sentence == 'secret "carport" is not set. Run: hems secrets set carport'
    with pytest.raises(BadInputError, match=r"^site\.yaml:16:54: connections\.carport\.password: secret"):
        load_house(GOOD, "site.yaml", {"wallbox": "x", "mqtt": "y"}.get)


def test_without_secrets_a_file_is_checked_and_gives_no_house():
    result = check_text(GOOD, "site.yaml")

    assert (result.house, result.findings) == (None, ())
    assert result.site is not None


def test_passwords_are_in_no_text_of_the_wiring():
    assert not any(secret in repr(house_of(GOOD)) for secret in SECRETS.values())
