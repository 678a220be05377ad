"""A served house and a client for it, over real sockets."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.fake_house import FakeHouse, served
from tests.support.web import Web


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    house = FakeHouse()
    async with served(house) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        yield Web(house=house, port=port, http=http)
