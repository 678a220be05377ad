"""Getting the house's forecasts: ask the worker once for each quarter hour, check, and always go on with something."""

from dataclasses import dataclass

from hems.domain.errors import WorkerError
from hems.domain.events import Event, ForecastRefused
from hems.domain.forecast import SlotHistory
from hems.domain.prediction import Prediction, PredictionRequest
from hems.domain.time import Now
from hems.forecast.house import predict
from hems.ports import Predictor
from hems.runtime.predictor import checked_prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """Forecasts to go on with, and what happened."""

    prediction: Prediction
    trouble: str | None
    """Why the daemon made them itself; None where the worker did, or where none is used."""
    events: tuple[Event, ...] = ()
    fresh: bool = True
    """Made for this question; False: for an earlier one of the same quarter hour."""


class PredictionDesk:
    """Asks one predictor. A failure is told once, until it works again.

    Args:
        predictor: the worker; None: the daemon forecasts itself.
    """

    def __init__(self, predictor: Predictor | None) -> None:
        self._predictor = predictor
        self._last: tuple[object, Predicted] | None = None
        self._failing = False

    def predict(self, request: PredictionRequest, now: Now) -> Predicted:
        """Forecasts of this quarter hour: asked for once, and again when more is known. Never raises."""
        known = _extent(request)
        if self._last is None or self._last[0] != known:
            self._last = (known, self._fresh(request, now))
            return self._last[1]
        last = self._last[1]
        return Predicted(prediction=last.prediction, trouble=last.trouble, fresh=False)

    def close(self) -> None:
        """End the worker."""
        if self._predictor is not None:
            self._predictor.close()

    def _fresh(self, request: PredictionRequest, now: Now) -> Predicted:
        if self._predictor is None:
            return Predicted(prediction=predict(request), trouble=None)
        try:
            prediction = checked_prediction(request, self._predictor.answer(request))
        except WorkerError as error:
            events = () if self._failing else (ForecastRefused(at=now.at, problem=str(error)),)
            self._failing = True
            return Predicted(prediction=predict(request), trouble=str(error), events=events)
        self._failing = False
        return Predicted(prediction=prediction, trouble=None)


def _extent(request: PredictionRequest) -> object:
    """What of a request can change a forecast within a quarter hour: how much is known."""

    def extent(history: SlotHistory | None) -> object:
        return None if history is None else (history.start_at, len(history.mean_w))

    histories = (request.load, *(plant.history for plant in request.plants), *(each.history for each in request.pumps))
    return (request.grid, *map(extent, histories), extent(request.ghi_wm2), extent(request.outdoor_c))
