"""Prices and weather at hand, in virtual time: when they are asked for, what is said, and a month without answers."""

import asyncio
import itertools
import logging
import random
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hems.domain.time import SlotGrid
from hems.sim.virtual_time import VirtualClock
from hems.sim.virtual_time import run as run_virtually
from hems.sources.answer import NotPublishedError, SourceTroubleError
from hems.sources.keeper import PriceKeeper, joined
from hems.sources.prices import PublishedSpot
from hems.sources.weather import WeatherForecast
from hems.sources.weather_keeper import WeatherKeeper
from tests.support.sources import Scripted, spot_day

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MORNING = datetime(2026, 6, 10, 6, 0, tzinfo=UTC)
TODAY, TOMORROW = date(2026, 6, 10), date(2026, 6, 11)


class Disk:
    """Where days are saved."""

    def __init__(self, *days: PublishedSpot) -> None:
        self.days = list(days)

    async def load(self) -> list[PublishedSpot]:
        return list(self.days)

    async def save(self, day: PublishedSpot) -> None:
        self.days.append(day)


class House:
    """A keeper that runs, its clock and its disk."""

    def __init__(self, *sources: Scripted, disk: Disk | None = None, start_at: datetime = MORNING) -> None:
        self.clock = VirtualClock(start_at)
        self.disk = disk or Disk()
        self.keeper = PriceKeeper(
            sources,
            area="NL",
            zone=AMSTERDAM,
            load=self.disk.load,
            save=self.disk.save,
            clock=self.clock,
            random_source=random.Random(1),
        )
        self._task = asyncio.ensure_future(self.keeper.run())

    async def until(self, at: datetime) -> None:
        await self.clock.sleep_until(self.clock.monotonic_s() + (at - self.clock.now()).total_seconds())
        if self._task.done():
            self._task.result()

    async def after(self, **passed: float) -> None:
        await self.until(self.clock.now() + timedelta(**passed))

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def in_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        try:
            await main
        finally:
            others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    run_virtually(bounded())


def market(house_clock: list[VirtualClock]) -> Scripted:
    """Publishes at 12:57 local time."""

    def answer(day: date) -> PublishedSpot:
        now = house_clock[0].now().astimezone(AMSTERDAM)
        last = now.date() + timedelta(days=1 if (now.hour, now.minute) >= (12, 57) else 0)
        if day > last:
            raise NotPublishedError("not yet")
        return spot_day(day)

    return Scripted("market", answer)


def fails(day: date) -> PublishedSpot:
    raise SourceTroubleError(f"it: no prices for {day}")


def test_today_is_asked_for_at_once_and_tomorrow_once_after_one_o_clock():
    async def main() -> None:
        clocks: list[VirtualClock] = []
        source = market(clocks)
        house = House(source)
        clocks.append(house.clock)

        await house.after(minutes=1)
        assert source.asked == [TODAY]
        await house.until(datetime(2026, 6, 10, 10, 59, tzinfo=UTC))  # 12:59 in Amsterdam
        assert source.asked == [TODAY]
        await house.until(datetime(2026, 6, 10, 11, 11, tzinfo=UTC))
        assert source.asked == [TODAY, TOMORROW]
        published = house.keeper.published()
        assert published is not None
        assert published.end_at == datetime(2026, 6, 11, 22, tzinfo=UTC)
        await house.after(days=10)
        assert source.asked == [TODAY + timedelta(days=each) for each in range(12)]
        assert house.keeper.trouble() is None
        assert [day.start_at for day in house.disk.days] == sorted(day.start_at for day in house.disk.days)

    in_virtual_time(main())


def test_nothing_is_asked_before_the_clock_is_trusted():
    async def main() -> None:
        source = Scripted("it", spot_day)
        house = House(source, start_at=datetime(1970, 1, 1, tzinfo=UTC))
        house.clock.trusted = False
        await house.after(hours=5)
        assert source.asked == []

        house.clock.step_wall((MORNING - house.clock.now()).total_seconds())
        house.clock.trusted = True
        await house.after(seconds=11)
        assert source.asked == [TODAY]

    in_virtual_time(main())


def test_saved_days_are_known_before_anything_is_asked():
    async def main() -> None:
        source = Scripted("it", spot_day)
        disk = Disk(spot_day(TOMORROW), spot_day(TODAY), spot_day(TODAY, area="BE", price=1.0))
        house = House(source, disk=disk)
        await house.after(seconds=1)

        published = house.keeper.published()
        assert published is not None
        assert published.eur_per_mwh == (80.0,) * 192
        await house.after(hours=12)
        assert source.asked == []

    in_virtual_time(main())


def test_the_second_source_stands_in_and_the_first_is_told_about_once(caplog):
    async def main() -> None:
        first, second = Scripted("first", fails), Scripted("second", lambda day: spot_day(day, slot_s=3600))
        house = House(first, second)
        await house.after(days=5)

        published = house.keeper.published()
        assert published is not None
        assert (published.slot_s, len(published.eur_per_mwh)) == (900, 6 * 96)
        assert house.keeper.trouble() is None
        assert len(first.asked) == len(second.asked) == 6
        first.answer = spot_day
        await house.after(days=1)

    with caplog.at_level(logging.INFO):
        in_virtual_time(main())
    told = [each for each in caplog.messages if "are there" not in each]
    assert told == [
        "it: no prices for 2026-06-10; asking again, at first each minute, then each hour",
        "first works again",
    ]


def test_a_market_that_is_late_is_no_trouble_before_three_and_one_sentence_after():
    async def main() -> None:
        def answer(day: date) -> PublishedSpot:
            if day == TOMORROW:
                raise NotPublishedError("not yet")
            return spot_day(day)

        house = House(Scripted("it", answer))
        await house.until(datetime(2026, 6, 10, 12, 59, tzinfo=UTC))
        assert house.keeper.trouble() is None
        await house.until(datetime(2026, 6, 10, 14, 30, tzinfo=UTC))
        trouble = house.keeper.trouble()
        assert trouble is not None
        assert trouble.startswith("No market prices since 10 Jun 15:")
        assert trouble.endswith("(they are not published yet); for 11 Jun expected prices are used instead.")

    in_virtual_time(main())


def test_a_month_without_an_answer_is_few_requests_and_one_line_for_each_trouble(caplog):
    days = 30

    async def main() -> None:
        first, second = Scripted("first", fails), Scripted("second", fails)
        house = House(first, second)
        await house.after(days=days)

        assert days * 24 <= len(first.asked) <= days * 48, "about one round an hour, for today and mostly tomorrow"
        assert house.keeper.published() is None
        assert house.keeper.trouble() == (
            "No market prices since 10 Jun 08:00 (it: no prices for 2026-07-10; it: no prices for 2026-07-10); "
            "for 10 Jul the fallback price counts instead."
        )
        first.answer = spot_day
        await house.after(hours=2)
        assert house.keeper.trouble() is None

    with caplog.at_level(logging.INFO):
        in_virtual_time(main())
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 3, [each.getMessage() for each in warnings]
    assert "market prices of NL are complete again" in caplog.messages


def test_the_waits_grow_from_a_minute_to_an_hour():
    async def main() -> None:
        times: list[float] = []

        def answer(day: date) -> PublishedSpot:
            times.append(house.clock.monotonic_s())
            return fails(day)

        house = House(Scripted("it", answer))
        await house.after(hours=6)
        waits = [after - before for before, after in itertools.pairwise(times[:9]) if after > before]
        for wait, least in zip(waits, (60, 120, 240, 480, 960, 1_920, 3_600), strict=False):
            assert least <= wait <= 1.2 * least

    in_virtual_time(main())


def test_a_server_that_wants_to_be_left_alone_is_and_the_other_is_asked():
    async def main() -> None:
        def answer(day: date) -> PublishedSpot:
            raise SourceTroubleError(f"busy {day}", retry_after_s=7_200.0)

        first, second = Scripted("first", answer), Scripted("second", fails)
        house = House(first, second)
        await house.after(minutes=119)
        assert len(first.asked) == 1
        assert len(second.asked) > 5
        await house.after(hours=2)
        assert len(first.asked) > 1

    in_virtual_time(main())


def test_a_day_that_is_missing_among_others_is_a_gap_and_not_a_shift():
    spot = joined([spot_day(date(2026, 3, 28), price=1.0), spot_day(date(2026, 3, 30), price=3.0)], area="NL")

    assert spot.eur_per_mwh == (1.0,) * 96 + (None,) * 92 + (3.0,) * 96
    assert spot.start_at == datetime(2026, 3, 27, 23, tzinfo=UTC)


def test_no_more_than_five_weeks_are_kept():
    async def main() -> None:
        house = House(Scripted("it", spot_day))
        await house.after(days=60)
        published = house.keeper.published()
        assert published is not None
        assert len(published.eur_per_mwh) == 35 * 96

    in_virtual_time(main())


class Sky:
    """A weather source that works while it is told to."""

    name = "sky"

    def __init__(self) -> None:
        self.clock: VirtualClock | None = None
        self.works = True
        self.asked = 0

    async def fetch(self, latitude_deg: float, longitude_deg: float) -> WeatherForecast:
        assert (latitude_deg, longitude_deg) == (52.0, 5.0)
        assert self.clock is not None
        self.asked += 1
        if not self.works:
            raise SourceTroubleError("sky cannot be reached: down")
        grid = SlotGrid(start_at=self.clock.now().replace(minute=0, second=0, microsecond=0), count=300)
        return WeatherForecast(
            issued_at=self.clock.now(), grid=grid, outdoor_c=(9.0,) * 300, ghi_wm2=(0.0,) * 300, source="sky"
        )


def test_weather_is_fetched_hourly_stale_after_six_hours_and_told_twice_in_a_month(caplog):
    async def main() -> None:
        clock, sky, saved = VirtualClock(MORNING), Sky(), list[WeatherForecast]()
        sky.clock = clock

        async def load() -> WeatherForecast | None:
            return saved[-1] if saved else None

        async def save(forecast: WeatherForecast) -> None:
            saved.append(forecast)

        def started() -> tuple[WeatherKeeper, asyncio.Task[None]]:
            keeper = WeatherKeeper(
                sky,
                latitude_deg=52.0,
                longitude_deg=5.0,
                zone=AMSTERDAM,
                load=load,
                save=save,
                clock=clock,
                random_source=random.Random(1),
            )
            return keeper, asyncio.ensure_future(keeper.run())

        async def after(hours: float) -> None:
            await clock.sleep_until(clock.monotonic_s() + 3_600 * hours)

        keeper, task = started()
        assert keeper.forecast() is None
        await after(12)
        assert 11 <= sky.asked <= 13
        assert keeper.forecast() == saved[-1]
        sky.works = False
        await after(5)
        assert keeper.forecast() == saved[-1]
        task.cancel()
        keeper, _ = started()
        await after(0.1)
        assert keeper.forecast() == saved[-1], "a restart without internet keeps it"
        clock.trusted = False
        assert keeper.forecast() is None
        clock.trusted = True
        await after(3)
        assert keeper.forecast() is None
        await after(24 * 30)
        trouble = keeper.trouble()
        assert trouble is not None
        assert trouble.startswith("No weather forecast since 11 Jun ")
        assert "(sky cannot be reached: down)" in trouble
        sky.works = True
        await after(2)
        assert keeper.trouble() is None
        assert sky.asked < 12 + 31 * 24 + 20

    with caplog.at_level(logging.WARNING):
        in_virtual_time(main())
    assert len(caplog.messages) == 3, "the first keeper one line, the second two"


def test_an_hourly_price_is_that_of_its_four_quarter_hours():
    hours = PublishedSpot(
        area="NL",
        start_at=datetime(2026, 6, 9, 22, tzinfo=UTC),
        slot_s=3600,
        eur_per_mwh=tuple(float(hour) for hour in range(24)),
        source="hourly",
    )

    spot = joined([spot_day(TOMORROW, price=99.0), hours], area="NL")

    assert spot.eur_per_mwh == (*(float(slot // 4) for slot in range(96)), *[99.0] * 96)
    assert (spot.slot_s, spot.source) == (900, "it")
