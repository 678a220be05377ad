"""The house's promise: makes envelopes, and accepts what lies inside them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hems.app.commitments import Commitments, Progress
from hems.app.planner_loop import Planned
from hems.app.promise import car_power_max_w, hold_input
from hems.control.estimate import Estimate
from hems.control.state import ControlState
from hems.domain.asked import Asked
from hems.domain.command import Limit
from hems.domain.flex import Commitment, Envelope, Refusal, RefusalCode, Setpoint, TelemetryMinute
from hems.domain.override import ChargeNow
from hems.domain.site import DeviceId, Site
from hems.domain.time import Now
from hems.flexibility.hold import envelope
from hems.flexibility.membership import refusal
from hems.ports import Clock

log = logging.getLogger(__name__)

REFRESH_S = 300.0
"""An envelope is valid for ten minutes and made anew every five, and after every plan."""
CONFIDENCE_RATIO = 0.95
BASELINE_SLOTS = 96
COMMITTED = "a setpoint is being followed"
BLIND = "the grid meter does not answer"
ISLANDED = "the grid has failed, and the battery feeds the house"
STALE_PLAN = "there is no plan of this quarter hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What an envelope was made of; another of these makes another envelope at once."""

    silent: frozenset[DeviceId]
    islanded: bool
    overrides: tuple[str, ...]
    committed: bool


class FlexDesk:
    """Implements :class:`hems.ports.Flexibility`.

    Args:
        site: the house.
        clock: for what arrives between two ticks.
        commitments: what was agreed.
        new_id: makes ULIDs.
    """

    def __init__(self, site: Site, *, clock: Clock, commitments: Commitments, new_id: Callable[[], str]) -> None:
        self._site = site
        self._clock = clock
        self._commitments = commitments
        self._new_id = new_id
        self._envelope: Envelope | None = None
        self._made: _Made | None = None
        self._made_mono_s = float("-inf")
        self._accepting = False
        """While the disk takes one, nothing more is offered."""
        self._car_max_w: Mapping[DeviceId, tuple[float, ...]] = {}
        """What the envelope counts on, per step of it."""

    def envelope(self) -> Envelope | None:
        """The valid envelope; None before the first."""
        return self._envelope

    async def offer(self, setpoint: Setpoint) -> Refusal | None:
        """As :meth:`hems.ports.Flexibility.offer`."""
        known = self._commitments.of(setpoint.event_id)
        if known is not None and known == self._commitments.open:
            if known.setpoint == setpoint:
                return None
            text = f"event {setpoint.event_id} is agreed in revision {known.setpoint.revision}; cancel it first"
            return Refusal(code=RefusalCode.SUPERSEDED, text=text)
        if known is not None and setpoint.revision <= known.setpoint.revision:
            text = f"event {setpoint.event_id} was cancelled in revision {known.setpoint.revision}: raise the revision"
            return Refusal(code=RefusalCode.STALE, text=text)
        if not self._clock.wall_is_trusted():
            return Refusal(code=RefusalCode.CLOCK, text="the clock of the house is not confirmed yet")
        refused = refusal(setpoint, self._envelope, self._clock.now())
        if refused is not None:
            return refused
        if not await self._accept(setpoint):
            text = "it cannot be stored now, so it could not be kept after a restart"
            return Refusal(code=RefusalCode.DEVICE_FAULT, text=text)
        log.info("setpoint %s is accepted until %s", setpoint.event_id, setpoint.end_at.isoformat())
        return None

    async def _accept(self, setpoint: Setpoint) -> bool:
        relied_on = self._envelope
        assert relied_on is not None
        commitment = Commitment(
            setpoint=setpoint,
            accepted_at=self._clock.now(),
            envelope=relied_on,
            car_power_max_w=dict(self._car_max_w),
        )
        # From here on nothing more is offered: a second setpoint that comes while this one is stored is refused.
        self._envelope = replace(relied_on, envelope_id=self._new_id(), hold_blocks=(), null_reason=COMMITTED)
        self._accepting = True
        try:
            return await self._commitments.accept(commitment)
        finally:
            self._accepting = False
            self._made = None

    async def cancel(self, event_id: str) -> bool:
        """As :meth:`hems.ports.Flexibility.cancel`; takes effect with the next tick."""
        return await self._commitments.cancel(event_id)

    def asked(self, overrides: tuple[ChargeNow, ...], now: Now) -> Asked:
        """What owner and aggregator ask for at this moment."""
        active = self._commitments.at(now.at) if now.wall_trusted else None
        if active is None:
            return Asked(overrides=overrides)
        step = int((now.at - active.envelope.start_at) / timedelta(seconds=active.envelope.step_s))
        car_max_w = {key: series[min(step, len(series) - 1)] for key, series in active.car_power_max_w.items()}
        return Asked(overrides=overrides, setpoint=active.setpoint, car_power_max_w=car_max_w)

    def setpoint_w(self, at: datetime) -> float | None:
        """What the open commitment asks for at an instant; None: nothing [W]."""
        found = self._commitments.at(at)
        return None if found is None else found.setpoint.power_at_w(at)

    def refresh(
        self,
        state: ControlState,
        seen: Estimate,
        planned: Planned | None,
        limits: Sequence[Limit],
        overrides: Sequence[ChargeNow],
        now: Now,
        *,
        soon: bool = False,
    ) -> bool:
        """Make a new envelope where it is time, where something changed that it rests on, or ``soon``.

        Returns:
            Whether there is another one.
        """
        committed = self._accepting or self._commitments.open is not None
        made = _Made(
            silent=seen.silent,
            islanded=seen.is_island,
            overrides=tuple(each.id for each in overrides),
            committed=committed,
        )
        due = soon or made != self._made or now.mono_s - self._made_mono_s >= REFRESH_S
        slot = None if planned is None else planned.decided.plan.grid.index_at(now.at)
        if not (due and now.wall_trusted) or planned is None or slot is None:
            return False
        plan = planned.decided.plan
        fresh = plan.grid == planned.outlook.grid
        null_reason = COMMITTED if committed else _unsure(seen) or (None if fresh else STALE_PLAN)
        planned_car_w = car_power_max_w(self._site, plan)
        self._car_max_w = {key: series[slot : slot + BASELINE_SLOTS] for key, series in planned_car_w.items()}
        self._envelope = envelope(
            hold_input(self._site, state, seen, planned, limits, overrides, now),
            envelope_id=self._new_id(),
            baseline_w=tuple(round(each, 1) for each in plan.grid_power_w[slot : slot + BASELINE_SLOTS]),
            confidence_ratio=CONFIDENCE_RATIO,
            null_reason=null_reason,
        )
        self._made, self._made_mono_s = made, now.mono_s
        return True

    def minute(self, minute: TelemetryMinute, now: Now) -> list[Progress]:
        """A minute has ended: what became of the commitments, for whoever tells it."""
        return self._commitments.minute(minute, now)


def _unsure(seen: Estimate) -> str | None:
    """Why nothing can be promised now, whatever is planned."""
    return ISLANDED if seen.is_island else BLIND if seen.grid is None else None
