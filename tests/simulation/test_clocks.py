"""Two clocks behind one port: the machine's, and one whose year takes seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from hems.ports import Clock
from hems.runtime import clock as system_clock
from hems.runtime.clock import SystemClock, kernel_is_synchronised, wall_confirmed
from hems.sim.virtual_time import VirtualClock, run

START_AT = datetime(2024, 1, 1, tzinfo=UTC)
MINUTES_OF_A_YEAR = 525_600


def test_a_year_of_minutes_passes_in_seconds():
    async def year() -> int:
        clock = VirtualClock(START_AT)
        for minute in range(1, MINUTES_OF_A_YEAR + 1):
            await clock.sleep_until(minute * 60.0)
        assert clock.now() == START_AT + timedelta(days=365)
        return round(clock.monotonic_s())

    started_s = time.process_time()
    assert run(year()) == MINUTES_OF_A_YEAR * 60
    assert time.process_time() - started_s < 20


def sleepers(act: Callable[[VirtualClock], Awaitable[None]] | None = None) -> list[tuple[float, str]]:
    """When each of five periodic tasks woke in an hour, in the order in which they did."""
    woke: list[tuple[float, str]] = []

    async def every(clock: Clock, period_s: float, name: str) -> None:
        for turn in range(1, int(3600 / period_s) + 1):
            await clock.sleep_until(turn * period_s)
            woke.append((clock.monotonic_s(), name))

    async def house() -> None:
        clock = VirtualClock(START_AT)
        async with asyncio.TaskGroup() as group:
            for name, period_s in (("tick", 1.0), ("poll", 5.0), ("other poll", 5.0), ("odd", 7.3), ("plan", 900.0)):
                group.create_task(every(clock, period_s, name))
            if act is not None:
                await act(clock)

    run(house())
    return woke


def test_the_order_of_tasks_is_the_same_every_time_and_that_of_their_times():
    first = sleepers()
    assert sleepers() == first
    assert [at_s for at_s, _ in first] == sorted(at_s for at_s, _ in first)
    assert sorted(name for at_s, name in first if at_s == 900.0) == ["other poll", "plan", "poll", "tick"]


def test_wall_steps_and_drift_do_not_move_sleepers():
    seen: list[float] = []

    async def disturb(clock: VirtualClock, *, back_s: float, drift_ratio: float, on_s: float) -> None:
        await clock.sleep_until(600.5)
        clock.step_wall(-back_s)
        await clock.sleep_until(1200.5)
        clock.drift_wall(drift_ratio)
        await clock.sleep_until(1800.5)
        clock.step_wall(on_s)
        await clock.sleep_until(2800.5)
        seen.append((clock.now() - START_AT).total_seconds())

    calm = sleepers(partial(disturb, back_s=0.0, drift_ratio=0.0, on_s=0.0))
    assert sleepers(partial(disturb, back_s=86_400.0, drift_ratio=0.01, on_s=7_200.0)) == calm
    assert seen == pytest.approx([2800.5, 2800.5 - 86_400 + 7_200 + 1_600 * 0.01], abs=1e-5)


def test_waiting_for_nothing_is_an_error_and_not_a_standstill():
    async def waits() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="never happen"):
        run(waits())


def test_a_thread_is_refused():
    async def asks() -> None:
        await asyncio.to_thread(int)

    with pytest.raises(RuntimeError, match="no place in virtual time"):
        run(asks())


def test_the_system_clock_sleeps_until_and_never_wakes_early():
    async def naps() -> list[float]:
        clock = SystemClock()
        late_s = []
        for _ in range(20):
            until_s = clock.monotonic_s() + 0.003
            await clock.sleep_until(until_s)
            late_s.append(clock.monotonic_s() - until_s)
        await clock.sleep_until(clock.monotonic_s() - 100)
        return late_s

    assert all(0 <= late_s < 5 for late_s in asyncio.run(naps()))


def test_others_run_while_a_moment_that_has_passed_is_awaited():
    async def both() -> list[str]:
        clock = SystemClock()
        order = ["first"]
        asyncio.get_running_loop().call_soon(order.append, "other")
        await clock.sleep_until(0.0)
        return [*order, "first again"]

    assert asyncio.run(both()) == ["first", "other", "first again"]


def test_system_time_is_utc_and_monotonic_time_grows():
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert abs(clock.now().timestamp() - time.time()) < 5  # noqa: TID251 - the independent number
    assert clock.monotonic_s() <= clock.monotonic_s()


def test_wall_time_is_trusted_from_its_first_confirmation_on():
    answers = iter([False, False, True, False])
    clock = SystemClock(lambda: next(answers))
    assert [clock.wall_is_trusted() for _ in range(5)] == [False, False, True, True, True]


def test_the_kernel_or_the_mark_of_the_time_service_confirms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(system_clock, "TIMESYNCD_MARK", tmp_path / "synchronized")
    assert wall_confirmed() is kernel_is_synchronised()
    (tmp_path / "synchronized").touch()
    assert wall_confirmed()
