"""What may be asked: the only place where bytes from outside become values."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from hems.web.gate import RefusedError

BODY_MAX_BYTES = 16 * 1024
BODY_TIMEOUT_S = 10.0
"""Real seconds for a body of at most 16 KiB: slower ones only hold a connection."""


def _to_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside of time") from None


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class QuoteQuery(BaseModel):
    """What would it cost."""

    model_config = ConfigDict(extra="forbid")

    device_id: Name
    until_at: Instant


class OverrideRequest(BaseModel):
    """A verb and its end."""

    model_config = ConfigDict(extra="forbid", strict=True)

    verb: Literal["charge_now"]
    device_id: Name
    until_at: Instant


Model = TypeVar("Model", bound=BaseModel)


def query(model: type[Model], request: web.Request) -> Model:
    """The query of a request as a value.

    Raises:
        RefusedError: 400, naming the first field that is wrong.
    """
    try:
        return model.model_validate_strings(dict(request.query))
    except ValidationError as error:
        raise _refusal(error) from None


async def body(model: type[Model], request: web.Request) -> Model:
    """The JSON body of a request as a value.

    Raises:
        RefusedError: 400 or 408; too large is 413.
    """
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            content = await request.read()
    except TimeoutError:
        raise RefusedError(408, "The request did not arrive completely.") from None
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> RefusedError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:100]
    return RefusedError(400, f"{field or 'Request'}: {first['msg']}.", field=field or None)
