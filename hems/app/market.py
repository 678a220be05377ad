"""Prices and weather as the app needs them, from whatever keeps them."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import aiohttp

from hems.domain.forecast import SlotHistory
from hems.domain.prediction import Coordinates
from hems.domain.site import Site
from hems.domain.time import SLOT_S, local_day
from hems.forecast.price import PublishedPrices
from hems.ports import Clock, Offload
from hems.sources.keeper import PriceKeeper
from hems.sources.prices import MARKET_ZONE, PriceSource, PublishedSpot, delivery_day, price_sources
from hems.sources.weather import OPEN_METEO_URL, OpenMeteo, WeatherForecast, WeatherSource
from hems.sources.weather_keeper import WeatherKeeper
from hems.store.history import SpotPrice
from hems.store.house_store import HouseStore

PRICES_KEPT = timedelta(days=36)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Which servers are asked, without path; None: the public ones."""

    prices_url: str | None = None
    """Answers as energy-charts.info does."""
    weather_url: str | None = None
    """Answers as Open-Meteo does."""


PUBLIC = Servers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is known of prices and weather, and the tasks that keep it fresh."""

    spot: Callable[[], PublishedPrices | None]
    outdoor: Callable[[], SlotHistory | None]
    ghi: Callable[[], SlotHistory | None] = lambda: None
    """Expected irradiance on the level [W/m2]."""
    place: Coordinates | None = None
    source: str
    """Where prices come from, in words."""
    tasks: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = ()
    troubles: tuple[Callable[[], str | None], ...] = ()


def public_market(
    site: Site,
    place: tuple[float, float] | None,
    *,
    store: HouseStore,
    disk: Offload,
    session: aiohttp.ClientSession,
    clock: Clock,
    dice: random.Random,
    servers: Servers = PUBLIC,
) -> Market:
    """Public servers without keys, or others that answer as they do.

    Args:
        site: its tariff says which area, its heat pumps and modules whether weather matters.
        place: latitude and longitude; None: no weather.
        store: keeps what came for the next start.
        disk: the store's thread.
        session: of HTTP.
        clock: house time.
        dice: spreads requests.
        servers: which ones.
    """
    tasks: list[tuple[str, Callable[[], Awaitable[None]]]] = []
    troubles: list[Callable[[], str | None]] = []
    spot: Callable[[], PublishedPrices | None] = _nothing
    if (area := site.tariff.area) is not None:
        sources = price_sources(session, area, servers.prices_url)
        keeper = price_keeper(site, area, sources, store=store, disk=disk, clock=clock, dice=dice)
        tasks.append(("prices", keeper.run))
        troubles.append(keeper.trouble)
        spot = spot_of(keeper.published)
    weather: WeatherKeeper | None = None
    if place is not None and (site.heat_pumps or site.pv):
        source = OpenMeteo(session, clock, servers.weather_url or OPEN_METEO_URL)
        weather = _weather_keeper(site, place, source, store=store, disk=disk, clock=clock, dice=dice)
        tasks.append(("weather", weather.run))
        troubles.append(weather.trouble)

    def outdoor() -> SlotHistory | None:
        forecast = None if weather is None else weather.forecast()
        return None if forecast is None else SlotHistory(start_at=forecast.grid.start_at, mean_w=forecast.outdoor_c)

    def ghi() -> SlotHistory | None:
        forecast = None if weather is None else weather.forecast()
        return None if forecast is None else SlotHistory(start_at=forecast.grid.start_at, mean_w=forecast.ghi_wm2)

    return Market(
        spot=spot,
        outdoor=outdoor,
        ghi=ghi,
        place=None if place is None else Coordinates(latitude_deg=place[0], longitude_deg=place[1]),
        source=f"day-ahead {site.tariff.area}",
        tasks=tuple(tasks),
        troubles=tuple(troubles),
    )


def price_keeper(
    site: Site,
    area: str,
    sources: Sequence[PriceSource],
    *,
    store: HouseStore,
    disk: Offload,
    clock: Clock,
    dice: random.Random,
) -> PriceKeeper:
    """A keeper whose days lie in the history."""

    async def load() -> Sequence[PublishedSpot]:
        now_at = clock.now()
        rows = await disk(lambda: store.history.spot(area, now_at - PRICES_KEPT, now_at + timedelta(days=3)))
        return _days(rows, area)

    async def save(spot: PublishedSpot) -> None:
        rows = _rows(spot, clock.now())
        await disk(lambda: store.history.put_spot(rows))

    return PriceKeeper(sources, area=area, zone=site.zone, load=load, save=save, clock=clock, random_source=dice)


def _weather_keeper(
    site: Site,
    place: tuple[float, float],
    source: WeatherSource,
    *,
    store: HouseStore,
    disk: Offload,
    clock: Clock,
    dice: random.Random,
) -> WeatherKeeper:
    """A keeper whose forecast lies among the documents."""
    shelf = store.documents("weather", kind=WeatherForecast)

    async def load() -> WeatherForecast | None:
        return shelf.get("latest")

    async def save(forecast: WeatherForecast) -> None:
        await disk(lambda: shelf.put("latest", forecast))

    return WeatherKeeper(
        source,
        latitude_deg=place[0],
        longitude_deg=place[1],
        zone=site.zone,
        load=load,
        save=save,
        clock=clock,
        random_source=dice,
    )


def _nothing() -> None:
    """A tariff without market prices."""


def spot_of(published: Callable[[], PublishedSpot | None]) -> Callable[[], PublishedPrices | None]:
    """Published prices per kWh and quarter hour; made once for each publication."""
    made_of: PublishedSpot | None = None
    made: PublishedPrices | None = None

    def spot() -> PublishedPrices | None:
        nonlocal made_of, made
        newest = published()
        if newest is not made_of:
            made_of, made = newest, None if newest is None else _per_kwh(newest)
        return made

    return spot


def _per_kwh(published: PublishedSpot) -> PublishedPrices:
    repeats = published.slot_s // SLOT_S
    return PublishedPrices(
        start_at=published.start_at,
        spot_eur_per_kwh=tuple(
            None if each is None else each / 1000 for each in published.eur_per_mwh for _ in range(repeats)
        ),
    )


def _rows(spot: PublishedSpot, fetched_at: datetime) -> list[SpotPrice]:
    repeats = spot.slot_s // SLOT_S
    prices = [each for each in spot.eur_per_mwh for _ in range(repeats)]
    return [
        SpotPrice(
            area=spot.area,
            start_at=spot.start_at + timedelta(seconds=SLOT_S * index),
            eur_per_kwh=price / 1000,
            source=spot.source,
            fetched_at=fetched_at,
        )
        for index, price in enumerate(prices)
        if price is not None
    ]


def _days(rows: Sequence[SpotPrice], area: str) -> list[PublishedSpot]:
    """Stored quarter hours as days of the market again; days with a hole are left out and fetched anew."""
    by_day: dict[date, list[SpotPrice]] = {}
    for row in rows:
        by_day.setdefault(local_day(row.start_at, MARKET_ZONE), []).append(row)
    found = []
    for day, own in by_day.items():
        span = delivery_day(day)
        if len(own) * SLOT_S == span.duration_s and own[0].start_at == span.start_at:
            found.append(
                PublishedSpot(
                    area=area,
                    start_at=span.start_at,
                    slot_s=SLOT_S,
                    eur_per_mwh=tuple(round(each.eur_per_kwh * 1000, 6) for each in own),
                    source=own[0].source,
                )
            )
    return found
