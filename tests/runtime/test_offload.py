"""Blocking work beside the loop: order, failures, a full queue, a clean end. Real threads."""

import asyncio
import threading
from functools import partial

import pytest

from hems.domain.errors import OperatingError
from hems.runtime.offload import DirectOffload, ThreadOffload
from hems.sim.virtual_time import run as run_virtually


async def test_work_is_done_in_order_by_one_named_thread_and_the_loop_goes_on():
    offload = ThreadOffload("disk")
    gate, order = threading.Event(), list[int]()
    turns = 0

    def work(index: int) -> str:
        gate.wait(10)
        order.append(index)
        return threading.current_thread().name

    tasks = [asyncio.create_task(offload(partial(work, index))) for index in range(20)]
    for _ in range(50):
        await asyncio.sleep(0)  # noqa: TID251 - counts turns of the loop
        turns += 1
    assert (turns, order) == (50, [])
    gate.set()
    names = await asyncio.gather(*tasks)
    assert order == list(range(20))
    assert set(names) == {"disk_0"}
    await offload.close(deadline_s=5)


@pytest.mark.parametrize("offload", [ThreadOffload("disk"), DirectOffload()], ids=["thread", "direct"])
async def test_what_the_work_raises_comes_out(offload):
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await offload(fail)
    assert await offload(lambda: 7) == 7
    if isinstance(offload, ThreadOffload):
        await offload.close(deadline_s=5)


async def test_too_much_waiting_work_is_refused_and_told():
    offload = ThreadOffload("disk", waiting_max=3)
    gate = threading.Event()
    tasks = [asyncio.create_task(offload(lambda: gate.wait(10))) for _ in range(3)]
    await asyncio.sleep(0)  # noqa: TID251 - lets them begin

    with pytest.raises(OperatingError, match="disk: 3 pieces of work wait; the disk does not keep up"):
        await offload(lambda: True)
    gate.set()
    assert await asyncio.gather(*tasks) == [True, True, True]
    assert await offload(lambda: 8) == 8
    await offload.close(deadline_s=5)


async def test_a_cancelled_caller_takes_back_what_has_not_begun():
    offload = ThreadOffload("disk")
    gate, begun, done = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        begun.set()
        gate.wait(10)
        done.append("first")

    one = asyncio.create_task(offload(first))
    two = asyncio.create_task(offload(lambda: done.append("second")))
    while not begun.is_set():  # noqa: ASYNC110 - a thread sets it
        await asyncio.sleep(0)  # noqa: TID251 - lets them begin
    one.cancel()
    two.cancel()
    await asyncio.gather(one, two, return_exceptions=True)
    gate.set()
    await offload.close(deadline_s=5)
    assert done == ["first"]


async def test_closing_finishes_what_was_given_or_says_that_it_did_not():
    offload = ThreadOffload("disk")
    gate = threading.Event()
    task = asyncio.create_task(offload(lambda: gate.wait(10)))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin

    with pytest.raises(OperatingError, match=r"disk: still at work after 0\.05 s"):
        await offload.close(deadline_s=0.05)
    gate.set()
    assert await task


def test_in_virtual_time_work_is_done_at_once():
    async def main() -> int:
        return await DirectOffload()(lambda: 7)

    assert run_virtually(main()) == 7
