"""How much this program writes to its disk in a day: an SD card bears some terabytes in its life.

At 60 MB a day a consumer card lasts longer than the house (design: 1.6 TB of host writes); at gigabytes a day, months.
The kernel counts what was handed to the disk, SQLite's pages with it; the file system's own journal comes on top.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hems.ports import Clock

BUDGET_BYTES: Final = 60_000_000
"""In a day."""
ALARM_RATIO: Final = 2.0
DAY_S: Final = 86_400.0
EVERY_S: Final = 600.0
COUNTED: Final = Path("/proc/self/io")


def written_by_us() -> int | None:
    """Bytes that this process has sent to disks since it started; None where the kernel does not count."""
    try:
        lines = COUNTED.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


class DiskUse:
    """Adds up a day, in steps of ten minutes."""

    def __init__(self, clock: Clock, written: Callable[[], int | None] = written_by_us) -> None:
        """Counts from now on.

        Args:
            clock: of the house.
            written: bytes since the start, never fewer.
        """
        self._clock = clock
        self._written = written
        self._samples: deque[tuple[float, int]] = deque()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await self._clock.sleep_until(self._clock.monotonic_s() + EVERY_S)

    def look(self) -> None:
        """Take a sample."""
        now_s, written = self._clock.monotonic_s(), self._written()
        if written is None:
            return
        self._samples.append((now_s, written))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - DAY_S:
            self._samples.popleft()

    @property
    def day_bytes(self) -> int | None:
        """In the last 24 hours, or since the start; None while nothing is known."""
        return self._samples[-1][1] - self._samples[0][1] if len(self._samples) > 1 else None

    def trouble(self) -> str | None:
        """A sentence where it is far more than planned."""
        written = self.day_bytes
        if written is None or written <= ALARM_RATIO * BUDGET_BYTES:
            return None
        return (
            f"{written / 1e6:.0f} MB were written to the disk within a day, {BUDGET_BYTES / 1e6:.0f} MB are planned: "
            "an SD card will wear out early."
        )
