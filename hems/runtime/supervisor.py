"""Keeps the parts of the daemon going: what ends or crashes is started again, later each time.

The only place that catches every exception. A part that crashes takes no other part with it, the guard least of all.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from hems.domain.errors import OperatingError
from hems.ports import Clock

log = logging.getLogger(__name__)

RESTART_MIN_S: Final = 1.0
RESTART_MAX_S: Final = 60.0
WELL_AFTER_S: Final = 60.0
"""A part that ran so long is well; its next failure is a first one."""
JITTER_RATIO: Final = 0.1
TOLD_MAX: Final = 8
"""Different failures that are told before a part is well again: a text with a number in it would fill the log."""

KEEPS_FAILING: Final = 3
"""Failures in a row from which on a household should know: one that is over with a restart is a line in the log."""
TROUBLE_LENGTH_MAX: Final = 200

Start = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Part:
    """One part and how it fares."""

    name: str
    start: Start
    failures: int = 0
    """Since the daemon started."""
    failures_in_a_row: int = 0
    """Since it last ran for a minute."""
    trouble: str | None = None
    """Why it failed; None before that, and when it has been well for a minute."""
    told: set[str] = field(default_factory=set)
    """What the log has of this trouble."""


class Supervisor:
    """Runs named parts until :meth:`stop`."""

    def __init__(self, clock: Clock, random_source: random.Random) -> None:
        """Waits are in the clock's time, each a little random."""
        self._clock = clock
        self._random = random_source
        self._parts: dict[str, Part] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_stopping = False

    def troubles(self) -> tuple[str, ...]:
        """A sentence for each part that fails again and again."""
        return tuple(
            f'The part "{part.name}" of hems fails again and again: {part.trouble[:TROUBLE_LENGTH_MAX]}'
            for part in self._parts.values()
            if part.trouble is not None and part.failures_in_a_row >= KEEPS_FAILING
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order of their start."""
        return tuple(self._parts.values())

    def start(self, name: str, start: Start) -> None:
        """Run ``start()`` from now on, again and again.

        Raises:
            ValueError: there is a part of this name, or the supervisor is stopping.
        """
        if name in self._parts or self._is_stopping:
            raise ValueError(f"cannot start {name}: {'stopping' if self._is_stopping else 'it is there already'}")
        part = self._parts[name] = Part(name=name, start=start)
        self._tasks[name] = asyncio.create_task(self._keep(part), name=name)

    async def stop(self, *, deadline_s: float) -> None:
        """Cancel all parts, the last one first, each after the one before has ended.

        When ``deadline_s`` of real time is over, the rest are cancelled together and left behind.
        """
        self._is_stopping = True
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + deadline_s
        try:
            for name, task in reversed(self._tasks.items()):
                task.cancel()
                await asyncio.wait({task}, timeout=max(ends_s - loop.time(), 0.0))
                if not task.done():
                    log.error("%s does not stop within %g s and is left behind", name, deadline_s)
        finally:
            for task in self._tasks.values():
                task.cancel()

    async def _keep(self, part: Part) -> None:
        while True:
            began_s = self._clock.monotonic_s()
            getting_well = asyncio.create_task(self._get_well(part))
            try:
                await part.start()
                self._note(part, "ended by itself")
            except asyncio.CancelledError as error:
                if _is_being_cancelled():
                    raise
                self._note(part, "was cancelled from inside", error)
            except Exception as error:  # noqa: BLE001 - the one place for what nobody expected
                expected = _operating_text(error)
                self._note(part, repr(error) if expected is None else expected, None if expected else error)
            finally:
                getting_well.cancel()
            if self._is_stopping:
                return
            ran_s = self._clock.monotonic_s() - began_s
            part.failures_in_a_row = 1 if ran_s >= WELL_AFTER_S else part.failures_in_a_row + 1
            wait_s = min(RESTART_MIN_S * 2.0 ** min(part.failures_in_a_row - 1, 10), RESTART_MAX_S)
            wait_s *= 1 + JITTER_RATIO * self._random.random()
            await self._clock.sleep_until(self._clock.monotonic_s() + wait_s)

    async def _get_well(self, part: Part) -> None:
        await self._clock.sleep_until(self._clock.monotonic_s() + WELL_AFTER_S)
        if part.trouble is not None:
            log.info("%s is well again", part.name)
        part.trouble = None
        part.told.clear()

    @staticmethod
    def _note(part: Part, text: str, error: BaseException | None = None) -> None:
        """Count a failure, and tell it unless it was told already; with its traceback where nobody expected it."""
        part.failures += 1
        part.trouble = text
        if text not in part.told and len(part.told) < TOLD_MAX:
            part.told.add(text)
            log.error("%s: %s", part.name, text, exc_info=error)


def _is_being_cancelled() -> bool:
    """Whether somebody asked this task to end; else a cancellation came from inside it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _operating_text(error: Exception) -> str | None:
    """The text of an expected trouble, or of several that a task group brought together; None for anything else."""
    if isinstance(error, OperatingError):
        return str(error)
    if isinstance(error, ExceptionGroup):
        texts = [_operating_text(each) for each in error.exceptions]
        known = [text for text in texts if text is not None]
        return "; ".join(known) if len(known) == len(texts) else None
    return None
