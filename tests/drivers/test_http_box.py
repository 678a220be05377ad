"""A grid operator's box that is asked by HTTP: a real server, answers of every kind."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from hems.domain.operator import LimitWrite, Way
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring
from hems_drivers.http_box import HttpOperatorBox
from tests.support.eventually import clock_at, eventually, running

WIRING = OperatorWiring(
    connection="box",
    heartbeat_topic=None,
    sources=(
        LimitSource(way=Way.CONSUMPTION, limit=MqttPoint(topic="", path=("lpc", "limit_w"))),
        LimitSource(
            way=Way.PRODUCTION,
            contacts=(
                LimitContact(state=MqttPoint(topic="", path=("k1",)), limited="on", free="off", limit_w=3_000.0),
                LimitContact(state=MqttPoint(topic="", path=("k2",)), limited="on", free="off", limit_w=0.0),
            ),
        ),
    ),
)
FREE = '{"lpc": {"limit_w": null}, "k1": "off", "k2": "off"}'
HELD = '{"lpc": {"limit_w": 4200}, "k1": "on", "k2": "off"}'


@dataclass
class Scene:
    """A server, and what the house hears of it."""

    says: str = FREE
    status: int = 200
    hang: bool = False
    asked: int = 0
    beats: int = 0
    limits: dict[Way, float | None] = field(default_factory=dict)

    def heartbeat(self) -> None:
        self.beats += 1

    async def write(self, way: Way, wanted: LimitWrite) -> str | None:
        self.limits[way] = wanted.limit_w
        return None

    async def answer(self, _request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.hang:
            await asyncio.sleep(30.0)  # noqa: TID251 - a server that does not answer
        return web.Response(status=self.status, text=self.says)

    async def next(self) -> None:
        """Until it was asked again and what it said was taken."""
        asked = self.asked
        await eventually(lambda: self.asked >= asked + 2)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    found = Scene()
    application = web.Application()
    application.router.add_get("/limits", found.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as session:
        box = HttpOperatorBox(WIRING, f"http://127.0.0.1:{port}/limits", session, clock_at(500.0))
        async with running(box.run(found)):
            yield found
    await runner.cleanup()


async def test_limits_and_contacts_of_one_document_are_passed_on() -> None:
    async with scene() as here:
        await here.next()
        assert here.beats > 0
        assert here.limits == {Way.CONSUMPTION: None, Way.PRODUCTION: None}
        here.says = HELD
        await here.next()
        assert here.limits == {Way.CONSUMPTION: 4_200.0, Way.PRODUCTION: 3_000.0}
        here.says = HELD.replace('"k2": "off"', '"k2": "?"')
        await here.next()
        assert here.limits[Way.PRODUCTION] == 0.0


@pytest.mark.parametrize("says", ["", "null", "<html>", "[]", '{"lpc": 1}', "x" * 70_000])
async def test_what_cannot_be_read_sets_nobody_free(says: str) -> None:
    async with scene() as here:
        here.says = HELD
        await here.next()
        here.says = says
        await here.next()
        assert here.limits[Way.CONSUMPTION] == 4_200.0
        assert here.limits[Way.PRODUCTION] in (3_000.0, 0.0)


async def test_a_box_that_fails_is_no_sign_of_life_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with scene() as here:
            await here.next()
            here.status = 503
            await here.next()
            beats = here.beats
            await here.next()
            await here.next()
            assert here.beats == beats
            here.status = 200
            await here.next()
            assert here.beats > beats
    texts = [each.getMessage() for each in caplog.records if "box" in each.getMessage()]
    assert [text.split(": ", 1)[1] for text in texts] == [
        "the grid operator's box cannot be read: it answers with status 503",
        "the grid operator's box answers again",
    ]
