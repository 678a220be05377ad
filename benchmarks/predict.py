"""What a forecast costs: a process for each, against one that is kept.

    python -m benchmarks.predict

A house with eight weeks of load and two plants, 48 h ahead. Wall time from the request to the checked answer; CPU and
memory of the child as the kernel counts them.
"""

import random
import resource
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from hems.domain.forecast import SlotHistory
from hems.domain.prediction import Coordinates, PlantAsked, PredictionRequest
from hems.domain.site import DeviceId, PvPlane
from hems.domain.time import SlotGrid
from hems.ports import WorkerProcess
from hems.runtime.predictor import WorkerPredictor, checked_prediction
from hems.runtime.worker_process import PipeProcess, spawn

DAYS = 56
RUNS = 10
NOW_AT = datetime(2024, 5, 1, 12, tzinfo=UTC)


def request(number: int) -> PredictionRequest:
    dice = random.Random(number)
    start_at = NOW_AT - timedelta(days=DAYS)

    def history(most_w: float) -> SlotHistory:
        return SlotHistory(start_at=start_at, mean_w=tuple(round(dice.uniform(0, most_w), 1) for _ in range(96 * DAYS)))

    plane = PvPlane(peak_w=3_000.0, tilt_deg=35.0, azimuth_deg=180.0)
    return PredictionRequest(
        issued_at=NOW_AT,
        grid=SlotGrid(start_at=NOW_AT, count=192),
        timezone="Europe/Amsterdam",
        place=Coordinates(latitude_deg=52.0, longitude_deg=5.0),
        load=history(3_000.0),
        plants=tuple(
            PlantAsked(device_id=DeviceId(name), planes=(plane,), history=history(3_000.0)) for name in ("east", "west")
        ),
    )


class Watched:
    """The real spawn, and what its last child had in memory at most."""

    def __init__(self) -> None:
        self.child: PipeProcess | None = None

    def __call__(self, module: str, *, memory_max_bytes: int) -> WorkerProcess:
        self.child = spawn(module, memory_max_bytes=memory_max_bytes)
        return self.child

    def status_kb(self, name: str) -> int:
        assert self.child is not None
        lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def run(jobs_max: int) -> None:
    watched = Watched()
    predictor = WorkerPredictor(watched, jobs_max=jobs_max)
    walls_s = []
    peak_kb = mapped_kb = 0
    before_s = resource.getrusage(resource.RUSAGE_CHILDREN)
    for number in range(RUNS):
        asked = request(number)
        started_s = time.perf_counter()
        checked_prediction(asked, predictor.answer(asked))
        walls_s.append(time.perf_counter() - started_s)
        if jobs_max > 1:
            peak_kb, mapped_kb = watched.status_kb("VmHWM"), watched.status_kb("VmPeak")
    predictor.close()
    after_s = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after_s.ru_utime + after_s.ru_stime - before_s.ru_utime - before_s.ru_stime) / RUNS
    name = "one for each" if jobs_max == 1 else "kept"
    print(
        f"{name:>14}: wall median {median(walls_s):.2f} s, max {max(walls_s):.2f} s; CPU {cpu_s:.2f} s each"
        + (f"; resident at most {peak_kb / 1024:.0f} MB, mapped {mapped_kb / 1024:.0f} MB" if peak_kb else "")
    )


def main() -> None:
    run(jobs_max=1)
    run(jobs_max=RUNS + 1)


if __name__ == "__main__":
    main()
