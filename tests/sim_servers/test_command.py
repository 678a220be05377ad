"""``hems sim`` as a process: what it says, follows, and leaves behind."""

import asyncio
import json
import signal
import sys

import aiomqtt
import psutil  # type: ignore[import-untyped]
import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP  # type: ignore[import-untyped]

from hems.cli.sim import sim
from hems.domain.errors import BadInputError
from tests.support.eventually import eventually
from tests.support.sim_servers import COMMAND, NOON_AT, simulation


async def telegrams(port: int, count: int) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            return [await reader.readuntil(b"\r\n!") for _ in range(count)]
    finally:
        writer.close()


def battery_soc_pct(port: int) -> float:
    device = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port)
    device.scan()
    soc_pct: float = device.models[802][0].SoC.cvalue
    device.close()
    return soc_pct


async def test_one_line_says_how_everything_is_reached_and_everything_is() -> None:
    async with simulation("full") as running:
        ready = running.ready
        assert set(ready) == {"modbus", "p1", "mqtt", "ocpp", "start_at", "speed", "epoch_s", "site"}
        assert ready["site"]["devices"] == ["grid", "hybrid-pv", "hybrid-battery", "driveway", "heat-pump"]
        assert ready["ocpp"]["url_path"] == "/ocpp/demo-wallbox"
        assert len(await telegrams(ready["p1"]["port"], 3)) == 3
        soc_pct = await asyncio.to_thread(battery_soc_pct, ready["modbus"]["port"])
        assert 45 < soc_pct < 60
        async with aiomqtt.Client("127.0.0.1", ready["mqtt"]["port"]) as client, asyncio.timeout(10):
            await client.subscribe("demo/heat-pump/state")
            message = await anext(aiter(client.messages))
            assert isinstance(message.payload, bytes)
            assert "room_c" in json.loads(message.payload)
        process = psutil.Process(running.process.pid)
        before_s, real_s = sum(process.cpu_times()[:2]), asyncio.get_running_loop().time()
        await telegrams(ready["p1"]["port"], 90)
        share = (sum(process.cpu_times()[:2]) - before_s) / (asyncio.get_running_loop().time() - real_s)
        assert share < 0.4, f"{share:.0%} of a core at 60 times real time"
        assert process.memory_info().rss < 150e6


async def test_orders_are_followed_or_refused_with_a_reason() -> None:
    async with simulation("full", absent="grid") as running:
        port = running.ready["p1"]["port"]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert await running.order({"regain": "grid"}) == {"done": {"regain": "grid"}}
        assert await telegrams(port, 1)
        assert await running.order({"lose": "hybrid-battery"}) == {"done": {"lose": "hybrid-battery"}}
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", running.ready["modbus"]["port"])
        assert "there is no device" in (await running.order({"lose": "roof"}))["why"]
        assert "an order is" in (await running.order({"dance": True}))["why"]
        car = {"plug": {"energy_kwh": 20, "hours": 8}}
        assert await running.order({"unplug": True}) == {"refused": '{"unplug": true}', "why": "no car is plugged in"}
        assert await running.order(car) == {"done": car}
        assert "unplug it first" in (await running.order(car))["why"]
        assert await running.order({"unplug": True}) == {"done": {"unplug": True}}


async def test_it_ends_with_its_input_having_said_one_line_and_leaves_no_process() -> None:
    async with simulation() as running:
        children = psutil.Process(running.process.pid).children(recursive=True)
        assert running.process.stdin is not None
        assert running.process.stdout is not None
        running.process.stdin.close()
        assert await running.process.stdout.read() == b""
        assert await running.process.wait() == 0
        assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_whoever_is_connected(number: signal.Signals) -> None:
    async with simulation() as running:
        _, writer = await asyncio.open_connection("127.0.0.1", running.ready["modbus"]["port"])
        _, other = await asyncio.open_connection("127.0.0.1", running.ready["p1"]["port"])
        running.process.send_signal(number)
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0
        writer.close()
        other.close()


async def test_it_ends_when_its_parent_is_killed() -> None:
    code = (
        "import subprocess, sys, time\n"
        f"own = subprocess.Popen([sys.executable, '-c', {COMMAND!r}, 'small', '60', '{NOON_AT.isoformat()}', '', ''], "
        "stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)\n"
        "own.stdout.readline(); print(own.pid, flush=True); time.sleep(60)"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(await parent.stdout.readline()))
    family = [child, *child.children(recursive=True)]
    assert child.is_running(), "no input at all does not end it"
    parent.kill()
    await parent.wait()
    await eventually(lambda: not any(_lives(each) for each in family), what="it has ended")


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"house": "castle"}, "choose from full, small"),
        ({"speed": 0.0}, "--speed"),
        ({"speed": float("nan")}, "--speed"),
        ({"start_at": "tomorrow"}, "is not a time"),
        ({"start_at": "2025-01-01T00:00:00"}, "does not say its zone"),
        ({"absent": "roof"}, "--absent: there is no roof"),
        ({"ocpp_url": "http://127.0.0.1"}, "no websocket address"),
    ],
)
def test_a_wrong_option_is_one_clear_message(wrong: dict[str, object], message: str) -> None:
    right: dict[str, object] = {
        "house": "full", "speed": 60.0, "start_at": "2025-01-01T00:00:00Z", "epoch_s": None, "absent": "",
        "ocpp_url": None,
    }  # fmt: skip
    with pytest.raises(BadInputError, match=message):
        sim(**(right | wrong))  # type: ignore[arg-type]
