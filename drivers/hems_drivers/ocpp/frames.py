"""OCPP-J frames: strict out, tolerant in.

What we send is made of the message classes of the ``ocpp`` package and checked against its schemas, so that a
strict station takes it. What we receive is taken apart here: the package's own session refuses numeric meter values,
answers some frames with a traceback in the log, and loads the classes of OCPP 2 to say "unknown".
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ocpp.charge_point import remove_nones, serialize_as_dict, snake_to_camel_case  # type: ignore[import-untyped]
from ocpp.messages import Call, CallError, CallResult, MessageType, get_validator  # type: ignore[import-untyped]

from hems_drivers.ocpp.inbound import Payload, text

VERSION = "1.6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The station asks or tells."""

    unique_id: str
    action: str
    payload: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The station's answer to a request of ours; ``error`` is its code where it cannot do it."""

    unique_id: str
    payload: Payload
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Not a frame of OCPP. ``unique_id`` where the sender can be told."""

    why: str
    unique_id: str | None = None


def parse(raw: str) -> Request | Reply | Malformed:
    """A frame from anything that a socket can bring; never raises."""
    try:
        frame = json.loads(raw)
    except (ValueError, RecursionError):
        return Malformed(why="not JSON")
    if not isinstance(frame, list) or len(frame) < 3 or not isinstance(frame[1], str):
        return Malformed(why="not a list of type, id and content")
    kind, unique_id = frame[0], frame[1]
    if kind == MessageType.Call:
        payload = frame[3] if len(frame) > 3 else {}
        if not isinstance(frame[2], str) or not isinstance(payload, dict):
            return Malformed(why="a call without action or payload", unique_id=unique_id)
        return Request(unique_id=unique_id, action=frame[2], payload=payload)
    if kind == MessageType.CallResult:
        return Reply(unique_id=unique_id, payload=frame[2] if isinstance(frame[2], dict) else {})
    if kind == MessageType.CallError:
        return Reply(unique_id=unique_id, payload={}, error=text(frame[2]) or "GenericError")
    return Malformed(why="an unknown type of message")


def request(unique_id: str, message: object) -> str:
    """Frame of a call of ours, from a class of ``ocpp.v16.call``."""
    return _checked(Call(unique_id, type(message).__name__, _payload(message)), MessageType.Call)


def result(asked: Request, message: object) -> str:
    """Frame of our answer, from a class of ``ocpp.v16.call_result``."""
    return _checked(CallResult(asked.unique_id, _payload(message), asked.action), MessageType.CallResult)


def refusal(unique_id: str, code: str, why: str) -> str:
    """Frame that says that we cannot."""
    frame: str = CallError(unique_id, code, why, {}).to_json()
    return frame


def _payload(message: object) -> Any:  # noqa: ANN401 - JSON
    return snake_to_camel_case(remove_nones(serialize_as_dict(message)))


def _checked(frame: Any, kind: int) -> str:  # noqa: ANN401 - a class of a package without types
    """The frame as text, valid by its schema; a breach is an error of ours and raises.

    Decimals, because the schemas allow multiples of 0.1 and 7.3 is none as a binary fraction.
    """
    raw: str = frame.to_json()
    exact = json.loads(raw, parse_float=Decimal)[-1]
    get_validator(kind, frame.action, VERSION, parse_float=Decimal).validate(exact)
    return raw
