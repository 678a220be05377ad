"""The decision record of the daemon: closed control episodes, a line each, in files by day.

A line is the CRC-32 of the rest, a space, and the canonical JSON of the episode: readable with any text tool, and a
digit that changed on the card is seen.
"""

import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import chain

from hems import wire
from hems.domain.decision import DecisionEpisode
from hems.domain.errors import BadInputError
from hems.domain.site import DeviceId
from hems.ports import Files
from hems.store.findings import Findings
from hems.store.quarantine import names_in, set_aside

FILE_MAX_BYTES = 1 << 20
KEPT_D = 366
UNSAVED_MAX = 1_000
"""Episodes in memory while the disk takes none."""
NAME = re.compile(r"\d{4}-\d{2}-\d{2}-\d{3}\.jsonl")


class EpisodeJournal:
    """Episodes by the UTC day on which they closed. To be used from one thread at a time."""

    def __init__(
        self,
        files: Files,
        folder: str,
        findings: Findings,
        *,
        file_max_bytes: int = FILE_MAX_BYTES,
        kept_d: int = KEPT_D,
    ) -> None:
        """Open what is there, without the torn end of the last line; never raises."""
        self._files = files
        self._folder = folder
        self._findings = findings
        self._file_max_bytes = file_max_bytes
        self._kept = timedelta(days=kept_d)
        self._names: list[str] = []
        self._ends: dict[str, int] = {}
        self._unsaved: deque[DecisionEpisode] = deque(maxlen=UNSAVED_MAX)
        with findings.watch(folder):
            self._open()

    def append(self, episodes: Sequence[DecisionEpisode]) -> bool:
        """Keep episodes. True: they survive a power cut. False: they are in memory, and written with the next ones."""
        if not episodes:
            return not self._unsaved
        self._unsaved.extend(episodes)
        content = b"".join(_line(episode) for episode in self._unsaved)
        with self._findings.watch(self._folder) as watched:
            name = self._name_for(episodes[-1].closed_at.date(), len(content))
            path = f"{self._folder}/{name}"
            self._files.write_at(path, self._ends[name], content)
            self._files.sync_content(path)
            self._ends[name] += len(content)
            self._unsaved.clear()
        return watched.worked

    def read(self, start_at: datetime, end_at: datetime) -> Iterator[DecisionEpisode]:
        """Episodes with any moment in ``[start_at, end_at)``, in the order of writing; damage is left out and told."""
        recent = (name for name in self._names if _day(name) >= start_at.date())
        for episode in chain(chain.from_iterable(map(self._read_file, recent)), tuple(self._unsaved)):
            if episode.opened_at < end_at and episode.closed_at > start_at:
                yield episode

    def find(self, *, device_id: DeviceId, at: datetime | None) -> DecisionEpisode | None:
        """The episode of a device that contains an instant, or its last one; None where the record has none."""
        recent = (name for name in reversed(self._names) if at is None or _day(name) >= at.date())
        for episodes in chain([self._unsaved], map(self._read_file, recent)):
            for episode in reversed(list(episodes)):
                if episode.device_id == device_id and (at is None or episode.opened_at <= at < episode.closed_at):
                    return episode
        return None

    def _open(self) -> None:
        for name in names_in(self._files, self._folder, self._findings):
            if not _is_ours(name):
                continue
            path = f"{self._folder}/{name}"
            try:
                self._files.read_at(path, 0, 1)
            except OSError as error:
                set_aside(self._files, path, self._findings, why=f"not a readable file ({error})")
                continue
            self._names.append(name)
            self._ends[name] = self._files.size(path) or 0
        if self._names:
            self._cut_torn_end(self._names[-1])

    def _cut_torn_end(self, name: str) -> None:
        """Cut behind the last line whose checksum is right."""
        path = f"{self._folder}/{name}"
        content = self._files.read(path) or b""
        lines = content.split(b"\n")
        lines.pop()  # what is behind the last line end
        while lines and not _is_whole(lines[-1]):
            lines.pop()
        self._ends[name] = sum(len(line) + 1 for line in lines)
        torn = len(content.rstrip(b"\0")) - self._ends[name]
        if torn > 0:
            self._findings.tell(path, f"the last {torn} bytes were no whole episode and were cut off")
        if len(content) > self._ends[name]:
            self._files.truncate(path, self._ends[name])
            self._files.sync(path)

    def _name_for(self, day: date, bytes_needed: int) -> str:
        """The file to append to; a new one for a new day or a full file."""
        last = self._names[-1] if self._names else None
        number = 1
        if last is not None:
            if self._ends[last] + bytes_needed <= self._file_max_bytes and _day(last) >= day:
                return last
            # What a failed write left there would come back beside its second try in the next file.
            self._files.truncate(f"{self._folder}/{last}", self._ends[last])
            self._files.sync_content(f"{self._folder}/{last}")
            # A clock set back goes on in the newest day: names sort in the order of writing.
            day = max(day, _day(last))
            number = int(last[11:14]) + 1 if _day(last) == day else 1
        while self._files.size(f"{self._folder}/{day.isoformat()}-{number:03}.jsonl") is not None:
            number += 1  # the folder could not be read when it was opened: what is in it is left alone
        name = f"{day.isoformat()}-{number:03}.jsonl"
        self._files.write(f"{self._folder}/{name}", b"")
        self._files.sync(f"{self._folder}/{name}")
        self._names.append(name)
        self._ends[name] = 0
        self._drop_oldest(day)
        return name

    def _drop_oldest(self, day: date) -> None:
        """One file at a time: a clock that jumps a decade ahead costs a day of the record, not all of it."""
        oldest = self._names[0]
        if _day(oldest) < day - self._kept:
            self._files.remove(f"{self._folder}/{oldest}")
            self._names.remove(oldest)
            self._ends.pop(oldest)

    def _read_file(self, name: str) -> Iterator[DecisionEpisode]:
        path = f"{self._folder}/{name}"
        try:
            content = self._files.read_at(path, 0, self._ends[name])
        except OSError as error:
            self._findings.tell(path, f"cannot be read: {error}")
            return
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            source = f"{path}:{number}"
            if not _is_whole(line):
                self._findings.tell(path, f"line {number} is damaged and left out")
                continue
            try:
                yield wire.parse(DecisionEpisode, line[9:], source=source)
            except BadInputError as error:
                self._findings.tell(path, f"line {number} is left out: {error}")


def _is_ours(name: str) -> bool:
    if NAME.fullmatch(name) is None:
        return False
    try:
        _day(name)
    except ValueError:
        return False
    return True


def _day(name: str) -> date:
    return date.fromisoformat(name[:10])


def _line(episode: DecisionEpisode) -> bytes:
    text = wire.canonical(episode)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _is_whole(line: bytes) -> bool:
    crc, _, text = line.partition(b" ")
    return crc == b"%08x" % zlib.crc32(text)
