"""Relays that follow commands over MQTT as real ones do: late, sometimes not at all, sometimes without a word."""

import asyncio
import random
from collections.abc import Callable

from hems.domain.wiring import MqttHeatPump, MqttPoint, MqttRelay
from hems.ports import MqttMessage
from tests.support.memory_mqtt import MemoryBroker

HEAT_PUMP = MqttHeatPump(
    block=MqttRelay(command_topic="pump/block/set", state=MqttPoint(topic="pump/block")),
    boost=MqttRelay(
        command_topic="pump/boost/set",
        state=MqttPoint(topic="pump/boost/status", path=("output",)),
        on='{"state": "ON"}',
        off='{"state": "OFF"}',
    ),
    power=MqttPoint(topic="pump/meter", path=("power",)),
    room=MqttPoint(topic="room", path=("temperature",)),
    tank=MqttPoint(topic="tank"),
)


class FakeRelay:
    """One relay at a broker in memory; commands are carried out in their order."""

    def __init__(
        self, broker: MemoryBroker, wiring: MqttRelay, *, changed: Callable[[], None], rng: random.Random | None = None
    ) -> None:
        """Open. ``changed`` is called after each command that was carried out."""
        self.on = False
        self.commands: list[bool] = []
        """Carried out, in order."""
        self.delay_max_s = 0.0
        """Longest way of a command; a later one never overtakes."""
        self.lost_ratio = 0.0
        self.mute = False
        """Switches, but never tells its state."""
        self.only_changes = False
        """Tells its state only where it is another one."""
        self.retains = False
        """Its state is kept by the broker."""
        self.stuck = False
        """Tells its state, but does not switch."""
        self._wiring = wiring
        self._broker = broker
        self._changed = changed
        self._rng = rng or random.Random(1)
        self._link = broker.link()
        self._link.subscribe(wiring.command_topic, self._take)
        self._queue: asyncio.Queue[tuple[float, bool]] = asyncio.Queue()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run())
            tasks.create_task(self._work())

    def press(self, *, on: bool) -> None:
        """Somebody uses its button."""
        self.on = on
        self._changed()
        self._tell()

    def _take(self, message: MqttMessage) -> None:
        assert not message.retained, "a command was retained"
        if self._rng.random() >= self.lost_ratio:
            due_s = asyncio.get_running_loop().time() + self._rng.uniform(0, self.delay_max_s)
            self._queue.put_nowait((due_s, message.payload.decode() == self._wiring.on))

    async def _work(self) -> None:
        while True:
            due_s, on = await self._queue.get()
            await asyncio.sleep(max(due_s - asyncio.get_running_loop().time(), 0))  # noqa: TID251 - virtual time
            changes = on is not self.on and not self.stuck
            self.commands.append(on)
            if changes:
                self.on = on
                self._changed()
            if changes or not self.only_changes:
                self._tell()

    def _tell(self) -> None:
        if not self.mute:
            word = "on" if self.on else "off"
            payload = f'{{"id": 0, "output": {"true" if self.on else "false"}}}' if self._wiring.state.path else word
            self._broker.publish(self._wiring.state.topic, payload, retain=self.retains)
