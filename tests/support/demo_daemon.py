"""The daemon of the demo in this process, its devices in one of their own: tests look at both."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hems.app.daemon import Daemon, Page
from hems.app.running import Place, Pretence, run_house
from hems.cli.demo import demo_market
from hems.config import load_house
from hems.runtime.clock import ScaledClock
from hems.runtime.notify import Notifier
from hems.sim.demo import site_text
from tests.support.eventually import eventually
from tests.support.sim_servers import Simulation, simulation

EVENING_AT = datetime(2026, 6, 16, 19, 0, tzinfo=UTC)


@dataclass
class DemoDaemon:
    """Both halves."""

    daemon: Daemon
    simulation: Simulation

    @property
    def states(self) -> dict[str, str]:
        """Plain state of each device, by its kind."""
        return {each.kind: each.state.value for each in self.daemon.house.snapshot().devices}


@asynccontextmanager
async def demo_daemon(
    folder: Path, *, speed: float = 30.0, absent: str = "", at: datetime = EVENING_AT
) -> AsyncIterator[DemoDaemon]:
    """A whole demo house; its daemon has had its first tick."""
    ocpp_port = free_port()
    url = f"ws://127.0.0.1:{ocpp_port}"
    async with simulation("full", speed=speed, at=at, absent=absent, ocpp_url=url) as devices:
        ready = devices.ready
        text = site_text(
            "full",
            p1_port=ready["p1"]["port"],
            modbus_port=ready["modbus"]["port"],
            mqtt_port=ready["mqtt"]["port"],
            ocpp_port=ocpp_port,
        )
        house = load_house(text, "demo", lambda _: str(ready["ocpp"]["password"]))
        clock = ScaledClock(speed=speed, start_at=at, epoch_s=ready["epoch_s"])
        shown: asyncio.Future[Daemon] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        running = asyncio.ensure_future(
            run_house(
                house,
                Place(state_dir=folder, page=Page(host="127.0.0.1", port=0), ocpp_host="127.0.0.1"),
                clock=clock,
                dice=random.Random(1),
                notifier=Notifier({}),
                stop=stop,
                pretence=Pretence(words="test", market=demo_market(house.site, clock, at), prepare=lambda _: None),
                shown=shown.set_result,
            )
        )
        try:
            await eventually(lambda: shown.done() or running.done(), what="the page answers")
            yield DemoDaemon(daemon=shown.result(), simulation=devices)
        finally:
            stop.set()
            await running


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
