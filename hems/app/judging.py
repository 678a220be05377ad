"""Holds the kept forecasts of the last days against what was measured, now and then, for the page."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from hems.app.recorder import LOAD, sun_series
from hems.app.regularly import regularly
from hems.domain.forecast import Forecast
from hems.domain.forecast_view import ForecastView, ForecastViews
from hems.domain.kept_forecast import ForecastKind
from hems.domain.prediction import Prediction
from hems.domain.site import Site
from hems.domain.time import SLOT_S, floor_to
from hems.explain.forecasts import sentence
from hems.forecast.scores import NAIVE, ForecastScore, scores
from hems.ports import Clock, Offload
from hems.store.history import History

DAYS = 7
JUDGE_EVERY_S = 3 * 3_600.0
"""As often as the forecasts of the next hours are kept; the day's are kept at midnight."""


class Judging:
    """Scores of a house's forecasts a day ahead.

    Args:
        site: the house.
        history: forecasts and quarter hours; read in the disk's thread.
        offload: that thread.
        clock: when.
    """

    def __init__(self, site: Site, *, history: History, offload: Offload, clock: Clock) -> None:
        self._names = {LOAD: "Consumption", **{sun_series(each.id): f"Sun on {each.name}" for each in site.pv}}
        self._series_of = {each.id: sun_series(each.id) for each in site.pv}
        self._history = history
        self._offload = offload
        self._clock = clock
        self._scores: Mapping[str, ForecastScore] = {}

    async def run(self) -> None:
        """Judge every three hours until cancelled."""
        await regularly(self._clock, JUDGE_EVERY_S, self.judge)

    async def judge(self, now_at: datetime) -> None:
        """Judge again."""
        self._scores = await self._offload(lambda: self._judged(now_at))

    def views(self, newest: Prediction | None) -> ForecastViews:
        """As :meth:`hems.ports.House.forecasts`.

        Args:
            newest: the forecasts that plans are made with; None: there are none yet.
        """
        ahead: dict[str, Forecast] = {}
        if newest is not None:
            ahead[LOAD] = newest.load
            ahead |= {self._series_of[each]: sun for each, sun in newest.pv.items() if each in self._series_of}
        views = tuple(self._view(series, ahead.get(series)) for series in self._names)
        return ForecastViews(days=DAYS, forecasts=views)

    def _view(self, series: str, ahead: Forecast | None) -> ForecastView:
        score, missing = self._scores.get(series), () if ahead is None else ahead.degraded
        off_by_w = None if score is None else round(score.mean_absolute_error_w, 1)
        better_ratio = None if score is None or score.skill_ratio is None else round(score.skill_ratio, 3)
        inside_ratio = None if score is None else round(score.coverage_ratio, 3)
        return ForecastView(
            series=series,
            sentence=sentence(
                self._names[series],
                off_by_w=off_by_w,
                better_ratio=better_ratio,
                inside_ratio=inside_ratio,
                days=DAYS,
                missing=missing,
            ),
            slots=0 if score is None else score.slots,
            off_by_w=off_by_w,
            better_ratio=better_ratio,
            inside_ratio=inside_ratio,
            missing=missing,
        )

    def _judged(self, now_at: datetime) -> Mapping[str, ForecastScore]:
        """One reading of the disk for each series, however many forecasts are looked at."""
        end_at = floor_to(now_at, SLOT_S)
        start_at = end_at - timedelta(days=DAYS) - max(NAIVE)
        slots = {series: self._history.slots(series, start_at, end_at) for series in self._names}

        def measured(series: str, from_at: datetime, until_at: datetime) -> Sequence[float | None]:
            first, count = ((at - start_at) // timedelta(seconds=SLOT_S) for at in (from_at, until_at))
            known = slots[series][first:count]
            return (*known, *(None,) * (count - first - len(known)))

        kept = [
            each
            for each in self._history.forecasts(end_at - timedelta(days=DAYS), end_at)
            if each.kind is ForecastKind.DAY and each.series in self._names
        ]
        return {each.series: each for each in scores(kept, measured)}
