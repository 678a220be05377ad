"""East and west roofs while selling costs money, in closed loop: a tick a second, two plants of 5 kWp, 4 kW of load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from hems.control.state import ControlState
from hems.control.tick import tick
from hems.domain.power import ALL_PHASES, spread
from hems.domain.reading import GridValues, Image, PvValues, Reading
from hems.domain.site import DeviceId, PvPlane, Site
from tests.support.houses import home_a
from tests.support.moments import now_after, plan_of, power_of

EAST, WEST = DeviceId("east"), DeviceId("west")
LOAD_W = 4_000.0
PLAN = replace(plan_of(buy_at=0.15, sell_at=-0.05), batteries=())

Sun = Callable[[int], tuple[float, float]]
"""What east and west could make in a second [W]."""


@dataclass(frozen=True, slots=True)
class Day:
    """What happened, second by second [W]."""

    grid_w: list[float] = field(default_factory=list)
    made_w: list[Mapping[DeviceId, float]] = field(default_factory=list)
    limit_w: list[Mapping[DeviceId, float]] = field(default_factory=list)


def two_roofs() -> Site:
    """No export limit, which would have a say of its own."""
    home = home_a()
    plane = PvPlane(peak_w=5_000.0, tilt_deg=35.0, azimuth_deg=180.0)
    roofs = tuple(replace(home.pv[0], id=each, name=each, planes=(plane,)) for each in (EAST, WEST))
    connection = replace(home.connection, export_power_max_w=None)
    return replace(home, connection=connection, pv=roofs, batteries=(), chargers=())


def lived(sun: Sun, *, seconds: int, reading_lag_s: int = 0, limit_lag_s: int = 0) -> Day:
    """Readings tell what was ``reading_lag_s`` ago; a limit holds from the next second on, ``limit_lag_s`` later."""
    site, day = two_roofs(), Day()
    state = ControlState.start(site)
    for second in range(seconds):
        limit_w = day.limit_w[second - 1 - limit_lag_s] if second > limit_lag_s else {EAST: 5_000.0, WEST: 5_000.0}
        made_w = {each: min(able_w, limit_w[each]) for each, able_w in zip((EAST, WEST), sun(second), strict=True)}
        day.made_w.append(made_w)
        day.grid_w.append(LOAD_W - sum(made_w.values()))
        seen, now = max(0, second - reading_lag_s), now_after(float(second))
        phases = spread(day.grid_w[seen], ALL_PHASES)
        grid = GridValues(power_w=phases.total, phase_power_w=phases, phase_power_high_w=phases)
        pv = {
            each: Reading(value=PvValues(power_w=-each_w), mono_s=now.mono_s)
            for each, each_w in day.made_w[seen].items()
        }
        result = tick(state, Image(grid=Reading(value=grid, mono_s=now.mono_s), pv=pv), PLAN, (), now)
        state = result.state
        told_w = {each: power_of(result, each) for each in (EAST, WEST)}
        day.limit_w.append({key: 5_000.0 if each_w is None else -each_w for key, each_w in told_w.items()})
    return day


LAGS = pytest.mark.parametrize(("reading_lag_s", "limit_lag_s"), [(0, 0), (1, 0), (1, 1), (2, 1)])


@LAGS
def test_a_roof_in_the_sun_makes_what_the_other_one_cannot(reading_lag_s: int, limit_lag_s: int) -> None:
    """East could make 4.5 kW, west 0.4: the house draws 4, and buys nothing."""
    day = lived(lambda _: (4_500.0, 400.0), seconds=60, reading_lag_s=reading_lag_s, limit_lag_s=limit_lag_s)
    assert day.grid_w[-1] == pytest.approx(0.0, abs=5.0)
    assert min(day.grid_w[2 + reading_lag_s + limit_lag_s :]) > -1.0


@LAGS
def test_clouds_over_one_roof_are_met_by_the_other_and_nothing_swings(reading_lag_s: int, limit_lag_s: int) -> None:
    """A cloud of half a minute over east, then of two seconds over each: all is bought back within half a minute.

    Nothing is ever fed in, and afterwards the limits stand still.
    """

    def sun(second: int) -> tuple[float, float]:
        east_w = 900.0 if 30 <= second < 60 or second in (90, 91) else 4_500.0
        return east_w, 500.0 if second in (120, 121) else 3_500.0

    day = lived(sun, seconds=160, reading_lag_s=reading_lag_s, limit_lag_s=limit_lag_s)
    for second in (29, 59, 89, 119, 159):
        assert day.grid_w[second] == pytest.approx(0.0, abs=30.0), second
    assert min(day.grid_w[2 + reading_lag_s + limit_lag_s :]) > -30.0
    for each in (EAST, WEST):
        last_w = [limit_w[each] for limit_w in day.limit_w[-10:]]
        assert max(last_w) - min(last_w) < 10.0
