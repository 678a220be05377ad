"""``python -m hems.workers.plan``: one planning problem per line in, one answer per line out, until input ends.

The only process that loads the solver. It may be killed at any moment; nothing is kept between two lines.
"""

import time

from hems.domain.errors import BadInputError
from hems.domain.problem import PlanningProblem
from hems.planning.answer import PlanAnswer, PlanRefusal
from hems.solving.mathopt import UnsolvedError
from hems.solving.plan import solve
from hems.wire import fast_json, parse
from hems.workers.serving import main


def answer(line: bytes) -> bytes:
    """One answer: a plan with its solver and CPU time, or why there is none."""
    started_s = time.process_time()
    try:
        solved = solve(parse(PlanningProblem, line, source="problem"))
    except (BadInputError, UnsolvedError) as error:
        return fast_json(PlanRefusal(error=str(error)))
    elapsed_s = time.process_time() - started_s
    return fast_json(PlanAnswer(plan=solved.plan, elapsed_s=elapsed_s, solver=solved.solver))


if __name__ == "__main__":
    main(answer)
