"""The API: documents as the schema says, commands once, bad input refused in a sentence."""

import asyncio
from datetime import timedelta
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from hems.domain.errors import OperatingError
from hems.domain.snapshot import PlanView, Snapshot
from hems.web.permissions import PERMISSIONS
from hems.wire import parse
from tests.support.page_scenes import CAR, NOON, SCENES
from tests.support.web import Web

UNTIL = "2026-06-21T13:00:00Z"
ASK = {"verb": "charge_now", "device_id": CAR, "until_at": UNTIL}


async def openapi(web: Web) -> dict[str, Any]:
    async with web.http.get("/api/v1/openapi.json") as answer:
        found: dict[str, Any] = await answer.json()
        return found


def schema_of(api: dict[str, Any], path: str, method: str = "get", status: str = "200") -> dict[str, Any]:
    """Schema of an answer, with everything that it refers to."""
    schema = api["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    return {**schema, "components": api["components"]}


@pytest.mark.parametrize("scene", SCENES)
async def test_every_scene_is_what_the_published_schema_says(web: Web, scene: str) -> None:
    web.house.show(scene)
    api = await openapi(web)
    for path in ("/state", "/plan"):
        async with web.http.get(f"/api/v1{path}") as answer:
            assert answer.status == 200
            jsonschema.validate(await answer.json(), schema_of(api, path))


async def test_state_and_plan_are_the_documents_of_the_house(web: Web) -> None:
    async with web.http.get("/api/v1/state") as answer:
        assert parse(Snapshot, await answer.read(), source="state") == web.house.snapshot()
    async with web.http.get("/api/v1/plan") as answer:
        assert answer.headers["Content-Encoding"] in ("deflate", "gzip")
        assert parse(PlanView, await answer.read(), source="plan") == web.house.plan_view()


async def test_the_envelope_is_there_or_is_said_to_be_missing(web: Web) -> None:
    async with web.http.get("/api/v1/envelope") as answer:
        jsonschema.validate(await answer.json(), schema_of(await openapi(web), "/envelope"))
    web.house.show("unread")
    async with web.http.get("/api/v1/envelope") as answer:
        assert answer.status == 404
        assert (await answer.json()) == {"error": "There is no envelope yet."}


async def test_every_route_of_the_api_is_described_and_nothing_else(web: Web) -> None:
    api = await openapi(web)
    described = {
        (method.upper(), f"/api/v1{path}") for path, methods in api["paths"].items() for method in methods
    }  # fmt: skip
    assert api["openapi"].startswith("3.1")
    assert described == {key for key in PERMISSIONS if key[1].startswith("/api/")}


async def test_a_quote_says_what_it_costs(web: Web) -> None:
    async with web.http.get("/api/v1/overrides/quote", params={"device_id": CAR, "until_at": UNTIL}) as answer:
        quote = await answer.json()
        jsonschema.validate(quote, schema_of(await openapi(web), "/overrides/quote"))
    assert quote["extra_cost_eur"] > 0
    assert web.house.charged == []


async def test_an_override_is_put_in_force_and_ended(web: Web) -> None:
    async with web.http.post("/api/v1/overrides", json=ASK) as answer:
        assert answer.status == 201
        override = await answer.json()
        jsonschema.validate(override, schema_of(await openapi(web), "/overrides", "post", "201"))
    async with web.http.post(f"/api/v1/overrides/{override['id']}/end", json={}) as answer:
        assert answer.status == 204
    async with web.http.post(f"/api/v1/overrides/{override['id']}/end", json={}) as answer:
        assert answer.status == 404


async def test_a_command_sent_twice_is_carried_out_once(web: Web) -> None:
    web.house.slow = asyncio.Event()
    headers = {"Idempotency-Key": "key-1"}
    first = asyncio.create_task(web.http.post("/api/v1/overrides", json=ASK, headers=headers))
    again = asyncio.create_task(web.http.post("/api/v1/overrides", json=ASK, headers=headers))
    await asyncio.wait({first, again}, timeout=0.1)
    web.house.slow.set()
    answers = [await (await sent).json() for sent in (first, again)]
    async with web.http.post("/api/v1/overrides", json=ASK, headers=headers) as answer:
        assert await answer.json() == answers[0] == answers[1]
    assert len(web.house.charged) == 1


async def test_a_key_of_another_command_is_refused(web: Web) -> None:
    headers = {"Idempotency-Key": "key-1"}
    async with web.http.post("/api/v1/overrides", json=ASK, headers=headers) as answer:
        assert answer.status == 201
    other = {**ASK, "until_at": "2026-06-21T14:00:00Z"}
    async with web.http.post("/api/v1/overrides", json=other, headers=headers) as answer:
        assert answer.status == 409
    assert len(web.house.charged) == 1


async def test_a_command_that_failed_may_be_sent_again_with_its_key(web: Web) -> None:
    web.house.broken = OperatingError("the disk is full: nothing was changed")
    headers = {"Idempotency-Key": "key-1"}
    async with web.http.post("/api/v1/overrides", json=ASK, headers=headers) as answer:
        assert answer.status == 503
        assert (await answer.json())["error"] == "the disk is full: nothing was changed"
    web.house.broken = None
    async with web.http.post("/api/v1/overrides", json=ASK, headers=headers) as answer:
        assert answer.status == 201


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"verb": "explode"}, 400, "verb"),
        ({"device_id": "nobody"}, 404, "device_id"),
        ({"device_id": "battery"}, 404, "device_id"),
        ({"device_id": ""}, 400, "device_id"),
        ({"device_id": 7}, 400, "device_id"),
        ({"until_at": "soon"}, 400, "until_at"),
        ({"until_at": 1_800_000_000}, 400, "until_at"),
        ({"until_at": "2026-06-21T13:00:00"}, 400, "until_at"),
        ({"until_at": "0001-01-01T00:00:00+23:00"}, 400, "until_at"),
        ({"until_at": "9999-12-31T23:59:59-23:00"}, 400, "until_at"),
        ({"until_at": "2026-06-20T13:00:00Z"}, 400, None),
        ({"until_at": (NOON + timedelta(days=2)).isoformat()}, 400, None),
        ({"watts": 1}, 400, "watts"),
    ],
)
async def test_a_bad_command_is_refused_with_its_field(
    web: Web, change: dict[str, object], status: int, field: str | None
) -> None:
    async with web.http.post("/api/v1/overrides", json=ASK | change) as answer:
        assert answer.status == status
        error = await answer.json()
    assert error.get("field") == field
    assert error["error"]
    assert web.house.charged == []


@pytest.mark.parametrize("body", ["", "{", "null", "[]", "NaN", '{"verb":NaN}', "[" * 9_000, '"\\ud800"', "\x00"])
async def test_what_is_no_command_is_refused(web: Web, body: str) -> None:
    async with web.http.post(
        "/api/v1/overrides", data=body.encode(), headers={"Content-Type": "application/json"}
    ) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]


async def test_no_car_is_said_in_words(web: Web) -> None:
    web.house.show("no_car")
    async with web.http.get("/api/v1/overrides/quote", params={"device_id": CAR, "until_at": UNTIL}) as answer:
        assert answer.status == 400
        assert "no car" in (await answer.json())["error"]
