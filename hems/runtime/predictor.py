"""Forecasts behind a process boundary: one process for each question, its answer checked."""

from hems.domain.errors import BadInputError, WorkerError
from hems.domain.prediction import Prediction, PredictionAnswer, PredictionRequest
from hems.forecast.house import faults
from hems.ports import Spawn
from hems.runtime.line_worker import LineWorker
from hems.wire import fast_json, parse

PREDICT_WORKER = "hems.workers.predict"

DEADLINE_S = 30.0
"""Ten times a slow start on a small computer."""

MEMORY_MAX_BYTES = 512 * 1024 * 1024
"""Address space; see docs/decisions/0018-prediction-worker.md."""

FAULTS_SHOWN_MAX = 3


class WorkerPredictor:
    """Implements :class:`hems.ports.Predictor`. Between two questions no process is there."""

    def __init__(
        self, spawn: Spawn, *, deadline_s: float = DEADLINE_S, module: str = PREDICT_WORKER, jobs_max: int = 1
    ) -> None:
        """``module`` is the worker to run; tests name misbehaving ones, the benchmark keeps one for more jobs."""
        self._worker = LineWorker(
            spawn,
            module,
            name="forecast worker",
            deadline_s=deadline_s,
            memory_max_bytes=MEMORY_MAX_BYTES,
            jobs_max=jobs_max,
        )

    def answer(self, request: PredictionRequest) -> bytes:
        """As :meth:`hems.ports.Predictor.answer`."""
        return self._worker.ask(fast_json(request))

    def close(self) -> None:
        """End the worker, if one is at work."""
        self._worker.close()


def checked_prediction(request: PredictionRequest, answer: bytes) -> Prediction:
    """The forecasts in a worker's answer, if they are what was asked for and can be.

    Raises:
        WorkerError: not an answer, or one that cannot be used; says why in one sentence.
    """
    try:
        found = parse(PredictionAnswer, answer, source="answer")
    except BadInputError as error:
        raise WorkerError(f"forecast worker: {str(error).splitlines()[0]}") from None
    if found.prediction is None:
        raise WorkerError(f"forecast worker: {found.error or 'an error without words'}")
    wrong = faults(request, found.prediction)
    if wrong:
        raise WorkerError(f"forecast refused: {'; '.join(wrong[:FAULTS_SHOWN_MAX])}")
    return found.prediction
