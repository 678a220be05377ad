"""The installer's site file: text in, :class:`hems.domain.site.Site` and Wiring out, or findings with places."""

from hems.config.finding import Finding, Severity
from hems.config.house import House, Location
from hems.config.load import (
    CheckResult,
    check_file,
    check_text,
    load_house,
    load_house_file,
    load_site,
    load_site_file,
)
from hems.config.schema import site_schema
from hems.config.secrets import SecretFiles, Secrets, read_secrets, write_secret

__all__ = [
    "CheckResult",
    "Finding",
    "House",
    "Location",
    "SecretFiles",
    "Secrets",
    "Severity",
    "check_file",
    "check_text",
    "load_house",
    "load_house_file",
    "load_site",
    "load_site_file",
    "read_secrets",
    "site_schema",
    "write_secret",
]
