"""Two houses for tests, and where their measurements lie.

Both have 10 kWh of battery, an 11 kW charger, 3 x 25 A and a dynamic tariff; home B also has a heat pump with a
room and a tank. Change a copy with ``dataclasses.replace``, not these functions: many tests compare with their numbers.
"""

import os
from pathlib import Path

import pytest

from hems.domain.site import (
    MAIN,
    Battery,
    Charger,
    Circuit,
    DeviceId,
    GridConnection,
    GridMeter,
    HeatPump,
    PvPlane,
    PvPlant,
    RoomModel,
    Site,
    TankModel,
)
from hems.domain.tariff import PriceFormula, Tariff

GRID = DeviceId("grid")
PV = DeviceId("pv")
BATTERY = DeviceId("battery")
CHARGER = DeviceId("charger")
HEAT_PUMP = DeviceId("heat_pump")


def home_a() -> Site:
    """Load of a house with electric heating, PV, battery and car; no heat pump."""
    return Site(
        name="Home A",
        timezone="Europe/Amsterdam",
        currency="EUR",
        connection=GridConnection(phase_count=3, export_power_max_w=10_000.0),
        circuits=(Circuit(id=MAIN, fuse_a=25.0, parent=None),),
        meter=GridMeter(id=GRID, name="Grid", period_s=1.0),
        tariff=Tariff(
            import_formula=PriceFormula(factor_ratio=1.21, add_eur_per_kwh=0.15),
            export_formula=PriceFormula(factor_ratio=1.0, add_eur_per_kwh=-0.015),
            area="NL",
            fallback_import_eur_per_kwh=0.30,
        ),
        pv=(
            PvPlant(
                id=PV,
                name="Roof",
                planes=(PvPlane(peak_w=6_000.0, tilt_deg=35.0, azimuth_deg=180.0),),
                curtailable=True,
            ),
        ),
        batteries=(
            Battery(
                id=BATTERY,
                name="Battery",
                capacity_wh=10_000.0,
                charge_power_max_w=5_000.0,
                discharge_power_max_w=5_000.0,
                charge_efficiency_ratio=0.95,
                discharge_efficiency_ratio=0.95,
                soc_min_pct=10.0,
                soc_max_pct=100.0,
                reserve_soc_pct=10.0,
            ),
        ),
        chargers=(
            Charger(
                id=CHARGER,
                name="Driveway",
                current_min_a=6.0,
                current_max_a=16.0,
                power_max_w=11_040.0,
                switches_phases=True,
            ),
        ),
    )


def home_b() -> Site:
    """Benchmark house: as home A, with a heat pump that warms the rooms and a 200 l tank."""
    house = home_a()
    return Site(
        name="Home B",
        timezone="Europe/Berlin",
        currency=house.currency,
        connection=house.connection,
        circuits=house.circuits,
        meter=house.meter,
        tariff=house.tariff,
        pv=house.pv,
        batteries=house.batteries,
        chargers=house.chargers,
        heat_pumps=(
            HeatPump(
                id=HEAT_PUMP,
                name="Heat pump",
                power_min_w=700.0,
                power_max_w=2_500.0,
                min_run_s=900.0,
                min_rest_s=600.0,
                cop_at_7c_ratio=3.8,
                room=RoomModel(comfort_min_c=20.0, comfort_max_c=22.0, loss_w_per_k=150.0, time_constant_h=60.0),
                tank=TankModel(
                    volume_l=200.0,
                    temperature_min_c=45.0,
                    temperature_max_c=58.0,
                    loss_w_per_k=1.5,
                    draw_wh_per_day=6_000.0,
                ),
            ),
        ),
    )


def house_folder(name: str) -> Path:
    """Folder of measured data ``home_a_2024`` or ``home_b_2016``; skips where there is none, fails in CI."""
    root = os.environ.get("HEMS_DATA")
    folder = Path(root or "", "houses", name)
    if root is None or not folder.is_dir():
        message = f"measured data is absent: set HEMS_DATA to the folder that has houses/{name}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder
