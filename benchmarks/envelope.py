"""Are promises kept? Random setpoints inside random envelopes of a simulated house, followed by the product's own tick.

    python -m benchmarks.envelope --data $HEMS_DATA/houses/home_a_2024 --start 2024-05-06 --days 28 [--variant mean]

Reference: a promise without any uncertainty (``--variant mean``: the forecast's mean as if it were certain). Prints how
many setpoints were offered, how many steps were kept within 100 W or 5 %, and how large the promises were. Cars come
unannounced, as measured; the meter is read each minute. A step is a quarter hour's mean from the setpoint's start on.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from hems.app import promise
from hems.app.commitments import Commitments
from hems.app.flex_desk import FlexDesk
from hems.app.outlook import Known
from hems.app.planner_loop import Planned
from hems.app.planning import PlanDesk
from hems.app.posing import pose
from hems.config import load_site
from hems.control.estimate import estimate
from hems.control.state import ControlState
from hems.control.tick import tick
from hems.domain.flex import Commitment, CommitmentState, Setpoint, TelemetryMinute
from hems.domain.forecast import SlotHistory
from hems.domain.plan import Plan
from hems.domain.reading import CarState
from hems.domain.site import Site
from hems.domain.time import SLOT_S, Now
from hems.runtime.offload import DirectOffload
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.data import HouseData, read_folder
from hems.sim.house import SimHouse
from hems.sim.knowledge import Knowledge
from hems.sim.outlook import Outlooks
from hems.sim.settings import parse_start

STEP_S = 60
KEPT_W, KEPT_RATIO = 100.0, 0.05


class HouseClock:
    """The simulated house's time."""

    def __init__(self, house: SimHouse) -> None:
        self._house = house

    def now(self) -> datetime:
        return self._house.at

    def monotonic_s(self) -> float:
        return self._house.mono_s

    def wall_is_trusted(self) -> bool:
        return True

    async def sleep_until(self, monotonic_s: float) -> None:
        raise NotImplementedError(f"nobody waits for {monotonic_s}")


class Memory:
    """A shelf without a disk."""

    def __init__(self) -> None:
        self.values: dict[str, Commitment] = {}

    def put(self, key: str, value: Commitment) -> bool:
        self.values[key] = value
        return True

    def remove(self, key: str) -> bool:
        self.values.pop(key, None)
        return True

    def all(self) -> dict[str, Commitment]:
        return self.values


def at_once(work: Callable[[], object]) -> None:
    work()


class Trial:
    """A house that plans, promises, accepts and follows."""

    def __init__(self, site: Site, data: HouseData, start_at: datetime, seed: int) -> None:
        self.site, self.dice = site, random.Random(seed)
        self.house = SimHouse(site, data, seed=seed, start_at=start_at)
        self.knowledge = Knowledge(site, data, seed=seed)
        self.outlooks = Outlooks(site=site, data=data, knowledge=self.knowledge, truth=None)
        self.state = ControlState.start(site)
        self.plan: Plan | None = None
        self.planned: Planned | None = None
        self.desk = FlexDesk(
            site,
            clock=HouseClock(self.house),
            commitments=Commitments(Memory(), offload=DirectOffload(), later=at_once, past=lambda _: ()),
            new_id=self._new_id,
        )
        self.energy_ws: dict[str, list[float]] = {}
        self.offers = self.refused = self.nothing = 0
        self.kept = self.broken = self.car_late = 0
        self.widths_w: list[float] = []
        self._ids = self._cars = 0

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:026d}"

    def step(self, planner: PlanDesk) -> None:
        """A minute."""
        now = self.house.now
        image = self.house.image(now)
        seen = estimate(self.state, image, now)
        cars = sum(each.car is not CarState.ABSENT for each in seen.chargers.values())
        if self.house.elapsed_s % SLOT_S == 0 or cars != self._cars:
            self._cars = cars
            outlook = self.outlooks.at(now)
            problem = pose(self.state, seen, outlook, (), now)
            decided = planner.replan(problem, self.plan, now)
            self.plan = decided.plan
            self.planned = Planned(decided=decided, problem=problem, known=self._known(now), outlook=outlook)
        self.desk.refresh(self.state, seen, self.planned, (), (), now)
        asked = self.desk.asked((), now)
        result = tick(self.state, image, self.plan, (), now, asked)
        self.state = result.state
        self.house.apply(result.commands, self.house.mono_s)
        self.house.advance(STEP_S)
        self._book(asked.setpoint, now)

    def offer(self) -> None:
        """Ask for something inside the envelope, starting within its validity."""
        envelope = self.desk.envelope()
        if envelope is None or not envelope.hold_blocks:
            self.nothing += 1
            return
        duration_s = self.dice.choice(sorted({block.duration_s for block in envelope.hold_blocks}))
        bounds_w = envelope.bounds_w(duration_s)
        assert bounds_w is not None
        self.widths_w.append(bounds_w[1] - bounds_w[0])
        steps = duration_s // SLOT_S
        kind = self.dice.choice(("up", "down", "bang", "random"))
        powers_w = tuple(self._power_w(kind, step, bounds_w) for step in range(steps))
        start_at = self.house.at + timedelta(seconds=STEP_S * self.dice.randint(0, 5))
        setpoint = Setpoint(
            event_id=self._new_id(),
            envelope_id=envelope.envelope_id,
            revision=0,
            start_at=start_at,
            step_s=SLOT_S,
            power_w=powers_w,
        )
        self.offers += 1
        try:
            self.desk.offer(setpoint).send(None)
        except StopIteration as ended:
            self.refused += ended.value is not None

    def _power_w(self, kind: str, step: int, bounds_w: tuple[float, float]) -> float:
        if kind == "random":
            return self.dice.uniform(*bounds_w)
        return bounds_w[(kind == "up") if kind != "bang" else step % 2]

    def _book(self, setpoint: Setpoint | None, now: Now) -> None:
        grid_w = sum(each.grid_power_w * each.seconds for each in self.house.stretches) / STEP_S
        minute = TelemetryMinute(
            boot="b", seq=self.house.elapsed_s, start_at=now.at, grid_power_w=grid_w, setpoint_w=None, mode="normal"
        )
        if setpoint is not None:
            self.energy_ws.setdefault(setpoint.event_id, []).append(grid_w)
        for progress in self.desk.minute(minute, self.house.now):
            if progress.report is not None and progress.commitment.state is CommitmentState.COMPLETED:
                self._judge(progress.report.asked_w, self.energy_ws.pop(progress.report.event_id, []))

    def _judge(self, asked_w: Sequence[float], minutes_w: list[float]) -> None:
        for step, power_w in enumerate(asked_w):
            own = minutes_w[step * 15 : step * 15 + 15]
            if len(own) == 15:
                off_w = abs(sum(own) / 15 - power_w)
                self.kept += off_w <= max(KEPT_W, KEPT_RATIO * abs(power_w))
                self.broken += off_w > max(KEPT_W, KEPT_RATIO * abs(power_w))

    def _known(self, now: Now) -> Known:
        load = self.knowledge.history(now.at, "load_w")
        pv = self.knowledge.history(now.at, "pv_w")
        kept = 28 * 96
        recent = [
            SlotHistory(
                start_at=each.start_at + timedelta(seconds=SLOT_S * max(0, len(each.mean_w) - kept)),
                mean_w=each.mean_w[-kept:],
            )
            for each in (load, pv)
        ]
        return Known(load=recent[0], pv={self.site.pv[0].id: recent[1]}, spot=None, outdoor=None, cars=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--site", type=Path, default=Path("config/examples/home_a.yaml"))
    parser.add_argument("--start", default="2024-05-06")
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant", choices=("product", "mean"), default="product")
    wanted = parser.parse_args()
    if wanted.variant == "mean":
        promise.BAND_RATIO = 0.0
        promise.CHANGES_MIN = 10**9
    site = load_site(wanted.site.read_text(), str(wanted.site))
    data = read_folder(wanted.data, site=site)
    trial = Trial(site, data, parse_start(wanted.start, site), wanted.seed)
    started_s = time.perf_counter()
    with closing(WorkerPlanner(spawn)) as worker:
        planner = PlanDesk(worker)
        for minute in range(wanted.days * 1440):
            if minute % 180 == 100:
                trial.offer()
            trial.step(planner)
    steps = trial.kept + trial.broken
    widths = sorted(trial.widths_w) or [0.0]
    print(
        f"{wanted.variant} from {wanted.start}, {wanted.days} days, seed {wanted.seed}: {trial.offers} setpoints "
        f"({trial.nothing} times nothing offered, {trial.refused} refused); {trial.kept} of {steps} steps kept "
        f"({100 * trial.kept / max(steps, 1):.2f} %); width of the block median {widths[len(widths) // 2]:.0f} W; "
        f"{time.perf_counter() - started_s:.0f} s"
    )


if __name__ == "__main__":
    main()
