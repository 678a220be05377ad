"""Whatever stands in a site file: a site or findings, inside the file, and no other exception."""

import socket
from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hems.config import Severity, check_text
from hems.config.finding import lines_of
from tests.unit.config.good_site import GOOD

LINES = GOOD.splitlines(keepends=True)
VALUES = ("17", "22:30", "no", "-1 kW", "0 %", "1e9 W", "~", "''", "[]", "{}", "!secret x", "*a", "&a b", "a: b", "№ 5")
TOKENS = (*"\t\n{}[]#'\"|>%@!\\\ufeff\u2028", "  ", ": ", "- ")


@st.composite
def edited(draw):
    """The good file after a few edits of an unlucky evening."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "value", "token", "cut", "indent"])):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "value":
                key, _, _ = lines[at].partition(":")
                lines[at] = f"{key}: {draw(st.sampled_from(VALUES))}\n"
            case "token":
                column = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:column] + draw(st.sampled_from(TOKENS)) + lines[at][column:]
            case "cut":
                column = draw(st.integers(0, len(lines[at])))
                lines[at] = lines[at][:column]
            case _:
                lines[at] = draw(st.sampled_from(["", " ", "  ", "      "])) + lines[at].lstrip()
    return "".join(lines)


def assert_a_site_or_findings_inside(text: str) -> None:
    result = check_text(text, "site.yaml")

    errors = [finding for finding in result.findings if finding.severity is Severity.ERROR]
    assert (result.site is None) == bool(errors)
    lines = lines_of(text.removeprefix("\ufeff"))
    for finding in result.findings:
        assert 1 <= finding.line <= len(lines)
        assert 1 <= finding.column <= len(lines[finding.line - 1]) + 1
        assert finding.message
        assert "is not usable here" not in finding.message, "an error of the schema without words of its own"
    assert result.report.count("\n") < 40
    result.report.encode()


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_a_site_or_findings_inside_the_file(text):
    assert_a_site_or_findings_inside(text)


@given(edited())
@settings(max_examples=150, deadline=None)
def test_any_edit_of_a_good_file_gives_a_site_or_findings_inside_the_file(text):
    assert_a_site_or_findings_inside(text)


@given(st.from_regex(r"[a-z0-9.:%-]{1,80}", fullmatch=True))
@example("inverter..local")
@example("a" * 64)
@example("fe80::1%" + "a" * 64)
@example("::1%ö")
def test_a_host_that_is_taken_can_be_looked_up(host):
    """The system's look-up raises UnicodeError at names that cannot be, which no connection expects."""
    if check_text(GOOD.replace("host: 192.0.2.20}", f"host: '{host}'}}"), "site.yaml").site is not None:
        with suppress(OSError):
            socket.getaddrinfo(host, 502, flags=socket.AI_NUMERICHOST)
