"""What was found wrong with the disk: said once, kept for the page, never a reason to stop."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)

KEPT_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something on disk is not as it was written. ``text`` says what, and what was done about it."""

    place: str
    """Path below the state folder."""
    text: str


@dataclass(slots=True)
class Watched:
    """Whether the block that was watched came to its end."""

    worked: bool = False


class Findings:
    """Collects findings of all stores of a house, and whether the disk takes what is written now."""

    def __init__(self) -> None:
        self._found: deque[Finding] = deque(maxlen=KEPT_MAX)
        self._failing: set[str] = set()

    @property
    def found(self) -> tuple[Finding, ...]:
        """What was damaged, oldest first."""
        return tuple(self._found)

    @property
    def failing(self) -> tuple[str, ...]:
        """Places whose last write did not reach the disk: an alarm while there are any."""
        return tuple(sorted(self._failing))

    def tell(self, place: str, text: str) -> None:
        """Keep a finding and log it; the same again is not repeated."""
        finding = Finding(place=place, text=text)
        if finding not in self._found:
            self._found.append(finding)
            log.warning("%s: %s", place, text)

    def failed(self, place: str, error: Exception) -> None:
        """A write did not reach the disk."""
        if place not in self._failing:
            log.error("%s: the disk does not take it, going on in memory: %s", place, error)
        self._failing.add(place)

    def works(self, place: str) -> None:
        """A write reached the disk."""
        if place in self._failing:
            self._failing.remove(place)
            log.info("%s: written again", place)

    @contextmanager
    def watch(self, place: str) -> Iterator[Watched]:
        """Turns an OSError of the block into :meth:`failed`; its end is :meth:`works`, which the result says too."""
        watched = Watched()
        try:
            yield watched
        except OSError as error:
            self.failed(place, error)
        else:
            watched.worked = True
            self.works(place)
