"""The house's promise and what was agreed on it: makes envelopes, accepts setpoints, watches that they are kept."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from hems.app.planner_loop import Planned
from hems.app.promise import car_power_max_w, hold_input
from hems.app.shelf import Shelf
from hems.control.estimate import Estimate
from hems.control.state import ControlState
from hems.domain.asked import Asked
from hems.domain.command import Limit
from hems.domain.flex import (
    Commitment,
    CommitmentState,
    Delivery,
    Envelope,
    Refusal,
    RefusalCode,
    Setpoint,
    TelemetryMinute,
)
from hems.domain.override import ChargeNow
from hems.domain.site import DeviceId, Site
from hems.domain.time import Now, SlotGrid
from hems.flexibility.delivery import delivery
from hems.flexibility.hold import envelope
from hems.flexibility.membership import refusal
from hems.ports import Clock, Offload

log = logging.getLogger(__name__)

REFRESH_S = 300.0
"""An envelope is valid for ten minutes and made anew every five, and after every plan."""
CONFIDENCE_RATIO = 0.95
BASELINE_SLOTS = 96
TOLERANCE_W, TOLERANCE_RATIO = 300.0, 0.1
"""A minute further from what was asked is a deviation: kettles are met within seconds, so a minute's mean is close."""
DEVIATING_MINUTES = 2
OPEN = (CommitmentState.ACCEPTED, CommitmentState.TRACKING, CommitmentState.DEVIATING)
COMMITTED = "a setpoint is being followed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What became of a commitment: its new state, and the report when it has ended."""

    commitment: Commitment
    report: Delivery | None = None


class FlexDesk:
    """Implements :class:`hems.ports.Flexibility`.

    Args:
        site: the house.
        clock: for what arrives between two ticks.
        shelf: commitments, by event; durable before anything is acknowledged.
        offload: where the shelf may take its time.
        new_id: makes ULIDs.
    """

    def __init__(
        self, site: Site, *, clock: Clock, shelf: Shelf[Commitment], offload: Offload, new_id: Callable[[], str]
    ) -> None:
        self._site = site
        self._clock = clock
        self._shelf = shelf
        self._offload = offload
        self._new_id = new_id
        self._commitments = dict(shelf.all())
        self._envelope: Envelope | None = None
        self._made_mono_s: float | None = None
        self._relied_on: dict[str, Envelope] = {}
        self._car_max_w: Mapping[DeviceId, tuple[float, ...]] = {}
        self._car_grid: SlotGrid | None = None
        self._minutes: list[TelemetryMinute] = []
        self._off_minutes = 0

    def envelope(self) -> Envelope | None:
        """The valid envelope; None before the first."""
        return self._envelope

    async def offer(self, setpoint: Setpoint) -> Refusal | None:
        """As :meth:`hems.ports.Flexibility.offer`."""
        known = self._commitments.get(setpoint.event_id)
        if known is not None:
            if known.setpoint == setpoint:
                return None
            text = f"event {setpoint.event_id} is agreed in revision {known.setpoint.revision}; cancel it first"
            return Refusal(code=RefusalCode.SUPERSEDED, text=text)
        if not self._clock.wall_is_trusted():
            return Refusal(code=RefusalCode.CLOCK, text="the clock of the house is not confirmed yet")
        refused = refusal(setpoint, self._envelope, self._clock.now())
        if refused is not None:
            return refused
        assert self._envelope is not None
        commitment = Commitment(setpoint=setpoint, accepted_at=self._clock.now())
        if not await self._offload(partial(self._shelf.put, setpoint.event_id, commitment)):
            text = "it cannot be stored now, so it could not be kept after a restart"
            return Refusal(code=RefusalCode.DEVICE_FAULT, text=text)
        self._commitments[setpoint.event_id] = commitment
        self._relied_on[setpoint.event_id] = self._envelope
        self._made_mono_s = None
        log.info("setpoint %s is accepted until %s", setpoint.event_id, setpoint.end_at.isoformat())
        return None

    async def cancel(self, event_id: str) -> bool:
        """As :meth:`hems.ports.Flexibility.cancel`; takes effect with the next tick."""
        known = self._commitments.get(event_id)
        if known is None or known.state not in OPEN:
            return False
        self._commitments[event_id] = replace(known, state=CommitmentState.ABORTED)
        return True

    def asked(self, overrides: tuple[ChargeNow, ...], now: Now) -> Asked:
        """What owner and aggregator ask for at this moment."""
        active = self._active(now)
        if active is None:
            return Asked(overrides=overrides)
        slot = None if self._car_grid is None else self._car_grid.index_at(now.at)
        car_max_w = {} if slot is None else {key: series[slot] for key, series in self._car_max_w.items()}
        return Asked(overrides=overrides, setpoint=active.setpoint, car_power_max_w=car_max_w)

    def refresh(
        self,
        state: ControlState,
        seen: Estimate,
        planned: Planned | None,
        limits: Sequence[Limit],
        now: Now,
        *,
        soon: bool = False,
    ) -> bool:
        """Make a new envelope where it is time, or ``soon``; True when there is another one."""
        due = self._made_mono_s is None or now.mono_s - self._made_mono_s >= REFRESH_S
        if not now.wall_trusted or planned is None or not (due or soon):
            return False
        plan = planned.decided.plan
        slot = plan.grid.index_at(now.at)
        if slot is None:
            return False
        committed = any(each.state in OPEN for each in self._commitments.values())
        if not committed:
            self._car_max_w, self._car_grid = car_power_max_w(self._site, seen, plan), plan.grid
        hold = hold_input(self._site, state, seen, planned, limits, now, self._car_max_w)
        self._envelope = envelope(
            hold,
            envelope_id=self._new_id(),
            baseline_w=tuple(round(each, 1) for each in plan.grid_power_w[slot : slot + BASELINE_SLOTS]),
            confidence_ratio=CONFIDENCE_RATIO,
            null_reason=COMMITTED if committed else None,
        )
        self._made_mono_s = now.mono_s
        return True

    def minute(self, minute: TelemetryMinute, now: Now) -> list[Progress]:
        """A minute has ended: what became of the commitments. The caller stores and tells each of them."""
        self._minutes.append(minute)
        found: list[Progress] = []
        for event_id, commitment in list(self._commitments.items()):
            after = self._next_state(commitment, minute, now)
            if after is commitment.state and after in OPEN:
                continue
            self._commitments[event_id] = moved = replace(commitment, state=after)
            report = None
            if after not in OPEN:
                report = delivery(commitment.setpoint, self._relied_on.pop(event_id, None), self._minutes, after)
                del self._commitments[event_id]
                self._made_mono_s = None
            found.append(Progress(commitment=moved, report=report))
        oldest = min((each.setpoint.start_at for each in self._commitments.values()), default=now.at)
        self._minutes = [each for each in self._minutes if each.start_at >= oldest - timedelta(minutes=1)]
        return found

    def store(self, progress: Progress) -> None:
        """Make a step durable; to be called where the shelf may take its time."""
        event_id = progress.commitment.setpoint.event_id
        if progress.commitment.state in OPEN:
            self._shelf.put(event_id, progress.commitment)
        else:
            self._shelf.remove(event_id)

    def _active(self, now: Now) -> Commitment | None:
        if not now.wall_trusted:
            return None
        for commitment in self._commitments.values():
            if commitment.state in OPEN and commitment.setpoint.power_at_w(now.at) is not None:
                return commitment
        return None

    def _next_state(self, commitment: Commitment, minute: TelemetryMinute, now: Now) -> CommitmentState:
        if commitment.state not in OPEN:
            return commitment.state
        if now.wall_trusted and now.at >= commitment.setpoint.end_at:
            return CommitmentState.COMPLETED
        # The minute in which it starts is half its own and half what was before.
        asked_w = commitment.setpoint.power_at_w(minute.start_at)
        if asked_w is None:
            return commitment.state
        allowed_w = max(TOLERANCE_W, TOLERANCE_RATIO * abs(asked_w))
        off = minute.grid_power_w is None or abs(minute.grid_power_w - asked_w) > allowed_w
        self._off_minutes = self._off_minutes + 1 if off else 0
        return CommitmentState.DEVIATING if self._off_minutes >= DEVIATING_MINUTES else CommitmentState.TRACKING
