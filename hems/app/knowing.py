"""What the house knows at a moment: its own past, published prices, weather. In memory, loaded from disk at start."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hems.app.measuring import Means, Recent
from hems.app.month_peak import MonthPeak
from hems.app.outlook import MEMORY_SLOTS, Known, Prices, cars_at, expected_cars_at, horizon_at, prices_on
from hems.app.plan_view import PAST_SLOTS, Measured
from hems.app.recorder import GRID, LOAD, SKY, level_series, power_series, sun_series
from hems.app.year_balance import YearBalance, settled
from hems.control.estimate import DEVICE_AGE_MAX_S, Estimate
from hems.domain.forecast import SlotHistory
from hems.domain.prediction import Coordinates
from hems.domain.reading import PvValues, Reading
from hems.domain.session import ChargingSession
from hems.domain.site import DeviceId, Site
from hems.domain.time import SLOT_S, Now, SlotGrid, floor_to
from hems.explain.words import cents, clock
from hems.forecast.price import PublishedPrices
from hems.store.history import History

PRICED_SLOTS = 192
SESSION_MEMORY = timedelta(days=400)
"""Stays of cars that are read from disk: what the forecast of stays looks at."""
LEFT_OPEN_MAX = timedelta(days=7)
"""A car that was there when this last ran, longer ago, is another one by now."""
DUSK_RATIO = 0.05
"""Of a plant's peak: the mean of the last whole quarter hour before it goes to sleep is less."""


class Knowing:
    """Histories in memory, and the newest answers of the sources.

    Args:
        site: the house.
        spot: published market prices, past and coming; None: none.
        outdoor: expected outdoor temperature; None: nobody knows.
        ghi: expected irradiance; None: nobody knows. What was expected of slots that have passed is kept.
        place: where the house stands; None: nobody said.
        source: where prices come from, as ``day-ahead NL``.
    """

    def __init__(
        self,
        site: Site,
        *,
        spot: Callable[[], PublishedPrices | None],
        outdoor: Callable[[], SlotHistory | None],
        ghi: Callable[[], SlotHistory | None] = lambda: None,
        place: Coordinates | None = None,
        source: str,
    ) -> None:
        self._site = site
        self._spot = spot
        self._outdoor = outdoor
        self._ghi = ghi
        self._place = place
        self._source = source
        self._series: dict[str, Recent] = {}
        self._sessions: dict[DeviceId, list[ChargingSession]] = {}
        self._peak = MonthPeak(site)
        self._balance = YearBalance(site)
        self._priced: tuple[datetime, PublishedPrices | None, Prices] | None = None

    def load(self, history: History, now_at: datetime) -> dict[DeviceId, datetime]:
        """Read the last weeks from disk, and the stays of the last year; called once, off the loop.

        Returns:
            Since when a car was at a charger when this last ran, where none was seen to leave.
        """
        end_at = floor_to(now_at, SLOT_S)
        names = [GRID, LOAD, SKY]
        for device in self._site.controllables:
            names += [power_series(device.id), level_series(device.id)]
        names += [sun_series(plant.id) for plant in self._site.pv]
        for name in names:
            values = history.slots(name, end_at - timedelta(seconds=SLOT_S * MEMORY_SLOTS), end_at)
            self._series[name] = Recent(end_at=end_at, values=list(values), slots_max=MEMORY_SLOTS)
        drawn = self._series[GRID]
        for index, power_w in enumerate(drawn.values):
            self._note_peak(drawn.start_at + timedelta(seconds=SLOT_S * index), power_w)
        self._load_year(history, end_at)
        return self._load_sessions(history, now_at)

    def _load_year(self, history: History, end_at: datetime) -> None:
        """What was measured since the begin of the billing year, where the contract nets it."""
        rule = self._site.tariff.net_metering
        if rule is None:
            return
        begin_at, _ = rule.year_of(end_at, self._site.zone)
        for index, power_w in enumerate(history.slots(GRID, begin_at, end_at)):
            if power_w is not None:
                self._balance.note(begin_at + timedelta(seconds=SLOT_S * index), power_w)

    def _load_sessions(self, history: History, now_at: datetime) -> dict[DeviceId, datetime]:
        still_there: dict[DeviceId, datetime] = {}
        for charger in self._site.chargers:
            rows = history.sessions(charger.id, now_at - SESSION_MEMORY, now_at)
            ended = {
                each.plugged_at: ChargingSession(
                    plugged_at=each.plugged_at,
                    unplugged_at=each.unplugged_at,
                    energy_wh=each.energy_wh,
                    was_full=each.was_full,
                )
                for each in rows
                if each.unplugged_at is not None
            }
            ended |= {each.plugged_at: each for each in self._sessions.get(charger.id, ())}
            self._sessions[charger.id] = list(ended.values())
            last = rows[-1] if rows else None
            if last is not None and last.unplugged_at is None and last.plugged_at > now_at - LEFT_OPEN_MAX:
                still_there[charger.id] = last.plugged_at
        return still_there

    def session(self, device_id: DeviceId, session: ChargingSession) -> None:
        """A stay has ended."""
        self._sessions.setdefault(device_id, []).append(session)

    def expected_ghi_wm2(self, start_at: datetime) -> float | None:
        """What is expected of a slot now."""
        return _expected(self._ghi(), start_at)

    def expected_outdoor_c(self, start_at: datetime) -> float | None:
        """What is expected of a slot now."""
        return _expected(self._outdoor(), start_at)

    def slot(self, means: Means) -> None:
        """A quarter hour has ended."""
        self._put(GRID, means.start_at, means.grid_power_w)
        self._note_peak(means.start_at, means.grid_power_w)
        if means.grid_power_w is not None:
            self._balance.note(means.start_at, means.grid_power_w)
        self._put(LOAD, means.start_at, means.load_power_w)
        self._put(SKY, means.start_at, means.ghi_wm2)
        for device_id, power_w in means.device_power_w.items():
            self._put(power_series(device_id), means.start_at, power_w)
        for device_id, sun_w in means.sun_w.items():
            self._put(sun_series(device_id), means.start_at, sun_w)
        for device_id, level_pct in means.level_pct.items():
            self._put(level_series(device_id), means.start_at, level_pct)

    def plants_asleep(self, now: Now) -> dict[DeviceId, Reading[PvValues]]:
        """Readings of then for plants that made next to nothing in the newest quarter hour that was measured."""
        found = {}
        for plant in self._site.pv:
            recent = self._series.get(power_series(plant.id))
            last = None if recent is None else recent.last
            if last is not None and abs(last[1]) <= DUSK_RATIO * plant.peak_w:
                age_s = (now.at - last[0]).total_seconds() - SLOT_S
                # Never as young as what may be acted on.
                found[plant.id] = Reading(
                    value=PvValues(power_w=0.0), mono_s=now.mono_s - max(age_s, DEVICE_AGE_MAX_S + 1)
                )
        return found

    def known(self, seen: Estimate, arrivals_at: Mapping[DeviceId, datetime], now: Now) -> Known:
        """Everything for an outlook, immutable."""
        cars = cars_at(self._site, seen.chargers, arrivals_at, self._sessions, now)
        return Known(
            load=self._history(LOAD, now),
            pv={plant.id: self._history(sun_series(plant.id), now) for plant in self._site.pv},
            spot=self._spot(),
            outdoor=self._outdoor(),
            cars=cars,
            expected_cars=expected_cars_at(self._site, seen.chargers, cars, self._sessions, now),
            place=self._place,
            ghi_wm2=self._light(now),
            month_peak_w=self.month_peak_w(now),
            year_balance_wh=self.year_balance_wh(now),
            heat={pump.id: self._history(power_series(pump.id), now) for pump in self._site.heat_pumps},
        )

    def month_peak_w(self, now: Now) -> float:
        """Highest quarter hour of this month that a capacity tariff counts, so far; 0 without one [W]."""
        return self._peak.at(now.at)

    def year_balance_wh(self, now: Now) -> float | None:
        """As :attr:`hems.domain.outlook.Outlook.year_balance_wh`."""
        return self._balance.at(horizon_at(now))

    def priced(self, now: Now) -> Prices:
        """Household prices from the present slot on; worked out once for each slot and each publication."""
        start_at, spot = floor_to(now.at, SLOT_S), self._spot()
        if self._priced is None or self._priced[0] != start_at or self._priced[1] is not spot:
            grid = SlotGrid(start_at=start_at, count=PRICED_SLOTS)
            self._priced = (start_at, spot, self._settled(prices_on(self._site, spot, grid, now), now))
        return self._priced[2]

    def _settled(self, prices: Prices, now: Now) -> Prices:
        """Prices as the plan has them: what a kWh costs and earns once the billing year is settled."""
        buy, sell = settled(
            self._site, self.year_balance_wh(now), prices.import_eur_per_kwh, prices.export_eur_per_kwh
        )  # fmt: skip
        return replace(prices, import_eur_per_kwh=buy, export_eur_per_kwh=sell)

    def price_source(self, now: Now) -> str:
        """Where the present prices come from, in words."""
        balance_wh = self.year_balance_wh(now)
        if balance_wh is None:
            return self._contract_source(now)
        more, less = ("bought", "fed in") if balance_wh >= 0 else ("fed in", "bought")
        about = f"about {abs(balance_wh) / 1000:.0f} kWh more {more} than {less} this year"
        return f"{self._contract_source(now)}, net metered: {about}"

    def _contract_source(self, now: Now) -> str:
        if self._site.tariff.area is None:
            by_clock = self._site.tariff.import_formula.timed
            return "prices of the contract by time of day" if by_clock else "fixed price of the contract"
        priced = self.priced(now)
        if priced.fallback:
            fallback = cents(self._site.tariff.fallback_import_eur_per_kwh)
            return f"no prices from {self._source}: your fallback rate of {fallback}"
        if priced.published_count == 0:
            return f"no new prices from {self._source}: expected from the last days"
        until = clock(priced.grid.slot_start(priced.published_count), self._site.zone)
        return f"{self._source}, published until {until}"

    def measured(self, now: Now) -> Measured:
        """Means of the past hours for the plan view."""
        grid = SlotGrid(start_at=floor_to(now.at, SLOT_S) - timedelta(seconds=SLOT_S * PAST_SLOTS), count=PAST_SLOTS)
        spot = self._spot()
        spots = [None if spot is None else spot.at(start_at) for start_at in grid.starts()]
        if self._site.tariff.area is None:
            spots = [0.0] * grid.count
        balance_wh = self.year_balance_wh(now)
        prices = [self._settled_at(each, at, balance_wh) for each, at in zip(spots, grid.starts(), strict=True)]
        return Measured(
            grid_power_w=self._past(GRID, grid),
            load_power_w=self._past(LOAD, grid),
            import_eur_per_kwh=[buy for buy, _ in prices],
            export_eur_per_kwh=[sell for _, sell in prices],
            device_power_w={each.id: self._past(power_series(each.id), grid) for each in self._site.controllables},
            level_pct={each.id: self._past(level_series(each.id), grid) for each in self._site.batteries},
        )

    def _settled_at(
        self, spot_eur: float | None, at: datetime, balance_wh: float | None
    ) -> tuple[float, float] | tuple[None, None]:
        if spot_eur is None:
            return None, None
        buy, sell = self._site.import_price_eur_per_kwh(spot_eur, at), self._site.export_price_eur_per_kwh(spot_eur, at)
        (buy,), (sell,) = settled(self._site, balance_wh, (buy,), (sell,))
        return round(buy, 4), round(sell, 4)

    def _note_peak(self, start_at: datetime, grid_power_w: float | None) -> None:
        if grid_power_w is not None:
            self._peak.note(start_at, grid_power_w)

    def _put(self, name: str, start_at: datetime, value: float | None) -> None:
        if name not in self._series:
            self._series[name] = Recent(end_at=start_at, values=[], slots_max=MEMORY_SLOTS)
        self._series[name].put(start_at, value)

    def _light(self, now: Now) -> SlotHistory | None:
        """What was expected of past slots, followed by what is expected of the coming ones."""
        ahead = self._ghi()
        if ahead is None:
            return None
        past = self._history(SKY, now)
        gap = round((ahead.start_at - past.start_at) / timedelta(seconds=SLOT_S))
        if not past.mean_w or gap < 0:
            return ahead
        known = [*past.mean_w[:gap], *(None,) * max(0, gap - len(past.mean_w))]
        return SlotHistory(start_at=past.start_at, mean_w=(*known, *ahead.mean_w))

    def _history(self, name: str, now: Now) -> SlotHistory:
        recent = self._series.get(name)
        if recent is None:
            return SlotHistory(start_at=floor_to(now.at, SLOT_S), mean_w=())
        return SlotHistory(start_at=recent.start_at, mean_w=recent.values)

    def _past(self, name: str, grid: SlotGrid) -> Sequence[float | None]:
        recent = self._series.get(name)
        if recent is None:
            return (None,) * grid.count
        values = (recent.at(start_at) for start_at in grid.starts())
        return tuple(None if each is None else round(each, 1) for each in values)


def _expected(ahead: SlotHistory | None, start_at: datetime) -> float | None:
    if ahead is None:
        return None
    index = round((start_at - ahead.start_at) / timedelta(seconds=SLOT_S))
    return ahead.mean_w[index] if 0 <= index < len(ahead.mean_w) else None
