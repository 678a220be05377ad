"""One home at one aggregator: birth and will, envelope, telemetry, commands and their answers, reports, back-fill.

The session decides nothing about the house: it sees to it that what must arrive arrives. Commitments do not depend on
it: they go on without a link.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from hems import wire
from hems.aggregator.gate import Allowance
from hems.aggregator.judge import CommandJudge, SequenceStore
from hems.aggregator.messages import (
    AckBody,
    AckMessage,
    DeliveryMessage,
    EnvelopeMessage,
    Frame,
    LiveBody,
    MinutesBody,
    MinutesMessage,
    StateBody,
    StateMessage,
    StatusBody,
    StatusMessage,
    TelemetryMessage,
)
from hems.aggregator.topics import Topics
from hems.aggregator.ulid import new_ulid, unix_ms
from hems.domain.errors import OperatingError
from hems.domain.flex import CommitmentState, Delivery, RefusalCode
from hems.ports import Clock, Flexibility, Mqtt, MqttMessage, Outbox

log = logging.getLogger(__name__)

BEAT_S = 1.0
"""Between two looks for a new envelope."""
LIVE_PERIOD_S = 5.0
LIVE_VALID_S = 60.0
BATCH_MINUTES = 60
"""Per message of back-fill: some 10 kB, well below the 64 KiB that brokers are told to take."""
BATCH_PAUSE_S = 1.0
"""Between two batches, so that live messages come through: a week takes three minutes."""
IDLE_PAUSE_S = 5.0
RETRY_PAUSE_S = 1.0
INBOX_MAX = 64
FLOOD_QUIET_S = 60.0
"""After so long without a dropped command the next one is told again."""


class _FrameFields(TypedDict):
    id: str
    seq: int
    ts: datetime
    exp: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """A message that stays until the broker has it; made once, so that a repetition has the same id."""

    topic: str
    payload: bytes
    delivery: Delivery | None = None


class AggregatorSession:
    """Make it before its link runs, which then says birth and, at a clean stop, the will.

    :meth:`run` may be started again after it has failed.
    """

    def __init__(
        self,
        mqtt: Mqtt,
        *,
        aggregator_id: str,
        home_id: str,
        flexibility: Flexibility,
        outbox: Outbox,
        sequences: SequenceStore,
        clock: Clock,
        dice: random.Random,
        on_delivered: Callable[[Delivery], None],
    ) -> None:
        """Args are ports, and ``on_delivered`` is called once the broker has a delivery: forget it then.

        Raises:
            BadInputError: an id that is no level of a topic.
        """
        self._mqtt = mqtt
        self._topics = Topics(aggregator_id, home_id)
        self._flexibility = flexibility
        self._outbox = outbox
        self._clock = clock
        self._dice = dice
        self._on_delivered = on_delivered
        self._born = asyncio.Event()
        self._seq_by_topic: dict[str, int] = {}
        self._published_trust = False
        self._published_envelope_id: str | None = None
        self._live: LiveBody | None = None
        self._reports: deque[_Report] = deque()
        self._report_waits = asyncio.Event()
        self._inbox: asyncio.Queue[MqttMessage] = asyncio.Queue(INBOX_MAX)
        self._allowance = Allowance(clock.monotonic_s)
        self._dropped_mono_s: float | None = None
        self._told_refusal: RefusalCode | None = None
        self._judge = CommandJudge(flexibility, sequences, clock)
        self._heard_mono_s: float | None = None
        mqtt.subscribe(self._topics.commands, self._take_command, qos=1)
        mqtt.subscribe(self._topics.heartbeat, self._take_heartbeat)
        mqtt.on_connect(self._be_born)

    @property
    def heartbeat_age_s(self) -> float | None:
        """House seconds since the aggregator's last heartbeat; None: it has never sent one."""
        return None if self._heard_mono_s is None else self._clock.monotonic_s() - self._heard_mono_s

    def tell_live(self, *, at: datetime, grid_power_w: float | None, setpoint_w: float | None, mode: str) -> None:
        """What the house does now; only the latest is sent, every five seconds. Never blocks."""
        self._live = LiveBody(at=at, grid_power_w=grid_power_w, setpoint_w=setpoint_w, mode=mode)

    def tell_status(
        self, *, event_id: str, revision: int, state: CommitmentState, at: datetime, cause: str = ""
    ) -> None:
        """A commitment has changed its state. Sent when there is a link. Never blocks."""
        body = StatusBody(event_id=event_id, revision=revision, state=state, at=at, cause=cause)
        message = StatusMessage(**self._frame(self._topics.status), body=body)
        self._report(_Report(topic=self._topics.status, payload=wire.canonical(message)))

    def tell_delivery(self, delivery: Delivery) -> None:
        """Report on an ended event. Sent when there is a link, then ``on_delivered`` is called. Never blocks.

        What was not delivered when the process ended must be told again by whoever stores it.
        """
        message = DeliveryMessage(**self._frame(self._topics.delivery), body=delivery)
        payload = wire.canonical(message)
        self._report(_Report(topic=self._topics.delivery, payload=payload, delivery=delivery))

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer_commands())
            group.create_task(self._keep_current())
            group.create_task(self._send_reports())
            group.create_task(self._back_fill())

    async def _be_born(self) -> None:
        """After each connect: state, then envelope, then all that waits."""
        self._published_envelope_id = None
        with suppress(OperatingError):  # lost again: the link will call again
            await self._publish_state()
            await self._publish_envelope()
            self._born.set()

    async def _keep_current(self) -> None:
        """Trust in the clock, envelope and live values, as long as somebody can hear them."""
        live_mono_s = self._clock.monotonic_s()
        while True:
            await self._pause(BEAT_S)
            await self._linked()
            with suppress(OperatingError):
                if self._clock.wall_is_trusted() is not self._published_trust:
                    await self._publish_state()
                await self._publish_envelope()
                if self._clock.monotonic_s() >= live_mono_s + LIVE_PERIOD_S and self._live is not None:
                    live_mono_s = self._clock.monotonic_s()
                    await self._publish_live(self._live)

    async def _publish_state(self) -> None:
        self._published_trust = self._clock.wall_is_trusted()
        body = StateBody(online=True, clock_trusted=self._published_trust)
        await self._send(self._topics.state, StateMessage(**self._frame(self._topics.state), body=body), retain=True)

    async def _publish_envelope(self) -> None:
        envelope = self._flexibility.envelope()
        if envelope is None or envelope.envelope_id == self._published_envelope_id:
            return
        if envelope.valid_until_at <= self._clock.now():
            return
        topic = self._topics.envelope
        message = EnvelopeMessage(**self._frame(topic, exp=envelope.valid_until_at), body=envelope)
        await self._send(topic, message, retain=True)
        self._published_envelope_id = envelope.envelope_id

    async def _publish_live(self, live: LiveBody) -> None:
        self._live = None  # an old value is not sent twice as if it were new
        exp = live.at + timedelta(seconds=LIVE_VALID_S)
        message = TelemetryMessage(**self._frame(self._topics.telemetry, exp=exp), body=live)
        await self._send(self._topics.telemetry, message, qos=0)

    async def _back_fill(self) -> None:
        """Minutes from the outbox, oldest first; what the broker has not acknowledged stays there."""
        while True:
            await self._linked()
            batch = tuple(await self._outbox.pending(BATCH_MINUTES))
            if not batch:
                await self._pause(IDLE_PAUSE_S)
                continue
            message = MinutesMessage(**self._frame(self._topics.minutes), body=MinutesBody(minutes=batch))
            try:
                await self._send(self._topics.minutes, message)
            except OperatingError:
                await self._pause(RETRY_PAUSE_S)
                continue
            await self._outbox.acknowledge(batch[-1])
            await self._pause(BATCH_PAUSE_S)

    def _report(self, report: _Report) -> None:
        self._reports.append(report)
        self._report_waits.set()

    async def _send_reports(self) -> None:
        while True:
            if not self._reports:
                self._report_waits.clear()
                await self._report_waits.wait()
            await self._linked()
            report = self._reports[0]
            try:
                await self._mqtt.publish(report.topic, report.payload, qos=1)
            except OperatingError:
                await self._pause(RETRY_PAUSE_S)
                continue
            self._reports.popleft()
            if report.delivery is not None:
                self._on_delivered(report.delivery)

    def _take_heartbeat(self, message: MqttMessage) -> None:
        if not message.retained:
            self._heard_mono_s = self._clock.monotonic_s()

    def _take_command(self, message: MqttMessage) -> None:
        if not message.payload:
            return  # somebody cleared a retained message
        if not self._allowance.take() or self._inbox.full():
            mono_s = self._clock.monotonic_s()
            if self._dropped_mono_s is None or mono_s - self._dropped_mono_s > FLOOD_QUIET_S:
                log.warning("aggregator: more than one command a second, what is too much is dropped: ask its operator")
            self._dropped_mono_s = mono_s
            return
        self._inbox.put_nowait(message)

    async def _answer_commands(self) -> None:
        while True:
            message = await self._inbox.get()
            body = await self._judge.answer(message)
            self._tell_log(body)
            with suppress(OperatingError):  # whoever misses the answer sends the command again and gets it then
                await self._send(self._topics.ack, AckMessage(**self._frame(self._topics.ack), body=body))

    def _tell_log(self, body: AckBody) -> None:
        """What was accepted, and of refusals of one kind in a row the first."""
        if body.refusal is None:
            log.info("aggregator: accepted a command for event %s", body.event_id)
        elif body.refusal.code is not self._told_refusal:
            log.info("aggregator: refused a command: %s, %s", body.refusal.code, body.refusal.text)
        self._told_refusal = None if body.refusal is None else body.refusal.code

    def _frame(self, topic: str, *, exp: datetime | None = None) -> _FrameFields:
        """Stamp of the next message; its sequence grows over restarts too, as far as the clock is right."""
        now_at = self._clock.now()
        seq = max(self._seq_by_topic.get(topic, 0) + 1, unix_ms(now_at))
        self._seq_by_topic[topic] = seq
        ts = now_at.replace(microsecond=now_at.microsecond // 1000 * 1000)
        return _FrameFields(id=new_ulid(now_at, self._dice), seq=seq, ts=ts, exp=exp)

    async def _send(self, topic: str, message: Frame, *, qos: int = 1, retain: bool = False) -> None:
        await self._mqtt.publish(topic, wire.canonical(message), qos=qos, retain=retain)

    async def _linked(self) -> None:
        """Return as soon as there is a link and the birth has been said."""
        if not self._mqtt.connected:
            self._born.clear()
        await self._born.wait()

    async def _pause(self, seconds: float) -> None:
        await self._clock.sleep_until(self._clock.monotonic_s() + seconds)
