"""Whether a process stays as it is: memory, tasks, descriptors and threads day by day, and leaks that must be seen."""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

WARM_D = 3
"""Days until everything has run once: midnight's forecasts, the first segments, the longest plan."""
RSS_GROWTH_MAX_MB = 2.0
LEAKED_BYTES = 100_000
"""An hour: what a tick of ten seconds keeps if it forgets to forget 280 bytes; 2.4 MB a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of this process, which also carries the simulated house and the test."""

    rss_mb: float
    tasks: int
    descriptors: int
    threads: int


def size_now() -> Size:
    """To be called on the event loop."""
    process = psutil.Process()
    return Size(
        rss_mb=round(process.memory_info().rss / 1e6, 2),
        tasks=len(asyncio.all_tasks()),
        descriptors=process.num_fds(),
        threads=process.num_threads(),
    )


def grown(sizes: Sequence[Size]) -> dict[str, float]:
    """From the first day after the warm ones to the last."""
    warm = sizes[WARM_D:]
    return {
        "rss_mb": round(warm[-1].rss_mb - warm[0].rss_mb, 2),
        "tasks": warm[-1].tasks - warm[0].tasks,
        "descriptors": warm[-1].descriptors - warm[0].descriptors,
        "threads": warm[-1].threads - warm[0].threads,
    }


def is_flat(growth: dict[str, float]) -> bool:
    """Nothing grows; memory by 2 MB at most."""
    counts = (growth["tasks"], growth["descriptors"], growth["threads"])
    return growth["rss_mb"] <= RSS_GROWTH_MAX_MB and max(counts) <= 0


class Leak:
    """A fault planted on purpose: something that an hour leaves behind."""

    def __init__(self, kind: str | None) -> None:
        """None: no fault."""
        self.left: list[object] = []
        self._one = None if kind is None else LEAKS[kind]

    def hour(self) -> None:
        """Leave one more behind."""
        if self._one is not None:
            self.left.append(self._one())


def _thread() -> threading.Thread:
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    return thread


LEAKS: dict[str, Callable[[], object]] = {
    "memory": lambda: bytes(range(250)) * (LEAKED_BYTES // 250),
    "task": lambda: asyncio.ensure_future(asyncio.Event().wait()),
    "descriptor": lambda: os.open(os.devnull, os.O_RDONLY),
    "thread": _thread,
}
