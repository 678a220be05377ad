"""What is asked for by time and name: quarter hours, market prices, plans, car sessions. SQLite.

WAL with synchronous FULL: a batch that was put survives a power cut, also in the middle of a checkpoint. What the
disk does not take is kept in memory, answers queries like the rest, and is written with the next batch that works.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hems import wire
from hems.domain.errors import BadInputError
from hems.domain.kept_forecast import KeptForecast
from hems.domain.operator import LimitPeriod, LimitState, Way
from hems.domain.plan import Plan
from hems.domain.site import DeviceId
from hems.domain.time import EPOCH, SLOT_S, from_unix_s, require_utc
from hems.store.database import Database, Table
from hems.store.findings import Findings

PLANS_KEPT = timedelta(days=14)
PLANS_DROPPED_MAX = 2
"""With each new one: a clock that jumps a decade ahead must not empty the table."""
PLAN_MAX_BYTES = 10 << 20
FORECASTS_KEPT = timedelta(days=400)
FORECASTS_DROPPED_MAX = 50
LIMITS_KEPT = timedelta(days=1_100)
"""An owner has to be able to show two years of them (BK6-22-300, annex 1, item 7)."""
LIMITS_DROPPED_MAX = 2

# By time first: a quarter hour of all series goes to one page, and not to one page for each series.
SLOT = Table(name="slot", key=("start_s", "series"), values=("value",), unsaved_max=20_000)
SPOT = Table(name="spot", key=("area", "start_s"), values=("eur_per_kwh", "source", "fetched_s"), unsaved_max=20_000)
PLAN = Table(name="plan", key=("issued_us",), values=("deflated",), unsaved_max=200)
SESSION = Table(
    name="stay", key=("device", "plugged_s"), values=("unplugged_s", "energy_wh", "was_full"), unsaved_max=1_000
)
FORECAST = Table(name="forecast", key=("start_s", "series", "kind"), values=("deflated",), unsaved_max=500)
LIMIT = Table(
    name="operator_limit",
    key=("started_us", "way"),
    values=("until_us", "state", "written_w", "limit_w", "mean_w", "high_w", "above_s"),
    unsaved_max=1_000,
)
TABLES = (SLOT, SPOT, PLAN, SESSION, FORECAST, LIMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotValue:
    """Mean or state of a series in the quarter hour from ``start_at`` on; None: not measured.

    Series are named by the app, as ``load_w``, ``pv_w``, ``grid_w``, ``DEVICE.power_w``, ``DEVICE.level_pct``.
    """

    series: str
    start_at: datetime
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotPrice:
    """Published market price of an area for a quarter hour, before taxes [EUR/kWh]."""

    area: str
    start_at: datetime
    eur_per_kwh: float
    source: str
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CarSession:
    """A car at a charger, from plug-in on; ``unplugged_at`` None: still there."""

    device_id: DeviceId
    plugged_at: datetime
    unplugged_at: datetime | None
    energy_wh: float
    """Charged so far, AC side."""
    was_full: bool = False
    """The car took no more when it was last seen."""


class History:
    """One SQLite file. Never fails to open; to be used from one thread at a time, any thread."""

    def __init__(
        self,
        path: Path,
        findings: Findings,
        *,
        free_space: Callable[[], bool] = lambda: False,
        read_only: bool = False,
    ) -> None:
        """Open, check, or set aside what is damaged and start empty.

        Args:
            path: of the database; its folder is made.
            findings: where damage and a failing disk are told.
            free_space: called when the disk is full; True: there is more room now.
            read_only: beside a daemon at work. Nothing is written, mended or set aside.

        Raises:
            sqlite3.Error: only where it is to be read only: there is none, or it cannot be read.
        """
        self._place = path.name
        self._findings = findings
        self._database = Database(path, TABLES, findings, free_space=free_space, read_only=read_only)

    def put_slots(self, values: Iterable[SlotValue]) -> bool:
        """Keep quarter hours. True: durable. False: in memory until the disk works again.

        What is unknown replaces nothing: a clock that went back brings quarter hours that were measured before.
        """
        known = ((each, value) for each in values if (value := _real(each.value)) is not None)
        rows = [(_slot_s(each.start_at), each.series, value) for each, value in known]
        return self._database.put(SLOT, rows)

    def slots(self, series: str, start_at: datetime, end_at: datetime) -> list[float | None]:
        """One value per quarter hour of ``[start_at, end_at)``; None: not measured."""
        start_s, end_s = _slot_s(start_at), _seconds(end_at)
        rows = self._database.rows(SLOT, "series = ? AND start_s >= ? AND start_s < ?", (series, start_s, end_s))
        found = {at_s: value for at_s, _, value in rows}
        return [found.get(at_s) for at_s in range(start_s, end_s, SLOT_S)]

    def put_spot(self, prices: Iterable[SpotPrice]) -> bool:
        """Keep market prices; as :meth:`put_slots`."""
        rows = [
            (each.area, _slot_s(each.start_at), float(each.eur_per_kwh), each.source, _seconds(each.fetched_at))
            for each in prices
        ]
        return self._database.put(SPOT, rows)

    def spot(self, area: str, start_at: datetime, end_at: datetime) -> list[SpotPrice]:
        """Quarter hours that begin in ``[start_at, end_at)``, by time; the bounds may be any instants."""
        rows = self._database.rows(
            SPOT, "area = ? AND start_s >= ? AND start_s < ?", (area, _seconds_up(start_at), _seconds_up(end_at))
        )
        return [
            SpotPrice(
                area=area,
                start_at=from_unix_s(start_s),
                eur_per_kwh=eur_per_kwh,
                source=source,
                fetched_at=from_unix_s(fetched_s),
            )
            for _, start_s, eur_per_kwh, source, fetched_s in rows
        ]

    def put_plan(self, plan: Plan) -> bool:
        """Keep a plan for two weeks; as :meth:`put_slots`."""
        kept = self._database.put(PLAN, [(_microseconds(plan.issued_at), zlib.compress(wire.canonical(plan)))])
        oldest_us = _microseconds(plan.issued_at - PLANS_KEPT)
        self._database.drop_oldest(PLAN, below=oldest_us, count_max=PLANS_DROPPED_MAX)
        return kept

    def plans(self, start_at: datetime, end_at: datetime) -> list[Plan]:
        """Plans issued in ``[start_at, end_at)``, by time. One of another version is left out and told."""
        span_us = (_microseconds(start_at), _microseconds(end_at))
        found = []
        for issued_us, deflated in self._database.rows(PLAN, "issued_us >= ? AND issued_us < ?", span_us):
            source = f"plan of {(EPOCH + timedelta(microseconds=issued_us)).isoformat()}"
            text = zlib.decompressobj().decompress(deflated, PLAN_MAX_BYTES)
            try:
                found.append(wire.parse(Plan, text, source=source))
            except BadInputError as error:
                self._findings.tell(self._place, f"left out: {error}")
        return found

    def put_forecasts(self, kept: Sequence[KeptForecast]) -> bool:
        """Keep forecasts for 400 days; as :meth:`put_slots`."""
        rows = [
            (_slot_s(each.grid.start_at), each.series, each.kind.value, zlib.compress(wire.canonical(each)))
            for each in kept
        ]
        done = self._database.put(FORECAST, rows)
        if kept:
            oldest_s = _seconds(kept[-1].grid.start_at - FORECASTS_KEPT)
            self._database.drop_oldest(FORECAST, below=oldest_s, count_max=FORECASTS_DROPPED_MAX)
        return done

    def forecasts(self, start_at: datetime, end_at: datetime) -> list[KeptForecast]:
        """Forecasts that begin in ``[start_at, end_at)``, by time. One of another version is left out and told."""
        found = []
        span_s = (_seconds(start_at), _seconds(end_at))
        for start_s, series, _, deflated in self._database.rows(FORECAST, "start_s >= ? AND start_s < ?", span_s):
            source = f"forecast of {series} at {from_unix_s(start_s).isoformat()}"
            text = zlib.decompressobj().decompress(deflated, PLAN_MAX_BYTES)
            try:
                found.append(wire.parse(KeptForecast, text, source=source))
            except BadInputError as error:
                self._findings.tell(self._place, f"left out: {error}")
        return found

    def put_session(self, session: CarSession) -> bool:
        """Add a session, or replace what was kept of it; as :meth:`put_slots`."""
        unplugged_s = None if session.unplugged_at is None else _seconds(session.unplugged_at)
        row = (
            session.device_id,
            _seconds(session.plugged_at),
            unplugged_s,
            float(session.energy_wh),
            int(session.was_full),
        )
        return self._database.put(SESSION, [row])

    def sessions(self, device_id: DeviceId, start_at: datetime, end_at: datetime) -> list[CarSession]:
        """Sessions plugged in during ``[start_at, end_at)``, by time."""
        rows = self._database.rows(
            SESSION,
            "device = ? AND plugged_s >= ? AND plugged_s < ?",
            (device_id, _seconds(start_at), _seconds(end_at)),
        )
        return [
            CarSession(
                device_id=device_id,
                plugged_at=from_unix_s(plugged_s),
                unplugged_at=None if unplugged_s is None else from_unix_s(unplugged_s),
                energy_wh=energy_wh,
                was_full=bool(was_full),
            )
            for _, plugged_s, unplugged_s, energy_wh, was_full in rows
        ]

    def put_limit(self, period: LimitPeriod) -> bool:
        """Add a period under an operator's limit, or replace what was kept of it; as :meth:`put_slots`."""
        started_us = _microseconds(period.started_at)
        row = (
            started_us,
            period.way.value,
            _microseconds(period.until_at),
            period.state.value,
            period.written_w,
            period.limit_w,
            period.mean_w,
            period.high_w,
            period.above_s,
        )
        kept = self._database.put(LIMIT, [row])
        oldest_us = _microseconds(period.started_at - LIMITS_KEPT)
        self._database.drop_oldest(LIMIT, below=oldest_us, count_max=LIMITS_DROPPED_MAX)
        return kept

    def limits(self, start_at: datetime, end_at: datetime) -> list[LimitPeriod]:
        """Periods under an operator's limit that began in ``[start_at, end_at)``, by time."""
        span_us = (_microseconds(start_at), _microseconds(end_at))
        return [
            LimitPeriod(
                way=Way(way),
                state=LimitState(state),
                started_at=EPOCH + timedelta(microseconds=started_us),
                until_at=EPOCH + timedelta(microseconds=until_us),
                written_w=written_w,
                limit_w=limit_w,
                mean_w=mean_w,
                high_w=high_w,
                above_s=above_s,
            )
            for started_us, way, until_us, state, written_w, limit_w, mean_w, high_w, above_s in self._database.rows(
                LIMIT, "started_us >= ? AND started_us < ?", span_us
            )
        ]

    def close(self) -> None:
        """Write what can be written, and close the file."""
        self._database.close()


def _real(value: float | None) -> float | None:
    """A number that SQLite gives back as it got it: NaN would become NULL."""
    return float(value) if value is not None and math.isfinite(value) else None


def _seconds(at: datetime) -> int:
    return (require_utc(at) - EPOCH) // timedelta(seconds=1)


def _seconds_up(at: datetime) -> int:
    """The first whole second that is not before an instant: rows that begin in whole seconds are bounded by it."""
    return -((EPOCH - require_utc(at)) // timedelta(seconds=1))


def _microseconds(at: datetime) -> int:
    return (require_utc(at) - EPOCH) // timedelta(microseconds=1)


def _slot_s(start_at: datetime) -> int:
    at_s = _seconds(start_at)
    if at_s % SLOT_S:
        raise ValueError(f"{start_at.isoformat()} is not the start of a quarter hour")
    return at_s
