"""What was handed to the recorder is written, whatever the stop and other records do."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from hems.app.recorder import Recorder
from hems.runtime.clock import SystemClock
from hems.runtime.files import SystemFiles
from hems.runtime.offload import ThreadOffload
from hems.store.house_store import HouseStore
from tests.support.eventually import eventually, running


@asynccontextmanager
async def recorder_in(folder: Path) -> AsyncIterator[tuple[Recorder, ThreadOffload]]:
    """A recorder, and the thread of its disk."""
    store = HouseStore(folder, SystemFiles(folder), SystemClock(), ballast_bytes=65_536)
    disk = ThreadOffload("disk")
    yield Recorder(store, disk, has_aggregator=False), disk
    await disk(store.close)
    await disk.close(deadline_s=5.0)


async def test_a_record_that_fails_takes_no_other_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written: list[str] = []

    def broken() -> None:
        raise ValueError("planned fault")

    async with recorder_in(tmp_path) as (recorder, _):
        for work in (partial(written.append, "a"), broken, partial(written.append, "b")):
            recorder.later(work)
        await recorder.flush()
    assert written == ["a", "b"]
    assert [each.getMessage() for each in caplog.records] == ["a record cannot be written and is lost"]


@pytest.mark.parametrize("begun", [False, True], ids=["waits for the disk", "is being written"])
async def test_a_stop_loses_no_record_and_writes_none_twice_that(begun: bool, tmp_path: Path) -> None:
    written: list[str] = []
    busy, free = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        free.wait(5.0)
        written.append("held")

    async with recorder_in(tmp_path) as (recorder, disk):
        async with running(recorder.run()):
            if begun:
                recorder.later(hold)
            others = set() if begun else {asyncio.ensure_future(disk(hold))}
            await eventually(busy.is_set)
            for text in ("a", "b", "c"):
                recorder.later(partial(written.append, text))
            await eventually(lambda: recorder._waiting.qsize() == (3 if begun else 2))
        flushing = asyncio.ensure_future(recorder.flush())
        free.set()
        await flushing
        assert all(each.done() for each in others)
    assert written == ["held", "a", "b", "c"]
