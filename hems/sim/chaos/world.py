"""The world around a daemon in virtual time: it goes on second by second, whether a daemon lives or not."""

import asyncio
from collections.abc import Callable

from hems.domain.command import Command
from hems.domain.operator import LimitWrite, Way
from hems.domain.reading import Image
from hems.domain.site import DeviceId
from hems.ports import Answer, DeviceReading, LimitInbox, Outcome, Report
from hems.sim.chaos.broken_parts import Life
from hems.sim.chaos.judge import Judge
from hems.sim.chaos.script import Injected, WorldFault
from hems.sim.chaos.stage import Stage
from hems.sim.faults import Fault
from hems.sim.memory_mqtt import MemoryBroker
from hems.sim.virtual_time import VirtualClock

FLAP_S = 7
"""A link that flaps is cut so often [s]."""


class World:
    """A house with its faults, its broker, its clock, and the judge who watches."""

    def __init__(self, stage: Stage, clock: VirtualClock) -> None:
        """At second 0, nothing wrong yet."""
        self.stage = stage
        self.house = stage.house
        self.clock = clock
        self.judge = Judge(stage)
        self.broker = MemoryBroker()
        self.image: Image = self.house.image(self.house.now)
        self.edges: Callable[[list[Injected], list[Injected]], None] = lambda *_: None
        """Told what began and what ended."""
        self.each_second: Callable[[], None] = lambda: None
        self._turned = asyncio.Event()

    async def run(self) -> None:
        """Live until cancelled."""
        start_s = self.clock.monotonic_s()
        while True:
            await self.clock.sleep_until(start_s + self.house.elapsed_s + 1)
            self.house.advance(1)
            self.judge.after_step()
            begun, ended = self.stage.turn()
            for each in begun:
                self._begin(each)
            for each in ended:
                self._end(each)
            if self.stage.is_on(WorldFault.LINK_FLAPS) and self.house.elapsed_s % FLAP_S == 0:
                self.broker.stop()
                self.broker.start()
            self.edges(begun, ended)
            self.image = self.house.image(self.house.now)
            self.each_second()
            self._turned.set()
            self._turned = asyncio.Event()

    async def turned(self) -> None:
        """Return when a second has passed."""
        await self._turned.wait()

    async def turned_or_ended(self, running: asyncio.Task[None]) -> None:
        """Return when a second has passed, or the world has come to its end."""
        turned = asyncio.ensure_future(self.turned())
        await asyncio.wait({turned, running}, return_when=asyncio.FIRST_COMPLETED)
        turned.cancel()

    def _begin(self, each: Injected) -> None:
        match each.fault:
            case WorldFault.CLOCK_STEP:
                self.clock.step_wall(each.amount)
            case WorldFault.CLOCK_DRIFT:
                self.clock.drift_wall(each.amount)
            case WorldFault.CLOCK_UNTRUSTED:
                self.clock.trusted = False
            case WorldFault.BROKER_GONE:
                self.broker.stop()
            case _:
                pass

    def _end(self, each: Injected) -> None:
        match each.fault:
            case WorldFault.CLOCK_STEP | WorldFault.CLOCK_DRIFT:
                self.clock.drift_wall(0.0)
                self.clock.step_wall((self.house.at - self.clock.now()).total_seconds())
            case WorldFault.CLOCK_UNTRUSTED:
                self.clock.trusted = True
            case WorldFault.BROKER_GONE:
                self.broker.start()
            case _:
                pass

    def reading(self, device_id: DeviceId) -> DeviceReading | None:
        """What a device said last; None: nothing yet."""
        image = self.image
        if device_id == self.house.site.meter.id:
            return image.grid
        groups = (image.pv, image.batteries, image.chargers, image.heat_pumps)
        return next((group[device_id] for group in groups if device_id in group), None)


class GuestDriver:
    """Implements :class:`hems.ports.Driver` for one device of a world, for one life of a daemon."""

    def __init__(self, world: World, device_id: DeviceId, life: Life) -> None:
        """Not connected."""
        self.rested = False
        self._world = world
        self._device_id = device_id
        self._life = life

    @property
    def devices(self) -> frozenset[DeviceId]:
        """The one."""
        return frozenset({self._device_id})

    async def run(self, report: Report) -> None:
        """First of all the device rests; then each new reading is reported."""
        self._let_go()
        seen: DeviceReading | None = None
        while True:
            reading = self._world.reading(self._device_id)
            if reading is not None and reading is not seen:
                seen = reading
                report(self._device_id, reading)
            await self._world.turned()

    async def apply(self, command: Command) -> Answer:
        """The device takes it, or does not; a dead daemon's command goes nowhere."""
        house = self._world.house
        if self._life.ended:
            return Answer(outcome=Outcome.UNCONFIRMED, detail="no answer")
        house.apply([command], house.mono_s)
        if house.disturbances.active.get(self._device_id) is Fault.REFUSING:
            return Answer(outcome=Outcome.REJECTED, detail="write refused")
        return Answer(outcome=Outcome.ACCEPTED)

    async def rest(self) -> None:
        """At rest, at a clean stop."""
        if not self._life.ended:
            self._let_go()
            self.rested = True

    def _let_go(self) -> None:
        house = self._world.house
        if self._device_id in house.devices and self._device_id not in self._world.stage.hard_of_hearing():
            house.held.pop(self._device_id, None)
            house.devices[self._device_id].apply(None)


class ControlBox:
    """Implements :class:`hems.app.daemon.OperatorBox`: the grid operator's limits of a stage, for one life of a daemon.

    He is heard each second, and writes what has changed; to a new daemon everything, after ``SHY_S`` of silence.
    """

    SHY_S = 10
    """What was written before a restart holds meanwhile [s]."""

    def __init__(self, world: World, life: Life) -> None:
        """Nothing written yet."""
        self.accepted: dict[Way, float] = {}
        """Limits that were acknowledged and not taken back [W]."""
        self._world = world
        self._life = life

    async def run(self, inbox: LimitInbox) -> None:
        """Write until cancelled."""
        for _ in range(self.SHY_S):
            await self._world.turned()
        written: dict[Way, float | None] = {}
        while True:
            inbox.heartbeat()
            for way, limit_w in self._wanted().items():
                if way not in written or written[way] != limit_w:
                    answer = await inbox.write(way, LimitWrite(limit_w=limit_w))
                    if self._life.ended:
                        return
                    self.accepted.pop(way, None)
                    if answer is None:
                        written[way] = limit_w
                        if limit_w is not None:
                            self.accepted[way] = limit_w
            await self._world.turned()

    def _wanted(self) -> dict[Way, float | None]:
        limits = self._world.stage.limits
        draws_w = [each.import_power_max_w for each in limits if each.import_power_max_w is not None]
        feeds_w = [each.export_power_max_w for each in limits if each.export_power_max_w is not None]
        return {Way.CONSUMPTION: min(draws_w, default=None), Way.PRODUCTION: min(feeds_w, default=None)}
