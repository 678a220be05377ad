"""Can every wish be kept, and how much must a car miss at least? A second formulation, by expressions and another API.

For houses of batteries, cars on one way to charge, PV and a connection; nothing is shared with ``hems.solving`` or
``hems.planning``. Wishes are hard here, so that the answer is a proof.
"""

from datetime import timedelta

from ortools.linear_solver import pywraplp  # type: ignore[import-untyped]

from hems.domain.problem import CarInput, PlanningProblem

EXACT_H = 6
"""The first hours, in which a car charges at 0 or at least its smallest power, but for one slot."""


def fits_every_wish(problem: PlanningProblem) -> bool:
    """Whether all cars can leave with what they need and every battery can keep its reserve."""
    return _Model(problem, cars_may_miss=False, reserve=True).solved()


def least_missing_wh(problem: PlanningProblem) -> float:
    """What all cars together must miss at least, whatever batteries do for them, inside the connection."""
    model = _Model(problem, cars_may_miss=True, reserve=False)
    assert model.solved()
    return float(model.solver.Objective().Value())


class _Model:
    def __init__(self, problem: PlanningProblem, *, cars_may_miss: bool, reserve: bool) -> None:
        self.solver = pywraplp.Solver.CreateSolver("SCIP")
        self.problem, self.hours = problem, problem.grid.slot_s / 3600
        self.count = problem.grid.count
        self.net = list(problem.load_power_w)
        for plant in problem.pv:
            for slot, most_w in enumerate(plant.production_power_w):
                self.net[slot] -= self.solver.NumVar(0 if plant.curtailable else most_w, most_w, "")
        for battery in problem.batteries:
            lowest = max(battery.floor_wh, battery.reserve_wh if reserve else 0.0)
            stored = battery.stored_wh
            for slot in range(self.count):
                into = self.solver.NumVar(0, battery.charge_power_max_w, "")
                out = self.solver.NumVar(0, battery.discharge_power_max_w, "")
                after = self.solver.NumVar(lowest, battery.ceiling_wh, "")
                gained = into * battery.charge_efficiency_ratio - out / battery.discharge_efficiency_ratio
                self.solver.Add(after == stored + gained * self.hours)
                stored = after
                self.net[slot] += into - out
        missing = [self._car(car, may_miss=cars_may_miss) for car in problem.cars]
        for slot in range(self.count):
            self.solver.Add(self.net[slot] <= problem.import_power_max_w[slot])
            self.solver.Add(self.net[slot] >= -problem.export_power_max_w[slot])
        self.solver.Minimize(sum(missing))

    def solved(self) -> bool:
        """Whether there is a point."""
        status = self.solver.Solve()
        assert status in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.INFEASIBLE), status
        return bool(status == pywraplp.Solver.OPTIMAL)

    def _car(self, car: CarInput, *, may_miss: bool) -> pywraplp.Variable:
        (mode,) = car.modes
        begins = (car.arrival_at - self.problem.grid.start_at) / timedelta(seconds=self.problem.grid.slot_s)
        leaves = (car.departure_at - self.problem.grid.start_at) // timedelta(seconds=self.problem.grid.slot_s)
        charged, parts = 0.0, []
        for slot in range(min(leaves, self.count)):
            share = min(1.0, max(0.0, slot + 1 - begins))
            power = self.solver.NumVar(0, mode.power_max_w * share, "")
            if slot * self.hours < EXACT_H:
                on, part = self.solver.BoolVar(""), self.solver.BoolVar("")
                self.solver.Add(power >= mode.power_min_w * share * on)
                self.solver.Add(power <= mode.power_max_w * share * (on + part))
                parts.append(part)
            charged += power * self.hours
            self.net[slot] += power
        self.solver.Add(sum(parts) <= 1)
        missing = self.solver.NumVar(0, car.energy_needed_wh if may_miss else 0, "")
        self.solver.Add(charged + missing == car.energy_needed_wh)
        return missing
