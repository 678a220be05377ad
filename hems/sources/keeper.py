"""Keeps the published prices of a bidding zone at hand: asks when they are due, and says what is missing."""

import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from hems.domain.time import SLOT_S, local_day, unix_s
from hems.ports import Clock
from hems.sources.answer import NotPublishedError, SourceTroubleError
from hems.sources.pacing import BackOff, Health
from hems.sources.prices import MARKET_ZONE, PriceSource, PublishedSpot

log = logging.getLogger(__name__)

PUBLICATION: Final = time(13, 0)
"""Local time from which on the prices of the next day can be there; the auction's results come at 12:45 to 13:00."""
LATE: Final = time(15, 0)
"""From here on their absence is worth a word; the second auction after a failed one ends at 14:20."""
SPREAD_S: Final = 600.0
"""All houses do not ask in the same second."""
CLOCK_CHECK_S: Final = 10.0
LOOK_AGAIN_S: Final = 3_600.0
"""Longest sleep: the wall clock may be set in the meantime."""
KEPT: Final = timedelta(days=35)
"""Four weeks for the expected prices beyond the published ones, and a week of outages."""

Load = Callable[[], Awaitable[Sequence[PublishedSpot]]]
Save = Callable[[PublishedSpot], Awaitable[None]]


class PriceKeeper:
    """The last good prices, today's and from 13:00 on tomorrow's.

    Days that a source gave are never asked for again: results of the auction are final.
    """

    def __init__(
        self,
        sources: Sequence[PriceSource],
        *,
        area: str,
        zone: ZoneInfo,
        load: Load,
        save: Save,
        clock: Clock,
        random_source: random.Random,
    ) -> None:
        """A keeper that knows nothing before :meth:`run`.

        Args:
            sources: the best first.
            area: bidding zone.
            zone: local time of the house, for 13:00 and for sentences.
            load: days that were saved, in any order.
            save: keep a day for the next start.
            clock: house time.
            random_source: spreads requests.
        """
        self._sources = tuple(sources)
        self._area = area
        self._zone = zone
        self._load = load
        self._save = save
        self._clock = clock
        self._random = random_source
        self._back_off = BackOff(random_source)
        self._health = Health()
        self._days: dict[date, PublishedSpot] = {}
        self._published: PublishedSpot | None = None
        self._missing: date | None = None
        self._missing_since_at: datetime | None = None

    def published(self) -> PublishedSpot | None:
        """Everything known of the last weeks and ahead, in slots of 900 s with None for gaps; None: nothing at all."""
        return self._published

    def trouble(self) -> str | None:
        """Which prices are missing since when, and what is used instead; None while all is as it should be."""
        if self._missing is None or self._missing_since_at is None:
            return None
        since = self._missing_since_at.astimezone(self._zone)
        instead = "expected prices are used" if self._days else "the fallback price counts"
        reasons = self._health.reasons() or "they are not published yet"
        return f"No market prices since {since:%d %b %H:%M} ({reasons}); for {self._missing:%d %b} {instead} instead."

    async def run(self) -> None:
        """Load what was saved, then fetch for ever. Nothing happens before wall time is trusted.

        What was saved too: which days are worth loading depends on the date, which is 1970 on a Pi that just started.
        """
        while not self._clock.wall_is_trusted():
            await self._sleep(CLOCK_CHECK_S)
        for day in await self._load():
            if day.area == self._area:
                self._days[local_day(day.start_at, MARKET_ZONE)] = day
        self._join()
        offset_s = self._random.uniform(0.0, SPREAD_S)
        while True:
            await self._sleep(await self._round(offset_s))

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep_until(self._clock.monotonic_s() + seconds)

    async def _round(self, offset_s: float) -> float:
        """Ask for what is due and not there; how long to wait until the next time [s]."""
        now = self._clock.now()
        published_at = _at_local(now, PUBLICATION, self._zone) + timedelta(seconds=offset_s)
        today = local_day(now, MARKET_ZONE)
        due = [today, today + timedelta(days=1)] if now >= published_at else [today]
        await self._fetch([day for day in due if day not in self._days])
        missing = [day for day in due if day not in self._days]
        self._note(missing, now)
        if missing:
            return self._back_off.failure_s()
        self._back_off.success()
        left_s = (published_at - now).total_seconds()
        return min(left_s, LOOK_AGAIN_S) if left_s > 0 else LOOK_AGAIN_S

    async def _fetch(self, days: Sequence[date]) -> None:
        """Ask the sources one after another for each day; a source is well again when it failed for none of them."""
        gave: set[str] = set()
        failed: set[str] = set()
        for day in days:
            for source in self._sources:
                if not self._health.may_ask(source.name, self._clock.monotonic_s()):
                    continue
                try:
                    spot = await source.fetch(self._area, day)
                except NotPublishedError:
                    continue
                except SourceTroubleError as error:
                    failed.add(source.name)
                    self._health.failed(source.name, error, self._clock.monotonic_s())
                    continue
                gave.add(source.name)
                await self._keep(day, spot)
                break
        for name in gave - failed:
            self._health.well(name)

    async def _keep(self, day: date, spot: PublishedSpot) -> None:
        self._days[day] = spot
        self._join()
        log.info("market prices of %s for %s are there (%s)", self._area, day, spot.source)
        await self._save(spot)

    def _note(self, missing: Sequence[date], now: datetime) -> None:
        """Trouble begins when today's prices are missing, or tomorrow's in the afternoon; it is told once."""
        today = local_day(now, MARKET_ZONE)
        late = [day for day in missing if day == today or now >= _at_local(now, LATE, self._zone)]
        was_known, self._missing = self._missing is not None, late[0] if late else None
        if self._missing is None:
            if was_known:
                log.info("market prices of %s are complete again", self._area)
            self._missing_since_at = None
        elif not was_known:
            self._missing_since_at = now
            log.warning("%s", self.trouble())

    def _join(self) -> None:
        if not self._days:
            return
        newest = max(self._days)
        self._days = {day: spot for day, spot in self._days.items() if newest - day < KEPT}
        self._published = joined(self._days.values(), area=self._area)


def joined(days: Iterable[PublishedSpot], *, area: str) -> PublishedSpot:
    """Days as one series of slots of 900 s from the first to the last, None where nothing is known.

    An hourly price is that of its four quarter hours. The source is that of the last day.
    """
    in_order = sorted(days, key=lambda day: day.start_at)
    first_s = round(unix_s(in_order[0].start_at))
    last_s = max(round(unix_s(day.end_at)) for day in in_order)
    slots: list[float | None] = [None] * ((last_s - first_s) // SLOT_S)
    for day in in_order:
        per_slot = day.slot_s // SLOT_S
        offset = (round(unix_s(day.start_at)) - first_s) // SLOT_S
        prices = [price for price in day.eur_per_mwh for _ in range(per_slot)]
        slots[offset : offset + len(prices)] = prices
    return PublishedSpot(
        area=area,
        start_at=in_order[0].start_at,
        slot_s=SLOT_S,
        eur_per_mwh=tuple(slots),
        source=in_order[-1].source,
    )


def _at_local(at: datetime, clock_time: time, zone: ZoneInfo) -> datetime:
    """A time of the local day of an instant."""
    return datetime.combine(local_day(at, zone), clock_time, tzinfo=zone).astimezone(at.tzinfo)
