"""A House for tests of the page: real documents, scripted scenes. The real house is tested end to end elsewhere.

``python -m tests.support.fake_house --scene day`` serves one: it prints its port and takes lines
``scene NAME`` and ``learn``.
"""

import argparse
import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from hems.domain.errors import BadInputError
from hems.domain.flex import Direction, Envelope, HoldBlock
from hems.domain.forecast import Degraded
from hems.domain.forecast_view import ForecastView, ForecastViews
from hems.domain.learned import Fact, LearnedFact, LearnedView, LearnedViews
from hems.domain.override import ChargeNow, Quote
from hems.domain.plan import Origin
from hems.domain.site import DeviceId
from hems.domain.snapshot import PlainState, PlanView, Snapshot
from hems.domain.time import SLOT_S, floor_to
from hems.explain.learned import sentence
from hems.runtime.clock import ScaledClock
from hems.web.server import WebServer
from tests.support.page_scenes import CAR, NOON, SCENES, changed, plan_view

JUDGED = ForecastViews(
    days=7,
    forecasts=(
        ForecastView(
            series="load_w",
            sentence="Consumption: off by 210 W on average over the last 7 days, 24 % better than "
            '"as yesterday" or "as last week". 78 % came inside the range that was given.',
            slots=640,
            off_by_w=212.4,
            better_ratio=0.241,
            inside_ratio=0.783,
            missing=(),
        ),
        ForecastView(
            series="roof.sun_w",
            sentence="Sun on Roof: not judged yet, it takes a day, and a week before it. At present without a weather "
            "forecast.",
            slots=0,
            off_by_w=None,
            better_ratio=None,
            inside_ratio=None,
            missing=(Degraded.NO_WEATHER,),
        ),
    ),
)


class FakeHouse:
    """Implements :class:`hems.ports.House` over a scene. ``advance`` is its tick."""

    def __init__(self, scene: str = "day") -> None:
        self.latest = SCENES[scene]()
        self.charged: list[ChargeNow] = []
        self.broken: Exception | None = None
        """Raised by the next command."""
        self.slow: asyncio.Event | None = None
        """Commands wait for it."""
        self.facts: dict[str, LearnedFact] = {}
        """Nothing is learned before a test says so."""
        self.judged = JUDGED
        self._news = asyncio.Event()

    def learn(self, fact: LearnedFact) -> None:
        """Something was learned of a device."""
        self.facts[fact.key] = fact

    def learned(self) -> LearnedViews:
        return LearnedViews(facts=tuple(map(_view, self.facts.values())))

    def forecasts(self) -> ForecastViews:
        return self.judged

    async def decide_learned(self, key: str, *, use: bool, by: str) -> LearnedView:
        if self.broken is not None:
            raise self.broken
        if key not in self.facts:
            raise BadInputError(f"{key}: nothing was learned of it")
        known = self.facts[key]
        self.facts[key] = replace(
            known, used=known.value if use else None, declined=None if use else known.value, by=by
        )  # fmt: skip
        return _view(self.facts[key])

    def show(self, scene: str) -> None:
        """Change the scene at the next second."""
        self.put(SCENES[scene]())

    def put(self, snapshot: Snapshot, *, at: datetime | None = None) -> None:
        """Make a snapshot the newest one."""
        self.latest = replace(snapshot, seq=self.latest.seq + 1, at=at or snapshot.at)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def snapshot(self) -> Snapshot:
        return self.latest

    async def wait_newer(self, seq: int) -> Snapshot:
        while self.latest.seq <= seq:
            await self._news.wait()
        return self.latest

    def plan_view(self) -> PlanView:
        return plan_view(self.latest)

    def envelope(self) -> Envelope | None:
        if self.latest.plan is None:
            return None
        blocks = (
            HoldBlock(direction=Direction.UP, power_w=3_000.0, duration_s=3_600),
            HoldBlock(direction=Direction.DOWN, power_w=-1_000.0, duration_s=3_600),
        )
        return Envelope(
            envelope_id="01J0", issued_at=NOON, valid_until_at=NOON + timedelta(minutes=20), step_s=SLOT_S,
            start_at=floor_to(NOON, SLOT_S), baseline_w=(130.0, 200.0), hold_blocks=blocks, confidence_ratio=0.95,
        )  # fmt: skip

    def _check(self, device_id: DeviceId, until_at: datetime) -> None:
        car = next((each for each in self.latest.devices if each.id == device_id), None)
        if car is None or car.kind != "charger":
            raise BadInputError(f"{device_id}: there is no such charger")
        if not self.latest.at < until_at <= self.latest.at + timedelta(days=1):
            raise BadInputError(f"{until_at.isoformat()}: choose an end within the next 24 hours")
        if car.state is PlainState.NOT_CONNECTED:
            raise BadInputError(f"{car.name}: no car is connected")

    async def quote(self, *, device_id: DeviceId, until_at: datetime) -> Quote:
        self._check(device_id, until_at)
        hours_h = (until_at - self.latest.at) / timedelta(hours=1)
        planned = self.latest.plan is not None and self.latest.plan.origin is Origin.SOLVER
        return Quote(
            device_id=device_id, until_at=until_at, energy_wh=11_040.0 * hours_h,
            extra_cost_eur=0.95 * hours_h if planned else None, priced_until_at=NOON + timedelta(hours=11),
        )  # fmt: skip

    async def charge_now(self, *, device_id: DeviceId, until_at: datetime, by: str) -> ChargeNow:
        self._check(device_id, until_at)
        if self.slow is not None:
            await self.slow.wait()
        if self.broken is not None:
            raise self.broken
        at = self.latest.at
        override = ChargeNow(
            id=f"o{len(self.charged)}", device_id=device_id, asked_at=at, until_at=until_at, by=by
        )  # fmt: skip
        self.charged.append(override)
        self.put(changed(self.latest, device_id, override=override, power_w=11_040.0, actor="you"), at=at)
        return override

    async def end_override(self, override_id: str, *, by: str) -> None:
        del by
        if self.broken is not None:
            raise self.broken
        for each in self.latest.devices:
            if each.override is not None and each.override.id == override_id:
                self.put(changed(self.latest, each.id, override=None, power_w=2_310.0), at=self.latest.at)
                return
        raise BadInputError(f"{override_id}: there is no such override in force")


def slow_car(device_id: DeviceId) -> LearnedFact:
    """A car of 7.4 kW at a charger of 11 kW."""
    return LearnedFact(
        device_id=device_id, fact=Fact.CHARGING_POWER_W, told=11_040.0, value=7_400.0, doubt=80.0, count=61,
        since_at=NOON - timedelta(days=20), learned_at=NOON,
    )  # fmt: skip


def _view(fact: LearnedFact) -> LearnedView:
    return LearnedView(key=fact.key, consent=fact.consent, sentence=sentence(fact, "Driveway"), fact=fact)


def clock_at_noon(speed: float = 1.0) -> ScaledClock:
    return ScaledClock(speed=speed, start_at=NOON, epoch_s=time.monotonic())  # noqa: TID251 - real servers, real time


@contextlib.asynccontextmanager
async def served(house: FakeHouse, *, port: int = 0) -> AsyncIterator[int]:
    """The port at which a house is served, inside the context."""
    server = WebServer(house, port=port, clock=clock_at_noon())
    running = asyncio.create_task(server.run())
    listening = asyncio.create_task(server.listening.wait())
    await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        listening.cancel()
        await running
    assert server.bound_port is not None
    try:
        yield server.bound_port
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@contextlib.contextmanager
def served_beside(house: FakeHouse) -> Iterator[int]:
    """As :func:`served`, in a thread of its own: for tests that block."""
    ports: list[int] = []
    loops: list[asyncio.AbstractEventLoop] = []
    ready, done = threading.Event(), asyncio.Event()

    async def serving() -> None:
        async with served(house) as port:
            ports.append(port)
            loops.append(asyncio.get_running_loop())
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serving()))
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0]
    finally:
        loops[0].call_soon_threadsafe(done.set)
        thread.join(10)


async def serve(*, port: int, scene: str) -> None:
    """Serve a scene until standard input ends."""
    house = FakeHouse(scene)
    async with served(house, port=port) as bound_port:
        sys.stdout.write(f"{bound_port}\n")
        sys.stdout.flush()
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        ticking = asyncio.create_task(_tick(house))
        while line := (await lines.readline()).decode().split():
            if line[0] == "learn":
                house.learn(slow_car(CAR))
                sys.stdout.write("learned\n")
                sys.stdout.flush()
                continue
            ticking.cancel()
            house.show(line[1])
            ticking = asyncio.create_task(_tick(house))
        ticking.cancel()


async def _tick(house: FakeHouse) -> None:
    """A second after another; each scene starts at noon."""
    clock = clock_at_noon()
    while True:
        await clock.sleep_until(clock.monotonic_s() + 1)
        house.put(house.latest, at=clock.now())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--scene", choices=SCENES, default="day")
    options = parser.parse_args()
    asyncio.run(serve(port=options.port, scene=options.scene))
