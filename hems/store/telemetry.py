"""What the house measured, second by second, for some weeks."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from hems.domain.time import EPOCH
from hems.ports import Files
from hems.store.columns import Chunk, decode, encode
from hems.store.findings import Findings
from hems.store.segments import SEGMENT_MAX_BYTES, SegmentLog

TOTAL_MAX_BYTES = 64 << 20
"""About 17 days of 50 values a second (3.7 MB a day)."""
AGE_MAX_D = 30
MS = timedelta(milliseconds=1)


class TelemetryLog:
    """Chunks of 1 Hz values in segments; whole segments go when they are too many or too old."""

    def __init__(
        self,
        files: Files,
        folder: str,
        findings: Findings,
        *,
        segment_max_bytes: int = SEGMENT_MAX_BYTES,
        total_max_bytes: int = TOTAL_MAX_BYTES,
        age_max_d: float = AGE_MAX_D,
    ) -> None:
        """Open what is there; never raises."""
        self._log = SegmentLog(files, folder, findings, segment_max_bytes=segment_max_bytes)
        self._folder = folder
        self._findings = findings
        self._total_max_bytes = total_max_bytes
        self._age_max_ms = round(age_max_d * 86_400_000)

    def append_chunk(self, chunk: Chunk) -> bool:
        """Keep a chunk. True: it survives a power cut. False: it is in memory, and written with the next one."""
        at_ms = (chunk.start_at - EPOCH) // MS
        newest = self._log.numbers[-1:]
        kept = self._log.put(at_ms, encode(chunk))
        if newest != self._log.numbers[-1:]:
            with self._findings.watch(self._folder):
                self._make_room(at_ms)
        return kept

    def read(self, start_at: datetime, end_at: datetime) -> Iterator[Chunk]:
        """Chunks with any second in ``[start_at, end_at)``, in the order of writing.

        What is damaged is left out and told.
        """
        start_ms, end_ms = (start_at - EPOCH) // MS, (end_at - EPOCH) // MS
        for number in self._log.numbers:
            try:
                yield from self._read_segment(number, start_ms, end_ms)
            except OSError as error:
                self._findings.tell(self._log.path(number), f"cannot be read: {error}")
        for at_ms, payload in tuple(self._log.unsaved):
            yield from self._decoded(at_ms, payload, start_ms, end_ms, source=self._folder)

    def _read_segment(self, number: int, start_ms: int, end_ms: int) -> Iterator[Chunk]:
        span_ms = self._log.span_ms(number)
        if span_ms is None or span_ms[0] >= end_ms:
            return
        for record in self._log.records(number):
            source = f"{self._log.path(number)}: byte {record.start}"
            yield from self._decoded(record.at_ms, record.payload, start_ms, end_ms, source=source)

    def _decoded(self, at_ms: int, payload: bytes, start_ms: int, end_ms: int, *, source: str) -> Iterator[Chunk]:
        if at_ms >= end_ms:
            return
        try:
            chunk = decode(EPOCH + at_ms * MS, payload)
        except ValueError as error:
            self._findings.tell(source, f"record left out: {error}")
            return
        if at_ms + chunk.count * 1000 > start_ms:
            yield chunk

    def _make_room(self, at_ms: int) -> None:
        while self._log.total_bytes > self._total_max_bytes and len(self._log.numbers) > 1:
            self._log.drop(self._log.numbers[0])
        # One at a time: a clock that jumps a decade ahead costs one segment, not all.
        oldest = self._log.numbers[0]
        if oldest != self._log.numbers[-1]:
            span_ms = self._log.span_ms(oldest)
            if span_ms is None or span_ms[1] < at_ms - self._age_max_ms:
                self._log.drop(oldest)
