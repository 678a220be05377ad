"""Where a plan's saving is lost: the same planner, given one truth at a time.

    python -m benchmarks.regret --data $HEMS_DATA [--results FOLDER] [--choosing] [--tables-only]

References: the plan with its own forecasts, given one truth more; and perfect foresight, given one truth less. The two
answers differ because errors add up or hide each other. ``--choosing`` runs the windows that forecasts and constants
are chosen on. Finished runs are kept and shared with ``benchmarks.closed_loop``.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.closed_loop import HOME_A, SHORT_DAYS, WINDOWS
from benchmarks.runs import Run, Shelf
from hems.sim.foresight import INFORMED, OWN, PERFECT, Foresight
from hems.sim.settings import Execution

CHOOSING = ("2024-03-20", "2024-07-24", "2024-09-10", "2024-10-15")
WEEK_SLOTS = 7 * 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A strategy with other knowledge or another execution."""

    says: str
    foresight: Foresight
    execution: Execution = "value"
    against: str = ""
    """The probe that it is compared with; it costs what this one is dearer by."""


PLAN, BEST = "own forecasts", "perfect foresight"
PROBES = (
    Probe(says=PLAN, foresight=OWN),
    Probe(says="load known", foresight=replace(OWN, load_error_ratio=0.0), against=PLAN),
    Probe(says="PV known", foresight=replace(OWN, pv_error_ratio=0.0), against=PLAN),
    Probe(says="load and PV known (informed)", foresight=INFORMED, against=PLAN),
    Probe(says="half the error of load and PV",
          foresight=replace(OWN, load_error_ratio=0.5, pv_error_ratio=0.5), against=PLAN),
    Probe(says="all prices known", foresight=replace(OWN, prices=True), against=PLAN),
    Probe(says="all cars known", foresight=replace(OWN, cars=True), against=PLAN),
    Probe(says="own forecasts, powers to the watt", foresight=OWN, execution="planned", against=PLAN),
    Probe(says=BEST, foresight=PERFECT, against=PLAN),
    Probe(says="all but load known", foresight=replace(PERFECT, load_error_ratio=1.0), against=BEST),
    Probe(says="all but PV known", foresight=replace(PERFECT, pv_error_ratio=1.0), against=BEST),
    Probe(says="all but prices known", foresight=replace(PERFECT, prices=False), against=BEST),
    Probe(says="all but cars known", foresight=replace(PERFECT, cars=False), against=BEST),
    Probe(says="perfect, powers to the watt", foresight=PERFECT, execution="planned", against=BEST),
    Probe(says="perfect over 7 days (end value)", foresight=replace(PERFECT, horizon_slots=WEEK_SLOTS), against=BEST),
)  # fmt: skip


def runs_of(data: Path, windows: Sequence[str], days: int) -> dict[tuple[str, str], Run]:
    """By what each says (or ``rules``) and its window."""
    folder = data / "houses/home_a_2024"
    runs: dict[tuple[str, str], Run] = {}
    for start in windows:
        run = Run(site=HOME_A, data=folder, start=start, days=days, strategy="rules")
        runs["rules", start] = run
        for probe in PROBES:
            runs[probe.says, start] = _run_of(probe, run)
    return runs


def _run_of(probe: Probe, run: Run) -> Run:
    """The strategies of the command line go by their names, so that other studies share their runs."""
    named = {OWN: "plan", INFORMED: "informed", PERFECT: "perfect"}
    foresight = None if probe.foresight in named else probe.foresight
    strategy = named.get(probe.foresight, "plan")
    return replace(run, strategy=strategy, foresight=foresight, execution=probe.execution)


def main() -> None:
    parser = argparse.ArgumentParser(description="Where a plan's saving is lost.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the measured data")
    parser.add_argument("--results", type=Path, default=Path("closed-loop-results"), help="folder of finished runs")
    parser.add_argument("--choosing", action="store_true", help="the windows that constants are chosen on")
    parser.add_argument("--tables-only", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    windows, days = CHOOSING if arguments.choosing else WINDOWS, SHORT_DAYS
    runs = runs_of(arguments.data, windows, days)
    shelf = Shelf(arguments.results)
    if not arguments.tables_only:
        shelf.complete(list(runs.values()))
    costs: dict[tuple[str, str], float] = {}
    for what, run in runs.items():
        result = shelf.find(run)
        if result is not None:
            costs[what] = result.cost_eur()
    print_table(costs, windows, days)


def print_table(costs: Mapping[tuple[str, str], float], windows: Sequence[str], days: int) -> None:
    """Costs of each window and of all together, differences, captured value. Rows that are incomplete are left out."""
    print(f"\n| {days} days from | " + " | ".join(windows) + " | together | differs by | captured |")
    print("|---" * (len(windows) + 4) + "|")
    together: dict[str, float] = {}
    for says, against in (("rules", ""), *((each.says, each.against) for each in PROBES)):
        cells = [costs[says, start] for start in windows if (says, start) in costs]
        if len(cells) < len(windows):
            continue
        together[says] = sum(cells)
        differs = f"{together[says] - together[against]:+.2f}" if against in together else ""
        text = " | ".join(f"{each:.2f}" for each in cells)
        print(f"| {says} | {text} | {together[says]:.2f} | {differs} | {_captured(costs, windows, together[says])} |")


def _captured(costs: Mapping[tuple[str, str], float], windows: Sequence[str], cost: float) -> str:
    needed = [costs.get((says, start)) for says in ("rules", BEST) for start in windows]
    rules, best = needed[: len(windows)], needed[len(windows) :]
    if None in needed:
        return ""
    possible = sum(each or 0.0 for each in rules) - sum(each or 0.0 for each in best)
    return f"{(sum(each or 0.0 for each in rules) - cost) / possible:.2f}"


if __name__ == "__main__":
    main()
