"""Site file in, Site (and, with secrets, House) out, in steps: syntax, schema, references, cross-checks, secrets.

A step reports everything that it finds; the next one runs only on a base without errors, because errors that
follow from errors hide the cause.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hems.config.build import build
from hems.config.build_operator import told_operator
from hems.config.crosschecks import crosscheck
from hems.config.finding import (
    Finding,
    Place,
    error_at,
    has_errors,
    in_reading_order,
    place_of_offset,
    render,
)
from hems.config.house import House, build_house, resolve_secrets
from hems.config.references import check_references
from hems.config.schema import SiteFile
from hems.config.secrets import SecretFiles, Secrets
from hems.config.tree import parse_tree
from hems.config.validate import validated
from hems.domain.errors import BadInputError
from hems.domain.operator import GridOperator
from hems.domain.site import Site
from hems.domain.wiring import OperatorWiring

log = logging.getLogger(__name__)

FILE_BYTES_MAX: Final = 65_536
"""Fifty times a large house; parsing it takes seconds on a Pi."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What came out of a site file."""

    source: str
    text: str
    """What was read; empty if nothing could be."""
    site: Site | None
    """None: there are errors."""
    findings: tuple[Finding, ...]
    """In reading order; with a site, warnings only, and missing secrets where those were asked for."""
    house: House | None = None
    """None: there are errors, or nobody gave the secrets."""
    operator: tuple[GridOperator, OperatorWiring] | None = None
    """Who may limit the house by law, and where he tells it."""
    is_readable: bool = True
    """False: there is no such file, or it is no text."""

    @property
    def report(self) -> str:
        """Findings with their lines and carets; empty where there are none."""
        return render(self.findings, source=self.source, text=self.text)


def check_text(text: str, source: str, secrets: Secrets | None = None) -> CheckResult:
    """Everything that there is to say about a site file; never raises for what is in it.

    With ``secrets`` a missing one is an error at its line; the site is there all the same, the house is not.
    """
    text = text.removeprefix("\ufeff")
    if len(text.encode(errors="replace")) > FILE_BYTES_MAX:
        finding = error_at(Place(1, 1), "", f"the file has more than {FILE_BYTES_MAX // 1024} KiB; is it a site file?")
        return CheckResult(source=source, text=text, site=None, findings=(finding,))
    file, house, findings = _steps(text, secrets)
    site = None if file is None else build(file)
    operator = None if file is None or site is None else told_operator(file, site)
    return CheckResult(
        source=source, text=text, site=site, findings=in_reading_order(findings), house=house, operator=operator
    )


def check_file(path: Path, secrets: Secrets | None = None) -> CheckResult:
    """Like :func:`check_text`, for a file that may be absent or no text."""
    source = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _unreadable(source, "", Place(1, 1), f"the file cannot be read: {reason}")
    if len(content) > FILE_BYTES_MAX:
        message = f"the file has more than {FILE_BYTES_MAX // 1024} KiB; is it a site file?"
        return _unreadable(source, "", Place(1, 1), message)
    try:
        return check_text(content.decode(), source, secrets)
    except UnicodeDecodeError as error:
        readable = content[: error.start].decode()
        text = content.decode(errors="replace")
        message = f"the file is not UTF-8 text (byte 0x{content[error.start]:02x}); save it as UTF-8"
        return _unreadable(source, text, place_of_offset(text, len(readable)), message)


def load_house(text: str, source: str, secrets: Secrets) -> House:
    """The house that a site file describes, with how its devices are reached.

    Args:
        text: content of the file.
        source: how the file is called in messages.
        secrets: value of each secret that the file refers to.

    Raises:
        BadInputError: it has errors, or a secret is missing; the text is the report.
    """
    return _house_of(check_text(text, source, secrets))


def load_house_file(path: Path, secrets: Secrets | None = None) -> House:
    """Like :func:`load_house`, from a file; by default with the secrets beside it, or those that systemd gives.

    Raises:
        BadInputError: it cannot be read, has errors, or a secret is missing; the text is the report.
    """
    if secrets is None:
        secrets = files = SecretFiles(path, os.environ)
        if (warning := files.warning()) is not None:
            log.warning("%s", warning)
    return _house_of(check_file(path, secrets))


def load_site(text: str, source: str) -> Site:
    """The house that a site file describes.

    Args:
        text: content of the file.
        source: how the file is called in messages.

    Raises:
        BadInputError: it has errors; the text is the report.
    """
    return _site_of(check_text(text, source))


def load_site_file(path: Path) -> Site:
    """Like :func:`load_site`, from a file.

    Raises:
        BadInputError: it cannot be read or has errors; the text is the report.
    """
    return _site_of(check_file(path))


def _site_of(result: CheckResult) -> Site:
    if result.site is None:
        raise BadInputError(result.report)
    return result.site


def _house_of(result: CheckResult) -> House:
    if result.house is None:
        raise BadInputError(result.report)
    return result.house


def _steps(text: str, secrets: Secrets | None) -> tuple[SiteFile | None, House | None, list[Finding]]:
    """The file, if it has no errors, and the house, if its secrets are known too."""
    tree, findings = parse_tree(text)
    if tree is None:
        return None, None, findings
    file, findings = validated(tree)
    if file is None:
        return None, None, findings
    findings = check_references(file, tree)
    if has_errors(findings):
        return None, None, findings
    findings += crosscheck(file, tree)
    if has_errors(findings):
        return None, None, findings
    if secrets is None:
        return file, None, findings
    secret_by_name, missing = resolve_secrets(tree, secrets)
    if missing:
        return file, None, findings + missing
    return file, build_house(file, secret_by_name), findings


def _unreadable(source: str, text: str, place: Place, message: str) -> CheckResult:
    return CheckResult(source=source, text=text, site=None, findings=(error_at(place, "", message),), is_readable=False)
