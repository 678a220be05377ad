"""Rules of the local day, in every zone that a site file may name, around every switch of its clocks and 29 February.

Method: calendar and clock on the wall are read at each quarter hour, or minute, and counted; no sum of ours is used.
"""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from hems.app.keeping import kept_of
from hems.app.month_peak import MonthPeak
from hems.config import check_text
from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.kept_forecast import ForecastKind
from hems.domain.net_metering import GridEnergy, NetMetering
from hems.domain.prediction import Prediction
from hems.domain.session import ChargingSession
from hems.domain.tariff import CapacityTariff, PriceFormula, PriceWindow, TimedPrice, TimeWindow
from hems.domain.time import SlotGrid, civil_day, local_day, local_midnight, next_local_time, time_of_day_s
from hems.forecast.car import forecast_stay
from hems.forecast.load import forecast_load
from hems.forecast.series import wall_positions
from hems.learning.wall import grid_positions
from hems.sim.tariff import WallClock, household_prices
from hems.sources.answer import SourceTroubleError
from hems.sources.prices import MARKET_ZONE, checked_day
from tests.support.houses import home_a
from tests.support.zones import LEAP_DAY_AT, QUARTER, ZONES, shown, switches, zones_and_moments
from tests.unit.config.good_site import GOOD

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MIDNIGHT = time(0)
CHANGING = [key for key in ZONES if switches(key)]
AZORES, EASTER, CAIRO = ZoneInfo("Atlantic/Azores"), ZoneInfo("Pacific/Easter"), ZoneInfo("Africa/Cairo")
BERLIN, LORD_HOWE, TROLL = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Antarctica/Troll")
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
times = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))


def switch_of(zone: ZoneInfo, year: int, *, which: int = 0) -> datetime:
    return [each for each in switches(zone.key) if each.year == year][which]


def quarters_of(day: date, zone: ZoneInfo) -> list[datetime]:
    """All quarter hours whose calendar shows a day."""
    noon_at = datetime.combine(day, time(12), tzinfo=zone).astimezone(LEAP_DAY_AT.tzinfo)
    around = (noon_at + index * QUARTER for index in range(-64, 64))
    return [at for at in around if shown(at, zone).date() == day]


def test_every_zone_begins_its_quarter_hours_with_utc() -> None:
    """Slots of every wire and record are those of UTC: no clock may change between them."""
    for key in ZONES:
        for at in (LEAP_DAY_AT, *switches(key)):
            moved = shown(at, ZoneInfo(key)).replace(tzinfo=at.tzinfo) - at
            assert not moved % QUARTER, f"{key} is off by {moved}"
            assert not at.minute % 15, f"{key} changes its clock at {at}"


@pytest.mark.parametrize("key", ["right/Europe/Berlin", "Europe", "europe/berlin", "../Berlin"])
def test_a_site_file_names_no_other_zone(key: str) -> None:
    """Clocks of ``right/`` count leap seconds: they change between two slots."""
    known = "timezone: Europe/Amsterdam"
    assert check_text(GOOD.replace(known, "timezone: Australia/Lord_Howe"), "site.yaml").site is not None
    (found,) = check_text(GOOD.replace(known, f"timezone: {key}"), "site.yaml").findings
    assert "is not a time zone" in found.message


@slow
@given(zones_and_moments())
@example((AZORES, switch_of(AZORES, 2026)))
@example((EASTER, switch_of(EASTER, 2026, which=1)))
@example((CAIRO, switch_of(CAIRO, 2026)))
@example((TROLL, switch_of(TROLL, 2026)))
def test_a_civil_day_is_the_quarter_hours_whose_calendar_shows_it(where: tuple[ZoneInfo, datetime]) -> None:
    zone, at = where
    day = shown(at, zone).date()
    expected = quarters_of(day, zone)
    span = civil_day(day, zone)
    assert [span.start_at, span.end_at] == [expected[0], expected[-1] + QUARTER]
    assert span.duration_s == 900 * len(expected)
    assert at in span
    changed = [each for each in switches(zone.key) if each in span and each != span.start_at]
    if len(expected) == 96:
        assert not changed
    assert len(expected) in (88, 92, 94, 96, 98, 100, 104)
    assert local_day(at, zone) == day
    assert civil_day(day + DAY, zone).start_at == span.end_at


@slow
@given(zones_and_moments(), times, st.integers(0, 14))
@example((BERLIN, switch_of(BERLIN, 2026)), time(2, 30), 5)
@example((BERLIN, switch_of(BERLIN, 2026, which=1)), time(2, 30), 0)
@example((LORD_HOWE, switch_of(LORD_HOWE, 2026, which=1)), time(2, 10), 0)
@example((AZORES, switch_of(AZORES, 2026)), MIDNIGHT, 0)
def test_a_time_of_day_comes_once_a_day_when_clocks_show_it_first_or_jump_over_it(
    where: tuple[ZoneInfo, datetime], wall: time, minutes: int
) -> None:
    """A departure at 02:30 is at the end of spring's gap, and at the first of autumn's two."""
    zone, at = where[0], where[1] + minutes * MINUTE
    minute_by_minute = [at + index * MINUTE for index in range(-30 * 60, 50 * 60)]
    clocks = [shown(each, zone) for each in minute_by_minute]
    days = sorted({clock.date() for clock in clocks})[1:]
    comes = [
        next(
            (at for at, clock in zip(minute_by_minute, clocks, strict=True) if clock >= datetime.combine(day, wall)), at
        )
        for day in days
    ]
    expected = next(each for each in comes if each > at)
    assert next_local_time(at, wall.hour * 3600 + wall.minute * 60, zone) == expected


@slow
@given(zones_and_moments(), st.integers(0, 95), st.integers(0, 96), st.sets(st.integers(0, 6), min_size=1))
def test_a_price_of_the_clock_counts_while_the_clock_shows_its_time(
    where: tuple[ZoneInfo, datetime], start: int, end: int, weekdays: set[int]
) -> None:
    """The planner's price of each slot, and the bill's."""
    assume(start != end)
    zone, at = where
    window = TimeWindow(start_s=900 * start, end_s=900 * end, weekdays=tuple(weekdays))
    timed = TimedPrice(otherwise_eur_per_kwh=0.2, windows=(PriceWindow(window=window, price_eur_per_kwh=0.3),))
    formula = PriceFormula(factor_ratio=0.0, add_eur_per_kwh=0.0, timed=(timed,))
    site = home_a()
    site = replace(site, timezone=zone.key, tariff=replace(site.tariff, import_formula=formula))
    span = civil_day(local_day(at, zone), zone)
    grid = SlotGrid(start_at=span.start_at, count=round(span.duration_s / 900))
    first, last = f"{start // 4:02}:{start % 4 * 15:02}", f"{end // 4:02}:{end % 4 * 15:02}"
    expected = []
    for each in grid.starts():
        text = f"{shown(each, zone):%H:%M}"
        timely = first <= text < last if first < last else (text >= first or text < last)
        expected.append(0.3 if timely and shown(each, zone).weekday() in weekdays else 0.2)
    assert [site.import_price_eur_per_kwh(0.0, each) for each in grid.starts()] == expected
    assert household_prices(formula, None, WallClock.of(grid, zone)).tolist() == expected


@slow
@given(zones_and_moments(), st.integers(1, 400))
def test_wall_positions_are_what_calendar_and_clock_show(where: tuple[ZoneInfo, datetime], count: int) -> None:
    zone, at = where
    grid = SlotGrid(start_at=at, count=count)
    clocks = [shown(each, zone) for each in grid.starts()]
    expected = [(each.date() - date(1970, 1, 1)).days * 96 + each.hour * 4 + each.minute // 15 for each in clocks]
    assert wall_positions(grid, zone) == expected
    assert grid_positions(grid, zone).tolist() == expected
    assert [time_of_day_s(each, zone) // 900 for each in grid.starts()] == [each % 96 for each in expected]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(zones_and_moments(keys=CHANGING), st.integers(0, 3), st.integers(6, 22))
@example((BERLIN, switch_of(BERLIN, 2026)), 0, 7)
@example((BERLIN, switch_of(BERLIN, 2026, which=1)), 1, 7)
def test_a_habit_stays_at_its_hour_when_the_clock_changes(
    where: tuple[ZoneInfo, datetime], later: int, hour: int
) -> None:
    """Eight days with 2 kW in an hour of the clock; forecast for two days around the switch, or just after it."""
    zone, at = where
    begins_at = local_midnight(local_day(at, zone) + later * DAY, zone)
    before = [begins_at - index * QUARTER for index in range(8 * 96, 0, -1)]
    grid = SlotGrid(start_at=begins_at, count=192)

    def usual_w(each: datetime) -> float:
        return 2_000.0 if shown(each, zone).hour == hour else 200.0

    history = SlotHistory(start_at=before[0], mean_w=tuple(map(usual_w, before)))
    forecast = forecast_load(history, grid=grid, issued_at=begins_at, zone=zone)
    assume(not any(switch.astimezone(zone).hour == hour for switch in switches(zone.key) if switch in (at, begins_at)))
    assert forecast.mean_w == pytest.approx([usual_w(each) for each in grid.starts()])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(zones_and_moments(keys=CHANGING), st.integers(4 * 60, 12 * 60))
@example((BERLIN, switch_of(BERLIN, 2026)), 450)
@example((BERLIN, switch_of(BERLIN, 2026, which=1)), 450)
def test_a_car_is_expected_to_leave_when_the_clock_shows_its_usual_time(
    where: tuple[ZoneInfo, datetime], leaves_min: int
) -> None:
    zone, at = where
    today = local_day(at, zone)

    def clock_at(day: date, minutes: int) -> datetime:
        wall = time(minutes // 60, minutes % 60)
        return datetime.combine(day, wall, tzinfo=zone).astimezone(at.tzinfo)

    past = [
        ChargingSession(
            plugged_at=clock_at(today - (ago + 1) * DAY, 18 * 60),
            unplugged_at=clock_at(today - ago * DAY, leaves_min),
            energy_wh=8_000.0,
        )
        for ago in range(30)
    ]
    plugged_at = clock_at(today, 18 * 60)
    stay = forecast_stay(past, habit=None, arrived_at=plugged_at, charged_wh=0.0, now_at=plugged_at, zone=zone)
    assert stay is not None
    assert stay.departures_at[len(stay.departures_at) // 2] == clock_at(today + DAY, leaves_min)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(zones_and_moments())
@example((AZORES, switch_of(AZORES, 2026)))
@example((AZORES, switch_of(AZORES, 2026, which=1)))
def test_each_day_keeps_one_forecast_of_itself_at_its_begin(where: tuple[ZoneInfo, datetime]) -> None:
    zone, at = where
    quarters = quarters_of(local_day(at, zone), zone)
    found = []
    for start_at in quarters:
        grid = SlotGrid(start_at=start_at, count=192)
        load = Forecast.certain((300.0,) * 192, grid=grid, issued_at=start_at)
        found += [
            (each.grid.start_at, each.grid.count)
            for each in kept_of(Prediction(load=load), zone, plain=False)
            if each.kind is ForecastKind.DAY
        ]
    assert found == [(quarters[0], len(quarters))]


@slow
@given(zones_and_moments(), st.data())
def test_a_month_has_the_peak_of_the_quarter_hours_whose_calendar_shows_it(
    where: tuple[ZoneInfo, datetime], data: st.DataObject
) -> None:
    """Four days around the begin of a month, 29 February among them."""
    zone, at = where
    first = shown(at, zone).date().replace(day=1)
    quarters = [at for ahead in (-2, -1, 0, 1) for at in quarters_of(first + ahead * DAY, zone)]
    imports_w = [float(data.draw(st.integers(0, 9_000))) for _ in range(8)]
    site = home_a()
    capacity = CapacityTariff(price_eur_per_kw=4.0, power_min_w=0.0)
    site = replace(site, timezone=zone.key, tariff=replace(site.tariff, capacity=capacity))
    peak, seen = MonthPeak(site), dict[str, float]()
    for index, start_at in enumerate(quarters):
        month = f"{shown(start_at, zone):%Y-%m}"
        seen[month] = max(seen.get(month, 0.0), imports_w[index % 8] + index)
        peak.note(start_at, imports_w[index % 8] + index)
        assert peak.at(start_at) == seen[month]
    assert len(seen) == 2


@slow
@given(zones_and_moments(), st.integers(0, 364))
def test_billing_years_begin_at_midnight_of_their_day_and_leave_no_gap(
    where: tuple[ZoneInfo, datetime], ahead: int
) -> None:
    zone, at = where
    first = date(2001, 1, 1) + ahead * DAY
    rule = NetMetering(
        ordinary_year=GridEnergy(import_wh=1.0, export_wh=1.0), start_month=first.month, start_day=first.day
    )
    begin_at, next_at = rule.year_of(at, zone)
    assert begin_at <= at < next_at
    assert all(
        (shown(each, zone).month, shown(each, zone).day) == (first.month, first.day) for each in (begin_at, next_at)
    )
    assert all(shown(each - QUARTER, zone).date() < shown(each, zone).date() for each in (begin_at, next_at))
    years = [shown(each, zone).year for each in (begin_at, next_at)]
    assert years[1] - years[0] == 1
    assert rule.year_of(next_at, zone)[0] == next_at
    assert rule.year_of(begin_at - QUARTER, zone)[1] == begin_at


@given(zones_and_moments(keys=[MARKET_ZONE.key]), st.sampled_from([900, 3600]))
def test_a_market_day_is_whole_with_the_prices_of_its_own_hours_only(
    where: tuple[ZoneInfo, datetime], slot_s: int
) -> None:
    zone, at = where
    day = shown(at, zone).date()
    starts = [round(each.timestamp()) for each in quarters_of(day, zone)][:: slot_s // 900]
    assert len(starts) * slot_s in (23 * 3600, 24 * 3600, 25 * 3600)
    points = [(each, 50.0 + index) for index, each in enumerate(starts)]
    spot = checked_day(points, unit="EUR / MWh", area="NL", day=day, source="made up")
    assert (len(spot.eur_per_mwh), spot.slot_s, spot.end_at.timestamp()) == (len(starts), slot_s, starts[-1] + slot_s)
    for lost in (0, len(points) // 2, len(points) - 1):
        with pytest.raises(SourceTroubleError):
            checked_day(points[:lost] + points[lost + 1 :], unit="EUR / MWh", area="NL", day=day, source="made up")
