"""A running daemon knows how the billing year stands from what it has measured, and plans and shows prices by it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hems.domain.net_metering import GridEnergy, NetMetering
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.sim.virtual_time import VirtualClock
from hems.store.history import SlotValue
from hems.store.house_store import HouseStore
from tests.support.houses import home_a
from tests.support.living import BALLAST_BYTES, living
from tests.support.simulated import START_AT, flat_data

RULE = NetMetering(ordinary_year=GridEnergy(import_wh=3_000_000.0, export_wh=2_900_000.0))


@pytest.mark.parametrize("exported_w", [0.0, 20_000.0])
def test_a_year_s_measurements_on_disk_decide_what_a_kwh_is_worth(exported_w: float, tmp_path: Path) -> None:
    """January, which no forecast looks at any more in July, fed in more than the year's import can net."""
    site = home_a()
    formula = replace(site.tariff.import_formula, factor_ratio=0.0, add_eur_per_kwh=0.30)
    sold = replace(formula, add_eur_per_kwh=0.05)
    tariff = replace(site.tariff, import_formula=formula, export_formula=sold, area=None, net_metering=RULE)
    site = replace(site, tariff=tariff)
    start_at = START_AT + timedelta(days=120)
    data = flat_data(site, days=4, load_w=400.0, pv_w=0.0, start_at=start_at)

    async def main() -> None:
        store = HouseStore(tmp_path, SystemFiles(tmp_path), VirtualClock(start_at), ballast_bytes=BALLAST_BYTES)
        january = start_at.replace(month=1, day=10)
        slots = range(480)
        store.history.put_slots(
            SlotValue(series="grid_w", start_at=january + timedelta(minutes=15 * slot), value=-exported_w)
            for slot in slots
        )
        store.close()
        async with living(site, data, tmp_path, start_at=start_at) as house:
            await house.until(60.0)
            daemon = house.daemon
            plan = daemon.planner.plan
            assert plan is not None
            price = daemon.house.snapshot().price
            view = daemon.house.plan_view()
            worth = (plan.import_price_eur_per_kwh[0], plan.export_price_eur_per_kwh[0])
            assert worth == pytest.approx((0.05, 0.05) if exported_w else (0.30, 0.30))
            assert (price.import_eur_per_kwh, price.export_eur_per_kwh) == pytest.approx(worth)
            assert view.export_eur_per_kwh[0] == view.export_eur_per_kwh[-1] == pytest.approx(worth[1])
            more = "more fed in than bought this year" if exported_w else "more bought than fed in this year"
            assert price.source.startswith("fixed price of the contract, net metered: about ")
            assert price.source.endswith(more)

    virtual_time.run(main())
