"""Which forecasts are kept, also on days of 23 and 25 hours."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from hems.app.keeping import kept_of
from hems.domain.forecast import SlotHistory
from hems.domain.kept_forecast import ForecastKind
from hems.domain.prediction import PredictionRequest
from hems.domain.time import SlotGrid
from hems.forecast.house import predict

ZONE = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2024-04-30T22:00:00Z", {ForecastKind.DAY: 96, ForecastKind.HOURS: 24}),
        ("2024-03-30T23:00:00Z", {ForecastKind.DAY: 92, ForecastKind.HOURS: 24}),
        ("2024-10-26T22:00:00Z", {ForecastKind.DAY: 100, ForecastKind.HOURS: 24}),
        ("2024-05-01T01:00:00Z", {ForecastKind.HOURS: 24}),
        ("2024-05-01T02:00:00Z", {}),
        ("2024-05-01T01:15:00Z", {}),
    ],
)
def test_days_at_midnight_and_six_hours_every_three(at: str, expected: dict[ForecastKind, int]):
    start_at = datetime.fromisoformat(at)
    request = PredictionRequest(
        issued_at=start_at,
        grid=SlotGrid(start_at=start_at, count=192),
        timezone=ZONE.key,
        place=None,
        load=SlotHistory(start_at=start_at, mean_w=()),
    )
    kept = kept_of(predict(request), ZONE, plain=True)
    assert {each.kind: each.grid.count for each in kept} == expected
    assert all(each.series == "load_w" and each.plain and len(each.mean_w) == each.grid.count for each in kept)
