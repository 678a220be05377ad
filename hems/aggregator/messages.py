"""Messages between home and aggregator: one frame, a body for each kind.

JSON, canonical on the way out. Signatures and the hash of the message before are not part of this version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from hems.aggregator.ulid import ULID_PATTERN
from hems.domain.documents import STRICT
from hems.domain.flex import CommitmentState, Delivery, Envelope, Refusal, Setpoint, TelemetryMinute

SEQ_MAX = 2**53 - 1
"""Integers beyond are not the same number in every JSON reader."""
REVISION_MAX = 2**31 - 1
STEP_MAX_S = 86_400
STEPS_MAX = 1_440

FIRST_YEAR, LAST_YEAR = 2000, 2199


def _plausible_utc(at: datetime) -> datetime:
    """In UTC, and far enough from the ends of the calendar that nobody's sum overflows."""
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"the year is outside {FIRST_YEAR} to {LAST_YEAR}")
    return at.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_plausible_utc)]
UlidText = Annotated[str, Field(pattern=ULID_PATTERN)]
EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every message carries."""

    __pydantic_config__: ClassVar = STRICT

    id: UlidText
    seq: Annotated[int, Field(ge=0, le=SEQ_MAX)]
    """Grows strictly from one message to the next: per topic for a home, over all commands for an aggregator."""
    ts: Instant
    """When it was made; for minutes and reports their content has times of its own."""
    exp: Instant | None
    """From then on it must not be acted on; null: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBody:
    """Whether a home is there. The broker says ``online: false`` for one that it lost."""

    __pydantic_config__: ClassVar = STRICT

    online: bool
    clock_trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMessage(Frame):
    """Retained on ``state``. Believe what is there, whatever its seq: the broker's word was written beforehand."""

    body: StateBody
    schema: Literal["hems/mqtt-state/1"] = "hems/mqtt-state/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeMessage(Frame):
    """Retained on ``envelope``."""

    body: Envelope
    schema: Literal["hems/mqtt-envelope/1"] = "hems/mqtt-envelope/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBody:
    """The house as of its last tick."""

    __pydantic_config__: ClassVar = STRICT

    at: Instant
    grid_power_w: float | None
    """Import positive; null: not measured."""
    setpoint_w: float | None
    """What is followed now."""
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryMessage(Frame):
    """Live, on ``telemetry``; may be lost."""

    body: LiveBody
    schema: Literal["hems/mqtt-telemetry/1"] = "hems/mqtt-telemetry/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutesBody:
    """Records in the order of their making; ``(boot, seq)`` of a record tells a repetition."""

    __pydantic_config__: ClassVar = STRICT

    minutes: tuple[TelemetryMinute, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutesMessage(Frame):
    """On ``telemetry/minutes``: every minute, also those of an outage; never lost, now and then repeated."""

    body: MinutesBody
    schema: Literal["hems/mqtt-minutes/1"] = "hems/mqtt-minutes/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetpointBody:
    """A :class:`hems.domain.flex.Setpoint` as it may come in: mean power of the house per step [W]."""

    __pydantic_config__: ClassVar = STRICT

    event_id: EventId
    envelope_id: UlidText
    revision: Annotated[int, Field(ge=0, le=REVISION_MAX)]
    start_at: Instant
    step_s: Annotated[int, Field(ge=1, le=STEP_MAX_S)]
    power_w: Annotated[tuple[float, ...], Field(min_length=1, max_length=STEPS_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetpointMessage(Frame):
    """On ``cmd/setpoint``, not retained."""

    exp: Instant
    body: SetpointBody
    schema: Literal["hems/mqtt-setpoint/1"] = "hems/mqtt-setpoint/1"

    @property
    def setpoint(self) -> Setpoint:
        """The domain's value."""
        body = self.body
        return Setpoint(
            event_id=body.event_id,
            envelope_id=body.envelope_id,
            revision=body.revision,
            start_at=body.start_at,
            step_s=body.step_s,
            power_w=body.power_w,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelBody:
    """Which event ends now."""

    __pydantic_config__: ClassVar = STRICT

    event_id: EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelMessage(Frame):
    """On ``cmd/cancel``, not retained."""

    exp: Instant
    body: CancelBody
    schema: Literal["hems/mqtt-cancel/1"] = "hems/mqtt-cancel/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AckBody:
    """The answer to one command: accepted as it is, or refused."""

    __pydantic_config__: ClassVar = STRICT

    reply_to: str | None
    """``id`` of the command; null where it could not be read."""
    event_id: str | None
    revision: int | None
    result: Literal["accepted", "refused"]
    refusal: Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AckMessage(Frame):
    """On ``ack``."""

    body: AckBody
    schema: Literal["hems/mqtt-ack/1"] = "hems/mqtt-ack/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusBody:
    """A commitment has changed its state."""

    __pydantic_config__: ClassVar = STRICT

    event_id: str
    revision: int
    state: CommitmentState
    at: Instant
    cause: str
    """In a sentence that says no more of the household than its category; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusMessage(Frame):
    """On ``status``."""

    body: StatusBody
    schema: Literal["hems/mqtt-status/1"] = "hems/mqtt-status/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryMessage(Frame):
    """On ``delivery``, once an event has ended."""

    body: Delivery
    schema: Literal["hems/mqtt-delivery/1"] = "hems/mqtt-delivery/1"


Command = SetpointMessage | CancelMessage
OutBody = StateBody | Envelope | LiveBody | MinutesBody | AckBody | StatusBody | Delivery

MESSAGES: Mapping[str, type[Any]] = {
    "mqtt-state": StateMessage,
    "mqtt-envelope": EnvelopeMessage,
    "mqtt-telemetry": TelemetryMessage,
    "mqtt-minutes": MinutesMessage,
    "mqtt-setpoint": SetpointMessage,
    "mqtt-cancel": CancelMessage,
    "mqtt-ack": AckMessage,
    "mqtt-status": StatusMessage,
    "mqtt-delivery": DeliveryMessage,
}
"""By the name that ``hems schema`` knows them."""
