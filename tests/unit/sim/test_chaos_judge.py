"""The judge of houses under faults sees every rule broken that it knows, and is content with what the guard does."""

from dataclasses import replace
from typing import Any

import pytest

from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain.command import (
    Action,
    Authority,
    BatteryPower,
    BatteryReleased,
    ChargeCurrent,
    HeatPumpPower,
    Lease,
    Limit,
    ProductionLimit,
)
from hems.domain.site import DeviceId
from hems.sim.chaos.houses import draw_house
from hems.sim.chaos.judge import Judge
from hems.sim.chaos.outcome import Recovery
from hems.sim.chaos.script import Injected, Script, WorldFault
from hems.sim.chaos.stage import Circumstance, Stage
from hems.sim.faults import Fault
from hems.sim.house import SimHouse
from hems.sim.series import FloatArray

GRID, PV, BATTERY = DeviceId("grid"), DeviceId("pv"), DeviceId("battery")
LEFT, RIGHT, HEAT_PUMP = DeviceId("left"), DeviceId("right"), DeviceId("heat_pump")


class Seat:
    """A judge over a house (heat pump, two chargers in the garage) that somebody else steers."""

    def __init__(self, script: Script = (), *, seed: int = 1) -> None:
        drawn = draw_house(seed, days=1)
        self.house = SimHouse(
            drawn.site, drawn.data, seed=seed, start_at=drawn.start_at, more_sessions=drawn.more_sessions
        )
        self.stage = Stage(self.house, script)
        self.judge = Judge(self.stage)
        self.state = ControlState.start(drawn.site)
        self.limits: tuple[Limit, ...] = ()

    def tick(self) -> TickResult:
        self.stage.turn()
        self.limits = self.stage.limits
        result = tick(self.state, self.house.image(self.house.now), None, self.limits, self.house.now)
        self.state = result.state
        return result

    def second(self, *orders: tuple[DeviceId, Action], **changed: Any) -> None:
        """A tick whose commands are partly others than the guard's, and the second after it."""
        result = self.tick()
        instead = dict(orders)
        commands = tuple(
            replace(each, action=instead.get(each.device_id, each.action), **changed) for each in result.commands
        )
        self.judge.after_tick(replace(result, commands=commands), self.house.mono_s, self.limits)
        self.house.apply(commands, self.house.mono_s)
        self.house.advance(1)
        self.judge.after_step()

    def rules(self) -> set[str]:
        return {each.rule for each in self.judge.broken}


def test_what_the_guard_does_is_fine() -> None:
    seat = Seat()
    for _ in range(120):
        seat.second()
    assert seat.judge.broken == []


@pytest.mark.parametrize(
    ("device_id", "action", "rule"),
    [
        (LEFT, ChargeCurrent(current_a=5.0, phase_count=3), "nameplate"),
        (LEFT, ChargeCurrent(current_a=17.0, phase_count=3), "nameplate"),
        (LEFT, ChargeCurrent(current_a=6.0, phase_count=2), "nameplate"),
        (BATTERY, BatteryPower(power_w=5_001.0), "nameplate"),
        (BATTERY, BatteryPower(power_w=-5_001.0), "nameplate"),
        (HEAT_PUMP, HeatPumpPower(power_w=300.0), "nameplate"),
        (HEAT_PUMP, HeatPumpPower(power_w=2_600.0), "nameplate"),
        (PV, ProductionLimit(production_power_max_w=-1.0), "nameplate"),
    ],
)
def test_no_device_is_told_what_it_cannot_do(device_id: DeviceId, action: Action, rule: str) -> None:
    seat = Seat()
    seat.second((device_id, action))
    assert rule in seat.rules()


def test_every_device_gets_exactly_one_command() -> None:
    seat = Seat()
    result = seat.tick()
    seat.judge.after_tick(replace(result, commands=result.commands[1:]), seat.house.mono_s, ())
    assert "command" in seat.rules()


@pytest.mark.parametrize(("late_s", "duration_s"), [(0.0, 61.0), (0.0, 86_400.0), (5.0, 60.0), (0.0, 0.0)])
def test_a_lease_begins_now_and_ends_in_a_minute(late_s: float, duration_s: float) -> None:
    seat = Seat()
    seat.second(lease=Lease(granted_mono_s=seat.house.mono_s + late_s, duration_s=duration_s))
    assert "lease" in seat.rules()


def test_two_chargers_behind_twenty_amperes_are_not_told_sixteen_each() -> None:
    seat = Seat()
    full = ChargeCurrent(current_a=16.0, phase_count=3)
    seat.second((LEFT, full))
    assert "fuse" not in seat.rules()
    seat.second((LEFT, full), (RIGHT, full))
    assert ("fuse", "garage") in {(each.rule, each.where) for each in seat.judge.broken}


def test_beside_what_the_household_draws_for_seconds_the_main_fuse_has_room_for_less() -> None:
    seat = Seat()
    for _ in range(20):
        seat.second()
    most_w = max(seat.house.household.seconds(round(seat.house.start_at.timestamp()), 20).min(axis=0))
    assert 2_500 / 3 + 5_000 / 3 + 16 * 230 + most_w > 25 * 230
    seat.second(
        (HEAT_PUMP, HeatPumpPower(power_w=2_500.0)),
        (BATTERY, BatteryPower(power_w=5_000.0)),
        (LEFT, ChargeCurrent(current_a=16.0, phase_count=3)),
    )
    assert ("fuse", "main") in {(each.rule, each.where) for each in seat.judge.broken}


def test_an_import_limit_is_kept_by_every_command() -> None:
    limit = Injected(fault=WorldFault.IMPORT_LIMIT, start_s=0, duration_s=600, amount=1_500.0)
    seat = Seat((limit,))
    for _ in range(30):
        seat.second()
    assert seat.judge.broken == []
    seat.second((BATTERY, BatteryPower(power_w=5_000.0)))
    assert "operator limit" in seat.rules()


def test_dimmed_devices_keep_their_limit_together_or_the_house_does() -> None:
    dimmed = Injected(fault=WorldFault.DIMMED, start_s=0, duration_s=600, amount=1_400.0)
    seat = Seat((dimmed,))
    for _ in range(30):
        seat.second()
    assert seat.judge.broken == []
    heat, store = (HEAT_PUMP, HeatPumpPower(power_w=1_500.0)), (BATTERY, BatteryPower(power_w=1_500.0))
    off = ChargeCurrent(current_a=0.0, phase_count=3)
    seat.second(heat, (BATTERY, BatteryPower(power_w=0.0)), (LEFT, off), (RIGHT, off))
    assert seat.judge.broken == []  # 100 W is what meters and converters differ by
    for _ in range(14):
        seat.second(heat, store)
    assert {(each.rule, each.where) for each in seat.judge.broken} == {
        ("operator limit", "house"),
        ("above limit", "operator dimmed"),
    }


def test_without_a_grid_inverters_are_left_alone_and_nothing_draws_that_is_not_wanted() -> None:
    seat = Seat()
    seat.second((BATTERY, BatteryReleased()))
    outage = Injected(fault=WorldFault.GRID_OUTAGE, start_s=5, duration_s=600, target=seat.house.site.meter.id)
    seat = Seat((outage,))
    off = ChargeCurrent(current_a=0.0, phase_count=3)
    at_rest = ((BATTERY, BatteryReleased()), (LEFT, off), (RIGHT, off))
    for _ in range(30):
        seat.second(*at_rest)
    assert seat.judge.broken == []
    seat.second((BATTERY, BatteryPower(power_w=0.0)), *at_rest[1:])
    seat.second(*at_rest[:1], (LEFT, ChargeCurrent(current_a=6.0, phase_count=3)), *at_rest[2:])
    assert [(each.rule, each.where) for each in seat.judge.broken] == [("island", BATTERY), ("island", LEFT)]


def test_an_island_that_lacks_power_ends_soon_or_is_told() -> None:
    site = Seat().house.site
    outage = Injected(fault=WorldFault.GRID_OUTAGE, start_s=5, duration_s=600, target=site.meter.id)
    seat = Seat((outage,))
    wanted = (RIGHT, ChargeCurrent(current_a=16.0, phase_count=3))
    for _ in range(40):
        seat.second((BATTERY, BatteryReleased()), (HEAT_PUMP, HeatPumpPower(power_w=2_500.0)), wanted)
    assert ("above limit", "island") in {(each.rule, each.where) for each in seat.judge.broken}


def test_a_battery_is_not_sent_out_of_its_window() -> None:
    seat = Seat()
    battery = seat.house.site.batteries[0]
    seat.house.batteries[BATTERY].stored_wh = battery.floor_wh
    seat.second()
    assert "window" not in seat.rules()
    seat.second((BATTERY, BatteryPower(power_w=-5_000.0)))
    assert "window" in seat.rules()


def test_no_battery_is_told_more_than_its_management_allows() -> None:
    seat = Seat()
    battery = seat.house.site.batteries[0]
    seat.house.batteries[BATTERY].stored_wh = battery.floor_wh + 0.02 * battery.capacity_wh
    for _ in range(20):
        seat.second()
    assert seat.judge.broken == []
    seat.second((BATTERY, BatteryPower(power_w=-4_500.0)))
    assert "management" in seat.rules()


def test_two_chargers_keep_to_the_published_share_of_their_fuse() -> None:
    seat = Seat()
    for current_a, found in ((9.5, False), (9.6, True)):
        offer = ChargeCurrent(current_a=current_a, phase_count=3)
        seat.second((LEFT, offer), (RIGHT, offer))
        assert (("fuse", "garage") in {(each.rule, each.where) for each in seat.judge.broken}) is found


SILENT_LEFT = (Injected(fault=Fault.SILENT, start_s=2, duration_s=600, target=LEFT),)


@pytest.mark.parametrize(
    ("device_id", "action", "where"),
    [
        (LEFT, ChargeCurrent(current_a=6.0, phase_count=3), "left"),
        (RIGHT, ChargeCurrent(current_a=6.0, phase_count=3), "garage"),
        (RIGHT, ChargeCurrent(current_a=0.0, phase_count=3), None),
    ],
)
def test_who_is_silent_rests_and_keeps_room_for_its_nameplate(
    device_id: DeviceId, action: Action, where: str | None
) -> None:
    seat = Seat(SILENT_LEFT)
    for _ in range(40):
        seat.second()
    assert seat.judge.broken == []
    seat.second((device_id, action))
    assert [(each.rule, each.where) for each in seat.judge.broken[:1]] == ([("silent", where)] if where else [])


@pytest.mark.parametrize(
    ("device_id", "action", "found"),
    [
        (BATTERY, BatteryPower(power_w=100.0), True),
        (LEFT, ChargeCurrent(current_a=14.0, phase_count=3), True),
        (LEFT, ChargeCurrent(current_a=6.0, phase_count=3), False),
    ],
)
def test_without_the_meter_batteries_rest_and_an_appliance_has_room(
    device_id: DeviceId, action: Action, found: bool
) -> None:
    seat = Seat((Injected(fault=Fault.SILENT, start_s=5, duration_s=100, target=GRID),))
    for _ in range(30):
        seat.second()
    assert seat.judge.broken == []
    seat.second((device_id, action))
    assert ("blind" in seat.rules()) is found


def test_a_command_lies_in_an_open_episode_that_says_the_same() -> None:
    seat = Seat()
    result = seat.tick()
    episodes = dict(result.state.episodes)
    other = replace(episodes[BATTERY], authority=Authority.OPERATOR)
    for wrong in ({**episodes, BATTERY: other}, {key: each for key, each in episodes.items() if key != BATTERY}):
        seat.judge.broken.clear()
        told = replace(result, state=replace(result.state, episodes=wrong))
        seat.judge.after_tick(told, seat.house.mono_s, ())
        assert "episode" in seat.rules()


def over(seat: Seat, seconds: int) -> None:
    """Heat pump, battery and a car at full power, whatever the guard says, beside an oven on every phase."""
    real = seat.house.household.seconds

    def with_an_oven(unix_start_s: int, count: int) -> FloatArray:
        return real(unix_start_s, count) + 2_500.0

    seat.house.household.seconds = with_an_oven  # type: ignore[method-assign]
    orders = (
        (HEAT_PUMP, HeatPumpPower(power_w=2_500.0)),
        (BATTERY, BatteryPower(power_w=5_000.0)),
        (LEFT, ChargeCurrent(current_a=16.0, phase_count=3)),
    )
    for _ in range(seconds):
        seat.second(*orders)


@pytest.mark.parametrize(
    ("script", "seconds", "found"),
    [
        ((), 10, False),
        ((), 14, True),
        ((Injected(fault=Fault.SILENT, start_s=0, duration_s=600, target=PV),), 38, False),
        ((Injected(fault=Fault.SILENT, start_s=0, duration_s=600, target=PV),), 44, True),
        ((Injected(fault=Fault.DEAF, start_s=0, duration_s=600, target=PV),), 60, False),
        ((Injected(fault=Fault.DEAF, start_s=0, duration_s=600, target=PV),), 80, True),
        ((Injected(fault=Fault.FROZEN, start_s=0, duration_s=600, target=PV),), 120, False),
    ],
)
def test_an_excess_lasts_no_longer_than_what_is_on_explains(script: Script, seconds: int, found: bool) -> None:
    seat = Seat(script)
    over(seat, seconds)
    assert ("above limit" in seat.rules()) is found
    assert sum(seat.judge.longest_over_s.values()) >= seconds - 3


def test_a_device_that_does_not_listen_is_no_load_that_could_give_way() -> None:
    deaf = tuple(
        Injected(fault=Fault.DEAF, start_s=2, duration_s=600, target=each) for each in (HEAT_PUMP, BATTERY, LEFT)
    )
    seat = Seat(deaf)
    over(seat, 58)
    assert "above limit" not in seat.rules()
    assert sum(seat.judge.longest_over_s.values()) <= 3


def test_the_worst_that_is_on_or_was_on_a_moment_ago_counts() -> None:
    seat = Seat(
        (
            Injected(fault=Fault.SILENT, start_s=1, duration_s=5, target=PV),
            Injected(fault=Fault.ABSURD, start_s=2, duration_s=2, target=GRID),
            Injected(fault=WorldFault.CLOCK_STEP, start_s=60, duration_s=9, amount=-90.0),
        )
    )
    seen = []
    for _ in range(70):
        seat.second()
        seen.append(seat.stage.circumstance())
    blind, silent, clear = Circumstance.METER_SILENT, Circumstance.DEVICE_SILENT, Circumstance.CLEAR
    assert [seen.count(each) for each in (blind, silent)] == [2 + 19, 18]
    assert (seen[0], seen[1], seen[2], seen[24], seen[65]) == (clear, silent, blind, silent, clear)


def test_a_way_back_to_normal_is_timed_and_one_that_takes_too_long_is_said_once() -> None:
    recovery = Recovery(cycle_s=10)
    assert recovery.done
    assert recovery.see(5, calm=False, normal=False) is None
    assert [recovery.see(each, calm=True, normal=each == 13) for each in (10, 12, 13)] == [None] * 3
    assert (recovery.times_s, recovery.done) == ([3.0], True)
    recovery.see(50, calm=False, normal=True)
    said = [recovery.see(each, calm=True, normal=False) for each in (60, 80, 81, 90)]
    assert [each is not None for each in said] == [False, False, True, False]
