"""Power cuts by the ten thousand, at every operation of every store.

    python -m tests.store.cuts --images 10000 --seed 1
    python -m tests.store.cuts --images 500 --variant unsynced

Each image is what a disk may hold after a cut: of what was not synced everything survives, nothing, a half, zeros of
the right length, single sectors, names without content or content without names, drawn for each file by itself. A seed
draws what is written and the images; every operation of it is cut once. One image in four is cut a second time while
the store is opened again. The next start must find everything that was called durable, open without a finding that is
not explained by a torn end, and hold no whole record that nobody wrote. Exit 1 where it does not. The variant does not
sync.
"""

import argparse
import logging
import random
import sys
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path

from hems.store.findings import Findings
from tests.store.cuts.cases import CASES, PATTERNS, Case, MixedError, cut_at, explained, operations_of
from tests.store.cuts.history import not_waiting_for_the_disk, try_images
from tests.store.cuts.tally import Tally
from tests.support.crash_files import CrashFiles, PowerCut, Survival

AGAIN_RATIO = 0.25
HISTORY_IMAGES_PER_RUN = 250
SEEDS_APART = 1_000_000


class UnsyncedFiles(CrashFiles):
    """Says that content is on disk before it is."""

    def sync_content(self, path: str) -> None:
        """An operation that does nothing."""
        self._step("sync_content", path, lambda: None)


VARIANTS = {"ours": CrashFiles, "unsynced": UnsyncedFiles}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, help="of each store")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="ours")
    given = parser.parse_args()
    logging.getLogger("hems").setLevel(logging.CRITICAL)  # thousands of torn ends
    well = True
    for name, case in CASES.items():
        tally = _tried(case, given.images, given.seed * SEEDS_APART, VARIANTS[given.variant])
        well &= _told(name, tally)
    with nullcontext() if given.variant == "ours" else not_waiting_for_the_disk():
        well &= _told("history", _history_tried(given.images, given.seed * SEEDS_APART))
    return 0 if well else 1


def _told(name: str, tally: Tally) -> bool:
    sys.stdout.write(
        f"{name}: {tally.images} images ({tally.twice} of them cut twice), {tally.lost} lack something durable, "
        f"{tally.unreadable} unreadable, {tally.mixed} with what nobody wrote\n"
    )
    sys.stdout.writelines(f"  {each}\n" for each in tally.troubles)
    sys.stdout.flush()
    return tally.well


def _tried(case: Case, images: int, seed: int, kind: type[CrashFiles]) -> Tally:
    """Round after round, each with other writes, cut at each of their operations."""
    tally = Tally()
    while tally.images < images:
        seed += 1
        stops = range(1, operations_of(case, seed=seed) + 1)
        # The last round cannot have them all: any of them, not the first ones.
        left = images - tally.images
        for stop_at in stops if left >= len(stops) else random.Random(seed).sample(stops, left):
            _try_image(case, kind(stop_at=stop_at, seed=seed + stop_at), seed, tally)
    return tally


def _try_image(case: Case, files: CrashFiles, seed: int, tally: Tally) -> None:
    chance = random.Random(f"{seed} {files.stop_at}")
    durable = cut_at(case, files, seed=seed)
    how = chance.choice(PATTERNS)[0]
    image = files.after_power_cut(how, seed=seed)
    where = f"seed {seed}: {files.done[-1]}, {how}"
    if chance.random() < AGAIN_RATIO:
        tally.twice += 1
        image.stop_at = chance.randint(1, 4)
        with suppress(PowerCut):  # some recover in fewer operations
            case.lost(image, durable, Findings())
        where += f", then {image.done[-1:]}"
        image = image.after_power_cut(Survival.CHANCE, seed=seed)
    findings, lost, mixed, unreadable = Findings(), False, False, False
    try:
        lost = bool(case.lost(image, durable, findings))
    except MixedError as error:
        mixed, where = True, f"{where}: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the store could not be read
        unreadable, where = True, f"{where}: {type(error).__name__} {error}"
    unreadable |= bool(findings.failing) or not all(map(explained, findings.found))
    tally.count(lost=lost, unreadable=unreadable, mixed=mixed, where=f"{where}, {findings.found}")


def _history_tried(images: int, seed: int) -> Tally:
    tally = Tally()
    with tempfile.TemporaryDirectory() as disk, tempfile.TemporaryDirectory(dir=_memory()) as memory:
        while tally.images < images:
            seed += 1
            count = min(HISTORY_IMAGES_PER_RUN, images - tally.images)
            tally.add(try_images(Path(disk) / str(seed), Path(memory), images=count, seed=seed))
    return tally


def _memory() -> Path | None:
    """Images are looked at, not kept: no disk needs to be waited for."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    return memory if memory.is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
