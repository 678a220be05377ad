"""Folders of the store's tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder below it is made


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder whose files need not reach a disk: SQLite syncs at each opening, of which some tests have hundreds."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as name:
        yield Path(name)
