"""An append-only log in numbered files of limited size: what telemetry and outbox are kept in.

A record is on disk when :meth:`SegmentLog.put` returns True; what the disk does not take waits in memory, a day's
worth of minutes. Files are filled with zeros in steps ahead of the records: a file whose size does not change is a
quarter of the writing. Damage costs the records it touches: the torn end is cut off when the log is opened, the rest
is stepped over.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from hems.ports import Files
from hems.store import document
from hems.store.findings import Findings
from hems.store.framing import Gap, Record, Window, framed, scan
from hems.store.quarantine import names_in, set_aside

SEGMENT_MAX_BYTES = 16 << 20
RESERVE_BYTES = 1 << 20
UNSAVED_MAX = 1_440
"""Records in memory while the disk takes none: a day of minutes."""
NAME = re.compile(r"(\d{8})\.seg")


class SegmentLog:
    """Numbered segments in a folder; the last one is appended to. To be used from one thread at a time."""

    def __init__(
        self,
        files: Files,
        folder: str,
        findings: Findings,
        *,
        segment_max_bytes: int = SEGMENT_MAX_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        """Open what is there. Never raises: what cannot be read is a finding, and the log starts behind it."""
        self._files = files
        self._folder = folder
        self._findings = findings
        self._segment_max_bytes = segment_max_bytes
        self._reserve_bytes = min(reserve_bytes, segment_max_bytes)
        self._sizes: dict[int, int] = {}
        self._spans: dict[int, tuple[int, int]] = {}
        self._end = 0
        self._number_max = 0
        self.unsaved: deque[tuple[int, bytes]] = deque(maxlen=UNSAVED_MAX)
        """Time and payload of what the disk did not take, oldest first."""
        with findings.watch(folder):
            self._open()

    @property
    def numbers(self) -> tuple[int, ...]:
        """Segments, oldest first."""
        return tuple(self._sizes)

    @property
    def total_bytes(self) -> int:
        """What the log takes on disk."""
        return sum(self._sizes.values())

    def hold(self, at_ms: int, payload: bytes) -> None:
        """Add a record in memory; it is written with the next :meth:`put` or :meth:`save`."""
        self.unsaved.append((at_ms, payload))

    def put(self, at_ms: int, payload: bytes) -> bool:
        """Add a record, behind what is still unsaved. True: all of that survives a power cut."""
        self.hold(at_ms, payload)
        return self.save()

    def save(self) -> bool:
        """Write what is unsaved. True: all of it survives a power cut."""
        with self._findings.watch(self._folder) as watched:
            while self.unsaved:
                self._append_what_fits()
        return watched.worked

    def records(self, number: int, offset: int = 0) -> Iterator[Record]:
        """Whole records of a segment; gaps are told.

        Raises:
            OSError: the segment cannot be read.
        """
        if number == self.numbers[-1] and offset >= self._end:
            return  # asked for every five seconds
        window = Window(self._files, self.path(number))
        if number == self.numbers[-1]:
            window.size = self._end
        for each in scan(window, offset):
            if isinstance(each, Gap):
                text = f"damaged from byte {each.start} to {each.end}; the records there are lost"
                self._findings.tell(self.path(number), text)
            else:
                yield each

    def span_ms(self, number: int) -> tuple[int, int] | None:
        """Earliest and latest time of a segment's records, None where it has none.

        Raises:
            OSError: the segment cannot be read.
        """
        if number not in self._spans:
            times = [record.at_ms for record in self.records(number)]
            if not times:
                return None
            self._spans[number] = (min(times), max(times))
        return self._spans[number]

    def drop(self, number: int) -> None:
        """Delete a segment that is not the last one.

        Raises:
            OSError: it is still there.
        """
        assert number != self.numbers[-1], "the segment under way is not dropped"
        self._files.remove(self.path(number))
        self._sizes.pop(number)
        self._spans.pop(number, None)

    def replace(self, number: int, records: Iterable[tuple[int, bytes]]) -> None:
        """Put other records in the place of a segment that is not the last one, all or nothing.

        Raises:
            OSError: it is as before.
        """
        assert number != self.numbers[-1], "the segment under way is not replaced"
        content = b"".join(framed(at_ms, payload) for at_ms, payload in records)
        document.save(self._files, self.path(number), content)
        self._sizes[number] = len(content)
        self._spans.pop(number, None)

    def begin_behind(self, number: int) -> None:
        """Give no new segment this number or a smaller one: it may lie in a folder that could not be listed."""
        self._number_max = max(self._number_max, number)

    def path(self, number: int) -> str:
        """Where a segment lies."""
        return f"{self._folder}/{number:08}.seg"

    def _open(self) -> None:
        for name in names_in(self._files, self._folder, self._findings):
            path = f"{self._folder}/{name}"
            if name.endswith(".new"):
                with suppress(OSError):  # a disk that takes nothing now: it is written over, or goes at the next start
                    self._files.remove(path)
                continue
            match = NAME.fullmatch(name)
            if match is None:
                continue
            self._number_max = max(self._number_max, int(match[1]))
            try:
                self._files.read_at(path, 0, 1)
            except OSError as error:
                set_aside(self._files, path, self._findings, why=f"not a readable file ({error})")
                continue
            self._sizes[int(match[1])] = self._files.size(path) or 0
        if self._sizes:
            self._find_end(self.numbers[-1])

    def _find_end(self, number: int) -> None:
        path = self.path(number)
        self._end = window_size = self._sizes[number]
        times = []
        end = 0
        for record in self.records(number):
            times.append(record.at_ms)
            end = record.end
        self._end = end
        if times:
            self._spans[number] = (min(times), max(times))
        window = Window(self._files, path)
        torn = window.used_end(end) - end
        if torn:
            self._findings.tell(path, f"the last {torn} bytes were no whole record and were cut off")
            self._files.truncate(path, end)
            self._files.sync(path)
            self._sizes[number] = min(window_size, end)

    def _begin(self, bytes_needed: int) -> None:
        if self._sizes:
            last = self.numbers[-1]
            self._files.truncate(self.path(last), self._end)  # what was reserved is given back
            self._sizes[last] = self._end
        number = self._number_max + 1
        while self._files.size(self.path(number)) is not None:
            number += 1  # the folder could not be read when it was opened: what is in it is left alone
        path = self.path(number)
        size = max(self._reserve_bytes, bytes_needed)
        try:
            self._files.write(path, b"")
            self._files.reserve(path, size)
            self._files.sync(path)
        except OSError:
            with suppress(OSError):
                self._files.remove(path)  # a full disk needs what it got
            raise
        self._number_max = number
        self._sizes[number] = size
        self._end = 0

    def _append_what_fits(self) -> None:
        """Write the unsaved records that fit into one segment, with one flush; if that fails none is in the log."""
        first = framed(*self.unsaved[0])
        if not self._sizes or self._end + len(first) > self._segment_max_bytes:
            self._begin(len(first))
        content, times = first, [self.unsaved[0][0]]
        for at_ms, payload in islice(self.unsaved, 1, None):
            record = framed(at_ms, payload)
            if self._end + len(content) + len(record) > self._segment_max_bytes:
                break
            content += record
            times.append(at_ms)
        number = self.numbers[-1]
        end = self._end + len(content)
        if end > self._sizes[number]:
            self._reserve(number, end)
        self._files.write_at(self.path(number), self._end, content)
        self._files.sync_content(self.path(number))
        self._end = end
        for _ in times:
            self.unsaved.popleft()
        self._spans[number] = _spanned(self._spans.get(number), times)

    def _reserve(self, number: int, bytes_needed: int) -> None:
        steps = -(-bytes_needed // self._reserve_bytes)
        size = max(min(steps * self._reserve_bytes, self._segment_max_bytes), bytes_needed)
        self._files.reserve(self.path(number), size)
        self._files.sync_content(self.path(number))
        self._sizes[number] = size


def _spanned(span_ms: tuple[int, int] | None, times_ms: Sequence[int]) -> tuple[int, int]:
    known_ms = (*(span_ms or ()), *times_ms)
    return min(known_ms), max(known_ms)
