"""The port that chargers call: who may speak, one socket for each, and none stops the others."""

import asyncio
import base64
import binascii
import contextlib
import hmac
import logging
import random
from collections.abc import Mapping

from aiohttp import WSMsgType, hdrs, web

from hems.domain.command import Command
from hems.domain.errors import OperatingError
from hems.domain.site import Charger, DeviceId
from hems.domain.wiring import OcppConnection
from hems.ports import Answer, Clock, Report
from hems_drivers.ocpp import frames
from hems_drivers.ocpp.bucket import TokenBucket
from hems_drivers.ocpp.calls import Calls
from hems_drivers.ocpp.chargepoint import ChargePoint
from hems_drivers.ocpp.door import BACKLOG_COUNT, Door
from hems_drivers.ocpp.transactions import Memory, Transactions

log = logging.getLogger(__name__)

SUBPROTOCOL = "ocpp1.6"
MESSAGE_MAX_BYTES = 1_048_576
"""The longest seen are configurations of 20 kB; the end of a session may list its meter values."""
CONNECTS_MAX, CONNECT_EACH_S = 5, 10.0
"""A station that lost its link may try five times in a row, then once each ten seconds."""
FRAMES_MAX, FRAME_EACH_S = 200, 0.01
"""Frames that are read at once, and how fast then: one of 100 each second costs about a tenth of a Pi's core. What a
station saved up offline comes one by one, each after our answer, and is not slowed down."""
REFUSED_LOG_S = 60.0
CLOSE_TIMEOUT_S = 1.0
"""How long a socket that is replaced or ended gets for its goodbye; most are dead."""
REST_TIMEOUT_S = 5.0


def central_system(
    chargers: Mapping[str, tuple[Charger, OcppConnection]],
    *,
    host: str,
    port: int,
    memory: Memory,
    clock: Clock,
    random: random.Random,
) -> "CentralSystem":
    """One driver for all chargers that call one port.

    Args:
        chargers: by identity, the last part of the path that a charger calls.
        host: address to listen at, ``0.0.0.0`` for all.
        port: TCP port; 0 takes a free one, see :attr:`CentralSystem.bound_port`.
        memory: keeps sessions over a restart.
        clock: house time.
        random: message ids, and the first transaction id.
    """
    return CentralSystem(chargers, host=host, port=port, memory=memory, clock=clock, rng=random)


class CentralSystem:
    """OCPP 1.6J central system on ``ws://HOST:PORT/ocpp/IDENTITY``. Implements :class:`hems.ports.Driver`."""

    def __init__(
        self,
        chargers: Mapping[str, tuple[Charger, OcppConnection]],
        *,
        host: str,
        port: int,
        memory: Memory,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._host, self._port, self._clock, self._random = host, port, clock, rng
        self._transactions = Transactions(memory, rng)
        self._points = {
            identity: ChargePoint(charger, connection, clock=clock, transactions=self._transactions)
            for identity, (charger, connection) in chargers.items()
        }
        self._by_device = {point.charger.id: point for point in self._points.values()}
        self._buckets = {
            identity: TokenBucket(capacity=CONNECTS_MAX, refill_s=CONNECT_EACH_S) for identity in self._points
        }
        self._report: Report | None = None
        self._door: Door | None = None
        self.bound_port: int | None = None
        """Port that is listened at, while :meth:`run` runs."""
        self.refused = 0
        """Connections turned away since the start, for a wrong identity or password."""
        self._refused_told = 0
        self._refused_told_mono_s: float | None = None

    @property
    def devices(self) -> frozenset[DeviceId]:
        """The chargers."""
        return frozenset(self._by_device)

    async def run(self, report: Report) -> None:
        """Serve chargers until cancelled.

        Raises:
            OperatingError: the port cannot be opened.
        """
        self._report = report
        await self._transactions.load()
        application = web.Application()
        application.router.add_get("/ocpp/{identity}", self._serve)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_TIMEOUT_S)
        await runner.setup()
        assert runner.server is not None, "set up"  # noqa: S101 - an invariant
        self._door = Door(runner.server, charger_count=len(self._points))
        listening: asyncio.Server | None = None
        try:
            listening = await self._listen(self._door)
            self.bound_port = int(listening.sockets[0].getsockname()[1])
            log.info("chargers are awaited at ws://%s:%d/ocpp/IDENTITY", self._host, self.bound_port)
            await asyncio.Event().wait()
        finally:
            self.bound_port = None
            if listening is not None:
                listening.close()
            self._door.close()
            links = [point.link for point in self._points.values() if point.link is not None]
            await asyncio.gather(*(link.close("the central system stops") for link in links))
            await runner.cleanup()

    async def _listen(self, door: Door) -> asyncio.Server:
        try:
            loop = asyncio.get_running_loop()
            return await loop.create_server(door, self._host, self._port, backlog=BACKLOG_COUNT)
        except OSError as error:
            raise OperatingError(
                f"chargers cannot call port {self._port} of {self._host}: {error.strerror}; "
                "end what else listens there, or give the chargers another port"
            ) from None

    async def apply(self, command: Command) -> Answer:
        """Bring a charger to the command's current; see :class:`hems.ports.Driver`."""
        return await self._by_device[command.device_id].apply(command)

    async def rest(self) -> None:
        """Offer nothing at any charger; gives up after 5 s."""
        try:
            async with asyncio.timeout(REST_TIMEOUT_S), asyncio.TaskGroup() as group:
                for point in self._points.values():
                    group.create_task(point.rest())
        except TimeoutError:
            log.warning("some chargers did not answer the pause before the end; what they were offered ends by itself")

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        point = self._known(request)
        if point is None:
            self._refuse(request)
            return web.Response(status=401, headers={hdrs.WWW_AUTHENTICATE: 'Basic realm="hems"'})
        identity = point.connection.identity
        if not self._buckets[identity].take(self._clock.monotonic_s()):
            return web.Response(status=429, headers={hdrs.RETRY_AFTER: f"{CONNECT_EACH_S:.0f}"})
        # No pings from here: some stations close at the first one. They ping us, or send heartbeats.
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            heartbeat=None,
            autoping=False,
            compress=False,
            timeout=CLOSE_TIMEOUT_S,
            max_msg_size=MESSAGE_MAX_BYTES,
        )
        await socket.prepare(request)
        if socket.ws_protocol != SUBPROTOCOL:
            log.warning("%r does not speak %s; set it to OCPP 1.6J", identity, SUBPROTOCOL)
            await socket.close(code=1002, message=b"ocpp1.6 only")
            return socket
        if self._report is not None and self._door is not None:
            self._door.passed(request.transport)
            await Connection(socket, point, clock=self._clock, rng=self._random).serve(self._report)
        return socket

    def _known(self, request: web.Request) -> ChargePoint | None:
        """The charger whose name and password the request carries, in the time that a wrong one takes too."""
        identity = request.match_info["identity"]
        point = self._points.get(identity)
        given = credentials(request.headers.get(hdrs.AUTHORIZATION, ""))
        wanted = (identity, "" if point is None else point.connection.password)
        same = [
            hmac.compare_digest(one.encode(errors="backslashreplace"), other.encode(errors="backslashreplace"))
            for one, other in zip(given, wanted, strict=True)
        ]
        return point if all(same) and given[1] else None

    def _refuse(self, request: web.Request) -> None:
        self.refused += 1
        mono_s = self._clock.monotonic_s()
        if self._refused_told_mono_s is None or mono_s - self._refused_told_mono_s >= REFUSED_LOG_S:
            log.warning(
                "%d calls to the charger port were turned away (identity or password is wrong), the last one from %s "
                "as %.48r; compare the charger's settings with its connection in the site file",
                self.refused - self._refused_told,
                request.remote,
                request.match_info["identity"],
            )
            self._refused_told, self._refused_told_mono_s = self.refused, mono_s


class Connection:
    """One socket of one charger, from its opening to its end."""

    def __init__(self, socket: web.WebSocketResponse, point: ChargePoint, *, clock: Clock, rng: random.Random) -> None:
        self._socket = socket
        self._clock = clock
        self._frames = TokenBucket(capacity=FRAMES_MAX, refill_s=FRAME_EACH_S)
        self._point = point
        self._ending = asyncio.Event()
        self.calls = Calls(socket.send_str, rng)

    async def close(self, why: str) -> None:
        """Say goodbye, for a second at most."""
        self._ending.set()
        await self._socket.close(code=1001, message=why.encode())

    def replace(self) -> None:
        """A newer socket of the same charger is there: the newest one is the one that it uses."""
        self._ending.set()

    async def serve(self, report: Report) -> None:
        """Read until the socket ends, with calls and care beside."""
        point, before = self._point, self._point.link
        if isinstance(before, Connection):
            before.replace()
        point.connected(self, report)
        log.info("%r is connected", point.connection.identity)
        try:
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(each) for each in (self.calls.run(), point.keep(self), self._end())]
                await self._read()
                for task in beside:
                    task.cancel()
        finally:
            self.calls.close()
            point.lost(self)
            if point.link is None:
                log.info("%r has lost its connection (code %s)", point.connection.identity, self._socket.close_code)

    async def _end(self) -> None:
        await self._ending.wait()
        await self._socket.close(code=1001, message=b"replaced")

    async def _read(self) -> None:
        while self._point.link is self:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                await self._take(message.data)
            elif message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):  # the next receive says how it ended
                    await self._socket.pong(message.data)
            elif message.type not in (WSMsgType.PONG, WSMsgType.BINARY):
                return
            if self._point.link is self:
                self._point.heard()
            while not self._frames.take(self._clock.monotonic_s()):
                await self._clock.sleep_until(self._clock.monotonic_s() + FRAME_EACH_S)

    async def _take(self, raw: str) -> None:
        frame = frames.parse(raw)
        if isinstance(frame, frames.Reply):
            self.calls.answered(frame)
            return
        if isinstance(frame, frames.Request):
            await self._say(await self._point.answer(frame))
            return
        if not self._point.odd_told:
            self._point.odd_told = True
            log.warning(
                "%r sends what is not OCPP (%s), %.80r; left out", self._point.connection.identity, frame.why, raw
            )
        if frame.unique_id is not None:
            await self._say(frames.refusal(frame.unique_id, "FormationViolation", frame.why))

    async def _say(self, raw: str) -> None:
        with contextlib.suppress(ConnectionError):  # the next receive says how it ended
            await self._socket.send_str(raw)


def credentials(header: str) -> tuple[str, str]:
    """Name and password of basic authentication; empty ones where there are none."""
    kind, _, coded = header.partition(" ")
    if kind.casefold() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return name, password
