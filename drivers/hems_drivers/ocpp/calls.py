"""Our calls to one station: one at a time, the most urgent first."""

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable
from enum import IntEnum

from hems.domain.errors import OperatingError
from hems_drivers.ocpp import frames
from hems_drivers.ocpp.inbound import Payload

REPLY_TIMEOUT_S = 15.0
"""Real seconds for a reply. Chargers on power-line links were seen to take up to ten; a limit may wait this long
behind a call that is already out, because a station may have only one."""
LOST, OVERRULED = "the connection was lost before the answer", "the answer was not waited for"


class Priority(IntEnum):
    """Who goes first when several calls wait."""

    LIMIT = 0
    """What a car may draw."""
    SESSION = 1
    """Start, stop, and looking whether a limit has effect."""
    SETUP = 2


class NoReplyError(OperatingError):
    """The station did not answer, or the connection was lost before it did."""


class RefusedError(OperatingError):
    """The station answered with an error; ``code`` is OCPP's."""

    def __init__(self, action: str, code: str) -> None:
        super().__init__(f"{action} was answered with {code}")
        self.code = code


class Calls:
    """A queue of calls over one socket; :meth:`run` sends, :meth:`answered` takes the replies."""

    def __init__(self, send: Callable[[str], Awaitable[None]], rng: random.Random) -> None:
        self._send = send
        self._random = rng
        self._waiting: list[tuple[int, int, object, asyncio.Future[Payload]]] = []
        self._arrived = asyncio.Event()
        self._count = 0
        self._out: tuple[str, str, asyncio.Future[Payload]] | None = None
        self._closed = False
        self.unanswered = 0
        """Calls in a row without a reply."""

    async def call(self, message: object, priority: Priority) -> Payload:
        """Payload of the station's answer to a message of ``ocpp.v16.call``.

        Raises:
            NoReplyError: nothing came in time, or the connection is gone.
            RefusedError: the station says that it cannot.
        """
        if self._closed:
            raise NoReplyError("the connection is closed")
        reply: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (priority, self._count, message, reply))
        self._arrived.set()
        return await reply

    def answered(self, reply: frames.Reply) -> None:
        """A reply came in; one that nobody waits for (too late, made up) is left."""
        if self._out is None or self._out[0] != reply.unique_id:
            return
        _, action, waiting = self._out
        self.unanswered = 0
        if waiting.done():
            return
        if reply.error:
            waiting.set_exception(RefusedError(action, reply.error))
        else:
            waiting.set_result(reply.payload)

    async def run(self) -> None:
        """Send what waits, until cancelled or the socket is gone."""
        try:
            while True:
                await self._arrived.wait()
                if not self._waiting:
                    self._arrived.clear()
                    continue
                _, _, message, reply = heapq.heappop(self._waiting)
                if not reply.done():
                    await self._exchange(message, reply)
        except ConnectionError:
            pass  # the reader sees the same and ends this connection
        finally:
            self.close()

    async def _exchange(self, message: object, reply: asyncio.Future[Payload]) -> None:
        action, unique_id = type(message).__name__, f"{self._random.getrandbits(64):016x}"
        self._out = (unique_id, action, reply)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await self._send(frames.request(unique_id, message))
                await asyncio.wait([reply])
        except TimeoutError:
            self.unanswered += 1
            if not reply.done():
                reply.set_exception(NoReplyError(f"{action}: no answer within {REPLY_TIMEOUT_S:g} s"))
        except BaseException:
            _lose(reply, LOST)
            raise
        finally:
            self._out = None

    def close(self) -> None:
        """Nobody waits any longer; also where :meth:`run` was ended before it began."""
        self._closed = True
        for _, _, _, reply in self._waiting:
            _lose(reply, LOST)
        self._waiting.clear()

    def overrule(self) -> None:
        """Whoever waits for an answer gets none; what is called next goes out at once.

        For what must not wait 15 s behind a call that is out. The station may have a second one then, which comes after
        the first.
        """
        for _, _, _, reply in self._waiting:
            _lose(reply, OVERRULED)
        self._waiting.clear()
        if self._out is not None:
            _lose(self._out[2], OVERRULED)


def _lose(reply: asyncio.Future[Payload], why: str) -> None:
    if not reply.done():
        reply.set_exception(NoReplyError(why))
