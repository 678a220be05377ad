"""The grid fails: the battery feeds the house, loads run in the household's order, and everything is handed back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain.command import BatteryReleased, ChargeCurrent, HeatPumpPower, ProductionLimit
from hems.domain.events import Mode
from hems.domain.site import Backup, BackupLoad, Site
from hems.sim.faults import Fault
from hems.sim.house import SimHouse
from hems.sim.series import FloatArray
from tests.support.houses import BATTERY, CHARGER, HEAT_PUMP, PV, home_b
from tests.support.moments import action_of, reason_of
from tests.support.simulated import START_AT, flat_data, stay

WARM_FIRST = Backup(
    loads=(BackupLoad(device_id=HEAT_PUMP, soc_min_pct=30.0), BackupLoad(device_id=CHARGER, soc_min_pct=60.0))
)


@dataclass
class Second:
    """What the tick saw and did in a second, and what then happened."""

    result: TickResult
    overload_w: float
    """What the house lacked (> 0) or had too much, without a grid."""
    soc_pct: float
    car_w: float
    pump_w: float


class Outage:
    """Home B with a car that wants much, second by second."""

    def __init__(self, site: Site, *, load_w: float = 400.0, pv_w: float = 0.0, stored_ratio: float = 0.9) -> None:
        self.site = site
        data = flat_data(site, days=2, load_w=load_w, pv_w=pv_w, sessions=(stay(0.01, 40.0, 60.0),))
        self.house = SimHouse(site, data, seed=1, start_at=START_AT, stored_ratio=stored_ratio)
        self.state = ControlState.start(site)

    def live(self, seconds: int) -> Iterator[Second]:
        for _ in range(seconds):
            result = tick(self.state, self.house.image(self.house.now), None, (), self.house.now)
            self.state = result.state
            self.house.apply(result.commands, self.house.mono_s)
            self.house.advance(1)
            stretch = self.house.stretches[-1]
            battery = self.house.batteries[BATTERY]
            yield Second(
                result=result,
                overload_w=stretch.grid_power_w if self.house.is_cut_off else 0.0,
                soc_pct=100 * battery.stored_wh / battery.battery.capacity_wh,
                car_w=stretch.power_w[CHARGER],
                pump_w=stretch.power_w[HEAT_PUMP],
            )

    def last(self, seconds: int) -> Second:
        return list(self.live(seconds))[-1]


def home(backup: Backup = WARM_FIRST, *, gives_w: float = 5_000.0) -> Site:
    site = home_b()
    return replace(site, backup=backup, batteries=(replace(site.batteries[0], discharge_power_max_w=gives_w),))


def test_whatever_is_not_asked_for_rests_at_once_and_the_inverters_are_left_alone() -> None:
    outage = Outage(home(Backup()))
    assert outage.last(120).car_w > 3_000
    outage.house.cut_off(True)
    seconds = list(outage.live(120))

    assert all(abs(each.overload_w) < 1.0 for each in seconds[5:])
    last = seconds[-1]
    assert last.result.state.mode is Mode.ISLANDED
    assert last.car_w == last.pump_w == 0.0
    assert action_of(last.result, BATTERY) == BatteryReleased()
    assert action_of(last.result, PV) == ProductionLimit(production_power_max_w=None)
    assert reason_of(last.result, CHARGER).code == "rests_in_island"


def test_what_matters_more_to_the_household_runs_and_the_rest_as_far_as_it_fits() -> None:
    outage = Outage(home())
    outage.house.heat_pumps[HEAT_PUMP].room_c = 17.0
    outage.last(60)
    outage.house.cut_off(True)
    seconds = list(outage.live(600))
    last = seconds[-1]

    assert action_of(last.result, HEAT_PUMP) == HeatPumpPower(power_w=None)
    assert last.pump_w > 1_000
    # 5 kW of the battery, 3 kW of the pump: on the phase of one-phase charging no 6 A are left beside the house.
    assert last.car_w == 0.0
    (limit,) = (rules for each in last.result.commands if each.device_id == CHARGER for rules in each.limited_by[:1])
    assert limit.rule.value == "backup_power"
    assert all(abs(each.overload_w) < 1.0 for each in seconds[5:])


def test_a_load_rests_where_the_battery_gets_too_low_for_it_and_does_not_come_and_go() -> None:
    car_alone = Backup(loads=(BackupLoad(device_id=CHARGER, soc_min_pct=80.0),))
    outage = Outage(home(car_alone, gives_w=8_000.0), stored_ratio=0.82)
    outage.last(60)
    outage.house.cut_off(True)
    seconds = list(outage.live(3_600))
    runs = [place for place, each in enumerate(seconds) if each.car_w > 0]
    stopped = runs[-1] + 1

    # It charged on three phases; on one it may after the ten minutes for which contactors are spared.
    assert [seconds[place].car_w for place in runs[10:]] == [pytest.approx(6 * 230.0)] * len(runs[10:])
    assert runs[10:] == list(range(runs[10], stopped))
    assert seconds[stopped].soc_pct == pytest.approx(80.0, abs=0.5)
    assert all(each.car_w == 0.0 for each in seconds[stopped:])
    assert reason_of(seconds[-1].result, CHARGER).code == "rests_in_island"


def test_it_runs_again_when_the_sun_has_filled_the_battery() -> None:
    car_alone = Backup(loads=(BackupLoad(device_id=CHARGER, soc_min_pct=80.0),))
    outage = Outage(home(car_alone, gives_w=8_000.0), stored_ratio=0.82, pv_w=3_000.0)
    outage.last(60)
    outage.house.batteries[BATTERY].stored_wh = 7_900.0
    outage.house.cut_off(True)
    seconds = list(outage.live(3_600))[10:]
    again = next(each for each in seconds if each.car_w > 0)

    assert again.soc_pct == pytest.approx(85.0, abs=0.5)


def test_a_kettle_that_asks_too_much_of_the_inverter_stops_loads_in_seconds() -> None:
    outage = Outage(home())
    outage.house.heat_pumps[HEAT_PUMP].room_c = 17.0
    outage.last(60)
    outage.house.cut_off(True)
    outage.last(120)
    drawn = outage.house.household.seconds

    def with_kettle(unix_start_s: int, count: int) -> FloatArray:
        values = drawn(unix_start_s, count).copy()
        values[:, 0] += 2_500.0
        return values

    outage.house.household.seconds = with_kettle  # type: ignore[method-assign]
    seconds = list(outage.live(60))

    assert sum(each.overload_w > 1.0 for each in seconds) <= 3
    assert action_of(seconds[-1].result, HEAT_PUMP) == HeatPumpPower(power_w=0.0)


def test_with_the_grid_everything_comes_back_and_the_meter_counts_again() -> None:
    outage = Outage(home(Backup()))
    before = outage.last(120)
    outage.house.cut_off(True)
    outage.last(600)
    outage.house.cut_off(False)
    seconds = list(outage.live(180))

    assert seconds[1].result.state.mode is not Mode.ISLANDED
    assert seconds[-1].result.state.mode is Mode.NORMAL
    assert seconds[-1].car_w == pytest.approx(before.car_w, rel=0.1)
    assert not isinstance(action_of(seconds[-1].result, BATTERY), BatteryReleased)
    # Not all at once: what was kept free while nobody saw the fuse is given back over half a minute.
    assert seconds[2].car_w < 0.8 * before.car_w


def test_an_inverter_that_errs_does_not_lift_the_fuse() -> None:
    outage = Outage(home(Backup()), load_w=2_000.0)
    outage.last(120)
    outage.house.batteries[BATTERY].islanded = True  # says so, while the grid meter sees what flows
    seconds = list(outage.live(200))

    assert {each.result.state.mode for each in seconds[10:]} == {Mode.NORMAL}
    offered = action_of(seconds[-1].result, CHARGER)
    assert isinstance(offered, ChargeCurrent)
    assert offered.current_a > 0


def test_an_inverter_that_falls_silent_leaves_everything_at_rest() -> None:
    outage = Outage(home())
    outage.last(60)
    outage.house.cut_off(True)
    outage.last(30)
    outage.house.disturb(BATTERY, Fault.SILENT)
    last = outage.last(120)

    assert last.result.state.mode is Mode.ISLANDED
    assert last.car_w == last.pump_w == 0.0
    assert action_of(last.result, BATTERY) == BatteryReleased()
