"""Kept forecasts are held against what was measured, as an independent sum says, and shown with what is missing now."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from hems.domain.forecast import Degraded
from hems.domain.forecast_view import ForecastViews
from hems.domain.kept_forecast import ForecastKind, KeptForecast
from hems.domain.time import SlotGrid
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.sim.virtual_time import VirtualClock
from hems.store.history import SlotValue
from hems.store.house_store import HouseStore
from tests.support.houses import home_a
from tests.support.living import BALLAST_BYTES, living
from tests.support.simulated import START_AT, flat_data

SLOT = timedelta(minutes=15)
MIDNIGHT = START_AT - timedelta(hours=1)
"""Of Amsterdam."""


KINDS = ((ForecastKind.DAY, 130), (ForecastKind.HOURS, 999))
"""With how much each is too high [W]."""


def past(tmp_path: Path, *, days: int, kinds: Sequence[tuple[ForecastKind, int]]) -> None:
    """Load of 500 W and 100 W more each day; forecast 130 W too high, in a band of 100 W either way.

    Seven hundred the day before is 100 W off, the week before 700 W: the forecast is 30 % worse than yesterday.
    """
    store = HouseStore(tmp_path, SystemFiles(tmp_path), VirtualClock(START_AT), ballast_bytes=BALLAST_BYTES)
    for day in range(days):
        start_at, true_w = MIDNIGHT - timedelta(days=days - day), 500 + 100 * day
        store.history.put_slots(
            SlotValue(series="load_w", start_at=start_at + slot * SLOT, value=float(true_w)) for slot in range(96)
        )
        for kind, off_w in kinds:
            store.history.put_forecasts(
                [
                    KeptForecast(
                        series="load_w",
                        kind=kind,
                        issued_at=start_at,
                        grid=SlotGrid(start_at=start_at, count=96),
                        mean_w=(true_w + off_w,) * 96,
                        p10_w=(true_w - 100,) * 48 + (true_w + 1,) * 48,
                        p90_w=(true_w + 300,) * 96,
                    )
                ]
            )
    store.close()


def views(tmp_path: Path, *, days: int, kinds: Sequence[tuple[ForecastKind, int]] = KINDS) -> ForecastViews:
    site = home_a()

    async def main() -> ForecastViews:
        past(tmp_path, days=days, kinds=kinds)
        data = flat_data(site, days=4, load_w=400.0)
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(60.0)
            return house.daemon.house.forecasts()

    return virtual_time.run(main())


def test_the_last_week_s_days_ahead_are_judged_against_yesterday(tmp_path: Path) -> None:
    """The day under way, which began an hour ago, has no forecast here: six are judged."""
    found = views(tmp_path, days=20)

    load, sun = found.forecasts
    assert (load.series, load.slots, found.days) == ("load_w", 6 * 96, 7)
    assert load.off_by_w == pytest.approx(130.0)
    assert load.better_ratio == pytest.approx(-0.3)
    assert load.inside_ratio == pytest.approx(0.5)
    assert load.sentence.startswith("Consumption: off by 130 W on average over the last 7 days, 30 % worse than ")
    assert sun.off_by_w is None
    assert sun.sentence.startswith("Sun on Roof: not judged yet")


def test_what_the_newest_forecast_does_without_is_said(tmp_path: Path) -> None:
    load = views(tmp_path, days=0).forecasts[0]

    assert load.missing == (Degraded.NO_HISTORY,)
    assert load.sentence.endswith("At present without anything measured yet.")


def test_a_forecast_of_the_next_hours_is_not_taken_for_one_of_the_day(tmp_path: Path) -> None:
    assert views(tmp_path, days=20, kinds=KINDS[1:]).forecasts[0].off_by_w is None


def test_a_new_house_says_that_nothing_can_be_judged_yet(tmp_path: Path) -> None:
    load = views(tmp_path, days=5).forecasts[0]

    assert (load.off_by_w, load.better_ratio, load.inside_ratio, load.slots) == (None, None, None, 0)
    assert "not judged yet" in load.sentence
