"""What happens in a demo house, as the simulator takes it."""

from datetime import datetime, timedelta

import numpy as np

from hems.domain.site import Site
from hems.domain.time import SLOT_S, SlotGrid, floor_to, local_day
from hems.sim.data import HouseData, Session
from hems.sim.demo.commuter import stays_between
from hems.sim.demo.prices import synthetic_prices
from hems.sim.demo.sample import SLOTS_PER_CYCLE, SLOTS_PER_DAY, sample, slot_in_cycle
from hems.sim.demo.weather import made_up_outdoor_c
from hems.sim.series import FloatArray
from hems.sim.tariff import WallClock, household_prices

DAYS = 400
"""How long a demo can run: at 60 times real time this is almost a week of ours."""
DRIVEN_IN = timedelta(days=2)
"""Cars may be there from before."""


def demo_data(site: Site, start_at: datetime, *, days: int = DAYS) -> HouseData:
    """Measured load and sun of the sample; a made-up car, weather and prices.

    Args:
        site: the house.
        start_at: when the simulation begins; the data begins with its quarter hour.
        days: how long the data lasts.
    """
    grid = SlotGrid(start_at=floor_to(start_at, SLOT_S), count=days * SLOTS_PER_DAY)
    house, first = sample(), slot_in_cycle(grid.start_at)
    order = (first + np.arange(grid.count)) % SLOTS_PER_CYCLE
    load_w, pv_w = np.array(house.load_w)[order], np.array(house.pv_w)[order]
    spot_eur_per_kwh, clock = _spot(site, grid), WallClock.of(grid, site.zone)
    return HouseData(
        timezone=site.timezone,
        grid=grid,
        load_w=load_w,
        pv_w=pv_w,
        heat_pump_w=np.zeros(grid.count),
        measured_load_w=load_w,
        measured_pv_w=pv_w,
        import_eur_per_kwh=household_prices(site.tariff.import_formula, spot_eur_per_kwh, clock),
        export_eur_per_kwh=household_prices(site.tariff.export_formula, spot_eur_per_kwh, clock),
        spot_eur_per_kwh=spot_eur_per_kwh,
        temp_c=np.array([made_up_outdoor_c(at) for at in grid.starts()]) if site.heat_pumps else None,
        sessions=tuple(
            Session(plugin_at=stay.plugin_at, plugout_at=stay.plugout_at, energy_wh=stay.energy_wh)
            for stay in stays_between(grid.start_at - DRIVEN_IN, grid.end_at, site.zone)
            if stay.plugout_at > grid.start_at
        ),
    )


def _spot(site: Site, grid: SlotGrid) -> FloatArray:
    day, spot = local_day(grid.start_at, site.zone), np.full(grid.count, np.nan)
    while (curve := synthetic_prices(day, site.zone)).grid.start_at < grid.end_at:
        first = round((curve.grid.start_at - grid.start_at).total_seconds()) // SLOT_S
        begin, end = max(0, first), min(grid.count, first + curve.grid.count)
        spot[begin:end] = curve.spot_eur_per_kwh[begin - first : end - first]
        day += timedelta(days=1)
    return spot
