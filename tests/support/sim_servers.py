"""Demo houses whose devices answer: in this process step by step, or as ``hems sim`` in one of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from hems.config import load_site
from hems.domain.site import Site
from hems.domain.time import SLOT_S
from hems.runtime.clock import ScaledClock, SystemClock
from hems.sim.data import HouseData, Session
from hems.sim.demo import site_text
from hems.sim.servers.living import LivingHouse, begun
from hems.sim.servers.truth import demo_data

NOON_AT = datetime(2024, 9, 14, 11, 0, tzinfo=UTC)
"""A Saturday; in the sample the sky is blue."""
PLUGIN_AT = NOON_AT + timedelta(hours=3, minutes=46)
PLUGOUT_AT = PLUGIN_AT + timedelta(minutes=45)
SESSION_WH = 2_660.0


@cache
def demo_site(house: str = "full") -> Site:
    return load_site(site_text(house, p1_port=1, modbus_port=1), f"{house}.yaml")


@cache
def _data(house: str, at: datetime) -> HouseData:
    """As in the demo, but for three visits of cars on one afternoon instead of the commuter's."""
    visits = tuple(
        Session(
            plugin_at=PLUGIN_AT + timedelta(minutes=came), plugout_at=PLUGIN_AT + timedelta(minutes=left), energy_wh=wh
        )
        for came, left, wh in ((0, 45, SESSION_WH), (50, 70, 1_500.0), (80, 400, 20_000.0))
    )
    return replace(demo_data(demo_site(house), at, days=3), sessions=visits)


def living_house(
    house: str = "full", *, at: datetime = NOON_AT, speed: float = 1.0, epoch_before_s: float = 0.0
) -> LivingHouse:
    """A house at the quarter hour before second 0 of its clock; it lives when it is stepped, or run."""
    site = demo_site(house)
    data = _data(house, at)
    clock = ScaledClock(speed=speed, start_at=at, epoch_s=SystemClock().monotonic_s() - epoch_before_s)
    return begun(site, data, clock, start_at=at)


def live(living: LivingHouse, seconds: int) -> None:
    """One-second steps."""
    for _ in range(seconds):
        living.step(1)


def slots(living: LivingHouse, count: int) -> None:
    """Whole quarter hours in steps of a minute."""
    for _ in range(count * SLOT_S // 60):
        living.step(60)


COMMAND = (
    "import sys; from hems.cli.sim import sim; a = sys.argv; "
    "sys.exit(sim(house=a[1], speed=float(a[2]), start_at=a[3], epoch_s=None, absent=a[4], ocpp_url=a[5] or None))"
)


@dataclass
class Simulation:
    """A running ``hems sim``."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]

    async def order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        return await self.line()

    async def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            line: dict[str, Any] = json.loads(await self.process.stdout.readline())
            return line


@asynccontextmanager
async def simulation(
    house: str = "small", *, speed: float = 60.0, at: datetime = NOON_AT, absent: str = "", ocpp_url: str = ""
) -> AsyncIterator[Simulation]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, house, str(speed), at.isoformat(), absent, ocpp_url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    started = Simulation(process=process, ready={})
    try:
        started.ready = await started.line()
        yield started
    finally:
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(10):
                await process.wait()
