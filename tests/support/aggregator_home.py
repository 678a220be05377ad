"""A home at a broker in memory: the session as it is, a house that keeps its own record of what it was asked."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from hems.aggregator import AggregatorSession, will_for
from hems.aggregator.ulid import new_ulid, unix_ms
from hems.domain.flex import (
    CommitmentState,
    Delivery,
    Direction,
    Envelope,
    HoldBlock,
    Refusal,
    Setpoint,
    TelemetryMinute,
)
from hems.flexibility.membership import refusal
from hems.ports import Clock, Mqtt, Outbox
from hems.sim import virtual_time
from hems.sim.memory_mqtt import MemoryBroker, MemoryMqtt
from hems.sim.virtual_time import VirtualClock
from tests.support.eventually import running

START_AT = datetime.fromisoformat("2026-01-15T12:00:00+00:00")
AGGREGATOR, HOME = "agg", "home-1"
BASE = f"fx/1/{AGGREGATOR}/{HOME}"


def envelope_at(at: datetime, *, number: int = 1, valid_s: int = 1_200) -> Envelope:
    """Between -3 and 4 kW for an hour, between -4 and 5 kW for a quarter."""
    blocks = ((Direction.UP, 5_000.0, 900), (Direction.DOWN, -4_000.0, 900))
    longer = ((Direction.UP, 4_000.0, 3_600), (Direction.DOWN, -3_000.0, 3_600))
    return Envelope(
        envelope_id=new_ulid(at, random.Random(number)),
        issued_at=at,
        valid_until_at=at + timedelta(seconds=valid_s),
        step_s=900,
        start_at=at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0),
        baseline_w=(500.0,) * 8,
        hold_blocks=tuple(
            HoldBlock(direction=direction, power_w=power_w, duration_s=duration_s)
            for direction, power_w, duration_s in blocks + longer
        ),
        confidence_ratio=0.95,
    )


class RecordingHouse:
    """Implements :class:`hems.ports.Flexibility` with the real membership rule."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.in_force: Envelope | None = envelope_at(clock.now())
        self.offered: list[Setpoint] = []
        self.accepted: dict[tuple[str, int], Setpoint] = {}
        self.cancelled: list[str] = []

    def envelope(self) -> Envelope | None:
        return self.in_force

    async def offer(self, setpoint: Setpoint) -> Refusal | None:
        self.offered.append(setpoint)
        await asyncio.sleep(0)  # noqa: TID251 - stored by somebody else meanwhile
        if self.accepted.get((setpoint.event_id, setpoint.revision)) == setpoint:
            return None
        found = refusal(setpoint, self.in_force, self._clock.now())
        if found is None:
            self.accepted[setpoint.event_id, setpoint.revision] = setpoint
        return found

    async def cancel(self, event_id: str) -> bool:
        keys = [key for key in self.accepted if key[0] == event_id]
        for key in keys:
            del self.accepted[key]
        self.cancelled += [event_id] if keys else []
        return bool(keys)


class MemoryOutbox:
    """Implements :class:`hems.ports.Outbox`."""

    def __init__(self) -> None:
        self.minutes: list[TelemetryMinute] = []
        self.cursor = 0

    async def pending(self, count_max: int) -> list[TelemetryMinute]:
        return self.minutes[self.cursor : self.cursor + count_max]

    async def acknowledge(self, last: TelemetryMinute) -> None:
        self.cursor = self.minutes.index(last, self.cursor) + 1


class MemorySequences:
    """Implements :class:`hems.aggregator.SequenceStore`."""

    def __init__(self) -> None:
        self.seq = 0

    def last_seq(self) -> int:
        return self.seq

    async def keep_seq(self, seq: int) -> None:
        self.seq = seq


class AggregatorEnd:
    """The other end: makes commands as the contract says, and finds the answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._dice = random.Random(7)
        self._seq = 0

    def frame(self, kind: str, body: dict[str, Any], **changes: Any) -> dict[str, Any]:
        now_at = self._clock.now()
        self._seq = max(self._seq + 1, unix_ms(now_at))
        usual = {
            "schema": f"hems/mqtt-{kind}/1",
            "id": new_ulid(now_at, self._dice),
            "seq": self._seq,
            "ts": now_at.isoformat(),
            "exp": (now_at + timedelta(seconds=60)).isoformat(),
            "body": body,
        }
        return usual | changes

    def setpoint(self, envelope: Envelope | None, *power_w: float, **changes: Any) -> dict[str, Any]:
        """Quarter hours from now on; ``changes`` go into the body."""
        body = {
            "event_id": "event-1",
            "envelope_id": "0" * 26 if envelope is None else envelope.envelope_id,
            "revision": 0,
            "start_at": self._clock.now().isoformat(),
            "step_s": 900,
            "power_w": list(power_w),
        }
        return self.frame("setpoint", body | changes)

    def cancel(self, event_id: str = "event-1") -> dict[str, Any]:
        return self.frame("cancel", {"event_id": event_id})


class Home:
    """Everything of one home in virtual time."""

    def __init__(self, broker: MemoryBroker, clock: VirtualClock, on_disk: Outbox | None = None) -> None:
        will = will_for(AGGREGATOR, HOME, clock=clock, dice=random.Random(1))
        self.broker = broker
        self.clock = clock
        self.link: MemoryMqtt = broker.link(will=will)
        self.house = RecordingHouse(clock)
        self.outbox = MemoryOutbox()
        self.on_disk = on_disk
        self.sequences = MemorySequences()
        self.delivered: list[Delivery] = []
        self.session = self.session_on(self.link)
        self.far = AggregatorEnd(clock)

    def session_on(self, link: Mqtt) -> AggregatorSession:
        return AggregatorSession(
            link,
            aggregator_id=AGGREGATOR,
            home_id=HOME,
            flexibility=self.house,
            outbox=self.on_disk or self.outbox,
            sequences=self.sequences,
            clock=self.clock,
            dice=random.Random(2),
            on_delivered=self.delivered.append,
        )

    def sent(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.broker.payloads(f"{BASE}/{topic}")]

    async def pass_s(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.monotonic_s() + seconds)

    async def ask(self, kind: str, frame: dict[str, Any] | bytes, *, retain: bool = False) -> dict[str, Any]:
        """Send a command, wait for the house's answer (one virtual second), give its body."""
        before = len(self.sent("ack"))
        payload = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        self.broker.publish(f"{BASE}/cmd/{kind}", payload, qos=1, retain=retain)
        await self.pass_s(1.0)
        answers = self.sent("ack")[before:]
        assert len(answers) == 1, f"{len(answers)} answers"
        body: dict[str, Any] = answers[0]["body"]
        return body

    async def renew_envelope(self) -> Envelope:
        number = 2 if self.house.in_force is None else unix_ms(self.clock.now())
        self.house.in_force = envelope_at(self.clock.now(), number=number)
        await self.pass_s(2.0)
        return self.house.in_force


@asynccontextmanager
async def home_online(clock: VirtualClock | None = None, on_disk: Outbox | None = None) -> AsyncIterator[Home]:
    """A home whose link and session run; to be used on a virtual-time loop."""
    home = Home(MemoryBroker(), clock or VirtualClock(START_AT), on_disk)
    async with running(home.link.run()), running(home.session.run()):
        await home.pass_s(1.0)
        yield home


def minute(number: int) -> TelemetryMinute:
    """The ``number``-th minute since the start."""
    return TelemetryMinute(
        boot="boot-1",
        seq=number,
        start_at=START_AT + timedelta(minutes=number),
        grid_power_w=float(number % 7_000),
        setpoint_w=None,
        mode="normal",
    )


def at_home(story: Callable[[Home], Awaitable[None]]) -> None:
    async def main() -> None:
        async with home_online() as home:
            await story(home)

    virtual_time.run(main())


def delivery(event_id: str = "event-1") -> Delivery:
    return Delivery(
        event_id=event_id,
        revision=0,
        start_at=START_AT,
        step_s=900,
        asked_w=(1_000.0,),
        baseline_w=(500.0,),
        measured_w=(None,),
        final_state=CommitmentState.COMPLETED,
    )
