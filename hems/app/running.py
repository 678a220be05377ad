"""A house on a real machine: state on disk, threads for what blocks, plan worker, brokers, and the daemon around it."""

import asyncio
import fcntl
import logging
import os
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from hems.aggregator import will_for
from hems.app.daemon import Daemon, Page, Parts
from hems.app.devices import Will, connect
from hems.app.market import PUBLIC, Market, Servers, public_market
from hems.config import House
from hems.domain.errors import BadInputError, OperatingError
from hems.domain.wiring import HttpConnection, Wiring
from hems.ports import Clock
from hems.runtime.disk_use import DiskUse
from hems.runtime.files import SystemFiles
from hems.runtime.notify import Notifier
from hems.runtime.offload import ThreadOffload
from hems.runtime.planner import WorkerPlanner
from hems.runtime.predictor import WorkerPredictor
from hems.runtime.worker_process import spawn
from hems.store.house_store import HouseStore
from hems_drivers.http_box import HttpOperatorBox

log = logging.getLogger(__name__)

CLOSE_MAX_S = 5.0
"""Real seconds for a disk or a planner to finish what it has begun."""
ALIVE_RATIO = 0.25
"""Of the watchdog's time: how often a sign of life is given at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a daemon keeps and shows things."""

    state_dir: Path
    page: Page
    ocpp_host: str
    """Address at which chargers may call; ``0.0.0.0``: from anywhere in the house."""
    servers: Servers = PUBLIC
    """Who is asked for prices and weather."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretence:
    """What stands in for the world of a house that does not exist."""

    words: str
    """What is simulated, as it is shown."""
    market: Market
    prepare: Callable[[HouseStore], None]
    """Puts into the store what the house would have measured before."""


async def run_house(
    house: House,
    place: Place,
    *,
    clock: Clock,
    dice: random.Random,
    notifier: Notifier,
    stop: asyncio.Event,
    pretence: Pretence | None = None,
    shown: Callable[[Daemon], None] = lambda _: None,
) -> None:
    """Run until ``stop`` is set.

    Args:
        house: site and wiring.
        place: state, page and port.
        clock: house time.
        dice: spreads attempts, makes ids.
        notifier: the service manager.
        stop: ends it cleanly.
        pretence: for a simulated house; None: prices and weather come from public servers.
        shown: called once the page answers.

    Raises:
        BadInputError: the wiring cannot be used, or the state folder cannot be.
    """
    async with AsyncExitStack() as stack:
        stack.callback(os.close, _claimed(place.state_dir))
        daemon = Daemon(await _parts(stack, house, place, clock=clock, dice=dice, pretence=pretence))
        daemon.alive = _heartbeat(notifier, clock)
        watching = asyncio.ensure_future(_tell(daemon, notifier, house.site.name, shown))
        try:
            await daemon.run(stop)
        finally:
            watching.cancel()


async def _parts(
    stack: AsyncExitStack,
    house: House,
    place: Place,
    *,
    clock: Clock,
    dice: random.Random,
    pretence: Pretence | None,
) -> Parts:
    """Everything that the daemon is made of; ``stack`` ends what must be ended."""
    disk, thinking, planner = ThreadOffload("disk"), ThreadOffload("planner"), WorkerPlanner(spawn)
    predictor = WorkerPredictor(spawn)
    stack.push_async_callback(disk.close, deadline_s=CLOSE_MAX_S)
    stack.push_async_callback(_end_thinking, planner, predictor, thinking)
    store = await disk(lambda: HouseStore(place.state_dir, SystemFiles(place.state_dir), clock))
    connected = connect(
        house.site,
        house.wiring,
        clock=clock,
        dice=dice,
        chargers_told=store.documents("chargers", kind=bytes),
        disk=disk,
        ocpp_host=place.ocpp_host,
        wills=_wills(house.wiring, clock, dice),
    )
    session = await stack.enter_async_context(aiohttp.ClientSession())
    if pretence is None:
        at = None if house.location is None else (house.location.latitude_deg, house.location.longitude_deg)
        market = public_market(
            house.site, at, store=store, disk=disk, session=session, clock=clock, dice=dice, servers=place.servers
        )
    else:
        market = pretence.market
        await disk(lambda: pretence.prepare(store))
    wanted, disk_use = house.wiring.aggregator, DiskUse(clock)
    return Parts(
        site=house.site,
        clock=clock,
        dice=dice,
        drivers=connected.drivers,
        links=(*connected.tasks, ("disk use", disk_use.run)),
        store=store,
        disk=disk,
        planner=planner,
        predictor=predictor,
        thinking=thinking,
        market=market,
        page=place.page,
        aggregator=None if wanted is None else (wanted, connected.brokers[wanted.connection]),
        troubles=(disk_use.trouble,),
        written_bytes_day=lambda: disk_use.day_bytes,
        operator=house.operator,
        operator_box=connected.operator_box or _http_box(house.wiring, session, clock),
        simulated=None if pretence is None else pretence.words,
    )


def _http_box(wiring: Wiring, session: aiohttp.ClientSession, clock: Clock) -> HttpOperatorBox | None:
    """The grid operator's box, where it is one that is asked by HTTP."""
    operator = wiring.operator
    connection = None if operator is None else wiring.connections[operator.connection]
    if operator is None or not isinstance(connection, HttpConnection):
        return None
    return HttpOperatorBox(operator, connection.url, session, clock)


async def _end_thinking(planner: WorkerPlanner, predictor: WorkerPredictor, thinking: ThreadOffload) -> None:
    """A plan that is being made is of no use any more: its workers are ended, and nothing waits for them."""
    planner.close()
    predictor.close()
    try:
        await thinking.close(deadline_s=CLOSE_MAX_S)
    except OperatingError as error:
        log.info("%s", error)
    finally:
        planner.close()
        predictor.close()


def _heartbeat(notifier: Notifier, clock: Clock) -> Callable[[], None]:
    """A sign of life with a tick, a few times within the watchdog's time."""
    told_s = -1e9

    def alive() -> None:
        nonlocal told_s
        now_s = clock.monotonic_s()
        if notifier.watchdog_s is not None and now_s - told_s >= ALIVE_RATIO * notifier.watchdog_s:
            told_s = now_s
            notifier.alive()

    return alive


async def _tell(daemon: Daemon, notifier: Notifier, name: str, shown: Callable[[Daemon], None]) -> None:
    await daemon.ready.wait()
    notifier.ready()
    notifier.status(
        f"{name}: the guard is in control{', and nothing else: safe mode' if daemon.starts.is_safe_mode else ''}"
    )
    await daemon.started.wait()
    if daemon.page is not None:
        await daemon.page.listening.wait()
        shown(daemon)


def _wills(wiring: Wiring, clock: Clock, dice: random.Random) -> dict[str, Will]:
    """The aggregator's broker says that the house is gone when it is."""
    wanted = wiring.aggregator
    if wanted is None:
        return {}
    return {wanted.connection: will_for(wanted.aggregator_id, wanted.home_id, clock=clock, dice=dice)}


def _claimed(folder: Path) -> int:
    """A lock on the folder, held while its descriptor is open: two daemons would cut each other's records."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadInputError(f"{folder}: the state folder cannot be used: {error.strerror or error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise BadInputError(f"{folder}: another hems is at work on this state folder; stop it first") from None
    return descriptor
