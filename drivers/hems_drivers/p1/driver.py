"""Driver of a P1 port: telegrams to grid readings, and one clear message when they do not come."""

import asyncio
import logging
from collections import deque
from contextlib import AbstractAsyncContextManager

from hems.domain.command import Command
from hems.domain.reading import Reading
from hems.domain.site import DeviceId, GridMeter
from hems.domain.wiring import DsmrConnection
from hems.ports import Answer, Clock, Driver, Outcome, Report
from hems_drivers.p1.streams import SETTINGS, serial_stream, tcp_stream
from hems_drivers.p1.telegram import Framer, parse
from hems_drivers.serial_port import READ_MAX_BYTES

log = logging.getLogger(__name__)

SILENCE_S = 30.0
"""Without a telegram for so long, or for three periods of a slower meter, the connection is made anew: readers in the
network hang up without a word, and adapters get stuck."""
PAUSE_FIRST_S, PAUSE_MAX_S = 1.0, 10.0
"""Between two attempts. Never long: without its meter the house keeps to the worst case."""
JUDGED_COUNT, JUDGED_LEAST_COUNT = 100, 20
DAMAGED_BAD_RATIO, DAMAGED_FINE_RATIO = 0.05, 0.01
"""Share of damaged telegrams among the last hundred from which on the cable is suspected, and no longer is."""

NOTHING = "nothing arrives"
UNREADABLE = "bytes arrive but no telegram: is it encrypted (Luxembourg, Austria), inverted, or no P1 port at all"
DAMAGED = "every telegram that arrives is damaged"
POWERLESS = "the telegrams have no power in them (1.7.0)"
STOPPED = "telegrams have stopped"
CLOSED = "the connection was closed"
CABLE = "check that the cable is in the P1 port and that the adapter raises the data request line"
READER = "check the reader's cable and power, and that no one else is connected: most readers serve one client"


def p1_driver(connection: DsmrConnection, *, meter: GridMeter, clock: Clock) -> Driver:
    """Driver of the meter behind ``connection``, which has either a serial port or a host."""
    return P1Driver(connection, meter=meter, clock=clock)


class P1Driver:
    """Implements :class:`hems.ports.Driver`; reads only."""

    def __init__(self, connection: DsmrConnection, *, meter: GridMeter, clock: Clock) -> None:
        """Opens nothing yet."""
        self._connection = connection
        self._meter = meter
        self._clock = clock
        self._where = connection.serial_port or f"{connection.host}:{connection.tcp_port}"
        self._advice = READER if connection.serial_port is None else CABLE
        self._settings = deque(SETTINGS)
        """The first one is in use."""
        self._understood = False
        self._useful_mono_s = 0.0
        self._heard = NOTHING
        self._trouble: str | None = None
        self._intact: deque[bool] = deque(maxlen=JUDGED_COUNT)
        self._noisy = False

    @property
    def devices(self) -> frozenset[DeviceId]:
        """The meter."""
        return frozenset({self._meter.id})

    async def run(self, report: Report) -> None:
        """Report each telegram that has a power, until cancelled.

        Raises:
            OperatingError: there is no such serial port, or it may not be used.
        """
        pause_s = PAUSE_FIRST_S
        while True:
            opened_mono_s = self._useful_mono_s = self._clock.monotonic_s()
            try:
                trouble = await self._session(report)
            except OSError as error:
                trouble = f"cannot be read ({str(error) or type(error).__name__})"
            if self._useful_mono_s > opened_mono_s:
                pause_s = PAUSE_FIRST_S
                trouble = STOPPED
            if self._understood or self._settings[0] == SETTINGS[0]:
                self._tell(trouble)
            if self._connection.serial_port is not None and not self._understood:
                # A meter that was never understood may be an old one, which sends more slowly.
                self._settings.rotate(-1)
            await self._clock.sleep_until(self._clock.monotonic_s() + pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def apply(self, command: Command) -> Answer:
        """Rejected."""
        return Answer(outcome=Outcome.REJECTED, detail=f"{command.device_id} is a meter: it takes no commands")

    async def rest(self) -> None:
        """There is nothing to leave."""

    async def _session(self, report: Report) -> str:
        """One connection, from opening to its end; returns what was wrong with it."""
        self._heard = NOTHING
        async with self._stream() as stream:
            reading = asyncio.ensure_future(self._read(stream, report))
            silence = asyncio.ensure_future(self._until_silent())
            try:
                await asyncio.wait((reading, silence), return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    return self._heard
                reading.result()
                return CLOSED
            finally:
                reading.cancel()
                silence.cancel()
                await asyncio.gather(reading, silence, return_exceptions=True)

    def _stream(self) -> AbstractAsyncContextManager[asyncio.StreamReader]:
        match self._connection:
            case DsmrConnection(serial_port=str(path)):
                return serial_stream(path, self._settings[0])
            case DsmrConnection(host=str(host), tcp_port=port):
                return tcp_stream(host, port)
        raise ValueError("a P1 connection has a serial port or a host")

    async def _until_silent(self) -> None:
        allowed_s = max(SILENCE_S, 3 * self._meter.period_s)
        while (end_mono_s := self._useful_mono_s + allowed_s) > self._clock.monotonic_s():
            await self._clock.sleep_until(end_mono_s)

    async def _read(self, stream: asyncio.StreamReader, report: Report) -> None:
        """Telegrams until the stream ends."""
        framer = Framer()
        while data := await stream.read(READ_MAX_BYTES):
            if self._heard == NOTHING:
                self._heard = UNREADABLE
            for telegram in framer.feed(data):
                self._judge(intact=telegram is not None)
                if telegram is None:
                    self._heard = DAMAGED
                else:
                    self._take(telegram, report)

    def _take(self, telegram: bytes, report: Report) -> None:
        self._understood = True
        told = parse(telegram)
        if told.values is None:
            self._heard = POWERLESS
            return
        self._useful_mono_s = self._clock.monotonic_s()
        if self._trouble is not None:
            log.info("%s: telegrams of %r arrive again", self._where, told.meter)
            self._trouble = None
        report(self._meter.id, Reading(value=told.values, mono_s=self._useful_mono_s))

    def _tell(self, trouble: str) -> None:
        """Once for each trouble, not at every attempt."""
        if trouble != self._trouble:
            log.warning("%s: %s: %s", self._where, trouble, self._advice)
            self._trouble = trouble

    def _judge(self, *, intact: bool) -> None:
        """Damaged telegrams now and then are no trouble; a share of them is a cable that will fail one day."""
        self._intact.append(intact)
        ratio = self._intact.count(False) / len(self._intact)
        if not self._noisy and ratio > DAMAGED_BAD_RATIO and len(self._intact) >= JUDGED_LEAST_COUNT:
            self._noisy = True
            log.warning("%s: %.0f %% of the telegrams are damaged: check cable and adapter", self._where, 100 * ratio)
        elif self._noisy and ratio < DAMAGED_FINE_RATIO:
            self._noisy = False
            log.info("%s: telegrams are intact again", self._where)
