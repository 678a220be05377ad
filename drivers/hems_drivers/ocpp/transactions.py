"""Charging sessions as they must survive a restart of ours: ids handed out, and what was charged since plug-in."""

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from hems import wire
from hems.domain.documents import STRICT
from hems.domain.errors import OperatingError
from hems_drivers.ocpp.inbound import INT32_MAX

log = logging.getLogger(__name__)

MEMORY_SCHEMA: Literal["hems/ocpp-memory/1"] = "hems/ocpp-memory/1"
FIRST_ID_MAX = 2**30
"""Without memory ids start at random, so that they do not meet those that a station may still hold."""


class Memory(Protocol):
    """One small document that outlives the process. Awaited, so that the disk does not hold up the event loop."""

    async def load(self) -> bytes | None:
        """What was saved last; None before the first time."""
        ...

    async def save(self, content: bytes) -> None:
        """Replace it; when this returns it survives a power cut.

        Raises:
            OSError, OperatingError: it could not be written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What OCPP calls a transaction: from the start of charging to its end."""

    id: int
    meter_start_wh: float | None
    """Energy register at the start; None until the station first tells it [Wh]."""
    started_at: datetime
    asked_text: str = ""
    """What the station said about the start. It asks again, word for word, when our answer was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A car's stay at one charger."""

    transaction: Transaction | None = None
    energy_before_wh: float = 0.0
    """Energy of transactions of this stay that have ended, >= 0 [Wh]."""
    ended_id: int | None = None
    """The transaction whose end was told last, of this stay or the one before. Its last values often come after."""

    @property
    def newest_id(self) -> int | None:
        """The open transaction, else the one that ended last."""
        return self.ended_id if self.transaction is None else self.transaction.id

    def energy_wh(self, register_wh: float | None) -> float:
        """Energy since plug-in, >= 0 [Wh]."""
        start_wh = None if self.transaction is None else self.transaction.meter_start_wh
        if register_wh is None or start_wh is None:
            return self.energy_before_wh
        return self.energy_before_wh + max(0.0, register_wh - start_wh)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryDocument:
    """All chargers of one port."""

    __pydantic_config__: ClassVar = STRICT

    last_transaction_id: int
    sessions: Mapping[str, Session] = field(default_factory=dict)
    """By identity."""
    schema: Literal["hems/ocpp-memory/1"] = MEMORY_SCHEMA


class Transactions:
    """The sessions of all chargers of a port. Every change is durable before the caller goes on."""

    def __init__(self, memory: Memory, rng: random.Random) -> None:
        self._memory = memory
        self._document = MemoryDocument(last_transaction_id=rng.randrange(1, FIRST_ID_MAX))
        self._saving = asyncio.Lock()
        self._saves = True

    async def load(self) -> None:
        """Go on where the process before stopped; a damaged memory is told and left."""
        try:
            content = await self._memory.load()
            if content is not None:
                self._document = wire.parse(MemoryDocument, content, source="memory of the chargers")
        except (OSError, OperatingError) as error:
            log.warning("sessions under way lose their start, because their record cannot be read: %s", error)

    def of(self, identity: str) -> Session:
        """The session at a charger; an empty one where there is none."""
        return self._document.sessions.get(identity, Session())

    async def start(
        self, identity: str, *, meter_start_wh: float | None, started_at: datetime, asked_text: str
    ) -> Transaction:
        """A new transaction; for a start that was asked before, the same one again."""
        session = self.of(identity)
        if session.transaction is not None and asked_text and session.transaction.asked_text == asked_text:
            return session.transaction
        transaction = Transaction(
            id=self._document.last_transaction_id % INT32_MAX + 1,
            meter_start_wh=meter_start_wh,
            started_at=started_at,
            asked_text=asked_text,
        )
        # One whose end was never told ended where this one starts.
        before_wh = session.energy_wh(meter_start_wh)
        opened = Session(transaction=transaction, energy_before_wh=before_wh, ended_id=session.newest_id)
        await self._put(identity, opened, last_id=transaction.id)
        return transaction

    async def adopt(self, identity: str, transaction_id: int, *, register_wh: float | None, at: datetime) -> None:
        """A transaction that we have no record of: its energy counts from now on."""
        transaction = Transaction(id=transaction_id, meter_start_wh=register_wh, started_at=at)
        last_id = max(self._document.last_transaction_id, transaction_id)
        adopted = Session(transaction=transaction, ended_id=self.of(identity).ended_id)
        await self._put(identity, adopted, last_id=last_id)

    async def begin_at(self, identity: str, register_wh: float) -> None:
        """The register at the start of the open transaction, learnt or corrected later."""
        session = self.of(identity)
        if session.transaction is not None:
            transaction = replace(session.transaction, meter_start_wh=register_wh)
            await self._put(identity, replace(session, transaction=transaction))

    async def stop(self, identity: str, register_wh: float | None) -> None:
        """The transaction has ended; the car may still be there."""
        session = self.of(identity)
        if session.transaction is not None:
            ended = Session(energy_before_wh=session.energy_wh(register_wh), ended_id=session.newest_id)
            await self._put(identity, ended)

    async def was_stopped(self, identity: str, transaction_id: int) -> None:
        """The end of a transaction that is not under way here was told: of one that was given up, or is unknown."""
        session = self.of(identity)
        if session.ended_id != transaction_id:
            await self._put(identity, replace(session, ended_id=transaction_id))

    async def unplugged(self, identity: str) -> None:
        """The car has gone. A transaction without a stop has not ended: it may go on, if the station was mistaken."""
        session = self.of(identity)
        if session != (empty := Session(ended_id=session.ended_id)):
            await self._put(identity, empty)

    async def _put(self, identity: str, session: Session, *, last_id: int | None = None) -> None:
        before = self._document
        self._document = replace(
            before,
            last_transaction_id=before.last_transaction_id if last_id is None else last_id,
            sessions={**before.sessions, identity: session},
        )
        async with self._saving:
            await self._save()

    async def _save(self) -> None:
        try:
            await self._memory.save(wire.canonical(self._document))
        except (OSError, OperatingError) as error:
            if self._saves:
                log.warning("charging goes on, but sessions would not survive a restart: %s", error)
            self._saves = False
        else:
            self._saves = True
