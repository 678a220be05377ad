"""The optimum of a problem, for tests that know it by hand."""

from hems.domain.plan import Plan
from hems.domain.problem import PlanningProblem
from hems.planning.check import violations
from hems.solving.plan import Gap, solve


def planned(problem: PlanningProblem) -> Plan:
    """The plan without any gap to the optimum; it passes the check."""
    plan = solve(problem, Gap(ratio=0.0, eur=1e-4)).plan
    assert violations(problem, plan) == ()
    return plan
