"""What happens goes to disk behind the tick's back: a bounded queue, one writer; nothing that acts waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from hems.app.measuring import Means
from hems.domain.decision import DecisionEpisode
from hems.domain.flex import TelemetryMinute
from hems.domain.kept_forecast import KeptForecast
from hems.domain.operator import LimitPeriod
from hems.domain.plan import Plan
from hems.ports import Offload
from hems.store.columns import Chunk
from hems.store.history import CarSession, SlotValue
from hems.store.house_store import HouseStore

log = logging.getLogger(__name__)

WAITING_MAX = 2_000
"""Some hours of an ordinary day: a disk that hangs for longer loses telemetry, never a command."""

GRID, LOAD = "grid_w", "load_w"
SKY = "sky.ghi_wm2"
"""Irradiance as it was expected last, kept beside what the sun gave: forecasts learn from both."""
OUTDOOR = "sky.outdoor_c"
"""Temperature outside as it was expected last, kept beside what the rooms did."""


def power_series(device_id: str) -> str:
    """Name of a device's power in the history, load convention."""
    return f"{device_id}.power_w"


def sun_series(device_id: str) -> str:
    """Name of what the sun gave a plant, >= 0, unknown while it was held back."""
    return f"{device_id}.sun_w"


def level_series(device_id: str) -> str:
    """Name of a battery's state of charge."""
    return f"{device_id}.level_pct"


def offered_series(device_id: str) -> str:
    """Name of what a charger offered to a car."""
    return f"{device_id}.offered_w"


def room_series(device_id: str) -> str:
    """Name of the temperature that a heat pump's rooms have."""
    return f"{device_id}.room_c"


def tank_series(device_id: str) -> str:
    """Name of the temperature of a heat pump's tank."""
    return f"{device_id}.tank_c"


class Recorder:
    """Hands work to the store's thread, in order.

    Args:
        store: where it goes.
        offload: the store's thread.
        has_aggregator: somebody fetches the minutes; else a flush of each would wear the card for nobody.
    """

    def __init__(self, store: HouseStore, offload: Offload, *, has_aggregator: bool) -> None:
        self._store = store
        self._offload = offload
        self._has_aggregator = has_aggregator
        self._waiting: asyncio.Queue[Callable[[], object]] = asyncio.Queue(maxsize=WAITING_MAX)
        self._writing: asyncio.Future[object] | None = None
        self.dropped = 0
        """Records that found the queue full, since start."""

    async def run(self) -> None:
        """Write until cancelled; what is being written then goes on, and :meth:`flush` waits for it."""
        while True:
            work = await self._waiting.get()
            self._writing = asyncio.ensure_future(self._offload(work))
            await asyncio.wait({self._writing})
            written, self._writing = self._writing, None
            written.result()

    async def flush(self) -> None:
        """Write all that is waiting, after the end of :meth:`run`; one that fails takes no other with it."""
        if self._writing is not None:
            await _tried(self._writing)
        while not self._waiting.empty():
            await _tried(self._offload(self._waiting.get_nowait()))

    def episodes(self, closed: Sequence[DecisionEpisode]) -> None:
        """Episodes that have closed."""
        if closed:
            self.later(lambda: self._store.episodes.append(closed))

    def seconds(self, chunk: Chunk) -> None:
        """A minute of 1 Hz values."""
        self.later(lambda: self._store.telemetry.append_chunk(chunk))

    def minute(self, minute: TelemetryMinute) -> None:
        """A minute for the aggregator, if there is one."""
        if self._has_aggregator:
            self.later(lambda: self._store.outbox.append(minute))

    def slot(self, means: Means) -> None:
        """A quarter hour."""
        rows = [
            SlotValue(series=GRID, start_at=means.start_at, value=means.grid_power_w),
            SlotValue(series=LOAD, start_at=means.start_at, value=means.load_power_w),
        ]
        if means.ghi_wm2 is not None:
            rows.append(SlotValue(series=SKY, start_at=means.start_at, value=means.ghi_wm2))
        if means.outdoor_c is not None:
            rows.append(SlotValue(series=OUTDOOR, start_at=means.start_at, value=means.outdoor_c))
        for name_of, values in (
            (power_series, means.device_power_w),
            (sun_series, means.sun_w),
            (level_series, means.level_pct),
            (offered_series, means.offered_w),
            (room_series, means.room_c),
            (tank_series, means.tank_c),
        ):
            rows += [
                SlotValue(series=name_of(device_id), start_at=means.start_at, value=value)
                for device_id, value in values.items()
            ]
        self.later(lambda: self._store.history.put_slots(rows))

    def plan(self, plan: Plan) -> None:
        """A plan that was adopted."""
        self.later(lambda: self._store.history.put_plan(plan))

    def forecasts(self, kept: Sequence[KeptForecast]) -> None:
        """Forecasts that are to be scored."""
        if kept:
            self.later(lambda: self._store.history.put_forecasts(kept))

    def session(self, session: CarSession) -> None:
        """A car that came, or a stay that ended."""
        self.later(lambda: self._store.history.put_session(session))

    def limit(self, period: LimitPeriod) -> None:
        """A period under a grid operator's limit, as it is so far."""
        self.later(lambda: self._store.history.put_limit(period))

    def later(self, work: Callable[[], object]) -> None:
        """Do this in the store's thread, after what waits already."""
        try:
            self._waiting.put_nowait(work)
        except asyncio.QueueFull:
            self.dropped += 1
            if self.dropped == 1:
                log.warning("the disk does not keep up: records are dropped, the house goes on")


async def _tried(writing: Awaitable[object]) -> None:
    """Nobody starts this again at the end: what fails is told here."""
    try:
        await writing
    except Exception:
        log.exception("a record cannot be written and is lost")


class Seconds:
    """Collects values of each second into minutes."""

    def __init__(self, *, length_s: int = 60) -> None:
        """Chunks of this many seconds."""
        self._length_s = length_s
        self._start_at: datetime | None = None
        self._rows: list[dict[str, float | None]] = []

    def add(self, at: datetime, values: dict[str, float | None]) -> Chunk | None:
        """Take the values of this moment, one row for each second that has passed; returns a chunk that is full."""
        if self._start_at is None:
            self._start_at = at
        passed_s = (at - self._start_at).total_seconds()
        full = None
        if not 0 <= passed_s < self._length_s:
            full = self.take()
            self._start_at, passed_s = at, 0.0
        # Ticks come a little more or less than once a second: a second without one keeps what was seen before.
        while len(self._rows) <= int(passed_s):
            self._rows.append(values)
        self._rows[-1] = values
        return full

    def take(self) -> Chunk | None:
        """What has been collected so far; None where there is nothing."""
        if self._start_at is None or not self._rows:
            return None
        names = self._rows[-1]
        chunk = Chunk(start_at=self._start_at, values={name: [row.get(name) for row in self._rows] for name in names})
        self._rows = []
        return chunk
