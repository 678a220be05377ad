"""An inverter that answers nothing in the dark, and one that is dead: in the running daemon, over restarts."""

from datetime import timedelta
from pathlib import Path

import pytest

from hems.sim import virtual_time
from tests.support.houses import PV, home_b
from tests.support.living import living
from tests.support.simulated import START_AT, flat_data

SITE = home_b()


def test_an_inverter_that_slept_before_a_restart_sleeps_after_it(tmp_path: Path) -> None:
    """It answers nothing in the dark; awake, its 6 kW on one phase would be kept free until the morning."""
    data = flat_data(SITE, days=4, load_w=600.0, pv_w=0.0)

    async def main() -> None:
        async with living(SITE, data, tmp_path, start_at=START_AT) as house:
            await house.until(600.0)
            house.driver.lost = {PV}
            await house.until(1_900.0)
            assert house.daemon.house.snapshot().home_power_w == pytest.approx(600.0, abs=30.0)
        async with living(SITE, data, tmp_path, start_at=START_AT + timedelta(minutes=45)) as house:
            house.driver.lost = {PV}
            await house.until(60.0)
            assert house.daemon.house.live().result.estimate.masked_w.total == 0.0
            assert house.daemon.house.snapshot().home_power_w == pytest.approx(600.0, abs=30.0)

    virtual_time.run(main())


def test_an_inverter_that_is_dead_does_not_sleep_for_ever(tmp_path: Path) -> None:
    """What is assumed of the sun while it sleeps is no measurement that a restart may go by; nor is one fresh."""
    data = flat_data(SITE, days=4, load_w=600.0, pv_w=0.0)

    async def main() -> None:
        async with living(SITE, data, tmp_path, start_at=START_AT) as house:
            await house.until(1_000.0)
            house.driver.lost = {PV}
            await house.until(4_600.0)
            history = house.daemon.parts.store.history
            sun = history.slots(f"{PV}.sun_w", START_AT + timedelta(minutes=30), START_AT + timedelta(minutes=60))
            assert sun == [0.0, 0.0]
        later_at = START_AT + timedelta(hours=20)
        async with living(SITE, data, tmp_path, start_at=later_at) as house:
            house.driver.lost = {PV}
            await house.until(60.0)
            assert house.daemon.house.live().result.estimate.asleep == frozenset()
        async with living(SITE, data, tmp_path, start_at=START_AT + timedelta(minutes=15)) as house:
            house.driver.lost = {PV}
            await house.until(5.0)
            assert house.daemon.house.live().result.estimate.silent == {PV}

    virtual_time.run(main())
