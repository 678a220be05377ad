"""Mistakes that installers make, each planted into a good site file: one message, at its place, to act on."""

import pytest

from hems.config import Severity, check_text
from tests.unit.config.good_site import GOOD, changed, planted
from tests.unit.config.mistakes import CROSSCHECKS, REFERENCES, SCHEMA, SYNTAX

ALL = [
    pytest.param(*edit, id=f"{step}: {name}")
    for step, table in (
        ("syntax", SYNTAX),
        ("schema", SCHEMA),
        ("references", REFERENCES),
        ("cross-checks", CROSSCHECKS),
    )
    for name, edit in table.items()
]


@pytest.mark.parametrize(("before", "after", "words"), ALL)
def test_a_planted_mistake_is_one_error_at_its_place_with_words_to_act_on(before, after, words):
    text, line, column = planted(before, after)

    result = check_text(text, "site.yaml")

    assert result.site is None
    assert [each.severity for each in result.findings] == [Severity.ERROR], result.report
    head, source, caret = result.report.splitlines()
    assert head.startswith(f"site.yaml:{line}:{column}: "), result.report
    for each in words:
        assert each in head, result.report
    assert source.startswith(f"{line:>5} | ")
    assert caret.endswith("^")
    assert not any(jargon in head for jargon in ("Input should", "Value error", "function-", "None", "dict"))


def test_the_caret_stands_under_the_place():
    text, _, _ = planted("import_limit: 17 kW", "import_limit: »17")

    assert check_text(text, "hems.yaml").report == (
        'hems.yaml:9:19: site.grid.import_limit: needs a unit, for example "17 kW"\n'
        "    9 |     import_limit: 17\n"
        "      |                   ^"
    )


def test_the_good_file_has_nothing_to_complain_about():
    result = check_text(GOOD, "site.yaml")

    assert result.report == ""
    assert result.site is not None


def test_a_step_reports_all_its_errors_and_the_next_one_waits():
    text = changed("fuse: 25 A", "fuse: 25").replace("area: NL", "area: nl").replace("connection: p1", "connection: p2")

    findings = check_text(text, "site.yaml").findings

    assert [each.path for each in findings] == ["site.grid.fuse", "tariff.import.source.area"]


def test_at_most_ten_findings_are_shown_and_the_rest_is_counted():
    text = GOOD.replace(" kW", "").replace(" A", "").replace(" kWh", "").replace(" %", "")

    result = check_text(text, "site.yaml")

    assert len(result.findings) > 12
    lines = result.report.splitlines()
    assert sum(line.startswith("site.yaml:") for line in lines) == 11
    assert lines[-1] == f"site.yaml: and {len(result.findings) - 10} more"


@pytest.mark.parametrize("before", ["password: !secret wallbox", '"mqtts://broker.example:8883"'])
@pytest.mark.parametrize("secret", ["hunter2", "'hunter2 and more'", "hunter2 # mine"])
def test_a_password_in_the_file_is_not_in_the_report(before, secret):
    after = f"password: {secret}" if before.startswith("password") else f'"mqtts://me:{secret[:7]}@broker.example"'
    text = changed(before, after).replace("identity: CP-0042", "idenity: CP-0042")

    result = check_text(text, "site.yaml")

    assert result.site is None
    assert "hunter2" not in result.report
    assert "hunter2" not in repr(result.findings)


def test_a_one_phase_house_refuses_every_device_that_needs_more():
    text = changed("phases: 3", "phases: 1")

    heads = [(each.line, each.sentence) for each in check_text(text, "site.yaml").findings]

    assert heads == [
        (36, '"auto" needs three phases and the house has one; write 1, or set site.grid.phases to 3'),
        (43, "the house has one phase, so there is no L2; delete the line, or set site.grid.phases to 3"),
    ]


def test_a_phase_l3_in_a_one_phase_house_is_refused():
    text = (
        changed("phases: 3", "phases: 1")
        .replace("phases: auto", "phases: 1")
        .replace("    phase: L2\n", "")
        .replace("    connection: broker\n", "    connection: broker\n    phase: L3\n")
    )

    (finding,) = check_text(text, "site.yaml").findings

    assert (finding.line, finding.column) == (49, 12)
    assert finding.path == 'heat pump "Heat pump": phase'
    assert "there is no L3" in finding.message


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        pytest.param(
            "max_current: 16 A\n    circuit: Garage",
            "max_current: »32 A\n    circuit: main",
            "32 A on 3 phases is 22 kW, more than the site fuse (25 A). Charging will be limited to 17 kW.",
            id="charger above the site fuse",
        ),
        pytest.param(
            "max_current: 16 A\n    circuit: Carport",
            "max_current: »20 A\n    circuit: Carport",
            '20 A on 1 phase is 5 kW, more than the fuse of circuit "Carport" (16 A). Charging will be',
            id="charger above its circuit's fuse",
        ),
        pytest.param(
            "fuse: 16 A, parent: Garage",
            "fuse: »25 A, parent: Garage",
            '25 A is more than the fuse of circuit "Garage" above it (20 A)',
            id="circuit fuse above its parent's",
        ),
        pytest.param(
            "export_limit: 10 kW",
            "export_limit: »5 kW",
            "6 kWp that nothing limits can export more than 5 kW",
            id="export limit that nothing enforces",
        ),
        pytest.param(
            'url: "mqtts://broker.example:8883"',
            'url: »"mqtt://broker.example"',
            "travels unencrypted",
            id="aggregator without encryption",
        ),
        pytest.param(
            "    mqtt:\n      power: hp/state#power.total\n      room: hp/room\n",
            "    mqtt:\n      »power: hp/state#power.total\n",
            'nobody measures the room, so its heat cannot be planned; add "room: TOPIC"',
            id="room that nobody measures",
        ),
    ],
)
def test_what_still_works_is_a_warning(before, after, words):
    text, line, column = planted(before, after)

    result = check_text(text, "site.yaml")

    assert result.site is not None
    assert [each.severity for each in result.findings] == [Severity.WARNING], result.report
    assert result.report.startswith(f"site.yaml:{line}:{column}: warning: ")
    assert words in result.report
