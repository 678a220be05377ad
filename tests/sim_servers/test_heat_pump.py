"""The heat pump and its broker, seen by an MQTT client that knows nothing of either."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import psutil  # type: ignore[import-untyped]
import pytest

from hems.sim.servers.broker import broker
from hems.sim.servers.heat_pump import MqttHeatPump
from hems.sim.servers.living import LivingHouse
from tests.support.eventually import eventually, running
from tests.support.sim_servers import live, living_house

WINTER_AT = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)


def pump_of(living: LivingHouse, port: int = 1) -> MqttHeatPump:
    return MqttHeatPump(living, living.house.site.heat_pumps[0], port=port)


def electric_w(living: LivingHouse) -> float:
    return living.house.heat_pumps[living.house.site.heat_pumps[0].id].power_w


def test_blocked_it_is_off_for_two_hours_and_then_helps_itself() -> None:
    living = living_house(at=WINTER_AT)
    pump = pump_of(living)
    pump.relays.block = True
    powers_w: list[float] = []
    for _ in range(16 * 15):
        living.step(60)
        powers_w.append(electric_w(living))
    assert max(powers_w[:120]) == 0
    assert max(powers_w[120:]) >= 1_000, "SG-Ready lets nobody block it for longer"


def test_boosted_it_runs_at_full_power_even_if_block_is_closed_too() -> None:
    living = living_house(at=WINTER_AT)
    pump = pump_of(living)
    pump.relays.boost = pump.relays.block = True
    live(living, 700)
    assert electric_w(living) == 4_000


class Client:
    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.last: dict[str, bytes] = {}
        self.count = 0

    async def listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.last[message.topic.value] = message.payload
            self.count += 1

    @property
    def state(self) -> Any:
        return json.loads(self.last.get("demo/heat-pump/state", b"null"))


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Client]:
    async with aiomqtt.Client("127.0.0.1", port) as raw:
        await raw.subscribe("demo/#")
        client = Client(raw)
        async with running(client.listen()):
            yield client


async def test_relays_are_switched_and_told_and_its_meter_speaks_in_house_time() -> None:
    async with broker() as port:
        living = living_house(at=WINTER_AT, speed=60)
        pump = pump_of(living, port)
        await pump.regain()
        async with running(pump.run()), running(living.run()), listening(port) as client:
            await eventually(lambda: client.last.get("demo/heat-pump/boost") == b"off" and client.state)
            assert set(client.state) == {"power_w", "room_c", "tank_c"}
            await client.client.publish("demo/heat-pump/boost/set", "on", qos=1)
            await eventually(lambda: client.last["demo/heat-pump/boost"] == b"on")
            await eventually(lambda: client.state["power_w"] == 4_000.0)
            await client.client.publish("demo/heat-pump/boost/set", "louder", qos=1)
            await client.client.publish("demo/heat-pump/boost/set", "off", qos=1)
            await eventually(lambda: client.last["demo/heat-pump/boost"] == b"off")
            before, at_s = client.count, living.house.elapsed_s
            await eventually(lambda: living.house.elapsed_s >= at_s + 60)
            assert 8 <= client.count - before <= 16


async def test_a_command_kept_from_before_is_not_followed() -> None:
    async with broker() as port:
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish("demo/heat-pump/block/set", "on", qos=1, retain=True)
        living = living_house(at=WINTER_AT, speed=60)
        pump = pump_of(living, port)
        await pump.regain()
        async with running(pump.run()), running(living.run()), listening(port) as client_of_ours:
            await eventually(lambda: client_of_ours.state)
            assert not pump.relays.block


async def test_lost_it_says_and_hears_nothing_and_regained_it_tells_its_relays() -> None:
    async with broker() as port:
        living = living_house(at=WINTER_AT, speed=60)
        pump = pump_of(living, port)
        await pump.regain()
        async with running(pump.run()), running(living.run()), listening(port) as client:
            await eventually(lambda: client.state)
            pump.lose()
            await client.client.publish("demo/heat-pump/block/set", "on", qos=1)
            await eventually(lambda: client.last.get("demo/heat-pump/block/set") == b"on")
            count, at_s = client.count, living.house.elapsed_s
            await eventually(lambda: living.house.elapsed_s >= at_s + 30)
            assert client.count == count
            assert not pump.relays.block
            client.last.clear()
            await pump.regain()
            await eventually(lambda: client.last.get("demo/heat-pump/block") == b"off")


async def test_the_heat_pump_waits_for_its_broker() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pump = pump_of(living_house(at=WINTER_AT), port)
    async with running(pump.run()) as task:
        await asyncio.wait((task,), timeout=0.1)
        assert not task.done()


async def test_where_no_mosquitto_is_installed_one_in_the_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("amqtt")
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    async with broker() as port, listening(port) as client:
        await client.client.publish("demo/hello", "there", qos=1)
        await eventually(lambda: client.last.get("demo/hello") == b"there")


async def test_a_broker_does_not_outlive_a_process_that_was_killed() -> None:
    code = (
        "import asyncio\nfrom hems.sim.servers.broker import broker\n"
        "async def main():\n async with broker() as port:\n  print(port, flush=True)\n  await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline()
    children = psutil.Process(process.pid).children()
    if not children:
        process.kill()
        await process.wait()
        pytest.skip("mosquitto is not installed")
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await eventually(lambda: not any(child.is_running() for child in children), what="the broker has ended")
