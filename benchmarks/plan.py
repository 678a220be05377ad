"""``python -m benchmarks.plan``: CPU time of a plan in the worker, parsing and duals included."""

import statistics
import time
from collections import Counter

from hems.planning.answer import PlanAnswer
from hems.planning.check import violations
from hems.wire import fast_json, parse
from hems.workers.plan import answer
from tests.support.problems import house_problem

ROUNDS = 40


def main() -> None:
    print(f"{'house, horizon':44} {'median':>7} {'p95':>7} {'max':>7}  ms CPU per plan; solvers")
    for name, with_car, with_heat, count in (
        ("battery + PV, 48 h", False, False, 192),
        ("battery + PV + heat pump, 48 h", False, True, 192),
        ("battery + PV + car in the sun, 48 h", True, False, 192),
        ("battery + PV + car + heat pump, 48 h", True, True, 192),
        ("battery + PV + heat pump, 7 days", False, True, 672),
    ):
        problems = (house_problem(seed, with_car=with_car, with_heat=with_heat, count=count) for seed in range(ROUNDS))
        lines = [fast_json(each) for each in problems]
        answer(lines[0])
        took_ms, solvers = [], Counter[str]()
        for line in lines:
            started_s = time.process_time()
            raw = answer(line)
            took_ms.append(1000 * (time.process_time() - started_s))
            solvers[parse(PlanAnswer, raw, source="answer").solver] += 1
        took_ms.sort()
        p95 = took_ms[int(0.95 * len(took_ms))]
        print(f"{name:44} {statistics.median(took_ms):7.1f} {p95:7.1f} {took_ms[-1]:7.1f}  {dict(solvers)}")
    problem = house_problem(0)
    plan = parse(PlanAnswer, answer(fast_json(problem)), source="answer").plan
    started_s = time.process_time()
    for _ in range(20):
        violations(problem, plan)
    print(f"{'check of a plan, in the daemon':44} {50 * (time.process_time() - started_s):7.1f}")


if __name__ == "__main__":
    main()
