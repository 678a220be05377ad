"""A house at a broker in memory: a meter, and a heat pump behind two relays.

The relays follow commands as real ones do: late, sometimes not at all, sometimes without a word.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hems.domain.command import HeatPumpPower
from hems.domain.site import DeviceId
from hems.domain.wiring import MqttHeatPump, MqttMeter, MqttPoint, MqttRelay
from hems.ports import Answer, DeviceReading, Driver, MqttMessage
from hems.sim.memory_mqtt import MemoryBroker, MemoryMqtt
from hems.sim.virtual_time import VirtualClock, run
from hems_drivers.mqtt import mqtt_driver
from tests.support.eventually import START_AT, running
from tests.support.simulated import order

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


METER, PUMP = DeviceId("grid"), DeviceId("pump")
SHELLY = MqttMeter(
    power=MqttPoint(topic="em", path=("total_act_power",)),
    phase_power=tuple(MqttPoint(topic="em", path=(f"{phase}_act_power",)) for phase in "abc"),
)
LEASE_S = 90.0


@dataclass
class House:
    """A driver with a meter and a heat pump behind two relays, at a broker in memory."""

    clock: VirtualClock
    broker: MemoryBroker
    link: MemoryMqtt
    driver: Driver
    relays: tuple[FakeRelay, FakeRelay]
    readings: list[tuple[DeviceId, DeviceReading]] = field(default_factory=list)
    both_closed: bool = False

    async def command(self, power_w: float | None, *, lease_s: float = LEASE_S) -> Answer:
        action = HeatPumpPower(power_w=power_w)
        return await self.driver.apply(order(PUMP, action, mono_s=self.clock.monotonic_s(), lease_s=lease_s))

    async def keep(self, power_w: float | None, seconds: float) -> Answer:
        """The same command every ten seconds, as the tick gives it; the last answer."""
        end_s = self.clock.monotonic_s() + seconds
        answer = await self.command(power_w)
        while self.clock.monotonic_s() < end_s:
            await self.wait(10)
            answer = await self.command(power_w)
        return answer

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.monotonic_s() + seconds)

    @property
    def block(self) -> FakeRelay:
        return self.relays[0]

    @property
    def boost(self) -> FakeRelay:
        return self.relays[1]

    @property
    def contacts(self) -> tuple[bool, bool]:
        return self.block.on, self.boost.on


def in_a_house(
    test: Callable[[House], Awaitable[None]],
    *,
    meter: MqttMeter = SHELLY,
    setup: Callable[[House], None] = lambda _house: None,
    rng: random.Random | None = None,
) -> None:
    async def main() -> None:
        clock, broker = VirtualClock(START_AT), MemoryBroker()

        def changed() -> None:
            house.both_closed = house.both_closed or all(house.contacts)

        def relay(wiring: MqttRelay) -> FakeRelay:
            return FakeRelay(broker, wiring, changed=changed, rng=rng)

        link = broker.link()
        driver = mqtt_driver(link, meters={METER: meter}, heat_pumps={PUMP: HEAT_PUMP}, clock=clock)
        house = House(clock, broker, link, driver, (relay(HEAT_PUMP.block), relay(HEAT_PUMP.boost)))
        setup(house)

        def report(device_id: DeviceId, reading: DeviceReading) -> None:
            house.readings.append((device_id, reading))

        async with running(house.block.run()), running(house.boost.run()), running(driver.run(report)):
            await house.wait(0.5)
            async with running(link.run()):
                await house.wait(0)
                await house.wait(0)
                await test(house)
        assert not house.both_closed, "both contacts were closed"

    run(main())


def by_itself(test: Callable[[House], Awaitable[None]]) -> Callable[[], None]:
    """A test that gets a house of its own."""

    def made() -> None:
        in_a_house(test)

    made.__name__ = test.__name__
    return made
