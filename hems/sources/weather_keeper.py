"""Keeps the weather forecast of the house's place at hand."""

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from hems.ports import Clock
from hems.sources.answer import SourceTroubleError
from hems.sources.pacing import BackOff, Health
from hems.sources.weather import WeatherForecast, WeatherSource

log = logging.getLogger(__name__)

STALE_AFTER: Final = timedelta(hours=6)
EVERY_S: Final = 3_600.0
"""The models behind it are computed every one to three hours."""
CLOCK_CHECK_S: Final = 10.0

Load = Callable[[], Awaitable[WeatherForecast | None]]
Save = Callable[[WeatherForecast], Awaitable[None]]


class WeatherKeeper:
    """The last good forecast, fetched each hour."""

    def __init__(
        self,
        source: WeatherSource,
        *,
        latitude_deg: float,
        longitude_deg: float,
        zone: ZoneInfo,
        load: Load,
        save: Save,
        clock: Clock,
        random_source: random.Random,
    ) -> None:
        """A keeper that knows nothing before :meth:`run`; ``load`` and ``save`` keep a forecast for the next start."""
        self._source = source
        self._place = (latitude_deg, longitude_deg)
        self._zone = zone
        self._load = load
        self._save = save
        self._clock = clock
        self._random = random_source
        self._back_off = BackOff(random_source)
        self._health = Health()
        self._latest: WeatherForecast | None = None
        self._stale_since_at: datetime | None = None

    def forecast(self) -> WeatherForecast | None:
        """The last one that is younger than six hours and covers now; None: plan as if the weather were unknown."""
        latest, now = self._latest, self._clock.now()
        if latest is None or not self._clock.wall_is_trusted():
            return None
        is_fresh = timedelta(0) <= now - latest.issued_at < STALE_AFTER
        return latest if is_fresh and latest.grid.index_at(now) is not None else None

    def trouble(self) -> str | None:
        """Since when there is no forecast, and what is used instead; None while there is one."""
        if self._stale_since_at is None or self.forecast() is not None:
            return None
        since = self._stale_since_at.astimezone(self._zone)
        return (
            f"No weather forecast since {since:%d %b %H:%M} ({self._health.reasons() or 'none came yet'}); "
            "sun and heat are planned from the last days instead."
        )

    async def run(self) -> None:
        """Load what was saved; from when wall time is trusted, fetch for ever."""
        self._latest = await self._load()
        while not self._clock.wall_is_trusted():
            await self._sleep(CLOCK_CHECK_S)
        while True:
            await self._sleep(await self._round())

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep_until(self._clock.monotonic_s() + seconds)

    async def _round(self) -> float:
        """Ask once, unless the server wants to be left alone; how long to wait until the next time [s]."""
        name, wait_s = self._source.name, EVERY_S
        if self._health.may_ask(name, self._clock.monotonic_s()):
            try:
                latest = await self._source.fetch(*self._place)
            except SourceTroubleError as error:
                self._health.failed(name, error, self._clock.monotonic_s())
                wait_s = self._back_off.failure_s()
            else:
                self._health.well(name)
                self._back_off.success()
                self._latest = latest
                await self._save(latest)
                wait_s *= 1 + 0.1 * self._random.random()
        self._note()
        return wait_s

    def _note(self) -> None:
        if self.forecast() is not None:
            self._stale_since_at = None
        elif self._stale_since_at is None:
            self._stale_since_at = self._clock.now()
            log.warning("%s", self.trouble())
