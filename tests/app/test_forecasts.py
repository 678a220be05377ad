"""Forecasts in the running daemon: made by a worker or by itself, and kept."""

from datetime import timedelta
from pathlib import Path

from hems.domain.errors import WorkerError
from hems.domain.kept_forecast import ForecastKind
from hems.domain.prediction import PredictionRequest
from hems.sim import virtual_time
from tests.support.houses import PV, home_b
from tests.support.living import living
from tests.support.simulated import START_AT, flat_data


class BrokenPredictor:
    """A forecast worker that never answers."""

    def answer(self, request: PredictionRequest) -> bytes:
        raise WorkerError(f"forecast worker: it ended before {request.grid.end_at:%H:%M}")

    def close(self) -> None:
        """Nothing to end."""


def test_a_house_plans_on_without_its_forecast_worker_and_says_so(tmp_path: Path) -> None:
    site = home_b()
    data = flat_data(site, days=2, load_w=600.0)

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT, predictor=BrokenPredictor()) as house:
            await house.until(60.0)
            snapshot = house.daemon.house.snapshot()
            assert house.daemon.planner.plan is not None
            assert any("Forecasts are plainer than usual" in each.text for each in snapshot.notices)

    virtual_time.run(main())


def test_forecasts_made_at_three_in_the_morning_are_kept_and_those_of_a_quarter_past_are_not(tmp_path: Path) -> None:
    site = home_b()
    data = flat_data(site, days=2, load_w=600.0)
    three_at = START_AT + timedelta(hours=2)
    assert three_at.astimezone(site.zone).hour == 3

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=three_at) as house:
            await house.until(1_000.0)
            kept = house.daemon.parts.store.history.forecasts(START_AT, START_AT + timedelta(days=1))
            assert {(each.kind, each.grid.start_at) for each in kept} == {(ForecastKind.HOURS, three_at)}
            assert {each.series for each in kept} == {"load_w", f"{PV}.sun_w"}

    virtual_time.run(main())
