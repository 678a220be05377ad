"""The grid fails while the whole daemon runs: said at once, nothing promised, and everything as before afterwards."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from hems.domain.command import BatteryPower, BatteryReleased
from hems.domain.events import Mode
from hems.sim import virtual_time
from tests.support.houses import BATTERY, CHARGER, home_a
from tests.support.living import living
from tests.support.simulated import START_AT, flat_data, stay

SITE = replace(home_a(), name="Island")
DATA = flat_data(SITE, days=3, load_w=600.0, sessions=(stay(0.01, 20.0, 40.0),))


def test_a_power_cut_from_its_begin_to_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(300.0)
            assert house.daemon.house.snapshot().mode is Mode.NORMAL

            house.driver.house.cut_off(True)
            await house.until(310.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.mode is Mode.ISLANDED
            assert snapshot.grid_power_w == 0.0
            (notice,) = snapshot.notices
            assert notice.level == "problem"
            assert notice.text.startswith("The grid has failed: Battery feeds the house; ")
            charger = next(each for each in snapshot.devices if each.id == CHARGER)
            assert (
                charger.headline
                == "Not charging: the grid has failed, and the battery is kept for the rest of the house."
            )
            assert charger.next is None
            last = [each for each in house.driver.applied if each.device_id == BATTERY][-1]
            assert last.action == BatteryReleased()

            await house.until(1_800.0)  # longer than any meter's last word
            assert house.daemon.house.snapshot().mode is Mode.ISLANDED
            assert house.driver.house.chargers[CHARGER].power_w == 0.0

            house.driver.house.cut_off(False)
            await house.until(1_900.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.mode is Mode.NORMAL
            assert snapshot.notices == ()
            last = [each for each in house.driver.applied if each.device_id == BATTERY][-1]
            assert isinstance(last.action, BatteryPower)

    with caplog.at_level(logging.INFO):
        virtual_time.run(main())
    texts = [each.getMessage() for each in caplog.records]
    assert texts.count("mode islanded: the grid has failed, the battery feeds the house") == 1
    assert not any("does not do what it is told" in text or "was told" in text for text in texts)
