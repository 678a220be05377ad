"""How much a heat pump must and may run, against sums by hand."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.domain.reading import HeatPumpValues
from hems.domain.site import HeatPump, RoomModel, TankModel
from hems.domain.time import SlotGrid
from hems.planning.heat_band import heat_band
from tests.support.houses import home_b

GRID = SlotGrid(start_at=datetime(2024, 1, 15, tzinfo=UTC), count=96)
ZONE = ZoneInfo("Europe/Amsterdam")
ROOM = RoomModel(comfort_min_c=19.0, comfort_max_c=21.0, loss_w_per_k=200.0, time_constant_h=50.0)
TANK = TankModel(
    volume_l=200.0, temperature_min_c=45.0, temperature_max_c=60.0, loss_w_per_k=2.0, draw_wh_per_day=6_000.0
)


def pump(room: RoomModel | None, tank: TankModel | None) -> HeatPump:
    return replace(
        home_b().heat_pumps[0], power_min_w=500.0, power_max_w=4_000.0, cop_at_7c_ratio=4.0, room=room, tank=tank
    )


def test_a_room_at_its_lower_edge_needs_its_losses_at_once():
    """19 degrees inside, 7 outside: 12 K x 200 W/K = 2,400 W of heat, 600 W of electricity at a COP of 4."""
    band = heat_band(
        pump(ROOM, None), HeatPumpValues(power_w=0.0, room_c=19.0), outdoor_c=[7.0] * 96, grid=GRID, zone=ZONE
    )
    assert band.energy_min_wh[3] == pytest.approx(600.0)
    assert band.energy_min_wh[95] == pytest.approx(24 * 600.0)


def test_a_warm_room_may_wait():
    """2 K x 10 kWh/K = 20 kWh of heat above the lower edge, 5 kWh of electricity: 8 h 20 min of losses at 600 W."""
    band = heat_band(
        pump(ROOM, None), HeatPumpValues(power_w=0.0, room_c=21.0), outdoor_c=[7.0] * 96, grid=GRID, zone=ZONE
    )
    assert band.energy_min_wh[32] == 0.0
    assert band.energy_min_wh[34] > 0.0


def test_a_tank_at_its_lower_edge_must_follow_what_is_tapped():
    """A whole ordinary day: 6 kWh tapped and 2 W/K x 27 K x 24 h lost, at a COP of 4."""
    band = heat_band(
        pump(None, TANK), HeatPumpValues(power_w=0.0, tank_c=45.0), outdoor_c=[7.0] * 96, grid=GRID, zone=ZONE
    )
    assert band.energy_min_wh[95] == pytest.approx((6_000 + 2 * 27 * 24) / 4)


def test_an_unknown_temperature_counts_as_the_middle_of_its_band():
    known = heat_band(
        pump(ROOM, None), HeatPumpValues(power_w=0.0, room_c=20.0), outdoor_c=[0.0] * 96, grid=GRID, zone=ZONE
    )
    unknown = heat_band(pump(ROOM, None), HeatPumpValues(power_w=0.0), outdoor_c=[0.0] * 96, grid=GRID, zone=ZONE)
    assert unknown == known


@given(
    room_c=st.floats(5, 35), tank_c=st.floats(5, 80), outdoor_c=st.lists(st.floats(-25, 40), min_size=96, max_size=96)
)
def test_the_band_is_open_grows_and_never_asks_for_more_than_the_pump_can_run(
    room_c: float, tank_c: float, outdoor_c: list[float]
):
    """However cold it is, and wherever room and tank are."""
    device = pump(ROOM, TANK)
    values = HeatPumpValues(power_w=0.0, room_c=room_c, tank_c=tank_c)
    band = heat_band(device, values, outdoor_c=outdoor_c, grid=GRID, zone=ZONE)
    for slot in range(GRID.count):
        assert 0 <= band.energy_min_wh[slot] <= band.energy_max_wh[slot]
        assert band.energy_min_wh[slot] <= device.power_max_w * 0.25 * (slot + 1) + 1e-9
    assert list(band.energy_min_wh) == sorted(band.energy_min_wh)
    assert list(band.energy_max_wh) == sorted(band.energy_max_wh)
