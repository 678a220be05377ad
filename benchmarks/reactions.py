"""How long the house takes to react when something goes wrong, and what it then does.

    python -m benchmarks.reactions [--only NAME] [--cases 60] [--worse] [--json]

In virtual time, whole daemon, many drawn moments: the grid meter falls silent (of 1 s, of 10 s); the grid operator's
contact closes, also around a kill and restart of the daemon, at any await; a maker's cloud rewrites the inverter for a
day. In real time, ``hems run`` as a process against the simulated devices over their real protocols: killed; started
with every subset of devices absent; its loop wedged, and ended by what a service manager does.

``--worse`` measures the same with a fault planted for each figure: each must be red.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from unittest.mock import patch

from benchmarks import reactions_real as real
from benchmarks import reactions_virtual as virtual
from hems.app.daemon import FIRST_READINGS_S
from hems.app.operator_desk import OperatorDesk
from hems.domain.command import Limit
from hems.domain.site import GridMeter
from hems.domain.time import Now
from hems_drivers.rival import Rival

TICK_LATE_S = 0.01
"""A telegram is too old after ten seconds, and the tick that says so comes a millisecond later."""
FIGHTS = ((10.0, 1), (10.0, 2), (30.0, 3), (60.0, 4), (90.0, 5))
"""Seconds between two changes of the cloud, and the seed."""
CORRECTIONS_MAX = 40
"""A day, of three writes each."""
WRITES_EACH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str
    cases: int
    median: float
    worst: float
    goal: float
    unit: str = "s"
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the worst case keeps to the goal."""
        return self.worst <= self.goal


def figure(name: str, values: Sequence[float], goal: float, *, unit: str = "s", note: str = "") -> Figure:
    """Of all cases of one reaction."""
    ranked = sorted(values)
    return Figure(
        name=name, cases=len(ranked), median=ranked[len(ranked) // 2], worst=ranked[-1], goal=goal, unit=unit, note=note
    )


def stale(cases: int, *, worse: bool) -> list[Figure]:
    """Worse: a telegram is believed for twice as long."""
    max_age_s = vars(GridMeter)["max_age_s"]
    believed = property(lambda meter: 2 * max_age_s.fget(meter))
    with patch.object(GridMeter, "max_age_s", believed if worse else max_age_s):
        return [
            figure(
                f"stale meter of {period_s:g} s: last telegram to the last device's safe command",
                virtual.stale_meter(period_s, cases),
                max(10.0, 2 * period_s + 5.0) + TICK_LATE_S,
            )
            for period_s in (1.0, 10.0)
        ]


def operator(cases: int, *, worse: bool) -> list[Figure]:
    """Worse: the desk is asked for its limits each half minute only, the first time half a minute after the start."""
    limits, kept = OperatorDesk.limits, dict[int, tuple[float, tuple[Limit, ...]]]()

    def lazy(desk: OperatorDesk, now: Now) -> tuple[Limit, ...]:
        asked_s, found = kept.setdefault(id(desk), (now.mono_s, ()))
        if now.mono_s - asked_s >= 30.0:
            asked_s, found = kept[id(desk)] = (now.mono_s, limits(desk, now))
        return found

    with patch.object(OperatorDesk, "limits", lazy if worse else limits):
        told = virtual.operator_limit(cases)
        restarted = virtual.operator_limit_while_restarting(cases)
    note = f"a start takes {virtual.RESTART_S:g} s here: RestartSec, and the longest start allowed"
    return [
        figure("operator's limit: message to device write", told, 10.0),
        figure("the same, the daemon killed around it", restarted, 10.0, note=note),
    ]


def fight(cases: int, *, worse: bool) -> list[Figure]:
    """Worse: whatever changes the device is told again for ever, and nobody is told; or everybody, each time."""
    del cases
    changed_it = Rival.changed_it

    def talkative(rival: Rival, mono_s: float, deviation: str) -> bool:
        rival._told_changed = rival._told_left = False
        return changed_it(rival, mono_s, deviation)

    with patch.object(Rival, "changed_it", (lambda *_: True) if worse else changed_it):
        days = [virtual.fight(every_s, seed) for every_s, seed in FIGHTS]
    with patch.object(Rival, "changed_it", talkative if worse else changed_it):
        told = [virtual.fight(every_s, seed) for every_s, seed in FIGHTS] if worse else days
    alone = virtual.fight(None, 1)
    return [
        figure(
            "somebody else changes the inverter: first change to the line in the log",
            [d.detected_s for d in days],
            60.0,
        ),
        figure("lines about it in a day: found, and left to him", [float(d.reports) for d in told], 2.0, unit="lines"),
        figure(
            "our writes on such a day",
            [float(d.writes) for d in days],
            float(alone.writes + WRITES_EACH * CORRECTIONS_MAX),
            unit="writes",
            note=f"{alone.writes} on a day without him: timers are set again each 20 s",
        ),
    ]


def killed(cases: int, *, worse: bool) -> list[Figure]:
    """Worse: each command is a lease of ten minutes."""
    planted = "import hems.control.guard as guard\nguard.LEASE_MIN_S = 600.0"
    deaths = asyncio.run(real.killed(min(cases, 3), planted if worse else ""))
    relays = sum(each.relays_moved for each in deaths)
    rests = [(kind, rest_s) for each in deaths for kind, rest_s in each.rest_s.items()]
    kinds = dict.fromkeys(kind for kind, _ in rests)
    return [
        *(figure(f"kill -9 to rest: {kind}", [s for each, s in rests if each == kind], 60.0) for kind in kinds),
        figure(
            "kill -9, next start to every device steered again",
            [each.reconciled_s for each in deaths],
            30.0,
            note=f"SG-Ready relays have no timer: moved by themselves in {relays} of {len(deaths)}",
        ),
    ]


def starts(cases: int, *, worse: bool) -> list[Figure]:
    """Worse: readings are waited for during ten seconds."""
    del cases
    planted = "import hems.app.daemon as daemon\ndaemon.FIRST_READINGS_S = 10.0"
    found = asyncio.run(real.starts(planted if worse else ""))
    slowest = max(found, key=lambda each: found[each])
    cpu_s = max(cpu_s for _, cpu_s in found.values())
    return [
        figure(
            "start with any devices absent: exec to guard in control",
            [ready_s for ready_s, _ in found.values()],
            3.0,
            note=f"slowest without: {slowest}; {cpu_s:.1f} s of a processor, {FIRST_READINGS_S:g} s for readings",
        )
    ]


def wedged(cases: int, *, worse: bool) -> list[Figure]:
    """Worse: a watchdog of a minute."""
    found = asyncio.run(real.wedged(min(cases, 3), 60.0 if worse else real.WATCHDOG_S))
    return [figure("loop wedged to guard in control again", found, 30.0)]


PARTS: dict[str, Callable[..., list[Figure]]] = {
    "stale": stale,
    "operator": operator,
    "fight": fight,
    "starts": starts,
    "wedged": wedged,
    "killed": killed,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--cases", type=int, default=60, help="drawn moments of each reaction in virtual time")
    parser.add_argument("--worse", action="store_true", help="with a fault planted for each figure")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    figures: list[Figure] = []
    for name in wanted.only or PARTS:
        for each in PARTS[name](wanted.cases, worse=wanted.worse):
            figures.append(each)
            if not wanted.json:
                print(_line(each), flush=True)
    if wanted.json:
        print(json.dumps([asdict(each) | {"is_met": each.is_met} for each in figures], indent=1))
    sys.exit(0 if all(each.is_met for each in figures) else 1)


def _line(each: Figure) -> str:
    mark = "" if each.is_met else "  RED"
    note = f"  ({each.note})" if each.note else ""
    digits = 2 if each.unit == "s" else 0
    return (
        f"{each.name:<80} {each.cases:>4} cases, median {each.median:.{digits}f}, worst {each.worst:.{digits}f} "
        f"{each.unit}, goal {each.goal:.{digits}f}{mark}{note}"
    )


if __name__ == "__main__":
    main()
