"""What every forecast keeps, whatever the history looks like."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.site import PvPlane
from hems.domain.time import SlotGrid
from hems.forecast.load import forecast_load
from hems.forecast.price import PublishedPrices, predict_spot
from hems.forecast.pv import forecast_pv
from hems.forecast.series import weighted_mean, weighted_quantiles
from hems.learning import load as days_alike
from hems.learning import pv as by_geometry
from hems.learning.sun import Plant

HOUR_S = 3600
ZONE = ZoneInfo("Europe/Amsterdam")
PEAK_W = 5_000.0
PLANT = Plant(planes=(PvPlane(peak_w=PEAK_W, tilt_deg=35.0, azimuth_deg=180.0),), latitude_deg=52.0, longitude_deg=5.0)
FIRST_AT = datetime(2024, 3, 18, tzinfo=UTC)

powers = st.floats(0, 12_000) | st.just(0.0)
gappy = st.tuples(st.lists(st.none() | powers, max_size=50), st.integers(1, 9)).map(lambda pair: pair[0] * pair[1])
"""Up to 19 days, with gaps; repeated, because drawn lists are mostly short."""
starts = st.integers(0, 24 * 400).map(lambda hours: FIRST_AT + timedelta(hours=hours))
counts = st.integers(1, 60)
delays = st.integers(-48, 48)


def _issue(values: list[float | None], start_at: datetime, count: int, delay_h: int) -> tuple[SlotHistory, SlotGrid]:
    history = SlotHistory(start_at=start_at, mean_w=values, slot_s=HOUR_S)
    return history, SlotGrid(start_at=history.end_at + timedelta(hours=delay_h), count=count, slot_s=HOUR_S)


def _load(history: SlotHistory, grid: SlotGrid) -> Forecast:
    return forecast_load(history, grid=grid, issued_at=grid.start_at, zone=ZONE)


def _pv(history: SlotHistory, grid: SlotGrid) -> Forecast:
    return forecast_pv(history, grid=grid, issued_at=grid.start_at, zone=ZONE, peak_w=PEAK_W)


def _days_alike(history: SlotHistory, grid: SlotGrid) -> Forecast:
    return days_alike.forecast_load(history, grid=grid, issued_at=grid.start_at, zone=ZONE)


def _sun(history: SlotHistory, grid: SlotGrid) -> Forecast:
    return by_geometry.forecast_pv(history, grid=grid, issued_at=grid.start_at, zone=ZONE, plant=PLANT, weather=None)


def _is_sound(forecast: Forecast) -> bool:
    rows = list(zip(*forecast.quantiles_w.values(), strict=True))
    return all(math.isfinite(value) and value >= 0 for row in (*rows, forecast.mean_w) for value in row) and all(
        low <= high for row in rows for low, high in pairwise(row)
    )


@settings(max_examples=60, deadline=None)
@given(values=gappy, start_at=starts, count=counts, delay_h=delays)
def test_forecasts_are_finite_never_negative_and_their_bands_are_in_order(
    values: list[float | None], start_at: datetime, count: int, delay_h: int
) -> None:
    """Goal: a planner can use any forecast. Method: histories with gaps, old ones, ones that reach past the issue."""
    history, grid = _issue(values, start_at, count, delay_h)
    assert _is_sound(_load(history, grid))
    assert _is_sound(_days_alike(history, grid))
    assert _is_sound(_sun(history, grid))
    assert max(_sun(history, grid).p95_w) <= PEAK_W
    assert _is_sound(_pv(history, grid))


@settings(max_examples=60, deadline=None)
@given(values=gappy, start_at=starts, count=counts, delay_h=delays)
def test_production_stays_under_the_peak_and_under_the_highest_ever_seen(
    values: list[float | None], start_at: datetime, count: int, delay_h: int
) -> None:
    history, grid = _issue(values, start_at, count, delay_h)
    ended = values[: max(0, len(values) + min(0, delay_h))]
    seen = {index % 24 for index, value in enumerate(ended) if value is not None}
    ceiling_w = min(PEAK_W, max((value for value in ended if value is not None), default=PEAK_W))
    everywhere_seen = len(seen) == 24
    assert max(_pv(history, grid).p90_w) <= (ceiling_w if everywhere_seen else PEAK_W) + 1e-6


@settings(max_examples=40, deadline=None)
@given(
    days=st.integers(1, 20),
    scale_w=st.lists(st.floats(0, 2_000), min_size=20, max_size=20),
    issue_h=st.integers(0, 23),
    count=counts,
)
def test_there_is_no_sun_at_night(days: int, scale_w: list[float], issue_h: int, count: int) -> None:
    """Night is where no day ever produced: here from 17:00 to 07:00 UTC, across a change of the clock."""
    values: list[float | None] = [
        scale_w[hour // 24] * (1 + math.cos((hour % 24 - 12) / 5 * math.pi)) if 7 < hour % 24 < 17 else 0.0
        for hour in range(24 * days)
    ]
    history, grid = _issue([*values, *values[:issue_h]], datetime(2024, 3, 20, tzinfo=UTC), count, 0)
    forecast = _pv(history, grid)
    for index in range(count):
        if not 7 < (issue_h + index) % 24 < 17:
            assert forecast.mean_w[index] == forecast.p10_w[index] == forecast.p90_w[index] == 0.0


@settings(max_examples=40, deadline=None)
@given(values=gappy, lies=st.lists(st.none() | powers, min_size=1, max_size=72), start_at=starts, count=counts)
def test_nothing_that_happens_after_the_issue_changes_a_forecast(
    values: list[float | None], lies: list[float | None], start_at: datetime, count: int
) -> None:
    honest, grid = _issue(values, start_at, count, 0)
    with_future = SlotHistory(start_at=start_at, mean_w=[*values, *lies], slot_s=HOUR_S)
    assert _load(honest, grid) == _load(with_future, grid)
    assert _days_alike(honest, grid) == _days_alike(with_future, grid)
    assert _sun(honest, grid) == _sun(with_future, grid)
    assert _pv(honest, grid) == _pv(with_future, grid)


@settings(max_examples=30, deadline=None)
@given(
    day=st.lists(st.floats(0, PEAK_W), min_size=24, max_size=24),
    days=st.integers(2, 16),
    issue_h=st.integers(0, 23),
    count=counts,
)
def test_a_house_that_repeats_itself_is_forecast_exactly(day: list[float], days: int, issue_h: int, count: int) -> None:
    """Winter, so that no change of the clock shifts the days against UTC."""
    values = [day[hour % 24] for hour in range(24 * days + issue_h)]
    history, grid = _issue(list(values), datetime(2024, 11, 4, tzinfo=UTC), count, 0)
    expected = [day[(issue_h + hour) % 24] for hour in range(count)]
    for forecast in (_load(history, grid), _pv(history, grid)):
        for mean_w, expected_w in zip(forecast.mean_w, expected, strict=True):
            assert math.isclose(mean_w, expected_w, rel_tol=1e-6, abs_tol=1e-6)


@settings(max_examples=30, deadline=None)
@given(gap=st.integers(0, 24 * 14 - 1), count=counts)
def test_one_missing_value_changes_little(gap: int, count: int) -> None:
    """Goal: a gap is no event. Method: two unlike kinds of days, a mean of 835 W, one value taken out anywhere."""
    values: list[float | None] = [300.0 + 40 * (hour % 24) + 150 * (hour // 24 % 2) for hour in range(24 * 14)]
    start_at = datetime(2024, 11, 4, tzinfo=UTC)
    whole = _load(*_issue(list(values), start_at, count, 0))
    values[gap] = None
    gapped = _load(*_issue(list(values), start_at, count, 0))
    moved_w = [abs(left - right) for left, right in zip(whole.mean_w, gapped.mean_w, strict=True)]
    assert sum(moved_w) / count <= 80.0
    assert max(moved_w) <= 150.0


@settings(max_examples=60, deadline=None)
@given(
    prices=st.lists(st.none() | st.floats(-0.5, 4.0), max_size=24 * 16),
    start_at=starts,
    count=counts,
    behind_h=st.integers(-24, 60),
)
def test_published_prices_are_never_touched(
    prices: list[float | None], start_at: datetime, count: int, behind_h: int
) -> None:
    grid_at = start_at + timedelta(hours=len(prices) - behind_h)
    published = PublishedPrices(start_at=start_at, spot_eur_per_kwh=prices, slot_s=HOUR_S)
    curve = predict_spot(published, grid=SlotGrid(start_at=grid_at, count=count, slot_s=HOUR_S), zone=ZONE)
    for index, price in enumerate(curve.spot_eur_per_kwh):
        source = len(prices) - behind_h + index
        truth = prices[source] if 0 <= source < len(prices) else None
        assert math.isfinite(price)
        if truth is not None:
            assert price == truth
        if index < curve.published_count:
            assert truth is not None


@given(samples=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(1e-6, 1e3)), min_size=1, max_size=40))
def test_weighted_quantiles_rise_and_are_samples_with_the_mean_between_the_extremes(
    samples: list[tuple[float, float]],
) -> None:
    quantiles = weighted_quantiles(samples, (0.0, 0.1, 0.5, 0.9, 1.0))
    values = [value for value, _ in samples]
    assert all(low <= high for low, high in pairwise(quantiles))
    assert set(quantiles) <= set(values)
    mean = weighted_mean(samples)
    assert mean is not None
    assert min(values) - 1e-6 <= mean <= max(values) + 1e-6
