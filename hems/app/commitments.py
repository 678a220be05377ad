"""Accepted setpoints: stored before they are acknowledged, watched minute by minute, reported when they have ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from hems.app.shelf import Shelf, put_or_leave
from hems.domain.errors import OperatingError
from hems.domain.flex import Commitment, CommitmentState, Delivery, TelemetryMinute
from hems.domain.time import Now
from hems.flexibility.delivery import delivery
from hems.ports import Offload

TOLERANCE_W, TOLERANCE_RATIO = 300.0, 0.1
"""A minute further from what was asked is a deviation: kettles are met within seconds, so a minute's mean is close."""
DEVIATING_MINUTES = 2
MINUTE = timedelta(minutes=1)
"""An event may begin in the middle of one."""
OPEN = (CommitmentState.ACCEPTED, CommitmentState.TRACKING, CommitmentState.DEVIATING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What became of a commitment: its new state, and the report when it has ended."""

    commitment: Commitment
    report: Delivery | None = None


class Commitments:
    """By event. One at most is open; a cancelled one is remembered to its end, so that it is not taken up again.

    Args:
        shelf: where they are kept.
        offload: the thread in which a caller waits for the disk.
        later: the same for what nobody waits for.
        past: minutes measured before this start, for the report of what was under way then.
    """

    def __init__(
        self,
        shelf: Shelf[Commitment],
        *,
        offload: Offload,
        later: Callable[[Callable[[], object]], None],
        past: Callable[[datetime], Sequence[TelemetryMinute]],
    ) -> None:
        self._shelf = shelf
        self._offload = offload
        self._later = later
        self._kept = dict(shelf.all())
        self._not_on_disk: set[str] = set()
        """Events that were cancelled while the disk did not take it."""
        self._off_minutes = 0
        starts_at = [each.setpoint.start_at for each in self._kept.values()]
        self._minutes = list(past(min(starts_at) - MINUTE)) if starts_at else []
        # Whether the report was sent before the stop is not known; sent twice it is known by event and revision.
        self._news = [self._step(each) for each in self._kept.values() if each.state not in OPEN]

    def of(self, event_id: str) -> Commitment | None:
        """The commitment of an event, open or cancelled."""
        return self._kept.get(event_id)

    @property
    def open(self) -> Commitment | None:
        """The one that is to be kept."""
        return next((each for each in self._kept.values() if each.state in OPEN), None)

    def at(self, at: datetime) -> Commitment | None:
        """The open one, at an instant of its own."""
        found = self.open
        return found if found is not None and found.setpoint.power_at_w(at) is not None else None

    async def accept(self, commitment: Commitment) -> bool:
        """Keep it from now on; False where the disk does not take it: then nothing has changed.

        Raises:
            OperatingError: it cannot even be tried now; nothing has changed either.
        """
        event_id = commitment.setpoint.event_id
        if not await self._offload(partial(put_or_leave, self._shelf, event_id, commitment)):
            return False
        self._kept[event_id] = commitment
        self._off_minutes = 0
        return True

    async def cancel(self, event_id: str) -> bool:
        """End an open one, with the next tick; False where there is none.

        Raises:
            OperatingError: it is ended, but a restart could bring it back: the disk does not take it. Try again.
        """
        known = self._kept.get(event_id)
        if known is None or (known.state not in OPEN and event_id not in self._not_on_disk):
            return False
        if known.state in OPEN:
            self._kept[event_id] = known = replace(known, state=CommitmentState.ABORTED)
            self._news.append(self._step(known))
        self._not_on_disk.add(event_id)
        if not await self._offload(partial(self._shelf.put, event_id, known)):
            raise OperatingError("it is ended, but that cannot be stored now: send it again")
        self._not_on_disk.discard(event_id)
        return True

    def minute(self, minute: TelemetryMinute, now: Now) -> list[Progress]:
        """A minute has ended: what became of the commitments, for whoever tells it."""
        self._minutes.append(minute)
        found, self._news = self._news, []
        for event_id, commitment in list(self._kept.items()):
            after = self._next_state(commitment, minute, now)
            if after is not commitment.state:
                self._kept[event_id] = moved = replace(commitment, state=after)
                found.append(self._step(moved))
                if after in OPEN:
                    self._later(partial(self._write, moved))
            if _is_over(commitment, now):
                del self._kept[event_id]
                self._later(partial(self._forget, commitment))
        oldest = min((each.setpoint.start_at for each in self._kept.values()), default=now.at)
        self._minutes = [each for each in self._minutes if each.start_at >= oldest - MINUTE]
        return found

    # What nobody waits for may reach the disk behind something newer: both look again before they change it.

    def _write(self, moved: Commitment) -> None:
        if self._kept.get(moved.setpoint.event_id) is moved:
            self._shelf.put(moved.setpoint.event_id, moved)

    def _forget(self, ended: Commitment) -> None:
        stored = self._shelf.all().get(ended.setpoint.event_id)
        if stored is not None and stored.setpoint == ended.setpoint:
            self._shelf.remove(ended.setpoint.event_id)

    def _step(self, commitment: Commitment) -> Progress:
        if commitment.state in OPEN:
            return Progress(commitment=commitment)
        report = delivery(commitment.setpoint, commitment.envelope, self._minutes, commitment.state)
        return Progress(commitment=commitment, report=report)

    def _next_state(self, commitment: Commitment, minute: TelemetryMinute, now: Now) -> CommitmentState:
        if commitment.state not in OPEN:
            return commitment.state
        if _is_over(commitment, now):
            return CommitmentState.COMPLETED
        # The minute in which it starts is half its own and half what was before.
        asked_w = commitment.setpoint.power_at_w(minute.start_at)
        if asked_w is None:
            return commitment.state
        allowed_w = max(TOLERANCE_W, TOLERANCE_RATIO * abs(asked_w))
        off = minute.grid_power_w is None or abs(minute.grid_power_w - asked_w) > allowed_w
        self._off_minutes = self._off_minutes + 1 if off else 0
        return CommitmentState.DEVIATING if self._off_minutes >= DEVIATING_MINUTES else CommitmentState.TRACKING


def _is_over(commitment: Commitment, now: Now) -> bool:
    return now.wall_trusted and now.at >= commitment.setpoint.end_at
