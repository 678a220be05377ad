"""The grid operator's box that is asked by HTTP: one JSON document with limits or contacts, every ten seconds."""

import asyncio
import logging

import aiohttp

from hems.domain.operator import LimitWrite
from hems.domain.wiring import LimitSource, OperatorWiring
from hems.ports import Clock, LimitInbox
from hems_drivers.limit_words import LimitWords

log = logging.getLogger(__name__)

PERIOD_S = 10.0
"""Twelve questions may go unanswered before the operator counts as silent [house s]."""
TIMEOUT_S = 5.0
ANSWER_MAX_BYTES = 65_536


class HttpOperatorBox:
    """Asks a box on behalf of a :class:`hems.ports.LimitInbox`. Each answer is a sign of life."""

    def __init__(self, wiring: OperatorWiring, url: str, session: aiohttp.ClientSession, clock: Clock) -> None:
        """Asks nothing before :meth:`run`."""
        self._wiring, self._url, self._session, self._clock = wiring, url, session, clock
        self._words = LimitWords()
        self._is_silent = False

    async def run(self, inbox: LimitInbox) -> None:
        """Ask and pass on what is answered, until cancelled."""
        while True:
            content = await self._ask()
            if content is not None:
                inbox.heartbeat()
                for source in self._wiring.sources:
                    await self._pass_on(source, content, inbox)
            await self._clock.sleep_until(self._clock.monotonic_s() + PERIOD_S)

    async def _ask(self) -> bytes | None:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._session.get(self._url, allow_redirects=False) as answer:
                content = await _whole(answer.content)
                trouble = None if answer.status == 200 else f"it answers with status {answer.status}"
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            content, trouble = b"", str(error) or "no answer in time"
        if trouble is None:
            if self._is_silent:
                log.info("%s: the grid operator's box answers again", self._url)
            self._is_silent = False
            return content
        if not self._is_silent:
            self._is_silent = True
            log.warning("%s: the grid operator's box cannot be read: %s", self._url, trouble)
        return None

    async def _pass_on(self, source: LimitSource, content: bytes, inbox: LimitInbox) -> None:
        limits_w = [self._words.contact_w(content, each) for each in source.contacts]
        if source.limit is not None:
            is_read, limit_w = self._words.limit_w(content, source.limit)
            if not is_read:
                return
            limits_w.append(limit_w)
        wanted = LimitWrite(limit_w=min([each for each in limits_w if each is not None], default=None))
        if (why := await inbox.write(source.way, wanted)) is not None:
            self._words.say(f"the grid operator's limit on {source.way} is refused: {why}")


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
