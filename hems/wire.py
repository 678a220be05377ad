"""Documents as JSON: canonical bytes out (RFC 8785), validated values in, a versioned schema for each.

What is hashed, stored or signed goes through :func:`canonical`, so that equal values have equal bytes on every
machine. What is read goes through :func:`parse`, which answers with one message that says where and what.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import rfc8785
from pydantic import TypeAdapter, ValidationError

from hems.domain.decision import DecisionEpisode
from hems.domain.errors import BadInputError
from hems.domain.flex import Envelope
from hems.domain.plan import Plan
from hems.domain.problem import PlanningProblem
from hems.domain.snapshot import PlanView, Snapshot

T = TypeVar("T")

DOCUMENTS: Mapping[str, type[Any]] = {
    "planning-problem": PlanningProblem,
    "plan": Plan,
    "decision-episode": DecisionEpisode,
    "envelope": Envelope,
    "state": Snapshot,
    "plan-view": PlanView,
}
"""What ``hems schema NAME`` knows besides ``site``."""

ERRORS_SHOWN_MAX = 10


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a type form
    return TypeAdapter(kind)


def _adapter_of(value: object) -> TypeAdapter[Any]:
    kind: Any = type(value)
    return _adapter(kind)


def canonical(value: object) -> bytes:
    """Canonical JSON of a document: one value, one byte string."""
    return rfc8785.dumps(_adapter_of(value).dump_python(value, mode="json"))


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON, as hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def fast_json(value: object) -> bytes:
    """JSON for a pipe between our own processes: same content, no promise about the bytes."""
    return _adapter_of(value).dump_json(value)


def parse(kind: Callable[..., T], text: bytes | str, *, source: str) -> T:
    """Validated document.

    Raises:
        BadInputError: not JSON, or not this document; names each place, at most ten.
    """
    try:
        document: T = _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise BadInputError(describe(error, source=source)) from None
    return document


def describe(error: ValidationError, *, source: str) -> str:
    """One line per finding: where, what."""
    findings = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [
        f"{source}: {'.'.join(str(part) for part in each['loc']) or 'document'}: {each['msg']}" for each in findings
    ]
    hidden = len(lines) - ERRORS_SHOWN_MAX
    return "\n".join(lines[:ERRORS_SHOWN_MAX] + ([f"{source}: and {hidden} more"] if hidden > 0 else []))


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema of a document by its public name.

    Raises:
        KeyError: no such document.
    """
    return schema_of(TypeAdapter(DOCUMENTS[name]), title=name)


def schema_of(adapter: TypeAdapter[Any], *, title: str) -> dict[str, Any]:
    """JSON Schema with its dialect and title."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **adapter.json_schema(mode="validation"),
        "title": f"hems {title}",
    }
