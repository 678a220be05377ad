"""A disk in memory behind the ``Files`` port that loses power, fills up or fails at operation N.

What it injects, as a power cut between or inside two operations:

* content that was not synced survives whole, in part (a torn write, an append that lacks its end), as zeros of the
  right length (the size was on disk before the data: XFS, ext4 ``data=writeback``), as an emptied file, sector by
  sector, or not at all; what is overwritten in place tears into old and new;
* a truncation that was not synced may or may not have happened;
* a new name that was not synced may be gone, a removed one may be back, also where the content was synced through
  another descriptor: names and content are different things on a disk;
* a rename cut short has happened or not, never both, and one that returned is durable (the port promises it);
* a rename of content that was never synced keeps the name and may lose the content.

And as errors: any operation, and some after it, may raise ENOSPC, EIO or EROFS; a write or append that does has left a
part behind, and a sync that does may have lost what it should have kept (Linux drops dirty pages after a failed
write-back). A disk that has become read-only changes nothing.

What it must not inject: damage to synced bytes that nobody touched since (that is a broken disk, not a power cut), one
file's content in another, names that nobody ever used, a sync that lied, an operation reordered behind a later sync of
the same file. A program that survives those would need checksums and copies; ours says that it does not.
"""

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto


class PowerCut(BaseException):
    """The machine is off. Not an Exception: nobody may catch it and go on."""


class Survival(Enum):
    """What a power cut leaves of what was not synced."""

    NOTHING = auto()
    EVERYTHING = auto()
    HALF = auto()
    """Of each file the first half of what was pending, the last piece torn."""
    EMPTY = auto()
    """Names and truncations survive, content does not."""
    ZEROS = auto()
    """Names and lengths survive, content is zeros."""
    CONTENT_WITHOUT_NAMES = auto()
    """Content is on disk, names of new files are not."""
    SECTORS = auto()
    """Each 512 bytes are as they were or as they should be, each by itself."""
    CHANCE = auto()
    """Any of these, drawn for each file and name."""


PLAIN = (
    Survival.NOTHING,
    Survival.EVERYTHING,
    Survival.HALF,
    Survival.EMPTY,
    Survival.ZEROS,
    Survival.CONTENT_WITHOUT_NAMES,
    Survival.SECTORS,
)
SECTOR_BYTES = 512


@dataclass(slots=True)
class _Inode:
    """Content: what is certainly on disk, and every state that came after it, oldest first."""

    durable: bytes = b""
    later: list[bytes] = field(default_factory=list)

    @property
    def live(self) -> bytes:
        return self.later[-1] if self.later else self.durable

    def survivor(self, how: Survival, chance: random.Random) -> bytes:
        if not self.later or how is Survival.NOTHING:
            return self.durable
        if how in (Survival.EVERYTHING, Survival.CONTENT_WITHOUT_NAMES):
            return self.live
        if how is Survival.SECTORS:
            return _mixed_by_sector(self.durable, self.live, chance)
        states = [self.durable, *self.later]
        at = chance.randrange(1, len(states)) if how is Survival.HALF else len(states) - 1
        before, after = states[at - 1], states[at]
        # Bytes that both states share were not written again: they cannot tear.
        kept = _common_start(before, after)
        # Content that was overwritten in place is old behind the tear; an appended end is missing there.
        old = self.durable if min(len(state) for state in states) >= len(self.durable) else b""
        fresh = len(after) - kept
        if how is Survival.HALF:
            return _laid_over(old, after[: kept + fresh // 2])
        if how is Survival.ZEROS:
            changed = fresh - _common_start(before[kept:][::-1], after[kept:][::-1])
            return after[:kept] + bytes(changed) + after[kept + changed :]
        return _laid_over(old, after[: _common_start(self.durable, self.live)])


def _laid_over(old: bytes, new: bytes) -> bytes:
    return new + old[len(new) :]


def _mixed_by_sector(old: bytes, new: bytes, chance: random.Random) -> bytes:
    padded = old.ljust(len(new), b"\0")
    starts = range(0, len(new), SECTOR_BYTES)
    return b"".join(chance.choice((padded, new))[start : start + SECTOR_BYTES] for start in starts)[: len(new)]


def _common_start(first: bytes, second: bytes) -> int:
    pairs = zip(first, second, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


class CrashFiles:
    """Implements :class:`hems.ports.Files`; relative paths, no folders.

    Args:
        stop_at: which operation (1 is the first, reading not counted) does not come to its end; None: all do.
        error: raise this errno there instead of losing power, and go on.
        lasting: so many operations in a row raise it.
        seed: of everything that is left to chance.
    """

    def __init__(
        self, *, stop_at: int | None = None, error: int | None = None, lasting: int = 1, seed: int = 0
    ) -> None:
        self.stop_at = stop_at
        self.operations = 0
        self.done: list[str] = []
        """Names of the operations, for a test that wants to know where it is."""
        self._error = error
        self._lasting = lasting
        self._chance = random.Random(seed)
        self._durable_names: dict[str, _Inode] = {}
        self._names: dict[str, _Inode] = {}

    def fail(self, error: int, *, stop_at: int, lasting: int) -> None:
        """From operation ``stop_at`` on, so many raise this errno."""
        self.stop_at, self._error, self._lasting = stop_at, error, lasting

    def read(self, path: str) -> bytes | None:
        inode = self._names.get(path)
        return None if inode is None else inode.live

    def write(self, path: str, content: bytes) -> None:
        inode = self._names.setdefault(path, _Inode())

        def apply(part: bytes) -> None:
            inode.later.append(b"")
            inode.later.append(part)

        self._content("write", path, content, apply)

    def append(self, path: str, content: bytes) -> None:
        inode = self._names.setdefault(path, _Inode())

        def apply(part: bytes) -> None:
            inode.later.append(inode.live + part)

        self._content("append", path, content, apply)

    def truncate(self, path: str, size: int) -> None:
        inode = self._existing(path)

        def apply() -> None:
            inode.later.append(inode.live[:size].ljust(size, b"\0"))

        self._step("truncate", path, apply)

    def sync(self, path: str) -> None:
        inode = self._existing(path)

        def apply() -> None:
            inode.durable, inode.later = inode.live, []
            self._durable_names[path] = inode

        def fails() -> None:
            if inode.later and self._chance.random() < 0.5:
                inode.later = [inode.durable]

        self._step("sync", path, apply, on_error=fails)

    def rename(self, before: str, after: str) -> None:
        inode = self._existing(before)

        def apply() -> None:
            for names in (self._names, self._durable_names):
                names.pop(before, None)
                names[after] = inode

        self._step("rename", after, apply)

    def link(self, path: str, also: str) -> None:
        inode = self._existing(path)

        def apply() -> None:
            self._names[also] = inode

        self._step("link", also, apply, on_error=lambda: self._names.pop(also, None))

    def remove(self, path: str) -> None:
        def apply() -> None:
            self._names.pop(path, None)

        self._step("remove", path, apply)

    def names(self, folder: str) -> list[str]:
        return sorted(path.removeprefix(f"{folder}/") for path in self._names if path.startswith(f"{folder}/"))

    def size(self, path: str) -> int | None:
        inode = self._names.get(path)
        return None if inode is None else len(inode.live)

    def read_at(self, path: str, offset: int, count: int) -> bytes:
        return self._existing(path).live[offset : offset + count]

    def write_at(self, path: str, offset: int, content: bytes) -> None:
        inode = self._existing(path)

        def apply(part: bytes) -> None:
            live = inode.live.ljust(offset, b"\0")
            inode.later.append(live[:offset] + part + live[offset + len(part) :])

        self._content("write_at", path, content, apply)

    def reserve(self, path: str, size: int) -> None:
        inode = self._names.setdefault(path, _Inode())

        def apply() -> None:
            if len(inode.live) < size:
                inode.later.append(inode.live.ljust(size, b"\0"))

        self._step("reserve", path, apply)

    def sync_content(self, path: str) -> None:
        """Content only: the name may still be lost."""
        inode = self._existing(path)

        def apply() -> None:
            inode.durable, inode.later = inode.live, []

        def fails() -> None:
            if inode.later and self._chance.random() < 0.5:
                inode.later = [inode.durable]

        self._step("sync_content", path, apply, on_error=fails)

    def after_power_cut(self, how: Survival, *, seed: int = 0) -> "CrashFiles":
        """What the next start finds, on a disk that works."""
        chance = random.Random(f"{seed} {self.operations}")
        found = CrashFiles(seed=seed)

        def drawn() -> Survival:
            return chance.choice(PLAIN) if how is Survival.CHANCE else how

        left: dict[int, _Inode] = {}
        for path in sorted({*self._names, *self._durable_names}):
            old, new = self._durable_names.get(path), self._names.get(path)
            loses_name = drawn() in (Survival.NOTHING, Survival.CONTENT_WITHOUT_NAMES)
            inode = old if loses_name else new
            if inode is None:
                continue
            if id(inode) not in left:
                left[id(inode)] = _Inode(durable=inode.survivor(drawn(), chance))
            found._names[path] = found._durable_names[path] = left[id(inode)]
        return found

    def _existing(self, path: str) -> _Inode:
        inode = self._names.get(path)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return inode

    def _content(self, name: str, path: str, content: bytes, apply: Callable[[bytes], None]) -> None:
        def partly() -> None:
            apply(content[: self._chance.randrange(len(content) + 1)])

        self._step(name, path, lambda: apply(content), on_error=partly)

    def _step(
        self, name: str, path: str, apply: Callable[[], None], *, on_error: Callable[[], object] = lambda: None
    ) -> None:
        self.operations += 1
        self.done.append(f"{name} {path}")
        stop_at = self.operations + 1 if self.stop_at is None else self.stop_at
        if not stop_at <= self.operations < stop_at + (1 if self._error is None else self._lasting):
            apply()
        elif self._error is not None:
            if self._error != errno.EROFS:
                on_error()
            raise OSError(self._error, os.strerror(self._error))
        else:
            # The operation under way was begun: half of the time the disk has seen it, durable or not as ever.
            if name not in ("sync", "sync_content") and self._chance.random() < 0.5:
                apply()
            raise PowerCut(f"at operation {self.operations}: {name} {path}")
