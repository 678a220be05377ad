"""When to ask again: soon after the first failure, seldom after many, later still where a server asks for it."""

import logging
import random
from typing import Final

from hems.sources.answer import SourceTroubleError

log = logging.getLogger(__name__)

BACK_OFF_MIN_S: Final = 60.0
BACK_OFF_MAX_S: Final = 3_600.0
JITTER_RATIO: Final = 0.2
"""Houses that lost the internet together do not come back together."""


class BackOff:
    """Waits that double from a minute to an hour, each a little random."""

    def __init__(self, random_source: random.Random) -> None:
        """No failure yet."""
        self._random = random_source
        self._failures = 0

    def success(self) -> None:
        """The next failure is a first one again."""
        self._failures = 0

    def failure_s(self) -> float:
        """How long to wait after one more failure [s]."""
        wait_s = min(BACK_OFF_MIN_S * 2.0 ** min(self._failures, 10), BACK_OFF_MAX_S)
        self._failures += 1
        return wait_s * (1 + JITTER_RATIO * self._random.random())


class Health:
    """What is wrong with each source, told once when it begins and ends; and who wants to be left alone."""

    def __init__(self) -> None:
        """All are well until they are asked."""
        self._trouble: dict[str, str] = {}
        self._left_alone_until_s: dict[str, float] = {}

    def may_ask(self, name: str, mono_s: float) -> bool:
        """Whether the pause that a server asked for is over."""
        return mono_s >= self._left_alone_until_s.get(name, mono_s)

    def well(self, name: str) -> None:
        """It gave what it should."""
        if self._trouble.pop(name, None) is not None:
            log.info("%s works again", name)

    def failed(self, name: str, error: SourceTroubleError, mono_s: float) -> None:
        """It did not."""
        if name not in self._trouble:
            log.warning("%s; asking again, at first each minute, then each hour", error)
        self._trouble[name] = str(error)
        if error.retry_after_s is not None:
            self._left_alone_until_s[name] = mono_s + error.retry_after_s

    def reasons(self) -> str:
        """Everything that is wrong now."""
        return "; ".join(self._trouble.values())
