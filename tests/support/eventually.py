"""Waiting for what a real process or socket will do: by condition, with a deadline, never for a fixed time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from hems.runtime.clock import ScaledClock

DEADLINE_S = 20.0
START_AT = datetime(2024, 7, 4, 12, 0, tzinfo=UTC)


async def eventually(condition: Callable[[], object], *, what: str = "", timeout_s: float = DEADLINE_S) -> None:
    """Return once the condition holds; AssertionError if it does not in time (real seconds)."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    while not condition():
        assert loop.time() < end_s, f"not within {timeout_s:.0f} s: {what or condition}"
        await asyncio.sleep(0.002)  # noqa: TID251 - real time: somebody else is working


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """The coroutine as a task that is cancelled at the end; what it raised before is raised here."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def clock_at(speed: float) -> ScaledClock:
    """A house clock that starts at 0 s now and runs that much faster; to be made inside a running loop."""
    return ScaledClock(speed=speed, start_at=START_AT, epoch_s=asyncio.get_running_loop().time())
