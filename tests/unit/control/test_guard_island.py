"""While the grid has failed: inverters are left alone, and loads get what these give, in the household's order."""

from dataclasses import replace
from typing import Any

import pytest

from hems.control.guard import Permitted
from hems.domain.command import (
    BatteryReleased,
    ChargeCurrent,
    HeatPumpPower,
    ProductionLimit,
)
from hems.domain.power import ALL_PHASES, PhaseValues
from hems.domain.reading import BatteryValues, CarState, ChargerValues, PvValues
from hems.domain.site import Backup, BackupLoad, Circuit, CircuitId, DeviceId, Site
from tests.support.guarding import OPEN_B, QUIET, Wanted, decide, dim, in_at_most, named, out_at_most, told
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, PV
from tests.support.moments import House

FEEDING = BatteryValues(power_w=-1_500.0, stored_wh=5_000.0, islanded=True)
GIVES_W = 5_000.0 * 0.95


def outage(
    site: Site = OPEN_B, house: House = QUIET, wanted_w: Wanted | None = None, *limits: Any, **seen_changes: Any
) -> Permitted:
    island = {"is_island": True, "batteries": {BATTERY: FEEDING}, **seen_changes}
    return decide(site, house, wanted_w or {}, *limits, **island)


def ranked(*loads: DeviceId, power_max_w: float | None = None) -> Site:
    wishes = tuple(BackupLoad(device_id=each, soc_min_pct=20.0) for each in loads)
    return replace(OPEN_B, backup=Backup(power_max_w=power_max_w, loads=wishes))


def test_inverters_are_left_alone_and_expected_to_go_on() -> None:
    found = outage(wanted_w={BATTERY: 3_000.0, PV: -10.0}, pv={PV: PvValues(power_w=-800.0)})
    assert told(found, BATTERY) == BatteryReleased()
    assert told(found, PV) == ProductionLimit(production_power_max_w=None)
    assert (found.expected_power_w[BATTERY], found.expected_power_w[PV]) == (-1_500.0, -800.0)
    assert named(found, BATTERY) == named(found, PV) == []


def test_of_inverters_that_say_nothing_nothing_is_expected_and_nothing_is_given() -> None:
    found = outage(wanted_w={HEAT_PUMP: 2_500.0}, batteries={}, pv={})
    assert (found.expected_power_w[BATTERY], found.expected_power_w[PV]) == (0.0, 0.0)
    assert told(found, HEAT_PUMP) == HeatPumpPower(power_w=0.0)
    assert named(found, HEAT_PUMP) == [("backup_power", 0.0)]


@pytest.mark.parametrize(
    ("order", "pump_w", "charging"),
    [
        # 4,750 W: the pump's 2,500 leave 750 W a phase; the car's 1,380 W on L1 leave 203 W a phase.
        ((HEAT_PUMP, CHARGER), 2_500.0, False),
        ((CHARGER, HEAT_PUMP), 0.0, True),
        # Who is not named comes after who is.
        ((HEAT_PUMP,), 2_500.0, False),
        ((CHARGER,), 0.0, True),
    ],
)
def test_loads_are_served_in_the_order_of_the_household(
    order: tuple[DeviceId, ...], pump_w: float, charging: bool
) -> None:
    found = outage(ranked(*order), wanted_w={CHARGER: 1_380.0, HEAT_PUMP: 2_500.0})
    assert told(found, HEAT_PUMP) == HeatPumpPower(power_w=pump_w)
    assert told(found, CHARGER) == ChargeCurrent(current_a=6.0 if charging else 0.0, phase_count=1 if charging else 3)
    first, last = (CHARGER, HEAT_PUMP) if charging else (HEAT_PUMP, CHARGER)
    assert named(found, first) == []
    assert named(found, last)[0][0] == "backup_power"


@pytest.mark.parametrize(
    ("entered_w", "battery", "given_w"),
    [
        (None, FEEDING, GIVES_W),
        (5_000.0, FEEDING, GIVES_W),
        (6_000.0, FEEDING, GIVES_W),
        (3_000.0, FEEDING, 3_000.0 * 0.95),
        (None, replace(FEEDING, discharge_power_max_w=2_000.0), 2_000.0 * 0.95),
        (None, replace(FEEDING, discharge_power_max_w=9_000.0), GIVES_W),
        (None, replace(FEEDING, discharge_power_max_w=0.0), 0.0),
        (None, replace(FEEDING, discharge_power_max_w=-5.0), 0.0),
        (3_000.0, replace(FEEDING, discharge_power_max_w=-5.0), 0.0),
        (None, replace(FEEDING, islanded=None), 0.0),
    ],
)
def test_the_house_has_what_nameplate_management_and_household_leave(
    entered_w: float | None, battery: BatteryValues, given_w: float
) -> None:
    site = ranked(power_max_w=entered_w)
    wide = replace(site, heat_pumps=(replace(site.heat_pumps[0], power_max_w=9_000.0, power_min_w=1.0),))
    found = outage(wide, wanted_w={HEAT_PUMP: 9_000.0}, batteries={BATTERY: battery})
    assert found.expected_power_w[HEAT_PUMP] == pytest.approx(given_w)


def test_two_inverters_give_together_and_each_on_its_phases() -> None:
    second = DeviceId("second")
    on_two = replace(OPEN_B.batteries[0], id=second, phases=ALL_PHASES[:2], discharge_power_max_w=2_000.0)
    site = replace(OPEN_B, batteries=(*OPEN_B.batteries, on_two))
    found = outage(site, wanted_w={CHARGER: 2_600.0, HEAT_PUMP: 0.0}, batteries={BATTERY: FEEDING, second: FEEDING})
    assert told(found, CHARGER) == ChargeCurrent(current_a=11.0, phase_count=1)
    alone = outage(site, wanted_w={CHARGER: 2_600.0, HEAT_PUMP: 0.0})
    assert told(alone, CHARGER) == ChargeCurrent(current_a=6.8, phase_count=1)


def test_an_inverter_that_gives_less_than_nothing_takes_nothing_from_another_one() -> None:
    second = DeviceId("second")
    pump = replace(OPEN_B.heat_pumps[0], power_max_w=9_000.0)
    batteries = (*OPEN_B.batteries, replace(OPEN_B.batteries[0], id=second))
    site = replace(OPEN_B, batteries=batteries, heat_pumps=(pump,))
    values = {BATTERY: FEEDING, second: replace(FEEDING, discharge_power_max_w=-5.0)}
    found = outage(site, wanted_w={HEAT_PUMP: 9_000.0}, batteries=values)
    assert found.expected_power_w[HEAT_PUMP] == pytest.approx(GIVES_W)


def test_what_the_house_draws_by_itself_is_not_there_for_others() -> None:
    found = outage(wanted_w={HEAT_PUMP: 2_500.0}, residual_high_w=PhaseValues(l2=1_000.0))
    assert found.expected_power_w[HEAT_PUMP] == pytest.approx(GIVES_W - 3_000.0)


def test_fuses_count_where_they_are_the_tighter_ones() -> None:
    """The inverter gives 4,750 W a phase, 7 A carry 1,529.5 W."""
    strong = replace(OPEN_B.batteries[0], discharge_power_max_w=15_000.0)
    garage = Circuit(id=CircuitId("garage"), fuse_a=7.0, parent=OPEN_B.circuits[0].id)
    charger = replace(OPEN_B.chargers[0], circuit=garage.id)
    site = replace(OPEN_B, batteries=(strong,), circuits=(*OPEN_B.circuits, garage), chargers=(charger,))
    found = outage(site, wanted_w={CHARGER: 11_040.0, HEAT_PUMP: 0.0})
    assert told(found, CHARGER) == ChargeCurrent(current_a=6.6, phase_count=3)
    assert [rule for rule, _ in named(found, CHARGER)] == ["circuit_fuse"]
    small = replace(site, circuits=(replace(OPEN_B.circuits[0], fuse_a=7.0), garage))
    assert told(outage(small, wanted_w={CHARGER: 11_040.0, HEAT_PUMP: 0.0}), CHARGER) == ChargeCurrent(
        current_a=6.6, phase_count=3
    )


def test_no_limit_counts_where_nothing_flows_through_the_connection() -> None:
    limits = (in_at_most(0.0), out_at_most(0.0), dim(0.0, HEAT_PUMP))
    site = replace(OPEN_B, connection=replace(OPEN_B.connection, import_power_max_w=0.0, export_power_max_w=0.0))
    found = outage(site, QUIET, {HEAT_PUMP: 2_500.0}, *limits)
    assert (told(found, HEAT_PUMP), named(found, HEAT_PUMP)) == (HeatPumpPower(power_w=2_500.0), [])


def test_a_silent_load_is_in_what_the_house_draws_and_one_that_does_not_listen_counts() -> None:
    silent = replace(QUIET, without=(CHARGER,))
    assert told(outage(OPEN_B, silent, {HEAT_PUMP: 2_500.0}), HEAT_PUMP) == HeatPumpPower(power_w=2_500.0)
    deaf = outage(wanted_w={HEAT_PUMP: 2_500.0, CHARGER: 0.0}, disobeying_w={CHARGER: 4_500.0})
    assert told(deaf, HEAT_PUMP) == HeatPumpPower(power_w=0.0)


def test_who_comes_first_in_the_household_holds_nothing_back_for_others() -> None:
    """Of 14,250 W the first car takes all that it wants; what is left is less than 6 A on a phase."""
    second = DeviceId("second")
    strong = replace(OPEN_B.batteries[0], discharge_power_max_w=15_000.0)
    chargers = (*OPEN_B.chargers, replace(OPEN_B.chargers[0], id=second))
    site = replace(ranked(CHARGER, second), batteries=(strong,), chargers=chargers)
    car = ChargerValues(
        car=CarState.CONNECTED, power_w=0.0, session_energy_wh=0.0, offered_current_a=0.0, phase_count=3
    )
    wanted_w = {CHARGER: 11_040.0, second: 11_040.0, HEAT_PUMP: 0.0}
    found = outage(site, wanted_w=wanted_w, chargers={CHARGER: car, second: car})
    assert told(found, CHARGER) == ChargeCurrent(current_a=16.0, phase_count=3)
    assert told(found, second) == ChargeCurrent(current_a=0.0, phase_count=3)
