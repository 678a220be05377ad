"""What a simulated controller may know, and what only the truth knows.

``Knowledge`` holds the whole future privately and answers by the rules of the design page: measurements up to now in
whole slots, published prices, the car that is plugged in, weather as a forecast. ``Truth`` answers everything, for
the strategies that say so in their name. ``replace_future`` makes data whose unknowable part lies: a controller whose
answers change with it has peeked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from hems.domain.forecast import SlotHistory
from hems.domain.session import ChargingSession
from hems.domain.site import DeviceId, Site
from hems.domain.time import SLOT_S, SlotGrid, civil_day, floor_to, local_day, unix_s
from hems.sim.data import HouseData, Session
from hems.sim.series import FloatArray

PUBLICATION_TIME = time(13)
"""Local time from which the prices of the next day are known."""
TEMPERATURE_ERROR_K = 1.0
"""Standard deviation of the temperature forecast 24 h ahead."""
IRRADIANCE_ERROR_RATIO = 0.25
"""Standard deviation of the irradiance forecast 24 h ahead, of the true value."""
SUNSHINE_ERROR_RATIO = 0.2
"""Standard deviation of the forecast share of sunshine 24 h ahead."""
ERROR_MEMORY_H = 24.0
"""Time constant of the first-order autoregressive error along the lead time."""
DAY_SLOTS = 86_400 // SLOT_S
ISSUE_S = 3_600
"""A new weather forecast each hour."""

Column = Literal["load_w", "pv_w"]
Departures = Literal["told", "learned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPrices:
    """Known prices per slot [EUR/kWh]; spot is None where only household prices are given."""

    grid: SlotGrid
    import_eur_per_kwh: tuple[float, ...]
    export_eur_per_kwh: tuple[float, ...]
    spot_eur_per_kwh: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarTold:
    """What the household tells about the car that is plugged in."""

    energy_wh: float
    """Wanted in the whole session, from plug-in on; what is charged already is in the charger's reading."""
    departure_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherForecast:
    """Weather per slot; None where nobody measured it, or the folder has no such column."""

    issued_at: datetime
    grid: SlotGrid
    temp_c: tuple[float | None, ...]
    ghi_wm2: tuple[float | None, ...]
    sunshine_ratio: tuple[float | None, ...]


def published_until(now: datetime, zone: ZoneInfo) -> datetime:
    """First instant without a published price: end of local day D+1 from 13:00 of day D, else end of day D."""
    today = local_day(now, zone)
    tomorrow_is_known = now.astimezone(zone).time() >= PUBLICATION_TIME
    return civil_day(today + timedelta(days=1) if tomorrow_is_known else today, zone).end_at


class Knowledge:
    """The rules of knowing, for one house. Without memory: the same question at the same time, the same answer."""

    def __init__(
        self,
        site: Site,
        data: HouseData,
        *,
        seed: int,
        departures: Departures = "told",
        history_days: int | None = None,
    ) -> None:
        self._data = data
        self._zone = site.zone
        self._seed = seed
        self.departures: Departures = departures
        self._history_slots = data.grid.count if history_days is None else history_days * DAY_SLOTS
        self._first_charger = site.chargers[0].id if site.chargers else None
        self._measured: dict[str, list[float | None]] = {
            "load_w": [None if math.isnan(value) else value for value in data.measured_load_w.tolist()],
            "pv_w": [None if math.isnan(value) else value for value in data.measured_pv_w.tolist()],
        }
        unknown = np.isnan(data.import_eur_per_kwh) | np.isnan(data.export_eur_per_kwh)
        self._unpriced: list[int] = np.flatnonzero(unknown).tolist()

    def history(self, now: datetime, column: Column) -> SlotHistory:
        """Measured slot means from the start of the data (or the days that are remembered) to the last whole slot.

        ``load_w`` is all load that nothing controls; ``pv_w`` what the sun gave, as if nothing had been curtailed.
        """
        count = self._data.grid.whole_slots_before(now)
        first = max(0, count - self._history_slots)
        return SlotHistory(start_at=self._data.grid.slot_start(first), mean_w=self._measured[column][first:count])

    def prices(self, now: datetime, *, since_at: datetime) -> SlotPrices:
        """Published prices from the slot of ``since_at`` (past prices are known) to the end of what is published.

        Raises:
            ValueError: nothing is known from ``since_at`` on.
        """
        grid = self._data.grid
        first = grid.whole_slots_before(since_at)
        priced = set(self._unpriced)
        while first in priced and grid.slot_start(first) < floor_to(now, SLOT_S):
            first += 1  # before the price file begins nothing was published
        end = grid.whole_slots_before(published_until(now, self._zone))
        end = next((slot for slot in self._unpriced if first <= slot < end), end)
        return slot_prices(self._data, first=first, end=end)

    def car_told(self, now: datetime, charger: DeviceId) -> CarTold | None:
        """Energy and departure of the car at a charger, at and after its plug-in only.

        None while no car is there, and always when departures are to be learned.
        """
        if self.departures == "learned" or charger != self._first_charger:
            return None
        for session in self._data.sessions:
            if session.plugin_at <= now < session.plugout_at:
                return CarTold(energy_wh=session.energy_wh, departure_at=session.plugout_at)
        return None

    def stays(self, now: datetime) -> list[ChargingSession]:
        """What the first charger has seen: stays that have ended, with what cars took that were not held back."""
        since_at = now - timedelta(seconds=SLOT_S * self._history_slots)
        return [
            ChargingSession(plugged_at=each.plugin_at, unplugged_at=each.plugout_at, energy_wh=each.energy_wh)
            for each in self._data.sessions
            if since_at <= each.plugin_at and each.plugout_at <= now
        ]

    def weather_forecast(self, now: datetime, grid: SlotGrid) -> WeatherForecast:
        """Forecast of the hour: measured weather plus a seeded error that grows with the lead time.

        One error per hour of issue: first-order autoregressive along the lead time with a memory of 24 h, 0 at the
        issue and with standard deviation 1 K, 25 % of irradiance and 0.2 of the share of sunshine 24 h ahead.
        Errors of two issues are independent. Slots that have ended show what was measured.
        """
        issued_at = floor_to(now, ISSUE_S)
        lead_h = [(start_at - issued_at) / timedelta(hours=1) for start_at in grid.starts()]
        errors = autoregressive_errors(lead_h, seed=[self._seed, 5, round(unix_s(issued_at)) // ISSUE_S])
        data = self._data
        return WeatherForecast(
            issued_at=issued_at,
            grid=grid,
            temp_c=self._expected(data.temp_c, grid, TEMPERATURE_ERROR_K * errors[0]),
            ghi_wm2=self._expected(data.ghi_wm2, grid, IRRADIANCE_ERROR_RATIO * errors[1], relative=True),
            sunshine_ratio=self._expected(
                data.sunshine_ratio, grid, SUNSHINE_ERROR_RATIO * errors[1], lower=0.0, upper=1.0
            ),
        )

    def _expected(
        self,
        values: FloatArray | None,
        grid: SlotGrid,
        error: FloatArray,
        *,
        relative: bool = False,
        lower: float = -math.inf,
        upper: float = math.inf,
    ) -> tuple[float | None, ...]:
        if values is None:
            return (None,) * grid.count
        slots = _slot_numbers(self._data.grid, grid)
        inside = (slots >= 0) & (slots < len(values))
        true = np.where(inside, values[np.clip(slots, 0, len(values) - 1)], np.nan)
        expected = np.maximum(true * (1 + error), 0.0) if relative else np.clip(true + error, lower, upper)
        return tuple(None if math.isnan(value) else value for value in expected.tolist())


class Truth:
    """Everything that will happen; for the strategies ``informed`` (load and PV) and ``perfect`` (all)."""

    def __init__(self, data: HouseData) -> None:
        self._data = data

    def load_w(self, grid: SlotGrid) -> tuple[float, ...]:
        """True load that nothing controls. ValueError outside the data."""
        return self._slice(self._data.uncontrolled_load_w, grid)

    def pv_w(self, grid: SlotGrid) -> tuple[float, ...]:
        """True available production of all plants, >= 0. ValueError outside the data."""
        return self._slice(self._data.pv_w, grid)

    def temp_c(self, grid: SlotGrid) -> tuple[float | None, ...]:
        """True outdoor temperature; None where the folder has none. ValueError outside the data."""
        if self._data.temp_c is None:
            return (None,) * grid.count
        return tuple(None if math.isnan(value) else value for value in self._slice(self._data.temp_c, grid))

    def prices(self, grid: SlotGrid) -> SlotPrices:
        """All prices, published or not. ValueError outside the data or where a price is missing."""
        first = self._first(grid)
        return slot_prices(self._data, first=first, end=first + grid.count)

    def sessions(self, start_at: datetime, end_at: datetime) -> Sequence[Session]:
        """Stays of the car that touch an interval, in order."""
        return [each for each in self._data.sessions if each.plugin_at < end_at and each.plugout_at > start_at]

    def _first(self, grid: SlotGrid) -> int:
        slots = _slot_numbers(self._data.grid, grid)
        if slots[0] < 0 or slots[-1] >= self._data.grid.count:
            raise ValueError(f"the truth ends at {self._data.grid.end_at.isoformat()}: {grid} is outside")
        return int(slots[0])

    def _slice(self, values: FloatArray, grid: SlotGrid) -> tuple[float, ...]:
        first = self._first(grid)
        return tuple(values[first : first + grid.count].tolist())


def slot_prices(data: HouseData, *, first: int, end: int) -> SlotPrices:
    """Prices of the slots ``first .. end - 1``. ValueError when there is none or one is missing."""
    if end <= first:
        raise ValueError(f"no price is known from {data.grid.slot_start(first).isoformat()} on")
    import_eur = tuple(data.import_eur_per_kwh[first:end].tolist())
    export_eur = tuple(data.export_eur_per_kwh[first:end].tolist())
    if any(map(math.isnan, import_eur)) or any(map(math.isnan, export_eur)):
        raise ValueError(f"a price is missing between slots {first} and {end}")
    spot = data.spot_eur_per_kwh
    return SlotPrices(
        grid=SlotGrid(start_at=data.grid.slot_start(first), count=end - first),
        import_eur_per_kwh=import_eur,
        export_eur_per_kwh=export_eur,
        spot_eur_per_kwh=None if spot is None else tuple(spot[first:end].tolist()),
    )


def replace_future(data: HouseData, at: datetime, rng: np.random.Generator) -> HouseData:
    """The same past, another future: all that cannot be known at ``at`` is replaced by noise.

    Load and PV from the slot under way on, prices from the end of what is published on, sessions that have not begun.
    Weather stays, because forecasts are made from it.
    """
    slot = data.grid.whole_slots_before(at)
    unpublished = data.grid.whole_slots_before(published_until(at, ZoneInfo(data.timezone)))
    shift_w = {name: rng.uniform(100, 3_000, data.grid.count) for name in ("load", "pv")}
    shift_eur = rng.uniform(0.5, 2.0, data.grid.count)

    def lie(values: FloatArray, shift: FloatArray, start: int) -> FloatArray:
        changed = values.copy()
        changed[start:] = np.nan_to_num(changed[start:]) + shift[start:]
        return changed

    began = tuple(session for session in data.sessions if session.plugin_at <= at)
    future = tuple(
        replace(session, energy_wh=session.energy_wh + float(rng.uniform(1_000, 5_000)))
        for session in data.sessions[len(began) :: 2]
    )
    spot = data.spot_eur_per_kwh
    return replace(
        data,
        load_w=lie(data.load_w, shift_w["load"], slot),
        pv_w=lie(data.pv_w, shift_w["pv"], slot),
        measured_load_w=lie(data.measured_load_w, shift_w["load"], slot),
        measured_pv_w=lie(data.measured_pv_w, shift_w["pv"], slot),
        import_eur_per_kwh=lie(data.import_eur_per_kwh, shift_eur, unpublished),
        export_eur_per_kwh=lie(data.export_eur_per_kwh, shift_eur, unpublished),
        spot_eur_per_kwh=None if spot is None else lie(spot, shift_eur, unpublished),
        sessions=(*began, *future),
    )


def _slot_numbers(own: SlotGrid, wanted: SlotGrid) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if wanted.slot_s != SLOT_S:
        raise ValueError(f"slots of {SLOT_S} s are known, not of {wanted.slot_s} s")
    offset, rest = divmod(unix_s(wanted.start_at) - unix_s(own.start_at), SLOT_S)
    if rest:
        raise ValueError(f"{wanted.start_at.isoformat()} is not the start of a slot")
    return np.arange(wanted.count, dtype=np.int64) + int(offset)


def autoregressive_errors(lead_h: Sequence[float], *, seed: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """Two independent error paths with standard deviation 1 at a lead of 24 h, 0 at leads <= 0."""
    generator = np.random.default_rng(list(seed))
    count = max(1, math.ceil(max(lead_h) * 4) + 1)
    keep = math.exp(-0.25 / ERROR_MEMORY_H)
    end_sd = 1 / math.sqrt(1 - math.exp(-2 * 24.0 / ERROR_MEMORY_H))
    steps = generator.normal(size=(count, 2)) * end_sd * math.sqrt(1 - keep**2)
    paths = np.zeros((count + 1, 2))
    for step in range(count):
        paths[step + 1] = keep * paths[step] + steps[step]
    index = [max(0, round(lead * 4)) for lead in lead_h]
    return paths[index, 0], paths[index, 1]
