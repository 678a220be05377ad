"""Two batteries of home A, 10 kWh and 5 kW each: what one of them cannot do, the other one does."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.control.guard import LEASE_MIN_S
from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain.asked import NOTHING_ASKED, Asked
from hems.domain.flex import Setpoint
from hems.domain.power import PhaseValues
from hems.domain.reading import BatteryValues, GridValues, Image, Reading
from hems.domain.site import DeviceId, Site
from tests.support.houses import BATTERY, home_a
from tests.support.moments import START_AT, now_after, power_of

SECOND = DeviceId("battery2")
FINE = BatteryValues(power_w=0.0, stored_wh=5_000.0)
UNKNOWN = BatteryValues(power_w=0.0, stored_wh=None)
NO_DISCHARGE = replace(FINE, discharge_power_max_w=0.0)
NO_CHARGE = replace(FINE, charge_power_max_w=0.0)
EMPTY = replace(FINE, stored_wh=1_000.0)
NEARLY_FULL = replace(FINE, stored_wh=9_990.0)


def two_batteries() -> Site:
    house = home_a()
    battery = house.batteries[0]
    return replace(house, chargers=(), pv=(), batteries=(battery, replace(battery, id=SECOND, name="Second")))


def told_w(load_w: float, first: BatteryValues, second: BatteryValues, asked: Asked = NOTHING_ASKED) -> list[float]:
    """What both batteries are told at the second tick [W]."""
    state, result = ControlState.start(two_batteries()), None
    total_w = load_w + first.power_w + second.power_w
    phases = PhaseValues(l1=total_w / 3, l2=total_w / 3, l3=total_w / 3)
    grid = GridValues(power_w=total_w, phase_power_w=phases, phase_power_high_w=phases)
    for second_s in range(2):
        now = now_after(float(second_s))
        batteries = {
            each: Reading(value=values, mono_s=now.mono_s) for each, values in ((BATTERY, first), (SECOND, second))
        }
        image = Image(grid=Reading(value=grid, mono_s=now.mono_s), batteries=batteries)
        result = tick(state, image, None, (), now, asked)
        state = result.state
    assert isinstance(result, TickResult)
    return [power_of(result, each) or 0.0 for each in (BATTERY, SECOND)]


def hold(power_w: float) -> Asked:
    return Asked(
        setpoint=Setpoint(
            event_id="e",
            envelope_id="n",
            revision=1,
            start_at=START_AT - timedelta(hours=1),
            step_s=7_200,
            power_w=(power_w,),
        )
    )


@pytest.mark.parametrize(
    ("load_w", "first", "told"),
    [
        (2_000.0, FINE, [-2_000.0, 0.0]),
        (2_000.0, UNKNOWN, [0.0, -2_000.0]),
        (2_000.0, NO_DISCHARGE, [0.0, -2_000.0]),
        (2_000.0, replace(FINE, discharge_power_max_w=500.0), [-500.0, -1_500.0]),
        (2_000.0, EMPTY, [0.0, -2_000.0]),
        (-2_000.0, NO_CHARGE, [0.0, 2_000.0]),
        # 10 Wh of room are 632 W for a lease of a minute, at 95 %.
        (-2_000.0, NEARLY_FULL, [631.6, 1_368.4]),
    ],
)
def test_what_the_first_battery_cannot_do_the_second_does(
    load_w: float, first: BatteryValues, told: list[float]
) -> None:
    assert told_w(load_w, first, FINE) == pytest.approx(told, abs=0.1)


@pytest.mark.parametrize(
    ("asked_w", "first", "told"),
    [
        (0.0, FINE, [-1_000.0, -1_000.0]),
        (0.0, UNKNOWN, [0.0, -2_000.0]),
        (0.0, EMPTY, [0.0, -2_000.0]),
        # 500 of 5,500 W.
        (0.0, replace(FINE, discharge_power_max_w=500.0), [-181.8, -1_818.2]),
        (4_000.0, NO_CHARGE, [0.0, 2_000.0]),
    ],
)
def test_batteries_share_a_setpoint_by_what_each_can_do(
    asked_w: float, first: BatteryValues, told: list[float]
) -> None:
    assert told_w(2_000.0, first, FINE, hold(asked_w)) == pytest.approx(told, abs=0.1)


limits_w = st.none() | st.floats(0.0, 6_000.0)
any_battery = st.builds(
    BatteryValues,
    power_w=st.just(0.0),
    stored_wh=st.none() | st.floats(0.0, 10_000.0),
    charge_power_max_w=limits_w,
    discharge_power_max_w=limits_w,
)


def can_w(values: BatteryValues, sign: int) -> float:
    """Most that a battery of home A can do one way for a minute [W]."""
    if values.stored_wh is None:
        return 0.0
    battery = home_a().batteries[0]
    if sign > 0:
        said_w, energy_wh = values.charge_power_max_w, (battery.ceiling_wh - values.stored_wh) / 0.95
    else:
        said_w, energy_wh = values.discharge_power_max_w, (values.stored_wh - battery.floor_wh) * 0.95
    return min(5_000.0, max(0.0, energy_wh) * 3600 / LEASE_MIN_S, 5_000.0 if said_w is None else said_w)


@settings(deadline=None)
@given(load_w=st.floats(-4_000.0, 4_000.0), first=any_battery, second=any_battery, asks=st.booleans())
def test_together_they_do_all_that_they_can(
    load_w: float, first: BatteryValues, second: BatteryValues, asks: bool
) -> None:
    """By rules, and at a setpoint of 0 W: the house is in balance unless both are at their ends."""
    done_w = sum(told_w(load_w, first, second, hold(0.0) if asks else NOTHING_ASKED))
    sign = 1 if load_w < 0 else -1
    able_w = can_w(first, sign) + can_w(second, sign)
    assert done_w == pytest.approx(sign * min(abs(load_w), able_w), abs=0.5)
