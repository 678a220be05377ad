"""A server that tries again after each failure ends when it is told to, even in the middle of one."""

import asyncio

from hems.sim.servers.pace import real_pause


async def fail_at_the_end() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ConnectionError


async def try_again_and_again(started: asyncio.Event) -> None:
    while True:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail_at_the_end())
                started.set()
        except* ConnectionError:
            pass
        await real_pause(0.01)


async def test_a_cancellation_that_meets_a_failure_is_not_lost() -> None:
    started = asyncio.Event()
    task = asyncio.create_task(try_again_and_again(started))
    await started.wait()
    await real_pause(0.01)
    task.cancel()
    done, _ = await asyncio.wait((task,), timeout=5)
    assert done
    assert task.cancelled()
