"""The strict way in: bytes of the aggregator to commands."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from hems import wire
from hems.aggregator.messages import CancelMessage, Command, SetpointMessage
from hems.domain.errors import BadInputError

PAYLOAD_MAX_BYTES = 64 * 1024
_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    "setpoint": TypeAdapter(SetpointMessage),
    "cancel": TypeAdapter(CancelMessage),
}
COMMAND_KINDS = tuple(_ADAPTERS)


def parse_command(kind: str, payload: bytes) -> Command:
    """A command, strictly: no unknown and no repeated key, no number that is none, no text that stands for a number.

    Args:
        kind: last level of the topic.
        payload: as received.

    Raises:
        BadInputError: says what is wrong in one line.
    """
    if kind not in _ADAPTERS:
        raise BadInputError(
            f"cmd/{kind} is not known, there are {' and '.join('cmd/' + each for each in COMMAND_KINDS)}"
        )
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise BadInputError(f"{len(payload)} bytes; at most {PAYLOAD_MAX_BYTES} are read")
    _require_plain_json(payload)
    try:
        command: Command = _ADAPTERS[kind].validate_json(payload, strict=True)
    except ValidationError as error:
        raise BadInputError(wire.describe(error, source=kind).splitlines()[0]) from None
    return command


def identity_of(payload: bytes) -> str | None:
    """``id`` of a message that is otherwise not understood, so that its sender can find the answer."""
    try:
        document = json.loads(payload[:PAYLOAD_MAX_BYTES])
    except (ValueError, RecursionError):
        return None
    found = document.get("id") if isinstance(document, dict) else None
    return found if isinstance(found, str) and len(found) <= 64 and found.isascii() and found.isprintable() else None


def _require_plain_json(payload: bytes) -> None:
    """What the validating reader would pass over in silence."""
    try:
        json.loads(payload.decode(), object_pairs_hook=_without_repetition, parse_constant=_no_number)
    except RecursionError:
        raise BadInputError("nested too deeply") from None
    except UnicodeDecodeError:
        raise BadInputError("not UTF-8 text") from None
    except ValueError as error:
        raise BadInputError(f"not JSON: {error}") from None


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise BadInputError(f'key "{next(name for name in names if names.count(name) > 1)[:64]}" is there twice')
    return content


def _no_number(text: str) -> NoReturn:
    raise BadInputError(f"{text} is not a number")
