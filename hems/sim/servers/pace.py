"""Waiting in real seconds, for sockets and processes; the house's own time is its clock's."""

import asyncio

from hems.runtime.clock import SystemClock

_REAL = SystemClock()


async def real_pause(seconds: float) -> None:
    """Let real time pass.

    Raises:
        CancelledError: the task was cancelled, be it before: where one task of a group fails in the moment in which the
            group is cancelled, Python before 3.13 raises the failure alone, and a loop that tries again never ended.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    await _REAL.sleep_until(_REAL.monotonic_s() + seconds)
