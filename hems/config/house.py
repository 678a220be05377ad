"""What a running house is made of: the site, and how its devices are reached."""

from collections.abc import Iterator
from dataclasses import dataclass

from hems.config.build import build
from hems.config.build_operator import build_operator
from hems.config.finding import Finding
from hems.config.quantity import quoted
from hems.config.schema import SiteFile
from hems.config.secrets import Secrets
from hems.config.tree import Path, Secret, Tree, Value
from hems.config.wiring import build_wiring
from hems.domain.operator import GridOperator
from hems.domain.site import Site
from hems.domain.wiring import Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place on the earth: north and east are positive [degrees]."""

    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that the site file says, secrets resolved."""

    site: Site
    wiring: Wiring
    location: Location | None
    """None: not said; there is no weather forecast."""
    operator: GridOperator | None = None
    """Who may limit it by law; None: nobody is connected."""


def resolve_secrets(tree: Tree, secrets: Secrets) -> tuple[dict[str, str], list[Finding]]:
    """Values of all secrets that a file refers to, and a finding for each that is not set."""
    values: dict[str, str] = {}
    findings: list[Finding] = []
    for path, name in _references(tree.root, ()):
        value = secrets(name)
        if value:
            values[name] = value
        else:
            findings.append(tree.error(path, f"secret {quoted(name)} is not set. Run: hems secrets set {name}"))
    return values, findings


def build_house(file: SiteFile, secret_by_name: dict[str, str]) -> House:
    """The house; the file has passed every check and all of its secrets are known."""
    location, site = file.site.location, build(file)
    operator = None if file.grid_operator is None else build_operator(file.grid_operator, site)
    return House(
        site=site,
        wiring=build_wiring(file, secret_by_name, site),
        operator=operator,
        location=None if location is None else Location(latitude_deg=location.lat, longitude_deg=location.lon),
    )


def _references(value: Value, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Secret):
        yield path, value.name
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _references(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _references(each, (*path, index))
