"""Server-sent events: the newest snapshot to every open page, at most once a second, and a heartbeat.

Pacing is in real seconds, not in house seconds: a demo house runs faster, its readers do not.
"""

import asyncio
import json
import logging

from aiohttp import web

from hems.domain.snapshot import Snapshot
from hems.ports import Clock, House
from hems.web.gate import RefusedError
from hems.wire import fast_json

log = logging.getLogger(__name__)

STATE_PERIOD_S = 1.0
HEARTBEAT_S = 5.0
CLIENTS_MAX = 16
"""A household's phones and tablets, each with two tabs; a state is some 3 kB a second for each."""
WRITE_TIMEOUT_S = 10.0
"""A reader that takes nothing for so long is gone, or asleep, and comes back by itself."""


class Streams:
    """All open event streams. One task follows the house; each reader has its own and skips what it is too slow for."""

    def __init__(self, house: House, *, clock: Clock, version: str) -> None:
        """``version`` of the page: one that runs an older version reloads itself when it hears of a newer one."""
        self._house = house
        self._clock = clock
        self._version = version
        self._latest: Snapshot = house.snapshot()
        self._event = b""
        self._event_seq: int | None = None
        self._changed = asyncio.Event()
        self._readers: set[asyncio.Task[object]] = set()

    async def run(self) -> None:
        """Follow the house until cancelled."""
        while True:
            self._latest = await self._house.wait_newer(self._latest.seq)
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
            await _happens(asyncio.Event(), STATE_PERIOD_S)

    def close(self) -> None:
        """End every stream: a server that waits for them would look alive to its readers."""
        for reader in self._readers:
            reader.cancel()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """``GET /api/v1/stream`` until its reader goes away."""
        reader = asyncio.current_task()
        assert reader is not None
        if len(self._readers) >= CLIENTS_MAX:
            raise RefusedError(503, f"{CLIENTS_MAX} pages are open already; close one.")
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        self._readers.add(reader)
        try:
            await response.prepare(request)
            await self._follow(response)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._readers.discard(reader)
        return response

    async def _follow(self, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        sent_seq: int | None = None
        beat_due_s = loop.time()
        while True:
            changed = self._changed
            if sent_seq != self._latest.seq:
                sent_seq = self._latest.seq
                await _send(response, self._state())
            if loop.time() >= beat_due_s:
                beat_due_s = loop.time() + HEARTBEAT_S
                await _send(response, self._heartbeat())
            await _happens(changed, beat_due_s - loop.time())

    def _state(self) -> bytes:
        """The newest snapshot as an event, made once for all readers."""
        if self._event_seq != self._latest.seq:
            self._event = b"event: state\nid: %d\ndata: %b\n\n" % (self._latest.seq, fast_json(self._latest))
            self._event_seq = self._latest.seq
        return self._event

    def _heartbeat(self) -> bytes:
        beat = {"at": self._clock.now().isoformat(), "version": self._version}
        return f"event: hb\ndata: {json.dumps(beat)}\n\n".encode()


async def _send(response: web.StreamResponse, event: bytes) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(event)


async def _happens(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether an event comes within some real seconds."""
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False
