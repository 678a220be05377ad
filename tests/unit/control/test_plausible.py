"""What no house can measure is not acted on; what a house can measure always is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hems.control.plausible import (
    plausible_battery,
    plausible_charger,
    plausible_grid,
    plausible_heat_pump,
    plausible_pv,
)
from hems.domain.power import PhaseValues
from hems.domain.reading import BatteryValues, CarState, ChargerValues, GridValues, HeatPumpValues, PvValues
from tests.support.houses import BATTERY, CHARGER, GRID, HEAT_PUMP, PV, home_b
from tests.support.moments import Cycles, House

ABSURD = [float("nan"), float("inf"), float("-inf"), 2.0**64, -9e6, 2.7e23]
HOUSE = home_b()
GRID_VALUES = GridValues(power_w=500.0, phase_power_w=PhaseValues(l1=500.0), phase_power_high_w=PhaseValues(l1=900.0))
BATTERY_VALUES = BatteryValues(power_w=0.0, stored_wh=5_000.0, charge_power_max_w=65_000.0)
CHARGER_VALUES = ChargerValues(
    car=CarState.CHARGING, power_w=7_000.0, session_energy_wh=3_000.0, offered_current_a=16.0, phase_count=3
)


def usable(values: Any) -> bool:
    match values:
        case GridValues():
            return plausible_grid(values, HOUSE)
        case PvValues():
            return plausible_pv(values, HOUSE.pv[0])
        case BatteryValues():
            return plausible_battery(values, HOUSE.batteries[0])
        case ChargerValues():
            return plausible_charger(values, HOUSE.chargers[0])
        case HeatPumpValues():
            return plausible_heat_pump(values, HOUSE.heat_pumps[0])
    raise AssertionError(values)


@pytest.mark.parametrize("number", ABSURD)
@pytest.mark.parametrize(
    ("values", "field"),
    [
        (GRID_VALUES, "power_w"),
        (PvValues(power_w=-1_000.0), "power_w"),
        (BATTERY_VALUES, "power_w"),
        (BATTERY_VALUES, "stored_wh"),
        (CHARGER_VALUES, "power_w"),
        (CHARGER_VALUES, "session_energy_wh"),
        (CHARGER_VALUES, "offered_current_a"),
        (HeatPumpValues(power_w=900.0, room_c=21.0), "power_w"),
        (HeatPumpValues(power_w=900.0, room_c=21.0), "room_c"),
        (HeatPumpValues(power_w=900.0, room_c=21.0), "tank_c"),
    ],
)
def test_one_impossible_number_voids_the_whole_reading(values: Any, field: str, number: float) -> None:
    assert usable(values)
    assert not usable(replace(values, **{field: number}))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2.0**64, 24_000.0])
def test_a_phase_beyond_four_times_the_fuse_is_impossible(number: float) -> None:
    """25 A x 230 V x 4 = 23 kW."""
    for field in ("phase_power_w", "phase_power_high_w"):
        assert not usable(replace(GRID_VALUES, **{field: PhaseValues(l2=number)}))  # type: ignore[arg-type]


@pytest.mark.parametrize("said_w", [float("nan"), -1.0])
def test_a_bms_limit_that_is_no_magnitude_is_impossible(said_w: float) -> None:
    assert not usable(replace(BATTERY_VALUES, charge_power_max_w=said_w))
    assert not usable(replace(BATTERY_VALUES, discharge_power_max_w=said_w))


@pytest.mark.parametrize("phase_count", [0, -1, 4])
def test_phases_that_are_not_there_are_impossible(phase_count: int) -> None:
    assert not usable(replace(CHARGER_VALUES, phase_count=phase_count))


@given(
    import_w=st.floats(-50.0, 50.0).map(lambda amps: amps * 230 * 3),
    sun_w=st.floats(0.0, 7_800.0),
    battery_w=st.floats(-6_000.0, 6_000.0),
    stored_wh=st.floats(0.0, 11_000.0),
)
def test_what_a_house_can_measure_is_believed(
    import_w: float, sun_w: float, battery_w: float, stored_wh: float
) -> None:
    """Twice the fuse, a fifth above nameplate: rare, and true."""
    assert usable(GridValues(power_w=import_w, phase_power_w=None, phase_power_high_w=None))
    assert usable(PvValues(power_w=-sun_w))
    assert usable(PvValues(power_w=30.0)), "an inverter at night"
    assert usable(BatteryValues(power_w=battery_w, stored_wh=stored_wh))


def test_an_absurd_reading_makes_its_device_silent_and_nothing_else() -> None:
    cycles = Cycles(HOUSE)
    result = cycles.tick(0.0, House(pump_w=2.0**64))
    assert result.state.silent == frozenset({HEAT_PUMP, GRID}), "the pump's power is in the meter's, too"
    result = cycles.tick(1.0, House(stored_wh=float("nan")))
    assert result.state.silent == frozenset({BATTERY})
    assert {each.device_id for each in result.commands} == {PV, BATTERY, CHARGER, HEAT_PUMP}
