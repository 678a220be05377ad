"""The grid operator's section: what it becomes, and mistakes at their place."""

import pytest

from hems.cli.operator_words import operator_lines
from hems.config import House, check_text, load_house
from hems.domain.operator import OperatorControl, Way
from hems.domain.wiring import (
    LimitContact,
    LimitSource,
    ModbusRtuConnection,
    MqttPoint,
    OperatorWiring,
    Register,
    RegisterType,
)
from tests.unit.config.good_site import GOOD


def with_section(section: str) -> str:
    """The good file with a broker and a section."""
    broker = 'connections:\n  box: {type: mqtt, url: "mqtt://192.0.2.9"}\n'
    return (
        GOOD.replace("connections:\n", broker, 1)
        + f"\ngrid_operator:\n  name: Stadtwerke\n  connection: box\n{section}"
    )


def house(section: str) -> House:
    return load_house(with_section(section), "site.yaml", lambda _: "secret")


def test_a_contact_dims_what_the_law_names_and_leaves_what_it_guarantees() -> None:
    found = house('  consumption: {contact: {state: "input/0#state", limited: "off", free: "on"}}\n')
    assert found.operator is not None
    (control,) = found.operator.controls
    names = {"driveway", "hybrid-battery"} & {each.id for each in found.site.controllables}
    assert control.way is Way.CONSUMPTION
    assert control.dims is not None
    assert control.dims <= {each.id for each in found.site.controllables}
    assert control.dims & names
    assert control.floor_w == control.failsafe_w >= 4_200.0
    assert control.failsafe_s == 7_200.0
    assert found.wiring.operator == OperatorWiring(
        connection="box",
        heartbeat_topic=None,
        sources=(
            LimitSource(
                way=Way.CONSUMPTION,
                contacts=(
                    LimitContact(
                        state=MqttPoint(topic="input/0", path=("state",)),
                        limited="off",
                        free="on",
                        limit_w=control.floor_w,
                    ),
                ),
            ),
        ),
    )


def test_stages_of_feed_in_are_parts_of_all_modules() -> None:
    found = house(
        "  heartbeat: box/alive\n  failsafe_duration: 4 h\n"
        "  production: {failsafe: 60 %, contacts: [{state: k1, limit: 60 %}, {state: k3, limit: 0 %}]}\n"
    )
    assert found.operator is not None
    assert found.wiring.operator is not None
    whole_w = sum(each.peak_w for each in found.site.pv)
    assert found.operator.controls == (
        OperatorControl(way=Way.PRODUCTION, failsafe_w=pytest.approx(0.6 * whole_w), failsafe_s=14_400.0),  # type: ignore[arg-type]
    )
    (source,) = found.wiring.operator.sources
    assert [each.limit_w for each in source.contacts] == pytest.approx([0.6 * whole_w, 0.0])
    assert found.wiring.operator.heartbeat_topic == "box/alive"


def test_what_the_installer_enters_counts() -> None:
    found = house("  consumption: {limit: box/lpc, covers: connection, minimum: 3 kW, failsafe: 5 kW}\n")
    assert found.operator is not None
    assert found.operator.controls == (
        OperatorControl(way=Way.CONSUMPTION, failsafe_w=5_000.0, floor_w=3_000.0, dims=None),
    )


@pytest.mark.parametrize(
    ("section", "path", "words"),
    [
        ("", "grid_operator", "nothing that may be limited"),
        ("  consumption: {}\n", "grid_operator.consumption", "either a limit or a contact"),
        ("  production: {failsafe: 0 %}\n", "grid_operator.production", "either a limit or contacts"),
        (
            "  consumption: {covers: connection, contact: {state: k1}}\n",
            "grid_operator.consumption",
            "how much the house may draw",
        ),
        (
            "  failsafe_duration: 1 h\n  consumption: {limit: a}\n",
            "grid_operator.failsafe_duration",
            "is too small",
        ),
        ("  production: {limit: a}\n", "grid_operator.production", "failsafe"),
    ],
)
def test_a_mistake_is_one_error_at_its_place(section: str, path: str, words: str) -> None:
    result = check_text(with_section(section), "site.yaml")
    (finding,) = result.findings
    assert finding.path.startswith(path)
    assert words in finding.message


def test_a_connection_that_is_no_broker_is_refused() -> None:
    text = with_section("  consumption: {limit: a}\n").replace("connection: box", "connection: p1")
    (finding,) = check_text(text, "site.yaml").findings
    assert "which tells no limits" in finding.message
    (finding,) = check_text(
        text.replace("connection: p1\n  consumption", "connection: bxo\n  consumption"), "s"
    ).findings
    assert finding.path == "grid_operator.connection"


def test_less_than_the_law_leaves_is_a_warning() -> None:
    result = check_text(with_section("  consumption: {limit: a, minimum: 1 kW, failsafe: 0.5 kW}\n"), "site.yaml")
    assert result.site is not None
    assert ["less than" in each.message or "below the minimum" in each.message for each in result.findings] == [
        True
    ] * 2


def test_a_box_that_is_asked_has_paths_instead_of_topics() -> None:
    text = with_section(
        "  consumption: {limit: lpc.limit_w}\n  production: {failsafe: 0 %, contacts: [{state: k.1, limit: 30 %}]}\n"
    )
    text = text.replace(
        'box: {type: mqtt, url: "mqtt://192.0.2.9"}', 'box: {type: http, url: "http://192.0.2.9:8080/limits"}'
    )
    found = load_house(text, "site.yaml", lambda _: "secret")
    assert found.wiring.operator is not None
    consumption, production = found.wiring.operator.sources
    assert consumption.limit == MqttPoint(topic="", path=("lpc", "limit_w"))
    assert production.contacts[0].state == MqttPoint(topic="", path=("k", "1"))


@pytest.mark.parametrize(
    "url", ["192.0.2.9/limits", "ftp://192.0.2.9", "http://", "http://a b", "http://user@192.0.2.9/"]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    text = with_section("  consumption: {limit: lpc}\n").replace(
        'box: {type: mqtt, url: "mqtt://192.0.2.9"}', f'box: {{type: http, url: "{url}"}}'
    )
    (finding,) = check_text(text, "site.yaml").findings
    assert "is not a web address" in finding.message


LINE = "box: {type: modbus_rtu, port: /dev/serial/by-id/usb-FTDI_RS485-0000, unit: 3, baud: 19200, parity: even}"
VALUES = (
    "  heartbeat: {fc: 4, address: 9, type: uint16}\n"
    "  consumption:\n"
    "    limit: {fc: 3, address: 40, type: uint32, scale: 0.1, word_order: little}\n"
    '    active: {state: {fc: 3, address: 42}, limited: "2", free: "0"}\n'
    "  production: {failsafe: 60 %, contacts: [{state: {fc: 2, address: 1}, limit: 60 %}, "
    "{state: {fc: 4, address: 7, bit: 3}, limit: 0 %, limited: off, free: on}]}\n"
)


def at_modbus(section: str, connection: str = LINE) -> str:
    return with_section(section).replace('box: {type: mqtt, url: "mqtt://192.0.2.9"}', connection)


def test_registers_of_a_unit_are_read_as_the_installer_wrote_them() -> None:
    found = load_house(at_modbus(VALUES), "site.yaml", lambda _: "secret")
    whole_w = sum(each.peak_w for each in found.site.pv)
    beat = Register(function=4, address=9)
    limit = Register(function=3, address=40, type=RegisterType.UINT32, scale=0.1, word_order="little")
    active, stage = Register(function=3, address=42), Register(function=2, address=1)
    opener = Register(function=4, address=7, bit=3)
    assert found.wiring.connections["box"] == ModbusRtuConnection(
        port="/dev/serial/by-id/usb-FTDI_RS485-0000", baud=19_200, parity="E", unit=3
    )
    assert found.wiring.operator == OperatorWiring(
        connection="box",
        heartbeat_topic=None,
        heartbeat=MqttPoint(topic="", path=(str(beat),)),
        registers=(beat, limit, active, stage, opener),
        sources=(
            LimitSource(
                way=Way.CONSUMPTION,
                limit=MqttPoint(topic="", path=(str(limit),)),
                active=LimitContact(state=MqttPoint(topic="", path=(str(active),)), limited="2", free="0", limit_w=0.0),
            ),
            LimitSource(
                way=Way.PRODUCTION,
                contacts=(
                    LimitContact(
                        state=MqttPoint(topic="", path=(str(stage),)), limited="on", free="off", limit_w=0.6 * whole_w
                    ),
                    LimitContact(state=MqttPoint(topic="", path=(str(opener),)), limited="off", free="on", limit_w=0.0),
                ),
            ),
        ),
    )


def test_hems_check_says_how_it_understood_the_section() -> None:
    result = check_text(at_modbus(VALUES), "site.yaml")
    assert result.report == ""
    assert result.site is not None
    assert result.operator is not None
    assert operator_lines(*result.operator, result.site) == [
        'Stadtwerke, by connection "box"; sign of life: fc 4 address 9 when it has moved',
        "what Hybrid battery, Driveway take from the grid: 7.56 kW while he is silent",
        '    what fc 3 address 40 says as uint32, little word first, times 0.1, in W unless fc 3 address 42 says "0"',
        "what the house feeds in: 3.6 kW while he is silent",
        '    3.6 kW unless fc 2 address 1 says "off"',
        '    0 kW unless fc 4 address 7 bit 3 says "on"',
    ]


@pytest.mark.parametrize(
    ("section", "path", "words"),
    [
        ("  consumption: {limit: box/lpc}\n", "consumption.limit", ("Modbus unit", "{fc: 3, address: 0")),
        (
            "  consumption: {contact: {state: k1}}\n",
            "consumption.contact.state",
            ("Modbus unit", "{fc: 2, address: 0}"),
        ),
        (
            "  heartbeat: a/b\n  consumption: {contact: {state: {fc: 2, address: 0}}}\n",
            "heartbeat",
            ("a register that moves", "type: uint16"),
        ),
        ("  consumption: {contact: {state: {fc: 5, address: 0}}}\n", "contact.state.fc", ("one of 2, 1, 3, 4",)),
        ("  consumption: {contact: {state: {fc: 2}}}\n", "contact.state", ('"address" is missing',)),
        ("  consumption: {contact: {state: {fc: 2, address: 70000}}}\n", "state.address", ("0 to 65535",)),
        ("  consumption: {contact: {state: {fc: 2, address: 0, bti: 1}}}\n", "state.bti", ('did you mean "bit"',)),
        ("  consumption: {contact: {state: {fc: 2, address: 0, bit: 1}}}\n", "state.bit", ("one bit already",)),
        ("  consumption: {contact: {state: {fc: 3, address: 0, bit: 16}}}\n", "state.bit", ("0 to 15",)),
        ("  consumption: {limit: {fc: 2, address: 0, type: int16}}\n", "limit.fc", ("one of 3, 4",)),
        ("  consumption: {limit: {fc: 3, address: 0, type: int8}}\n", "limit.type", ('did you mean "int',)),
        ("  consumption: {limit: {fc: 3, address: 0, type: int16, scale: 0}}\n", "limit.scale", ("not a factor",)),
        ("  consumption: {contact: {state: {fc: 2, address: 0}, limited: closed}}\n", "limited", ("a bit says",)),
        (
            '  consumption: {contact: {state: {fc: 3, address: 0}, limited: "3", free: nothing}}\n',
            "free",
            ("a register says", "or its number"),
        ),
        (
            "  consumption: {contact: {state: {fc: 2, address: 0}, limited: off}}\n",
            "contact.limited",
            ('both "off"', '"on" in quotes'),
        ),
        (
            "  consumption: {contact: {state: {fc: 2, address: 0}}, active: {state: {fc: 2, address: 1}}}\n",
            "consumption.active",
            ("flag beside a limit",),
        ),
        (
            "  production: {failsafe: 0 %, contacts: [{state: {fc: 2, address: 1}, limit: 60 %}, "
            "{state: {fc: 2, address: 1}, limit: 0 %}]}\n",
            "production.contacts[2].state",
            ("same place as on line", "of its own"),
        ),
        (
            "  consumption:\n    limit: {fc: 3, address: 4, type: float32}\n"
            "    active: {state: {fc: 3, address: 5, bit: 0}}\n",
            "consumption.active.state",
            ("same place as on line",),
        ),
    ],
)
def test_a_mistake_with_registers_is_one_error_at_its_place(section: str, path: str, words: tuple[str, ...]) -> None:
    (finding,) = check_text(at_modbus(section), "site.yaml").findings
    assert finding.path.endswith(path), finding
    said = f"{finding.message} {finding.suggestion}"
    assert all(each in said for each in words), said


def test_what_only_looks_like_the_same_place_is_none() -> None:
    section = (
        "  consumption: {contact: {state: {fc: 3, address: 1, bit: 0}}}\n"
        "  production: {failsafe: 0 %, contacts: [{state: {fc: 3, address: 1, bit: 1}, limit: 60 %}, "
        "{state: {fc: 4, address: 1}, limit: 0 %}]}\n"
    )
    assert check_text(at_modbus(section), "site.yaml").report == ""


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("  consumption: {contact: {state: {fc: 2, address: 0}}}\n", "which has no registers"),
        ("  consumption: {contact: {state: a, limited: off}}\n", 'both "off"'),
        (
            "  production: {failsafe: 0 %, contacts: [{state: k1, limit: 60 %}, {state: k1, limit: 0 %}]}\n",
            "the same place",
        ),
    ],
)
def test_the_same_mistakes_at_a_broker(section: str, words: str) -> None:
    (finding,) = check_text(with_section(section), "site.yaml").findings
    assert words in finding.message


@pytest.mark.parametrize(
    ("connections", "path", "words"),
    [
        (LINE + "\n  more: " + LINE[5:], "connections.more.unit", 'unit 3 on this line is already connected as "box"'),
        (
            LINE + "\n  more: " + LINE[5:].replace("unit: 3, baud: 19200, ", "unit: 4, "),
            "connections.more.baud",
            '"box" on line 12 is at the same port with baud 19200',
        ),
        (
            LINE.replace("RS485", "P1"), "connections.box.port", 'this port is the customer port of "p1"'
        ),
    ],
)  # fmt: skip
def test_a_line_is_one_line(connections: str, path: str, words: str) -> None:
    section = "  consumption: {contact: {state: {fc: 2, address: 0}}}\n"
    (finding,) = check_text(at_modbus(section, connections), "site.yaml").findings
    assert finding.path == path
    assert words in finding.message
