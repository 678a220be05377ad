"""Photovoltaic plants that can be held back: those with a limit, and all behind a hybrid inverter."""

from collections.abc import Mapping

import numpy as np

from hems.domain.problem import PvInput
from hems.domain.site import DeviceId
from hems.solving.frame import Frame
from hems.solving.program import Indices


def put_pv(frame: Frame, plant: PvInput, buses: Mapping[DeviceId, Indices]) -> Indices:
    """Production; the tiny reward keeps it running where export earns nothing."""
    columns = frame.program.columns(
        frame.count,
        upper=np.array(plant.production_power_w) / 1000,
        cost=-frame.weights.sun * frame.slot_h,
    )
    if plant.inverter_id is not None:
        frame.program.put(buses[plant.inverter_id], columns, -1.0)
    else:
        frame.place(columns, -1.0, circuit_id=plant.circuit_id, phases=plant.phases, slots=frame.slots)
    return columns
