"""The daemon with a tariff of the market: prices and weather come over HTTP, and outlive the servers' absence."""

import asyncio
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.demo_daemon import free_port
from tests.support.notify_standin import NotifyStandin, supervised
from tests.support.sources import PublicServers, running_server

SITE = """version: 1
site:
  name: Dorpsweg 7
  location: {{lat: 52.09, lon: 5.12}}
  timezone: Europe/Amsterdam
  currency: EUR
  grid: {{phases: 3, fuse: 25 A}}
connections:
  p1: {{type: dsmr, host: 127.0.0.1, tcp_port: {closed}}}
  broker: {{type: mqtt, url: "mqtt://127.0.0.1:{closed}"}}
devices:
  - {{name: Grid, kind: grid_meter, connection: p1, period: 1 s}}
  - name: Heat pump
    kind: heat_pump
    connection: broker
    min_power: 700 W
    max_power: 2.5 kW
    comfort: {{room: 19.5..21.5 degC}}
    house_model: {{time_constant: 40 h, loss: 180 W/K}}
    mqtt: {{power: hp/power, room: hp/room,
      block: {{command: hp/block/set, state: hp/block}}, boost: {{command: hp/boost/set, state: hp/boost}}}}
tariff:
  import: {{source: {{type: day_ahead, area: NL}}, fallback: 0.30 EUR/kWh}}
  export: {{same_as: import, subtract: 0.02 EUR/kWh}}
"""


def command_of(folder: Path, page_port: int, servers_url: str) -> list[str]:
    site = folder / "site.yaml"
    site.write_text(SITE.format(closed=free_port()))
    arguments = ["run", str(site), "--state-dir", str(folder / "state"), "--port", str(page_port)]
    arguments += ["--prices-url", servers_url, "--weather-url", servers_url]
    return [sys.executable, "-m", "hems", *arguments, "--ocpp-host", "127.0.0.1", "--trust-clock"]


async def asked(port: int, path: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/api/v1/{path}") as answer:
        assert answer.status == 200
        return await answer.json()


async def state_with(port: int, words: str) -> dict[str, Any]:
    """The state of the page as soon as it shows these words as the source of prices."""
    state: dict[str, Any] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(30.0):
            while words not in state.get("price", {}).get("source", ""):
                await asyncio.sleep(0.1)  # noqa: TID251 - real time: a real process is at work
                with suppress(aiohttp.ClientConnectionError):
                    state = await asked(port, "state")
    assert words in state["price"]["source"], state
    return state


def troubles(service: NotifyStandin) -> list[str]:
    return re.findall(r".*(?:ERROR|Traceback).*", service.log_path.read_text())


async def test_market_prices_and_weather_arrive_and_are_there_again_after_a_restart_without_the_servers(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with running_server(PublicServers()) as servers:
        command = command_of(tmp_path, port, servers.url)
        async with supervised(command, folder=tmp_path, watchdog_s=10.0) as service:
            state = await state_with(port, "day-ahead NL, published until")
            prices = (await asked(port, "plan"))["import_eur_per_kwh"]
            assert {each for each in prices if each is not None} <= {(80 + hour) / 1000 for hour in range(24)}
            await service.until(lambda: {path for path, _ in servers.asked} == {"/price", "/v1/forecast"}, timeout_s=10)
            assert state["price"]["published_until_at"] is not None
            assert [each["text"] for each in state["notices"] if "market" in each["text"]] == []
            assert await service.terminate(timeout_s=20) == 0
        assert troubles(service) == []

        (tmp_path / "notify").unlink()
        servers.works = False
        async with supervised(command, folder=tmp_path, watchdog_s=10.0) as service:
            again = await state_with(port, "day-ahead NL, published until")
            assert again["price"]["published_until_at"] >= state["price"]["published_until_at"]
            assert (await asked(port, "plan"))["import_eur_per_kwh"].count(None) <= prices.count(None)
            assert await service.terminate(timeout_s=20) == 0
        assert troubles(service) == []
