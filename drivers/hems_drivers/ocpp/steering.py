"""Bringing a station to an offer, and knowing what it was brought to."""

import logging
import math
from dataclasses import dataclass

from ocpp.v16 import call  # type: ignore[import-untyped]

from hems.ports import Answer, Clock, Outcome
from hems_drivers.ocpp import profiles
from hems_drivers.ocpp.calls import Calls, NoReplyError, Priority, RefusedError
from hems_drivers.ocpp.car import Told
from hems_drivers.ocpp.inbound import entries, number, text
from hems_drivers.ocpp.profiles import CONNECTOR, Abilities, Offer

log = logging.getLogger(__name__)

RAISE_MIN_A = 0.5
"""A smaller raise waits for the next refresh, so that following the sun is not a message a second. Less is told at
once: it may be for the fuse."""
RETRY_S = 10.0
"""Between two tries of what was refused."""
READ_BACK_S = 60
EXACT_RATIO, EXACT_LIMIT = 0.01, 0.1
"""Stations round what they take: to whole amperes in W, to a tenth in A."""

TAKEN = Answer(outcome=Outcome.ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a station was last told under one profile."""

    offer: Offer
    answer: Answer
    set_mono_s: float
    ends_mono_s: float
    """Infinite for a pause."""

    def due(self, offer: Offer, ends_mono_s: float, mono_s: float) -> bool:
        """Whether another offer has to be written."""
        if self.answer.outcome is Outcome.REJECTED and offer == self.offer:
            return mono_s - self.set_mono_s >= RETRY_S
        if (offer.unit, offer.phase_count, offer.pauses) != (
            self.offer.unit,
            self.offer.phase_count,
            self.offer.pauses,
        ):
            return True
        if offer.limit < self.offer.limit or offer.current_a - self.offer.current_a >= RAISE_MIN_A:
            return True
        third_s = (self.ends_mono_s - self.set_mono_s) / 3
        return mono_s - self.set_mono_s >= third_s and ends_mono_s > self.ends_mono_s


class Steering:
    """The profiles of one station. One caller at a time."""

    def __init__(self, *, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._held: dict[int | None, Held] = {}
        self._deaf_to: int | None = None
        self._reads_back = True

    def forget(self) -> None:
        """The station has restarted, or was held by somebody else."""
        self._held.clear()
        self._deaf_to = None
        self._reads_back = True

    def told(self, transaction_id: int | None) -> Told:
        """The offer in force; none after its end."""
        held = self._held.get(transaction_id) or self._held.get(None)
        if held is None or held.answer.outcome is Outcome.REJECTED or self._clock.monotonic_s() >= held.ends_mono_s:
            return Told()
        return Told(current_a=held.offer.current_a, phase_count=held.offer.phase_count)

    async def lay_floor(self, calls: Calls, abilities: Abilities) -> None:
        """Install what holds when we are gone.

        Raises:
            NoReplyError: the station is silent or gone.
        """
        from_at = self._clock.now()
        for started_at in (None, from_at):
            status = await _status(calls, profiles.floor_request(abilities, started_at=started_at))
            if status == "Accepted":
                return
        log.warning(
            "%s refuses a lasting limit of 0 A (%s): without hems it charges as it likes; set its own limit low",
            self._name,
            status,
        )

    async def steer(
        self, calls: Calls, abilities: Abilities, offer: Offer, *, ends_mono_s: float, transaction_id: int | None
    ) -> Answer:
        """Bring the station to an offer that ends at a monotonic second; writes only what has to be written."""
        self._held = {key: held for key, held in self._held.items() if key in (None, transaction_id)}
        if transaction_id is not None and transaction_id != self._deaf_to:
            answer = await self._hold(calls, abilities, offer, ends_mono_s, transaction_id, running=True)
            if answer.outcome is not Outcome.REJECTED:
                await self._withdraw_default(calls, abilities)
                return answer
            log.warning("%s; default profiles are used until this session ends", answer.detail)
            self._deaf_to = transaction_id
            await self._clear(calls, transaction_id)
        if abilities.level_max == 0:
            if offer.pauses:
                return TAKEN
            outcome = Outcome.UNCONFIRMED if transaction_id is None else Outcome.REJECTED
            return Answer(outcome=outcome, detail=f"{self._name} can be raised inside a transaction only")
        return await self._hold(calls, abilities, offer, ends_mono_s, None, running=transaction_id is not None)

    async def _hold(
        self,
        calls: Calls,
        abilities: Abilities,
        offer: Offer,
        ends_mono_s: float,
        transaction_id: int | None,
        *,
        running: bool,
    ) -> Answer:
        held, mono_s = self._held.get(transaction_id), self._clock.monotonic_s()
        if held is not None and not held.due(offer, ends_mono_s, mono_s):
            return held.answer
        request = profiles.offer_request(
            offer,
            abilities,
            transaction_id=transaction_id,
            now=self._clock.now(),
            lasts_s=ends_mono_s - mono_s,
        )
        try:
            status = await _status(calls, request)
            answer = TAKEN
            if status != "Accepted":
                answer = Answer(outcome=Outcome.REJECTED, detail=f"{self._name} refuses {_words(offer)}: {status}")
            elif running:
                same = held is not None and held.offer == offer and held.answer.outcome is not Outcome.REJECTED
                answer = held.answer if held is not None and same else await self._read_back(calls, offer)
        except BaseException as error:
            # Nothing is known of what it holds: neither where no answer came, nor where nobody waited for it.
            self._held.pop(transaction_id, None)
            if not isinstance(error, NoReplyError):
                raise
            return Answer(outcome=Outcome.UNCONFIRMED, detail=f"{self._name}: {error}")
        self._held[transaction_id] = Held(
            offer=offer,
            answer=answer,
            set_mono_s=mono_s,
            ends_mono_s=math.inf if offer.pauses else ends_mono_s,
        )
        return answer

    async def _read_back(self, calls: Calls, offer: Offer) -> Answer:
        """What the station makes of all its profiles. That it takes a profile proves nothing."""
        blind = Answer(outcome=Outcome.UNCONFIRMED, detail=f"{self._name} takes limits, and cannot say what it offers")
        if not self._reads_back:
            return blind
        message = call.GetCompositeSchedule(connector_id=CONNECTOR, duration=READ_BACK_S, charging_rate_unit=offer.unit)
        try:
            payload = await calls.call(message, Priority.SESSION)
        except NoReplyError as error:
            return Answer(outcome=Outcome.UNCONFIRMED, detail=f"{self._name}: {error}")
        except RefusedError:
            payload = {}
        schedule = next(iter(entries(payload.get("chargingSchedule"))), {})
        period = next(iter(entries(schedule.get("chargingSchedulePeriod"))), {})
        limit = number(period.get("limit"))
        if text(payload.get("status")) != "Accepted" or limit is None or schedule.get("chargingRateUnit") != offer.unit:
            self._reads_back = False
            return blind
        tolerance = max(EXACT_LIMIT, EXACT_RATIO * offer.limit)
        said = f"{self._name} took {_words(offer)} and goes by {limit:g} {offer.unit}"
        if limit > offer.limit + tolerance or (limit < EXACT_LIMIT and not offer.pauses):
            return Answer(outcome=Outcome.REJECTED, detail=said)
        if limit < offer.limit - tolerance:
            return Answer(outcome=Outcome.UNCONFIRMED, detail=said)
        return TAKEN

    async def _withdraw_default(self, calls: Calls, abilities: Abilities) -> None:
        """What was offered before the session began must not come back when it ends."""
        held = self._held.get(None)
        mono_s = self._clock.monotonic_s()
        if held is not None and not held.offer.pauses and mono_s < held.ends_mono_s:
            pause = Offer(limit=0.0, unit=held.offer.unit, current_a=0.0, phase_count=None)
            await self._hold(calls, abilities, pause, mono_s, None, running=False)

    async def _clear(self, calls: Calls, transaction_id: int) -> None:
        self._held.pop(transaction_id, None)
        try:
            await calls.call(call.ClearChargingProfile(id=profiles.TRANSACTION_ID), Priority.LIMIT)
        except (NoReplyError, RefusedError):
            log.info("%s did not take its transaction profile back", self._name)


async def _status(calls: Calls, request: object) -> str:
    """Status of the answer, or the error instead of it."""
    try:
        payload = await calls.call(request, Priority.LIMIT)
    except RefusedError as error:
        return error.code
    return text(payload.get("status")) or "no status"


def _words(offer: Offer) -> str:
    return f"a limit of {offer.limit:g} {offer.unit}"
