"""FlexMeasures' device scheduler on our problems. Runs in its own interpreter: JSON in, JSON out.

Only the core that builds and solves, without the server, database and queue that a real call goes through. Its own
gap is 0 with tolerances of 1e-9; here the gap is the job's. An appliance's profile cannot be placed by it inside the
joint problem (a separate process scheduler does that), so problems with one are not asked of it.

It counts stock in kW x slots and prices in EUR per kW and slot. Its "down efficiency" is 0.95, not 1 / 0.95.
"""

import json
import os
import resource
import sys
import time
from datetime import timedelta
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
started_s = time.process_time()
import pandas as pd  # noqa: E402
from flask import Flask  # noqa: E402
from flexmeasures.data.models.planning import FlowCommitment, StockCommitment  # noqa: E402
from flexmeasures.data.models.planning.linear_optimization import device_scheduler  # noqa: E402
from flexmeasures.data.models.planning.utils import initialize_df  # noqa: E402

IMPORT_S = time.process_time() - started_s
IMPORT_MB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
COLUMNS = [
    "equals",
    "max",
    "min",
    "efficiency",
    "derivative equals",
    "derivative max",
    "derivative min",
    "derivative down efficiency",
    "derivative up efficiency",
    "stock delta",
]
LOAD, PV, BATTERY, CAR = range(4)


def plan(app: Flask, facts: dict[str, Any]) -> tuple[dict[str, list[float]], float]:
    """Powers, and process CPU seconds of building and solving."""
    began_s = time.process_time()
    step = timedelta(seconds=facts["slot_s"])
    hours = facts["slot_s"] / 3600
    start = pd.Timestamp(facts["start_at"])
    end = start + len(facts["load_w"]) * step

    def table() -> pd.DataFrame:
        return initialize_df(COLUMNS, start, end, step)

    battery, car = facts["battery"], facts["car"]
    devices = [table() for _ in range(4 if car else 3)]
    describe(devices, facts, hours)
    site = table()
    site["derivative max"] = facts["connection_max_w"] / 1000
    site["derivative min"] = -facts["connection_max_w"] / 1000
    stored = battery["stored_wh"] / 1000 / hours
    with app.app_context():
        found, _, results, _ = device_scheduler(
            device_constraints=devices,
            ems_constraints=site,
            commitments=commitments_of(facts, site.index, len(devices), hours),
            initial_stock=[0.0, 0.0, stored, 0.0][: len(devices)],
            device_power_bands=[None, None, None, [(0, 0), (car["power_min_w"] / 1000, car["power_max_w"] / 1000)]]
            if car
            else None,
        )
    elapsed_s = time.process_time() - began_s
    if results.solver.termination_condition != "optimal":
        raise RuntimeError(f"flexmeasures: {results.solver.termination_condition}")
    watts = [(each * 1000).tolist() for each in found]
    powers = {"battery": watts[BATTERY], "pv": [-each for each in watts[PV]]}
    return powers | ({"car": watts[CAR]} if car else {}), elapsed_s


def describe(devices: list[pd.DataFrame], facts: dict[str, Any], hours: float) -> None:
    """Load, PV, battery and car as its tables; stock counts in power times slots."""
    battery, car = facts["battery"], facts["car"]
    devices[LOAD]["derivative equals"] = [each / 1000 for each in facts["load_w"]]
    if facts["pv_curtailable"]:
        devices[PV]["derivative min"] = [-each / 1000 for each in facts["pv_w"]]
        devices[PV]["derivative max"] = 0
    else:
        devices[PV]["derivative equals"] = [-each / 1000 for each in facts["pv_w"]]
    stored, floor, ceiling = (battery[name] / 1000 / hours for name in ("stored_wh", "floor_wh", "ceiling_wh"))
    devices[BATTERY]["min"], devices[BATTERY]["max"] = floor - stored, ceiling - stored
    devices[BATTERY]["derivative max"] = battery["power_max_w"] / 1000
    devices[BATTERY]["derivative min"] = -battery["power_max_w"] / 1000
    devices[BATTERY]["derivative up efficiency"] = battery["efficiency_ratio"]
    devices[BATTERY]["derivative down efficiency"] = battery["efficiency_ratio"]
    if car:
        energy = car["energy_wh"] / 1000 / hours
        devices[CAR]["min"], devices[CAR]["max"] = 0, energy
        devices[CAR].loc[devices[CAR].index[car["deadline_slot"] - 1], "equals"] = energy
        devices[CAR]["derivative min"] = 0
        devices[CAR]["derivative max"] = [
            car["power_max_w"] / 1000 if slot < car["deadline_slot"] else 0 for slot in range(len(facts["load_w"]))
        ]


def commitments_of(facts: dict[str, Any], index: pd.DatetimeIndex, count: int, hours: float) -> list[Any]:
    """What energy costs, and what is worth having at the end."""
    numbers = list(range(count))
    value = -facts["battery"]["end_value_eur_per_kwh"] * hours
    return [
        FlowCommitment(
            name="energy",
            quantity=0,
            upwards_deviation_price=pd.Series(facts["buy_eur_per_kwh"], index=index) * hours,
            downwards_deviation_price=pd.Series(facts["sell_eur_per_kwh"], index=index) * hours,
            index=index,
            device=pd.Series([numbers] * len(index), index=index),
            device_group=pd.Series(["site"] * len(numbers), index=numbers),
        ),
        StockCommitment(
            name="worth of what is stored at the end",
            quantity=only_last(index, 0.0, otherwise=float("nan")),
            upwards_deviation_price=only_last(index, value, otherwise=0.0),
            downwards_deviation_price=only_last(index, value, otherwise=0.0),
            index=index,
            device=pd.Series(BATTERY, index=index),
        ),
    ]


def only_last(index: pd.DatetimeIndex, value: float, *, otherwise: float) -> pd.Series:
    return pd.Series([otherwise] * (len(index) - 1) + [value], index=index)


def application(gap: float) -> Flask:
    app = Flask("benchmark")
    app.config.update(
        FLEXMEASURES_LP_SOLVER="highspy",
        LOGGING_LEVEL="INFO",
        FLEXMEASURES_LP_SOLVER_OPTIONS={"mip_rel_gap": gap},
    )
    return app


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """It keeps nothing between calls: a re-plan is a new plan at the wider gap."""
    new = [plan(application(job["gap"]), job["facts"]) for _ in range(job["rounds"])]
    again = [plan(application(job["gap_again"]), facts) for facts in job["drifted"]]
    return {
        "new_s": [each[1] for each in new],
        "again_s": [each[1] for each in again],
        "powers": new[-1][0],
        "drifted": [each[0] for each in again],
    }


def main() -> None:
    """One job per line in, one answer per line out; the first line tells what importing takes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the solver prints as it likes
    answers.write(json.dumps({"import_s": IMPORT_S, "import_mb": IMPORT_MB}) + "\n")
    answers.flush()
    for line in sys.stdin:
        found = answer(json.loads(line))
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.write(json.dumps(found) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
