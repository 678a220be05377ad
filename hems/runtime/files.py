"""The file system behind the ``Files`` port."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ZEROS_BYTES = 1 << 16


class SystemFiles:
    """Files below one folder, which is created when first written to."""

    def __init__(self, root: Path) -> None:
        """Every path given later is relative to ``root``."""
        self._root = root

    def read(self, path: str) -> bytes | None:
        """Whole content, None if there is no such file."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """Create or truncate."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def append(self, path: str, content: bytes) -> None:
        """Add at the end."""
        with (self._root / path).open("ab") as file:
            file.write(content)

    def truncate(self, path: str, size: int) -> None:
        """Cut to a size."""
        os.truncate(self._root / path, size)

    def sync(self, path: str) -> None:
        """Content and, for a new file, its name are on disk."""
        _sync(self._root / path)
        _sync((self._root / path).parent)

    def rename(self, before: str, after: str) -> None:
        """Replace atomically; the change of name is on disk."""
        target = self._root / after
        (self._root / before).replace(target)
        _sync(target.parent)

    def link(self, path: str, also: str) -> None:
        """Give the content a second name, in the place of whatever has it."""
        self.remove(also)
        (self._root / also).hardlink_to(self._root / path)

    def remove(self, path: str) -> None:
        """Delete; no error if there is none."""
        (self._root / path).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """Names in a folder, sorted."""
        try:
            return sorted(each.name for each in (self._root / folder).iterdir())
        except FileNotFoundError:
            return []

    def size(self, path: str) -> int | None:
        """Bytes of a file, None if there is no such file."""
        try:
            return (self._root / path).stat().st_size
        except FileNotFoundError:
            return None

    def read_at(self, path: str, offset: int, count: int) -> bytes:
        """Bytes from a place on; fewer at the end of the file."""
        with (self._root / path).open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(count)

    def write_at(self, path: str, offset: int, content: bytes) -> None:
        """Overwrite in place."""
        with _opened(self._root / path, os.O_WRONLY) as descriptor:
            _write_all(descriptor, offset, content)

    def reserve(self, path: str, size: int) -> None:
        """Create or grow, with zeros that have their place on the disk already.

        They are written: space that is only allocated costs a journal commit at the first record in each block
        (measured on ext4 with 2 KB a minute: 8.9 MB a day; 16.9 allocated only, 34.6 growing).
        """
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with _opened(target, os.O_WRONLY | os.O_CREAT) as descriptor:
            before = os.fstat(descriptor).st_size
            try:
                for start in range(before, size, ZEROS_BYTES):
                    _write_all(descriptor, start, bytes(min(ZEROS_BYTES, size - start)))
            except OSError:
                os.ftruncate(descriptor, before)
                raise

    def sync_content(self, path: str) -> None:
        """Content is on disk.

        With the time of its change: left to the file system that is a commit of its own some seconds later, which makes
        three flushes of two (ext4, a write of allocated blocks).
        """
        with _opened(self._root / path, os.O_RDONLY) as descriptor:
            os.fsync(descriptor)


def _sync(path: Path) -> None:
    with _opened(path, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def _write_all(descriptor: int, offset: int, content: bytes) -> None:
    written = 0
    while written < len(content):  # a nearly full disk takes a part and says so by the count alone
        written += os.pwrite(descriptor, content[written:], offset + written)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
