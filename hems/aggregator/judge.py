"""Answers commands: form, time and order here, the rest is asked of the house."""

import hashlib
from collections import OrderedDict
from typing import Protocol, TypeVar

from hems.aggregator.gate import out_of_sequence, untimely
from hems.aggregator.messages import AckBody, Command, SetpointMessage
from hems.aggregator.parsing import identity_of, parse_command
from hems.domain.errors import BadInputError, OperatingError
from hems.domain.flex import Refusal, RefusalCode, Setpoint
from hems.ports import Clock, Flexibility, MqttMessage

REMEMBERED_MAX = 256
TEXT_MAX = 300

K = TypeVar("K")
V = TypeVar("V")


class SequenceStore(Protocol):
    """The highest sequence number that was taken of the aggregator, kept over restarts."""

    def last_seq(self) -> int:
        """0 before the first."""
        ...

    async def keep_seq(self, seq: int) -> None:
        """Store it; after the return it survives a power cut.

        Raises:
            OperatingError: it cannot be stored now; the one before is still the last.
        """
        ...


class CommandJudge:
    """Remembers what it answered, so that a repetition changes nothing."""

    def __init__(self, flexibility: Flexibility, sequences: SequenceStore, clock: Clock) -> None:
        self._flexibility = flexibility
        self._sequences = sequences
        self._clock = clock
        self._answers: OrderedDict[str, tuple[bytes, AckBody]] = OrderedDict()
        self._judged: OrderedDict[tuple[str, int], tuple[Setpoint, Refusal | None]] = OrderedDict()

    async def answer(self, message: MqttMessage) -> AckBody:
        """Accepted or refused; the house is asked only about what is well-formed, fresh and new.

        The same command again, and the same revision of an event again, get the same answer again. Only what
        cannot be stored is no judgement but a fault of the device: the same revision may be tried again.
        """
        if message.retained:
            text = "commands must not be retained: clear this topic and send it anew"
            return _refused(identity_of(message.payload), Refusal(code=RefusalCode.REPLAY, text=text))
        try:
            command = parse_command(message.topic.rpartition("/")[2], message.payload)
        except BadInputError as error:
            text = str(error).encode("unicode_escape").decode()[:TEXT_MAX]  # goes into logs as it is
            return _refused(identity_of(message.payload), Refusal(code=RefusalCode.NOT_SUPPORTED, text=text))
        now_at, trusted = self._clock.now(), self._clock.wall_is_trusted()
        if late := untimely(command, now_at=now_at, clock_trusted=trusted):
            return _answer_to(command, late)
        content = hashlib.sha256(message.payload).digest()
        known = self._answers.get(command.id)
        if known is not None and known[0] == content:
            return known[1]
        if known is not None:
            text = "this id was used for another command"
            return _answer_to(command, Refusal(code=RefusalCode.REPLAY, text=text))
        if replayed := out_of_sequence(command, self._sequences.last_seq()):
            return _answer_to(command, replayed)
        try:
            await self._sequences.keep_seq(command.seq)  # first: a crash from here on loses it, and never repeats it
        except OperatingError as error:
            return _answer_to(command, _fault(error))
        body = _answer_to(command, await self._ask_house(command))
        _remember(self._answers, command.id, (content, body))
        return body

    async def _ask_house(self, command: Command) -> Refusal | None:
        try:
            if isinstance(command, SetpointMessage):
                return await self._offer(command.setpoint)
            return await self._cancel(command.body.event_id)
        except OperatingError as error:
            return _fault(error)

    async def _cancel(self, event_id: str) -> Refusal | None:
        if await self._flexibility.cancel(event_id):
            return None
        return Refusal(code=RefusalCode.STALE, text=f"there is no commitment to event {event_id}")

    async def _offer(self, setpoint: Setpoint) -> Refusal | None:
        key = (setpoint.event_id, setpoint.revision)
        known = self._judged.get(key)
        if known is not None and known[0] != setpoint:
            text = f"revision {setpoint.revision} of this event had another content: raise the revision"
            return Refusal(code=RefusalCode.REPLAY, text=text)
        if known is not None and known[1] is not None:
            return known[1]
        refusal = await self._flexibility.offer(setpoint)
        if refusal is None or refusal.code is not RefusalCode.DEVICE_FAULT:
            _remember(self._judged, key, (setpoint, refusal))
        return refusal


def _fault(error: OperatingError) -> Refusal:
    return Refusal(code=RefusalCode.DEVICE_FAULT, text=str(error)[:TEXT_MAX])


def _answer_to(command: Command, refusal: Refusal | None) -> AckBody:
    return AckBody(
        reply_to=command.id,
        event_id=command.body.event_id,
        revision=command.body.revision if isinstance(command, SetpointMessage) else None,
        result="accepted" if refusal is None else "refused",
        refusal=refusal,
    )


def _refused(reply_to: str | None, refusal: Refusal) -> AckBody:
    return AckBody(reply_to=reply_to, event_id=None, revision=None, result="refused", refusal=refusal)


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    while len(memory) > REMEMBERED_MAX:
        memory.popitem(last=False)
