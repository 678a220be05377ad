"""A grid operator limits a running house: through a broker to the devices, over silence and restarts, on the record."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from hems.app.operator_desk import NOT_STORED, OperatorDesk
from hems.app.shelf import Shelf
from hems.domain.command import ChargeCurrent
from hems.domain.events import Mode
from hems.domain.operator import (
    GridOperator,
    KeptLimit,
    LimitState,
    LimitWrite,
    OperatorControl,
    Way,
)
from hems.domain.wiring import MqttPoint
from hems.ports import Offload
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.sim.memory_mqtt import MemoryBroker
from hems.sim.virtual_time import VirtualClock
from hems.store.documents import Documents
from hems.store.findings import Findings
from hems_drivers.mqtt import OperatorBox
from tests.support.houses import CHARGER
from tests.support.limited import CONSUMPTION, SITE, by_contact, car_w, house_of, periods
from tests.support.living import Living, direct
from tests.support.simulated import START_AT

T = TypeVar("T")
BY_CONTACT = by_contact(MqttPoint(topic="input/0", path=("state",)))
OPEN, CLOSED = b'{"state": "off"}', b'{"state": "on"}'


class Box:
    """The operator's input module: says each 30 s how its contact stands."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.says: bytes | None = OPEN

    async def run(self) -> None:
        while True:
            if self.says is not None:
                self.broker.publish("input/0", self.says)
            await asyncio.sleep(30.0)  # noqa: TID251 - virtual time

    def turn(self, says: bytes | None) -> None:
        self.says = says
        if says is not None:
            self.broker.publish("input/0", says)


def limited_house(folder: Path, broker: MemoryBroker, *, ahead_s: float = 0.0) -> AbstractAsyncContextManager[Living]:
    link = broker.link()
    box = OperatorBox(BY_CONTACT, link, VirtualClock(START_AT + timedelta(seconds=ahead_s)))
    return house_of(box, folder, links=(("broker box", link.run),))


def test_a_contact_that_closes_dims_the_car_within_ten_seconds_and_is_in_the_record(tmp_path: Path) -> None:
    async def main() -> None:
        broker = MemoryBroker()
        box = Box(broker)
        running = asyncio.create_task(box.run())
        async with limited_house(tmp_path, broker) as house:
            await house.until(600.0)
            assert house.daemon.house.snapshot().mode is Mode.NORMAL
            assert car_w(house) > 10_000.0
            box.turn(CLOSED)
            await house.until(610.0)
            assert car_w(house) <= 4_200.0
            snapshot = house.daemon.house.snapshot()
            assert snapshot.mode is Mode.GRID_LIMITED
            assert snapshot.operator is not None
            assert [(each.state, each.limit_w) for each in snapshot.operator.limits] == [(LimitState.LIMITED, 4_200.0)]
            assert snapshot.notices[0].text == (
                f"Stadtwerke limits what {SITE.chargers[0].name} takes from the grid to 4.2 kW. "
                "The rest of the house is not limited."
            )
            await house.until(1_800.0)
            assert car_w(house) >= 4_000.0  # the 2.5 kW of the household take nothing from it
            box.turn(OPEN)
            await house.until(1_810.0)
            assert house.daemon.house.snapshot().mode is Mode.NORMAL
            assert car_w(house) > 10_000.0
            await house.until(1_900.0)
            waiting, ordered = periods(house)
        running.cancel()
        assert waiting.state is LimitState.INIT
        assert (ordered.way, ordered.state, ordered.written_w, ordered.limit_w) == (
            Way.CONSUMPTION, LimitState.LIMITED, 4_200.0, 4_200.0
        )  # fmt: skip
        assert abs((ordered.until_at - ordered.started_at).total_seconds() - 1_200.0) <= 2.0
        assert ordered.mean_w is not None
        assert 3_900.0 < ordered.mean_w <= 4_400.0
        assert ordered.above_s == 0.0

    virtual_time.run(main())


def test_who_falls_silent_leaves_the_house_limited(tmp_path: Path) -> None:
    async def main() -> None:
        broker = MemoryBroker()
        box = Box(broker)
        running = asyncio.create_task(box.run())
        async with limited_house(tmp_path, broker) as house:
            await house.until(600.0)
            box.turn(None)
            await house.until(690.0)
            assert car_w(house) > 10_000.0
            await house.until(760.0)
            assert car_w(house) <= 4_200.0
            await house.until(3 * 3_600.0)
            assert car_w(house) <= 4_200.0
            assert house.daemon.house.snapshot().notices[0].text.startswith("Stadtwerke is silent: ")
            box.turn(OPEN)
            await house.until(3 * 3_600.0 + 10.0)
            assert car_w(house) > 10_000.0
            states = [each.state for each in periods(house)]
        running.cancel()
        assert states == [LimitState.INIT, LimitState.FAILSAFE, LimitState.UNLIMITED_AUTONOMOUS]

    virtual_time.run(main())


def test_before_anybody_is_heard_the_house_is_limited(tmp_path: Path) -> None:
    async def main() -> None:
        async with limited_house(tmp_path, MemoryBroker()) as house:
            await house.until(900.0)
            told = [each.action for each in house.driver.applied if each.device_id == CHARGER]
            currents = [each.current_a * each.phase_count * 230.0 for each in told if isinstance(each, ChargeCurrent)]
            assert 0 < max(currents) <= 4_200.0

    virtual_time.run(main())


def test_a_plan_knows_of_the_limit(tmp_path: Path) -> None:
    async def main() -> None:
        broker = MemoryBroker()
        box = Box(broker)
        running = asyncio.create_task(box.run())
        async with limited_house(tmp_path, broker) as house:
            await house.until(600.0)
            box.turn(CLOSED)
            await house.until(700.0)
            planned = house.daemon.house._planned
            assert planned is not None
            assert planned.problem.operator_import_max_w is not None
            assert planned.problem.operator_import_max_w[0] == pytest.approx(
                4_200.0 + 400.0
            )  # what a new house is taken to use
        running.cancel()

    virtual_time.run(main())


def shelf_on(folder: Path) -> Documents[KeptLimit]:
    return Documents.open(SystemFiles(folder), "operator-limits", kind=KeptLimit, findings=Findings())


def desk_on(
    shelf: Shelf[KeptLimit], clock: VirtualClock, *, offload: Offload = direct, control: OperatorControl = CONSUMPTION
) -> OperatorDesk:
    operator = GridOperator(name="Stadtwerke", controls=(control,))
    return OperatorDesk(operator, shelf, offload=offload, clock=clock, changed=lambda: None, record=lambda _: None)


def test_a_limit_survives_a_restart_and_so_does_its_end(tmp_path: Path) -> None:
    without_floor = replace(CONSUMPTION, floor_w=0.0)

    async def main() -> None:
        clock = VirtualClock(START_AT)

        def after_restart() -> float | None:
            (line,) = desk_on(shelf_on(tmp_path), clock, control=without_floor).lines()
            return line.limit_w

        desk = desk_on(shelf_on(tmp_path), clock, control=without_floor)
        desk.heartbeat()
        assert await desk.write(Way.CONSUMPTION, LimitWrite(limit_w=3_000.0, duration_s=600.0)) is None
        assert after_restart() == 3_000.0
        await clock.sleep_until(599.0)
        assert after_restart() == 3_000.0
        clock.trusted = False
        await clock.sleep_until(5_000.0)
        assert after_restart() == 3_000.0  # nobody knows whether it is over
        clock.trusted = True
        assert after_restart() == 4_200.0
        desk.heartbeat()
        assert await desk.write(Way.CONSUMPTION, LimitWrite(limit_w=None)) is None
        clock.trusted = False
        assert after_restart() == 4_200.0

    virtual_time.run(main())


def test_a_limit_that_is_told_again_each_second_is_written_once_a_minute(tmp_path: Path) -> None:
    ends: list[object] = []

    class Counting:
        def __init__(self, shelf: Documents[KeptLimit]) -> None:
            self.all, self.remove, self._shelf = shelf.all, shelf.remove, shelf

        def put(self, name: str, kept: KeptLimit) -> bool:
            ends.append(kept.until_at)
            return self._shelf.put(name, kept)

    async def main() -> None:
        clock = VirtualClock(START_AT + timedelta(seconds=0.3))
        desk = desk_on(Counting(shelf_on(tmp_path)), clock)
        for _ in range(300):
            desk.heartbeat()
            assert await desk.write(Way.CONSUMPTION, LimitWrite(limit_w=4_500.0, duration_s=900.0)) is None
            ended_at = clock.now() + timedelta(seconds=900)
            kept = shelf_on(tmp_path).all()["consumption"]
            assert kept.until_at is not None
            assert timedelta() <= kept.until_at - ended_at < timedelta(minutes=1)
            await clock.sleep_until(clock.monotonic_s() + 1.01)

    virtual_time.run(main())
    assert len(ends) == 6


@pytest.mark.parametrize("steps", range(8))
def test_killed_at_any_await_what_was_acknowledged_holds_again_at_once(steps: int, tmp_path: Path) -> None:
    """The house may know more than it said, never less; and either way a start is limited until somebody is heard."""

    async def slow_disk(work: Callable[[], T]) -> T:
        await asyncio.sleep(0)  # noqa: TID251 - a place to die at
        done = work()
        await asyncio.sleep(0)  # noqa: TID251 - and another
        return done

    async def main() -> None:
        clock = VirtualClock(START_AT)
        desk = desk_on(shelf_on(tmp_path), clock, offload=slow_disk)
        desk.heartbeat()
        writing = asyncio.create_task(desk.write(Way.CONSUMPTION, LimitWrite(limit_w=4_500.0)))
        for _ in range(steps):
            await asyncio.sleep(0)  # noqa: TID251 - one step further
        acknowledged = writing.done()
        if steps > 0:
            (line,) = desk.lines()
            assert line.limit_w == 4_500.0  # it acts before anything is on the disk
        writing.cancel()
        if acknowledged:
            assert writing.result() is None
            assert shelf_on(tmp_path).all() == {"consumption": KeptLimit(limit_w=4_500.0, until_at=None)}
        (again,) = desk_on(shelf_on(tmp_path), clock).lines()
        assert again.limit_w == 4_200.0

    virtual_time.run(main())


def test_a_disk_that_takes_nothing_delays_no_limit_and_is_said() -> None:
    class Full:
        def all(self) -> dict[str, KeptLimit]:
            return {}

        def put(self, key: str, value: KeptLimit) -> bool:
            del key, value
            return False

        def remove(self, key: str) -> bool:
            del key
            return False

    async def main() -> None:
        desk = desk_on(Full(), VirtualClock(START_AT))
        desk.heartbeat()
        wanted = LimitWrite(limit_w=5_000.0)
        assert await desk.write(Way.CONSUMPTION, wanted) == NOT_STORED
        assert [line.limit_w for line in desk.lines()] == [5_000.0]
        assert await desk.write(Way.CONSUMPTION, wanted) == NOT_STORED
        refused = await desk.write(Way.PRODUCTION, wanted)
        assert refused is not None
        assert "not the operator's" in refused

    virtual_time.run(main())
