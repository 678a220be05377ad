"""Events are said once, modes follow what is missing, and every device is always in exactly one open episode."""

import itertools
import random
from dataclasses import replace

import pytest

from hems.control import episodes
from hems.control.state import OpenEpisode
from hems.domain import reasons
from hems.domain.command import Authority, Limit
from hems.domain.decision import DecisionEpisode
from hems.domain.events import (
    DeviceCameBack,
    DeviceWentSilent,
    Event,
    FuseExceeded,
    LimitEngaged,
    LimitLifted,
    Mode,
    ModeChanged,
)
from hems.domain.reading import CarState
from hems.domain.site import DeviceId
from tests.support.houses import BATTERY, CHARGER, GRID, home_a, home_b
from tests.support.moments import START_AT, Cycles, House, now_after, plan_of, power_of, reason_of

OPERATOR = Limit(authority=Authority.OPERATOR, source="grid operator", import_power_max_w=4_200.0)


def test_each_change_is_said_once() -> None:
    cycles = Cycles(home_a())
    normal, car_silent, blind = House(), House(without=(CHARGER,)), House(without=(GRID,))
    overload = House(load_phase_w=(26.0 * 230.0, 0.0, 0.0))

    rows: list[tuple[float, House, tuple[Limit, ...], list[Event]]] = [
        (0.0, normal, (), []),
        (
            1.0,
            car_silent,
            (),
            [
                DeviceWentSilent(at=now_after(1.0).at, device_id=CHARGER),
                ModeChanged(at=now_after(1.0).at, before=Mode.NORMAL, after=Mode.DEGRADED, missing=(CHARGER,)),
            ],
        ),
        (2.0, car_silent, (), []),
        (
            3.0,
            normal,
            (OPERATOR,),
            [
                DeviceCameBack(at=now_after(3.0).at, device_id=CHARGER),
                LimitEngaged(at=now_after(3.0).at, authority=Authority.OPERATOR, source="grid operator"),
                ModeChanged(at=now_after(3.0).at, before=Mode.DEGRADED, after=Mode.GRID_LIMITED, missing=()),
            ],
        ),
        (4.0, normal, (OPERATOR,), []),
        # The same source with another number is no news.
        (5.0, normal, (replace(OPERATOR, import_power_max_w=3_000.0),), []),
        (
            6.0,
            blind,
            (),
            [
                DeviceWentSilent(at=now_after(6.0).at, device_id=GRID),
                LimitLifted(at=now_after(6.0).at, authority=Authority.OPERATOR, source="grid operator"),
                ModeChanged(at=now_after(6.0).at, before=Mode.GRID_LIMITED, after=Mode.SAFE_HOLD, missing=(GRID,)),
            ],
        ),
        (
            7.0,
            overload,
            (),
            [
                DeviceCameBack(at=now_after(7.0).at, device_id=GRID),
                ModeChanged(at=now_after(7.0).at, before=Mode.SAFE_HOLD, after=Mode.NORMAL, missing=()),
                FuseExceeded(at=now_after(7.0).at, circuit="main", current_a=26.0),
            ],
        ),
        (8.0, overload, (), []),
        (9.0, normal, (), []),
        (10.0, overload, (), [FuseExceeded(at=now_after(10.0).at, circuit="main", current_a=26.0)]),
    ]
    for at_s, house, limits, events in rows:
        assert list(cycles.tick(at_s, house, limits=limits).events) == events, at_s


def test_the_meter_that_is_silent_outranks_every_other_mode() -> None:
    result = Cycles(home_a()).tick(0.0, House(without=(GRID, BATTERY)), limits=(OPERATOR,))
    assert result.state.mode is Mode.SAFE_HOLD


def test_time_that_runs_backwards_is_refused() -> None:
    cycles = Cycles(home_a())
    cycles.tick(10.0, House())
    with pytest.raises(AssertionError, match="monotonic"):
        cycles.tick(9.0, House())


def random_house(chance: random.Random) -> House:
    devices: tuple[DeviceId, ...] = tuple(each.id for each in home_b().devices)
    return House(
        load_w=chance.choice((300.0, 1_500.0, 9_000.0)),
        pv_w=chance.choice((0.0, 0.0, 4_000.0)),
        stored_wh=chance.choice((1_000.0, 5_000.0, 10_000.0)),
        car=chance.choice(tuple(CarState)),
        room_c=chance.choice((19.5, 21.0, 22.5)),
        without=tuple(each for each in devices if chance.random() < 0.1),
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_device_is_in_one_open_episode_and_closed_ones_leave_no_gap(seed: int) -> None:
    chance = random.Random(seed)
    cycles = Cycles(home_b())
    closed: dict[DeviceId, list[DecisionEpisode]] = {each.id: [] for each in cycles.site.devices}
    at_s = 0.0
    for _ in range(120):
        plan = plan_of(heat_w=(1_000.0,) * 8) if chance.random() < 0.7 else None
        result = cycles.tick(at_s, random_house(chance), plan)
        assert set(result.state.episodes) == set(closed)
        for each in result.episodes:
            closed[each.device_id].append(each)
        at_s += chance.choice((1.0, 10.0, 60.0))
    ended_at = now_after(cycles.at_s).at
    for device_id, open_one in cycles.state.episodes.items():
        spans = [(each.opened_at, each.closed_at) for each in closed[device_id]] + [(open_one.opened_at, ended_at)]
        assert spans[0][0] == START_AT
        assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
        assert all(start < end for start, end in spans[:-1])


def test_an_episode_closes_with_what_was_measured_meanwhile() -> None:
    """The mean power since the tick before, times the time since then: 60 s at 1 kW, 120 s at 4 kW, 60 s at -2 kW.

    Their sum is 60 + 480 - 120 kWs = 420 kWs = 116.67 Wh in 240 s: 1,750 W. Then the battery is silent for 60 s, which
    ends the episode without adding anything.
    """
    cycles = Cycles(home_a())
    for at_s, power_w in ((0.0, 9.0), (60.0, 1_000.0), (180.0, 4_000.0), (240.0, -2_000.0)):
        assert not [each for each in cycles.tick(at_s, House(battery_w=power_w)).episodes if each.device_id == BATTERY]
    last = cycles.tick(300.0, House(battery_w=-2_000.0, without=(BATTERY,)))
    closed = next(each for each in last.episodes if each.device_id == BATTERY)
    assert closed.reason == reasons.SelfConsumes()
    assert (closed.opened_at, closed.closed_at) == (START_AT, now_after(300.0).at)
    assert closed.summary.power_min_w == -2_000.0
    assert closed.summary.power_max_w == 4_000.0
    assert closed.summary.power_mean_w == pytest.approx(1_750.0)
    assert closed.summary.energy_wh == pytest.approx(420_000 / 3_600)
    assert reason_of(last, BATTERY) == reasons.DeviceSilent()


def test_a_night_that_nobody_saw_is_not_booked() -> None:
    """Suspended for eight hours while the meter showed 3 kW before and after."""
    cycles = Cycles(home_a())
    for at_s in (0.0, 60.0, 60.0 + 8 * 3_600):
        cycles.tick(at_s, House(load_w=3_000.0))
    grid = cycles.state.episodes[GRID]
    assert grid.known_s == 60.0
    assert grid.energy_ws == pytest.approx(180_000.0)


def test_nothing_known_is_not_zero() -> None:
    episode = OpenEpisode(
        opened_at=START_AT,
        authority=Authority.DEVICE,
        reason=reasons.DeviceSilent(),
        limited_by=(),
        plan_issued_at=None,
    )
    summary = episodes.close(BATTERY, episode, now_after(60.0).at).summary
    assert summary.power_mean_w is None
    assert summary.energy_wh is None
    assert (summary.power_min_w, summary.power_max_w) == (None, None)


def test_an_episode_names_who_decided_and_ends_when_a_limit_comes() -> None:
    """An operator's 4.2 kW hold back a car that charges on plug-in; the watts of the limit may change inside."""
    cycles = Cycles(home_a())
    waiting = House(load_w=500.0, car=CarState.CONNECTED, stored_wh=1_000.0)
    cycles.tick(0.0, waiting)
    cycles.tick(1.0, waiting)
    free = cycles.state.episodes[CHARGER]
    assert (free.authority, free.limited_by) == (Authority.PLAN, ())
    cycles.tick(2.0, waiting, limits=(OPERATOR,))
    held = cycles.state.episodes[CHARGER]
    assert held.authority is Authority.OPERATOR
    assert held.opened_at == now_after(2.0).at
    assert held.limited_by[0].limit_w == pytest.approx(3_700.0)
    cycles.tick(3.0, replace(waiting, load_w=400.0), limits=(OPERATOR,))
    assert cycles.state.episodes[CHARGER].opened_at == now_after(2.0).at


def test_the_plan_in_force_is_named_only_while_it_is_in_force() -> None:
    cycles = Cycles(home_a())
    cycles.tick(0.0, House(), plan_of())
    assert cycles.state.episodes[BATTERY].plan_issued_at == START_AT
    cycles.tick(1.0, House(), plan_of(), trusted=False)
    assert cycles.state.episodes[BATTERY].plan_issued_at is None


def test_a_sleeping_car_makes_no_new_episode_when_it_is_offered_something_else() -> None:
    """Load moves on L1 by 200 W a second, and with it what the fuse leaves; the reason told that current."""
    cycles = Cycles(home_a())
    closed: list[DecisionEpisode] = []
    offered_a = 0.0
    for second in range(400):
        load_phase_w = (2_300.0 + second % 7 * 200.0, 300.0, 300.0)
        house = House(load_phase_w=load_phase_w, car=CarState.CONNECTED, offered_a=offered_a)
        result = cycles.tick(float(second), house)
        offered_a = (power_of(result, CHARGER) or 0.0) / 690.0
        if second >= 60:  # in the first minute it is learned what the fuse leaves
            closed += [each for each in result.episodes if each.device_id == CHARGER]
    assert reason_of(result, CHARGER) == reasons.CarAsleep()
    assert [type(each.reason) for each in closed] == [reasons.ChargesOnPlugIn]
