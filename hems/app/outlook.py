"""What a running house expects of the hours ahead: its own measurements, published prices, weather, the cars at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hems.control.cars import CAR_DONE_WH, missed_departure_at
from hems.control.headroom import nameplate_w
from hems.domain.forecast import SlotHistory
from hems.domain.outlook import CarTask, Outlook
from hems.domain.prediction import Coordinates, PlantAsked, Prediction, PredictionRequest, PumpAsked
from hems.domain.reading import CarState, ChargerValues
from hems.domain.session import ChargingSession
from hems.domain.site import CarHabit, Charger, DeviceId, Site
from hems.domain.time import SLOT_S, Now, SlotGrid, floor_to, next_local_time
from hems.forecast.car import forecast_arrivals, forecast_stay
from hems.forecast.house import predict
from hems.forecast.price import PublishedPrices, predict_spot

HORIZON_SLOTS = 192
"""48 h: the shortest horizon at which the worth of stored energy at its end no longer matters (design, measured)."""
MEMORY_DAYS = 57
"""Measured and published days that the forecasts look at."""
MEMORY_SLOTS = MEMORY_DAYS * 96
PRICE_MEMORY = timedelta(days=7)
"""Prices that ended longer ago say nothing of today's: the household's fallback is the better guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known at a moment, immutable, so that a thread may work on it."""

    load: SlotHistory
    pv: Mapping[DeviceId, SlotHistory]
    spot: PublishedPrices | None
    """Market prices; None: none was ever published, or the tariff has none."""
    outdoor: SlotHistory | None
    """Expected outdoor temperature per slot [degrees C]; None: nobody knows."""
    cars: tuple[CarTask, ...]
    expected_cars: tuple[CarTask, ...] = ()
    month_peak_w: float = 0.0
    """Highest quarter hour of this month so far, where a capacity tariff counts it."""
    year_balance_wh: float | None = None
    """As :attr:`hems.domain.outlook.Outlook.year_balance_wh`."""
    heat: Mapping[DeviceId, SlotHistory] = field(default_factory=dict)
    """What each heat pump drew."""
    place: Coordinates | None = None
    """Where the house stands; None: nobody said."""
    ghi_wm2: SlotHistory | None = None
    """Irradiance as it was and is forecast; None: nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Household prices on a grid, and where they come from."""

    grid: SlotGrid
    import_eur_per_kwh: tuple[float, ...]
    export_eur_per_kwh: tuple[float, ...]
    published_count: int
    fallback: bool
    """No market price is known: the fallback of the site file."""


def horizon_at(now: Now) -> SlotGrid:
    """The slots that are planned at a moment."""
    return SlotGrid(start_at=floor_to(now.at, SLOT_S), count=HORIZON_SLOTS)


def request_of(site: Site, known: Known, now: Now) -> PredictionRequest:
    """What is to be forecast for the next 48 hours, and all that may be known for it."""
    return PredictionRequest(
        issued_at=now.at,
        grid=horizon_at(now),
        timezone=site.zone.key,
        place=known.place,
        load=known.load,
        plants=tuple(
            PlantAsked(device_id=plant.id, planes=plant.planes, history=known.pv[plant.id])
            for plant in site.pv
            if plant.id in known.pv and plant.peak_w > 0
        ),
        pumps=tuple(PumpAsked(device_id=pump_id, history=drawn) for pump_id, drawn in known.heat.items()),
        ghi_wm2=known.ghi_wm2,
        outdoor_c=known.outdoor,
    )


def outlook_at(site: Site, known: Known, now: Now, prediction: Prediction | None = None) -> Outlook:
    """The outlook of this moment on the next 48 hours; forecasts of the standard library where none are given."""
    grid = horizon_at(now)
    prediction = prediction or predict(request_of(site, known, now))
    priced = prices_on(site, known.spot, grid, now)
    return Outlook(
        grid=grid,
        import_price_eur_per_kwh=priced.import_eur_per_kwh,
        export_price_eur_per_kwh=priced.export_eur_per_kwh,
        published_count=priced.published_count,
        load=prediction.load,
        pv=prediction.pv,
        cars=known.cars,
        expected_cars=known.expected_cars,
        heat=prediction.heat,
        month_peak_w=known.month_peak_w,
        year_balance_wh=known.year_balance_wh,
        outdoor_c=None if known.outdoor is None or not site.heat_pumps else _steady(known.outdoor, grid),
    )


def prices_on(site: Site, spot: PublishedPrices | None, grid: SlotGrid, now: Now) -> Prices:
    """Prices per slot: published, then as the last weeks suggest; the fallback where there were none for a week."""
    tariff = site.tariff
    published_count, fallback = grid.count, False
    if tariff.area is None:
        spots: Sequence[float] = (0.0,) * grid.count
    elif spot is None or _end_at(spot) < now.at - PRICE_MEMORY:
        spots, published_count, fallback = (tariff.fallback_spot_eur_per_kwh,) * grid.count, 0, True
    else:
        curve = predict_spot(spot, grid=grid, zone=site.zone)
        spots, published_count = curve.spot_eur_per_kwh, curve.published_count
    starts = tuple(grid.starts())
    return Prices(
        grid=grid,
        import_eur_per_kwh=tuple(map(site.import_price_eur_per_kwh, spots, starts)),
        export_eur_per_kwh=tuple(map(site.export_price_eur_per_kwh, spots, starts)),
        published_count=published_count,
        fallback=fallback,
    )


def cars_at(
    site: Site,
    chargers: Mapping[DeviceId, ChargerValues],
    arrivals_at: Mapping[DeviceId, datetime],
    sessions: Mapping[DeviceId, Sequence[ChargingSession]],
    now: Now,
) -> tuple[CarTask, ...]:
    """Tasks of the cars that are plugged in, by what the household has told and by the stays that were seen.

    What the household has told holds; what was seen says which other ends are likely. Where it has told nothing, a car
    is planned for what was seen, and where that is too little as well, it has no task and charges at once.

    Args:
        site: chargers with their habits.
        chargers: what those say that answer.
        arrivals_at: since when a car has been seen at each charger.
        sessions: stays that have ended, by charger.
        now: this moment.
    """
    tasks: list[CarTask] = []
    for charger in site.chargers:
        values = chargers.get(charger.id)
        if values is None or values.car is CarState.ABSENT:
            continue
        arrival_at = min(arrivals_at.get(charger.id, now.at), now.at)
        found = forecast_stay(
            sessions.get(charger.id, ()),
            habit=charger.habit,
            arrived_at=arrival_at,
            charged_wh=values.session_energy_wh,
            now_at=now.at,
            zone=site.zone,
        )
        if found is None:
            continue
        departure_at, target_wh = found.departure_at, found.energy_wh
        if charger.habit is not None:
            late_at = _late_departure_at(charger, charger.habit, values, arrival_at, site.zone, now)
            departure_at = late_at or next_local_time(now.at, charger.habit.departure_s, site.zone)
            target_wh = charger.habit.energy_wh
        tasks.append(
            CarTask(
                device_id=charger.id,
                arrival_at=arrival_at,
                departure_at=departure_at,
                session_target_wh=target_wh,
                ends=found.ends,
            )
        )
    return tuple(tasks)


def expected_cars_at(
    site: Site,
    chargers: Mapping[DeviceId, ChargerValues],
    present: Sequence[CarTask],
    sessions: Mapping[DeviceId, Sequence[ChargingSession]],
    now: Now,
) -> tuple[CarTask, ...]:
    """Tasks of the cars that are likely to come within the horizon, where enough stays were seen.

    A car that is there is taken to leave first, when half of its likely ends have come. One that stays without a task
    says nothing of when the next one comes.
    """
    until_at = floor_to(now.at, SLOT_S) + timedelta(seconds=SLOT_S * HORIZON_SLOTS)
    found: list[CarTask] = []
    for charger in site.chargers:
        values = chargers.get(charger.id)
        task = next((each for each in present if each.device_id == charger.id), None)
        if values is None or (values.car is not CarState.ABSENT and task is None):
            continue
        free_at = now.at if task is None else max(now.at, _likely_gone_at(task))
        arrivals = forecast_arrivals(
            sessions.get(charger.id, ()), free_at=free_at, now_at=now.at, until_at=until_at, zone=site.zone
        )
        found.extend(
            CarTask(
                device_id=charger.id,
                arrival_at=each.arrival_at,
                departure_at=each.departure_at,
                session_target_wh=each.energy_wh,
                probability_ratio=each.probability_ratio,
            )
            for each in arrivals
        )
    return tuple(found)


def _likely_gone_at(task: CarTask) -> datetime:
    """When half of the likely ends have come, and not before the one that is planned for."""
    reached, gone_at = 0.0, task.departure_at
    for end in task.ends:
        if reached >= 0.5:
            break
        reached += end.probability_ratio
        gone_at = max(gone_at, end.at)
    return gone_at


def _late_departure_at(
    charger: Charger, habit: CarHabit, values: ChargerValues, arrival_at: datetime, zone: ZoneInfo, now: Now
) -> datetime | None:
    """When a car that should have left without all that it needs has got it at full power; None: it is not late.

    Whoever unplugs a few minutes after the usual time finds it as full as may be, not waiting for tomorrow's prices.
    """
    missed_at = missed_departure_at(habit, zone, now)
    missing_wh = habit.energy_wh - values.session_energy_wh
    if missed_at is None or arrival_at >= missed_at or missing_wh < CAR_DONE_WH:
        return None
    full_at = now.at + timedelta(hours=missing_wh / nameplate_w(charger))
    return min(floor_to(full_at, SLOT_S) + timedelta(seconds=SLOT_S), next_local_time(now.at, habit.departure_s, zone))


def _end_at(spot: PublishedPrices) -> datetime:
    """End of the last slot with a price."""
    last = max((i for i, price in enumerate(spot.spot_eur_per_kwh) if price is not None), default=-1)
    return spot.start_at + timedelta(seconds=spot.slot_s * (last + 1))


def _steady(outdoor: SlotHistory, grid: SlotGrid) -> tuple[float, ...] | None:
    """Temperature on the grid; a gap takes the value before it, what lies beyond the forecast the last one."""
    by_start = {outdoor.start_at + timedelta(seconds=outdoor.slot_s * i): v for i, v in enumerate(outdoor.mean_w)}
    values = [by_start.get(start_at) for start_at in grid.starts()]
    last = next((each for each in values if each is not None), None)
    if last is None:
        return None
    found: list[float] = []
    for value in values:
        last = last if value is None else value
        found.append(last)
    return tuple(found)
