"""What a promise counts on beside the batteries."""

from dataclasses import replace

import pytest

from hems.app.outlook import Known
from hems.app.planner_loop import Planned
from hems.app.planning import Decided
from hems.app.posing import pose
from hems.app.promise import OWN_METER_W, hold_input
from hems.domain.forecast import Forecast, SlotHistory
from hems.domain.outlook import Outlook
from hems.domain.plan import HeatPlan
from hems.domain.site import Site
from hems.domain.time import SlotGrid
from tests.support.houses import HEAT_PUMP, PV, home_b
from tests.support.moments import START_AT, Cycles, House, now_after, plan_of

LOAD_W = 400.0
GRID = SlotGrid(start_at=START_AT, count=16)


def sure(power_w: float) -> Forecast:
    series = (power_w,) * GRID.count
    return Forecast.certain(series, grid=GRID, issued_at=START_AT)


def heat_high_w(site: Site, cycles: Cycles, heat_w: tuple[float, ...]) -> list[float]:
    """Most that the promise counts on for the heat pump, per slot."""
    result = cycles.tick(cycles.at_s + 1.0, House(), None)
    now = now_after(cycles.at_s)
    outlook = Outlook(
        grid=GRID,
        import_price_eur_per_kwh=(0.3,) * 16,
        export_price_eur_per_kwh=(0.1,) * 16,
        published_count=16,
        load=sure(LOAD_W),
        pv={PV: sure(0.0)},
    )
    plan = replace(plan_of(), grid=GRID, heat=(HeatPlan(device_id=HEAT_PUMP, power_w=heat_w),))
    planned = Planned(
        decided=Decided(plan=plan, refused=False, events=()),
        problem=pose(cycles.state, result.estimate, outlook, (), now),
        known=Known(load=SlotHistory(start_at=START_AT, mean_w=()), pv={}, spot=None, outdoor=None, cars=()),
        outlook=outlook,
    )
    band = hold_input(site, cycles.state, result.estimate, planned, (), (), now)
    return [high_w - LOAD_W - OWN_METER_W for high_w in band.residual_high_w]


def rested(site: Site, seconds: float) -> Cycles:
    """A pump that has rested at its command, with a plan that begins now."""
    cycles = Cycles(site)
    cycles.tick(-seconds, House(), None)
    cycles.tick(-1.0, House(), None)
    return cycles


@pytest.mark.parametrize(
    ("rested_s", "heat_w", "free"),
    [
        # Eight quarter hours, then it goes by itself until it is told to run.
        (1.0, (0.0,) * 16, range(7, 16)),
        (901.0, (0.0,) * 16, range(6, 16)),
        (20_000.0, (0.0,) * 16, range(16)),
        (20_000.0, (*(0.0,) * 4, 1_000.0, *(0.0,) * 11), [*range(5), *range(12, 16)]),
        # A solver's zero.
        (1.0, (1e-7,) * 16, range(7, 16)),
        (1.0, (1_000.0,) * 16, ()),
    ],
)
def test_a_pump_that_may_help_itself_counts_with_all_that_it_draws(
    rested_s: float, heat_w: tuple[float, ...], free: range
) -> None:
    house = home_b()
    contacts = replace(house.heat_pumps[0], rest_max_s=7_200.0)
    site = replace(house, heat_pumps=(contacts,))
    counted_w = heat_high_w(site, rested(site, rested_s), heat_w)
    expected_w = [2_500.0 if slot in free else planned_w * 1.1 for slot, planned_w in enumerate(heat_w)]
    assert counted_w == pytest.approx(expected_w, abs=0.01)


def test_a_pump_that_rests_for_as_long_as_wanted_counts_as_planned() -> None:
    site = home_b()
    assert heat_high_w(site, rested(site, 20_000.0), (0.0,) * 16) == pytest.approx([0.0] * 16)
