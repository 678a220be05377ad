"""OpenAPI 3.1 of the API, its schemas made from the documents themselves."""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from hems.domain.flex import Envelope
from hems.domain.forecast_view import ForecastViews
from hems.domain.learned import LearnedView, LearnedViews
from hems.domain.override import ChargeNow, Quote
from hems.domain.snapshot import PlanView, Snapshot
from hems.web.requests import OverrideRequest

DOCUMENTS: tuple[type[Any], ...] = (
    Snapshot,
    PlanView,
    Envelope,
    Quote,
    ChargeNow,
    LearnedViews,
    LearnedView,
    ForecastViews,
)
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {"type": "string", "description": "What is wrong, in one sentence for people"},
        "field": {"type": "string", "description": "Which part of the request it is about"},
    },
}
INSTANT = {"type": "string", "format": "date-time"}


@cache
def openapi_json() -> bytes:
    """The description as JSON."""
    _, schemas = TypeAdapter.json_schemas(
        [
            *((kind, "serialization", TypeAdapter(kind)) for kind in DOCUMENTS),
            (OverrideRequest, "validation", TypeAdapter(OverrideRequest)),
        ],
        ref_template="#/components/schemas/{model}",
    )
    description = {
        "openapi": "3.1.0",
        "info": {
            "title": "hems",
            "version": "1",
            "description": "The house as one state model. Power into the thing named is positive: charging, buying, "
            "using; PV and selling are negative. Unknown is null, never 0. Instants are UTC.",
        },
        "servers": [{"url": "."}],
        "paths": _paths(),
        "components": {"schemas": {**schemas["$defs"], "Error": ERROR}},
    }
    return json.dumps(description).encode()


def _paths() -> dict[str, Any]:
    return {
        "/state": {"get": _get("The house as of the last tick", Snapshot)},
        "/plan": {"get": _get("Past hours and plan on one time axis", PlanView)},
        "/envelope": {"get": _get("What is promised to the aggregator; 404 before the first", Envelope, 404)},
        "/stream": {
            "get": {
                "summary": "Server-sent events: 'state' (a Snapshot) on connect and on change, at most once a second; "
                "'hb' ({at, version}) every 5 s",
                "responses": {
                    "200": {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
                    "503": _error(503),
                },
            }
        },
        "/openapi.json": {
            "get": {
                "summary": "This description",
                "responses": {"200": {"description": "OpenAPI 3.1", "content": _json({"type": "object"})}},
            }
        },
        "/overrides/quote": {
            "get": {
                **_get("What charging now until then would cost", Quote, 400, 404),
                "parameters": [
                    {"name": "device_id", "in": "query", "required": True, "schema": {"type": "string"}},
                    {"name": "until_at", "in": "query", "required": True, "schema": INSTANT},
                ],
            }
        },
        "/overrides": {"post": _post_override()},
        "/forecasts": {"get": _get("How good forecasts were, and what they do without at present", ForecastViews)},
        "/learned": {"get": _get("What devices turned out to be, suggestions first", LearnedViews)},
        "/learned/{id}/use": {"post": _post_learned("Plan with what was learned; can be undone at any time")},
        "/learned/{id}/decline": {"post": _post_learned("Plan with what the site file says")},
        "/overrides/{id}/end": {
            "post": {
                "summary": "Back to the plan",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"204": {"description": "Ended"}, **_errors(403, 404, 415)},
            }
        },
    }


def _post_learned(summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {
            "200": {"description": "Decided", "content": _json(_reference(LearnedView))},
            **_errors(403, 404, 415),
        },
    }


def _post_override() -> dict[str, Any]:
    return {
        "summary": "Put an override in force; it ends by itself",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Sent again with the same key, the command is carried out once",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            }
        ],
        "requestBody": {"required": True, "content": _json(_reference(OverrideRequest))},
        "responses": {
            "201": {"description": "In force", "content": _json(_reference(ChargeNow))},
            **_errors(400, 403, 404, 409, 413, 415),
        },
    }


def _get(summary: str, answer: type[Any], *errors: int) -> dict[str, Any]:
    found = {"200": {"description": answer.__name__, "content": _json(_reference(answer))}}
    return {"summary": summary, "responses": {**found, **_errors(*errors)}}


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): _error(status) for status in statuses}


def _error(status: int) -> dict[str, Any]:
    return {"description": f"RefusedError ({status})", "content": _json({"$ref": "#/components/schemas/Error"})}


def _reference(kind: type[Any]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
