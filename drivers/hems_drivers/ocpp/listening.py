"""What a station asks and tells, answered and kept."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from ocpp.v16 import call_result  # type: ignore[import-untyped]
from ocpp.v16.datatypes import IdTagInfo  # type: ignore[import-untyped]
from ocpp.v16.enums import AuthorizationStatus, DataTransferStatus, RegistrationStatus  # type: ignore[import-untyped]

from hems.ports import Clock
from hems_drivers.ocpp import frames
from hems_drivers.ocpp.car import CarView, Told
from hems_drivers.ocpp.inbound import Lag, Payload, entries, instant, integer, measured, number, status, text
from hems_drivers.ocpp.profiles import CONNECTOR, stamp
from hems_drivers.ocpp.transactions import Session, Transactions

log = logging.getLogger(__name__)

TALK_S = 10
"""How often a station measures and is heard: three times in the 30 s that a reading counts [s]."""
SESSION_WH_MAX = 300_000.0
"""More goes into no car: the start that the station told was not of this meter."""
ROUNDING_WH = 10.0

ACCEPTED = IdTagInfo(status=AuthorizationStatus.accepted)
BLOCKED = IdTagInfo(status=AuthorizationStatus.blocked)
Handler = Callable[[Payload], Awaitable[object]]


class Listener:
    """Answers one station, and keeps what it learns in the view of the car and in the record of sessions.

    Everybody may charge: any RFID tag is accepted, because who stands in the drive of a house with a cable is a guest.
    A second socket of the station is not in the site file and gets no start: nothing would limit it.

    Nothing here calls the station: its next message, the answer included, is only read when this one is answered.
    """

    def __init__(
        self,
        view: CarView,
        *,
        identity: str,
        name: str,
        clock: Clock,
        transactions: Transactions,
        told: Callable[[], Told],
        on_restart: Callable[[], None],
    ) -> None:
        self._view = view
        self._identity = identity
        self._name = name
        self._clock = clock
        self._transactions = transactions
        self._told = told
        self._on_restart = on_restart
        self._lag = Lag()
        self.said = False
        """Whether the station has said since its connection how it is; before, what it said earlier is in doubt."""
        self.status_mono_s = 0.0
        """When the status of the connector last changed."""
        self._handlers: Mapping[str, Handler] = {
            "BootNotification": self._on_boot,
            "Heartbeat": self._on_heartbeat,
            "StatusNotification": self._on_status,
            "Authorize": self._on_authorize,
            "StartTransaction": self._on_start,
            "MeterValues": self._on_meter_values,
            "StopTransaction": self._on_stop,
            "DataTransfer": self._on_data_transfer,
            "FirmwareStatusNotification": _acknowledge(call_result.FirmwareStatusNotification),
            "DiagnosticsStatusNotification": _acknowledge(call_result.DiagnosticsStatusNotification),
            "SecurityEventNotification": _acknowledge(call_result.SecurityEventNotification),
            "LogStatusNotification": _acknowledge(call_result.LogStatusNotification),
        }

    @property
    def session(self) -> Session:
        """The car's stay."""
        return self._transactions.of(self._identity)

    @property
    def transaction_id(self) -> int | None:
        """The transaction under way."""
        transaction = self.session.transaction
        return None if transaction is None else transaction.id

    async def answer(self, asked: frames.Request) -> str:
        """Frame of our answer to a request."""
        handler = self._handlers.get(asked.action)
        if handler is None:
            return frames.refusal(asked.unique_id, "NotImplemented", "this central system has no use for it")
        return frames.result(asked, await handler(asked.payload))

    async def _on_boot(self, payload: Payload) -> object:
        maker, model = text(payload.get("chargePointVendor")), text(payload.get("chargePointModel"))
        log.info("%s started: %.40r %.40r %.50r", self._name, maker, model, text(payload.get("firmwareVersion")))
        self._on_restart()
        return call_result.BootNotification(
            current_time=stamp(self._clock.now()), interval=TALK_S, status=RegistrationStatus.accepted
        )

    async def _on_heartbeat(self, _: Payload) -> object:
        return call_result.Heartbeat(current_time=stamp(self._clock.now()))

    async def _on_authorize(self, _: Payload) -> object:
        return call_result.Authorize(id_tag_info=ACCEPTED)

    async def _on_data_transfer(self, _: Payload) -> object:
        return call_result.DataTransfer(status=DataTransferStatus.unknown_vendor_id)

    async def _on_status(self, payload: Payload) -> object:
        connector, now = integer(payload.get("connectorId")), status(payload)
        if connector == 0:
            self._view.on_station_status(now)
        elif connector in (None, CONNECTOR) and now:
            if now != self._view.status:
                self.status_mono_s = self._clock.monotonic_s()
                level = logging.WARNING if now == "Faulted" else logging.INFO
                log.log(level, "%s: %s %.50r", self._name, now, text(payload.get("errorCode")))
            self.said = True
            self._view.on_status(now)
            if now == "Available":
                await self._transactions.unplugged(self._identity)
        return call_result.StatusNotification()

    async def _on_start(self, payload: Payload) -> object:
        if integer(payload.get("connectorId")) not in (None, CONNECTOR):
            return call_result.StartTransaction(transaction_id=0, id_tag_info=BLOCKED)
        at = instant(payload.get("timestamp"))
        transaction = await self._transactions.start(
            self._identity,
            meter_start_wh=number(payload.get("meterStart")),
            started_at=self._clock.now(),
            asked_text="" if at is None else f"{stamp(at)} {text(payload.get('idTag')):.20}",
        )
        self._view.register_wh = transaction.meter_start_wh
        return call_result.StartTransaction(transaction_id=transaction.id, id_tag_info=ACCEPTED)

    async def _on_stop(self, payload: Payload) -> object:
        """A stop of a transaction that we do not know is accepted too, or the station repeats it for ever."""
        transaction_id, stop_wh = integer(payload.get("transactionId")), number(payload.get("meterStop"))
        if transaction_id == self.transaction_id:
            await self._transactions.stop(self._identity, stop_wh)
        elif transaction_id is not None and transaction_id <= 0:
            # It began while the station was offline, which then never learnt its number.
            register_wh = self._stopped_at_wh(stop_wh)
            if register_wh is not None:
                await self._transactions.stop(self._identity, register_wh)
        elif transaction_id is not None:
            await self._transactions.was_stopped(self._identity, transaction_id)
        return call_result.StopTransaction(id_tag_info=ACCEPTED)

    def _stopped_at_wh(self, stop_wh: float | None) -> float | None:
        """The register where a stop without a number ends the open transaction; None where it is not of this one."""
        transaction = self.session.transaction
        if transaction is None or transaction.meter_start_wh is None or stop_wh is None:
            return None
        register_wh, start_wh = settled(stop_wh, transaction.meter_start_wh)
        last_wh = start_wh if self._view.register_wh is None else self._view.register_wh
        fits = start_wh == transaction.meter_start_wh and register_wh >= last_wh - ROUNDING_WH
        return register_wh if fits else None

    async def _on_meter_values(self, payload: Payload) -> object:
        if integer(payload.get("connectorId")) in (None, CONNECTOR):
            for entry in entries(payload.get("meterValue")):
                await self._on_measured(entry, integer(payload.get("transactionId")))
        return call_result.MeterValues()

    async def _on_measured(self, entry: Payload, transaction_id: int | None) -> None:
        found = measured(entry)
        mono_s = self._clock.monotonic_s()
        if not self._lag.live(found.at, now=self._clock.now(), mono_s=mono_s):
            return
        if transaction_id is not None and transaction_id == self.session.ended_id:
            # A last word: its power is of now, its energy was told by the stop.
            found = replace(found, register_wh=None)
        elif transaction_id is not None and transaction_id > 0 and self._goes_on_unknown(transaction_id):
            log.info("%s goes on with transaction %d, of which nothing is known here", self._name, transaction_id)
            await self._transactions.adopt(
                self._identity, transaction_id, register_wh=found.register_wh, at=self._clock.now()
            )
        transaction = self.session.transaction
        if found.register_wh is not None and transaction is not None:
            register_wh, start_wh = settled(found.register_wh, transaction.meter_start_wh)
            if start_wh != transaction.meter_start_wh:
                await self._transactions.begin_at(self._identity, start_wh)
            found = replace(found, register_wh=register_wh)
        self.said = True
        self._view.on_measured(found, mono_s=mono_s, told=self._told())

    def _goes_on_unknown(self, transaction_id: int) -> bool:
        """Whether a transaction without a record here is under way: a station without a car tells of one gone by.

        So does one with another transaction open: we give the numbers, and give them upwards.
        """
        open_id = self.transaction_id
        return self._view.status != "Available" and (open_id is None or transaction_id > open_id)


def settled(register_wh: float, start_wh: float | None) -> tuple[float, float]:
    """An energy register and its value at the start of the session, free of what stations get wrong [Wh].

    Registers never run backwards: one below its start is in kWh and says Wh, or is of another meter than the start.
    """
    if start_wh is None:
        return register_wh, register_wh
    if register_wh < start_wh - ROUNDING_WH and start_wh <= register_wh * 1000 <= start_wh + SESSION_WH_MAX:
        return register_wh * 1000, start_wh
    if not -ROUNDING_WH <= register_wh - start_wh <= SESSION_WH_MAX:
        return register_wh, register_wh
    return register_wh, start_wh


def _acknowledge(made: Callable[[], object]) -> Handler:
    async def handler(_: Payload) -> object:
        return made()

    return handler
