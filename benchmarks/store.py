"""What a day of a house writes: bytes and flushes that reach the disk, and the time of one durable write.

Run as root with ``python -m benchmarks.store``: an ext4 file system of its own on a loop device, so that journal and
metadata count and nothing else does. A quarter of an hour is written; after each half minute the journal is given the
time to commit (1 s here instead of 5 s, so that the run is short). 50 values a second (10 lively, 20 slow, 20 nearly
still), a record a minute for the aggregator, 20 episodes and eight changed documents an hour, ten series and a plan
every quarter of an hour; the aggregator fetches its minutes, or its broker is away.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from benchmarks.tick import plan_for
from hems.domain.override import ChargeNow
from hems.runtime.files import SystemFiles
from hems.store.columns import Chunk, encode
from hems.store.history import SlotValue
from hems.store.house_store import HouseStore
from tests.support.houses import home_b
from tests.support.stores import START_AT, StillClock, episode, minute, override

MINUTES = 15
DAYS_RATIO = 1_440 // MINUTES
COMMIT_S = 1
DISK_BYTES = 256 << 20
SECTOR_BYTES = 512
POINTS = 50
STORES = ("telemetry", "outbox", "episodes", "documents", "history")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Since the disk was made."""

    sectors: int
    flushes: int


@contextmanager
def small_disk() -> Generator[Path]:
    """An empty ext4 of its own."""
    with tempfile.TemporaryDirectory() as name:
        image, folder = Path(name) / "image", Path(name) / "disk"
        folder.mkdir()
        with image.open("wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-E", "lazy_itable_init=0", str(image)], check=True)  # noqa: S607
        subprocess.run(["mount", "-o", f"loop,commit={COMMIT_S}", str(image), str(folder)], check=True)  # noqa: S607
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)  # noqa: S607


def written(folder: Path) -> Written:
    """What the kernel counts for the block device of a folder."""
    number = folder.stat().st_dev
    fields = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/stat").read_text().split()
    return Written(sectors=int(fields[6]), flushes=int(fields[15]))


def wait_for_commit() -> None:
    """The journal writes what became dirty: times of files, sizes, space."""
    time.sleep(COMMIT_S * 1.2)  # noqa: TID251 - the kernel's time, not ours


def seconds_of_a_house() -> Callable[[int], Chunk]:
    """Chunks of a minute, as random walks."""
    chance = random.Random(20_240_610)
    level_w = [chance.uniform(0.0, 3_000.0) for _ in range(POINTS)]
    moves = [(1.0, 5.0)] * 10 + [(0.1, 2.0)] * 20 + [(0.01, 1.0)] * 20

    def chunk(number: int) -> Chunk:
        columns: dict[str, list[float]] = {f"device_{at}.power_w": [] for at in range(POINTS)}
        for _ in range(60):
            for at, (column, (ratio, step_w)) in enumerate(zip(columns.values(), moves, strict=True)):
                level_w[at] += chance.gauss(0.0, step_w) if chance.random() < ratio else 0.0
                column.append(level_w[at])
        return Chunk(start_at=START_AT + timedelta(minutes=number), values=columns)

    return chunk


def write_quarter(
    store: HouseStore, wanted: tuple[str, ...], clock: StillClock, *, fetched: bool
) -> dict[str, list[float]]:
    """A quarter of an hour of the wanted stores; milliseconds of each durable write."""
    overrides = store.documents("overrides", kind=ChargeNow)
    chunk = seconds_of_a_house()
    taken_ms: dict[str, list[float]] = {name: [] for name in wanted}

    def timed(name: str, work: Callable[[], object]) -> None:
        if name in wanted:
            begun_s = time.perf_counter()
            work()
            taken_ms[name].append((time.perf_counter() - begun_s) * 1e3)

    for number in range(MINUTES):
        clock.mono_s += 60.0
        seconds = chunk(number)
        timed("telemetry", lambda seconds=seconds: store.telemetry.append_chunk(seconds))  # type: ignore[misc]
        timed("outbox", lambda number=number: store.outbox.append(minute(number)))  # type: ignore[misc]
        if "outbox" in wanted and fetched:
            for each in store.outbox.pending(10):
                store.outbox.acknowledge(each)
        if number % 15 == 14:
            timed("history", lambda number=number: quarter(store, number))  # type: ignore[misc]
        wait_for_commit()
        if number % 3 == 0:
            timed("episodes", lambda number=number: store.episodes.append([episode(number)]))  # type: ignore[misc]
        if number % 8 == 0:
            timed("documents", lambda number=number: overrides.put(f"{number % 3}", override(number)))  # type: ignore[misc]
        wait_for_commit()
    return taken_ms


def quarter(store: HouseStore, number: int) -> None:
    """What is kept at the end of a quarter hour."""
    start_at = START_AT + timedelta(minutes=number - 14)
    store.history.put_slots(
        SlotValue(series=f"device {at}", start_at=start_at, value=float(number * at)) for at in range(10)
    )
    plan = plan_for(home_b(), random.Random(number))
    store.history.put_plan(replace(plan, issued_at=start_at))


def measure(wanted: tuple[str, ...], *, fetched: bool = True) -> None:
    with small_disk() as folder:
        clock = StillClock()
        store = HouseStore(folder / "state", SystemFiles(folder / "state"), clock)
        # The first records make files; a day has few of those.
        write_quarter(store, wanted, clock, fetched=fetched)
        before = written(folder)
        taken_ms = write_quarter(store, wanted, clock, fetched=fetched)
        after = written(folder)
        store.close()
    mb_a_day = (after.sectors - before.sectors) * SECTOR_BYTES * DAYS_RATIO / 1e6
    flushes_a_day = (after.flushes - before.flushes) * DAYS_RATIO
    slowest_ms = max(max(each) for each in taken_ms.values())
    name = wanted[0] if len(wanted) == 1 else "everything" if fetched else "everything, broker away"
    print(
        f"{name}: {mb_a_day:.1f} MB/day on the device, {flushes_a_day} flushes/day, slowest write {slowest_ms:.1f} ms"
    )


def main() -> int:
    chunk = seconds_of_a_house()
    payload = sum(len(encode(chunk(number))) for number in range(MINUTES))
    mb_a_day, per_value = payload * DAYS_RATIO / 1e6, payload / MINUTES / 60 / POINTS
    print(f"telemetry payload: {mb_a_day:.2f} MB/day, {per_value:.2f} bytes per value")
    if os.geteuid() != 0:
        print("bytes on the device need root: a file system of its own is mounted")
        return 1
    measure(("telemetry",))
    measure(STORES)
    measure(STORES, fetched=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
