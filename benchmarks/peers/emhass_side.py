"""EMHASS on our problems. Runs in EMHASS's own interpreter, which knows nothing of ``hems``: JSON in, JSON out.

Every setting that its defaults have otherwise is here because the problem says so: export from the battery is
allowed, the step and the gap are the problem's, power limits hold at the socket (EMHASS counts the discharge limit
on the battery's side of the losses), and stored energy at the end is worth what the problem says (its reward per
kWh above the lowest level is a factor on the last purchase price).
"""

import json
import logging
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
started_s = time.process_time()
import emhass  # noqa: E402
import pandas as pd  # noqa: E402
from emhass.optimization import Optimization  # noqa: E402

IMPORT_S = time.process_time() - started_s
IMPORT_MB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
HORIZON_FROM = "2026-01-01"
UNUSED = "unused"


def configuration(facts: dict[str, Any], gap: float) -> dict[str, Any]:
    """EMHASS's defaults with the house of the problem; its three dictionaries read different keys of this one."""
    settings: dict[str, Any] = json.loads((Path(emhass.__file__).parent / "data" / "config_defaults.json").read_text())
    battery, loads = facts["battery"], deferrable_loads(facts)
    hours = facts["slot_s"] / 3600
    settings |= {
        "optimization_time_step": pd.Timedelta(seconds=facts["slot_s"]),
        "delta_forecast_daily": pd.Timedelta(hours=len(facts["load_w"]) * hours),
        "time_zone": "UTC",
        "sensor_power_photovoltaics": UNUSED,
        "sensor_power_load_no_var_loads": UNUSED,
        "num_threads": 1,
        "lp_solver_mip_rel_gap": gap,
        "set_use_pv": True,
        "compute_curtailment": facts["pv_curtailable"],
        "set_use_battery": True,
        "set_nodischarge_to_grid": False,
        "maximum_power_from_grid": facts["connection_max_w"],
        "maximum_power_to_grid": facts["connection_max_w"],
        "battery_nominal_energy_capacity": battery["ceiling_wh"],
        "battery_minimum_state_of_charge": battery["floor_wh"] / battery["ceiling_wh"],
        "battery_maximum_state_of_charge": 1.0,
        "battery_charge_power_max": battery["power_max_w"],
        "battery_discharge_power_max": battery["power_max_w"] / battery["efficiency_ratio"],
        "battery_charge_efficiency": battery["efficiency_ratio"],
        "battery_discharge_efficiency": battery["efficiency_ratio"],
        "battery_soc_final_reward_factor": battery["end_value_eur_per_kwh"] / facts["buy_eur_per_kwh"][-1],
        "number_of_deferrable_loads": len(loads),
        "nominal_power_of_deferrable_loads": [each["power_w"] for each in loads],
        "minimum_power_of_deferrable_loads": [each["power_min_w"] for each in loads],
        "operating_hours_of_each_deferrable_load": [each["hours"] for each in loads],
        "start_timesteps_of_each_deferrable_load": [0 for _ in loads],
        "end_timesteps_of_each_deferrable_load": [each["end_slot"] for each in loads],
    }
    for name in ("treat_deferrable_load_as_semi_cont", "set_deferrable_load_single_constant"):
        settings[name] = [False for _ in loads]
    for name in (
        "set_deferrable_startup_penalty",
        "set_deferrable_max_startups",
        "def_minimum_on_time",
        "def_minimum_off_time",
        "deferrable_load_max_cost",
    ):
        settings[name] = [0 for _ in loads]
    settings["is_electric_load"] = [True for _ in loads]
    settings["cost_forecast_per_deferrable_load"] = [None for _ in loads]
    return settings


def deferrable_loads(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Car, then appliance: a fixed amount of energy in a window, and a fixed sequence of powers."""
    loads = []
    if car := facts["car"]:
        loads.append(
            {
                "power_w": car["power_max_w"],
                "power_min_w": car["power_min_w"],
                "hours": car["energy_wh"] / car["power_max_w"],
                "end_slot": car["deadline_slot"],
            }
        )
    if appliance := facts["appliance"]:
        hours = len(appliance["profile_w"]) * facts["slot_s"] / 3600
        loads.append(
            {
                "power_w": appliance["profile_w"],
                "power_min_w": 0,
                "hours": hours,
                "end_slot": appliance["deadline_slot"],
            }
        )
    return loads


def optimizer(facts: dict[str, Any], gap: float) -> Optimization:
    settings = configuration(facts, gap)
    quiet = logging.getLogger("emhass")
    quiet.setLevel(logging.CRITICAL)
    return Optimization(
        settings,
        settings,
        settings,
        "buy",
        "sell",
        "profit",
        {},
        quiet,
        opt_time_delta=int(len(facts["load_w"]) * facts["slot_s"] / 3600),
    )


def plan(planner: Optimization, facts: dict[str, Any]) -> pd.DataFrame:
    """One call as its model predictive control makes it."""
    index = pd.date_range(facts["start_at"], periods=len(facts["load_w"]), freq=pd.Timedelta(seconds=facts["slot_s"]))
    prices = pd.DataFrame({"buy": facts["buy_eur_per_kwh"], "sell": facts["sell_eur_per_kwh"]}, index=index)
    battery, loads = facts["battery"], deferrable_loads(facts)
    return planner.perform_naive_mpc_optim(
        prices,
        pd.Series(facts["pv_w"], index=index),
        pd.Series(facts["load_w"], index=index),
        len(index),
        soc_init=battery["stored_wh"] / battery["ceiling_wh"],
        soc_final=battery["floor_wh"] / battery["ceiling_wh"],
        def_total_hours=[each["hours"] for each in loads],
        def_start_timestep=[0 for _ in loads],
        def_end_timestep=[each["end_slot"] for each in loads],
    )


def powers(facts: dict[str, Any], result: pd.DataFrame) -> dict[str, list[float]]:
    found = {"battery": (-result["P_batt"]).tolist()}
    number = 0
    for device in ("car", "appliance"):
        if facts[device]:
            found[device] = result[f"P_deferrable{number}"].tolist()
            number += 1
    curtailed = result["P_PV_curtailment"] if facts["pv_curtailable"] else 0.0
    found["pv"] = (result["P_PV"] - curtailed).tolist()
    return found


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """Times of a new object, and of one that is called again with what has drifted."""
    new_s, again_s, drifted = [], [], []
    for _ in range(job["rounds"]):
        began_s = time.process_time()
        planner = optimizer(job["facts"], job["gap"])
        result = plan(planner, job["facts"])
        new_s.append(time.process_time() - began_s)
    planner.optim_conf["lp_solver_mip_rel_gap"] = job["gap_again"]
    for facts in job["drifted"]:
        began_s = time.process_time()
        again = plan(planner, facts)
        again_s.append(time.process_time() - began_s)
        drifted.append(powers(facts, again))
    return {"new_s": new_s, "again_s": again_s, "powers": powers(job["facts"], result), "drifted": drifted}


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
