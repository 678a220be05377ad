"""``python -m hems.workers.predict``: one request per line in, the house's forecasts per line out.

It may be killed at any moment; nothing is kept between two lines.
"""

import time
from zoneinfo import ZoneInfo

from hems.domain.errors import BadInputError
from hems.domain.forecast import Forecast
from hems.domain.prediction import PlantAsked, PredictionAnswer, PredictionRequest
from hems.forecast.house import predict
from hems.learning.load import forecast_load
from hems.learning.place import place_of_zone
from hems.learning.pv import Weather, forecast_pv
from hems.learning.sun import Plant
from hems.wire import fast_json, parse
from hems.workers.serving import main


def answer(line: bytes) -> bytes:
    """One answer: forecasts with the CPU time they took, or why there are none."""
    started_s = time.process_time()
    try:
        prediction = predict(parse(PredictionRequest, line, source="request"), load=forecast_load, sun=sun_by_geometry)
    except (BadInputError, ValueError, KeyError) as error:
        return fast_json(PredictionAnswer(error=str(error).splitlines()[0]))
    return fast_json(PredictionAnswer(prediction=prediction, elapsed_s=time.process_time() - started_s))


def sun_by_geometry(plant: PlantAsked, request: PredictionRequest) -> Forecast:
    """From the declared planes under the house's sky, its own past, and the light that is forecast."""
    light, air = request.ghi_wm2, request.outdoor_c
    where = request.place or place_of_zone(request.timezone)
    aligned = light is not None and air is not None and (light.start_at, light.slot_s) == (air.start_at, air.slot_s)
    return forecast_pv(
        plant.history,
        grid=request.grid,
        issued_at=request.issued_at,
        zone=ZoneInfo(request.timezone),
        plant=Plant(planes=plant.planes, latitude_deg=where.latitude_deg, longitude_deg=where.longitude_deg),
        weather=None
        if light is None
        else Weather(
            start_at=light.start_at,
            ghi_wm2=light.mean_w,
            air_c=air.mean_w if air is not None and aligned else None,
            slot_s=light.slot_s,
        ),
    )


if __name__ == "__main__":
    main(answer)
