"""Outdoor temperature and sun of the days ahead, from Open-Meteo (CC BY 4.0; free for non-commercial use, no key)."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Protocol

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

from hems.domain.time import SLOT_S, SlotGrid, from_unix_s, unix_s
from hems.ports import Clock
from hems.sources.answer import SourceTroubleError, ask

OPEN_METEO_URL: Final = "https://api.open-meteo.com"
HORIZON_MIN_S: Final = 86_400
"""A forecast that ends sooner is of no use for planning."""
OUTDOOR_RANGE_C: Final = (-60.0, 60.0)
GHI_MAX_WM2: Final = 1_500.0
"""A quarter hour at the edge of a cloud can exceed the sun above the atmosphere (1361), not by more than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherForecast:
    """Weather per slot of 900 s, means over the slot."""

    issued_at: datetime
    """When it was fetched."""
    grid: SlotGrid
    outdoor_c: tuple[float, ...]
    ghi_wm2: tuple[float, ...]
    """Global horizontal irradiance, >= 0."""
    source: str


class WeatherSource(Protocol):
    """A server that forecasts."""

    @property
    def name(self) -> str:
        """As it is shown."""
        ...

    async def fetch(self, latitude_deg: float, longitude_deg: float) -> WeatherForecast:
        """The forecast of a place from now on, at least a day.

        Raises:
            SourceTroubleError: nothing that can be used came.
        """
        ...


class OpenMeteo:
    """api.open-meteo.com. Implements :class:`WeatherSource`."""

    name = "Open-Meteo"

    def __init__(self, session: aiohttp.ClientSession, clock: Clock, url: str = OPEN_METEO_URL) -> None:
        """``url`` is without path."""
        self._session = session
        self._clock = clock
        self._url = url

    async def fetch(self, latitude_deg: float, longitude_deg: float) -> WeatherForecast:
        """The forecast from now on; see :class:`WeatherSource`. The place is told to 1 km, not to the house."""
        parameters = {
            "latitude": f"{latitude_deg:.2f}",
            "longitude": f"{longitude_deg:.2f}",
            "minutely_15": "temperature_2m,shortwave_radiation",
            "timezone": "UTC",
            "timeformat": "unixtime",
            "forecast_days": "4",
        }
        answer = await ask(
            self._session, f"{self._url}/v1/forecast", parameters, name=self.name, model=_OpenMeteoAnswer
        )
        units = answer.minutely_15_units
        if (units.temperature_2m, units.shortwave_radiation) != ("°C", "W/m²"):
            message = f"{units.temperature_2m[:20]!r} and {units.shortwave_radiation[:20]!r}"
            raise SourceTroubleError(f"{self.name}: weather in {message} instead of °C and W/m²")
        return checked_weather(
            answer.minutely_15.time,
            answer.minutely_15.temperature_2m,
            answer.minutely_15.shortwave_radiation,
            now=self._clock.now(),
            source=self.name,
        )


def checked_weather(
    times_s: Sequence[int],
    outdoor_c: Sequence[float | None],
    ghi_wm2: Sequence[float | None],
    *,
    now: datetime,
    source: str,
) -> WeatherForecast:
    """A forecast if it is beyond doubt; it ends where the first value is missing.

    Args:
        times_s: seconds since 1970, a quarter hour apart.
        outdoor_c: temperature at these moments.
        ghi_wm2: mean radiation of the quarter hour before each of them.
        now: must be covered, with a day ahead.
        source: whom a message names.

    Raises:
        SourceTroubleError: gaps, shifted times, too short, or values that cannot be.
    """
    if not len(times_s) == len(outdoor_c) == len(ghi_wm2):
        raise SourceTroubleError(f"{source}: {len(times_s)} times, {len(outdoor_c)} and {len(ghi_wm2)} values")
    count = next(
        (index for index, pair in enumerate(zip(outdoor_c, ghi_wm2, strict=True)) if None in pair), len(times_s)
    )
    moments = times_s[:count]
    if any(after - before != SLOT_S for before, after in itertools.pairwise(moments)):
        raise SourceTroubleError(f"{source}: times that are not a quarter hour apart")
    now_s = unix_s(now)
    if count < 2 or moments[0] % SLOT_S or moments[0] > now_s or moments[-1] < now_s + HORIZON_MIN_S:
        covered = (
            f"{from_unix_s(moments[0]):%d %b %H:%M} to {from_unix_s(moments[-1]):%d %b %H:%M} UTC"
            if count
            else "nothing"
        )
        raise SourceTroubleError(f"{source}: covers {covered}, not the day from now on")
    temperatures_c = [
        _plausible(value, OUTDOOR_RANGE_C, f"{source}: outdoor temperature") for value in outdoor_c[:count]
    ]
    sun_wm2 = [_plausible(value, (-5.0, GHI_MAX_WM2), f"{source}: radiation") for value in ghi_wm2[:count]]
    return WeatherForecast(
        issued_at=now,
        grid=SlotGrid(start_at=from_unix_s(moments[0]), count=count - 1),
        outdoor_c=tuple((before + after) / 2 for before, after in itertools.pairwise(temperatures_c)),
        ghi_wm2=tuple(max(value, 0.0) for value in sun_wm2[1:]),
        source=source,
    )


def _plausible(value: float | None, bounds: tuple[float, float], what: str) -> float:
    if value is None or not math.isfinite(value) or not bounds[0] <= value <= bounds[1]:
        raise SourceTroubleError(f"{what} of {value} is absurd")
    return value


class _Units(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    temperature_2m: str
    shortwave_radiation: str


class _Series(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    time: Annotated[list[Annotated[int, Field(ge=0, lt=2**33)]], Field(max_length=5_000)]
    temperature_2m: Annotated[list[float | None], Field(max_length=5_000)]
    shortwave_radiation: Annotated[list[float | None], Field(max_length=5_000)]


class _OpenMeteoAnswer(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    minutely_15_units: _Units
    minutely_15: _Series
