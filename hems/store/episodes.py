"""The decision record: closed control episodes, one canonical JSON line each, in the order in which they closed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from hems import wire
from hems.domain.decision import DecisionEpisode
from hems.domain.errors import BadInputError, RecordDamagedError
from hems.domain.site import DeviceId
from hems.ports import Files


class EpisodeLog:
    """Append-only file of episodes.

    ``size`` is a position to come back to: whoever keeps it in a checkpoint can cut the log there after a crash, and
    what was appended since is written again.
    """

    def __init__(self, files: Files, path: str, *, size: int = 0) -> None:
        """Open a log at a known size; anything behind it is cut off.

        Raises:
            RecordDamagedError: the log is shorter than that.
        """
        self._files = files
        self._path = path
        self.size = size
        content = files.read(path)
        if len(content or b"") < size:
            raise RecordDamagedError(f"{path}: has {len(content or b'')} bytes and had {size}; it was cut or replaced")
        if content is None:
            files.write(path, b"")
        files.truncate(path, size)

    def append(self, episodes: Sequence[DecisionEpisode]) -> None:
        """Add episodes; durable after :meth:`sync`."""
        if not episodes:
            return
        lines = b"".join(wire.canonical(episode) + b"\n" for episode in episodes)
        self._files.append(self._path, lines)
        self.size += len(lines)

    def sync(self) -> None:
        """What was appended survives a power cut when this returns."""
        self._files.sync(self._path)


def read(files: Files, path: str) -> Iterator[DecisionEpisode]:
    """Episodes of a log, oldest first.

    Raises:
        RecordDamagedError: no such file, or a line that is not an episode; names file and line.
    """
    content = files.read(path)
    if content is None:
        raise RecordDamagedError(f"{path}: there is no decision record here")
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            yield wire.parse(DecisionEpisode, line, source=f"{path}:{number}")
        except BadInputError as error:
            raise RecordDamagedError(str(error)) from None


def find(files: Files, path: str, *, device_id: DeviceId, at: datetime | None) -> DecisionEpisode | None:
    """The episode of a device that contains an instant, or its last one; None where the record has none."""
    last: DecisionEpisode | None = None
    for episode in read(files, path):
        if episode.device_id != device_id:
            continue
        if at is None:
            last = episode
        elif episode.opened_at <= at < episode.closed_at:
            return episode
    return last
