"""The two contacts of an SG-Ready heat pump, which must never be closed together."""

import asyncio
from collections import deque
from enum import Enum

from hems.domain.errors import OperatingError
from hems.domain.wiring import MqttHeatPump, MqttRelay
from hems.ports import Answer, Mqtt, MqttMessage, Outcome
from hems_drivers.payload import is_on

CONFIRM_TIMEOUT_S = 3.0
"""For a relay to tell its state; real seconds."""
LATE_MAX_S = 30.0
"""How late a relay may still carry out a command, in the order in which they were sent; real seconds."""


class Mode(Enum):
    """State of the contacts; both closed would be a fourth one, "forced", which is never used."""

    NORMAL = "normal"
    """Both open: by its own thermostat."""
    BLOCK = "block"
    BOOST = "boost"
    """Recommended to run."""


class Relay:
    """A switch, as it was told and as it says."""

    def __init__(self, wiring: MqttRelay, mqtt: Mqtt) -> None:
        """Listens to its state from now on."""
        self.topic = wiring.command_topic
        self.state_topic = wiring.state.topic
        self.on: bool | None = None
        """What it says; None: not heard since it was told something else."""
        self._wiring = wiring
        self._mqtt = mqtt
        self._heard = asyncio.Event()
        self._opening_since_s: deque[float] = deque()
        """Commands to open that it has not answered."""
        self._unclear_until_s = 0.0
        """Until then an answer to a command to open may be the answer to an older one, with a close to follow."""
        mqtt.subscribe(wiring.state.topic, self._hear)

    @property
    def is_open(self) -> bool:
        """Whether it says so, and no command to close it can be on its way."""
        return self.on is False and asyncio.get_running_loop().time() >= self._unclear_until_s

    async def tell(self, *, on: bool) -> None:
        """Publish a command. Raises OperatingError where the broker does not have it."""
        now_s = asyncio.get_running_loop().time()
        while self._opening_since_s and self._opening_since_s[0] < now_s - LATE_MAX_S:
            self._opening_since_s.popleft()
        if not on:
            self._opening_since_s.append(now_s)
        elif self._opening_since_s or now_s < self._unclear_until_s:
            self._unclear_until_s = now_s + LATE_MAX_S
        if self.on is not on:
            # Whatever it said before was before this command.
            self.on = None
        word = self._wiring.on if on else self._wiring.off
        await self._mqtt.publish(self._wiring.command_topic, word.encode(), qos=1)

    async def obeys(self, *, on: bool) -> bool:
        """Whether it is closed, or open for sure, now or within :data:`CONFIRM_TIMEOUT_S`."""
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                while not (self.on if on else self.is_open):
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            return False
        return True

    def _hear(self, message: MqttMessage) -> None:
        said = is_on(message.payload, self._wiring)
        # A retained state stands for a relay that speaks only when it changes; it never corrects what was said live.
        if said is not None and not (message.retained and self.on is not None):
            self.on = said
            if not said and self._opening_since_s:
                self._opening_since_s.popleft()
            self._heard.set()


class Contacts:
    """Both relays of a heat pump."""

    def __init__(self, wiring: MqttHeatPump, mqtt: Mqtt) -> None:
        """Nothing told yet."""
        self._block = Relay(wiring.block, mqtt)
        self._boost = Relay(wiring.boost, mqtt)

    def say(self, mode: Mode) -> bool:
        """Whether both relays say that they are in this mode."""
        return self._block.on is (mode is Mode.BLOCK) and self._boost.on is (mode is Mode.BOOST)

    async def switch(self, mode: Mode) -> Answer:
        """Open what must be open, see that it is, and only then close the other one."""
        closed = self._closed(mode)
        opened = [relay for relay in (self._boost, self._block) if relay not in closed]
        try:
            for on, relays in ((False, opened), (True, closed)):
                for relay in relays:
                    await relay.tell(on=on)
                for relay in relays:
                    if not await relay.obeys(on=on):
                        return _unconfirmed(relay, on=on)
        except OperatingError as error:
            return Answer(outcome=Outcome.REJECTED, detail=str(error))
        return Answer(outcome=Outcome.ACCEPTED)

    async def repeat(self, mode: Mode) -> Answer:
        """Close once more what is closed, for relays that open by themselves after a time."""
        try:
            for relay in self._closed(mode):
                await relay.tell(on=True)
        except OperatingError as error:
            return Answer(outcome=Outcome.REJECTED, detail=str(error))
        return Answer(outcome=Outcome.ACCEPTED)

    def _closed(self, mode: Mode) -> list[Relay]:
        return [relay for relay, at in ((self._block, Mode.BLOCK), (self._boost, Mode.BOOST)) if at is mode]


def _unconfirmed(relay: Relay, *, on: bool) -> Answer:
    wanted = "on" if on else "off"
    if relay.on is not None and relay.on is not on:
        return Answer(outcome=Outcome.REJECTED, detail=f"{relay.topic} was told {wanted} and says that it is not")
    detail = f"{relay.topic} was told {wanted} and does not say in time on {relay.state_topic} that it is"
    return Answer(outcome=Outcome.UNCONFIRMED, detail=detail)
