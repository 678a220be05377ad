"""What SQLite does to its files, recorded below it, and what a power cut at any point of that would leave.

Every write before the last sync of its file survives; each later 512-byte sector survives or not by itself, in four
patterns. Names are taken to be durable at once, deletions too: in WAL mode SQLite deletes nothing while it is used, and
a test begins when the tables are made.
"""

import random
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import apsw

SECTOR_BYTES = 512


class Pattern(Enum):
    """Which unsynced sectors survive."""

    NONE = auto()
    ALL = auto()
    HALF = auto()
    """Each with probability 1/2."""
    FEW = auto()
    """Each with probability 1/10."""


RATIOS = {Pattern.NONE: 0.0, Pattern.ALL: 1.0, Pattern.HALF: 0.5, Pattern.FEW: 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation on a file; ``data`` None with an offset: cut to that size; without: synced, or deleted."""

    name: str
    deleted: bool = False
    offset: int | None = None
    data: bytes | None = None


class RecordingVfs(apsw.VFS):
    """The system's own VFS, with a record of what went through it."""

    NAME = "recording"

    def __init__(self) -> None:
        self.steps: list[Step] = []
        super().__init__(self.NAME, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return _RecordingFile(name, flags, self.steps)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.steps.append(Step(name=Path(filename).name, deleted=True))
        super().xDelete(filename, syncdir)


class _RecordingFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], steps: list[Step]) -> None:
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "nameless").name
        self._steps = steps
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._steps.append(Step(name=self._name, offset=offset, data=bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._steps.append(Step(name=self._name, offset=newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._steps.append(Step(name=self._name))
        super().xSync(flags)


def left_after(
    steps: list[Step], pattern: Pattern, chance: random.Random, *, before: dict[str, bytes] | None = None
) -> dict[str, bytes]:
    """Files as the next start may find them; ``before`` is what was durable when the recording began."""
    durable = dict(before or {})
    live = dict(durable)
    for step in steps:
        content = live.get(step.name, b"")
        if step.deleted:
            live.pop(step.name, None)
            durable.pop(step.name, None)
        elif step.offset is None:
            durable[step.name] = content
        elif step.data is None:
            live[step.name] = content[: step.offset].ljust(step.offset, b"\0")
        else:
            content = content.ljust(step.offset, b"\0")
            live[step.name] = content[: step.offset] + step.data + content[step.offset + len(step.data) :]
    return {name: _mixed(durable.get(name, b""), content, pattern, chance) for name, content in live.items()}


def _mixed(old: bytes, new: bytes, pattern: Pattern, chance: random.Random) -> bytes:
    if pattern is Pattern.NONE:
        return old
    ratio = RATIOS[pattern]
    # The size of a file is one more thing that has reached the disk or not.
    size = len(new) if chance.random() < max(ratio, 0.5) else len(old)
    old, new = old.ljust(size, b"\0"), new.ljust(size, b"\0")
    starts = range(0, size, SECTOR_BYTES)
    return b"".join((new if chance.random() < ratio else old)[at : at + SECTOR_BYTES] for at in starts)[:size]
