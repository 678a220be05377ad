"""Quantities as written, in house units."""

import pytest
from pydantic import TypeAdapter, ValidationError

from hems.config import quantity
from hems.config.quantity import Band


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (quantity.Power, "11 kW", 11_000.0),
        (quantity.Power, "700W", 700.0),
        (quantity.Power, "  2.5   kW ", 2_500.0),
        (quantity.PowerLimit, "0 kW", 0.0),
        (quantity.PeakPower, "6 kWp", 6_000.0),
        (quantity.Current, "25 A", 25.0),
        (quantity.Energy, "10 kWh", 10_000.0),
        (quantity.Percent, "95 %", 95.0),
        (quantity.Percent, "95%", 95.0),
        (quantity.Efficiency, "95 %", 0.95),
        (quantity.Ratio, "21 %", 0.21),
        (quantity.Duration, "15 min", 900.0),
        (quantity.Duration, "0 s", 0.0),
        (quantity.TimeConstant, "2 days", 48.0),
        (quantity.Tilt, "35 deg", 35.0),
        (quantity.Azimuth, "270°", 270.0),
        (quantity.HeatLoss, "180 W/K", 180.0),
        (quantity.Volume, "200 l", 200.0),
        (quantity.Volume, "0.2 m3", 200.0),
        (quantity.Price, "0.21 EUR/kWh", 0.21),
        (quantity.Price, "21.3 ct/kWh", 0.213),
        (quantity.Price, "-5 EUR/MWh", -0.005),
        (quantity.TemperatureBand, "19.5..21.5 degC", Band(19.5, 21.5)),
        (quantity.TemperatureBand, "20 .. 22 °C", Band(20.0, 22.0)),
        (quantity.PercentBand, "10..100 %", Band(10.0, 100.0)),
    ],
)
def test_a_quantity_with_its_unit_becomes_a_number_in_the_house_unit(kind, text, value):
    assert TypeAdapter(kind).validate_python(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (quantity.Power, "17", 'needs a unit, for example "17 kW"'),
        (quantity.Current, "25", 'needs a unit, for example "25 A"'),
        (quantity.Power, "5 kWh", '"5 kWh" is not a power; use W or kW, for example "11 kW"'),
        (quantity.Energy, "10 kW", '"10 kW" is not an energy; use Wh or kWh, for example "10 kWh"'),
        (quantity.PeakPower, "6 kW", '"6 kW" is not a peak power; use Wp or kWp, for example "6 kWp"'),
        (quantity.Current, "25 amps", '"25 amps" is not a current; use A, for example "16 A"'),
        (quantity.Power, "11 KW", '"11 KW": the unit is written "kW", for example "11 kW"'),
        (quantity.Power, "2,5 kW", '"2,5 kW" has a comma; write a point: "2.5 kW"'),
        (quantity.Power, "eleven", '"eleven" is not a power; write a number and a unit, for example "11 kW"'),
        (quantity.Power, "1e3 W", '"1e3 W" is not a power; write a number and a unit, for example "11 kW"'),
        (quantity.Power, "-3 kW", '"-3 kW" is too small; it must be more than 0 kW'),
        (quantity.Duration, "22:30", '"22:30" is a time of day, not a duration; write it as in "15 min"'),
        (quantity.Tilt, "95 deg", '"95 deg" is too much; the most is 90 deg'),
        (quantity.Efficiency, "0 %", '"0 %" is too small; it must be more than 0 %'),
        (quantity.TemperatureBand, "21 degC", '"21 degC" is not a range; write it as in "19.5..21.5 degC"'),
        (quantity.TemperatureBand, "20..22", 'needs a unit, for example "20..22 degC"'),
        (quantity.TemperatureBand, "20..300 degC", '"20..300 degC" is too much; the most is 95 degC'),
        (quantity.PercentBand, "50..50 %", '"50..50 %" is empty; its ends must differ'),
        (
            quantity.Power,
            "9" * 400 + " W",
            f'"{"9" * 37}..." is not a power; write a number and a unit, for example "11 kW"',
        ),
    ],
)
def test_what_is_not_that_quantity_is_refused_with_what_to_write(kind, text, message):
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(text)

    (error,) = refused.value.errors()
    assert error["msg"] == message


def test_the_schema_of_a_quantity_knows_its_pattern():
    schema = TypeAdapter(quantity.Power).json_schema()

    assert schema["type"] == "string"
    assert schema["pattern"] == r"^-?\d{1,9}(?:\.\d{1,9})?\s*(W|kW)$"
