"""The grid operator's box that is asked, over whatever: each answer is one document with limits or contacts."""

import logging
from collections.abc import Awaitable, Callable

from hems.control.operator import HEARTBEAT_MAX_S
from hems.domain.errors import OperatingError
from hems.domain.operator import LimitWrite
from hems.domain.wiring import LimitSource, OperatorWiring
from hems.ports import Clock, LimitInbox
from hems_drivers.limit_words import LimitWords
from hems_drivers.payload import text

log = logging.getLogger(__name__)

Ask = Callable[[], Awaitable[bytes]]
"""One question. Raises OperatingError where there is no answer, its text says why."""


class AskedBox:
    """Asks a box on behalf of a :class:`hems.ports.LimitInbox`.

    An answer in which every limit can be read is a sign of life, or, where the site file names a heartbeat, only if
    that has moved. A contact that cannot be read counts as closed.
    """

    def __init__(self, wiring: OperatorWiring, ask: Ask, clock: Clock, *, name: str, period_s: float) -> None:
        """Asks nothing before :meth:`run`; ``name`` is for messages, ``period_s`` between questions [house s]."""
        self._wiring, self._ask, self._clock, self._name, self._period_s = wiring, ask, clock, name, period_s
        self._words = LimitWords()
        self._is_silent = False
        self._is_met = False
        """Whether there was a sign of life since the start; what is written before the first one is refused."""
        self._beat: tuple[str, float] | None = None
        """Heartbeat as it was seen last, and when [monotonic s]."""

    async def run(self, inbox: LimitInbox) -> None:
        """Ask and pass on what is answered, until cancelled."""
        while True:
            content = await self._answer()
            if content is not None:
                await self._pass_on(content, inbox)
            await self._clock.sleep_until(self._clock.monotonic_s() + self._period_s)

    async def _answer(self) -> bytes | None:
        try:
            content = await self._ask()
        except OperatingError as error:
            if not self._is_silent:
                log.warning("%s: the grid operator's box cannot be read: %s", self._name, error)
            self._is_silent = True
            return None
        if self._is_silent:
            log.info("%s: the grid operator's box answers again", self._name)
        self._is_silent = False
        return content

    async def _pass_on(self, content: bytes, inbox: LimitInbox) -> None:
        wanted = [(source.way, self._wanted(source, content)) for source in self._wiring.sources]
        if all(limit is not None for _, limit in wanted) and self._has_moved(content):
            self._is_met = True
            inbox.heartbeat()
        for way, limit in wanted if self._is_met else []:
            if limit is not None and (why := await inbox.write(way, limit)) is not None:
                self._words.say(f"the grid operator's limit on {way} is refused: {why}")

    def _wanted(self, source: LimitSource, content: bytes) -> LimitWrite | None:
        """What is told of one way; None: the limit cannot be read."""
        limits_w = [self._words.contact_w(content, each) for each in source.contacts]
        is_active = source.active is None or self._words.contact_w(content, source.active) is not None
        if source.limit is not None and is_active:
            is_read, limit_w = self._words.limit_w(content, source.limit)
            if not is_read:
                return None
            limits_w.append(limit_w)
        return LimitWrite(limit_w=min([each for each in limits_w if each is not None], default=None))

    def _has_moved(self, content: bytes) -> bool:
        if self._wiring.heartbeat is None:
            return True
        beat, mono_s = text(content, self._wiring.heartbeat.path), self._clock.monotonic_s()
        before, self._beat = self._beat, None if beat is None else (beat, mono_s)
        if before is None or beat is None:
            return False
        # What moved at some time in a long silence may stand still by now.
        return beat != before[0] and mono_s - before[1] <= HEARTBEAT_MAX_S
