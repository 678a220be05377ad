"""Day-ahead prices by bidding zone from public servers, checked before anybody sees them.

energy-charts.info (Fraunhofer ISE) has every zone of the coupled market, without a key, since 2025-10-01 in quarter
hours (CH in hours). Each answer names its licence: CC BY 4.0 (Bundesnetzagentur, SMARD.de) for AT, BE, CH, CZ, DE-LU,
DK1, DK2, FR, HU, NL, NO2, PL, SE4 and SI, private and internal use only for the other zones. A house that plans with
them is private use; prices of those zones must not be passed on.
aWATTar publishes hourly means for Germany and Austria, without a key, at most 100 requests a day.

A delivery day of the coupled market is a civil day in Brussels, in every zone: 23, 24 or 25 hours.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final, Protocol
from zoneinfo import ZoneInfo

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

from hems.domain.time import SLOT_S, Interval, civil_day, from_unix_s, unix_s
from hems.sources.answer import NotPublishedError, SourceTroubleError, ask

MARKET_ZONE: Final = ZoneInfo("Europe/Brussels")
SPOT_MAX_EUR_PER_MWH: Final = 10_000.0
"""10 EUR/kWh, twice the limit of the auction: beyond it the unit is wrong, not the market."""
ENERGY_CHARTS_URL: Final = "https://api.energy-charts.info"
AWATTAR_URLS: Final = {"DE-LU": "https://api.awattar.de", "AT": "https://api.awattar.at"}

_SLOTS_S: Final = (SLOT_S, 3_600)
_EUR_PER_MWH: Final = frozenset({"EUR/MWh", "EUR / MWh", "Eur/MWh"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSpot:
    """Market prices as published; a single day has no gaps, a longer time has None in them [EUR/MWh]."""

    area: str
    start_at: datetime
    slot_s: int
    eur_per_mwh: tuple[float | None, ...]
    source: str
    """In words, as it is shown."""

    @property
    def end_at(self) -> datetime:
        """First instant that is not covered."""
        return from_unix_s(unix_s(self.start_at) + self.slot_s * len(self.eur_per_mwh))


class PriceSource(Protocol):
    """A server that knows prices."""

    @property
    def name(self) -> str:
        """As it is shown."""
        ...

    async def fetch(self, area: str, day: date) -> PublishedSpot:
        """All prices of a delivery day.

        Raises:
            NotPublishedError: they are not known yet.
            SourceTroubleError: nothing that can be used came.
        """
        ...


def price_sources(session: aiohttp.ClientSession, area: str, url: str | None = None) -> tuple[PriceSource, ...]:
    """The sources of a bidding zone, the best first; a ``url`` names one that answers as the best."""
    if url is not None:
        return (EnergyCharts(session, url),)
    sources: list[PriceSource] = [EnergyCharts(session)]
    if area in AWATTAR_URLS:
        sources.append(Awattar(session, AWATTAR_URLS[area]))
    return tuple(sources)


def delivery_day(day: date) -> Interval:
    """The 23, 24 or 25 hours of a market day."""
    return civil_day(day, MARKET_ZONE)


class EnergyCharts:
    """api.energy-charts.info. Implements :class:`PriceSource`."""

    name = "energy-charts.info"

    def __init__(self, session: aiohttp.ClientSession, url: str = ENERGY_CHARTS_URL) -> None:
        """``url`` is without path."""
        self._session = session
        self._url = url

    async def fetch(self, area: str, day: date) -> PublishedSpot:
        """All prices of a delivery day; see :class:`PriceSource`."""
        hours = delivery_day(day)
        parameters = {
            "bzn": area,
            "start": f"{hours.start_at:%Y-%m-%dT%H:%MZ}",
            "end": f"{hours.end_at:%Y-%m-%dT%H:%MZ}",
        }
        answer = await ask(self._session, f"{self._url}/price", parameters, name=self.name, model=_EnergyChartsAnswer)
        if len(answer.unix_seconds) != len(answer.price):
            message = f"{len(answer.unix_seconds)} times and {len(answer.price)} prices"
            raise SourceTroubleError(f"{self.name} sent {message} for {area} on {day}")
        points = list(zip(answer.unix_seconds, answer.price, strict=True))
        return checked_day(points, unit=answer.unit, area=area, day=day, source=self.name)


class Awattar:
    """api.awattar.de and api.awattar.at. Implements :class:`PriceSource`."""

    name = "aWATTar"

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """``url`` is without path; it decides the bidding zone."""
        self._session = session
        self._url = url

    async def fetch(self, area: str, day: date) -> PublishedSpot:
        """All prices of a delivery day; see :class:`PriceSource`."""
        hours = delivery_day(day)
        parameters = {
            "start": str(round(unix_s(hours.start_at) * 1000)),
            "end": str(round(unix_s(hours.end_at) * 1000)),
        }
        answer = await ask(
            self._session, f"{self._url}/v1/marketdata", parameters, name=self.name, model=_AwattarAnswer
        )
        for entry in answer.data:
            if entry.end_timestamp - entry.start_timestamp != 3_600_000 or entry.start_timestamp % 1000:
                raise SourceTroubleError(f"{self.name} sent an entry that is not an hour for {area} on {day}")
        points = [(entry.start_timestamp // 1000, entry.marketprice) for entry in answer.data]
        units = {entry.unit for entry in answer.data}
        unit = units.pop() if len(units) == 1 else ", ".join(sorted(units))
        return checked_day(points, unit=unit, area=area, day=day, source=f"{self.name} (hourly)")


def checked_day(
    points: Sequence[tuple[int, float | None]], *, unit: str, area: str, day: date, source: str
) -> PublishedSpot:
    """Prices of a delivery day if they are beyond doubt; what lies outside the day is not looked at.

    Args:
        points: start of a slot in seconds since 1970, and its price or None.
        unit: what the source says that the prices are in.
        area: bidding zone that was asked for.
        day: delivery day that was asked for.
        source: whom a message names.

    Raises:
        NotPublishedError: no price at all.
        SourceTroubleError: another unit, gaps, times that are shifted, double or not in order, or an absurd price.
    """
    hours = delivery_day(day)
    first_s, last_s = round(unix_s(hours.start_at)), round(unix_s(hours.end_at))
    own = [(start_s, price) for start_s, price in points if first_s <= start_s < last_s]
    what = f"{source} for {area} on {day}"
    if all(price is None for _, price in own):
        raise NotPublishedError(f"{what}: no price yet")
    if unit not in _EUR_PER_MWH:
        raise SourceTroubleError(f"{what}: prices in {unit[:20]!r} instead of EUR/MWh")
    steps_s = {after - before for (before, _), (after, _) in itertools.pairwise(own)}
    slot_s = min(steps_s, default=0)
    if slot_s not in _SLOTS_S:
        raise SourceTroubleError(f"{what}: slots of {slot_s} s, neither quarter hours nor hours in their order")
    expected = range(first_s, last_s, slot_s)
    if [start_s for start_s, _ in own] != list(expected):
        raise SourceTroubleError(f"{what}: {_difference([start_s for start_s, _ in own], expected)}")
    for start_s, price in own:
        if price is None:
            raise SourceTroubleError(f"{what}: no price for {from_unix_s(start_s):%H:%M} UTC")
        if not math.isfinite(price) or abs(price) > SPOT_MAX_EUR_PER_MWH:
            raise SourceTroubleError(f"{what}: {price:g} EUR/MWh at {from_unix_s(start_s):%H:%M} UTC is absurd")
    return PublishedSpot(
        area=area,
        start_at=hours.start_at,
        slot_s=slot_s,
        eur_per_mwh=tuple(price for _, price in own),
        source=source,
    )


def _difference(starts_s: Sequence[int], expected_s: Sequence[int]) -> str:
    missing = sorted(set(expected_s) - set(starts_s))
    if missing:
        return (
            f"{len(missing)} of {len(expected_s)} prices are missing, the first at {from_unix_s(missing[0]):%H:%M} UTC"
        )
    return "times that are double or between the slots"


class _EnergyChartsAnswer(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    unix_seconds: Annotated[list[Annotated[int, Field(ge=0, lt=2**33)]], Field(max_length=5_000)]
    price: Annotated[list[float | None], Field(max_length=5_000)]
    unit: str


class _AwattarEntry(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    start_timestamp: Annotated[int, Field(ge=0, lt=2**43)]
    end_timestamp: Annotated[int, Field(ge=0, lt=2**43)]
    marketprice: float
    unit: str


class _AwattarAnswer(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    data: Annotated[list[_AwattarEntry], Field(max_length=5_000)]
