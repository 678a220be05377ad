"""Waiting in real seconds, for sockets and processes; the house's own time is its clock's."""

from hems.runtime.clock import SystemClock

_REAL = SystemClock()


async def real_pause(seconds: float) -> None:
    """Let real time pass."""
    await _REAL.sleep_until(_REAL.monotonic_s() + seconds)
