"""``python -m hems.workers.predict``: one request per line in, the house's forecasts per line out.

It may be killed at any moment; nothing is kept between two lines.
"""

import time

from hems.domain.errors import BadInputError
from hems.domain.prediction import PredictionAnswer, PredictionRequest
from hems.forecast.house import predict
from hems.learning.load import forecast_load
from hems.wire import fast_json, parse
from hems.workers.serving import main


def answer(line: bytes) -> bytes:
    """One answer: forecasts with the CPU time they took, or why there are none."""
    started_s = time.process_time()
    try:
        prediction = predict(parse(PredictionRequest, line, source="request"), load=forecast_load)
    except (BadInputError, ValueError, KeyError) as error:
        return fast_json(PredictionAnswer(error=str(error).splitlines()[0]))
    return fast_json(PredictionAnswer(prediction=prediction, elapsed_s=time.process_time() - started_s))


if __name__ == "__main__":
    main(answer)
