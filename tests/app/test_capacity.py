"""A running daemon knows what the month's peak is paid for, from what it has measured, after a restart too."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hems.domain.tariff import CapacityTariff
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.sim.virtual_time import VirtualClock
from hems.store.history import SlotValue
from hems.store.house_store import HouseStore
from tests.support.houses import BATTERY, home_a
from tests.support.living import BALLAST_BYTES, living
from tests.support.simulated import START_AT, flat_data


def test_the_peak_of_this_month_is_read_from_disk_and_goes_on_with_what_is_measured(tmp_path: Path) -> None:
    """6.1 kW were drawn on Saturday, 9 kW at the end of February, which no longer counts; the house now draws 7 kW,
    more than what its battery could help for two days."""
    site = home_a()
    capacity = CapacityTariff(price_eur_per_kw=4.0, power_min_w=2_500.0)
    site = replace(site, batteries=(), tariff=replace(site.tariff, capacity=capacity))
    data = flat_data(site, days=4, load_w=7_000.0, pv_w=0.0)

    async def main() -> None:
        store = HouseStore(tmp_path, SystemFiles(tmp_path), VirtualClock(START_AT), ballast_bytes=BALLAST_BYTES)
        store.history.put_slots(
            SlotValue(series="grid_w", start_at=START_AT - timedelta(days=days), value=power_w)
            for days, power_w in ((5, 9_000.0), (2, 6_100.0), (1, -3_000.0))
        )
        store.close()
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(60.0)
            assert house.daemon.knowing.month_peak_w(house.daemon.house.now()) == 6_100.0
            await house.until(1_900.0)
            assert house.daemon.knowing.month_peak_w(house.daemon.house.now()) > 6_900.0

    virtual_time.run(main())


def test_the_plan_says_up_to_which_import_nothing_more_is_charged(tmp_path: Path) -> None:
    site = home_a()
    capacity = CapacityTariff(price_eur_per_kw=4.0, power_min_w=2_500.0)
    site = replace(site, tariff=replace(site.tariff, capacity=capacity))
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0)

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(60.0)
            plan = house.daemon.planner.plan
            assert plan is not None
            assert {each.device_id for each in plan.batteries} == {BATTERY}
            assert len(plan.peak_power_w) == plan.grid.count
            assert all(each is not None and each >= 2_500.0 for each in plan.peak_power_w)

    virtual_time.run(main())
