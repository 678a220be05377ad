"""Flexibility: what the house can promise (envelope), what it is asked for (setpoint), what it did (delivery).

Power is that of the whole house at its grid connection: import positive, export negative [W].
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal

from hems.domain.documents import STRICT
from hems.domain.site import DeviceId

ENVELOPE_SCHEMA: Literal["hems/envelope/1"] = "hems/envelope/1"


class Direction(StrEnum):
    """Of a hold block."""

    UP = "up"
    """More import (or less export)."""
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldBlock:
    """For ``duration_s`` from now the house can hold any power between the down and the up block of this duration.

    Also any sequence of powers between the two: each lies between the extremes in energy at every moment.
    """

    direction: Direction
    power_w: float
    duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the house promises (``hems/envelope/1``). No hold blocks: the baseline only; ``null_reason`` says why."""

    __pydantic_config__: ClassVar = STRICT

    envelope_id: str
    issued_at: datetime
    valid_until_at: datetime
    step_s: int
    start_at: datetime
    """Start of the first baseline step, a multiple of ``step_s``."""
    baseline_w: tuple[float, ...]
    """What we would do unasked, mean per step."""
    hold_blocks: tuple[HoldBlock, ...]
    confidence_ratio: float
    """Stated probability that a power inside is held."""
    null_reason: str | None = None
    schema: Literal["hems/envelope/1"] = ENVELOPE_SCHEMA

    def bounds_w(self, duration_s: float) -> tuple[float, float] | None:
        """Lowest and highest power that can be held for a duration; None where no block is as long."""
        longer = [block for block in self.hold_blocks if block.duration_s >= duration_s]
        downs = [block.power_w for block in longer if block.direction is Direction.DOWN]
        ups = [block.power_w for block in longer if block.direction is Direction.UP]
        return (min(downs), max(ups)) if downs and ups else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoint:
    """Mean power of the house per step, asked for by the aggregator. Open-ended ones do not exist."""

    __pydantic_config__: ClassVar = STRICT

    event_id: str
    envelope_id: str
    """The envelope that it relies on."""
    revision: int
    start_at: datetime
    step_s: int
    power_w: tuple[float, ...]

    @property
    def end_at(self) -> datetime:
        """First instant after it."""
        return self.start_at + timedelta(seconds=self.step_s * len(self.power_w))

    def power_at_w(self, at: datetime) -> float | None:
        """What is asked for at an instant; None outside."""
        if not self.start_at <= at < self.end_at:
            return None
        return self.power_w[int((at - self.start_at) / timedelta(seconds=self.step_s))]


class RefusalCode(StrEnum):
    """Why a setpoint is refused (flexibility contract)."""

    STALE = "stale"
    """Expired, or against an envelope that is not the valid one."""
    CLOCK = "clock"
    """Our wall clock is not trusted, or the sender's is too far away."""
    REPLAY = "replay"
    OUTSIDE_ENVELOPE = "outside_envelope"
    SUPERSEDED = "superseded"
    """A newer revision is known."""
    HOUSEHOLD_OPT_OUT = "household_opt_out"
    DSO_LIMIT = "dso_limit"
    DEVICE_FAULT = "device_fault"
    NOT_SUPPORTED = "not_supported"
    """Not a message of this version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolatedBound:
    """The first row of the envelope that a setpoint breaks."""

    bound: str
    """As ``up 3600 s``: the hold block that decides."""
    step: int
    asked_w: float
    limit_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A setpoint that is not followed."""

    __pydantic_config__: ClassVar = STRICT

    code: RefusalCode
    text: str
    violated: ViolatedBound | None = None


class CommitmentState(StrEnum):
    """Life of an accepted setpoint."""

    ACCEPTED = "accepted"
    TRACKING = "tracking"
    DEVIATING = "deviating"
    COMPLETED = "completed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """An accepted setpoint: stored before it is acknowledged, followed to its end also without a link."""

    __pydantic_config__: ClassVar = STRICT

    setpoint: Setpoint
    accepted_at: datetime
    envelope: Envelope
    """The one that it relies on."""
    car_power_max_w: Mapping[DeviceId, tuple[float, ...]] = field(default_factory=dict)
    """Most that each charger takes meanwhile, per step of the envelope: what its bounds count on."""
    state: CommitmentState = CommitmentState.ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What was asked for and what was measured, per step; None: not measured."""

    __pydantic_config__: ClassVar = STRICT

    event_id: str
    revision: int
    start_at: datetime
    step_s: int
    asked_w: tuple[float, ...]
    baseline_w: tuple[float | None, ...]
    measured_w: tuple[float | None, ...]
    final_state: CommitmentState


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryMinute:
    """One minute of the house for the aggregator: what leaves it, and nothing else. ``(boot, seq)`` is its identity."""

    __pydantic_config__: ClassVar = STRICT

    boot: str
    seq: int
    start_at: datetime
    grid_power_w: float | None
    """Mean; None: not measured."""
    setpoint_w: float | None
    mode: str
    duration_s: int = 60
    """More where a long outage had to be thinned: the values are means over it."""
