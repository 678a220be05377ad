"""Prices and charges by the clock: time windows of the local week and year, and parts of a price that go by them."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Final

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from hems.config.fields import Model, Scalar
from hems.config.quantity import PRICE, Intensity, Price, quoted, refusal

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIMES: Final = r"([01]\d|2[0-3]):(00|15|30|45)-([01]\d|2[0-4]):(00|15|30|45)"


def _times(text: str) -> tuple[int, int]:
    match = re.fullmatch(_TIMES, text, re.ASCII)
    if match is None:
        raise refusal(f'{quoted(text)} is not a time window of whole quarter hours, for example "17:00-20:00"')
    hours, minutes, end_hours, end_minutes = map(int, match.groups())
    start_s, end_s = hours * 3600 + minutes * 60, end_hours * 3600 + end_minutes * 60
    if end_s > 86_400:
        raise refusal(f'{quoted(text)} ends after midnight; a day ends at "24:00"')
    if start_s == end_s:
        raise refusal(f"{quoted(text)} is empty; its ends must differ")
    return start_s, end_s


def _span(names: Sequence[str], what: str, example: str) -> Callable[[str], tuple[int, ...]]:
    """One name, or two with all between them; past the end of the list it goes on at its start."""

    def check(text: str) -> tuple[int, ...]:
        ends = text.lower().split("-")
        if len(ends) > 2 or any(each not in names for each in ends):
            raise refusal(f'{quoted(text)} is not {what}, for example "{example}"; they are {", ".join(names)}')
        first, last = names.index(ends[0]), names.index(ends[-1])
        count = (last - first) % len(names) + 1
        return tuple(sorted((first + each) % len(names) for each in range(count)))

    return check


def _pattern(names: Sequence[str]) -> str:
    choice = "|".join(names)
    return f"^({choice})(-({choice}))?$"


Times = Annotated[
    tuple[int, int], Scalar(_times, {"type": "string", "pattern": f"^{_TIMES}$", "examples": ["17:00-20:00"]})
]
"""Start and end as seconds after midnight; the end may be the next morning."""
Days = Annotated[
    tuple[int, ...],
    Scalar(
        _span(WEEKDAYS, "a day or a span of days", "mon-fri"),
        {"type": "string", "pattern": _pattern(WEEKDAYS), "examples": ["mon-fri"]},
    ),
]
"""Monday is 0."""
Months = Annotated[
    tuple[int, ...],
    Scalar(
        _span(MONTHS, "a month or a span of months", "nov-mar"),
        {"type": "string", "pattern": _pattern(MONTHS), "examples": ["nov-mar"]},
    ),
]
"""January is 0."""


def _day_of_year(text: str) -> tuple[int, int]:
    # Of a year without 29 February: a billing year must begin every year.
    day = _date_in(f"2001-{text}")
    if day is None:
        raise refusal(f'{quoted(text)} is not month and day of every year, for example "07-01" for 1 July')
    return day.month, day.day


def _day(text: str) -> date:
    day = _date_in(text)
    if day is None:
        raise refusal(f'{quoted(text)} is not a date, for example "2026-09-15"')
    return day


def _date_in(text: str) -> date | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


DayOfYear = Annotated[
    tuple[int, int],
    Scalar(_day_of_year, {"type": "string", "pattern": r"^\d\d-\d\d$", "examples": ["07-01"]}),
]
"""Month and day."""
Day = Annotated[date, Scalar(_day, {"type": "string", "format": "date", "examples": ["2026-09-15"]})]


class WindowEntry(Model):
    """Times of the local week and year; what is not said is always."""

    time: Times | None = None
    """On the wall clock of the house; 22:00-06:00 passes midnight, and day and month are then those of each moment."""
    days: Days | None = None
    months: Months | None = None


class PriceWindowEntry(WindowEntry):
    """A price and when it is in force."""

    price: Price


class IntensityWindowEntry(WindowEntry):
    """CO2 of the grid's energy and when it is so."""

    intensity: Intensity


class TimedPriceEntry(Model):
    """A price that goes by the clock."""

    price: Price
    """Whenever no window fits."""
    windows: Annotated[tuple[PriceWindowEntry, ...], Field(min_length=1)]
    """The first one that fits counts."""


class _OrOnePrice:
    """Annotation of a timed price: it may be written as one price."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """One price has no windows."""

        def check(value: object, validate: ValidatorFunctionWrapHandler) -> object:
            if not isinstance(value, str):
                return validate(value)
            try:
                return TimedPriceEntry.model_construct(price=PRICE.parse(value), windows=())
            except ValueError as error:
                raise refusal(str(error)) from None

        return core_schema.no_info_wrap_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either of them."""
        return {"oneOf": [PRICE.__get_pydantic_json_schema__(schema, handler), handler(schema)]}


PricePart = Annotated[TimedPriceEntry, _OrOnePrice()]
"""A price, or a price by the clock."""
