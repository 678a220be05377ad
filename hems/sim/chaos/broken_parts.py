"""What a daemon is made of, behind the faults of a stage: disk, market, thread of the planner."""

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from hems.app.market import Market
from hems.domain.forecast import SlotHistory
from hems.forecast.price import PublishedPrices
from hems.ports import Clock
from hems.runtime.files import SystemFiles
from hems.sim.chaos.houses import ChaosHouse
from hems.sim.chaos.script import WorldFault
from hems.sim.chaos.stage import Stage
from hems.sim.knowledge import published_until

T = TypeVar("T")

DISK_ERRORS = {
    WorldFault.DISK_FULL: errno.ENOSPC,
    WorldFault.DISK_ERROR: errno.EIO,
    WorldFault.DISK_READ_ONLY: errno.EROFS,
}
THINKING_S, DEADLINE_S = 0.3, 20.0
"""An ordinary plan, and one that a worker never gives [house s]."""


class Life:
    """One start of the daemon; whatever it does after its end reaches nothing."""

    def __init__(self) -> None:
        """Alive."""
        self.ended = False


class BrokenFiles(SystemFiles):
    """Files on a disk with the faults of a stage. What is written outlasts the process, so nothing is flushed."""

    def __init__(self, root: Path, stage: Stage, life: Life) -> None:
        """See :class:`hems.runtime.files.SystemFiles`."""
        super().__init__(root)
        self._stage = stage
        self._life = life

    def _require_disk(self, path: str) -> None:
        if self._life.ended:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        for fault, number in DISK_ERRORS.items():
            if self._stage.is_on(fault):
                raise OSError(number, os.strerror(number), path)

    def write(self, path: str, content: bytes) -> None:
        """As the port says; so are the others."""
        self._require_disk(path)
        super().write(path, content)

    def append(self, path: str, content: bytes) -> None:
        """See the port."""
        self._require_disk(path)
        super().append(path, content)

    def truncate(self, path: str, size: int) -> None:
        """See the port."""
        self._require_disk(path)
        super().truncate(path, size)

    def sync(self, path: str) -> None:
        """See the port."""
        self._require_disk(path)

    def sync_content(self, path: str) -> None:
        """See the port."""
        self._require_disk(path)

    def rename(self, before: str, after: str) -> None:
        """See the port."""
        self._require_disk(after)
        super().rename(before, after)

    def link(self, path: str, also: str) -> None:
        """See the port."""
        self._require_disk(also)
        super().link(path, also)

    def remove(self, path: str) -> None:
        """See the port; a full disk lets one remove."""
        if not self._stage.is_on(WorldFault.DISK_FULL):
            self._require_disk(path)
        super().remove(path)

    def write_at(self, path: str, offset: int, content: bytes) -> None:
        """See the port."""
        self._require_disk(path)
        super().write_at(path, offset, content)

    def reserve(self, path: str, size: int) -> None:
        """See the port."""
        self._require_disk(path)
        super().reserve(path, size)


class SlowDisk:
    """Implements :class:`hems.ports.Offload`: one piece of work at a time, others run before and after it."""

    def __init__(self, clock: Clock, stage: Stage, life: Life) -> None:
        """A disk that hangs while the stage says so."""
        self._clock = clock
        self._stage = stage
        self._life = life
        self._turn = asyncio.Lock()

    async def __call__(self, work: Callable[[], T]) -> T:
        """Do it."""
        async with self._turn:
            await asyncio.sleep(0)  # noqa: TID251 - others run while the disk works
            while self._stage.is_on(WorldFault.DISK_HANGS) and not self._life.ended:
                await self._clock.sleep_until(self._clock.monotonic_s() + 1.0)
            done = work()
            await asyncio.sleep(0)  # noqa: TID251 - done, and nobody knows it yet
            return done


class Thinking:
    """Implements :class:`hems.ports.Offload`: a plan takes a moment, or all the time that a worker is given."""

    def __init__(self, clock: Clock, stage: Stage) -> None:
        """The thread that waits for workers."""
        self._clock = clock
        self._stage = stage

    async def __call__(self, work: Callable[[], T]) -> T:
        """Do it."""
        hangs = self._stage.is_on(WorldFault.WORKER_TIMEOUT)
        done = work()
        await self._clock.sleep_until(self._clock.monotonic_s() + (DEADLINE_S if hangs else THINKING_S))
        return done


def market_of(house: ChaosHouse, stage: Stage) -> Market:
    """Day-ahead prices and weather of a house's data, as far as the stage lets them through."""
    data = house.data
    assert data.spot_eur_per_kwh is not None
    assert data.temp_c is not None
    start_at = data.grid.start_at
    spots: list[float] = data.spot_eur_per_kwh.tolist()
    outdoor = SlotHistory(start_at=start_at, mean_w=tuple(data.temp_c.tolist()))

    def spot() -> PublishedPrices | None:
        if stage.is_on(WorldFault.PRICES_MISSING):
            return None
        until_at = published_until(stage.house.at, house.site.zone)
        if stage.is_on(WorldFault.PRICES_LATE):
            until_at -= timedelta(days=1)
        count = data.grid.whole_slots_before(until_at)
        published = PublishedPrices(start_at=start_at, spot_eur_per_kwh=tuple(spots[:count]))
        if stage.is_on(WorldFault.PRICES_ABSURD):
            absurd = tuple(price * 1_000 * (-1) ** slot for slot, price in enumerate(spots[:count]))
            return replace(published, spot_eur_per_kwh=absurd)
        return published

    return Market(spot=spot, outdoor=lambda: outdoor, source="made up")
