"""``hems demo``: a whole simulated house. Its devices live in a process of their own and speak their real protocols."""

import asyncio
import json
import logging
import os
import random
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from hems.app.daemon import Daemon, Page
from hems.app.market import Market
from hems.app.recorder import LOAD, sun_series
from hems.app.running import Place, Pretence, run_house
from hems.cli.network import require_port
from hems.cli.run import start_log, stop_on_signals
from hems.config import House, load_house
from hems.domain.errors import BadInputError, OperatingError
from hems.domain.forecast import SlotHistory
from hems.domain.site import Site
from hems.domain.time import SLOT_S, SlotGrid, civil_day, floor_to, local_day
from hems.domain.wiring import OCPP_PORT
from hems.forecast.price import PublishedPrices
from hems.ports import Clock
from hems.runtime.clock import ScaledClock, SystemClock
from hems.runtime.notify import Notifier
from hems.sim.demo import require_house, site_text
from hems.sim.demo.history import past_days
from hems.sim.demo.prices import synthetic_prices
from hems.sim.demo.weather import made_up_outdoor_c
from hems.sim.servers.orphans import end_with_parent
from hems.store.history import SlotValue
from hems.store.house_store import HouseStore

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
SPEED_MAX = 200.0
"""Beyond, two cores no longer keep up with ten telegrams and ticks a millisecond."""
START_OF_DAY = time(6)
"""Before sunrise, the car still there: within minutes everything in the house has moved."""
DEVICES_WITHIN_S = 60.0
PRICES_AT = time(13)
PRICE_DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for on the command line."""

    house: str
    speed: float
    port: int
    start_at: datetime | None
    state_dir: Path | None


def demo(*, house: str, speed: float, port: int, start_at: str | None, state_dir: Path | None) -> int:
    """Run a simulated house until Ctrl-C.

    Raises:
        OperatingError: a wrong option, a port that is taken, or devices that do not start.
    """
    if not 0 < speed <= SPEED_MAX:
        raise BadInputError(f"--speed: more than 0, at most {SPEED_MAX:g}, got {speed:g}")
    require_port(port)
    _require_free(port)
    start_log()
    wanted = Wanted(
        house=require_house(house),
        speed=speed,
        port=port,
        start_at=None if start_at is None else _instant(start_at),
        state_dir=state_dir,
    )
    with tempfile.TemporaryDirectory(prefix="hems-demo-") as folder:
        asyncio.run(_demo(wanted, state_dir or Path(folder)))
    return 0


async def _demo(wanted: Wanted, state_dir: Path) -> None:
    stop = stop_on_signals()
    machine = SystemClock()
    site = load_house(_site_text(wanted.house, {}, 0), "demo", lambda _: "unknown yet").site
    start_at = wanted.start_at or _this_morning(machine.now(), site)
    ocpp_port = _free_port()
    async with _devices(wanted, start_at, machine.monotonic_s(), ocpp_port) as reached:
        house = load_house(
            _site_text(wanted.house, reached, ocpp_port), "demo", lambda _: str(reached["ocpp"]["password"])
        )
        clock = ScaledClock(speed=wanted.speed, start_at=start_at, epoch_s=float(reached["epoch_s"]))
        pace = "in real time" if wanted.speed == 1 else f"{wanted.speed:g} times real time"
        await run_house(
            house,
            Place(state_dir=state_dir, page=Page(host=LOOPBACK, port=wanted.port), ocpp_host=LOOPBACK),
            clock=clock,
            dice=random.Random(),  # noqa: S311 - spreads attempts
            notifier=Notifier(os.environ),
            stop=stop,
            pretence=Pretence(
                words=f"demo house, {pace}",
                market=demo_market(house.site, clock, start_at),
                prepare=lambda store: _remember(store, house, start_at),
            ),
            shown=lambda daemon: _show(daemon, reached),
        )


@asynccontextmanager
async def _devices(wanted: Wanted, start_at: datetime, epoch_s: float, ocpp_port: int) -> AsyncIterator[dict[str, Any]]:
    """The simulated devices: a process that ends with its standard input, and with us, however we end.

    Left to itself one of a hundred, whose demo was killed while it made its servers, did not end.
    """
    arguments = ["--house", wanted.house, "--speed", str(wanted.speed), "--start-at", start_at.isoformat()]
    arguments += ["--epoch-s", str(epoch_s), "--ocpp-url", f"ws://{LOOPBACK}:{ocpp_port}"]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hems", "sim", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        preexec_fn=end_with_parent,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        try:
            async with asyncio.timeout(DEVICES_WITHIN_S):
                line = await child.stdout.readline()
        except TimeoutError:
            raise OperatingError(f"the simulated devices did not start within {DEVICES_WITHIN_S:.0f} s") from None
        if not line:
            raise OperatingError(f"the simulated devices ended with code {await child.wait()}; see above")
        yield json.loads(line)
    finally:
        child.stdin.close()
        try:
            async with asyncio.timeout(5.0):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


def demo_market(site: Site, clock: Clock, start_at: datetime) -> Market:
    """Synthetic prices, published at 13:00 for the next day as real ones are, and made-up weather."""
    first = local_day(start_at, site.zone) - timedelta(days=PRICE_DAYS)
    made: dict[object, PublishedPrices] = {}

    def spot() -> PublishedPrices:
        now_at = clock.now()
        today = local_day(now_at, site.zone)
        last = today + timedelta(days=1) if now_at.astimezone(site.zone).time() >= PRICES_AT else today
        if last not in made:
            made.clear()
            days = [first + timedelta(days=index) for index in range((last - first).days + 1)]
            prices = [price for day in days for price in synthetic_prices(day, site.zone).spot_eur_per_kwh]
            made[last] = PublishedPrices(start_at=civil_day(first, site.zone).start_at, spot_eur_per_kwh=tuple(prices))
        return made[last]

    def outdoor() -> SlotHistory:
        grid = SlotGrid(start_at=floor_to(clock.now(), SLOT_S), count=200)
        return SlotHistory(start_at=grid.start_at, mean_w=tuple(made_up_outdoor_c(each) for each in grid.starts()))

    return Market(spot=spot, outdoor=outdoor, source="synthetic prices of the demo")


def _remember(store: HouseStore, house: House, start_at: datetime) -> None:
    """The weeks that the house would have measured before."""
    past = past_days(start_at)
    peak_w = sum(plant.peak_w for plant in house.site.pv)
    rows = []
    for index, (load_w, pv_w) in enumerate(zip(past.load.mean_w, past.pv.mean_w, strict=True)):
        at = past.load.start_at + timedelta(seconds=SLOT_S * index)
        rows.append(SlotValue(series=LOAD, start_at=at, value=load_w))
        for plant in house.site.pv:
            value = None if pv_w is None else pv_w * plant.peak_w / peak_w
            rows.append(SlotValue(series=sun_series(plant.id), start_at=at, value=value))
    store.history.put_slots(rows)


def _show(daemon: Daemon, reached: dict[str, Any]) -> None:
    assert daemon.page is not None
    print(f"\n  A simulated house is live: http://{LOOPBACK}:{daemon.page.bound_port}/", flush=True)
    print(f"  Its MQTT broker: {LOOPBACK}:{reached['mqtt']['port']}. Ctrl-C ends everything.\n", flush=True)


def _site_text(house: str, reached: dict[str, Any], ocpp_port: int) -> str:
    def port(name: str) -> int:
        return int(reached.get(name, {}).get("port", 1))

    return site_text(
        house,
        p1_port=port("p1"),
        modbus_port=port("modbus"),
        mqtt_port=port("mqtt"),
        ocpp_port=ocpp_port or OCPP_PORT,
    )


def _this_morning(now: datetime, site: Site) -> datetime:
    return datetime.combine(local_day(now, site.zone), START_OF_DAY, tzinfo=site.zone).astimezone(UTC)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError(f'--start-at: "{text}" is not a time; write 2026-06-21T06:30Z') from None
    if at.tzinfo is None:
        raise BadInputError(f'--start-at: "{text}" does not say its zone; end it with Z for UTC')
    return at.astimezone(UTC)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise OperatingError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
