"""From the state of a house to a planning problem, and from an answer to a plan to go on with."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.app.planning import PlanDesk
from hems.app.posing import TERMINAL_VALUE_RATIO, pose
from hems.control.estimate import estimate
from hems.control.state import ControlState
from hems.domain.command import Authority, Limit
from hems.domain.errors import WorkerError
from hems.domain.events import PlanAdopted, PlanRefused
from hems.domain.forecast import Forecast
from hems.domain.net_metering import GridEnergy, NetMetering
from hems.domain.outlook import CarTask, Outlook
from hems.domain.plan import Origin, Plan
from hems.domain.problem import CarbonInput, NettingInput, PlanningProblem
from hems.domain.reading import CarState
from hems.domain.site import Site
from hems.domain.tariff import CarbonPrice, IntensityWindow, TimeWindow
from hems.domain.time import SlotGrid
from hems.planning.answer import PlanAnswer
from hems.planning.check import violations
from hems.planning.fallback import fallback_plan
from hems.wire import fast_json
from tests.support.houses import BATTERY, CHARGER, PV, home_a, home_b
from tests.support.moments import START_AT, House, now_after

GRID = SlotGrid(start_at=START_AT, count=4)
LEAVES_AT = START_AT + timedelta(hours=9)


def forecast(power_w: float) -> Forecast:
    series = (power_w,) * GRID.count
    return Forecast.certain(series, grid=GRID, issued_at=START_AT)


def outlook(*, cars: tuple[CarTask, ...] = (), outdoor_c: tuple[float, ...] | None = None) -> Outlook:
    return Outlook(
        grid=GRID,
        import_price_eur_per_kwh=(0.2, 0.3, 0.4, 0.3),
        export_price_eur_per_kwh=(0.05,) * 4,
        published_count=3,
        load=forecast(400.0),
        pv={PV: forecast(1_000.0)},
        cars=cars,
        outdoor_c=outdoor_c,
    )


def posed(site: Site, house: House, ahead: Outlook, *limits: Limit) -> PlanningProblem:
    state, now = ControlState.start(site), now_after(0)
    return pose(state, estimate(state, house.image(site, now.mono_s), now), ahead, limits, now)


def task(*, arrives_h: float = -2.0, target_wh: float = 12_000.0) -> CarTask:
    arrival_at = START_AT + timedelta(hours=arrives_h)
    return CarTask(device_id=CHARGER, arrival_at=arrival_at, departure_at=LEAVES_AT, session_target_wh=target_wh)


def test_what_is_measured_and_expected_is_what_is_posed():
    problem = posed(home_a(), House(stored_wh=4_200.0), outlook())
    assert problem.issued_at == START_AT
    assert problem.load_power_w == (400.0,) * 4
    assert problem.known_price_slots == 3
    (battery,) = problem.batteries
    assert (battery.device_id, battery.stored_wh, battery.floor_wh) == (BATTERY, 4_200.0, 1_000.0)
    assert battery.terminal_value_eur_per_kwh == pytest.approx(TERMINAL_VALUE_RATIO * 0.3)
    (plant,) = problem.pv
    assert (plant.production_power_w, plant.curtailable) == ((1_000.0,) * 4, True)


@pytest.mark.parametrize(
    ("house", "told", "needed_wh"),
    [
        (House(car=CarState.CONNECTED), task(), 12_000.0),
        (House(car=CarState.CHARGING, session_wh=5_000.0), task(), 7_000.0),
        (House(car=CarState.CHARGING, session_wh=15_000.0), task(), 0.0),
        (House(car=CarState.FINISHED), task(), None),
        (House(car=CarState.ABSENT), task(), None),
        (House(car=CarState.CONNECTED, session_wh=5_000.0), task(arrives_h=3.0), 12_000.0),
        (House(without=(CHARGER,)), task(), None),
    ],
    ids=["fresh", "half done", "beyond", "finished", "gone", "the next one", "silent"],
)
def test_a_car_needs_what_its_session_has_not_got_yet(house: House, told: CarTask, needed_wh: float | None):
    cars = posed(home_a(), house, outlook(cars=(told,))).cars
    assert [car.energy_needed_wh for car in cars] == ([] if needed_wh is None else [needed_wh])


def test_a_net_metered_year_makes_its_prices_and_says_where_the_horizon_may_use_it_up():
    year = NetMetering(ordinary_year=GridEnergy(import_wh=3e6, export_wh=2e6), fee_eur_per_kwh=0.01)
    site = replace(home_a(), tariff=replace(home_a().tariff, net_metering=year))
    problem = posed(site, House(), replace(outlook(), year_balance_wh=2_000.0))
    assert problem.export_price_eur_per_kwh == pytest.approx((0.19, 0.29, 0.39, 0.29))
    assert problem.import_price_eur_per_kwh == (0.2, 0.3, 0.4, 0.3)
    assert problem.netting == NettingInput(balance_wh=2_000.0, surplus_price_eur_per_kwh=0.05)
    surplus = posed(site, House(), replace(outlook(), year_balance_wh=-2_000.0))
    assert surplus.import_price_eur_per_kwh == pytest.approx((0.06,) * 4)
    assert surplus.batteries[0].terminal_value_eur_per_kwh == pytest.approx(TERMINAL_VALUE_RATIO * 0.06)


def test_emissions_are_posed_by_the_clock_of_the_house():
    carbon = CarbonPrice(
        price_eur_per_kg=0.1,
        otherwise_g_per_kwh=300.0,
        windows=(IntensityWindow(window=TimeWindow(start_s=int(13.5 * 3600)), intensity_g_per_kwh=500.0),),
    )
    site = replace(home_a(), tariff=replace(home_a().tariff, carbon=carbon))
    problem = posed(site, House(), outlook())  # from 13:00 in Amsterdam on
    assert problem.carbon == CarbonInput(intensity_g_per_kwh=(300.0, 300.0, 500.0, 500.0), price_eur_per_kg=0.1)
    assert posed(home_a(), House(), outlook()).carbon is None


def test_a_device_that_does_not_answer_is_not_planned_with():
    assert posed(home_a(), House(without=(BATTERY,)), outlook()).batteries == ()
    assert posed(home_a(), House(stored_wh=None), outlook()).batteries == ()


def test_heat_is_planned_where_somebody_knows_the_weather():
    assert posed(home_b(), House(), outlook()).heat == ()
    assert len(posed(home_b(), House(), outlook(outdoor_c=(5.0,) * 4)).heat) == 1


def test_the_tightest_limit_on_the_connection_counts():
    site = replace(home_a(), connection=replace(home_a().connection, import_power_max_w=5_000.0))
    assert posed(site, House(), outlook()).import_power_max_w == (5_000.0,) * 4
    limit = Limit(authority=Authority.OPERATOR, source="grid", import_power_max_w=4_200.0, export_power_max_w=0.0)
    problem = posed(site, House(), outlook(), limit)
    assert problem.import_power_max_w == (5_000.0,) * 4
    assert problem.operator_import_max_w == (4_200.0,) * 4
    assert problem.operator_export_max_w == (0.0,) * 4


def test_a_limit_that_is_no_magnitude_is_planned_with_as_the_guard_keeps_it():
    """Below zero, or no number: nothing may flow."""
    for wrong_w in (-4_200.0, float("nan")):
        limit = Limit(
            authority=Authority.OPERATOR, source="grid", import_power_max_w=wrong_w, export_power_max_w=wrong_w
        )
        problem = posed(home_a(), House(), outlook(), limit)
        assert problem.operator_import_max_w == (0.0,) * 4
        assert problem.operator_export_max_w == (0.0,) * 4


def test_without_a_contract_the_fuse_limits_what_is_fed_in():
    """The guard lets 95 % of 25 A out on each of three phases: 16,387.5 W."""
    site = replace(home_a(), connection=replace(home_a().connection, export_power_max_w=None))
    assert posed(site, House(), outlook()).export_power_max_w == pytest.approx((16_387.5,) * 4)


class Answers:
    """A planner of which the test decides what it says."""

    def __init__(self, *said: bytes | WorkerError) -> None:
        self.said = list(said)

    def answer(self, problem: PlanningProblem) -> bytes:
        del problem
        said = self.said.pop(0)
        if isinstance(said, WorkerError):
            raise said
        return said

    def close(self) -> None:
        """Nothing to end."""


def solved(problem: PlanningProblem) -> tuple[Plan, bytes]:
    plan = replace(fallback_plan(problem), origin=Origin.SOLVER)
    assert violations(problem, plan) == ()
    return plan, fast_json(PlanAnswer(plan=plan, elapsed_s=0.01, solver="test"))


def test_a_good_answer_is_adopted_and_a_missing_one_is_told_with_what_is_used_instead():
    problem = posed(home_a(), House(), outlook())
    plan, answer = solved(problem)
    desk = PlanDesk(Answers(answer, WorkerError("gone"), WorkerError("gone"), WorkerError("gone")))
    adopted = desk.replan(problem, None, now_after(0))
    assert (adopted.plan, adopted.refused) == (plan, False)
    assert adopted.events == (PlanAdopted(at=START_AT, issued_at=START_AT, origin="solver"),)
    last = desk.replan(problem, plan, now_after(3_599))
    assert last.plan is plan
    assert last.events == (PlanRefused(at=now_after(3_599).at, problem="gone", instead="old plan"),)
    over = desk.replan(problem, plan, now_after(3_600))
    assert over.plan.origin is Origin.RULES
    assert over.events == (PlanRefused(at=now_after(3_600).at, problem="gone", instead="rules"),)
    rules = desk.replan(problem, over.plan, now_after(0))
    assert rules.plan is not over.plan
    assert [event.instead for event in rules.events if isinstance(event, PlanRefused)] == ["rules"]


def test_a_plan_that_breaks_a_rule_is_not_adopted_however_well_it_is_written():
    problem = posed(home_a(), House(), outlook())
    plan, _ = solved(problem)
    cheap = fast_json(
        PlanAnswer(
            plan=replace(plan, cost=replace(plan.cost, energy_eur=plan.cost.energy_eur - 1)),
            elapsed_s=0.0,
            solver="wish",
        )
    )
    decided = PlanDesk(Answers(cheap)).replan(problem, None, now_after(0))
    assert decided.refused
    assert decided.plan.origin is Origin.RULES
    (event,) = decided.events
    assert isinstance(event, PlanRefused)
    assert "cost: " in event.problem


def test_the_forecasts_bands_say_how_far_off_they_may_be():
    load = replace(forecast(400.0), p05_w=(200.0,) * 4, p10_w=(272.0,) * 4, p90_w=(1_040.0,) * 4, p95_w=(1_100.0,) * 4)
    sun = replace(forecast(1_000.0), p05_w=(300.0,) * 4, p10_w=(476.0,) * 4, p90_w=(1_500.0,) * 4, p95_w=(1_600.0,) * 4)
    problem = posed(home_a(), House(), replace(outlook(), load=load, pv={PV: sun}))
    assert problem.net_error_w == pytest.approx((500.0,) * 4)  # 300 W of load and 400 W of sun
    assert posed(home_a(), House(), outlook()).net_error_w == (0.0,) * 4
