"""Asyncio in virtual time: the real coroutines, without waiting, the same order every time.

An event loop asks its selector to wait until the next timer is due. The selector here does not wait but moves the
loop's clock there; all else is asyncio's own. A ready-made loop (async-solipsism) does the same and forbids sockets,
but it is a development dependency and a simulation is part of the product; these are thirty lines.

Nothing outside the loop takes virtual time: threads and other processes would answer at an arbitrary moment. Threads
are refused; whoever talks to a process does so without awaiting it.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple, Unpack

from hems.domain.time import require_utc

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RESOLUTION_S = 1e-6
"""Timers closer together than this run in one go; floats of ten years of seconds are 6e-8 s apart."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Event loop whose time jumps to the next timer as soon as nothing is ready. Starts at second 0."""

    def __init__(self) -> None:
        """A loop at second 0."""
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # A timer runs when it is due before now plus this. The usual nanosecond is less than the spacing of floats
        # after a hundred days, and the loop would spin for ever on a timer that is due exactly now.
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        """Virtual monotonic seconds."""
        return self._jumping.elapsed_s

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002
        func: Callable[[Unpack[Ts]], T],  # noqa: ARG002
        *args: *Ts,  # noqa: ARG002
    ) -> asyncio.Future[T]:
        """Refused: virtual time does not wait for a thread."""
        raise RuntimeError("a thread has no place in virtual time: call it directly")


class _JumpingSelector(selectors.DefaultSelector):
    """Looks at its files without waiting; where it should wait, that time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        self.elapsed_s += max(timeout, 0.0)
        return []


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time, from second 0.

    Raises:
        RuntimeError: all that is left waits for nothing, or asks for a thread.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class VirtualClock:
    """Implements :class:`hems.ports.Clock` on a virtual-time loop; to be made inside :func:`run`.

    The wall clock can be stepped and can drift; monotonic time stays honest, as on a Pi without a battery-backed clock.
    """

    def __init__(self, start_at: datetime, *, trusted: bool = True) -> None:
        """Wall time ``start_at`` is now; ``trusted`` may be changed at any time."""
        self.trusted = trusted
        self._loop = asyncio.get_running_loop()
        self._anchor_at = require_utc(start_at)
        self._anchor_mono_s = self._loop.time()
        self._drift_ratio = 0.0

    def now(self) -> datetime:
        """Wall time."""
        passed_s = (self._loop.time() - self._anchor_mono_s) * (1 + self._drift_ratio)
        return self._anchor_at + timedelta(seconds=passed_s)

    def monotonic_s(self) -> float:
        """Virtual seconds of the loop."""
        return self._loop.time()

    def wall_is_trusted(self) -> bool:
        """As was last said."""
        return self.trusted

    async def sleep_until(self, monotonic_s: float) -> None:
        """Return at a monotonic second. Others run in between even when it has passed."""
        left_s = monotonic_s - self._loop.time()
        await asyncio.sleep(max(left_s, 0.0))  # noqa: TID251 - this is the clock

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back where negative."""
        self._rebase(seconds)

    def drift_wall(self, ratio: float) -> None:
        """From now on the wall clock gains this share of time, or loses it where negative."""
        self._rebase(0.0)
        self._drift_ratio = ratio

    def _rebase(self, step_s: float) -> None:
        self._anchor_at = self.now() + timedelta(seconds=step_s)
        self._anchor_mono_s = self._loop.time()
