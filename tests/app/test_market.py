"""Prices between the store and the market's servers, in virtual time with a store on disk."""

import asyncio
import random
from datetime import UTC, date, datetime
from pathlib import Path

from hems.app.market import price_keeper
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.sim.virtual_time import VirtualClock
from hems.sources.answer import SourceTroubleError
from hems.sources.keeper import PriceKeeper
from hems.sources.prices import PublishedSpot
from hems.store.house_store import HouseStore
from tests.support.houses import home_a
from tests.support.living import BALLAST_BYTES, direct
from tests.support.sources import Scripted, spot_day

NOON = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)
SITE = home_a()


def opened(folder: Path, clock: VirtualClock) -> HouseStore:
    return HouseStore(folder, SystemFiles(folder), clock, ballast_bytes=BALLAST_BYTES)


def keeper_of(store: HouseStore, clock: VirtualClock, source: Scripted) -> PriceKeeper:
    return price_keeper(SITE, "NL", [source], store=store, disk=direct, clock=clock, dice=random.Random(1))


def unreachable(day: date) -> PublishedSpot:
    raise SourceTroubleError(f"no way out, asked for {day}")


def test_prices_on_disk_are_known_once_the_clock_is_set_however_wrong_it_was_at_the_start(tmp_path: Path):
    """A Pi without a battery-backed clock starts in 1970 and is set minutes later; the internet may stay away."""

    async def run_for(seconds: float, clock: VirtualClock, store: HouseStore, source: Scripted) -> PriceKeeper:
        keeper = keeper_of(store, clock, source)
        running.append(asyncio.ensure_future(keeper.run()))
        await clock.sleep_until(clock.monotonic_s() + seconds)
        return keeper

    async def main() -> None:
        clock = VirtualClock(NOON)
        store = opened(tmp_path, clock)
        await run_for(3_600.0, clock, store, Scripted("it", spot_day))
        store.close()
        running.pop().cancel()

        clock = VirtualClock(datetime(1970, 1, 1, tzinfo=UTC), trusted=False)
        store = opened(tmp_path, clock)
        keeper = await run_for(60.0, clock, store, Scripted("down", unreachable))
        assert keeper.published() is None
        clock.step_wall((NOON - clock.now()).total_seconds())
        clock.trusted = True
        await clock.sleep_until(clock.monotonic_s() + 11.0)

        published = keeper.published()
        assert published is not None
        assert published.start_at == spot_day(NOON.date()).start_at
        assert published.eur_per_mwh == (80.0,) * 192
        assert keeper.trouble() is None
        store.close()
        running.pop().cancel()

    running: list[asyncio.Future[None]] = []
    virtual_time.run(main())
