"""Telemetry for the aggregator until it is acknowledged: weeks without a link lose nothing, a year loses detail.

Minutes are written five at a time, and not at all where they are acknowledged before: a power cut costs four of them at
most. The cursor is saved now and then only: after a crash some records are sent twice, and the receiver knows them by
(boot, seq). It is believed only where it points at the very record that it names, so that an old or foreign cursor
can repeat records but never skip any.
"""

import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice

from hems import wire
from hems.domain.errors import BadInputError
from hems.domain.flex import TelemetryMinute
from hems.domain.time import SLOT_S, floor_to, unix_s
from hems.ports import Clock, Files
from hems.store import document
from hems.store.findings import Findings
from hems.store.framing import Record
from hems.store.segments import SEGMENT_MAX_BYTES, SegmentLog

log = logging.getLogger(__name__)

TOTAL_MAX_BYTES = 64 << 20
CURSOR_EVERY_S = 900.0
"""A cursor is a file replaced: saved each minute it wrote more than all the rest (131 instead of 55 MB a day)."""
CURSOR_MAX_BYTES = 1_000
GROUP = 5
RECORD_MAX_BYTES = 1 << 16

Identity = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a record lies, and where the next one does."""

    number: int
    start: int
    end: int


class SegmentOutbox:
    """What :class:`hems.ports.Outbox` is made of. To be used from one thread at a time."""

    def __init__(
        self,
        files: Files,
        folder: str,
        findings: Findings,
        clock: Clock,
        *,
        segment_max_bytes: int = SEGMENT_MAX_BYTES,
        total_max_bytes: int = TOTAL_MAX_BYTES,
    ) -> None:
        """Open what is there; never raises."""
        self._files = files
        self._folder = folder
        self._findings = findings
        self._clock = clock
        self._total_max_bytes = total_max_bytes
        self._log = SegmentLog(files, folder, findings, segment_max_bytes=segment_max_bytes)
        self._cursor_path = f"{folder}/cursor"
        self._handed: list[tuple[Identity, _Place | None]] = []
        """What was given last and is not acknowledged, in its order; None: it is in memory only."""
        self._uncertain: Identity | None = None
        self._saved_mono_s = clock.monotonic_s()
        self._thinned: set[int] = set()
        self._dropping = False
        self._last: _Place | None = None
        """The last acknowledged record; None: nothing that is still here."""
        with findings.watch(folder):
            self._last = self._load_cursor()

    def append(self, minute: TelemetryMinute) -> bool:
        """Keep a minute. True: it and all before it survive a power cut. False: it is in memory, and written later."""
        self._log.hold(_at_ms(minute), _packed(minute))
        return len(self._log.unsaved) >= GROUP and self.save()

    def save(self) -> bool:
        """Write the minutes in memory. True: all of them survive a power cut."""
        newest = self._log.numbers[-1:]
        kept = self._log.save()
        if newest != self._log.numbers[-1:]:
            with self._findings.watch(self._folder):
                self._make_room()
        if kept:
            self._save_cursor_when_due()
        return kept

    def pending(self, count_max: int) -> Sequence[TelemetryMinute]:
        """Oldest records behind the cursor, in order of their recording."""
        handed: list[tuple[Identity, _Place | None]] = []
        minutes = []
        for place, minute in islice(self._behind_cursor(), count_max):
            handed.append(((minute.boot, minute.seq), place))
            minutes.append(minute)
        self._handed = handed
        return minutes

    def acknowledge(self, last: TelemetryMinute) -> None:
        """Move the cursor behind a record that :meth:`pending` gave; one from further back changes nothing."""
        identity = (last.boot, last.seq)
        if all(each != identity for each, _ in self._handed):
            return
        while self._handed:
            each, place = self._handed.pop(0)
            if place is None:
                self._forget_unsaved(each)
            else:
                self._last = place
                self._uncertain = each
            if each == identity:
                break
        if self._last is not None and self._last.number != self._log.numbers[0]:
            with self._findings.watch(self._cursor_path):
                self._drop_before(self._last.number)
        self._save_cursor_when_due()

    def close(self) -> None:
        """Save the minutes in memory and the cursor."""
        self.save()
        self._save_cursor()

    def _drop_before(self, number: int) -> None:
        for each in self._log.numbers:
            if each < number:
                self._log.drop(each)

    def _forget_unsaved(self, identity: Identity) -> None:
        """Drop the oldest record in memory, if it is still this one."""
        if self._log.unsaved:
            minute = _minute(self._log.unsaved[0][1], source=self._folder)
            if (minute.boot, minute.seq) == identity:
                self._log.unsaved.popleft()

    def _behind_cursor(self) -> Iterator[tuple[_Place | None, TelemetryMinute]]:
        last = self._last
        for number in self._log.numbers:
            if last is not None and number < last.number:
                continue
            offset = last.end if last is not None and number == last.number else 0
            for record in self._readable(number, offset):
                minute = self._unpacked(number, record)
                if minute is not None:
                    yield _Place(number=number, start=record.start, end=record.end), minute
        for _, payload in tuple(self._log.unsaved):
            yield None, _minute(payload, source=self._folder)

    def _readable(self, number: int, offset: int) -> Iterator[Record]:
        try:
            yield from self._log.records(number, offset)
        except OSError as error:
            self._findings.tell(self._log.path(number), f"cannot be read: {error}")

    def _unpacked(self, number: int, record: Record) -> TelemetryMinute | None:
        path = self._log.path(number)
        try:
            return _minute(record.payload, source=f"{path}: byte {record.start}")
        except BadInputError as error:
            self._findings.tell(path, f"record left out: {error}")
            return None

    # The cursor: a line with the identity of the last acknowledged record and where it lies, behind its checksum.

    def _save_cursor_when_due(self) -> None:
        if self._clock.monotonic_s() - self._saved_mono_s >= CURSOR_EVERY_S:
            self._save_cursor()

    def _save_cursor(self) -> None:
        if self._uncertain is None or self._last is None:
            return
        boot, seq = self._uncertain
        text = json.dumps([boot, seq, self._last.number, self._last.start]).encode()
        with self._findings.watch(self._cursor_path):
            document.save(self._files, self._cursor_path, b"%08x %s" % (zlib.crc32(text), text))
            self._uncertain = None
            self._saved_mono_s = self._clock.monotonic_s()

    def _load_cursor(self) -> _Place | None:
        content = self._files.read(self._cursor_path) if self._files.size(self._cursor_path) else None
        if content is None:
            return None
        crc, _, text = content[:CURSOR_MAX_BYTES].partition(b" ")
        if crc != b"%08x" % zlib.crc32(text):
            self._findings.tell(self._cursor_path, "damaged; everything that is kept is sent again")
            return None
        boot, seq, number, start = json.loads(text)
        if number not in self._log.numbers:
            self._log.begin_behind(number)
            return None
        record = next(self._log.records(number, start), None)
        minute = None if record is None or record.start != start else self._unpacked(number, record)
        if record is None or minute is None or (minute.boot, minute.seq) != (boot, seq):
            self._findings.tell(self._cursor_path, "points at no record of its own; everything is sent again")
            return None
        return _Place(number=number, start=start, end=record.end)

    # Room: the oldest minutes become quarter hours, and only then are the oldest quarter hours dropped.

    def _make_room(self) -> None:
        for number in self._log.numbers[:-1]:
            if self._log.total_bytes <= self._total_max_bytes:
                return
            if number not in self._thinned:
                self._thin(number)
        while self._log.total_bytes > self._total_max_bytes and len(self._log.numbers) > 1:
            if not self._dropping:
                log.warning("%s: full; the oldest records, already thinned, are dropped", self._folder)
            self._dropping = True
            self._log.drop(self._log.numbers[0])

    def _thin(self, number: int) -> None:
        if not self._thinned:
            log.warning("%s: full; the oldest minutes are kept as means of 15 min", self._folder)
        last = self._last
        offset = last.end if last is not None and last.number == number else 0
        if last is not None and number < last.number:
            self._log.drop(number)
            return
        records = (self._unpacked(number, record) for record in self._log.records(number, offset))
        minutes = (minute for minute in records if minute is not None)
        self._log.replace(number, [(_at_ms(mean), _packed(mean)) for mean in quarter_hours(minutes)])
        self._thinned.add(number)
        self._handed = []  # an acknowledgement of what was given before counts for nothing: it is sent again
        if offset:
            self._last = None
            self._uncertain = None


def quarter_hours(minutes: Iterable[TelemetryMinute]) -> Iterator[TelemetryMinute]:
    """Means of consecutive minutes of the same quarter hour, boot and mode; the identity is that of the last one."""
    for (_, start_at, _), group in groupby(minutes, key=_quarter):
        members = list(group)
        last = members[-1]
        yield replace(
            last,
            start_at=max(start_at, members[0].start_at),
            grid_power_w=_mean([(each.grid_power_w, each.duration_s) for each in members]),
            setpoint_w=_mean([(each.setpoint_w, each.duration_s) for each in members]),
            duration_s=sum(each.duration_s for each in members),
        )


def _quarter(minute: TelemetryMinute) -> tuple[str, datetime, str]:
    return (minute.boot, floor_to(minute.start_at, SLOT_S), minute.mode)


def _mean(values: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(value, duration_s) for value, duration_s in values if value is not None]
    total_s = sum(duration_s for _, duration_s in known)
    return sum(value * duration_s for value, duration_s in known) / total_s if total_s else None


def _at_ms(minute: TelemetryMinute) -> int:
    return round(unix_s(minute.start_at) * 1000)


def _packed(minute: TelemetryMinute) -> bytes:
    return zlib.compress(wire.canonical(minute), level=9)


def _minute(payload: bytes, *, source: str) -> TelemetryMinute:
    try:
        text = zlib.decompressobj().decompress(payload, RECORD_MAX_BYTES)
    except zlib.error as error:
        raise BadInputError(f"{source}: {error}") from None
    return wire.parse(TelemetryMinute, text, source=source)
