"""Parts that crash, end, hang and are stopped, in virtual time."""

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from hems.domain.errors import BadInputError, OperatingError
from hems.runtime.supervisor import Supervisor
from hems.sim.virtual_time import VirtualClock
from hems.sim.virtual_time import run as run_virtually


class Stage:
    """A supervisor on virtual time and the seconds at which each part began."""

    def __init__(self) -> None:
        self.clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.supervisor = Supervisor(self.clock, random.Random(1))
        self.began_s: list[float] = []

    async def after(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.monotonic_s() + seconds)

    def part(self, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def start() -> None:
            self.began_s.append(self.clock.monotonic_s())
            await work()

        return start

    def waits_s(self) -> list[float]:
        return [after - before for before, after in itertools.pairwise(self.began_s)]


def staged(main: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        stage = Stage()
        try:
            await main(stage)
        finally:
            await stage.supervisor.stop(deadline_s=10)

    run_virtually(run())


def test_a_part_that_crashes_is_started_again_later_each_time_up_to_a_minute():
    async def main(stage: Stage) -> None:
        async def crash() -> None:
            raise KeyError("a bug")

        stage.supervisor.start("it", stage.part(crash))
        await stage.after(600)
        for wait, least in zip(stage.waits_s(), (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=False):
            assert least <= wait <= 1.11 * least
        (part,) = stage.supervisor.parts
        assert part.failures == len(stage.began_s)
        assert part.trouble == "KeyError('a bug')"

    staged(main)


def test_a_part_that_fails_now_and_then_is_no_trouble_and_one_that_keeps_failing_is_until_it_is_well():
    async def main(stage: Stage) -> None:
        runs_s = iter([0.0, 0.0, 70.0, 0.0, 0.0, 0.0, 1e9])

        async def work() -> None:
            await stage.after(next(runs_s))
            raise OperatingError("gone" * 100)

        stage.supervisor.start("it", stage.part(work))
        await stage.after(75)
        assert len(stage.began_s) == 4
        assert stage.supervisor.troubles() == ()
        await stage.after(4)
        (told,) = stage.supervisor.troubles()
        assert told.startswith('The part "it" of hems fails again and again: gonegone')
        assert len(told) < 300
        await stage.after(80)
        assert stage.supervisor.troubles() == ()

    staged(main)


def test_a_part_that_was_well_for_a_minute_begins_anew(caplog):
    async def main(stage: Stage) -> None:
        runs_s = iter([0.0, 0.0, 0.0, 0.0, 100.0, 1e9])

        async def work() -> None:
            await stage.after(next(runs_s))
            raise OperatingError("gone")

        stage.supervisor.start("it", stage.part(work))
        await stage.after(14)
        assert [part.trouble for part in stage.supervisor.parts] == ["gone"]
        await stage.after(80)
        assert [part.trouble for part in stage.supervisor.parts] == [None]
        await stage.after(30)
        waits_s = stage.waits_s()
        assert 8 <= waits_s[3] <= 8.9
        assert 101 <= waits_s[4] <= 101.2

    with caplog.at_level(logging.INFO):
        staged(main)
    assert caplog.messages == ["it: gone", "it is well again", "it: gone"]


@pytest.mark.parametrize(
    ("error", "text", "has_traceback"),
    [
        (BadInputError("no such port; plug it in"), "it: no such port; plug it in", False),
        (ExceptionGroup("x", [OperatingError("a"), ExceptionGroup("y", [OperatingError("b")])]), "it: a; b", False),
        (ValueError("a bug"), "it: ValueError('a bug')", True),
        (ExceptionGroup("x", [OperatingError("a"), ValueError("b")]), "it: ExceptionGroup(", True),
        (asyncio.CancelledError(), "it: was cancelled from inside", True),
    ],
)
def test_a_failure_is_told_once_and_only_a_bug_with_its_traceback(error, text, has_traceback, caplog):
    async def main(stage: Stage) -> None:
        async def fail() -> None:
            raise error

        stage.supervisor.start("it", stage.part(fail))
        await stage.after(24 * 3_600)
        assert len(stage.began_s) > 1_000

    with caplog.at_level(logging.INFO):
        staged(main)
    (record,) = caplog.records
    assert record.getMessage().startswith(text)
    assert bool(record.exc_info and record.exc_info[0]) == has_traceback
    assert len(record.getMessage().splitlines()) == 1


def test_a_text_that_changes_each_time_does_not_fill_the_log(caplog):
    async def main(stage: Stage) -> None:
        async def fail() -> None:
            raise OperatingError(f"at {stage.clock.monotonic_s()}")

        stage.supervisor.start("it", fail)
        await stage.after(24 * 3_600)

    with caplog.at_level(logging.INFO):
        staged(main)
    assert len(caplog.messages) == 8


def test_a_part_that_ends_by_itself_is_started_again(caplog):
    async def main(stage: Stage) -> None:
        async def end() -> None:
            return

        stage.supervisor.start("it", stage.part(end))
        await stage.after(10)
        assert len(stage.began_s) >= 3

    staged(main)
    assert caplog.messages == ["it: ended by itself"]


def test_one_part_takes_no_other_with_it():
    async def main(stage: Stage) -> None:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await stage.after(1)

        async def crash() -> None:
            raise RuntimeError("a bug")

        stage.supervisor.start("guard", beat)
        stage.supervisor.start("other", crash)
        await stage.after(100)
        assert beats == 100

    staged(main)


def test_parts_stop_in_reverse_order_each_after_the_one_before():
    async def main(stage: Stage) -> None:
        stopped: list[str] = []

        def part(name: str, rest_s: float) -> Callable[[], Awaitable[None]]:
            async def work() -> None:
                try:
                    await stage.after(1e9)
                finally:
                    await stage.after(rest_s)
                    stopped.append(name)

            return work

        for name, rest_s in (("guard", 0.0), ("driver", 2.0), ("page", 3.0)):
            stage.supervisor.start(name, part(name, rest_s))
        await stage.after(1)
        began_s = stage.clock.monotonic_s()
        await stage.supervisor.stop(deadline_s=10)
        assert stopped == ["page", "driver", "guard"]
        assert stage.clock.monotonic_s() - began_s == pytest.approx(5.0, abs=0.01)
        with pytest.raises(ValueError, match="stopping"):
            stage.supervisor.start("late", part("late", 0))

    staged(main)


def test_a_part_that_does_not_stop_is_left_behind_and_the_others_still_get_their_turn(caplog):
    async def main(stage: Stage) -> None:
        stopped: list[str] = []
        let_go = asyncio.Event()

        async def stubborn() -> None:
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    continue

        async def good() -> None:
            try:
                await stage.after(1e9)
            finally:
                stopped.append("good")

        stage.supervisor.start("good", good)
        stage.supervisor.start("stubborn", stubborn)
        await stage.after(1)
        began_s = stage.clock.monotonic_s()
        await stage.supervisor.stop(deadline_s=5)
        assert stage.clock.monotonic_s() - began_s == pytest.approx(5.0, abs=0.01)
        let_go.set()
        await stage.after(1)
        assert stopped == ["good"]

    staged(main)
    assert caplog.messages[0] == "stubborn does not stop within 5 s and is left behind"


def test_a_part_that_fails_while_it_stops_is_not_started_again():
    async def main(stage: Stage) -> None:
        async def work() -> None:
            try:
                await stage.after(1e9)
            except asyncio.CancelledError:
                raise OSError("the socket was gone already") from None

        stage.supervisor.start("it", stage.part(work))
        await stage.after(1)
        began_s = stage.clock.monotonic_s()
        await stage.supervisor.stop(deadline_s=5)
        assert stage.clock.monotonic_s() == pytest.approx(began_s, abs=0.01)
        await stage.after(100)
        assert len(stage.began_s) == 1

    staged(main)


def test_a_part_is_stopped_also_while_it_waits_for_its_next_turn():
    async def main(stage: Stage) -> None:
        async def crash() -> None:
            raise RuntimeError("a bug")

        stage.supervisor.start("it", stage.part(crash))
        await stage.after(100)
        began_s = stage.clock.monotonic_s()
        await stage.supervisor.stop(deadline_s=5)
        assert stage.clock.monotonic_s() == pytest.approx(began_s, abs=0.01)

    staged(main)


def test_two_parts_of_one_name_are_a_mistake():
    async def main(stage: Stage) -> None:
        async def work() -> None:
            await stage.after(1e9)

        stage.supervisor.start("it", work)
        with pytest.raises(ValueError, match="it is there already"):
            stage.supervisor.start("it", work)

    staged(main)
