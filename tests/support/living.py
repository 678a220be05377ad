"""A running house in virtual time: the product's own daemon around a simulated house whose devices answer in memory."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from hems.app.daemon import Daemon, OperatorBox, Page, Parts
from hems.app.market import Market
from hems.domain.command import Command
from hems.domain.errors import WorkerError
from hems.domain.forecast import SlotHistory
from hems.domain.operator import GridOperator
from hems.domain.problem import PlanningProblem
from hems.domain.site import DeviceId, Site
from hems.domain.time import SLOT_S
from hems.domain.wiring import AggregatorWiring
from hems.forecast.price import PublishedPrices
from hems.ports import Answer, Clock, Mqtt, Offload, Outcome, Planner, Predictor, Report
from hems.runtime.files import SystemFiles
from hems.sim.data import HouseData
from hems.sim.house import SimHouse
from hems.sim.virtual_time import VirtualClock
from hems.store.house_store import HouseStore
from hems.wire import fast_json
from hems.workers.plan import answer

T = TypeVar("T")
BALLAST_BYTES = 65_536


class SimDriver:
    """Every device of a simulated house behind one driver; the house lives as long as it runs."""

    def __init__(self, house: SimHouse, clock: Clock, step_s: int = 1) -> None:
        self.house = house
        self.step_s = step_s
        self.lost: set[DeviceId] = set()
        """Devices that do not answer and take no commands."""
        self.applied: list[Command] = []
        self.applied_mono_s: list[float] = []
        """When each of them came."""
        self.rested = False
        self._clock = clock

    @property
    def devices(self) -> frozenset[DeviceId]:
        return frozenset(each.id for each in self.house.site.devices)

    async def run(self, report: Report) -> None:
        start_s = self._clock.monotonic_s() - self.house.elapsed_s
        while True:
            self._report(report)
            await self._clock.sleep_until(start_s + self.house.elapsed_s + self.step_s)
            self.house.advance(self.step_s)

    def _report(self, report: Report) -> None:
        image = self.house.image(self.house.now)
        site = self.house.site
        if site.meter.id not in self.lost and image.grid is not None:
            report(site.meter.id, image.grid)
        for group in (image.pv, image.batteries, image.chargers, image.heat_pumps):
            for device_id, reading in group.items():
                if device_id not in self.lost:
                    report(device_id, reading)

    async def apply(self, command: Command) -> Answer:
        if command.device_id in self.lost:
            return Answer(outcome=Outcome.UNCONFIRMED, detail="no answer")
        self.applied.append(command)
        self.applied_mono_s.append(self._clock.monotonic_s())
        self.house.apply([command], self.house.mono_s)
        return Answer(outcome=Outcome.ACCEPTED)

    async def rest(self) -> None:
        self.rested = True


class LocalPlanner:
    """The product's solver, without a process unless it is given one; virtual time stands still while it works."""

    def __init__(self, worker: Planner | None = None) -> None:
        self.broken = False
        self._worker = worker

    def answer(self, problem: PlanningProblem) -> bytes:
        if self.broken:
            raise WorkerError("planned fault")
        return answer(fast_json(problem)) if self._worker is None else self._worker.answer(problem)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()


async def direct(work: Callable[[], T]) -> T:
    """Implements :class:`hems.ports.Offload` without a thread."""
    return work()


class HeldDisk:
    """Implements :class:`hems.ports.Offload`: one piece of work after another, and none while it is held."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self._turn = asyncio.Lock()

    async def __call__(self, work: Callable[[], T]) -> T:
        async with self._turn:
            await self.free.wait()
            return work()


def flat_market(
    start_at: datetime, *, days: int = 3, cheap_hours: tuple[int, ...] = (2, 3, 4), published: bool = True
) -> Market:
    """Six cents, two in the cheap hours of each UTC day; or nothing at all."""
    spot = PublishedPrices(
        start_at=start_at,
        spot_eur_per_kwh=tuple(
            0.02 if (start_at + timedelta(seconds=SLOT_S * slot)).hour in cheap_hours else 0.10
            for slot in range(96 * days)
        ),
    )
    outdoor = SlotHistory(start_at=start_at, mean_w=(7.0,) * (96 * days))
    return Market(spot=lambda: spot if published else None, outdoor=lambda: outdoor, source="made up")


@dataclass(kw_only=True)
class Living:
    """A daemon at work."""

    daemon: Daemon
    driver: SimDriver
    clock: VirtualClock
    planner: LocalPlanner
    began_mono_s: float
    running: asyncio.Task[None]

    async def kill(self) -> None:
        """End it between two awaits; what it still puts on the disk meanwhile is to be left out by a copy of before."""
        self.running.cancel()
        await asyncio.wait({self.running})

    async def until(self, elapsed_s: float) -> None:
        """Go on to a second after the start."""
        await self.clock.sleep_until(self.began_mono_s + elapsed_s)

    async def until_true(self, condition: Callable[[], bool], *, within_s: float) -> None:
        """Go on until something holds; fails after ``within_s`` house seconds."""
        ends_s = self.clock.monotonic_s() + within_s
        while not condition():
            assert self.clock.monotonic_s() < ends_s, f"it did not come true within {within_s} s"
            await self.clock.sleep_until(self.clock.monotonic_s() + 0.5)


@asynccontextmanager
async def living(
    site: Site,
    data: HouseData,
    folder: Path,
    *,
    start_at: datetime,
    ahead_s: float = 0.0,
    market: Market | None = None,
    market_of: Callable[[HouseStore, Clock], Market] | None = None,
    step_s: int = 1,
    aggregator: tuple[AggregatorWiring, Mqtt] | None = None,
    page: Page | None = None,
    links: tuple[tuple[str, Callable[[], object]], ...] = (),
    trusted: bool = True,
    seed: int = 1,
    stored_ratio: float = 0.5,
    disk: Offload = direct,
    predictor: Predictor | None = None,
    operator: tuple[GridOperator, OperatorBox] | None = None,
    worker: Planner | None = None,
    driver: SimDriver | None = None,
) -> AsyncIterator[Living]:
    """A daemon from its start to its clean stop; to be used inside :func:`hems.sim.virtual_time.run`.

    ``ahead_s``: of its clock before the house's data, which begin with a quarter hour; a daemon rarely does.
    ``driver``: of a house that lives already.
    """
    clock = VirtualClock(start_at + timedelta(seconds=ahead_s), trusted=trusted)
    if driver is None:
        start_mono_s = clock.monotonic_s()
        house = SimHouse(site, data, seed=seed, start_at=start_at, start_mono_s=start_mono_s, stored_ratio=stored_ratio)
        driver = SimDriver(house, clock, step_s)
    planner = LocalPlanner(worker)
    store = HouseStore(folder, SystemFiles(folder), clock, ballast_bytes=BALLAST_BYTES)
    if market_of is not None:
        market = market_of(store, clock)
    parts = Parts(
        site=site,
        clock=clock,
        dice=random.Random(seed),
        drivers=(driver,),
        links=links,  # type: ignore[arg-type]
        store=store,
        tick_s=float(step_s),
        disk=disk,
        planner=planner,
        predictor=predictor,
        thinking=direct,
        market=market or flat_market(start_at),
        page=page,
        operator=None if operator is None else operator[0],
        operator_box=None if operator is None else operator[1],
        aggregator=aggregator,
    )
    stop, began_mono_s = asyncio.Event(), clock.monotonic_s()
    daemon = Daemon(parts)
    running = asyncio.ensure_future(daemon.run(stop))
    try:
        yield Living(
            daemon=daemon, driver=driver, clock=clock, planner=planner, began_mono_s=began_mono_s, running=running
        )
    finally:
        stop.set()
        await asyncio.wait({running})
        if not running.cancelled():
            running.result()
