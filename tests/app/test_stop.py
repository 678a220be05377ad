"""A stop is heard at any time, leaves every device at rest, and takes what was recorded to disk."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hems.app import house as running_house
from hems.sim import virtual_time
from tests.support.houses import home_b
from tests.support.living import HeldDisk, living
from tests.support.simulated import START_AT, flat_data

SITE = home_b()
DATA = flat_data(SITE, days=4, load_w=600.0)


def broken(*_: Any) -> None:
    raise ValueError("planned fault")


def test_a_stop_is_heard_before_any_tick_has_worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_house, "tick", broken)

    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(30.0)
        assert house.driver.rested
        assert house.clock.monotonic_s() < 60.0

    async def in_time() -> None:
        async with asyncio.timeout(3_600.0):
            await main()

    virtual_time.run(in_time())


def test_one_record_that_fails_costs_a_stop_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        disk = HeldDisk()
        async with living(SITE, DATA, tmp_path, start_at=START_AT, disk=disk) as house:
            await house.until(100.0)
            disk.free.clear()  # so that all of it still waits at the stop
            house.daemon.recorder.later(broken)
            house.daemon.recorder.later(broken)
            await house.until(190.0)
            disk.free.set()
        seconds = [
            second
            for chunk in house.daemon.parts.store.telemetry.read(START_AT, START_AT + timedelta(hours=1))
            for second in chunk.values["grid_w"]
        ]
        assert len(seconds) >= 188

    virtual_time.run(main())
