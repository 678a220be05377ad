"""The soak's judge of growth sees each kind of leak."""

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.soak.growth import LEAKS, WARM_D, Leak, Size, grown, is_flat, size_now


def lived(kind: str | None, *, days: int) -> bool:
    """Whether a process is flat that does nothing but leak, by the hour.

    A new one: one that has run other tests has room for leaks.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(_lived, kind, days).result()


def _lived(kind: str | None, days: int) -> bool:
    leak = Leak(kind)

    async def main() -> list[Size]:
        sizes = []
        for _ in range(days):
            for _ in range(24):
                leak.hour()
            sizes.append(size_now())
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        return sizes

    sizes = asyncio.run(main())
    for each in leak.left:
        if isinstance(each, int):
            os.close(each)
    return is_flat(grown(sizes))


@pytest.mark.parametrize("kind", sorted(set(LEAKS) - {"thread"}))
def test_a_leak_is_seen(kind: str) -> None:
    assert not lived(kind, days=WARM_D + 3)


def test_who_keeps_nothing_is_flat() -> None:
    assert lived(None, days=WARM_D + 3)


def test_one_more_thread_is_growth() -> None:
    before = size_with(threads=1)
    assert is_flat(grown([before] * (WARM_D + 2)))
    assert not is_flat(grown([before] * (WARM_D + 1) + [size_with(threads=2)]))


def size_with(*, threads: int) -> Size:
    return Size(rss_mb=80.0, tasks=20, descriptors=15, threads=threads)
