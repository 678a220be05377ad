"""Fields that are not quantities: names, places, secrets, phases; and the base of every model.

Addresses are in :mod:`hems.config.addresses`.
"""

import difflib
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from hems.config.quantity import quoted, refusal, text_of
from hems.config.tree import Secret

_NAME_CHARACTERS_MAX: Final = 60

BIDDING_ZONES: Final = (
    *("AT", "BE", "BG", "CH", "CZ", "DE-LU", "DK1", "DK2", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
    *("IT-Calabria", "IT-Centre-North", "IT-Centre-South", "IT-North", "IT-Sardinia", "IT-Sicily", "IT-South"),
    *("LT", "LV", "ME", "NL", "NO1", "NO2", "NO3", "NO4", "NO5", "PL", "PT", "RO", "RS"),
    *("SE1", "SE2", "SE3", "SE4", "SI", "SK"),
)
"""Of the European day-ahead market, as energy-charts.info calls them."""


class Model(BaseModel):
    """A group of settings: unknown ones are errors, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, None where nothing is near."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower()[:_NAME_CHARACTERS_MAX], by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """Annotation of a field: how its text is checked, and its JSON Schema."""

    check: Callable[[str], object]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Validate with ``check``."""
        del source, handler
        return core_schema.no_info_plain_validator_function(lambda value: self.check(text_of(value)))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema given."""
        del schema, handler
        return dict(self.schema)


@dataclass(frozen=True, slots=True)
class SecretOnly:
    """Annotation of a field whose value must never stand in the file."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Accept a reference only."""
        del source, handler

        def check(value: object) -> Secret:
            if isinstance(value, Secret):
                return value
            raise refusal('must not stand in this file; write "!secret NAME", the value belongs into the secret store')

        return core_schema.no_info_plain_validator_function(check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """An editor sees the name behind the tag."""
        del schema, handler
        return {"type": "string", "description": "Only as a reference: !secret NAME", "examples": ["!secret wallbox"]}


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise refusal("must be a name that can be read")
    if len(text) > _NAME_CHARACTERS_MAX:
        raise refusal(f"is {len(text)} characters long; the most is {_NAME_CHARACTERS_MAX}")
    return text.strip()


def matching(pattern: str, what: str, example: str) -> Scalar:
    """Text of a pattern."""
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise refusal(f'{quoted(text)} is not {what}, for example "{example}"')
        return text

    return Scalar(check, {"type": "string", "pattern": f"^{pattern}$", "examples": [example]})


LEAP_SECONDS = "right/"
"""Zones of another time than UTC: their clocks change between two quarter hours."""


def _timezone(text: str) -> str:
    with suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        zoneinfo.ZoneInfo(text)
        if not text.startswith(LEAP_SECONDS):
            return text
    close = nearest(text, zoneinfo.available_timezones())
    advice = f'did you mean "{close}"?' if close else 'it looks like "Europe/Amsterdam"'
    raise refusal(f"{quoted(text)} is not a time zone; {advice}")


def _time_of_day(text: str) -> int:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, re.ASCII):
        raise refusal(f'{quoted(text)} is not a time of day, for example "07:30"')
    return int(text[:2]) * 3600 + int(text[3:]) * 60


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise refusal(f"{quoted(text)} is neither true nor false")
    return text == "true"


def _ratio(text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", text, re.ASCII):
        raise refusal(f'{quoted(text)} is not a plain number, for example "3.8"')
    if not 1 <= float(text) <= 10:
        raise refusal(f"{quoted(text)} is not between 1 and 10: heat pumps give 2 to 6 times what they take")
    return float(text)


def _degrees(maximum: int, example: str) -> Scalar:
    """Signed decimal degrees of latitude or longitude."""

    def check(text: str) -> float:
        if not re.fullmatch(r"-?\d{1,3}(\.\d{1,9})?", text, re.ASCII):
            raise refusal(f'{quoted(text)} is not a plain number of degrees, for example "{example}"')
        if abs(float(text)) > maximum:
            raise refusal(f"{quoted(text)} is not between -{maximum} and {maximum}")
        return float(text)

    return Scalar(check, {"type": "number", "minimum": -maximum, "maximum": maximum, "examples": [example]})


def _zone(text: str) -> str:
    if text not in BIDDING_ZONES:
        close = nearest(text, BIDDING_ZONES) or next((zone for zone in BIDDING_ZONES if zone[:2] == text[:2]), None)
        advice = f'did you mean "{close}"?' if close else f"it is one of {', '.join(BIDDING_ZONES)}"
        raise refusal(f"{quoted(text)} is not a bidding zone; {advice}")
    return text


def whole(minimum: int, maximum: int) -> Scalar:
    """A whole number between two bounds."""

    def check(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not minimum <= int(text) <= maximum:
            raise refusal(f"{quoted(text)} is not a whole number from {minimum} to {maximum}")
        return int(text)

    return Scalar(check, {"type": "integer", "minimum": minimum, "maximum": maximum})


def one_of(*options: int | str) -> Scalar:
    """One of a few numbers or words."""
    by_text = {str(option): option for option in options}

    def check(text: str) -> int | str:
        if text not in by_text:
            raise refusal(f"{quoted(text)} is not possible here; it is one of {', '.join(by_text)}")
        return by_text[text]

    return Scalar(check, {"enum": list(options), "examples": [str(options[0])]})


Name = Annotated[str, Scalar(_name, {"type": "string", "minLength": 1, "maxLength": 60, "examples": ["Driveway"]})]
Word = Annotated[str, Scalar(_name, {"type": "string", "minLength": 1, "maxLength": 60, "examples": ["on"]})]
"""What a device understands."""
Reference = Annotated[str, Scalar(_name, {"type": "string", "minLength": 1, "maxLength": 60})]
"""The name of something else in the file."""
TimeZone = Annotated[str, Scalar(_timezone, {"type": "string", "examples": ["Europe/Amsterdam"]})]
SecretField = Annotated[Secret, SecretOnly()]
Profile = Annotated[str, matching(r"[a-z0-9][a-z0-9._-]*", "the name of a profile", "sunspec")]
Area = Annotated[str, Scalar(_zone, {"enum": list(BIDDING_ZONES), "examples": ["NL"]})]
Latitude = Annotated[float, _degrees(90, "52.09")]
"""North is positive [deg]."""
Longitude = Annotated[float, _degrees(180, "5.12")]
"""East is positive [deg]."""
TimeOfDay = Annotated[
    int,
    Scalar(_time_of_day, {"type": "string", "pattern": "^([01]\\d|2[0-3]):[0-5]\\d$", "examples": ["07:30"]}),
]
"""Local time, as seconds after midnight."""
Flag = Annotated[bool, Scalar(_flag, {"type": "boolean"})]
CopRatio = Annotated[float, Scalar(_ratio, {"type": "number", "minimum": 1, "maximum": 10})]
"""Heat per electricity."""
Version = Annotated[Literal[1], one_of(1)]
PhaseCount = Annotated[Literal[1, 3], one_of(1, 3)]
ChargingPhases = Annotated[Literal[1, 3, "auto"], one_of(1, 3, "auto")]
"""``auto`` changes between one and three."""
PhaseName = Literal["L1", "L2", "L3"]
