"""``hems chaos``: houses under injected faults, what was broken, and the line that breaks it again."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hems.domain.errors import BadInputError
from hems.runtime.files import SystemFiles
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.chaos.seeds import Shelf, run_seed, total

INTERRUPTED = 130
"""What shells expect of a program that ended by Ctrl-C."""


def chaos(*, seeds: int, first_seed: int, days: int, state: Path | None, as_json: bool) -> int:
    """Run, keep, print. Exit code 0, or 1 where a rule was broken."""
    for name, value, least in (("--seeds", seeds, 1), ("--first-seed", first_seed, 0), ("--days", days, 1)):
        if value < least:
            raise BadInputError(f"{name}: at least {least}, got {value}")
    shelf = None if state is None else Shelf(SystemFiles(state.absolute()), days=days)
    done: dict[int, list[dict[str, Any]]] = {}
    started_s = time.perf_counter()
    ended = _run_all(range(first_seed, first_seed + seeds), done, days=days, shelf=shelf)
    report = total(done, days=days, took_s=time.perf_counter() - started_s)
    if as_json:
        print(json.dumps(report))
    else:
        _print(report)
    if not ended:
        kept = "" if state is None else f"; the same command with --state {state} goes on"
        print(f"Stopped after {len(done)} of {seeds} seeds{kept}", file=sys.stderr)
        return INTERRUPTED
    return 1 if report["violations"] else 0


def _run_all(wanted: range, done: dict[int, list[dict[str, Any]]], *, days: int, shelf: Shelf | None) -> bool:
    """Fill ``done``, one long-lived plan worker for all; False where somebody pressed Ctrl-C."""
    show = _progress() if sys.stderr.isatty() else _silently
    try:
        with WorkerPlanner(spawn) as planner:
            for seed in wanted:
                outcomes = None if shelf is None else shelf.find(seed)
                if outcomes is None:
                    outcomes = run_seed(seed, days=days, planner=planner)
                    if shelf is not None:
                        shelf.keep(seed, outcomes)
                done[seed] = outcomes
                show(f"{len(done)}/{len(wanted)} seeds, {sum(_broken(each) for each in done.values())} violations")
    except KeyboardInterrupt:
        return False
    return True


def _broken(outcomes: list[dict[str, Any]]) -> int:
    return sum(each["broken_count"] for each in outcomes)


def _progress() -> Callable[[str], None]:
    return lambda text: print(f"\r{text}", end="", file=sys.stderr, flush=True)


def _silently(text: str) -> None:
    """Nobody looks."""


def _print(report: dict[str, Any]) -> None:
    print(
        f"{report['house_days']['all']:g} house-days of {report['seeds']} houses ({len(report['kinds'])} kinds),"
        f" {report['faults']} faults, {report['restarts']} restarts, {report['plans']} plans, {report['took_s']:g} s"
    )
    print(f"violations: {report['violations']}, crashes: {report['crashes']}")
    print(
        f"acknowledged to owner and aggregator: {report['promises']}, of these still to be kept after a kill:"
        f" {report['promises_over_restarts']}"
    )
    for circumstance, longest_s in report["longest_above_limit_s"].items():
        print(f"longest above a fuse or limit with load that could give way, {circumstance}: {longest_s} s")
    print(
        f"back to normal: {report['recoveries']} times, median {report['recovery_s_median']} s,"
        f" longest {report['recovery_s_longest']} s"
    )
    for each in report["broken"]:
        print(f"\n{each['rule']} ({each['where']}) in second {each['second_s']} of the {each['drive']}: {each['text']}")
        print(f"  on: {'; '.join(each['faults']) or 'nothing'}")
        print(f"  again: {each['again']}")
