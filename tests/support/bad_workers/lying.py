"""Answers with a plan whose battery does more than it can."""

import sys
from dataclasses import replace

from hems.domain.problem import PlanningProblem
from hems.planning.answer import PlanAnswer
from hems.planning.fallback import fallback_plan
from hems.wire import fast_json, parse

for line in sys.stdin.buffer:
    plan = fallback_plan(parse(PlanningProblem, line, source="problem"))
    eager = replace(plan.batteries[0], power_w=(50_000.0,) * plan.grid.count)
    answer = PlanAnswer(plan=replace(plan, batteries=(eager,)), elapsed_s=0.0, solver="wish")
    sys.stdout.buffer.write(fast_json(answer) + b"\n")
    sys.stdout.buffer.flush()
