"""``python -m benchmarks.fullest``: the house with everything in it, and how planning grows with days and devices.

Process CPU time as the plan worker itself reckons it (parsing, solving, worths and reasons), in one long-lived worker
that has one core. A re-plan is the same slots a minute later: forecasts 2 to 5 % off, other states, and what the plan
in force has announced. Plans that the daemon's check would refuse are counted.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.houses import crowded, house_c, house_c_drifted, house_d, house_d_drifted
from benchmarks.peers.documents import announced
from benchmarks.peers.side import pin
from hems.domain.problem import PlanningProblem
from hems.planning.answer import PlanAnswer
from hems.planning.check import violations
from hems.wire import fast_json, parse

SEEDS = range(1, 21)
DRIFTS = 5
GROWTH_SEEDS = (1, 2, 3)


class Worker:
    """The plan worker as the daemon runs it, but for its limits."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.refused: list[str] = []

    def plan(self, problem: PlanningProblem) -> PlanAnswer:
        """One plan; what the check finds in it is kept in ``refused``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(fast_json(problem) + b"\n")
        self._process.stdin.flush()
        found = parse(PlanAnswer, self._process.stdout.readline(), source="worker")
        self.refused += violations(problem, found.plan)[:1]
        return found

    @property
    def state(self) -> str:
        """Most resident memory so far, and how many plans the check refused."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        peak_mb = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
        return f"peak {peak_mb:.0f} MB, refused {len(self.refused)}"


@contextmanager
def worker() -> Iterator[Worker]:
    with subprocess.Popen(
        [sys.executable, "-m", "hems.workers.plan"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Worker(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    pin()
    print(
        f"{'ms CPU':22} {'first plan: median':>20} {'p95':>7} {'max':>7} {'re-plan: median':>17} {'p95':>7} {'max':>7}"
    )
    for name, house, later in (("C", house_c, house_c_drifted), ("D, the fullest", house_d, house_d_drifted)):
        with worker() as own:
            own.plan(house(0))
            first, again = _house(own, house, later)
            print(f"{name:22} {_tail(first):>36} {_tail(again):>33}  {own.state}")
    print(f"\n{'growth, ms CPU':22} {'first plan: min median max':>36}")
    for hours in (24, 48, 72, 96, 168):
        _growth(f"D over {hours} hours", [house_d(seed, hours=hours) for seed in GROWTH_SEEDS])
    for devices in (1, 2, 4, 8, 12, 16, 20):
        _growth(f"{devices} devices, 48 hours", [crowded(devices, seed) for seed in GROWTH_SEEDS])


def _house(
    own: Worker, house: Callable[[int], PlanningProblem], later: Callable[[int, int], PlanningProblem]
) -> tuple[list[float], list[float]]:
    first, again = [], []
    for seed in SEEDS:
        found = own.plan(house(seed))
        first.append(found.elapsed_s)
        again += [own.plan(announced(later(seed, number), found.plan)).elapsed_s for number in range(DRIFTS)]
    return first, again


def _growth(name: str, problems: Sequence[PlanningProblem]) -> None:
    with worker() as own:
        took_s = [own.plan(problem).elapsed_s for problem in problems]
        figures = " ".join(f"{1000 * each:.0f}" for each in (min(took_s), statistics.median(took_s), max(took_s)))
        print(f"{name:22} {figures:>36}  {own.state}")


def _tail(seconds: Sequence[float]) -> str:
    """Median, 95th percentile (the nearest rank) and maximum in ms."""
    ranked = sorted(seconds)
    p95 = ranked[-(-19 * len(ranked) // 20) - 1]
    return " ".join(f"{1000 * each:7.0f}" for each in (statistics.median(ranked), p95, ranked[-1]))


if __name__ == "__main__":
    main()
