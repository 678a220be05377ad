"""What is done now and then beside everything else, by a clock that can be trusted."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from hems.ports import Clock

RETRY_S = 60.0
"""While the clock is not trusted."""


async def regularly(clock: Clock, every_s: float, act: Callable[[datetime], Awaitable[None]]) -> None:
    """Act at once and then each ``every_s`` seconds, until cancelled.

    Args:
        clock: when.
        every_s: from the end of one time to the next [s].
        act: given the moment.
    """
    while True:
        trusted = clock.wall_is_trusted()
        if trusted:
            await act(clock.now())
        await clock.sleep_until(clock.monotonic_s() + (every_s if trusted else RETRY_S))
