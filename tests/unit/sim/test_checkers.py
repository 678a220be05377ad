"""Each judge is quiet about a sound house and speaks up about a planted fault."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hems.control.state import ControlState, OpenEpisode
from hems.domain.command import Action, Authority, BatteryPower, ChargeCurrent
from hems.domain.decision import DecisionEpisode, Summary
from hems.domain.reasons import StaysIdle
from hems.domain.site import MAIN, Battery, Circuit, CircuitId, DeviceId
from hems.sim.checkers import Checkers
from hems.sim.house import SimHouse
from hems.sim.meter import Held
from tests.support.houses import BATTERY, CHARGER, home_a
from tests.support.simulated import START_AT, flat_data, order, stay


def make(**changed: object) -> tuple[SimHouse, Checkers]:
    site = home_a()
    house = SimHouse(site, flat_data(site, sessions=(stay(0, 24, 40),)), seed=1, start_at=START_AT)
    return house, Checkers(site, **changed)  # type: ignore[arg-type]


def step(house: SimHouse, checkers: Checkers, *actions: tuple[DeviceId, Action]) -> None:
    house.apply([order(device_id, action, mono_s=house.mono_s) for device_id, action in actions], house.mono_s)
    house.advance(60)
    checkers.after_step(house)


def rules_of(checkers: Checkers) -> set[str]:
    return {violation.rule for violation in checkers.violations}


def tamper(house: SimHouse, **changed: object) -> None:
    """Falsify the record of the last stretch."""
    house.stretches = (*house.stretches[:-1], replace(house.stretches[-1], **changed))  # type: ignore[arg-type]


def episode(device_id: DeviceId, from_s: float, to_s: float) -> DecisionEpisode:
    return DecisionEpisode(
        device_id=device_id,
        opened_at=START_AT + timedelta(seconds=from_s),
        closed_at=START_AT + timedelta(seconds=to_s),
        authority=Authority.PLAN,
        reason=StaysIdle(),
        limited_by=(),
        summary=Summary(power_min_w=None, power_mean_w=None, power_max_w=None, energy_wh=None),
        plan_issued_at=None,
    )


def test_a_sound_hour_leaves_nothing_to_say():
    house, checkers = make(fuse_is_a_rule=True)
    for minute in range(60):
        current_a = (0.0, 6.0, 10.0)[minute % 3]
        step(
            house,
            checkers,
            (BATTERY, BatteryPower(power_w=(-1) ** minute * 3_000.0)),
            (CHARGER, ChargeCurrent(current_a=current_a, phase_count=3)),
        )
    checkers.finish([episode(BATTERY, 0, 1_800), episode(BATTERY, 1_800, 3_600), episode(CHARGER, 0, 3_600)])
    assert checkers.violations == []
    assert checkers.fuse_exceeded_s == {"main": 0}


def test_energy_that_comes_from_nowhere_is_found():
    house, checkers = make()
    house.advance(60)
    tamper(house, device_phase_w=(0.0, 5.0, 0.0))
    checkers.after_step(house)
    assert rules_of(checkers) == {"energy"}


def test_a_command_that_outlives_its_lease_is_found():
    house, checkers = make()
    house.advance(60)
    tamper(house, held={BATTERY: Held(action=BatteryPower(power_w=0.0), expires_mono_s=59.0)})
    checkers.after_step(house)
    assert rules_of(checkers) == {"lease"}


@pytest.mark.parametrize(
    "offer",
    [
        ChargeCurrent(current_a=4.0, phase_count=3),
        ChargeCurrent(current_a=20.0, phase_count=3),
        ChargeCurrent(current_a=-6.0, phase_count=3),
        ChargeCurrent(current_a=6.0, phase_count=2),
    ],
)
def test_a_current_that_no_car_can_take_is_found(offer):
    house, checkers = make()
    step(house, checkers, (CHARGER, offer))
    assert rules_of(checkers) == {"current"}


@pytest.mark.parametrize(("device_id", "power_w"), [(BATTERY, 6_000.0), (BATTERY, -6_000.0), (CHARGER, 12_000.0)])
def test_power_beyond_the_nameplate_is_found(device_id, power_w):
    house, checkers = make()
    house.advance(60)
    before = house.stretches[-1].power_w
    tamper(house, power_w={**before, device_id: power_w}, device_phase_w=(power_w, 0.0, 0.0))
    checkers.after_step(house)
    assert "nameplate" in rules_of(checkers)


@pytest.mark.parametrize(
    ("before_wh", "after_wh", "rule"),
    [(5_000, 5_010, "battery"), (5_000, -5, "battery"), (5_000, 10_005, "battery"), (1_050, 950, "window")],
)
def test_stored_energy_that_power_does_not_explain_is_found(before_wh, after_wh, rule):
    house, checkers = make()
    house.batteries[BATTERY].stored_wh = before_wh
    step(house, checkers)
    house.advance(60)
    house.batteries[BATTERY].stored_wh = after_wh
    checkers.after_step(house)
    assert rule in rules_of(checkers)


def test_a_battery_found_outside_its_window_may_come_back():
    house, checkers = make()
    house.batteries[BATTERY].stored_wh = 500.0
    for _ in range(20):
        step(house, checkers, (BATTERY, BatteryPower(power_w=1_000.0)))
    assert checkers.violations == []


def test_a_blown_fuse_is_counted_and_is_a_violation_where_the_tick_is_fast_enough():
    for is_rule in (False, True):
        site = replace(home_a(), circuits=(Circuit(id=MAIN, fuse_a=16.0, parent=None),))
        house = SimHouse(site, flat_data(site, load_w=300.0), seed=1, start_at=START_AT)
        checkers = Checkers(site, fuse_is_a_rule=is_rule)
        house.advance(60)
        tamper(house, device_phase_w=(4_000.0, 0.0, 0.0), power_w={**house.stretches[-1].power_w, BATTERY: 4_000.0})
        checkers.after_step(house)
        assert checkers.fuse_exceeded_s == {"main": 60}
        assert ("fuse" in rules_of(checkers)) is is_rule


def test_the_judge_and_the_house_count_the_same_fuse_seconds():
    garage = CircuitId("garage")
    site = home_a()
    site = replace(
        site,
        circuits=(Circuit(id=MAIN, fuse_a=16.5, parent=None), Circuit(id=garage, fuse_a=15.0, parent=MAIN)),
        chargers=(replace(site.chargers[0], circuit=garage),),
    )
    house = SimHouse(
        site, flat_data(site, load_w=1_200.0, sessions=(stay(0, 24, 60),)), seed=1, start_at=START_AT, unmanaged=True
    )
    checkers = Checkers(site)
    for _ in range(6 * 60):
        step(house, checkers)
    assert checkers.fuse_exceeded_s == house.totals.fuse_exceeded_s
    assert checkers.fuse_exceeded_s["main"] > 100
    assert checkers.fuse_exceeded_s["garage"] > 3_600
    assert checkers.violations == []


@pytest.mark.parametrize(
    "episodes",
    [
        [],
        [episode(CHARGER, 0, 600)],
        [episode(BATTERY, 0, 599)],
        [episode(BATTERY, 1, 600)],
        [episode(BATTERY, 0, 300), episode(BATTERY, 301, 600)],
        [episode(BATTERY, 0, 301), episode(BATTERY, 300, 600)],
    ],
)
def test_a_value_that_no_decision_explains_is_found(episodes):
    house, checkers = make()
    for _ in range(10):
        step(house, checkers, (BATTERY, BatteryPower(power_w=100.0)))
    checkers.finish(episodes)
    assert rules_of(checkers) == {"episode"}


def test_a_command_without_an_open_episode_in_the_tick_is_found_at_once():
    def control(opened_at: datetime | None) -> ControlState:
        state = ControlState.start(home_a())
        if opened_at is None:
            return state
        opened = OpenEpisode(
            opened_at=opened_at, authority=Authority.PLAN, reason=StaysIdle(), limited_by=(), plan_issued_at=None
        )
        return replace(state, episodes={BATTERY: opened})

    for opened_at, found in [(None, True), (START_AT + timedelta(seconds=1), True), (START_AT, False)]:
        house, checkers = make()
        house.apply([order(BATTERY, BatteryPower(power_w=100.0), mono_s=0.0)], 0.0)
        house.advance(60)
        checkers.after_step(house, control(opened_at))
        assert (rules_of(checkers) == {"episode"}) is found


def test_a_step_that_was_not_judged_is_found():
    house, checkers = make()
    step(house, checkers)
    house.advance(60)
    step(house, checkers)
    assert rules_of(checkers) == {"time"}


def test_findings_survive_a_pause():
    house, checkers = make()
    step(house, checkers, (CHARGER, ChargeCurrent(current_a=4.0, phase_count=3)), (BATTERY, BatteryPower(power_w=1.0)))
    resumed = Checkers(home_a())
    resumed.restore(json.loads(json.dumps(checkers.state())))
    assert resumed.violations == checkers.violations
    step(house, resumed)
    resumed.finish([])
    assert rules_of(resumed) == {"current", "episode"}
    assert resumed.violation_count == 4  # the current in both minutes, two devices without a decision


def test_a_battery_is_judged_by_its_own_capacity():
    small = replace(home_a().batteries[0], capacity_wh=2_000.0)
    assert isinstance(small, Battery)
    site = replace(home_a(), batteries=(small,))
    house = SimHouse(site, flat_data(site), seed=1, start_at=START_AT)
    checkers = Checkers(site)
    step(house, checkers, (BATTERY, BatteryPower(power_w=5_000.0)))
    assert checkers.violations == []
    house.batteries[BATTERY].stored_wh = 2_001.0
    house.advance(60)
    checkers.after_step(house)
    assert "battery" in rules_of(checkers)
