"""Blocking work beside the event loop. Implements :class:`hems.ports.Offload` twice: with a thread, and at once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from hems.domain.errors import OperatingError

T = TypeVar("T")

WAITING_MAX: Final = 1_000
"""Pieces of work that may wait: at ten a second a disk that is silent for 100 s."""


class ThreadOffload:
    """One thread that does one piece of work after another, in the order in which they came."""

    def __init__(self, name: str, *, waiting_max: int = WAITING_MAX) -> None:
        """``name`` is that of the thread, and of messages."""
        self._name = name
        self._waiting_max = waiting_max
        self._waiting = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of ``work()``, or what it raised.

        A caller that is cancelled takes back work that has not begun; what has begun is done to its end.

        Raises:
            OperatingError: too much is waiting already.
        """
        if self._waiting >= self._waiting_max:
            raise OperatingError(f"{self._name}: {self._waiting} pieces of work wait; the disk does not keep up")
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._thread.submit(work))
        finally:
            self._waiting -= 1

    async def close(self, *, deadline_s: float) -> None:
        """Finish what was given, or give up after ``deadline_s`` of real time; nothing may be given afterwards.

        Raises:
            OperatingError: work was left undone.
        """
        try:
            async with asyncio.timeout(deadline_s):
                await asyncio.wrap_future(self._thread.submit(lambda: None))
        except TimeoutError:
            raise OperatingError(
                f"{self._name}: still at work after {deadline_s:g} s; the rest is left undone"
            ) from None
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)


class DirectOffload:
    """Does the work where it is asked for: in virtual time, which no thread takes part in."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of ``work()``, or what it raised."""
        return work()
