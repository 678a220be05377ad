"""Which planted faults of guard and arbitration the houses of ``hems chaos`` find, each by a short list of seeds.

    python -m benchmarks.chaos_mutants

A table: each mutant, the first seed that finds it, and by which rule; or that it survived. Takes some minutes: ten
hours of eight houses for each. The unit tests find every one (``test_guard_mutants``); here the judges that know
nothing of the guard's arithmetic are tested.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.harness import NO_CACHES, ROOT, Mutant
from tests.mutants.test_guard_mutants import MUTANTS

SEEDS = range(8)
HUNT = """
import json, sys
from dataclasses import replace
from datetime import timedelta
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.chaos.houses import draw_house
from hems.sim.chaos.script import AROUND_THE_TICK, dice_of, draw_script
from hems.sim.chaos.steps import run_steps

with WorkerPlanner(spawn) as planner:
    for seed in map(int, sys.argv[1:]):
        house = draw_house(seed, days=1)
        house = replace(house, start_at=house.start_at + timedelta(hours=11))
        script = draw_script(
            dice_of(seed, "hunt"), house.site, from_s=60, until_s=9 * 3_600, count=24, world=AROUND_THE_TICK
        )
        outcome = run_steps(house, seed, script, until_s=10 * 3_600, plan_s=3_600, planner=planner)
        if outcome.broken:
            one = outcome.broken[0]
            print(json.dumps([seed, one.rule, one.where, one.text]))
            break
    else:
        print("null")
"""


def hunted(mutant: Mutant | None, seeds: Sequence[int], folder: Path) -> list[object] | None:
    """Seed, rule, place and text of the first violation on a copy of the source with a fault; None: none was found.

    Raises:
        ValueError: the text of the mutant is not there exactly once.
        subprocess.CalledProcessError: the copy does not run.
    """
    shutil.copytree(ROOT / "hems", folder / "hems", ignore=NO_CACHES)
    if mutant is not None:
        path = folder / mutant.file
        source = path.read_text()
        if source.count(mutant.before) != 1:
            raise ValueError(f"{mutant.name}: its text occurs {source.count(mutant.before)} times in {mutant.file}")
        path.write_text(source.replace(mutant.before, mutant.after))
    done = subprocess.run(
        [sys.executable, "-c", HUNT, *map(str, seeds)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[object] | None = json.loads(done.stdout)
    return found


def main() -> int:
    """Hunt them all; exit code 1 where fewer than ten are found, or the source itself breaks a rule."""
    found_count = 0
    with tempfile.TemporaryDirectory(prefix="hems-mutants-") as place:
        for number, mutant in enumerate((None, *MUTANTS)):
            found = hunted(mutant, SEEDS, Path(place) / str(number))
            found_count += found is not None
            print(f"{'as it is' if mutant is None else mutant.name:55} {found or 'no rule broken'}", flush=True)
            if mutant is None and found is not None:
                return 1
    print(f"{found_count} of {len(MUTANTS)} found by seeds {SEEDS.start} to {SEEDS.stop - 1}")
    return 0 if found_count >= 10 else 1


if __name__ == "__main__":
    sys.exit(main())
