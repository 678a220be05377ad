"""The API under ``/api/v1``: what the house says as JSON, and the owner's few commands."""

import re

from aiohttp import web

from hems.domain.errors import BadInputError
from hems.domain.override import ChargeNow
from hems.domain.site import DeviceId
from hems.ports import House
from hems.web.gate import RefusedError
from hems.web.once import Once
from hems.web.openapi import openapi_json
from hems.web.permissions import role_of
from hems.web.requests import OverrideRequest, QuoteQuery, body, query
from hems.wire import fast_json

KEY_HEADER = "Idempotency-Key"
KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
COMPRESS_FROM_BYTES = 1024


class Api:
    """Handlers over the house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._once = Once()

    async def state(self, _request: web.Request) -> web.Response:
        """The house as of the last tick."""
        return document(self._house.snapshot())

    async def plan(self, _request: web.Request) -> web.Response:
        """Past hours and plan."""
        return document(self._house.plan_view())

    async def envelope(self, _request: web.Request) -> web.Response:
        """What is promised to the aggregator; 404 before the first."""
        envelope = self._house.envelope()
        if envelope is None:
            raise RefusedError(404, "There is no envelope yet.")
        return document(envelope)

    async def openapi(self, _request: web.Request) -> web.Response:
        """This API in its own words."""
        return _json(openapi_json())

    async def quote(self, request: web.Request) -> web.Response:
        """What charging now until then would cost."""
        wanted = query(QuoteQuery, request)
        device_id = self._charger(wanted.device_id)
        return document(await self._house.quote(device_id=device_id, until_at=wanted.until_at))

    async def charge_now(self, request: web.Request) -> web.Response:
        """Put an override in force, once for each key."""
        wanted = await body(OverrideRequest, request)
        device_id = self._charger(wanted.device_id)
        by = role_of(request)

        async def work() -> ChargeNow:
            return await self._house.charge_now(device_id=device_id, until_at=wanted.until_at, by=by)

        key = request.headers.get(KEY_HEADER)
        if key is None:
            return document(await work(), status=201)
        if not KEY_PATTERN.fullmatch(key):
            raise RefusedError(400, f"{KEY_HEADER} is 1 to 64 letters, digits, _ or -.", field=KEY_HEADER)
        return document(await self._once(key, f"{by} {wanted.model_dump_json()}", work), status=201)

    async def end(self, request: web.Request) -> web.Response:
        """Back to the plan."""
        override_id = request.match_info["id"]
        try:
            await self._house.end_override(override_id, by=role_of(request))
        except BadInputError as error:
            raise RefusedError(404, str(error), field="id") from None
        return web.Response(status=204, headers={"Cache-Control": "no-store"})

    async def forecasts(self, _request: web.Request) -> web.Response:
        """How good forecasts were, and what they do without."""
        return document(self._house.forecasts())

    async def learned(self, _request: web.Request) -> web.Response:
        """What devices turned out to be."""
        return document(self._house.learned())

    async def use_learned(self, request: web.Request) -> web.Response:
        """Plan with what was learned."""
        return await self._decide_learned(request, use=True)

    async def decline_learned(self, request: web.Request) -> web.Response:
        """Plan with what the site file says."""
        return await self._decide_learned(request, use=False)

    async def _decide_learned(self, request: web.Request, *, use: bool) -> web.Response:
        try:
            decided = await self._house.decide_learned(request.match_info["id"], use=use, by=role_of(request))
        except BadInputError as error:
            raise RefusedError(404, str(error), field="id") from None
        return document(decided)

    def _charger(self, name: str) -> DeviceId:
        device = next((each for each in self._house.snapshot().devices if each.id == name), None)
        if device is None or device.kind != "charger":
            raise RefusedError(404, "There is no such charger; /api/v1/state lists the devices.", field="device_id")
        return device.id


def document(value: object, *, status: int = 200) -> web.Response:
    """A document of the house as JSON, compressed where that saves a packet."""
    return _json(fast_json(value), status=status)


def _json(content: bytes, *, status: int = 200) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    response = web.Response(body=content, status=status, headers=headers)
    if len(content) > COMPRESS_FROM_BYTES:
        response.enable_compression()
    return response
