"""Small synthetic house data and commands for tests of the simulator and of what runs on it."""

from datetime import UTC, datetime, timedelta

import numpy as np

from hems.domain.command import Action, Authority, Command, Lease
from hems.domain.site import DeviceId, Site
from hems.domain.time import SlotGrid
from hems.sim.data import HouseData, Session

START_AT = datetime(2024, 3, 4, tzinfo=UTC)


def flat_data(
    site: Site,
    *,
    days: int = 3,
    load_w: float = 400.0,
    pv_w: float = 0.0,
    temp_c: float = 7.0,
    sessions: tuple[Session, ...] = (),
    start_at: datetime = START_AT,
) -> HouseData:
    """Constant load, sun, weather and prices (import 0.30, export 0.08 EUR/kWh)."""
    grid = SlotGrid(start_at=start_at, count=days * 96)
    load, pv = np.full(grid.count, load_w), np.full(grid.count, pv_w)
    return HouseData(
        timezone=site.timezone,
        grid=grid,
        load_w=load,
        pv_w=pv,
        heat_pump_w=np.zeros(grid.count),
        measured_load_w=load,
        measured_pv_w=pv,
        import_eur_per_kwh=np.full(grid.count, 0.30),
        export_eur_per_kwh=np.full(grid.count, 0.08),
        spot_eur_per_kwh=None,
        temp_c=np.full(grid.count, temp_c),
        sessions=sessions,
    )


def stay(hour: float, hours: float, energy_kwh: float, *, start_at: datetime = START_AT) -> Session:
    """A car that comes ``hour`` hours after the start and stays for ``hours``."""
    plugin_at = start_at + timedelta(hours=hour)
    return Session(plugin_at=plugin_at, plugout_at=plugin_at + timedelta(hours=hours), energy_wh=energy_kwh * 1000)


def order(device_id: DeviceId, action: Action, *, mono_s: float, lease_s: float = 90.0) -> Command:
    """A command with a lease from ``mono_s`` on."""
    lease = Lease(granted_mono_s=mono_s, duration_s=lease_s)
    return Command(device_id=device_id, action=action, lease=lease, authority=Authority.PLAN)
