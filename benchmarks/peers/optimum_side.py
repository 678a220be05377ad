"""The proven optimum of our problems: a plain formulation of the facts, solved by HiGHS to a gap of 1e-6.

Shares nothing with ``hems``: whole numbers for every direction of battery and grid and for every smallest power in
every slot, one row for each sentence of the problem, no trick. Slow, and that does not matter. Runs in EMHASS's
environment, which brings HiGHS along.
"""

import json
import os
import sys
from typing import Any

import highspy

INFINITE = highspy.kHighsInf
GAP_RATIO = 1e-6


class Model:
    """Columns with costs, rows with bounds."""

    def __init__(self) -> None:
        self.solver = highspy.Highs()
        self.solver.setOptionValue("output_flag", False)
        self.solver.setOptionValue("threads", 1)
        self.solver.setOptionValue("mip_rel_gap", GAP_RATIO)
        self.solver.setOptionValue("mip_abs_gap", 1e-7)
        self.count = 0

    def column(self, upper: float, *, lower: float = 0.0, cost: float = 0.0, whole: bool = False) -> int:
        self.solver.addCol(cost, lower, upper, 0, [], [])
        if whole:
            self.solver.changeColIntegrality(self.count, highspy.HighsVarType.kInteger)
        self.count += 1
        return self.count - 1

    def row(self, terms: dict[int, float], *, lower: float = -INFINITE, upper: float = INFINITE) -> None:
        self.solver.addRow(lower, upper, len(terms), list(terms), list(terms.values()))


def optimum(facts: dict[str, Any], time_limit_s: float) -> dict[str, Any]:
    """Cost, proven bound and powers. kW, kWh and EUR inside."""
    model, hours, count = Model(), facts["slot_s"] / 3600, len(facts["load_w"])
    site_kw = facts["connection_max_w"] / 1000
    taken, given = [], []
    for buy, sell in zip(facts["buy_eur_per_kwh"], facts["sell_eur_per_kwh"], strict=True):
        taken.append(model.column(site_kw, cost=buy * hours))
        given.append(model.column(site_kw, cost=-sell * hours))
        importing = model.column(1, whole=True)
        model.row({taken[-1]: 1, importing: -site_kw}, upper=0)
        model.row({given[-1]: 1, importing: site_kw}, upper=site_kw)
    powers = _battery(model, facts["battery"], hours, count)
    powers["pv"] = [_pv(model, each / 1000, curtailable=facts["pv_curtailable"]) for each in facts["pv_w"]]
    if facts["car"]:
        powers["car"] = _car(model, facts["car"], hours, count)
    if facts["appliance"]:
        powers["appliance"] = _appliance(model, facts["appliance"], count)
    for slot, load_w in enumerate(facts["load_w"]):
        terms = {taken[slot]: 1.0, given[slot]: -1.0, powers["pv"][slot]: 1.0}
        terms |= {powers["charge"][slot]: -1.0, powers["discharge"][slot]: 1.0}
        terms |= {powers[name][slot]: -1.0 for name in ("car", "appliance") if name in powers}
        model.row(terms, lower=load_w / 1000, upper=load_w / 1000)
    model.solver.setOptionValue("time_limit", time_limit_s)
    model.solver.run()
    values = model.solver.getSolution().col_value
    watts = {name: [values[each] * 1000 for each in columns] for name, columns in powers.items()}
    charge, discharge = watts.pop("charge"), watts.pop("discharge")
    watts["battery"] = [taken_w - given_w for taken_w, given_w in zip(charge, discharge, strict=True)]
    info = model.solver.getInfo()
    return {"powers": watts, "cost_eur": info.objective_function_value, "bound_eur": info.mip_dual_bound}


def _battery(model: Model, battery: dict[str, Any], hours: float, count: int) -> dict[str, list[int]]:
    power_kw, efficiency = battery["power_max_w"] / 1000, battery["efficiency_ratio"]
    charge, discharge, stored = [], [], []
    for slot in range(count):
        charge.append(model.column(power_kw))
        discharge.append(model.column(power_kw))
        worth = -battery["end_value_eur_per_kwh"] if slot == count - 1 else 0.0
        stored.append(model.column(battery["ceiling_wh"] / 1000, lower=battery["floor_wh"] / 1000, cost=worth))
        charging = model.column(1, whole=True)
        model.row({charge[-1]: 1, charging: -power_kw}, upper=0)
        model.row({discharge[-1]: 1, charging: power_kw}, upper=power_kw)
        change = {stored[-1]: 1.0, charge[-1]: -hours * efficiency, discharge[-1]: hours / efficiency}
        if slot == 0:
            model.row(change, lower=battery["stored_wh"] / 1000, upper=battery["stored_wh"] / 1000)
        else:
            model.row(change | {stored[-2]: -1.0}, lower=0, upper=0)
    return {"charge": charge, "discharge": discharge}


def _pv(model: Model, production_kw: float, *, curtailable: bool) -> int:
    return model.column(production_kw, lower=0.0 if curtailable else production_kw)


def _car(model: Model, car: dict[str, Any], hours: float, count: int) -> list[int]:
    least_kw, most_kw = car["power_min_w"] / 1000, car["power_max_w"] / 1000
    power = []
    for slot in range(count):
        there = slot < car["deadline_slot"]
        power.append(model.column(most_kw if there else 0.0))
        if there:
            on = model.column(1, whole=True)
            model.row({power[-1]: 1, on: -most_kw}, upper=0)
            model.row({power[-1]: 1, on: -least_kw}, lower=0)
    model.row(dict.fromkeys(power, hours), lower=car["energy_wh"] / 1000, upper=car["energy_wh"] / 1000)
    return power


def _appliance(model: Model, appliance: dict[str, Any], count: int) -> list[int]:
    profile = [each / 1000 for each in appliance["profile_w"]]
    power = [model.column(max(profile)) for _ in range(count)]
    starts = [model.column(1, whole=True) for _ in range(appliance["deadline_slot"] - len(profile) + 1)]
    model.row(dict.fromkeys(starts, 1.0), lower=1, upper=1)
    for slot in range(count):
        terms = {power[slot]: 1.0}
        terms |= {starts[slot - step]: -kw for step, kw in enumerate(profile) if 0 <= slot - step < len(starts)}
        model.row(terms, lower=0, upper=0)
    return power


def main() -> None:
    """One job per line in, one answer per line out."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the solver prints as it likes
    for line in sys.stdin:
        job = json.loads(line)
        answers.write(json.dumps(optimum(job["facts"], job["time_limit_s"])) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
