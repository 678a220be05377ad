"""What is wrong with a file, where, and what to do; and how that is shown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SHOWN_MAX: Final = 10
"""Findings in a report; more would scroll the first one, which is often the cause, off the screen."""
_EXCERPT_CHARACTERS_MAX: Final = 110

# The line breaks that ruamel.yaml counts.
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

# A report is mailed to support; a password that somebody wrote into the file must not travel with it.
_LITERAL_SECRET: Final = re.compile(
    r"""(?<=pass)(?:\w*["']?\s*:\s*)(?!\s*!secret)(?P<value>"[^"]*"|'[^']*'|[^,}#\s][^,}#]*)|://(?P<url>[^\s@,}]+)@""",
    re.IGNORECASE,
)


class Severity(StrEnum):
    """Whether the file can be used."""

    ERROR = "error"
    WARNING = "warning"
    """It can, but the installer should know."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A character of the file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem at one place."""

    severity: Severity
    line: int
    """From 1."""
    column: int
    """In characters, from 1."""
    path: str
    """The setting, with names instead of indexes; empty for the whole file."""
    message: str
    suggestion: str | None = None

    @property
    def sentence(self) -> str:
        """Message and suggestion together."""
        return self.message if self.suggestion is None else f"{self.message}; {self.suggestion}"


def error_at(place: Place, path: str, message: str, suggestion: str | None = None) -> Finding:
    """A finding that makes the file unusable."""
    return Finding(
        severity=Severity.ERROR,
        line=place.line,
        column=place.column,
        path=path,
        message=message,
        suggestion=suggestion,
    )


def warning_at(place: Place, path: str, message: str, suggestion: str | None = None) -> Finding:
    """A finding that the installer should know."""
    return Finding(
        severity=Severity.WARNING,
        line=place.line,
        column=place.column,
        path=path,
        message=message,
        suggestion=suggestion,
    )


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether one of them makes the file unusable."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def in_reading_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """From the top of the file to its end, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda each: (each.line, each.column, each.message)))


def lines_of(text: str) -> list[str]:
    """Lines as the YAML reader counts them; at least one."""
    return _LINE_BREAK.split(text)


def content_lines(text: str) -> list[str]:
    """Lines up to the last one with content; at least one."""
    lines = lines_of(text)
    while len(lines) > 1 and not lines[-1].strip():
        lines.pop()
    return lines


def place_inside(lines: Sequence[str], line: int, column: int) -> Place:
    """A place of the YAML reader in :func:`content_lines`; one behind them moves to the end of the last."""
    if line > len(lines):
        return Place(len(lines), len(lines[-1]) + 1)
    return Place(max(line, 1), max(1, min(column, len(lines[line - 1]) + 1)))


def place_of_offset(text: str, offset: int) -> Place:
    """Place of a character by its index."""
    before = lines_of(text[: max(offset, 0)])
    return place_inside(content_lines(text), len(before), len(before[-1]) + 1)


def render(findings: Sequence[Finding], *, source: str, text: str) -> str:
    """The report: every finding with its line and a caret, at most ten, then how many are left."""
    lines = lines_of(text)
    blocks = [_block(finding, source, lines) for finding in findings[:SHOWN_MAX]]
    hidden = len(findings) - SHOWN_MAX
    if hidden > 0:
        blocks.append(f"{source}: and {hidden} more")
    return "\n".join(blocks)


def head(finding: Finding, source: str) -> str:
    """``FILE:LINE:COL: path: message``; warnings say that they are."""
    parts = [f"{source}:{finding.line}:{finding.column}"]
    if finding.severity is Severity.WARNING:
        parts.append("warning")
    if finding.path:
        parts.append(finding.path)
    return ": ".join([*parts, finding.sentence])


def _block(finding: Finding, source: str, lines: Sequence[str]) -> str:
    line = lines[finding.line - 1] if finding.line <= len(lines) else ""
    if not line:
        return head(finding, source)
    start = max(0, finding.column - _EXCERPT_CHARACTERS_MAX + 20)
    shown = _printable(line)[start : start + _EXCERPT_CHARACTERS_MAX].rstrip()
    caret = " " * (finding.column - 1 - start) + "^"
    return f"{head(finding, source)}\n{finding.line:>5} | {shown}\n      | {caret}"


def _printable(line: str) -> str:
    """The line with secrets masked; every character one column wide, so that the caret stands under its place."""
    masked = _LITERAL_SECRET.sub(_mask, line)
    return "".join(" " if char == "\t" else char if char.isprintable() else "?" for char in masked)


def _mask(match: re.Match[str]) -> str:
    whole = match.group(0)
    secret = match.group("value") or match.group("url")
    return whole.replace(secret, "*" * len(secret), 1)
