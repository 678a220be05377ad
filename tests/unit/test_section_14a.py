"""Section 14a EnWG in numbers: who is dimmed, and what they keep."""

from dataclasses import replace

import pytest

from hems.domain.section_14a import Dimmable, dimmed, guaranteed_power_w, simultaneity_ratio
from hems.domain.site import HeatPump
from tests.support.houses import home_b

HOUSE = home_b()
(WALLBOX,), (BATTERY,), (PUMP,) = HOUSE.chargers, HOUSE.batteries, HOUSE.heat_pumps
WALLBOX_11 = replace(WALLBOX, power_max_w=11_000.0)
BATTERY_5 = replace(BATTERY, charge_power_max_w=5_000.0)


def pump(power_w: float) -> HeatPump:
    return replace(PUMP, power_max_w=power_w)


@pytest.mark.parametrize(
    ("devices", "power_w"),
    [
        ((), 0.0),
        ((WALLBOX_11,), 4_200.0),
        # Wallbox and battery: 4.2 + 0.8 x 4.2 kW.
        ((WALLBOX_11, BATTERY_5), 7_560.0),
        # With a heat pump: 4.2 + 2 x 0.75 x 4.2 kW.
        ((WALLBOX_11, BATTERY_5, pump(6_000.0)), 10_500.0),
        # Two heat pumps count as one device.
        ((WALLBOX_11, pump(3_000.0), pump(3_000.0)), 7_560.0),
        # Above 11 kW together they keep 40 % instead of the first 4.2 kW.
        ((pump(12_000.0),), 4_800.0),
        ((WALLBOX_11, pump(8_000.0), pump(8_000.0)), 6_400.0 + 0.8 * 4_200.0),
    ],
)
def test_what_they_keep_together(devices: tuple[Dimmable, ...], power_w: float) -> None:
    assert guaranteed_power_w(devices) == pytest.approx(power_w)


def test_only_devices_above_4_2_kw_are_dimmed_and_heat_pumps_by_their_sum() -> None:
    small = replace(WALLBOX, power_max_w=3_680.0)
    weak = replace(BATTERY, charge_power_max_w=2_500.0)
    assert dimmed((*HOUSE.pv, small, WALLBOX_11, weak, BATTERY_5, pump(4_200.0))) == (WALLBOX_11, BATTERY_5)
    pumps = (pump(3_000.0), pump(3_000.0))
    assert dimmed(pumps) == pumps


def test_the_factor_falls_with_each_device_down_to_the_ninth() -> None:
    assert [simultaneity_ratio(count) for count in range(1, 12)] == [
        1.0, 0.80, 0.75, 0.70, 0.65, 0.60, 0.55, 0.50, 0.45, 0.45, 0.45,
    ]  # fmt: skip
