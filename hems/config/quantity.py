"""Quantities as an installer writes them ("11 kW"), as floats in house units (11000.0 W).

A unit is required, because a bare 17 may mean watts or kilowatts, and the difference is a burnt fuse. Units are
case-sensitive, as in the SI: mW and MW differ by a factor of 10^9.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# Nine digits reach a gigawatt; a limit keeps every number finite.
NUMBER: Final = r"-?\d{1,9}(?:\.\d{1,9})?"
_NUMBER_AND_UNIT: Final = re.compile(rf"({NUMBER})\s*((?:[^\d\s.,:]\S*)?)", re.ASCII)
_BAND: Final = re.compile(rf"({NUMBER})\s*\.\.\s*({NUMBER})\s*((?:[^\d\s.,:]\S*)?)", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"(-?\d+),(\d+)(\s*\S*)", re.ASCII)
_TIME_OF_DAY: Final = re.compile(r"\d{1,2}:\d{2}", re.ASCII)
_QUOTED_CHARACTERS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Band:
    """Two numbers of one unit, ``lower <= upper``; its holder's name carries the unit."""

    lower: float
    upper: float


def quoted(value: str) -> str:
    """A value of the file for a message: in quotes, short, without control characters."""
    visible = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value)
    short = visible if len(visible) <= _QUOTED_CHARACTERS_MAX else visible[: _QUOTED_CHARACTERS_MAX - 3] + "..."
    return f'"{short}"'


def refusal(message: str) -> PydanticCustomError:
    """An error that pydantic passes on word for word."""
    return PydanticCustomError("hems", "{text}", {"text": message})


def text_of(value: object) -> str:
    """The text of a scalar; sections, lists and secrets are refused."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise refusal("is one value here, not a group of settings")
    raise refusal("cannot be a secret; only passwords are")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantity:
    """A kind of quantity: its units with their factors to the house unit, and its bounds in the house unit.

    Used as an annotation of ``float``, it is also the field's JSON Schema.
    """

    noun: str
    units: Mapping[str, str]
    """Unit and its factor as decimal text: 0.01 is exact there and is not as a float."""
    example: str
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    """Like ``minimum``, but the bound itself is refused."""

    def parse(self, text: str) -> float:
        """Number in the house unit.

        Raises:
            ValueError: not this quantity, or outside its bounds; the text says what to write.
        """
        match = _NUMBER_AND_UNIT.fullmatch(text.strip())
        if match is None:
            raise ValueError(self._not_a_quantity(text))
        number, unit = match.groups()
        return self._bounded(text, number, self._known_unit(text, number, unit))

    def parse_band(self, text: str) -> Band:
        """Both ends of ``19.5..21.5 degC``; the unit is written once, at the end.

        Raises:
            ValueError: not such a band, upside down, or outside the bounds.
        """
        match = _BAND.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{quoted(text)} is not a range; write it as in {self.band_example}")
        first, second, unit = match.groups()
        unit = self._known_unit(text, f"{first}..{second}", unit)
        band = Band(self._bounded(text, first, unit), self._bounded(text, second, unit))
        if band.lower == band.upper:
            raise ValueError(f"{quoted(text)} is empty; its ends must differ")
        if band.lower > band.upper:
            raise ValueError(f'{quoted(text)} is upside down; write the lower end first: "{second}..{first} {unit}"')
        return band

    @property
    def band_example(self) -> str:
        """How a range of this quantity looks, in quotes."""
        return f'"19.5..21.5 {self._unit_shown}"' if self._unit_shown == "degC" else f'"10..90 {self._unit_shown}"'

    @property
    def _unit_shown(self) -> str:
        return self.example.split(" ", 1)[1]

    def _known_unit(self, text: str, number: str, unit: str) -> str:
        if unit in self.units:
            return unit
        if not unit:
            raise ValueError(f'needs a unit, for example "{number} {self._unit_shown}"')
        for known in self.units:
            if known.lower() == unit.lower():
                raise ValueError(f'{quoted(text)}: the unit is written "{known}", for example "{number} {known}"')
        *others, last = self.units
        choice = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f'{quoted(text)} is not {self.noun}; use {choice}, for example "{self.example}"')

    def _not_a_quantity(self, text: str) -> str:
        text = text.strip()
        if comma := _DECIMAL_COMMA.fullmatch(text):
            return f'{quoted(text)} has a comma; write a point: "{comma[1]}.{comma[2]}{comma[3]}"'
        if _TIME_OF_DAY.fullmatch(text):
            return f'{quoted(text)} is a time of day, not {self.noun}; write it as in "{self.example}"'
        return f'{quoted(text)} is not {self.noun}; write a number and a unit, for example "{self.example}"'

    def _bounded(self, text: str, number: str, unit: str) -> float:
        factor = Decimal(self.units[unit])
        value = float(Decimal(number) * factor)
        if self.above is not None and value <= self.above:
            raise ValueError(f"{quoted(text)} is too small; it must be more than {self.above / float(factor):g} {unit}")
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"{quoted(text)} is too small; the least is {self.minimum / float(factor):g} {unit}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"{quoted(text)} is too much; the most is {self.maximum / float(factor):g} {unit}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Validate text with :meth:`parse` or, for a Band, :meth:`parse_band`."""
        del handler
        parse = self.parse_band if source is Band else self.parse

        def validate(value: object) -> float | Band:
            try:
                return parse(text_of(value))
            except ValueError as error:
                raise refusal(str(error)) from None

        return core_schema.no_info_plain_validator_function(validate, metadata={"hems_band": source is Band})

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Text with a pattern."""
        del handler
        units = "|".join(re.escape(unit).replace(r"\%", "%") for unit in self.units)
        is_band = schema.get("metadata", {}).get("hems_band", False)
        number = rf"{NUMBER}\s*\.\.\s*{NUMBER}" if is_band else NUMBER
        example = self.band_example.strip('"') if is_band else self.example
        return {"type": "string", "pattern": rf"^{number}\s*({units})$", "examples": [example]}


_POWER: Final = {"W": "1", "kW": "1000"}
_TEMPERATURE: Final = Quantity(
    noun="a temperature", units={"degC": "1", "°C": "1"}, example="21 degC", minimum=0, maximum=95
)
_PERCENT: Final = Quantity(noun="a percentage", units={"%": "1"}, example="10 %", minimum=0, maximum=100)
_PRICE_UNITS: Final = {"EUR/kWh": "1", "ct/kWh": "0.01", "EUR/MWh": "0.001"}

Power = Annotated[float, Quantity(noun="a power", units=_POWER, example="11 kW", above=0)]
"""Above 0 [W]."""
PowerLimit = Annotated[float, Quantity(noun="a power", units=_POWER, example="10 kW", minimum=0)]
"""0 or more: no export at all is a legal limit [W]."""
PeakPower = Annotated[float, Quantity(noun="a peak power", units={"Wp": "1", "kWp": "1000"}, example="6 kWp", above=0)]
"""Above 0 [W]."""
Current = Annotated[float, Quantity(noun="a current", units={"A": "1"}, example="16 A", above=0)]
"""Above 0, per phase [A]."""
Energy = Annotated[float, Quantity(noun="an energy", units={"Wh": "1", "kWh": "1000"}, example="10 kWh", above=0)]
"""Above 0 [Wh]."""
Heat = Annotated[float, Quantity(noun="an energy", units={"Wh": "1", "kWh": "1000"}, example="6 kWh", minimum=0)]
"""0 or more [Wh]."""
PricePerMass = Annotated[
    float,
    Quantity(noun="a price of CO2", units={"EUR/kg": "1", "EUR/t": "0.001"}, example="100 EUR/t", minimum=0),
]
"""0 or more [EUR/kg]."""
Intensity = Annotated[
    float, Quantity(noun="an amount of CO2 per energy", units={"g/kWh": "1"}, example="320 g/kWh", minimum=0)
]
"""0 or more [g/kWh]."""
Metered = Annotated[
    float, Quantity(noun="an energy", units={"kWh": "1000", "MWh": "1000000"}, example="3500 kWh", minimum=0)
]
"""0 or more, as on a bill [Wh]."""
Percent = Annotated[float, _PERCENT]
"""0 to 100 [%]."""
PercentBand = Annotated[Band, _PERCENT]
"""Inside 0 to 100 [%]."""
Ratio = Annotated[float, Quantity(noun="a percentage", units={"%": "0.01"}, example="21 %", minimum=0, maximum=1)]
"""0 to 100 % as 0 to 1."""
Efficiency = Annotated[float, Quantity(noun="an efficiency", units={"%": "0.01"}, example="95 %", above=0, maximum=1)]
"""Above 0 to 100 % as a ratio."""
Duration = Annotated[
    float, Quantity(noun="a duration", units={"s": "1", "min": "60", "h": "3600"}, example="15 min", minimum=0)
]
"""0 or more [s]."""
Period = Annotated[float, Quantity(noun="a duration", units={"s": "1", "min": "60"}, example="10 s", above=0)]
"""Above 0 [s]."""
TimeConstant = Annotated[
    float, Quantity(noun="a time constant", units={"h": "1", "days": "24"}, example="40 h", above=0)
]
"""Above 0 [h]."""
Tilt = Annotated[
    float, Quantity(noun="an angle", units={"deg": "1", "°": "1"}, example="35 deg", minimum=0, maximum=90)
]
"""0 lies flat, 90 is a wall [deg]."""
Azimuth = Annotated[
    float, Quantity(noun="an angle", units={"deg": "1", "°": "1"}, example="180 deg", minimum=0, maximum=360)
]
"""Compass direction: 90 is east, 180 is south [deg]."""
TemperatureBand = Annotated[Band, _TEMPERATURE]
"""0 to 95 [degrees C]: water and rooms."""
HeatLoss = Annotated[
    float, Quantity(noun="a heat loss", units={"W/K": "1", "kW/K": "1000"}, example="180 W/K", above=0)
]
"""Above 0 [W/K]."""
Volume = Annotated[float, Quantity(noun="a volume", units={"l": "1", "m3": "1000"}, example="200 l", above=0)]
"""Above 0 [l]."""
PRICE: Final = Quantity(noun="a price", units=_PRICE_UNITS, example="0.21 EUR/kWh")
Price = Annotated[float, PRICE]
"""Of either sign: market prices and tax credits are below zero at times [EUR/kWh]."""
Fee = Annotated[float, Quantity(noun="a price", units=_PRICE_UNITS, example="0.02 EUR/kWh", minimum=0)]
"""0 or more [EUR/kWh]."""
PricePerPower = Annotated[
    float, Quantity(noun="a price per power", units={"EUR/kW": "1", "ct/kW": "0.01"}, example="4.20 EUR/kW", above=0)
]
"""Above 0 [EUR/kW]."""
