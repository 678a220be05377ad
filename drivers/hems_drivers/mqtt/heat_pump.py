"""An SG-Ready heat pump: which mode its contacts hold, and for how long."""

import asyncio
import logging

from hems.domain.command import HeatPumpPower, Lease
from hems.domain.site import DeviceId
from hems.domain.wiring import MqttHeatPump
from hems.ports import Answer, Clock, Mqtt, Outcome
from hems_drivers.mqtt.relays import Contacts, Mode

log = logging.getLogger(__name__)

DWELL_S = 600.0
"""SG-Ready: a heat pump may ignore a signal that is shorter. To block is exempt, since it protects the fuse."""
REFRESHES_PER_LEASE = 3
"""A relay with a timer of its own may miss two refreshes."""
RETRY_S = 10.0
"""Before something is told again that was not confirmed."""
WATCH_PERIOD_S = 1.0
LONG_AGO_S, NEVER_S = float("-inf"), float("inf")


def mode_for(action: HeatPumpPower) -> Mode:
    """What the contacts can say of a power: by itself, not at all, or do run."""
    if action.power_w is None:
        return Mode.NORMAL
    return Mode.BOOST if action.power_w > 0 else Mode.BLOCK


class HeatPumpControl:
    """One heat pump. Its lock keeps commands, lapsed leases and rest apart."""

    def __init__(self, device_id: DeviceId, wiring: MqttHeatPump, *, mqtt: Mqtt, clock: Clock) -> None:
        """Listens to the relays; tells them nothing yet."""
        self._device_id = device_id
        self._clock = clock
        self._contacts = Contacts(wiring, mqtt)
        self._lock = asyncio.Lock()
        self._mode: Mode | None = None
        """What was told last; None before the first rest."""
        self._since_mono_s = LONG_AGO_S
        self._told_mono_s = LONG_AGO_S
        self._expires_mono_s = NEVER_S
        self._doubted = False
        self._answer = Answer(outcome=Outcome.REJECTED, detail="the contacts are not known to be open yet")

    async def follow(self, action: HeatPumpPower, lease: Lease) -> Answer:
        """Bring the contacts into the mode of a power; nothing is published while they hold it and that is fresh."""
        async with self._lock:
            wanted, now_s = mode_for(action), self._clock.monotonic_s()
            if self._mode is None:
                return self._answer
            if now_s >= lease.expires_mono_s:
                return Answer(outcome=Outcome.REJECTED, detail="the lease of the command was over")
            self._expires_mono_s = lease.expires_mono_s
            if (left_s := self._dwell_left_s(wanted)) > 0:
                detail = (
                    f"the contacts stay at {self._mode.value} for {left_s:.0f} s more, or the heat pump ignores them"
                )
                await self._keep(self._mode, lease)
                return Answer(outcome=Outcome.REJECTED, detail=detail)
            return await self._keep(wanted, lease)

    async def watch(self) -> None:
        """Open the contacts at first, and again whenever a lease is over that nobody has renewed; never returns."""
        self._mode, self._expires_mono_s = None, LONG_AGO_S
        while True:
            if self._clock.monotonic_s() >= self._expires_mono_s:
                async with self._lock:
                    await self._lapse()
            await self._clock.sleep_until(self._clock.monotonic_s() + WATCH_PERIOD_S)

    async def rest(self) -> Answer:
        """Open the contacts."""
        async with self._lock:
            self._expires_mono_s = NEVER_S
            return await self._switch(Mode.NORMAL)

    async def _lapse(self) -> None:
        if self._clock.monotonic_s() < self._expires_mono_s:
            return  # renewed while we waited for the lock
        if self._mode in (Mode.BLOCK, Mode.BOOST):
            log.warning(
                "%s: no command in time, the contacts are opened (were at %s)", self._device_id, self._mode.value
            )
        answer = await self._switch(Mode.NORMAL)
        if answer.outcome is Outcome.ACCEPTED:
            self._expires_mono_s = NEVER_S
        elif answer.outcome is Outcome.UNCONFIRMED:
            self._expires_mono_s = self._clock.monotonic_s() + RETRY_S

    async def _keep(self, wanted: Mode, lease: Lease) -> Answer:
        """Be in a mode, and tell it again before a relay's own timer ends."""
        now_s = self._clock.monotonic_s()
        if wanted is self._mode and self._contacts.say(wanted):
            if now_s < self._told_mono_s + lease.duration_s / REFRESHES_PER_LEASE:
                return Answer(outcome=Outcome.ACCEPTED)
            self._told_mono_s = now_s
            return await self._contacts.repeat(wanted)
        if wanted is self._mode and now_s < self._told_mono_s + RETRY_S:
            return self._answer
        return await self._switch(wanted)

    def _dwell_left_s(self, wanted: Mode) -> float:
        """How long the mode must be kept before this one may follow [s]; out of a block, and into one, at once."""
        if wanted in (self._mode, Mode.BLOCK) or self._mode is Mode.BLOCK:
            return 0.0
        return self._since_mono_s + DWELL_S - self._clock.monotonic_s()

    async def _switch(self, wanted: Mode) -> Answer:
        now_s = self._told_mono_s = self._clock.monotonic_s()
        changes = wanted is not self._mode and not self._contacts.say(wanted)
        self._answer = answer = await self._contacts.switch(wanted)
        told = answer.outcome is not Outcome.REJECTED
        if answer.outcome is Outcome.UNCONFIRMED and not self._doubted:
            log.warning("%s: %s: let it publish its state after each command", self._device_id, answer.detail)
        self._doubted = answer.outcome is Outcome.UNCONFIRMED
        if told or self._mode is not None:
            self._mode = wanted
        if told and changes:
            self._since_mono_s = now_s
        return answer
