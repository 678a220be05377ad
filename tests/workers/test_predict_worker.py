"""Forecasts across the process boundary: real processes, killed, silent, starved and lying."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hems.app.predicting import PredictionDesk
from hems.domain.errors import WorkerError
from hems.domain.events import ForecastRefused
from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.prediction import PlantAsked, Prediction, PredictionAnswer, PredictionRequest, PumpAsked
from hems.domain.site import DeviceId, PvPlane
from hems.domain.time import Now, SlotGrid
from hems.forecast.house import faults, predict
from hems.learning.load import forecast_load
from hems.ports import WorkerProcess
from hems.runtime.predictor import WorkerPredictor, checked_prediction
from hems.runtime.worker_process import PipeProcess, spawn
from hems.wire import fast_json
from hems.workers.predict import answer, sun_by_geometry

NOW_AT = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOW = Now(at=NOW_AT, mono_s=1_000.0, wall_trusted=True)
ROOF, PUMP = DeviceId("roof"), DeviceId("pump")


def history(mean_w: float, days: int = 10) -> SlotHistory:
    return SlotHistory(start_at=NOW_AT - timedelta(days=days), mean_w=(mean_w,) * (96 * days))


REQUEST = PredictionRequest(
    issued_at=NOW_AT,
    grid=SlotGrid(start_at=NOW_AT, count=192),
    timezone="Europe/Amsterdam",
    place=None,
    load=SlotHistory(
        start_at=NOW_AT - timedelta(days=10), mean_w=tuple(400.0 + each % 7 * 30.0 for each in range(960))
    ),
    plants=(
        PlantAsked(
            device_id=ROOF, planes=(PvPlane(peak_w=4_000.0, tilt_deg=35.0, azimuth_deg=180.0),), history=history(900.0)
        ),
    ),
    pumps=(PumpAsked(device_id=PUMP, history=history(700.0)),),
    outdoor_c=SlotHistory(start_at=NOW_AT, mean_w=(7.0, None)),
)


class Spawner:
    """The real spawn that remembers its children."""

    def __init__(self, memory_max_bytes: int | None = None) -> None:
        self.children: list[PipeProcess] = []
        self.memory_max_bytes = memory_max_bytes

    def __call__(self, module: str, *, memory_max_bytes: int) -> WorkerProcess:
        child = spawn(module, memory_max_bytes=self.memory_max_bytes or memory_max_bytes)
        self.children.append(child)
        return child

    def running(self) -> list[int]:
        return [child.pid for child in self.children if Path(f"/proc/{child.pid}").exists()]


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    children = Spawner()
    yield children
    for child in children.children:
        child.kill()


def test_a_worker_forecasts_with_arrays_and_is_gone(spawner: Spawner):
    predictor = WorkerPredictor(spawner)
    first = checked_prediction(REQUEST, predictor.answer(REQUEST))
    assert spawner.running() == [], "nothing is kept between two questions"
    assert first == predict(REQUEST, load=forecast_load, sun=sun_by_geometry)
    plain = predict(REQUEST)
    assert first.load != plain.load
    assert first.pv != plain.pv
    assert 400 < first.load.mean_w[0] < 580
    assert first.heat[PUMP].mean_w[0] == pytest.approx(700.0)
    assert 0 < max(first.pv[ROOF].mean_w) <= 4_000
    assert checked_prediction(REQUEST, predictor.answer(REQUEST)) == first
    assert len(spawner.children) == 2


@pytest.mark.parametrize("name", ["garbage", "schemaless"])
def test_rubbish_is_refused(name: str, spawner: Spawner):
    predictor = WorkerPredictor(spawner, module=f"tests.support.bad_workers.{name}")
    with pytest.raises(WorkerError, match="forecast worker"):
        checked_prediction(REQUEST, predictor.answer(REQUEST))
    assert spawner.running() == []


def test_a_silent_worker_is_stopped_at_its_deadline(spawner: Spawner):
    predictor = WorkerPredictor(spawner, module="tests.support.bad_workers.silent", deadline_s=1.0)
    with pytest.raises(WorkerError, match="no answer within 1 s"):
        predictor.answer(REQUEST)
    assert spawner.running() == []


def test_a_worker_without_memory_takes_nothing_down():
    starved = Spawner(memory_max_bytes=16 << 20)
    with pytest.raises(WorkerError, match="forecast worker"):
        WorkerPredictor(starved).answer(REQUEST)
    assert starved.running() == []


@pytest.mark.parametrize("line", [b"{}", b"rubbish", fast_json(replace(REQUEST, timezone="Nowhere/Land"))])
def test_a_question_that_cannot_be_answered_gets_a_reason(line: bytes):
    with pytest.raises(WorkerError, match=r"forecast worker: \S"):
        checked_prediction(REQUEST, answer(line))


def spoiled(change: Callable[[Forecast], Forecast]) -> Prediction:
    good = predict(REQUEST)
    return replace(good, load=change(good.load))


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        (spoiled(lambda each: replace(each, mean_w=(math.nan, *each.mean_w[1:]))), "outside"),
        (spoiled(lambda each: replace(each, mean_w=(-1.0, *each.mean_w[1:]))), "outside"),
        (spoiled(lambda each: replace(each, mean_w=(2e6, *each.mean_w[1:]))), "outside"),
        (spoiled(lambda each: replace(each, p10_w=(900.0, *each.p10_w[1:]), p90_w=(800.0, *each.p90_w[1:]))), "band"),
        (spoiled(lambda each: replace(each, issued_at=NOW_AT + timedelta(hours=1))), "other slots"),
        (replace(predict(REQUEST), pv={}), "asked for"),
        (replace(predict(REQUEST), pv={ROOF: predict(REQUEST).load, PUMP: predict(REQUEST).load}), "asked for"),
    ],
)
def test_what_cannot_be_is_refused(prediction: Prediction, words: str):
    assert any(words in each for each in faults(REQUEST, prediction))
    assert faults(REQUEST, predict(REQUEST)) == []


class Scripted:
    """A predictor that answers or fails as told."""

    def __init__(self) -> None:
        self.works = True
        self.asked = 0

    def answer(self, request: PredictionRequest) -> bytes:
        self.asked += 1
        if not self.works:
            raise WorkerError("forecast worker: it ended")
        marked = predict(replace(request, load=history(1_234.0)))
        return fast_json(PredictionAnswer(prediction=marked))

    def close(self) -> None:
        """Nothing to end."""


def later(slots: int) -> PredictionRequest:
    at = NOW_AT + timedelta(minutes=15 * slots)
    return replace(REQUEST, issued_at=at, grid=SlotGrid(start_at=at, count=192))


def test_a_quarter_hour_is_forecast_once_and_again_when_more_is_known():
    scripted = Scripted()
    desk = PredictionDesk(scripted)
    first = desk.predict(REQUEST, NOW)
    moved = replace(REQUEST, issued_at=NOW_AT + timedelta(minutes=5))
    assert desk.predict(moved, NOW).prediction is first.prediction
    assert scripted.asked == 1
    desk.predict(replace(moved, load=history(500.0, days=11)), NOW)
    assert scripted.asked == 2


def test_a_failure_is_told_once_and_the_daemon_forecasts_itself():
    scripted = Scripted()
    desk = PredictionDesk(scripted)
    assert desk.predict(REQUEST, NOW).prediction.load.mean_w[0] == pytest.approx(1_234.0)
    scripted.works = False
    failed = desk.predict(later(1), NOW)
    assert failed.prediction == predict(later(1))
    assert failed.trouble == "forecast worker: it ended"
    assert failed.events == (ForecastRefused(at=NOW_AT, problem="forecast worker: it ended"),)
    again = desk.predict(later(2), NOW)
    assert (again.events, again.trouble) == ((), "forecast worker: it ended")
    scripted.works = True
    assert desk.predict(later(3), NOW).trouble is None
    scripted.works = False
    assert len(desk.predict(later(4), NOW).events) == 1


def test_without_a_worker_the_daemon_forecasts_itself_and_says_nothing():
    found = PredictionDesk(None).predict(REQUEST, NOW)
    assert (found.prediction, found.trouble, found.events) == (predict(REQUEST), None, ())
