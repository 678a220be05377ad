"""The file system behind the ``Files`` port."""

import os
from pathlib import Path


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

    def remove(self, path: str) -> None:
        """Delete; no error if there is none."""
        (self._root / path).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
