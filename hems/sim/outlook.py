"""What each strategy expects of the next 48 hours, from what it may know."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hems import wire
from hems.app.outlook import cars_at, expected_cars_at
from hems.app.sessions import OpenSession, SessionWatch
from hems.domain.forecast import Forecast, PriceCurve
from hems.domain.outlook import CarTask, Outlook
from hems.domain.reading import ChargerValues
from hems.domain.session import ChargingSession
from hems.domain.site import DeviceId, Site
from hems.domain.time import SLOT_S, Now, SlotGrid, floor_to
from hems.forecast.price import PublishedPrices, predict_spot
from hems.learning.load import forecast_load
from hems.learning.place import place_of_zone
from hems.learning.pv import Weather, forecast_pv
from hems.learning.sun import Plant
from hems.sim.data import HouseData
from hems.sim.foresight import OWN, Foresight
from hems.sim.knowledge import Departures, Knowledge, SlotPrices, Truth, published_until

PRICE_MEMORY = timedelta(days=33)
"""Counted from the end of what is published, so that a prediction is the same whenever it is made."""
SUN_MEMORY_SLOTS = 29 * 96
"""Past light that tells how a plant answers to it."""
LONGEST_WAIT_SLOTS = 100
"""From one publication to the next: a day of 25 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAhead:
    """Prices from one publication until beyond the next one."""

    known_until: datetime
    grid: SlotGrid
    import_eur_per_kwh: tuple[float, ...]
    export_eur_per_kwh: tuple[float, ...]
    published_count: int

    def on(self, grid: SlotGrid) -> tuple[tuple[float, ...], tuple[float, ...], int]:
        """Import, export, and how many slots are published, on a later grid."""
        first = self.grid.whole_slots_before(grid.start_at)
        part = slice(first, first + grid.count)
        published = min(max(self.published_count - first, 0), grid.count)
        return self.import_eur_per_kwh[part], self.export_eur_per_kwh[part], published


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCars:
    """Of a checkpoint."""

    present: dict[DeviceId, OpenSession]
    stays: dict[DeviceId, list[ChargingSession]] | None


@dataclass(slots=True, kw_only=True)
class Outlooks:
    """Makes outlooks for one strategy of one house. Predicts prices once for each publication."""

    site: Site
    data: HouseData
    knowledge: Knowledge
    truth: Truth | None
    """None for a strategy that must forecast everything: it then has no way to peek."""
    foresight: Foresight = OWN
    """What of the truth it is given."""
    _price_curve: PriceAhead | None = None
    _watch: SessionWatch = field(default_factory=SessionWatch)
    _chargers: Mapping[DeviceId, ChargerValues] = field(default_factory=dict)
    _stays: dict[DeviceId, list[ChargingSession]] | None = None
    """Stays that have ended: those of the data before the run, then those of the run; None before the first look."""

    def see_cars(self, chargers: Mapping[DeviceId, ChargerValues], now: Now) -> None:
        """What chargers say now, at each tick: departures are learned from it."""
        if self._stays is None:
            self._stays = {each.id: self.knowledge.stays(now.at) for each in self.site.chargers[:1]}
        self._chargers = chargers
        for device_id, ended in self._watch.see(chargers, now.at).items():
            if ended is not None:
                self._stays.setdefault(device_id, []).append(ended)

    def state(self) -> dict[str, Any]:
        """What was seen of cars, as JSON."""
        seen: dict[str, Any] = json.loads(wire.fast_json(SeenCars(present=self._watch.present, stays=self._stays)))
        return seen

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        seen = wire.parse(SeenCars, json.dumps(state), source="checkpoint")
        self._watch.present, self._stays = dict(seen.present), seen.stays

    def __post_init__(self) -> None:
        if self.truth is None and not self.foresight.is_own:
            raise ValueError(f"without the truth nothing can be foreseen: {self.foresight}")

    def at(self, now: Now) -> Outlook:
        """The outlook of this moment. Shorter than the horizon only where the data ends."""
        start_at = floor_to(now.at, SLOT_S)
        left = self.data.grid.count - self.data.slot_index(start_at)
        grid = SlotGrid(start_at=start_at, count=min(self.foresight.horizon_slots, left))
        buy, sell, published = self._prices(now, grid)
        cars = tuple(self._cars(now, grid))
        return Outlook(
            grid=grid,
            import_price_eur_per_kwh=buy,
            export_price_eur_per_kwh=sell,
            published_count=published,
            load=self._load(now, grid),
            pv=self._pv(now, grid),
            cars=cars,
            expected_cars=() if self.foresight.cars else self._expected_cars(cars, now),
            outdoor_c=self._outdoor_c(now, grid) if self.site.heat_pumps else None,
        )

    def _prices(self, now: Now, grid: SlotGrid) -> tuple[tuple[float, ...], tuple[float, ...], int]:
        if self.truth is not None and self.foresight.prices:
            known = self.truth.prices(grid)
            return known.import_eur_per_kwh, known.export_eur_per_kwh, grid.count
        if self.site.tariff.area is None and not self.data.prices_given:
            return self._contract_prices(grid)
        known_until = published_until(now.at, self.site.zone)
        if self._price_curve is None or self._price_curve.known_until != known_until:
            self._price_curve = self._predict_prices(now, grid, known_until)
        return self._price_curve.on(grid)

    def _contract_prices(self, grid: SlotGrid) -> tuple[tuple[float, ...], tuple[float, ...], int]:
        """Nothing has to be published where the contract says it all."""
        buy = tuple(self.site.import_price_eur_per_kwh(0.0, at) for at in grid.starts())
        sell = tuple(self.site.export_price_eur_per_kwh(0.0, at) for at in grid.starts())
        return buy, sell, grid.count

    def _predict_prices(self, now: Now, grid: SlotGrid, known_until: datetime) -> PriceAhead:
        """Published prices and their continuation, for every horizon until more is published."""
        since_at = max(self.data.grid.start_at, known_until - PRICE_MEMORY)
        known = self.knowledge.prices(now.at, since_at=since_at)
        longer = SlotGrid(start_at=grid.start_at, count=grid.count + LONGEST_WAIT_SLOTS)
        if known.spot_eur_per_kwh is not None and not self.data.prices_given:
            curve = self._continued(known, known.spot_eur_per_kwh, longer)
            spots, published_count = curve.spot_eur_per_kwh, curve.published_count
            buy, sell = (
                tuple(map(price, spots, longer.starts()))
                for price in (self.site.import_price_eur_per_kwh, self.site.export_price_eur_per_kwh)
            )
        else:
            bought = self._continued(known, known.import_eur_per_kwh, longer)
            buy, published_count = bought.spot_eur_per_kwh, bought.published_count
            sell = self._continued(known, known.export_eur_per_kwh, longer).spot_eur_per_kwh
        return PriceAhead(
            known_until=known_until,
            grid=longer,
            import_eur_per_kwh=buy,
            export_eur_per_kwh=sell,
            published_count=published_count,
        )

    def _continued(self, known: SlotPrices, series: Sequence[float], grid: SlotGrid) -> PriceCurve:
        """A series of prices on a grid that goes beyond it."""
        published = PublishedPrices(start_at=known.grid.start_at, spot_eur_per_kwh=series)
        return predict_spot(published, grid=grid, zone=self.site.zone)

    def _load(self, now: Now, grid: SlotGrid) -> Forecast:
        error_ratio = self.foresight.load_error_ratio
        if self.truth is not None and error_ratio == 0:
            return Forecast.certain(self.truth.load_w(grid), grid=grid, issued_at=now.at)
        history = self.knowledge.history(now.at, "load_w")
        own = forecast_load(history, grid=grid, issued_at=now.at, zone=self.site.zone)
        return own if self.truth is None else _nearer(own, self.truth.load_w(grid), error_ratio)

    def _pv(self, now: Now, grid: SlotGrid) -> dict[DeviceId, Forecast]:
        """The folder has one series for all plants: each gets its part by peak power."""
        peak_w = sum(plant.peak_w for plant in self.site.pv)
        if peak_w <= 0:
            return {}
        error_ratio = self.foresight.pv_error_ratio
        if self.truth is not None and error_ratio == 0:
            whole = Forecast.certain(self.truth.pv_w(grid), grid=grid, issued_at=now.at)
        else:
            history = self.knowledge.history(now.at, "pv_w")
            own = forecast_pv(
                history,
                grid=grid,
                issued_at=now.at,
                zone=self.site.zone,
                plant=_plant_of(self.site),
                weather=self._weather(now, grid),
            )
            whole = own if self.truth is None else _nearer(own, self.truth.pv_w(grid), error_ratio)
        return {plant.id: whole.scaled(plant.peak_w / peak_w) for plant in self.site.pv}

    def _weather(self, now: Now, grid: SlotGrid) -> Weather | None:
        """Irradiance of the last weeks and of the grid; None where the folder has none."""
        if self.data.ghi_wm2 is None:
            return None
        first = max(0, self.data.slot_index(grid.start_at) - SUN_MEMORY_SLOTS)
        longer = SlotGrid(
            start_at=self.data.grid.slot_start(first),
            count=grid.count + self.data.slot_index(grid.start_at) - first,
        )
        known = self.knowledge.weather_forecast(now.at, longer)
        return Weather(start_at=longer.start_at, ghi_wm2=known.ghi_wm2, air_c=known.temp_c)

    def _cars(self, now: Now, grid: SlotGrid) -> list[CarTask]:
        if self.truth is not None and self.foresight.cars and self.site.chargers:
            return [
                CarTask(
                    device_id=self.site.chargers[0].id,
                    arrival_at=session.plugin_at,
                    departure_at=session.plugout_at,
                    session_target_wh=session.energy_wh,
                )
                for session in self.truth.sessions(now.at, grid.end_at)
            ]
        if self.knowledge.departures == "learned":
            return list(cars_at(self.site, self._chargers, self._watch.arrivals_at, self._stays or {}, now))
        tasks = []
        for charger in self.site.chargers:
            told = self.knowledge.car_told(now.at, charger.id)
            if told is not None:
                tasks.append(
                    CarTask(
                        device_id=charger.id,
                        arrival_at=grid.start_at,
                        departure_at=told.departure_at,
                        session_target_wh=told.energy_wh,
                    )
                )
        return tasks

    def _expected_cars(self, present: Sequence[CarTask], now: Now) -> tuple[CarTask, ...]:
        return expected_cars_at(self.site, self._chargers, present, self._stays or {}, now)

    def _outdoor_c(self, now: Now, grid: SlotGrid) -> tuple[float, ...] | None:
        if self.truth is not None and self.foresight.weather:
            forecast = self.truth.temp_c(grid)
        else:
            forecast = self.knowledge.weather_forecast(now.at, grid).temp_c
        known = [value for value in forecast if value is not None]
        if not known:
            return None
        last = known[0]
        filled = []
        for value in forecast:
            last = last if value is None else value
            filled.append(last)
        return tuple(filled)


def outlooks_for(
    foresight: Foresight | None, site: Site, data: HouseData, *, seed: int, departures: Departures
) -> Outlooks | None:
    """How a strategy looks ahead, by what it is given of the truth; None for those that do not."""
    if foresight is None:
        return None
    return Outlooks(
        site=site,
        data=data,
        knowledge=Knowledge(site, data, seed=seed, departures=departures, history_days=foresight.history_days),
        truth=None if foresight.is_own else Truth(data),
        foresight=foresight,
    )


def _plant_of(site: Site) -> Plant:
    """All modules of a site, at the principal place of its time zone: a simulation folder says no other."""
    place = place_of_zone(site.timezone)
    return Plant(
        planes=tuple(plane for plant in site.pv for plane in plant.planes),
        latitude_deg=place.latitude_deg,
        longitude_deg=place.longitude_deg,
    )


def _nearer(forecast: Forecast, true_w: Sequence[float], error_ratio: float) -> Forecast:
    """A forecast with part of its error."""
    if error_ratio == 1:
        return forecast

    def moved(values_w: Sequence[float]) -> tuple[float, ...]:
        return tuple(true + error_ratio * (value - true) for value, true in zip(values_w, true_w, strict=True))

    return forecast.mapped(moved)
