"""From registers to house units and signs."""

import pytest

from hems.domain.power import PhaseValues
from hems.domain.reading import BatteryValues, Quality
from hems_drivers.sunspec.values import battery_power_w, battery_values, feeds_island, grid_values, output_w, pv_values
from tests.support.modbus import BATTERY, INVERTER, METER, STORAGE, block


def test_import_is_positive_on_each_phase_and_the_phases_are_their_own_peak():
    values = grid_values(block(203, METER), manufacturer="Maker")
    assert values is not None
    assert values.power_w == -1500.0
    assert values.phase_power_w == values.phase_power_high_w == PhaseValues(l1=500.0, l2=-1200.0, l3=-800.0)


def test_meters_of_a_maker_who_counts_export_positive_are_turned_round():
    values = grid_values(block(203, METER), manufacturer="SolarEdge")
    assert values is not None
    assert values.power_w == 1500.0
    assert values.phase_power_w == PhaseValues(l1=-500.0, l2=1200.0, l3=800.0)


def test_a_one_phase_meter_has_its_power_on_the_first_phase():
    values = grid_values(block(201, {"W": 300, "W_SF": 0}), manufacturer="Maker")
    assert values is not None
    assert values.phase_power_w == PhaseValues(l1=300.0)


def test_a_meter_without_phases_says_so_and_one_without_power_says_nothing():
    values = grid_values(block(204, {"W": 300, "W_SF": 0, "WphA": 100}), manufacturer="Maker")
    assert values is not None
    assert values.phase_power_w is None
    assert grid_values(block(204, {"WphA": 100, "W_SF": 0}), manufacturer="Maker") is None


@pytest.mark.parametrize("model_id", [101, 102, 103])
def test_production_is_negative(model_id: int):
    delivered_w, quality = output_w(block(model_id, INVERTER))
    assert (delivered_w, quality) == (2000.0, Quality.GOOD)
    assert pv_values(2000.0, 0.0).power_w == -2000.0


def test_what_charges_the_battery_was_produced_and_what_it_gives_was_not():
    assert pv_values(2000.0, 800.0).power_w == -2800.0
    assert pv_values(2000.0, -500.0).power_w == -1500.0
    assert pv_values(-20.0, 0.0).power_w == 0.0


def test_a_sleeping_inverter_produces_nothing_and_one_with_a_fault_is_unknown():
    assert output_w(block(103, {"St": 2})) == (0.0, Quality.SUBSTITUTED)
    assert output_w(block(103, {"St": 7})) == (None, Quality.ABSENT)
    assert output_w(block(103, {})) == (None, Quality.ABSENT)


def test_charging_is_positive_from_either_model():
    assert battery_power_w(block(802, BATTERY), None) == 800.0
    trackers = {
        "N": 4, "DCW_SF": 1,
        "module": [
            {"ID": 1, "IDStr": "MPPT 1", "DCW": 300}, {"ID": 2, "IDStr": "MPPT 2", "DCW": 300},
            {"ID": 3, "IDStr": "StCha 3", "DCW": 0}, {"ID": 4, "IDStr": "StDisCha 4", "DCW": 120},
        ],
    }  # fmt: skip
    assert battery_power_w(None, block(160, trackers)) == -1200.0
    trackers["module"] = trackers["module"][:2]  # type: ignore[index]
    assert battery_power_w(None, block(160, {**trackers, "N": 2})) is None


def charging_at(**points: object) -> float | None:
    """Battery power where one tracker tells 300 W into the battery and the other one ``points``."""
    group = [{"ID": 1, "IDStr": "StCha", "DCW": 300}, {"ID": 2, "IDStr": "StDisCha", **points}]
    scales = {"DCW_SF": 0, "DCA_SF": -1, "DCV_SF": 0, "N": 2}
    return battery_power_w(None, block(160, {**scales, "module": group}))


def test_a_tracker_that_does_not_tell_its_power_is_worked_out_or_unknown_and_never_zero():
    assert charging_at(DCW=0) == 300.0
    assert charging_at(DCA=25, DCV=400) == -700.0
    assert charging_at(DCA=25) is None
    assert charging_at() is None


def test_energy_and_limits_of_a_battery():
    values = battery_values(800.0, bank=block(802, BATTERY), storage=None, capacity_wh=10_000.0)
    assert values == BatteryValues(
        power_w=800.0, stored_wh=5_000.0, charge_power_max_w=4_000.0, discharge_power_max_w=4_800.0
    )


def test_the_storage_model_knows_the_charge_where_there_is_no_battery_model():
    values = battery_values(0.0, bank=None, storage=block(124, STORAGE), capacity_wh=8_000.0)
    assert values == BatteryValues(power_w=0.0, stored_wh=4_000.0)


@pytest.mark.parametrize("soc", [{"SoC": 10_100}, {"SoC": None}, {"SoC_SF": None}])
def test_a_charge_that_cannot_be_is_unknown(soc: dict[str, object]):
    points = {name: value for name, value in {**BATTERY, **soc}.items() if value is not None}
    assert battery_values(0.0, bank=block(802, points), storage=None, capacity_wh=1.0).stored_wh is None


@pytest.mark.parametrize(
    ("ecp", "delivered_w", "island"),
    [
        (1, 2_000.0, False),
        (0, 2_000.0, True),
        (0, 0.0, False),  # off at night, as some are
        (0, -20.0, False),
        (0b10, 500.0, True),
        (0, None, None),
        (None, 500.0, None),
    ],
)
def test_an_open_connection_point_behind_which_power_is_delivered_is_an_island(
    ecp: int | None, delivered_w: float | None, island: bool | None
):
    status = block(122, {} if ecp is None else {"ECPConn": ecp})
    assert feeds_island(status, delivered_w) is island
