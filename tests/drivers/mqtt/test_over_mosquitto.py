"""The whole way: driver, link, mosquitto, and relays that are shell loops around mosquitto's own clients."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hems.domain.command import HeatPumpPower
from hems.domain.reading import GridValues
from hems.domain.site import DeviceId
from hems.domain.wiring import MqttHeatPump, MqttMeter, MqttPoint, MqttRelay
from hems.ports import Clock, DeviceReading, Driver, MqttMessage, Outcome
from hems.runtime.mqtt import MqttLink
from hems_drivers.mqtt import mqtt_driver
from tests.support.eventually import clock_at, eventually, running
from tests.support.mqtt import broker_in
from tests.support.simulated import order

METER, PUMP = DeviceId("grid"), DeviceId("pump")
RELAYS = [MqttRelay(command_topic=f"{name}/set", state=MqttPoint(topic=name)) for name in ("block", "boost")]
HEAT_PUMP = MqttHeatPump(block=RELAYS[0], boost=RELAYS[1], power=MqttPoint(topic="pump/power"))
SWITCH = (
    "mosquitto_sub -p {port} -t {name}/set | "
    'while read -r word; do mosquitto_pub -p {port} -t {name} -r -m "$word"; done'
)


@asynccontextmanager
async def shell(command: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_shell(command, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def say(port: int, topic: str, payload: str, *flags: str) -> None:
    command = await asyncio.create_subprocess_exec("mosquitto_pub", "-p", str(port), "-t", topic, "-m", payload, *flags)
    assert await command.wait() == 0


async def accepted(driver: Driver, clock: Clock, power_w: float | None) -> bool:
    command = order(PUMP, HeatPumpPower(power_w=power_w), mono_s=clock.monotonic_s())
    return (await driver.apply(command)).outcome is Outcome.ACCEPTED


async def test_a_heat_pump_is_steered_and_a_meter_read_through_a_real_broker(tmp_path: Path):
    if shutil.which("mosquitto_sub") is None:
        pytest.skip("mosquitto's clients are not installed")
    readings: list[DeviceReading] = []
    async with broker_in(tmp_path) as broker:
        port = broker.port
        for name in ("block", "boost"):
            await say(port, name, "off", "-r")
        meter = MqttMeter(power=MqttPoint(topic="meter", path=("p",)))
        clock = clock_at(1.0)
        link = MqttLink(broker.connection, client_id="hems", will=None, clock=clock, random=random.Random(1))
        driver = mqtt_driver(link, meters={METER: meter}, heat_pumps={PUMP: HEAT_PUMP}, clock=clock)
        contacts: dict[str, bytes] = {}
        answers: list[str] = []

        def heard(message: MqttMessage) -> None:
            contacts[message.topic] = message.payload
            answers.extend([] if message.retained else [message.topic])

        for name in ("block", "boost"):
            link.subscribe(name, heard)
        relays = (shell(SWITCH.format(port=port, name=name)) for name in ("block", "boost"))
        async with next(relays), next(relays), running(link.run()):
            await eventually(lambda: len(contacts) == 2)
            for name in ("block", "boost"):  # a shell listens when it listens
                while name not in answers:
                    await link.publish(f"{name}/set", b"off", qos=1)
                    await clock.sleep_until(clock.monotonic_s() + 0.1)
            async with running(driver.run(lambda _, reading: readings.append(reading))):
                for power_w, block, boost in ((None, b"off", b"off"), (1500.0, b"off", b"on"), (0.0, b"on", b"off")):
                    async with asyncio.timeout(60):  # a slow answer to the first command makes it wait 30 s
                        while not await accepted(driver, clock, power_w):
                            await clock.sleep_until(clock.monotonic_s() + 0.05)
                    assert contacts == {"block": block, "boost": boost}
                await say(port, "meter", '{"p": -812.5}')
                await eventually(lambda: readings)
                await driver.rest()
                assert contacts == {"block": b"off", "boost": b"off"}
    assert [each.value for each in readings] == [
        GridValues(power_w=-812.5, phase_power_w=None, phase_power_high_w=None)
    ]
