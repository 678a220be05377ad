"""Waiting for the clock or for news, whichever comes first."""

import asyncio

from hems.ports import Clock


async def news_or_time(clock: Clock, news: asyncio.Event, monotonic_s: float) -> bool:
    """Return when the event is set or the monotonic second has come; True for news, which is then taken."""
    if not news.is_set():
        sleeping = asyncio.ensure_future(clock.sleep_until(monotonic_s))
        waiting = asyncio.ensure_future(news.wait())
        try:
            await asyncio.wait({sleeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waiting.cancel()
    else:
        await asyncio.sleep(0)  # noqa: TID251 - others run in between, whatever comes how often
    came = news.is_set()
    news.clear()
    return came
