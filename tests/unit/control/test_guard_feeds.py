"""What the guard tells batteries and plants, and what limits them."""

from dataclasses import replace
from typing import Any

import pytest

from hems.domain.command import BatteryPower, Limit, ProductionLimit
from hems.domain.power import PhaseValues
from hems.domain.reading import BatteryValues, PvValues
from hems.domain.site import DeviceId, Site
from tests.support.guarding import (
    OPEN_A,
    QUIET,
    Wanted,
    decide,
    named,
    out_at_most,
    told,
)
from tests.support.houses import BATTERY, GRID, PV
from tests.support.moments import House

# Batteries


@pytest.mark.parametrize(
    ("house", "wanted_w", "power_w", "limited"),
    [
        (QUIET, 9_000.0, 5_000.0, [("nameplate", 5_000.0)]),
        (QUIET, -9_000.0, -4_000.0, [("nameplate", -4_000.0)]),
        (replace(QUIET, charge_max_w=1_200.0), 5_000.0, 1_200.0, [("bms", 1_200.0)]),
        (replace(QUIET, charge_max_w=9_000.0), 9_000.0, 5_000.0, [("nameplate", 5_000.0)]),
        (replace(QUIET, charge_max_w=0.5), 5_000.0, 0.5, [("bms", 0.5)]),
        (replace(QUIET, stored_wh=1_000.0), -3_000.0, 0.0, [("window", 0.0)]),
        (replace(QUIET, stored_wh=10_000.0), 3_000.0, 0.0, [("window", 0.0)]),
        (replace(QUIET, stored_wh=None), 3_000.0, 0.0, [("device_silent", 0.0)]),
        (replace(QUIET, without=(BATTERY,)), -3_000.0, 0.0, [("device_silent", 0.0)]),
        (replace(QUIET, without=(BATTERY,)), 0.0, 0.0, []),
        (replace(QUIET, without=(GRID,)), 3_000.0, 0.0, [("meter_stale", 0.0)]),
        (replace(QUIET, without=(GRID,)), -3_000.0, 0.0, [("meter_stale", 0.0)]),
    ],
)
def test_what_a_battery_is_told_and_why(
    house: House, wanted_w: float, power_w: float, limited: list[tuple[str, float]]
):
    site = replace(OPEN_A, batteries=(replace(OPEN_A.batteries[0], discharge_power_max_w=4_000.0),))
    found = decide(site, house, {BATTERY: wanted_w})
    assert told(found, BATTERY) == BatteryPower(power_w=power_w)
    assert found.expected_power_w[BATTERY] == power_w
    assert named(found, BATTERY) == limited


@pytest.mark.parametrize(("wanted_w", "said_w"), [(5_000.0, -7.0), (-5_000.0, -7.0), (5_000.0, 0.0)])
def test_management_that_allows_less_than_nothing_allows_nothing(wanted_w: float, said_w: float):
    values = BatteryValues(power_w=0.0, stored_wh=5_000.0, charge_power_max_w=said_w, discharge_power_max_w=said_w)
    found = decide(OPEN_A, QUIET, {BATTERY: wanted_w}, batteries={BATTERY: values})
    assert (told(found, BATTERY), named(found, BATTERY)) == (BatteryPower(power_w=0.0), [("bms", 0.0)])


def test_a_fuse_lets_a_battery_charge_and_discharge_by_its_worst_phase():
    """Two phases of the battery: 4,462.5 W on L2 leave 1 kW a phase, whatever is free on L1."""
    two = replace(OPEN_A.batteries[0], phases=OPEN_A.batteries[0].phases[:2])
    site = replace(OPEN_A, batteries=(two,))
    found = decide(site, QUIET, {BATTERY: 5_000.0}, residual_high_w=PhaseValues(l2=4_462.5))
    assert (told(found, BATTERY), named(found, BATTERY)) == (BatteryPower(power_w=2_000.0), [("main_fuse", 2_000.0)])
    sunny = {PV: PvValues(power_w=-3 * 4_462.5)}
    found = decide(site, QUIET, {BATTERY: -5_000.0}, residual_high_w=PhaseValues(), pv=sunny)
    assert (told(found, BATTERY), named(found, BATTERY)) == (
        BatteryPower(power_w=-2_000.0),
        [("main_fuse", -2_000.0)],
    )


def test_an_overloaded_fuse_leaves_rest_and_asks_for_no_discharge():
    found = decide(OPEN_A, QUIET, {BATTERY: 5_000.0}, residual_high_w=PhaseValues(l2=6_000.0))
    assert (told(found, BATTERY), named(found, BATTERY)) == (BatteryPower(power_w=0.0), [("main_fuse", 0.0)])


# Plants


def test_a_plant_that_takes_no_limit_is_told_none_and_counts_with_what_it_makes():
    fixed = replace(OPEN_A, pv=(replace(OPEN_A.pv[0], curtailable=False),))
    found = decide(fixed, replace(QUIET, pv_w=3_000.0), {PV: 0.0}, out_at_most(0.0))
    assert told(found, PV) == ProductionLimit(production_power_max_w=None)
    assert (found.expected_power_w[PV], named(found, PV)) == (-3_000.0, [])
    silent = decide(fixed, replace(QUIET, pv_w=3_000.0, without=(PV,)), {})
    assert silent.expected_power_w[PV] == 0.0


def test_modules_that_draw_at_night_make_nothing():
    found = decide(OPEN_A, QUIET, {}, pv={PV: PvValues(power_w=5.0)})
    assert found.expected_power_w[PV] == 0.0


def test_no_plant_is_told_more_than_cold_bright_modules_make():
    """6 kW of peak and three tenths."""
    found = decide(OPEN_A, QUIET, {PV: -20_000.0})
    assert (told(found, PV), named(found, PV)) == (
        ProductionLimit(production_power_max_w=None),
        [("nameplate", -7_800.0)],
    )


@pytest.mark.parametrize(
    ("wanted_w", "limit_w"),
    [(None, None), (-7_800.0, None), (-7_800.0 + 1e-6, None), (-7_799.5, 7_799.5), (-1_000.0, 1_000.0), (0.0, 0.0)],
)
def test_a_plant_is_told_a_limit_and_expected_to_make_what_it_makes_within_it(
    wanted_w: float | None, limit_w: float | None
):
    found = decide(OPEN_A, replace(QUIET, pv_w=3_000.0), {PV: wanted_w})
    assert told(found, PV) == ProductionLimit(production_power_max_w=limit_w)
    assert found.expected_power_w[PV] == -min(3_000.0, 7_800.0 if limit_w is None else limit_w)


def test_a_plant_shares_an_export_limit_only_with_those_that_can_be_limited():
    """3 kW may leave, 1.5 kW do: the other half is for the one that can be told."""
    east = DeviceId("east")
    site = replace(OPEN_A, pv=(OPEN_A.pv[0], replace(OPEN_A.pv[0], id=east, curtailable=False)))
    found = decide(
        site,
        replace(QUIET, load_w=500.0),
        {},
        out_at_most(3_000.0),
        pv={PV: PvValues(power_w=-1_000.0), east: PvValues(power_w=-1_000.0)},
        residual_w=500.0,
        silent=frozenset(),
    )
    assert told(found, PV) == ProductionLimit(production_power_max_w=2_500.0)
    assert told(found, east) == ProductionLimit(production_power_max_w=None)


EAST = DeviceId("east")
TWO_ROOFS = replace(
    OPEN_A,
    pv=(
        OPEN_A.pv[0],
        replace(OPEN_A.pv[0], id=EAST, planes=(replace(OPEN_A.pv[0].planes[0], peak_w=3_000.0),)),
    ),
)
"""6 and 3 kW of peak: what is free is shared as two to one."""


def limits_w(site: Site, wanted_w: Wanted, *limits: Limit, **seen_changes: Any) -> list[float | None]:
    """What two roofs that make 1 kW each may make."""
    made = {PV: PvValues(power_w=-1_000.0), EAST: PvValues(power_w=-1_000.0)}
    found = decide(site, QUIET, wanted_w, *limits, **{"pv": made, "silent": frozenset(), **seen_changes})
    actions = [told(found, each.id) for each in site.pv]
    return [each.production_power_max_w for each in actions if isinstance(each, ProductionLimit)]


@pytest.mark.parametrize(
    ("wanted_w", "expected_w"), [({}, [7_000.0 / 3, 5_000.0 / 3]), ({PV: -500.0}, [500.0, 3_500.0])]
)
def test_the_second_roof_fills_what_the_first_one_leaves_of_an_export_limit(wanted_w: Wanted, expected_w: list[float]):
    assert limits_w(TWO_ROOFS, wanted_w, out_at_most(3_000.0), residual_w=1_000.0) == pytest.approx(expected_w)


def test_the_second_roof_fills_what_the_first_one_leaves_of_a_fuse():
    """7 A let out 4,588.5 W, and 2 kW do go out."""
    small = replace(TWO_ROOFS, circuits=(replace(OPEN_A.circuits[0], fuse_a=7.0),))
    found_w = limits_w(small, {}, residual_w=0.0)
    assert found_w == pytest.approx([1_000.0 + 2_588.5 * 2 / 3, 1_000.0 + 2_588.5 / 3])
    # What the first one gives up may be made again before the fuse is looked at.
    assert limits_w(small, {PV: -500.0}, residual_w=0.0) == pytest.approx([500.0, 3_588.5])


def test_silent_roofs_get_their_part_of_an_export_limit_whatever_the_house_draws():
    found_w = limits_w(TWO_ROOFS, {}, out_at_most(3_000.0), residual_w=5_000.0, pv={}, silent=frozenset({PV, EAST}))
    assert found_w == pytest.approx([2_000.0, 1_000.0])
