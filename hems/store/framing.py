"""Records in a file: mark, length, time and checksum before each payload, so that damage is seen and stepped over."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from hems.ports import Files

MARK = b"\xc5hs\x1a"
HEADER = struct.Struct("<4sIqI")
"""Mark, bytes of payload, milliseconds since 1970, CRC-32 of all three others but the mark."""
CHECKED = struct.Struct("<Iq")
PAYLOAD_MAX_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A whole record at ``[start, end)`` of its file."""

    start: int
    end: int
    at_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Bytes that are no record, with a record behind them."""

    start: int
    end: int


def framed(at_ms: int, payload: bytes) -> bytes:
    """A record as it is written."""
    assert len(payload) <= PAYLOAD_MAX_BYTES, f"a record of {len(payload)} bytes"
    crc = zlib.crc32(payload, zlib.crc32(CHECKED.pack(len(payload), at_ms)))
    return HEADER.pack(MARK, len(payload), at_ms, crc) + payload


class Window:
    """A file seen through a block of it, so that neither memory nor system calls grow with it."""

    def __init__(self, files: Files, path: str) -> None:
        self.size = files.size(path) or 0
        self._files = files
        self._path = path
        self._start = 0
        self._block = b""

    def bytes_at(self, offset: int, count: int) -> bytes:
        """Bytes from a place on; fewer at the end of the file."""
        if not (self._start <= offset and offset + count <= self._start + len(self._block)):
            self._block = self._files.read_at(self._path, offset, max(count, BLOCK_BYTES))
            self._start = offset
        at = offset - self._start
        return self._block[at : at + count]

    def find(self, mark: bytes, offset: int) -> int | None:
        """First place of ``mark`` from ``offset`` on."""
        while offset + len(mark) <= self.size:
            at = self.bytes_at(offset, min(BLOCK_BYTES, self.size - offset)).find(mark)
            if at >= 0:
                return offset + at
            offset += BLOCK_BYTES - len(mark) + 1  # a mark may lie across two blocks
        return None

    def used_end(self, offset: int) -> int:
        """First place from ``offset`` on behind which there are only zeros."""
        end = offset
        for start in range(offset, self.size, BLOCK_BYTES):
            block = self.bytes_at(start, min(BLOCK_BYTES, self.size - start)).rstrip(b"\0")
            end = start + len(block) if block else end
        return end


def record_at(window: Window, offset: int) -> Record | None:
    """The record that starts there, None where there is no whole one."""
    header = window.bytes_at(offset, HEADER.size)
    if len(header) < HEADER.size:
        return None
    mark, length, at_ms, crc = HEADER.unpack(header)
    end = offset + HEADER.size + length
    if mark != MARK or length > PAYLOAD_MAX_BYTES or end > window.size:
        return None
    payload = window.bytes_at(offset + HEADER.size, length)
    if zlib.crc32(payload, zlib.crc32(CHECKED.pack(length, at_ms))) != crc:
        return None
    return Record(start=offset, end=end, at_ms=at_ms, payload=payload)


def scan(window: Window, offset: int = 0) -> Iterator[Record | Gap]:
    """All whole records from a place on, and the gaps between them."""
    while True:
        record = record_at(window, offset)
        if record is None:
            record = _next_record(window, offset + 1)
            if record is None:
                return
            yield Gap(start=offset, end=record.start)
        yield record
        offset = record.end


def _next_record(window: Window, offset: int) -> Record | None:
    while (found := window.find(MARK, offset)) is not None:
        record = record_at(window, found)
        if record is not None:
            return record
        offset = found + 1
    return None
