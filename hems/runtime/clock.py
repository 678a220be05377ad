"""The machine's own clocks behind the ``Clock`` port: the only place in the daemon that reads them."""

import asyncio
import ctypes
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

TIME_ERROR = 5
"""What ``adjtimex`` returns while the clock is not synchronised (linux/timex.h); 0..4 are synchronised states."""
TIMEX_BYTES = 256
"""``struct timex`` has 208 on 64-bit Linux; all zero it asks for nothing to be changed."""
TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")
"""Made by systemd-timesyncd, the default of Raspberry Pi OS, at its first answer since boot."""


class SystemClock:
    """Implements :class:`hems.ports.Clock`.

    Monotonic time is that of the event loop, CLOCK_MONOTONIC: it goes on while the wall clock is set.
    """

    def __init__(self, confirmed: Callable[[], bool] | None = None) -> None:
        """``confirmed`` says whether wall time is right at this moment; by default the system is asked."""
        self._confirmed = wall_confirmed if confirmed is None else confirmed
        self._trusted = False

    def now(self) -> datetime:
        """Wall time, aware UTC; may step."""
        return datetime.now(UTC)  # noqa: TID251 - this is the clock

    def monotonic_s(self) -> float:
        """Seconds that never step back."""
        return time.monotonic()  # noqa: TID251 - this is the clock

    def wall_is_trusted(self) -> bool:
        """Whether wall time has been confirmed; what was confirmed once stays so.

        A clock that was right loses a few seconds a day without its server; the kernel withdraws its word after some
        nine hours of that (500 ppm up to an error of 16 s), which is no reason to forget the prices of the day.
        """
        self._trusted = self._trusted or self._confirmed()
        return self._trusted

    async def sleep_until(self, monotonic_s: float) -> None:
        """Return at or soon after a monotonic second. Others run in between even when it has passed."""
        await asyncio.sleep(0)  # noqa: TID251 - this is the clock
        while (left_s := monotonic_s - self.monotonic_s()) > 0:  # noqa: ASYNC110 - a timer may be a tick early
            await asyncio.sleep(left_s)  # noqa: TID251 - this is the clock


class ScaledClock:
    """A simulated house's clock: ``speed`` house seconds pass in each real one. Implements :class:`hems.ports.Clock`.

    Processes that are given the same numbers agree, because CLOCK_MONOTONIC is that of the machine.
    """

    def __init__(self, *, speed: float, start_at: datetime, epoch_s: float) -> None:
        """At the machine's monotonic second ``epoch_s`` the house's clock shows ``start_at`` and monotonic second 0."""
        self.speed = speed
        self._start_at = start_at
        self._epoch_s = epoch_s

    def now(self) -> datetime:
        """House time, aware UTC."""
        return self._start_at + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        """House seconds since the epoch."""
        return (time.monotonic() - self._epoch_s) * self.speed  # noqa: TID251 - this is the clock

    def wall_is_trusted(self) -> bool:
        """A simulated house knows its time."""
        return True

    async def sleep_until(self, monotonic_s: float) -> None:
        """Return at or soon after a house second."""
        await asyncio.sleep(0)  # noqa: TID251 - this is the clock
        while (left_s := monotonic_s - self.monotonic_s()) > 0:  # noqa: ASYNC110 - a timer may be a tick early
            await asyncio.sleep(left_s / self.speed)  # noqa: TID251 - this is the clock


def wall_confirmed() -> bool:
    """Whether something outside this machine has set its clock since boot.

    The kernel knows for every time service (timesyncd, chrony, ntpd, PTP), but only for hours after the last contact;
    the mark of timesyncd stays until the next boot, so that a daemon restarted during a long outage has its prices.
    Neither: not confirmed. A battery-backed clock alone is not believed; one with an empty cell starts in 1970 or 2000.
    """
    return kernel_is_synchronised() or TIMESYNCD_MARK.exists()


def kernel_is_synchronised() -> bool:
    """What ``adjtimex`` says; False where it may not be asked."""
    answer: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return 0 <= answer < TIME_ERROR
