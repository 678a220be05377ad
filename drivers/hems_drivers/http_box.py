"""The grid operator's box that is asked by HTTP: one JSON document with limits or contacts, every ten seconds."""

import asyncio

import aiohttp

from hems.domain.errors import OperatingError
from hems.domain.wiring import OperatorWiring
from hems.ports import Clock, LimitInbox
from hems_drivers.asked_box import AskedBox

PERIOD_S = 10.0
"""Twelve questions may go unanswered before the operator counts as silent [house s]."""
TIMEOUT_S = 5.0
ANSWER_MAX_BYTES = 65_536


class HttpOperatorBox:
    """Asks a box on behalf of a :class:`hems.ports.LimitInbox`."""

    def __init__(self, wiring: OperatorWiring, url: str, session: aiohttp.ClientSession, clock: Clock) -> None:
        """Asks nothing before :meth:`run`."""
        self._url, self._session = url, session
        self._box = AskedBox(wiring, self._ask, clock, name=url, period_s=PERIOD_S)

    async def run(self, inbox: LimitInbox) -> None:
        """Ask and pass on what is answered, until cancelled."""
        await self._box.run(inbox)

    async def _ask(self) -> bytes:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._session.get(self._url, allow_redirects=False) as answer:
                content = await _whole(answer.content)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise OperatingError(str(error) or "no answer in time") from error
        if answer.status != 200:
            raise OperatingError(f"it answers with status {answer.status}")
        return content


async def _whole(stream: aiohttp.StreamReader) -> bytes:
    """All of an answer.

    Raises:
        ValueError: it is too long for one.
    """
    content = b""
    async for chunk in stream.iter_any():
        content += chunk
        if len(content) > ANSWER_MAX_BYTES:
            raise ValueError(f"its answer has more than {ANSWER_MAX_BYTES // 1024} KiB")
    return content
