"""One control of one device: commands in, registers out, and never a word that the device did not confirm."""

import asyncio
import logging

from hems.domain.command import Lease
from hems.domain.errors import OperatingError
from hems.domain.site import DeviceId
from hems.ports import Answer, Clock, Outcome
from hems_drivers.lease import TIMER_MIN_S, WriteGate, timer_s
from hems_drivers.modbus.request import LinkDownError, LinkError, Priority, ReconnectedError, RefusedError
from hems_drivers.sunspec.discovery import Place
from hems_drivers.sunspec.models import Block
from hems_drivers.sunspec.procedures import Procedure
from hems_drivers.sunspec.unit import Unit

log = logging.getLogger(__name__)

SECOND_LOOK_S = 0.5
"""Some devices show a new value a moment after they took it [house s]."""
REFUSED_PAUSE_S = 10.0
"""A device that refuses is not asked the same thing every second [house s]."""
ACCEPTED = Answer(outcome=Outcome.ACCEPTED)
LEFT_TO_OTHERS = Answer(outcome=Outcome.REJECTED, detail="somebody else keeps changing it: it is left to them for now")


class Control:
    """Made when a device was identified, with what its model held then; thrown away with the connection."""

    def __init__(
        self,
        *,
        device_id: DeviceId,
        unit: Unit,
        place: Place,
        block: Block,
        procedure: Procedure,
        gate: WriteGate,
        clock: Clock,
    ) -> None:
        """``gate`` outlives it: a lease does not end because a connection does."""
        self.device_id = device_id
        self.block = block
        self._unit, self._place, self._procedure = unit, place, procedure
        self._gate, self._clock = gate, clock
        self._lock = asyncio.Lock()
        self._refusal: Answer | None = None
        self._refused_until_s = float("-inf")
        self._untimed = False
        self._restless = not gate.leased(clock.monotonic_s())
        gate.doubt()

    async def look(self) -> Block:
        """Read the model, and see whether the device still does what it was told. Raises LinkError."""
        async with self._lock:
            self.block = await self._unit.block(self._place)
            if not self._gate.refresh_due(self._clock.monotonic_s()):
                deviation = self._deviation(self._gate.power_w)
                if deviation is not None and self._gate.rival.changed_it(self._clock.monotonic_s(), deviation):
                    self._gate.doubt()
            return self.block

    async def follow(self, power_w: float | None, *, lease: Lease, urgent: bool) -> Answer:
        """Make the device hold a power; None gives control back to it."""
        async with self._lock:
            mono_s = self._clock.monotonic_s()
            if self._refusal is not None and mono_s < self._refused_until_s and not urgent:
                return self._refusal
            if self._gate.rival.has_it(mono_s) and not urgent:
                self._gate.renew(lease)
                return LEFT_TO_OTHERS
            if not self._gate.due(power_w, mono_s=mono_s, urgent=urgent):
                self._gate.renew(lease)
                return ACCEPTED
            answer = await self._write(power_w, lease)
            self._restless = self._restless and answer.outcome is not Outcome.ACCEPTED
            return answer

    async def keep_at_rest(self) -> None:
        """Put it to rest if nobody commands it (any more)."""
        async with self._lock:
            mono_s = self._clock.monotonic_s()
            if self._gate.lapsed(mono_s):
                log.warning("%s: its last command was not renewed in time; it is put to rest", self.device_id)
                self._gate.rested()
                self._restless = True
            if self._restless and mono_s >= self._refused_until_s:
                await self._rest()

    async def rest(self) -> None:
        """Put it to rest, before a clean stop."""
        async with self._lock:
            answer = await self._rest()
        if answer.outcome is not Outcome.ACCEPTED:
            log.warning("%s: it may not be at rest: %s", self.device_id, answer.detail)

    async def _rest(self) -> Answer:
        power_w = self._procedure.rest_w(self.block)
        self._gate.rested()
        if power_w is None and self._deviation(None) is None:
            self._restless = False
            return ACCEPTED
        lease = Lease(granted_mono_s=self._clock.monotonic_s(), duration_s=TIMER_MIN_S)
        answer = await self._write(power_w, lease)
        self._gate.rested()
        self._restless = answer.outcome is not Outcome.ACCEPTED
        return answer

    async def _write(self, power_w: float | None, lease: Lease) -> Answer:
        """All steps that the device does not hold yet; when its timer is due, all of them. Then read it back."""
        mono_s = self._clock.monotonic_s()
        whole = self._gate.whole_due(mono_s)
        self._gate.doubt()
        sent_count = 0
        try:
            for step in self._procedure.steps(self.block, power_w, timer_s=timer_s(lease)):
                held = self.block.words[step.offset : step.offset + len(step.words)]
                if whole or held != step.words or (step.seals and sent_count):
                    await self._unit.write(self._place.address + step.offset, step.words)
                    sent_count += 1
            deviation = await self._read_back(power_w)
        except RefusedError as error:
            return self._refused(str(error))
        except (LinkDownError, ReconnectedError) as error:
            return Answer(outcome=Outcome.UNCONFIRMED if sent_count else Outcome.REJECTED, detail=str(error))
        except LinkError as error:
            return Answer(outcome=Outcome.UNCONFIRMED, detail=str(error))
        except OperatingError as error:
            return self._refused(str(error))
        if deviation is not None:
            return self._refused(f"the device holds something else: {deviation}")
        self._refusal = None
        self._gate.written(power_w, lease=lease, mono_s=mono_s, whole=whole)
        self._check_timer(timer_s(lease), power_w)
        return ACCEPTED

    async def _read_back(self, power_w: float | None) -> str | None:
        self.block = await self._unit.block(self._place, priority=Priority.CONTROL)
        if self._deviation(power_w) is None:
            return None
        await self._clock.sleep_until(self._clock.monotonic_s() + SECOND_LOOK_S)
        self.block = await self._unit.block(self._place, priority=Priority.CONTROL)
        return self._deviation(power_w)

    def _deviation(self, power_w: float | None) -> str | None:
        """What the device holds instead; a device that stops telling its scale holds nothing known."""
        try:
            return self._procedure.deviation(self.block, power_w)
        except OperatingError as error:
            return str(error)

    def _refused(self, detail: str) -> Answer:
        self._refused_until_s = self._clock.monotonic_s() + REFUSED_PAUSE_S
        answer = Answer(outcome=Outcome.REJECTED, detail=detail)
        if self._refusal is None:
            log.warning("%s: refused: %s", self.device_id, detail)
        self._refusal = answer
        return answer

    def _check_timer(self, wanted_s: int, power_w: float | None) -> None:
        """A device may count its timer down where it was written; one that holds 0 or more than that never reverts."""
        held_s = self._procedure.timer_s(self.block)
        if power_w is None or (held_s is not None and 0 < held_s <= wanted_s) or self._untimed:
            return
        self._untimed = True
        log.warning(
            "%s: it does not keep a timer (%s where %s s were asked): should this program end without a goodbye, "
            "it holds its last command", self.device_id, held_s, wanted_s,
        )  # fmt: skip
