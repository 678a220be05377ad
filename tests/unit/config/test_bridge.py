"""A bridge in the site file: what it becomes, and mistakes at their place."""

import pytest

from hems.cli.operator_words import operator_lines
from hems.config import check_text, load_house
from hems.domain.operator import Way
from hems.domain.wiring import BridgeConnection, LimitContact, LimitSource, MqttPoint, OperatorWiring
from tests.unit.config.good_site import GOOD

PORT = "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"
STAGES = (
    "  production: {failsafe: 0 %, contacts: "
    "[{state: in1, limit: 60 %}, {state: in2, limit: 0 %, limited: off, free: on}]}\n"
)


def with_bridge(section: str, *, port: str = PORT) -> str:
    return (
        GOOD.replace("connections:\n", f"connections:\n  relays: {{type: bridge, port: {port}}}\n", 1)
        + f"\ngrid_operator:\n  name: Stadtwerke\n  connection: relays\n{section}"
    )


def test_contacts_of_a_bridge_are_what_the_installer_wrote() -> None:
    found = load_house(with_bridge(STAGES), "site.yaml", lambda _: "secret")
    whole_w = sum(each.peak_w for each in found.site.pv)
    first, second = (MqttPoint(topic="", path=(name,)) for name in ("in1", "in2"))
    assert found.wiring.connections["relays"] == BridgeConnection(port=PORT)
    assert found.wiring.operator == OperatorWiring(
        connection="relays",
        heartbeat_topic=None,
        sources=(
            LimitSource(
                way=Way.PRODUCTION,
                contacts=(
                    LimitContact(state=first, limited="on", free="off", limit_w=0.6 * whole_w),
                    LimitContact(state=second, limited="off", free="on", limit_w=0.0),
                ),
            ),
        ),
    )


def test_hems_check_says_how_it_understood_it() -> None:
    result = check_text(with_bridge(STAGES), "site.yaml")
    assert result.report == ""
    assert result.site is not None
    assert result.operator is not None
    assert operator_lines(*result.operator, result.site) == [
        'Stadtwerke, by connection "relays"; sign of life: every message or answer',
        "what the house feeds in: 0 kW while he is silent",
        '    3.6 kW unless in1 says "off"',
        '    0 kW unless in2 says "on"',
    ]


@pytest.mark.parametrize(
    ("section", "path", "words"),
    [
        ("  consumption: {limit: in1}\n", "consumption.limit", ("contacts and no values", "contact: {state: in1}")),
        ("  consumption: {contact: {state: in9}}\n", "contact.state", ("this is a contact", "in1 to in8")),
        ("  consumption: {contact: {state: in1#state}}\n", "contact.state", ("in1 to in8",)),
        ("  consumption: {contact: {state: {fc: 2, address: 0}}}\n", "contact.state", ("in1 to in8",)),
        (
            "  consumption: {contact: {state: in1, limited: closed, free: off}}\n",
            "contact.limited",
            ('"closed" is nothing that a contact says', '"on" for closed'),
        ),
        ("  consumption: {contact: {state: in1, limited: off}}\n", "contact.limited", ('both "off"',)),
        (
            "  heartbeat: a/b\n  consumption: {contact: {state: in1}}\n",
            "heartbeat",
            ("of a bridge each answer is a sign of life", "delete it"),
        ),
        (
            "  production: {failsafe: 0 %, contacts: [{state: in1, limit: 60 %}, {state: in1, limit: 0 %}]}\n",
            "production.contacts[2].state",
            ("same place as on line",),
        ),
    ],
)
def test_a_mistake_is_one_error_at_its_place(section: str, path: str, words: tuple[str, ...]) -> None:
    (finding,) = check_text(with_bridge(section), "site.yaml").findings
    assert finding.path.endswith(path), finding
    said = f"{finding.message} {finding.suggestion}"
    assert all(each in said for each in words), said


@pytest.mark.parametrize(
    ("connection", "path", "words"),
    [
        (f"  more: {{type: bridge, port: {PORT}}}\n", "connections.more.port", 'already taken by "relays"'),
        (f"  more: {{type: dsmr, port: {PORT}}}\n", "connections.more.port", 'already taken by "relays"'),
        (
            f"  more: {{type: modbus_rtu, port: {PORT}}}\n",
            "connections.more.port",
            'this port is the bridge of "relays"',
        ),
    ],
)
def test_the_port_of_a_bridge_is_its_own(connection: str, path: str, words: str) -> None:
    text = with_bridge("  consumption: {contact: {state: in1}}\n").replace("  p1: ", f"{connection}  p1: ", 1)
    (finding,) = [each for each in check_text(text, "site.yaml").findings if each.severity == "error"]
    assert finding.path == path
    assert words in finding.message


def test_a_bridge_is_no_meter() -> None:
    text = GOOD.replace(
        "p1: {type: dsmr, port: /dev/serial/by-id/usb-FTDI_P1-0000}", f"p1: {{type: bridge, port: {PORT}}}"
    )
    (finding,) = check_text(text, "site.yaml").findings
    assert "of type bridge" in finding.message
