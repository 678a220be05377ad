"""Waiting for one of two things, whichever comes first."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hems.ports import Clock


async def news_or_time(clock: Clock, news: asyncio.Event, monotonic_s: float) -> bool:
    """Return when the event is set or the monotonic second has come; True for news, which is then taken."""
    if not news.is_set():
        await either(clock.sleep_until(monotonic_s), news.wait())
    else:
        await asyncio.sleep(0)  # noqa: TID251 - others run in between, whatever comes how often
    came = news.is_set()
    news.clear()
    return came


async def either(one: Coroutine[Any, Any, object], other: Coroutine[Any, Any, object]) -> None:
    """Return when one of them has come to its end; the other one is cancelled."""
    tasks = {asyncio.ensure_future(one), asyncio.ensure_future(other)}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
