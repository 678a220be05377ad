"""What the hybrid inverter does by itself, and what it holds for how long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.sim.servers.inverter import HybridInverter
from hems.sim.servers.living import LivingHouse
from tests.support.sim_servers import live, living_house, slots

BOTH = 3


def house_with_inverter() -> tuple[LivingHouse, HybridInverter]:
    living = living_house()
    site = living.house.site
    return living, HybridInverter(living, plant=site.pv[0], battery=site.batteries[0])


def hold(inverter: HybridInverter, power_w: float, *, timer_s: int = 0) -> None:
    rate = round(power_w / inverter.rate_w * 10_000)
    inverter.set(
        {
            (124, "OutWRte"): -rate,
            (124, "InWRte"): rate,
            (124, "InOutWRte_RvrtTms"): timer_s,
            (124, "StorCtl_Mod"): BOTH,
        }
    )


def test_left_alone_it_keeps_the_exchange_with_the_grid_at_zero() -> None:
    living, inverter = house_with_inverter()
    live(living, 60)
    assert inverter.pv_power_w < -500
    before_wh = living.export_wh + living.import_wh
    live(living, 240)
    mean_w = (living.export_wh + living.import_wh - before_wh) / 240 * 3600
    assert mean_w < 150, "one second late behind clouds and kettles, no more"
    assert inverter.battery_power_w > 100


@pytest.mark.parametrize("power_w", [2_000.0, -2_000.0, 0.0])
def test_both_limits_at_one_power_hold_it(power_w: float) -> None:
    living, inverter = house_with_inverter()
    hold(inverter, power_w)
    live(living, 3)
    assert inverter.battery_power_w == pytest.approx(power_w)


def test_the_timer_ends_a_held_power_in_house_time_and_a_write_starts_it_anew() -> None:
    living, inverter = house_with_inverter()
    hold(inverter, -3_000.0, timer_s=60)
    live(living, 60)
    assert inverter.battery_power_w == pytest.approx(-3_000)
    live(living, 3)
    assert inverter.settings[124, "StorCtl_Mod"] == 0
    assert abs(living.grid_power_w) < 100, "it keeps the exchange at zero again"


def test_told_again_in_time_it_holds_on() -> None:
    living, inverter = house_with_inverter()
    for _ in range(3):
        hold(inverter, -1_000.0, timer_s=60)
        live(living, 59)
        assert inverter.settings[124, "StorCtl_Mod"] == BOTH
    live(living, 2)
    assert inverter.settings[124, "StorCtl_Mod"] == 0


def test_no_timer_holds_for_ever() -> None:
    living, inverter = house_with_inverter()
    hold(inverter, 0.0)
    slots(living, 8)
    assert inverter.battery_power_w == 0


def test_limits_that_contradict_each_other_let_the_battery_rest() -> None:
    living, inverter = house_with_inverter()
    at_least_charge_and_at_least_discharge = {(124, "OutWRte"): -5_000, (124, "InWRte"): -5_000}
    inverter.set({**at_least_charge_and_at_least_discharge, (124, "StorCtl_Mod"): BOTH})
    live(living, 3)
    assert inverter.battery_power_w == 0


def test_one_bit_limits_one_direction() -> None:
    living, inverter = house_with_inverter()
    inverter.set({(124, "InWRte"): 0, (124, "StorCtl_Mod"): 1})
    live(living, 120)
    assert inverter.pv_power_w < -500
    assert inverter.battery_power_w <= 0
    assert living.export_wh > 6_543_210, "what may not be stored is sold"


def test_set_to_its_own_modules_it_does_not_charge_from_the_grid() -> None:
    living, inverter = house_with_inverter()
    inverter.set({(124, "ChaGriSet"): 0})
    hold(inverter, 5_000.0)
    live(living, 30)
    assert 0 < inverter.battery_power_w <= -inverter.pv_power_w + 500


def test_a_reserve_is_not_discharged() -> None:
    living, inverter = house_with_inverter()
    inverter.set({(124, "MinRsvPct"): 5_100})
    hold(inverter, -2_000.0)
    live(living, 5)
    assert inverter.battery_power_w == 0


def test_a_production_limit_holds_until_its_timer_ends() -> None:
    living, inverter = house_with_inverter()
    inverter.set({(123, "WMaxLimPct"): 500, (123, "WMaxLimPct_RvrtTms"): 30, (123, "WMaxLim_Ena"): 1})
    live(living, 30)
    assert inverter.pv_power_w == pytest.approx(-300)
    live(living, 2)
    assert inverter.settings[123, "WMaxLim_Ena"] == 0
    assert inverter.pv_power_w < -500


def test_the_two_timers_run_apart() -> None:
    living, inverter = house_with_inverter()
    hold(inverter, 1_000.0, timer_s=20)
    inverter.set({(123, "WMaxLimPct"): 1_000, (123, "WMaxLimPct_RvrtTms"): 40, (123, "WMaxLim_Ena"): 1})
    live(living, 25)
    assert inverter.settings[124, "StorCtl_Mod"] == 0
    assert inverter.settings[123, "WMaxLim_Ena"] == 1


@settings(max_examples=25, deadline=None)
@given(
    outgoing=st.integers(-10_000, 10_000),
    incoming=st.integers(-10_000, 10_000),
    mode=st.integers(0, 3),
    from_grid=st.integers(0, 1),
)
def test_whatever_is_written_the_battery_keeps_its_limits(
    outgoing: int, incoming: int, mode: int, from_grid: int
) -> None:
    living, inverter = house_with_inverter()
    inverter.set(
        {
            (124, "OutWRte"): outgoing,
            (124, "InWRte"): incoming,
            (124, "StorCtl_Mod"): mode,
            (124, "ChaGriSet"): from_grid,
        }
    )
    live(living, 4)
    power_w = inverter.battery_power_w
    assert -5_000 <= power_w <= 5_000
    contradictory = mode == BOTH and -outgoing > incoming
    if mode & 1 and not contradictory:
        assert power_w <= incoming / 10_000 * 5_000 + 1e-6
    if mode & 2 and not contradictory and from_grid:
        assert power_w >= -outgoing / 10_000 * 5_000 - 1e-6
