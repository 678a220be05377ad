"""``python -m benchmarks.peers install --folder DIR``, then ``run --folder DIR``: our planner beside two others.

Process CPU seconds of building, loading and solving on one core with one thread, imports left out; first plans at a
gap of 1e-4, re-plans at 1e-3 for everyone. EMHASS: first with a new object, re-planned with the same one. Every plan is
priced by ``tests.support.metering`` and compared with an optimum that another formulation proved.
"""

import argparse
import statistics
from pathlib import Path

from benchmarks.peers.compare import EMHASS, EVERYWHERE, FLEXMEASURES, OURS, Comparison, Figures, compare
from benchmarks.peers.install import PEERS, install
from benchmarks.problems import PROBLEMS, SEEDS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("install", "run"):
        command = commands.add_parser(name)
        command.add_argument("--folder", type=Path, required=True, help="where the peers' environments are")
        if name == "run":
            command.add_argument("--problems", default="".join(PROBLEMS), help="which, by their letters")
            command.add_argument("--seeds", type=int, default=len(SEEDS))
            command.add_argument("--rounds", type=int, default=5, help="first plans per problem, the median counts")
    given = parser.parse_args()
    if given.command == "install":
        install(given.folder)
    else:
        show(compare(given.folder, names=given.problems, seeds=SEEDS[: given.seeds], rounds=given.rounds))


def show(comparison: Comparison) -> None:
    """Times, ratios and losses; then what a process costs."""
    print(", ".join(PEERS.values()))
    for problem, planners in comparison.figures.items():
        print(f"\n{problem:28} {'first plan':>24} {'ratio':>6} {'re-plan':>24} {'ratio':>6} {'loss, worst':>20}")
        print(f"{'':28} {'ms: min median max':>24} {'':6} {'ms: min median max':>24} {'':6} {'first, re-plan':>20}")
        for name in (OURS, EVERYWHERE, EMHASS, FLEXMEASURES):
            if name in planners:
                print(_line(name, planners[name], planners[OURS]))
        for name, own in planners.items():
            for finding in own.broken[:5]:
                print(f"  {name}: {finding}")
        print(f"  ours, JSON in and out: {1000 * statistics.median(planners[OURS].json_s):.1f} ms")
    print(f"\n{'process':28} {'import s':>9} {'import MB':>10} {'peak MB':>8}")
    for name, greeting in comparison.imports.items():
        peak_mb = max((each[name].peak_mb for each in comparison.figures.values() if name in each), default=0.0)
        print(f"{name:28} {greeting['import_s']:9.2f} {greeting['import_mb']:10.0f} {peak_mb:8.0f}")


def _line(name: str, own: Figures, ours: Figures) -> str:
    first, again = (_spread_ms(each) for each in (own.first_s, own.replan_s))
    times = statistics.median(own.first_s) / statistics.median(ours.first_s)
    times_again = statistics.median(own.replan_s) / statistics.median(ours.replan_s)
    losses = f"{100 * max(own.first_loss_ratio):.3f} % {100 * max(own.replan_loss_ratio):.3f} %"
    return f"{name:28} {first:>24} {times:6.1f} {again:>24} {times_again:6.1f} {losses:>20}"


def _spread_ms(seconds: list[float]) -> str:
    return " ".join(f"{1000 * each:.1f}" for each in (min(seconds), statistics.median(seconds), max(seconds)))


if __name__ == "__main__":
    main()
