"""Whether the daemon keeps dying soon after its start, and what it then starts without.

Every exception is contained by the supervisor; what kills the whole process is a crash of a library, a loop that hangs
until the watchdog ends it, or memory that runs out, and most of what can do so is not needed to be safe. A start is
*proven* when everything has run for five minutes, or when it was stopped cleanly. No clock is asked: after three starts
in a row that were never proven, the next one is in *safe mode*: devices, guard, the grid operator's limits, the record
and the page. Everything else is tried again after a while, later each time.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from hems.app.shelf import Shelf
from hems.app.waiting import either
from hems.domain.errors import OperatingError
from hems.explain.words import clock as clock_words
from hems.ports import Clock, Offload

log = logging.getLogger(__name__)

LAST: Final = "last"
CRASHES_MAX: Final = 3
"""In a row; the next start is in safe mode."""
PROVEN_AFTER_S: Final = 300.0
AGAIN_AFTER_S: Final = 60.0
SAFE_MODE_MIN_S: Final = 900.0
SAFE_MODE_MAX_S: Final = 4 * 3600.0
NOTED_MAX_S: Final = 2.0
"""Real seconds for the disk; as long as devices have for their first readings."""
DELAY_MIN_S: Final = 1.0
DELAY_MAX_S: Final = 60.0
"""Before a start of a house that dies in safe mode too: 1,400 starts a day are 4,000 flushes of the card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A start, as it is kept on disk."""

    crashes: int
    """Starts before it, in a row, that ended without being proven."""
    proven: bool


PROVEN: Final = Start(crashes=0, proven=True)


class Starts:
    """What became of the starts before this one, and of this one.

    Args:
        shelf: where the last start is kept; one that cannot be read or written counts no crashes.
        offload: the disk's thread.
        clock: when a start is proven, and when safe mode ends.
        zone: in which its end is told.
    """

    def __init__(self, shelf: Shelf[Start], *, offload: Offload, clock: Clock, zone: ZoneInfo) -> None:
        last = shelf.all().get(LAST)
        self._shelf = shelf
        self._offload = offload
        self._clock = clock
        self._zone = zone
        self.crashes = 0 if last is None or last.proven else max(last.crashes, 0) + 1
        """Starts in a row that were never proven."""
        self.is_safe_mode = self.crashes >= CRASHES_MAX
        """Whether nothing runs but devices, guard, operator, record and page."""
        self._safe_until_s = clock.monotonic_s()

    async def wait_after_crashes(self, stop: asyncio.Event) -> None:
        """Where safe mode did not help: a start each few seconds, for ever, would wear out the card.

        Devices end what they were told by themselves meanwhile.
        """
        delay_s = _doubled(DELAY_MIN_S, self.crashes - CRASHES_MAX - 1, DELAY_MAX_S)
        if delay_s > 0.0:
            log.error("%d starts in a row ended in a crash: this one in %.0f s", self.crashes, delay_s)
            await either(self._clock.sleep_until(self._clock.monotonic_s() + delay_s), stop.wait())

    async def begin(self) -> None:
        """Note that this start is not proven yet, before what may crash it runs; waits for no disk that hangs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(NOTED_MAX_S):
                await self._put(Start(crashes=self.crashes, proven=False))

    async def safe_mode(self) -> None:
        """Return when everything is to be tried again."""
        lasts_s = _doubled(SAFE_MODE_MIN_S, self.crashes - CRASHES_MAX, SAFE_MODE_MAX_S)
        self._safe_until_s = self._clock.monotonic_s() + lasts_s
        log.error("%s", self.trouble())
        await self._clock.sleep_until(self._safe_until_s)
        log.info("safe mode ends: everything is tried again")
        self.is_safe_mode = False

    async def prove(self) -> None:
        """Note that everything has run long enough, when it has, and as soon as the disk takes it; never returns."""
        await self._clock.sleep_until(self._clock.monotonic_s() + PROVEN_AFTER_S)
        while not await self._put(PROVEN):
            await self._clock.sleep_until(self._clock.monotonic_s() + AGAIN_AFTER_S)
        await asyncio.Event().wait()

    async def end(self, stop: asyncio.Event) -> None:
        """Note that nothing crashed, if the daemon was told to stop."""
        if stop.is_set():
            await self._put(PROVEN)

    def trouble(self) -> str | None:
        """Safe mode in words."""
        if not self.is_safe_mode:
            return None
        until_at = self._clock.now() + timedelta(seconds=self._safe_until_s - self._clock.monotonic_s())
        until = f"Until {clock_words(until_at, self._zone)}" if self._clock.wall_is_trusted() else "For now"
        return (
            f"Safe mode: hems crashed {self.crashes} times in a row soon after its start. {until} it guards the house, "
            "and does nothing else: no plan, no new prices, no learning, no aggregator."
        )

    async def _put(self, start: Start) -> bool:
        """Whether it survives a power cut."""
        try:
            return await self._offload(partial(self._shelf.put, LAST, start))
        except OperatingError as error:
            log.warning("the start could not be noted: %s", error)
            return False


def _doubled(first_s: float, times: int, longest_s: float) -> float:
    """Twice as long each time; 0 before the first."""
    return 0.0 if times < 0 else min(first_s * 2.0 ** min(times, 20), longest_s)
