"""Reactions in virtual time: the whole daemon around simulated houses, many drawn moments each.

A stale meter, a grid operator's limit (also around a restart), and somebody else who keeps changing an inverter.
"""

import asyncio
import logging
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from hems.domain.command import Authority, BatteryPower, ChargeCurrent, Command, Lease
from hems.domain.events import Mode
from hems.domain.operator import GridOperator, OperatorControl, Way
from hems.domain.site import DeviceId
from hems.domain.wiring import LimitContact, LimitSource, MqttPoint, OperatorWiring
from hems.ports import DeviceReading
from hems.runtime.clock import ScaledClock
from hems.sim import virtual_time
from hems.sim.data import HouseData
from hems.sim.house import SimHouse
from hems.sim.memory_mqtt import MemoryBroker
from hems.sim.servers.inverter import HybridInverter
from hems.sim.servers.living import LivingHouse
from hems.sim.servers.sunspec import InverterUnit
from hems.sim.virtual_time import VirtualClock
from hems_drivers.modbus.link import Link, LinkTiming
from hems_drivers.modbus.request import Function, Priority, TcpEndpoint
from hems_drivers.mqtt import OperatorBox
from hems_drivers.sunspec.driver import SunSpecDriver
from hems_drivers.sunspec.session import Roles
from tests.support.houses import BATTERY, CHARGER, home_a, home_b
from tests.support.living import Living, SimDriver, living
from tests.support.simulated import START_AT, flat_data, stay

T = TypeVar("T")
RESTART_S = 2.0 + 3.0
"""``RestartSec`` of the unit, and the longest start that :mod:`benchmarks.reactions_real` may find."""
BOX_REPEATS_S = 30.0
HOPS_MAX = 60


def stale_meter(period_s: float, cases: int) -> list[float]:
    """From the last telegram to the last write that takes the meter for silent [s]."""
    return [_stale(period_s, random.Random(f"stale {period_s} {case}")) for case in range(cases)]


def _stale(period_s: float, dice: random.Random) -> float:
    house_b = home_b()
    site = replace(house_b, meter=replace(house_b.meter, period_s=period_s))
    data = flat_data(site, days=3, load_w=dice.uniform(500.0, 1_500.0), sessions=(stay(0.0, 10.0, 30.0),))

    async def main(folder: Path) -> float:
        async with living(
            site, data, folder, start_at=START_AT, ahead_s=dice.uniform(0.0, 1.0), seed=dice.randrange(1_000)
        ) as house:
            house.planner.broken = True  # by rules the battery covers the load, so that there is something to end
            await house.until(dice.uniform(120.0, 180.0))
            before = _last(house.driver, BATTERY)
            assert before.action != BatteryPower(power_w=0.0), "the battery was at rest before"
            house.driver.lost = {site.meter.id}
            grid = house.daemon.house.live().image.grid
            assert grid is not None
            await house.until_true(lambda: house.daemon.house.snapshot().mode is Mode.SAFE_HOLD, within_s=120.0)
            await house.clock.sleep_until(house.clock.monotonic_s() + 0.1)
            assert _last(house.driver, BATTERY).action == BatteryPower(power_w=0.0)
            tick_s = next(
                command.lease.granted_mono_s
                for command in house.driver.applied
                if command.device_id == BATTERY
                and command.action == BatteryPower(power_w=0.0)
                and command.lease.granted_mono_s > grid.mono_s
            )
            return max(
                next(
                    at_s
                    for at_s, command in zip(house.driver.applied_mono_s, house.driver.applied, strict=True)
                    if command.device_id == device.id and command.lease.granted_mono_s >= tick_s
                )
                for device in site.controllables
            ) - grid.mono_s  # fmt: skip

    return _in_virtual_time(main)


def _last(driver: SimDriver, device_id: DeviceId) -> Command:
    return [each for each in driver.applied if each.device_id == device_id][-1]


SITE = replace(home_b(), pv=(), batteries=(), chargers=(replace(home_b().chargers[0], habit=None),))
LIMIT_W = 4_200.0
CONTROL = OperatorControl(way=Way.CONSUMPTION, failsafe_w=LIMIT_W, floor_w=LIMIT_W, dims=frozenset({CHARGER}))
CONTACT = LimitContact(state=MqttPoint(topic="input/0", path=("state",)), limited="on", free="off", limit_w=LIMIT_W)
WIRING = OperatorWiring(
    connection="box", heartbeat_topic=None, sources=(LimitSource(way=Way.CONSUMPTION, contacts=(CONTACT,)),)
)


class _Box:
    """The operator's module: says at each change, and each half minute, how its contact stands."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker, self._closed = broker, False

    async def run(self) -> None:
        while True:
            self._say()
            await asyncio.sleep(BOX_REPEATS_S)  # noqa: TID251 - virtual time

    def close(self) -> None:
        self._closed = True
        self._say()

    def _say(self) -> None:
        self._broker.publish("input/0", b'{"state": "on"}' if self._closed else b'{"state": "off"}')


def operator_limit(cases: int) -> list[float]:
    """From the message of the operator's box to the charger's write that keeps to it [s]."""
    return [_limited(random.Random(f"limit {case}"), is_killed=False) for case in range(cases)]


def operator_limit_while_restarting(cases: int) -> list[float]:
    """The same where the daemon is killed around the message, at any await, and ticks again after five seconds [s]."""
    return [_limited(random.Random(f"restart {case}"), is_killed=True) for case in range(cases)]


def _limited(dice: random.Random, *, is_killed: bool) -> float:
    data = flat_data(SITE, days=3, load_w=dice.uniform(300.0, 2_500.0), pv_w=0.0, sessions=(stay(0.0, 20.0, 80.0),))

    async def main(folder: Path) -> float:
        broker = MemoryBroker()
        box = _Box(broker)
        telling = asyncio.create_task(box.run())
        clock = VirtualClock(START_AT)
        sim = SimHouse(SITE, data, seed=dice.randrange(1_000), start_at=START_AT, start_mono_s=0.0)
        driver, first = SimDriver(sim, clock), folder / "first"
        first.mkdir()

        async with _limited_house(first, broker, driver, data) as house:
            await house.until(dice.uniform(90.0, 150.0))  # an appliance's peak may hold the car
            await house.until_true(lambda: _told_w(_last(driver, CHARGER)) > LIMIT_W, within_s=1_800.0)
            closes_s = house.clock.monotonic_s()
            if not is_killed:
                box.close()
                await house.until_true(lambda: _told_w(_last(driver, CHARGER)) <= LIMIT_W, within_s=60.0)
                telling.cancel()
                return _written_s(driver, closes_s) - closes_s
            at_once = dice.random() < 0.7
            if at_once:
                box.close()
            for _ in range(dice.randrange(HOPS_MAX)):
                await asyncio.sleep(0)  # noqa: TID251 - to be killed between any two awaits
            shutil.copytree(first, folder / "second")
            await house.kill()
        if not at_once:
            await clock.sleep_until(clock.monotonic_s() + dice.uniform(0.0, 2 * RESTART_S))
            closes_s = clock.monotonic_s()
            box.close()
        down_until_s = max(clock.monotonic_s(), closes_s + (RESTART_S if at_once else 0.0))
        await clock.sleep_until(down_until_s)
        async with _limited_house(folder / "second", broker, driver, data) as house:
            await house.until_true(lambda: _told_w(_last(driver, CHARGER)) <= LIMIT_W, within_s=60.0)
        telling.cancel()
        return _written_s(driver, closes_s) - closes_s

    return _in_virtual_time(main)


def _limited_house(
    folder: Path, broker: MemoryBroker, driver: SimDriver, data: HouseData
) -> AbstractAsyncContextManager[Living]:
    link = broker.link()
    box = OperatorBox(WIRING, link, VirtualClock(START_AT))
    operator = (GridOperator(name="Operator", controls=(CONTROL,)), box)
    links = (("broker", link.run),)
    return living(SITE, data, folder, start_at=START_AT, links=links, operator=operator, driver=driver)


def _told_w(command: Command) -> float:
    assert isinstance(command.action, ChargeCurrent)
    return command.action.current_a * command.action.phase_count * 230.0


def _written_s(driver: SimDriver, since_s: float) -> float:
    return next(
        at_s
        for at_s, command in zip(driver.applied_mono_s, driver.applied, strict=True)
        if at_s >= since_s and command.device_id == CHARGER and _told_w(command) <= LIMIT_W
    )


def _in_virtual_time(main: Callable[[Path], Coroutine[object, object, T]]) -> T:
    with tempfile.TemporaryDirectory() as folder:
        return virtual_time.run(main(Path(folder)))


class _MemoryLink(Link):
    """The driver's link without a wire: the simulated inverter's registers answer at once."""

    def __init__(self, units: Mapping[int, InverterUnit], clock: VirtualClock) -> None:
        super().__init__(TcpEndpoint(host="memory", port=1), clock=clock, random=random.Random(1), timing=LinkTiming())
        self._registers, self.writes = units, 0

    @property
    def connection(self) -> int | None:
        return 0

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        yield

    async def read(
        self,
        *,
        unit: int,
        address: int,
        count: int,
        function: Function = Function.READ_HOLDING,
        priority: Priority = Priority.FAST_POLL,
        on_connection: int | None = None,
    ) -> tuple[int, ...]:
        del function, priority, on_connection
        await asyncio.sleep(0.01)  # noqa: TID251 - virtual time
        return tuple(self._registers[unit].read(address, count))

    async def write(
        self,
        *,
        unit: int,
        address: int,
        words: tuple[int, ...],
        function: Function = Function.WRITE_MULTIPLE,
        on_connection: int | None = None,
    ) -> None:
        del function, on_connection
        await asyncio.sleep(0.01)  # noqa: TID251 - virtual time
        self.writes += 1
        self._registers[unit].write(address, words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fight:
    """What became of a day with somebody else at the inverter."""

    detected_s: float
    """From his first change to the line in the log."""
    reports: int
    """Lines in the log about it, all day."""
    writes: int
    """Of ours, all day."""


class _Lines(logging.Handler):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(logging.WARNING)
        self._clock, self.at_s = clock, list[float]()

    def emit(self, record: logging.LogRecord) -> None:
        if "somebody else" in record.getMessage():
            self.at_s.append(self._clock.monotonic_s())


def fight(every_s: float | None, seed: int, *, hours: float = 24.0) -> Fight:
    """A day on which a maker's cloud takes control back each ``every_s`` seconds; None: nobody does."""

    async def main() -> Fight:
        dice, site = random.Random(f"fight {seed}"), home_a()
        clock, pace = VirtualClock(START_AT), ScaledClock(speed=1.0, start_at=START_AT, epoch_s=0.0)
        sim = SimHouse(site, flat_data(site, days=3, load_w=800.0), seed=seed, start_at=START_AT, start_mono_s=0.0)
        house = LivingHouse(sim, flat_data(site, days=3, load_w=800.0), pace, seed=seed)
        inverter = HybridInverter(house, plant=site.pv[0], battery=site.batteries[0])
        link = _MemoryLink({1: InverterUnit(house, inverter)}, clock)
        roles = Roles(meter=None, pv=site.pv[0], battery=site.batteries[0])
        driver = SunSpecDriver(name="inverter", unit=1, roles=roles, link=link, clock=clock, period_s=5.0)
        tasks = [
            asyncio.create_task(driver.run(_unheard)),
            asyncio.create_task(_told(driver, clock, dice)),
            asyncio.create_task(_lives(house, clock)),
        ]
        first_s = dice.uniform(300.0, 400.0)
        with _listening(clock) as lines:
            await clock.sleep_until(first_s)
            while clock.monotonic_s() < hours * 3_600.0:
                if every_s is not None:
                    inverter.set({(124, "StorCtl_Mod"): 0})
                await clock.sleep_until(clock.monotonic_s() + (60.0 if every_s is None else every_s))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        detected_s = lines.at_s[0] - first_s if lines.at_s else float("inf")
        return Fight(detected_s=detected_s, reports=len(lines.at_s), writes=link.writes)

    return virtual_time.run(main())


def _unheard(device_id: DeviceId, reading: DeviceReading) -> None:
    """Readings are of no use here."""


@contextmanager
def _listening(clock: VirtualClock) -> Iterator[_Lines]:
    lines, logger = _Lines(clock), logging.getLogger("hems_drivers")
    before = logger.propagate, logger.level
    logger.addHandler(lines)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    try:
        yield lines
    finally:
        logger.removeHandler(lines)
        logger.propagate, level = before
        logger.setLevel(level)


async def _told(driver: SunSpecDriver, clock: VirtualClock, dice: random.Random) -> None:
    """A command each second, as the guard gives them; another power each quarter hour."""
    power_w = 1_000.0
    while True:
        now_s = clock.monotonic_s()
        if now_s % 900.0 < 1.0:
            power_w = dice.uniform(-3_000.0, 3_000.0)
        lease = Lease(granted_mono_s=now_s, duration_s=60.0)
        action = BatteryPower(power_w=power_w)
        await driver.apply(Command(device_id=BATTERY, action=action, lease=lease, authority=Authority.PLAN))
        await clock.sleep_until(now_s + 1.0)


async def _lives(house: LivingHouse, clock: VirtualClock) -> None:
    while True:
        house.step(1)
        await clock.sleep_until(clock.monotonic_s() + 1.0)
