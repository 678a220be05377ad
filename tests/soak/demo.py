"""The whole demo for an hour or more, watched from outside.

    python -m tests.soak.demo --minutes 65 --speed 50 --report soak.json
    unshare --net sh -c 'ip link set lo up; exec python -m tests.soak.demo --minutes 65 --speed 50'

The second form runs it where there is no route to anywhere. Prints and writes: house days, memory, processor time, what
the log complained of, whether each car left with all that it wanted, and the mean price at which the battery took from
the grid and gave.
"""

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

import psutil  # type: ignore[import-untyped]

from tests.support.demo import CLOCK, PAUSE, RunningDemo, running_demo

LOOK_EVERY_S = 1.0
COMPLAINT = re.compile(r" (WARNING|ERROR|CRITICAL) ")
STAMP = re.compile(r"^\S+ \S+ ")


@dataclass
class Seen:
    """What was seen from outside."""

    rss_mb: list[float] = field(default_factory=list)
    taken_eur: list[float] = field(default_factory=list)
    given_eur: list[float] = field(default_factory=list)
    cars: list[str] = field(default_factory=list)
    """State of each car in the last look before it left."""
    modes: Counter[str] = field(default_factory=Counter)
    failed_looks: int = 0
    car_state: str = "not_connected"
    first_at: str = ""
    last_at: str = ""

    def look(self, demo: RunningDemo, daemon: Any) -> None:
        """One look at page data and process."""
        try:
            state = demo.get("api/v1/state")
        except OSError:
            self.failed_looks += 1
            return
        self.rss_mb.append(daemon.memory_info().rss / 1e6)
        self.first_at = self.first_at or state["at"]
        self.last_at = state["at"]
        self.modes[state["mode"]] += 1
        devices = {each["kind"]: each for each in state["devices"]}
        price, battery_w = state["price"]["import_eur_per_kwh"], devices["battery"]["power_w"]
        if battery_w is not None and battery_w > 300 and (state["grid_power_w"] or 0) > 300:
            self.taken_eur.append(price)
        if battery_w is not None and battery_w < -300:
            self.given_eur.append(price)
        car = devices["charger"]["state"]
        if car == "not_connected" and self.car_state != "not_connected":
            self.cars.append(self.car_state)
        if car != "problem":
            self.car_state = car


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=65.0)
    parser.add_argument("--speed", type=float, default=50.0)
    parser.add_argument("--report", type=Path)
    wanted = parser.parse_args()
    seen = Seen()
    with running_demo("--speed", str(wanted.speed)) as demo:
        daemon = psutil.Process(demo.process.pid)
        ends_s = CLOCK.monotonic_s() + wanted.minutes * 60
        while CLOCK.monotonic_s() < ends_s and demo.process.poll() is None:
            seen.look(demo, daemon)
            PAUSE.wait(LOOK_EVERY_S)
        times = daemon.cpu_times()
        lines = list(demo.lines)
        page = demo.get("api/v1/plan")
    figures = {
        "house_days": round(_days(seen), 2),
        "rss_mb": {"first": round(seen.rss_mb[0], 1), "highest": round(max(seen.rss_mb), 1),
                   "last": round(seen.rss_mb[-1], 1)},
        "cpu_of_a_core_ratio": round((times.user + times.system) / (wanted.minutes * 60), 3),
        "cars_when_they_left": dict(Counter(seen.cars)),
        "mean_price_when_battery_takes_from_grid_eur": round(mean(seen.taken_eur), 4) if seen.taken_eur else None,
        "mean_price_when_battery_gives_eur": round(mean(seen.given_eur), 4) if seen.given_eur else None,
        "modes": dict(seen.modes),
        "failed_looks": seen.failed_looks,
        "price_source": page["price_source"],
        "complaints": dict(Counter(STAMP.sub("", line) for line in lines if COMPLAINT.search(line)).most_common(20)),
    }  # fmt: skip
    text = json.dumps(figures, indent=1)
    sys.stdout.write(text + "\n")
    if wanted.report is not None:
        wanted.report.write_text(text + "\n")


def _days(seen: Seen) -> float:
    between = datetime.fromisoformat(seen.last_at) - datetime.fromisoformat(seen.first_at)
    return between.total_seconds() / 86_400


if __name__ == "__main__":
    main()
