"""One charger: where its readings go, what it is told, and the care it needs in between."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Protocol

from ocpp.v16 import call  # type: ignore[import-untyped]

from hems.domain.command import ChargeCurrent, Command
from hems.domain.site import Charger
from hems.domain.wiring import OcppConnection
from hems.ports import Answer, Clock, Outcome, Report
from hems_drivers.ocpp import configure, frames
from hems_drivers.ocpp.calls import Calls, NoReplyError, Priority, RefusedError
from hems_drivers.ocpp.car import CarView, Told
from hems_drivers.ocpp.listening import Listener
from hems_drivers.ocpp.profiles import CONNECTOR, offer_of
from hems_drivers.ocpp.steering import Steering
from hems_drivers.ocpp.transactions import Transactions

log = logging.getLogger(__name__)

KEEP_S = 1.0
BOOT_WAIT_S = 5.0
"""A station that restarted says so first; one that only lost its connection may say nothing."""
DOUBT_S = 10.0
"""A station that says nothing of its state this long after it connected is as it was: it tells changes only."""
QUIET_S = 15.0
"""Half the age at which a reading stops to count; a heartbeat each 10 s never comes this late."""
START_AFTER_S = 10.0
"""A car that is plugged in and offered current this long without a session waits for somebody to authorise it."""
START_AGAIN_S = 60.0
UNANSWERED_MAX = 3
"""Calls in a row without an answer: the other end of this connection is dead."""
PAUSE_IGNORED_S = 60.0
"""A car that still draws this long after a pause was taken is stopped by ending its session. Most need seconds."""
ID_TAG = "HEMS"


class Link(Protocol):
    """The socket of a station, as far as a charge point cares."""

    calls: Calls

    async def close(self, why: str) -> None:
        """End it; the station calls again."""
        ...


class ChargePoint:
    """A charger by its identity, over all its connections. Its first connector is the one that is steered."""

    def __init__(
        self, charger: Charger, connection: OcppConnection, *, clock: Clock, transactions: Transactions
    ) -> None:
        self.charger = charger
        self.connection = connection
        self.link: Link | None = None
        self.odd_told = False
        """Whether it has been told that this station sends what is not OCPP."""
        self._clock = clock
        self._name = f"{charger.name} ({connection.identity})"
        self._view = CarView(charger)
        self._steering = Steering(name=self._name, clock=clock)
        self._listener = Listener(
            self._view,
            identity=connection.identity,
            name=self._name,
            clock=clock,
            transactions=transactions,
            told=self._told,
            on_restart=self._restarted,
        )
        self._report: Report | None = None
        self._configuration: configure.Configuration | None = None
        """None until the station told it; asked for at each set-up until then."""
        self._wanted: tuple[ChargeCurrent, float] | None = None
        """What was last commanded, and the monotonic second at which that ends."""
        self._must_set_up = self._speaks = self._ready = False
        self._can_be_triggered = True
        self._steered = asyncio.Lock()
        self._connected_mono_s = self._heard_mono_s = self._asked_mono_s = 0.0
        self._started_mono_s = -START_AGAIN_S
        self._defiant_since_mono_s: float | None = None

    # The connection

    def connected(self, link: Link, report: Report) -> None:
        """A new socket, which replaces the one before. What the station holds is asked for again."""
        self.link, self._report = link, report
        self._connected_mono_s = self._heard_mono_s = self._clock.monotonic_s()
        self._must_set_up, self._speaks = True, False
        self._listener.said = False

    def lost(self, link: Link) -> None:
        """A socket is gone; nothing is reported any more, so readings age."""
        if self.link is link:
            self.link = None

    async def answer(self, asked: frames.Request) -> str:
        """Frame of our answer to a request."""
        self._speaks = True
        return await self._listener.answer(asked)

    def heard(self) -> None:
        """A frame came, of whatever kind."""
        self._heard_mono_s = self._clock.monotonic_s()
        self._view.hear(self._heard_mono_s)
        if not self._listener.said and self._heard_mono_s - self._connected_mono_s < DOUBT_S:
            return
        reading = self._view.reading(mono_s=self._heard_mono_s, session=self._listener.session, told=self._told())
        if reading is not None and self._report is not None:
            self._report(self.charger.id, reading)

    def _told(self) -> Told:
        return self._steering.told(self._listener.transaction_id)

    def _restarted(self) -> None:
        self._must_set_up, self._ready, self._can_be_triggered = True, False, True
        self._configuration = None
        self._listener.said = False
        self._connected_mono_s = self._clock.monotonic_s()
        self._steering.forget()

    # What the station is told

    async def apply(self, command: Command) -> Answer:
        """Bring the station to a command's current until its lease ends."""
        action = command.action
        if not isinstance(action, ChargeCurrent):
            raise TypeError(f"{self._name} takes a charge current, got {action.kind}")
        if self._clock.monotonic_s() >= command.lease.expires_mono_s:
            return Answer(outcome=Outcome.REJECTED, detail=f"{self._name}: the command's time is over")
        self._wanted = (action, command.lease.expires_mono_s)
        if self.link is None:
            return Answer(outcome=Outcome.REJECTED, detail=f"{self._name} is not connected")
        if not self._ready:
            return Answer(outcome=Outcome.UNCONFIRMED, detail=f"{self._name} has just connected and is being set up")
        return await self._steer(self.link.calls, *self._wanted)

    async def rest(self) -> None:
        """Offer nothing, whatever is being told just now."""
        self._wanted = None
        if self.link is not None:
            self.link.calls.overrule()
            await self._steer(self.link.calls, *self._present_wish())

    def _present_wish(self) -> tuple[ChargeCurrent, float]:
        """What is commanded now, nothing where nobody commands."""
        mono_s = self._clock.monotonic_s()
        if self._wanted is not None and self._wanted[1] > mono_s:
            return self._wanted
        return ChargeCurrent(current_a=0.0, phase_count=self.charger.phase_counts[0]), mono_s

    async def _steer(self, calls: Calls, action: ChargeCurrent, ends_mono_s: float) -> Answer:
        abilities = (self._configuration or configure.Configuration()).abilities
        async with self._steered:
            return await self._steering.steer(
                calls,
                abilities,
                offer_of(action, self.charger, abilities),
                ends_mono_s=ends_mono_s,
                transaction_id=self._listener.transaction_id,
            )

    # The care it needs

    async def keep(self, link: Link) -> None:
        """Set the station up after it connected or restarted, make it talk, start what waits; while it is the link."""
        while self.link is link:
            mono_s = self._clock.monotonic_s()
            if link.calls.unanswered >= UNANSWERED_MAX:
                await link.close(f"{UNANSWERED_MAX} calls without an answer")
                return
            if self._must_set_up and (self._speaks or mono_s - self._connected_mono_s >= BOOT_WAIT_S):
                self._must_set_up = False
                await self._tried(self._set_up(link.calls))
            elif self._quiet(mono_s):
                self._asked_mono_s = mono_s
                await self._tried(self._nudge(link.calls))
            elif self._ignores_a_pause(mono_s):
                await self._tried(self._cut(link.calls))
            elif self._waits_for_a_start(mono_s):
                self._started_mono_s = mono_s
                start = call.RemoteStartTransaction(id_tag=ID_TAG, connector_id=CONNECTOR)
                await self._tried(link.calls.call(start, Priority.SESSION))
            await self._clock.sleep_until(mono_s + KEEP_S)

    async def _tried(self, work: Awaitable[object]) -> None:
        try:
            await work
        except (NoReplyError, RefusedError) as error:
            log.info("%s: %s", self._name, error)

    async def _set_up(self, calls: Calls) -> None:
        """Limits first, then the rest. What is left in the station from before us, or from others, ends here."""
        if self._configuration is None:
            await self._tried(self._read_configuration(calls))
        known = self._configuration or configure.Configuration()
        await self._tried(self._nudge(calls))
        await self._tried(self._steering.lay_floor(calls, known.abilities))
        if not self._ready:
            await self._steer(calls, *self._present_wish())
            self._ready = True
        written = await configure.write(calls, known, name=self._name)
        if self._configuration is known:  # else: never told, or restarted meanwhile
            self._configuration = written

    async def _read_configuration(self, calls: Calls) -> None:
        told = await configure.read(calls)
        if told.settings:
            self._configuration = told

    def _quiet(self, mono_s: float) -> bool:
        since_mono_s = self._view.known_mono_s if self._view.status == "Charging" else self._heard_mono_s
        return mono_s - max(since_mono_s, self._asked_mono_s) >= QUIET_S

    async def _nudge(self, calls: Calls) -> None:
        """Make the station say how it is; one that cannot be asked says at least that it is there."""
        known = self._configuration or configure.Configuration()
        if self._can_be_triggered and known.can_be_triggered:
            self._can_be_triggered = await self._triggered(calls)
        if not (self._can_be_triggered and known.can_be_triggered):
            await calls.call(call.GetConfiguration(key=["HeartbeatInterval"]), Priority.SETUP)

    async def _triggered(self, calls: Calls) -> bool:
        for what in ("StatusNotification", "MeterValues"):
            trigger = call.TriggerMessage(requested_message=what, connector_id=CONNECTOR)
            try:
                answer = await calls.call(trigger, Priority.SETUP)
            except RefusedError:
                return False
            if answer.get("status") == "NotImplemented":
                return False
        return True

    def _ignores_a_pause(self, mono_s: float) -> bool:
        if self._told().current_a > 0 or not self._view.draws or self._listener.transaction_id is None:
            self._defiant_since_mono_s = None
            return False
        if self._defiant_since_mono_s is None:
            self._defiant_since_mono_s = mono_s
        return self._ready and mono_s - self._defiant_since_mono_s >= PAUSE_IGNORED_S

    async def _cut(self, calls: Calls) -> None:
        log.warning("%s goes on charging at a limit of 0 A; its session is ended", self._name)
        self._defiant_since_mono_s = None
        stop = call.RemoteStopTransaction(transaction_id=self._listener.transaction_id)
        await calls.call(stop, Priority.LIMIT)
        self._view.cut = True

    def _waits_for_a_start(self, mono_s: float) -> bool:
        plugged_in = self._view.status == "Preparing" or (self._view.cut and self._view.status == "Finishing")
        if not plugged_in or self._listener.transaction_id is not None or not self._ready:
            return False
        waited = mono_s - self._listener.status_mono_s >= START_AFTER_S
        return waited and mono_s - self._started_mono_s >= START_AGAIN_S and self._present_wish()[0].current_a > 0
