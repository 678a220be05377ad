"""``hems run``: the daemon. Logs to standard error, ends cleanly on SIGTERM and SIGINT."""

import asyncio
import logging
import os
import random
import signal
import sys
from pathlib import Path

from hems.app.daemon import Daemon, Page
from hems.app.market import Servers
from hems.app.running import Place, run_house
from hems.cli.network import require_hosts, require_port, require_server
from hems.cli.text import read_text
from hems.config import SecretFiles, load_house
from hems.runtime.clock import SystemClock
from hems.runtime.notify import Notifier

log = logging.getLogger(__name__)


def run(
    site_path: Path,
    *,
    state_dir: Path,
    host: str,
    port: int,
    ocpp_host: str,
    trust_clock: bool,
    prices_url: str | None,
    weather_url: str | None,
) -> int:
    """Run the house of a site file until told to stop.

    Raises:
        OperatingError: an address, the site file, its secrets or the state folder cannot be used.
    """
    require_port(port)
    require_hosts(host, ocpp_host)
    require_server("--prices-url", prices_url)
    require_server("--weather-url", weather_url)
    start_log()
    secrets = SecretFiles(site_path, os.environ)
    if (warning := secrets.warning()) is not None:
        log.warning("%s", warning)
    house = load_house(read_text(site_path), str(site_path), secrets)
    clock = SystemClock(confirmed=(lambda: True) if trust_clock else None)
    place = Place(
        state_dir=state_dir,
        page=Page(host=host, port=port),
        ocpp_host=ocpp_host,
        servers=Servers(prices_url=prices_url, weather_url=weather_url),
    )

    async def main() -> None:
        stop = stop_on_signals()
        notifier = Notifier(os.environ)
        try:
            await run_house(
                house,
                place,
                clock=clock,
                dice=random.Random(),  # noqa: S311 - spreads attempts; ids need not be secret
                notifier=notifier,
                stop=stop,
                shown=_shown,
            )
        finally:
            notifier.stopping()
            notifier.close()

    asyncio.run(main())
    return 0


def start_log() -> None:
    """To standard error, one line each; under systemd the journal adds the time."""
    stamped = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"{stamped}%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _shown(daemon: Daemon) -> None:
    assert daemon.page is not None
    log.info("the page answers on port %s", daemon.page.bound_port)
