"""The daemon in virtual time: useful with whatever answers, calm about what does not, and at rest when it stops."""

import logging
from pathlib import Path

import pytest

from hems.domain.events import Mode
from hems.domain.plan import Origin
from hems.domain.snapshot import PlainState
from hems.sim import virtual_time
from tests.support.houses import home_b
from tests.support.living import living
from tests.support.simulated import START_AT, flat_data, stay

SITE = home_b()
DATA = flat_data(SITE, days=4, load_w=600.0, pv_w=1_500.0, sessions=(stay(1.0, 10.0, 8.0),))


def test_a_quiet_hour_gives_a_plan_a_record_and_no_complaint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(3_600.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.mode is Mode.NORMAL
            assert snapshot.plan is not None
            assert snapshot.plan.origin is Origin.SOLVER
            assert house.daemon.planner.plans >= 4
            assert all(device.state is not PlainState.PROBLEM for device in snapshot.devices)
            assert snapshot.notices == ()
        assert house.driver.rested

    with caplog.at_level(logging.WARNING):
        virtual_time.run(main())
    assert [each.getMessage() for each in caplog.records] == []
