"""The grid operator's section: what it becomes, and mistakes at their place."""

import pytest

from hems.config import House, check_text, load_house
from hems.domain.operator import OperatorControl, Way
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring
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
