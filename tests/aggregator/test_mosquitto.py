"""The session over a real broker, against mosquitto's own clients; commands as the documentation gives them."""

import asyncio
import json
import os
import random
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hems.aggregator import AggregatorSession, will_for
from hems.aggregator.judge import SequenceStore
from hems.aggregator.ulid import unix_ms
from hems.app.stored import StoredSequence
from hems.domain.errors import OperatingError
from hems.domain.flex import Delivery, Refusal, RefusalCode, Setpoint
from hems.runtime.clock import ScaledClock, SystemClock
from hems.runtime.mqtt import MqttLink
from hems.runtime.offload import DirectOffload
from hems.store.documents import Documents
from hems.store.findings import Findings
from tests.support.aggregator_home import (
    AGGREGATOR,
    BASE,
    HOME,
    AggregatorEnd,
    MemoryOutbox,
    MemorySequences,
    RecordingHouse,
    minute,
)
from tests.support.eventually import eventually, running
from tests.support.full_disk import FullDisk
from tests.support.mqtt import Mosquitto, broker_in

PAGE = Path(__file__).parents[2] / "docs" / "aggregator.md"
needs_clients = pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None or shutil.which("mosquitto_sub") is None,
    reason="mosquitto_pub and mosquitto_sub are not installed",
)
Clock = SystemClock | ScaledClock


class RealHome:
    """A session and its link, made for one broker."""

    def __init__(self, broker: Mosquitto, clock: Clock, sequences: SequenceStore | None = None) -> None:
        will = will_for(AGGREGATOR, HOME, clock=clock, dice=random.Random(1))
        self.clock = clock
        self.link = MqttLink(
            broker.connection,
            client_id=HOME,
            will=will,
            clock=clock,
            random=random.Random(3),
        )
        self.house = RecordingHouse(clock)
        self.outbox = MemoryOutbox()
        self.delivered: list[Delivery] = []
        self.session = AggregatorSession(
            self.link,
            aggregator_id=AGGREGATOR,
            home_id=HOME,
            flexibility=self.house,
            outbox=self.outbox,
            sequences=sequences or MemorySequences(),
            clock=clock,
            dice=random.Random(2),
            on_delivered=self.delivered.append,
        )


class Listener:
    """What mosquitto_sub hears: (topic, retained, payload)."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool, dict[str, Any]]] = []

    def bodies(self, topic: str) -> list[dict[str, Any]]:
        return [content["body"] for where, _, content in self.heard if where == f"{BASE}/{topic}"]


@asynccontextmanager
async def listening(broker: Mosquitto) -> AsyncIterator[Listener]:
    listener = Listener()
    topics = ("-q", "1", "-t", f"{BASE}/#", "-T", f"{BASE}/cmd/+", "-t", "ready")
    line = ("-F", "%t %r %p")
    heard = await asyncio.create_subprocess_exec(
        "mosquitto_sub",
        "-p",
        str(broker.port),
        "-q",
        "1",
        *topics,
        *line,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    ready = asyncio.Event()

    async def read() -> None:
        assert heard.stdout is not None
        while line := await heard.stdout.readline():
            topic, retained, payload = line.decode().split(" ", 2)
            if topic == "ready":
                ready.set()
            else:
                listener.heard.append((topic, retained == "1", json.loads(payload)))

    async with running(read()):
        while not ready.is_set():
            await publish(broker, "ready", b"-")
            await asyncio.wait([asyncio.ensure_future(ready.wait())], timeout=0.05)
        try:
            yield listener
        finally:
            # Not SIGTERM: mosquitto_sub disconnects inside its signal handler and so waits for its own lock, in 12 of
            # 400 ends under load.
            heard.kill()
            await heard.wait()


async def publish(broker: Mosquitto, topic: str, payload: bytes) -> None:
    sender = await asyncio.create_subprocess_exec(
        "mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", topic, "-s", stdin=asyncio.subprocess.PIPE
    )
    await sender.communicate(payload)
    assert sender.returncode == 0


def scaled(speed: float) -> ScaledClock:
    start_at = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
    return ScaledClock(speed=speed, start_at=start_at, epoch_s=asyncio.get_running_loop().time())


class TrustedClock(SystemClock):
    def __init__(self) -> None:
        super().__init__(confirmed=lambda: True)


@needs_clients
async def test_a_setpoint_from_another_client_is_answered_within_two_seconds(tmp_path: Path) -> None:
    async with broker_in(tmp_path) as broker, listening(broker) as listener:
        home = RealHome(broker, TrustedClock())
        far = AggregatorEnd(home.clock)
        async with running(home.link.run()), running(home.session.run()):
            await eventually(lambda: listener.bodies("envelope"))
            for power_w, result in ((1_500.0, "accepted"), (6_000.0, "refused")):
                frame = far.setpoint(home.house.in_force, power_w, event_id=f"event-{power_w:.0f}")
                count = len(listener.bodies("ack"))
                started_s = asyncio.get_running_loop().time()
                await publish(broker, f"{BASE}/cmd/setpoint", json.dumps(frame).encode())
                await eventually(partial(_answered, listener, count))
                assert asyncio.get_running_loop().time() - started_s < 2.0
                answer = listener.bodies("ack")[-1]
                assert (answer["reply_to"], answer["result"]) == (frame["id"], result)
        await eventually(lambda: listener.bodies("state")[-1]["online"] is False, what="the home says goodbye")


@needs_clients
async def test_what_the_disk_does_not_take_is_a_device_fault_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = FullDisk()
    shelf = Documents.open(files, "sequences", kind=int, findings=Findings())
    async with broker_in(tmp_path) as broker, listening(broker) as listener:
        home = RealHome(broker, TrustedClock(), StoredSequence(shelf, DirectOffload()))
        far = AggregatorEnd(home.clock)

        async def answer_to(kind: str, frame: dict[str, Any]) -> str:
            count = len(listener.bodies("ack"))
            await publish(broker, f"{BASE}/cmd/{kind}", json.dumps(frame).encode())
            await eventually(partial(_answered, listener, count))
            answer = listener.bodies("ack")[-1]
            assert answer["reply_to"] == frame["id"]
            return str(answer["refusal"]["code"] if answer["refusal"] else answer["result"])

        async def cannot_end(_: str) -> bool:
            raise OperatingError("it is ended, but that cannot be stored now")

        async def cannot_accept(_: Setpoint) -> Refusal:
            return Refusal(code=RefusalCode.DEVICE_FAULT, text="it cannot be stored now")

        async with running(home.link.run()), running(home.session.run()):
            await eventually(lambda: listener.bodies("envelope"))
            setpoint = far.setpoint(home.house.in_force, 1_500.0)
            files.full = True
            for _ in range(2):
                assert await answer_to("setpoint", setpoint) == "device_fault"
            assert home.house.offered == []
            files.full = False
            assert await answer_to("setpoint", setpoint) == "accepted"
            with monkeypatch.context() as broken:
                broken.setattr(home.house, "cancel", cannot_end)
                assert await answer_to("cancel", far.cancel()) == "device_fault"
            assert await answer_to("cancel", far.cancel()) == "accepted"
            with monkeypatch.context() as broken:
                broken.setattr(home.house, "offer", cannot_accept)
                assert (
                    await answer_to("setpoint", far.setpoint(home.house.in_force, 900.0, revision=1)) == "device_fault"
                )
            again = far.setpoint(home.house.in_force, 900.0, revision=1)
            assert await answer_to("setpoint", again) == "accepted"


@needs_clients
@pytest.mark.parametrize("speed", [10.0, 60.0])
async def test_the_commands_of_the_documentation_work_also_on_a_fast_clock(tmp_path: Path, speed: float) -> None:
    script = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    async with broker_in(tmp_path) as broker, listening(broker) as listener:
        home = RealHome(broker, scaled(speed))

        async def live() -> None:
            while True:
                home.session.tell_live(at=home.clock.now(), grid_power_w=300.0, setpoint_w=None, mode="normal")
                await home.clock.sleep_until(home.clock.monotonic_s() + 1.0)

        async with running(home.link.run()), running(home.session.run()), running(live()):
            shell = await asyncio.create_subprocess_exec(
                "bash", "-euc", script, "by-hand", "127.0.0.1", str(broker.port), AGGREGATOR, HOME, "1500",
                env=dict(os.environ),
            )  # fmt: skip
            assert await shell.wait() == 0
            await eventually(lambda: listener.bodies("ack"))
    assert listener.bodies("ack")[-1]["refusal"] is None
    assert [setpoint.power_w for setpoint in home.house.accepted.values()] == [(1_500.0,)]


@needs_clients
async def test_a_broker_that_is_killed_in_between_gets_every_minute_when_it_is_back(tmp_path: Path) -> None:
    count = 1_000
    async with broker_in(tmp_path) as broker:
        home = RealHome(broker, scaled(20.0))
        home.outbox.minutes = [minute(number) for number in range(count)]
        async with running(home.link.run()), running(home.session.run()):
            for already in (0, 300):
                await eventually(partial(_past, home, already))
                await broker.kill()
                await broker.start()
            async with listening(broker) as listener:
                await eventually(partial(_past, home, count - 1))
                await eventually(lambda: _seqs(listener)[-1:] == [count - 1])
    arrived = _seqs(listener)
    assert arrived == list(range(arrived[0], count))
    assert arrived[0] < count - 100, "the last listener heard too little to prove anything"


def _answered(listener: Listener, count: int) -> bool:
    return len(listener.bodies("ack")) > count


def _past(home: RealHome, cursor: int) -> bool:
    return home.outbox.cursor > cursor


def _seqs(listener: Listener) -> list[int]:
    return [each["seq"] for body in listener.bodies("telemetry/minutes") for each in body["minutes"]]


@needs_clients
async def test_what_is_published_live_is_the_small_frame_of_the_contract(tmp_path: Path) -> None:
    async with broker_in(tmp_path) as broker, listening(broker) as listener:
        home = RealHome(broker, scaled(100.0))
        async with running(home.link.run()), running(home.session.run()):
            home.session.tell_live(at=home.clock.now(), grid_power_w=-12.5, setpoint_w=None, mode="normal")
            await eventually(lambda: listener.bodies("telemetry"))
    topic, retained, frame = next(each for each in listener.heard if each[0].endswith("/telemetry"))
    assert (topic, retained) == (f"{BASE}/telemetry", False)
    assert set(frame) == {"schema", "id", "seq", "ts", "exp", "body"}
    assert frame["body"]["grid_power_w"] == -12.5
    assert frame["seq"] >= unix_ms(datetime(2026, 1, 15, tzinfo=UTC))
