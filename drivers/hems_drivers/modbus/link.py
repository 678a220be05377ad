"""The owner of an endpoint: one task that sends one request after another for all who share it."""

import asyncio
import heapq
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from hems.domain.wiring import ModbusConnection, ModbusRtuConnection, ModbusTcpConnection
from hems.ports import Clock
from hems_drivers.modbus.backoff import Backoff
from hems_drivers.modbus.connection import Connection, opened
from hems_drivers.modbus.request import (
    ConnectionLostError,
    Endpoint,
    Function,
    LinkDownError,
    LinkError,
    Priority,
    ReconnectedError,
    RefusedError,
    Request,
    SerialEndpoint,
    TcpEndpoint,
)

log = logging.getLogger(__name__)

BLOCK_WORDS_MAX = 100
"""The protocol allows 125; some dongles fail above 100."""
AGEING_S = 5.0
"""A slower kind of request waits this much longer, per step, before it goes before a faster one [house s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTiming:
    """How much an endpoint is asked to bear. Pauses are house seconds; timeouts and quarantine are real ones."""

    gap_s: float = 0.05
    """Silence between an answer and the next request."""
    connect_delay_s: float = 0.0
    """Silence after a connect; some dongles drop what comes earlier."""
    connect_timeout_s: float = 5.0
    reply_timeout_s: float = 3.0
    quarantine_s: float = 1.0
    """How long a serial line must be silent after a failure before it is believed again."""


def _future() -> "asyncio.Future[tuple[int, ...]]":
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, kw_only=True)
class _Job:
    request: Request
    on_connection: int | None
    answer: "asyncio.Future[tuple[int, ...]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Link:
    """All traffic with one endpoint.

    Its task runs while somebody is :meth:`in_use`. It connects when there is something to send, and after any failure
    throws the connection away (TCP) or waits until the line is silent (serial): what arrives late is nobody's answer.
    A unit that is silent is left alone for 1 s to 60 s, so that it does not cost its neighbours their turn.
    """

    def __init__(self, endpoint: Endpoint, *, clock: Clock, random: Random, timing: LinkTiming) -> None:
        self.endpoint = endpoint
        self.connection_count = 0
        """How many times it was opened."""
        self._clock, self._random, self._timing = clock, random, timing
        self._jobs: list[tuple[tuple[bool, float, int], _Job]] = []
        self._numbers = itertools.count()
        self._arrived = asyncio.Event()
        self._user_count = 0
        self._turning = asyncio.Lock()
        self._owner: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._connecting = Backoff(random)
        self._units: dict[int, Backoff] = {}
        self._free_mono_s = float("-inf")

    @property
    def connection(self) -> int | None:
        """Number of the open connection; None if there is none. Another number: whoever is there may be another one."""
        return self.connection_count if self._connection is not None and self._connection.fault is None else None

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Keep the link alive inside; the last one to leave closes it."""
        async with self._turning:
            self._user_count += 1
            if self._owner is None or self._owner.done():
                self._owner = asyncio.create_task(self._serve(), name=str(self.endpoint))
        try:
            yield
        finally:
            async with self._turning:  # whoever comes meanwhile waits, or its new owner would meet the old one
                self._user_count -= 1
                if self._user_count == 0 and self._owner is not None:
                    owner, self._owner = self._owner, None
                    owner.cancel()
                    await asyncio.wait({owner})

    async def read(
        self,
        *,
        unit: int,
        address: int,
        count: int,
        function: Function = Function.READ_HOLDING,
        priority: Priority = Priority.FAST_POLL,
        on_connection: int | None = None,
    ) -> tuple[int, ...]:
        """Registers, or bits as 0 and 1, from an address on the wire (counted from 0) on.

        More than 100 come in several requests, between which they may change: what belongs together is read together.

        Raises:
            LinkError: see its subclasses.
        """
        words: tuple[int, ...] = ()
        while len(words) < count:
            request = Request(
                unit=unit,
                function=function,
                address=address + len(words),
                count=min(BLOCK_WORDS_MAX, count - len(words)),
            )
            words += await self._ask(request, priority, on_connection)
        return words

    async def write(
        self,
        *,
        unit: int,
        address: int,
        words: tuple[int, ...],
        function: Function = Function.WRITE_MULTIPLE,
        on_connection: int | None = None,
    ) -> None:
        """Write adjacent registers in one request, before all reads.

        With ``on_connection`` it is sent on that connection only (see :attr:`connection`).

        Raises:
            LinkDownError, ReconnectedError: nothing was sent.
            LinkError: it may have been done, but for a RefusedError.
        """
        request = Request(unit=unit, function=function, address=address, count=len(words), words=words)
        await self._ask(request, Priority.CONTROL, on_connection)

    async def _ask(self, request: Request, priority: Priority, on_connection: int | None) -> tuple[int, ...]:
        if self._owner is None:
            raise LinkDownError(f"{self.endpoint}: not in use")
        if self._owner.done():
            self._owner.result()  # a bug of ours: whoever asks shall hear of it
        job = _Job(request=request, on_connection=on_connection)
        # Ageing as a fixed key: a slower request is as one that comes later. Control goes before all, whatever its age.
        due_s = self._clock.monotonic_s() + AGEING_S * priority
        heapq.heappush(self._jobs, ((priority is not Priority.CONTROL, due_s, next(self._numbers)), job))
        self._arrived.set()
        return await job.answer

    async def _serve(self) -> None:
        try:
            while True:
                while not self._jobs:
                    self._arrived.clear()
                    await self._arrived.wait()
                _, job = heapq.heappop(self._jobs)
                if not job.answer.done():  # else: whoever asked has left
                    await self._answer(job)
        finally:
            self._close()
            for _, job in self._jobs:
                if not job.answer.done():
                    job.answer.set_exception(LinkDownError(f"{self.endpoint}: closed"))
            self._jobs.clear()

    async def _answer(self, job: _Job) -> None:
        try:
            words = await self._perform(job)
        except LinkError as error:
            if not job.answer.done():
                job.answer.set_exception(error)
        except BaseException:
            if not job.answer.done():
                job.answer.set_exception(LinkDownError(f"{self.endpoint}: closed"))
            raise
        else:
            if not job.answer.done():
                job.answer.set_result(words)

    async def _perform(self, job: _Job) -> tuple[int, ...]:
        request, health = job.request, self._units.setdefault(job.request.unit, Backoff(self._random))
        if self._clock.monotonic_s() < health.retry_mono_s:
            raise LinkDownError(f"{self.endpoint}: unit {request.unit} was silent and is given a pause")
        connection = await self._ready()
        if job.on_connection not in (None, self.connection_count):
            raise ReconnectedError(f"{self.endpoint}: {request}: not sent, the connection is a new one")
        await self._clock.sleep_until(self._free_mono_s)
        try:
            words = await connection.exchange(request, timeout_s=self._timing.reply_timeout_s)
        except RefusedError as error:
            self._note(request.unit, health, error if error.unit_is_silent else None)
            raise
        except LinkError as error:
            self._note(request.unit, health, error)
            await self._distrust(error)
            raise
        finally:
            self._free_mono_s = self._clock.monotonic_s() + self._timing.gap_s
        self._note(request.unit, health, None)
        return words

    def _note(self, unit: int, health: Backoff, trouble: LinkError | None) -> None:
        """Keep a unit's record; tells when it falls silent and when it is back."""
        mono_s = self._clock.monotonic_s()
        if trouble is not None:
            if health.failed(mono_s):
                log.warning("%s; unit %s is asked again after growing pauses", trouble, unit)
        elif (silence_s := health.succeeded(mono_s)) is not None:
            log.info("%s: unit %s answers again after %.0f s", self.endpoint, unit, silence_s)

    async def _ready(self) -> Connection:
        """A connection that can be trusted."""
        if self._connection is not None and self._connection.fault is not None:
            await self._distrust(self._connection.fault)
        if self._connection is None:
            self._connection = await self._open()
        return self._connection

    async def _open(self) -> Connection:
        mono_s = self._clock.monotonic_s()
        if mono_s < self._connecting.retry_mono_s:
            raise LinkDownError(f"{self.endpoint}: no connection")
        try:
            connection = await opened(self.endpoint, timeout_s=self._timing.connect_timeout_s)
        except LinkDownError as error:
            if self._connecting.failed(self._clock.monotonic_s()):
                log.warning("%s Trying again after growing pauses.", error)
            raise
        if (outage_s := self._connecting.succeeded(self._clock.monotonic_s())) is not None:
            log.info("%s: connected after %.0f s", self.endpoint, outage_s)
        self.connection_count += 1
        self._free_mono_s = self._clock.monotonic_s() + self._timing.connect_delay_s
        return connection

    async def _distrust(self, fault: LinkError) -> None:
        """After a failure nothing that comes is believed: a new connection, or a serial line that has fallen silent."""
        connection, ended = self._connection, isinstance(fault, ConnectionLostError)
        if connection is not None and isinstance(self.endpoint, SerialEndpoint) and not ended:
            try:
                await connection.settle(quiet_s=self._timing.quarantine_s)
            except LinkError as error:
                log.warning("%s", error)
            else:
                return
        self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Links:
    """The links of a house, one per endpoint, so that units behind one gateway share it."""

    def __init__(self, *, clock: Clock, random: Random, timing: LinkTiming | None = None) -> None:
        """``random`` spreads the pauses of those who try again."""
        self._clock, self._random, self._timing = clock, random, timing or LinkTiming()
        self._links: dict[Endpoint, Link] = {}

    def tcp(self, host: str, port: int = 502) -> Link:
        """The link of a device or gateway in the network."""
        return self.at(TcpEndpoint(host=host, port=port))

    def of(self, connection: ModbusConnection) -> Link:
        """The link that a connection of the site file needs."""
        match connection:
            case ModbusTcpConnection(host=host, port=tcp_port):
                return self.tcp(host, tcp_port)
            case ModbusRtuConnection(port=port, baud=baud, parity=parity, stop_bits=stop_bits):
                return self.rtu(port, baud=baud, parity=parity, stop_bits=stop_bits)

    def rtu(self, port: str, *, baud: int = 9600, parity: str = "N", stop_bits: int = 1) -> Link:
        """The link of a serial line."""
        return self.at(SerialEndpoint(port=port, baud=baud, parity=parity, stop_bits=stop_bits))

    def at(self, endpoint: Endpoint) -> Link:
        """The link of any endpoint."""
        link = self._links.get(endpoint)
        if link is None:
            link = Link(endpoint, clock=self._clock, random=self._random, timing=self._timing)
            self._links[endpoint] = link
        return link
