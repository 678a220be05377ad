"""A car that takes nothing explains nothing: the load beside it is seen within seconds, whatever the car is told."""

from dataclasses import replace

import pytest

from hems.control.residual import LAG_S, RESPONSE_S
from hems.domain.command import ChargeCurrent
from hems.domain.reading import CarState
from tests.support.houses import CHARGER, GRID, home_a
from tests.support.moments import Cycles, House, action_of

SITE = replace(home_a(), batteries=(), pv=(), chargers=(replace(home_a().chargers[0], switches_phases=False),))
FULL = House(load_phase_w=(200.0, 200.0, 200.0), car=CarState.CONNECTED, car_w=0.0, offered_a=16.0)
KETTLES = replace(FULL, load_phase_w=(3_000.0, 200.0, 200.0))
LEFT_A = 0.95 * 25.0 - 3_000.0 / 230.0


def offered_a(cycles: Cycles, at_s: float, house: House) -> float:
    action = action_of(cycles.tick(at_s, house), CHARGER)
    assert isinstance(action, ChargeCurrent)
    return action.current_a


def test_told_the_same_all_the_time() -> None:
    cycles = Cycles(SITE)
    assert [offered_a(cycles, float(second), FULL) for second in range(60)][-1] == 16.0
    currents = [offered_a(cycles, 60.0 + second, KETTLES) for second in range(60)]
    assert currents == [pytest.approx(LEFT_A, abs=0.1)] * 60


def test_told_more_each_second() -> None:
    cycles = Cycles(SITE)
    for second in range(60):
        offered_a(cycles, float(second), replace(FULL, without=(GRID,)))
    currents = [offered_a(cycles, 60.0 + second, KETTLES if second > 3 else FULL) for second in range(60)]
    assert max(currents[int(RESPONSE_S + LAG_S) :]) == pytest.approx(LEFT_A, abs=0.1)
