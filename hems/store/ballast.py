"""Room that is kept for the moment in which the disk is full: enough to go on until somebody has tidied up."""

import errno
from collections.abc import Callable
from typing import TypeVar

from hems.ports import Files
from hems.store.findings import Findings

BALLAST_BYTES = 16 << 20
PATH = "ballast"

T = TypeVar("T")


class BallastFiles:
    """Implements :class:`hems.ports.Files`: the first write that finds the disk full gives up the ballast, once."""

    def __init__(self, files: Files, findings: Findings, *, ballast_bytes: int = BALLAST_BYTES) -> None:
        """Put the ballast in place if there is room for it."""
        self._files = files
        self._findings = findings
        self._there = False
        try:
            if files.size(PATH) != ballast_bytes:
                files.remove(PATH)
                files.reserve(PATH, ballast_bytes)
            self._there = True
        except OSError as error:
            findings.tell(PATH, f"no room can be kept for a full disk: {error}")
            self._discard()

    def release(self) -> bool:
        """Give up the ballast; True if there was any."""
        if not self._there:
            return False
        self._there = False
        self._findings.tell(PATH, "the disk is full; the room kept for this is used now: make space")
        return self._discard()

    def _discard(self) -> bool:
        try:
            self._files.remove(PATH)
        except OSError:
            return False
        return True

    def _twice(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self.release():
                raise
        return work()

    def read(self, path: str) -> bytes | None:
        """As the port says."""
        return self._files.read(path)

    def write(self, path: str, content: bytes) -> None:
        """As the port says."""
        self._twice(lambda: self._files.write(path, content))

    def append(self, path: str, content: bytes) -> None:
        """As the port says; what a first try left behind is cut off before the second."""
        size = self._files.size(path)

        def work() -> None:
            if size is not None:
                self._files.truncate(path, size)
            self._files.append(path, content)

        self._twice(work)

    def truncate(self, path: str, size: int) -> None:
        """As the port says."""
        self._twice(lambda: self._files.truncate(path, size))

    def sync(self, path: str) -> None:
        """As the port says. Not tried again: after a failed one the content may be gone (Linux)."""
        self._files.sync(path)

    def rename(self, before: str, after: str) -> None:
        """As the port says."""
        self._twice(lambda: self._files.rename(before, after))

    def link(self, path: str, also: str) -> None:
        """As the port says."""
        self._twice(lambda: self._files.link(path, also))

    def remove(self, path: str) -> None:
        """As the port says."""
        self._files.remove(path)

    def names(self, folder: str) -> list[str]:
        """As the port says."""
        return self._files.names(folder)

    def size(self, path: str) -> int | None:
        """As the port says."""
        return self._files.size(path)

    def read_at(self, path: str, offset: int, count: int) -> bytes:
        """As the port says."""
        return self._files.read_at(path, offset, count)

    def write_at(self, path: str, offset: int, content: bytes) -> None:
        """As the port says."""
        self._twice(lambda: self._files.write_at(path, offset, content))

    def reserve(self, path: str, size: int) -> None:
        """As the port says."""
        self._twice(lambda: self._files.reserve(path, size))

    def sync_content(self, path: str) -> None:
        """As the port says; not tried again, as :meth:`sync`."""
        self._files.sync_content(path)
