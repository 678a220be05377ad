"""A grid meter that was silent is back: what was kept free is given back over half a minute, not in one step."""

from dataclasses import replace
from itertools import pairwise

import pytest

from hems.domain.command import ChargeCurrent
from hems.domain.reading import CarState
from tests.support.houses import CHARGER, GRID, home_a
from tests.support.moments import Cycles, House, action_of

SITE = replace(home_a(), batteries=(), pv=(), chargers=(replace(home_a().chargers[0], switches_phases=False),))
CAR = House(load_w=600.0, car=CarState.CHARGING, car_w=11_040.0, offered_a=16.0)
BLIND = replace(CAR, without=(GRID,))


def offered_a(cycles: Cycles, at_s: float, house: House) -> float:
    action = action_of(cycles.tick(at_s, house), CHARGER)
    assert isinstance(action, ChargeCurrent)
    return action.current_a


def blind_for_a_minute() -> Cycles:
    cycles = Cycles(SITE)
    for second in range(60):
        cycles.tick(float(second), CAR)
    for second in range(60, 120):
        cycles.tick(float(second), BLIND)
    return cycles


def test_current_comes_back_over_half_a_minute() -> None:
    cycles = blind_for_a_minute()
    blind_a = offered_a(cycles, 120.0, BLIND)
    assert blind_a == pytest.approx(10.7, abs=0.1)  # 23.75 A less 13 A that may start unseen
    currents = [offered_a(cycles, 121.0 + second, CAR) for second in range(40)]
    assert currents[0] == pytest.approx(blind_a, abs=0.2)
    assert currents == sorted(currents)
    assert max(after - before for before, after in pairwise(currents)) <= 0.6
    assert currents[31] == 16.0


def test_a_meter_that_comes_and_goes_moves_the_car_by_little() -> None:
    cycles = blind_for_a_minute()
    currents = []
    for second in range(120, 320):
        house = CAR if (second // 10) % 2 else BLIND
        currents.append(offered_a(cycles, float(second), house))
    assert max(currents) - min(currents) <= 5.0
    assert max(abs(after - before) for before, after in pairwise(currents)) <= 5.0


def test_a_start_is_no_recovery() -> None:
    cycles = Cycles(SITE)
    cycles.tick(0.0, CAR)
    assert offered_a(cycles, 1.0, CAR) == 16.0
