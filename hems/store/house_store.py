"""Everything a house keeps, below one state folder: opens whatever is found there, and works without a disk too."""

from pathlib import Path
from typing import TypeVar

from hems.ports import Clock, Files
from hems.store.ballast import BALLAST_BYTES, BallastFiles
from hems.store.documents import Documents
from hems.store.findings import Findings
from hems.store.history import History
from hems.store.journal import EpisodeJournal
from hems.store.outbox import SegmentOutbox
from hems.store.telemetry import TelemetryLog

T = TypeVar("T")


class HouseStore:
    """The stores of a house, and what was found wrong with them.

    One process only: opening cuts torn ends, which in another one may be a record on its way. Its parts are used from
    one thread at a time: the app calls them through ``Offload``. Only :meth:`Documents.get`, :meth:`Documents.all`
    and ``findings`` answer from memory.
    """

    def __init__(self, folder: Path, files: Files, clock: Clock, *, ballast_bytes: int = BALLAST_BYTES) -> None:
        """Open everything; never raises for what is or is not on the disk.

        Args:
            folder: of the state; SQLite needs its path.
            files: the same folder through the port.
            clock: house time.
            ballast_bytes: room kept for a full disk.
        """
        self.findings = Findings()
        self._files = BallastFiles(files, self.findings, ballast_bytes=ballast_bytes)
        self.telemetry = TelemetryLog(self._files, "telemetry", self.findings)
        self.outbox = SegmentOutbox(self._files, "outbox", self.findings, clock)
        self.episodes = EpisodeJournal(self._files, "episodes", self.findings)
        self.history = History(folder / "history.sqlite", self.findings, free_space=self._files.release)

    def documents(self, name: str, *, kind: type[T]) -> Documents[T]:
        """Documents of one kind by name, as ``documents("commitments", kind=Commitment)``; open each name once."""
        return Documents.open(self._files, name, kind=kind, findings=self.findings)

    def close(self) -> None:
        """Save what waits to be saved."""
        self.outbox.close()
        self.history.close()
