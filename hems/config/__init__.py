"""The installer's site file: text in, :class:`hems.domain.site.Site` out, or findings at file:line:column."""

from hems.config.finding import Finding, Severity
from hems.config.load import CheckResult, check_file, check_text, load_site, load_site_file
from hems.config.schema import site_schema

__all__ = [
    "CheckResult",
    "Finding",
    "Severity",
    "check_file",
    "check_text",
    "load_site",
    "load_site_file",
    "site_schema",
]
