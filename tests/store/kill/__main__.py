"""``python -m tests.store.kill --kills 500 --seed 1``; seeds add up: figures as JSON; exit 1 if any record was lost."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.store.kill.harness import VARIANTS, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="ours")
    parser.add_argument("--folder", type=Path, help="on the disk to be tried; by default a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        figures = run(Path(folder) / "state", kills=given.kills, seed=given.seed, variant=given.variant)
    sys.stdout.write(figures.as_json() + "\n")
    return 1 if figures.lost or figures.unreadable else 0


if __name__ == "__main__":
    sys.exit(main())
