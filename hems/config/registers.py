"""Registers of a Modbus unit, as an installer copies them from its manual; and places that may be one."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from hems.config.addresses import POINT, TOPIC, BitNumber, Factor, RegisterAddress
from hems.config.fields import Model, Scalar, one_of
from hems.domain.wiring import MqttPoint


class ContactRegister(Model):
    """A contact in a Modbus unit."""

    fc: Annotated[int, one_of(2, 1, 3, 4)]
    """Function that reads it: 1 coil, 2 discrete input, 3 holding register, 4 input register."""
    address: RegisterAddress
    """On the wire, counted from 0: 10001 or 40001 of a manual is 0."""
    bit: BitNumber | None = None
    """Of a register, 0 is the lowest. Default: the whole register says it."""


class ValueRegister(Model):
    """A number in a Modbus unit."""

    fc: Annotated[int, one_of(3, 4)]
    """Function that reads it: 3 holding register, 4 input register."""
    address: RegisterAddress
    """On the wire, counted from 0: 40001 of a manual is 0."""
    type: Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
    scale: Factor = 1.0
    """What one step is worth, in W; below zero it turns the sign. Default: 1."""
    word_order: Literal["big", "little"] = "big"
    """Which word of a long number comes first. Default: big."""


@dataclass(frozen=True, slots=True, eq=False)
class _TextOr:
    """Annotation of a place: text for a broker or a box asked by HTTP, a group for a Modbus unit."""

    scalar: Scalar
    group: type[Model]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        """Text is checked as such, all else as a group."""
        del source

        def check(value: object, validate: ValidatorFunctionWrapHandler) -> object:
            return self.scalar.check(value) if isinstance(value, str) else validate(value)

        return core_schema.no_info_wrap_validator_function(check, handler.generate_schema(self.group))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either of them."""
        return {"oneOf": [dict(self.scalar.schema), handler(schema)]}


ContactPlace = Annotated[MqttPoint | ContactRegister, _TextOr(POINT, ContactRegister)]
ValuePlace = Annotated[MqttPoint | ValueRegister, _TextOr(POINT, ValueRegister)]
HeartbeatPlace = Annotated[str | ValueRegister, _TextOr(TOPIC, ValueRegister)]
