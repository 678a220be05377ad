"""What a battery's power is meant for."""

import pytest

from hems.domain.plan import Purpose
from hems.planning.purpose import purpose_of


@pytest.mark.parametrize(
    ("battery_power_w", "grid_power_w", "purpose"),
    [
        (3000.0, 3500.0, Purpose.CHARGE_FROM_GRID),
        (3000.0, 0.0, Purpose.STORE_SURPLUS),
        (3000.0, -500.0, Purpose.STORE_SURPLUS),
        (-3000.0, 500.0, Purpose.COVER_LOAD),
        (-3000.0, 0.0, Purpose.COVER_LOAD),
        (-3000.0, -500.0, Purpose.SELL),
        (0.0, -500.0, Purpose.HOLD),
        (0.0, 500.0, Purpose.HOLD),
    ],
)
def test_the_purpose_follows_from_where_the_house_ends_up(
    battery_power_w: float, grid_power_w: float, purpose: Purpose
):
    assert purpose_of(battery_power_w=battery_power_w, grid_power_w=grid_power_w) is purpose
