"""From a telegram of the grid meter to the Modbus write that answers it, on loopback, through the whole daemon.

    python -m benchmarks.latency [--seconds 60] [--speed 10]

Real servers in another process: a P1 meter over TCP, a SunSpec inverter over Modbus TCP, sun with clouds, so that the
battery is often told another power. Measured inside the daemon, from the telegram's last byte read to the write's
acknowledgement. Reference: 50 ms, a twentieth of the time between two telegrams.
"""

import argparse
import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hems.domain.site import DeviceId
from hems.ports import DeviceReading
from hems_drivers.modbus.link import Link
from hems_drivers.modbus.request import Function
from tests.support.demo import CLOCK
from tests.support.demo_daemon import demo_daemon

NOON_AT = datetime(2026, 6, 16, 10, 30, tzinfo=UTC)
REFERENCE_MS = 50.0


async def measure(seconds: float, speed: float) -> list[float]:
    """Milliseconds of each telegram that was answered by a write."""
    told_ms: list[float] = []
    write = Link.write
    with tempfile.TemporaryDirectory() as folder:
        async with demo_daemon(Path(folder), speed=speed, at=NOON_AT) as demo:
            house, loop = demo.daemon.house, asyncio.get_running_loop()
            report, came_s = house.report, loop.time()
            open_question = False

            def reported(device_id: DeviceId, reading: DeviceReading) -> None:
                nonlocal came_s, open_question
                if device_id == house.site.meter.id:
                    came_s, open_question = loop.time(), True
                report(device_id, reading)

            async def written(
                self: Link,
                *,
                unit: int,
                address: int,
                words: tuple[int, ...],
                function: Function = Function.WRITE_MULTIPLE,
                on_connection: int | None = None,
            ) -> None:
                nonlocal open_question
                answered_s, open_question = (came_s, False) if open_question else (None, False)
                await write(
                    self, unit=unit, address=address, words=words, function=function, on_connection=on_connection
                )
                if answered_s is not None:
                    told_ms.append((loop.time() - answered_s) * 1000)

            keeper = house._keeper
            keep = keeper.report
            report = keep
            keeper.report = reported  # type: ignore[method-assign]
            Link.write = written  # type: ignore[method-assign]
            try:
                ends_s = CLOCK.monotonic_s() + seconds
                await CLOCK.sleep_until(ends_s)
            finally:
                Link.write = write  # type: ignore[method-assign]
    return told_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--speed", type=float, default=10.0)
    wanted = parser.parse_args()
    told_ms = sorted(asyncio.run(measure(wanted.seconds, wanted.speed)))
    median, p99 = told_ms[len(told_ms) // 2], told_ms[int(0.99 * (len(told_ms) - 1))]
    print(
        f"{len(told_ms)} telegrams answered by a write: median {median:.1f} ms, 99 % {p99:.1f} ms, "
        f"highest {told_ms[-1]:.1f} ms; 99 % of the reference of {REFERENCE_MS:.0f} ms: {p99 / REFERENCE_MS:.2f}"
    )


if __name__ == "__main__":
    main()
