"""Heat pumps in the plan, against powers and temperatures found by hand. Slots of 15 min, 0.30 EUR in."""

import math
from datetime import timedelta

import pytest

from hems.domain.plan import HeatPlan, Wish
from hems.domain.problem import HygieneInput, PlanningProblem
from tests.support.planned import planned
from tests.support.problems import START_AT, flat_problem, heat_pump, room, tank

IN_TURN = (0.10, 0.10, 0.50, 0.50) * 6


def heated(problem: PlanningProblem) -> HeatPlan:
    return planned(problem).heat[0]


def runs(power_w: tuple[float, ...]) -> list[int]:
    """Lengths of the times in which it runs."""
    signs = "".join("1" if each > 1 else "0" for each in power_w)
    return [len(each) for each in signs.split("0") if each]


def test_a_room_at_its_lower_edge_gets_what_it_loses():
    """150 W/K over 14 K by a COP of 4 is 525 W."""
    pump = heat_pump(power_min_w=0.0, room=room(temperature_c=19.0))
    own = heated(flat_problem(heat=(pump,)))
    assert own.power_w == pytest.approx((525.0,) * 8, abs=0.1)
    assert own.room_c == pytest.approx((19.0,) * 8)


def test_a_warm_room_waits_for_the_cheap_hour():
    """At 20 degrees C it falls by 0.22 K an hour: 19.56 after two hours without heat."""
    own = heated(flat_problem(import_price_eur_per_kwh=(0.40,) * 4 + (0.10,) * 4, heat=(heat_pump(),)))
    assert not any(own.power_w)
    assert own.room_c[-1] == pytest.approx(5 + 15 * math.exp(-2 * 150 / 10_000))


def test_a_cold_room_is_heated_at_full_power_at_any_price():
    pump = heat_pump(room=room(temperature_c=17.0))
    plan = planned(flat_problem(import_price_eur_per_kwh=(0.90,) * 4 + (0.10,) * 4, heat=(pump,)))
    assert plan.heat[0].power_w == (2500.0,) * 8
    assert [(each.wish, round(each.shortfall, 2)) for each in plan.unmet] == [(Wish.HEAT_MIN, 1.8)]


def test_a_pump_that_has_just_started_runs_its_time():
    """On for 15 of 45 minutes: two quarters of an hour more, at its smallest power."""
    pump = heat_pump(running=True, state_s=900.0, min_run_s=2700.0, room=room(temperature_c=21.0))
    assert heated(flat_problem(heat=(pump,))).power_w == (600.0, 600.0) + (0.0,) * 6


def test_a_pump_that_has_just_stopped_rests_its_time():
    """Off for 5 of 25 minutes: 20 minutes are two slots."""
    pump = heat_pump(state_s=300.0, min_rest_s=1500.0, room=room(temperature_c=17.0))
    assert heated(flat_problem(heat=(pump,))).power_w == (0.0, 0.0) + (2500.0,) * 6


@pytest.mark.parametrize("min_run_s", [0.0, 3600.0])
def test_no_run_is_shorter_than_the_pump_allows(min_run_s: float):
    """Two cheap quarters of an hour in turn with two dear ones; the room needs 525 W of 2,500 W at least."""
    pump = heat_pump(24, min_run_s=min_run_s, room=room(24, temperature_c=19.0))
    problem = flat_problem(24, import_price_eur_per_kwh=IN_TURN, heat=(pump,))
    lengths = runs(heated(problem).power_w)
    if min_run_s:
        assert min(lengths[:-1]) >= 4, "the last may go on beyond the horizon"
    else:
        assert lengths == [2] * 6


def test_no_rest_is_shorter_than_the_pump_allows():
    pump = heat_pump(24, min_rest_s=5400.0, running=True, room=room(24, temperature_c=19.0))
    power_w = heated(flat_problem(24, import_price_eur_per_kwh=IN_TURN, heat=(pump,))).power_w
    rests = runs(tuple(0.0 if each > 1 else 2.0 for each in power_w))
    assert min(rests[:-1]) >= 6


def test_starts_are_saved_where_they_cost_more_than_the_dear_hour():
    pump = heat_pump(24, room=room(24, temperature_c=19.0))
    many, few = (
        planned(
            flat_problem(
                24,
                import_price_eur_per_kwh=IN_TURN,
                heat=(heat_pump(24, room=pump.room, start_cost_eur=start_cost_eur),),
            )
        )
        for start_cost_eur in (0.0, 1.0)
    )
    assert len(runs(many.heat[0].power_w)) == 6
    assert len(runs(few.heat[0].power_w)) == 1
    assert few.cost.wear_eur == pytest.approx(1.0)


def test_a_pump_with_levels_runs_at_one_of_them():
    pump = heat_pump(24, levels_w=(1000.0, 2000.0), power_max_w=2000.0, room=room(24, temperature_c=19.0))
    power_w = heated(flat_problem(24, import_price_eur_per_kwh=IN_TURN, heat=(pump,))).power_w
    assert set(power_w) == {0.0, 1000.0, 2000.0}
    assert {price for price, each in zip(IN_TURN, power_w, strict=True) if each} == {0.10}


def test_a_tank_is_hot_once_by_the_instant_when_energy_is_cheapest():
    """After three hours it has 49.2 degrees C: 2,516 Wh of heat and 70 Wh lost meanwhile are 862 Wh of electricity."""
    hygienic = tank(24, hygiene=HygieneInput(temperature_c=60.0, by_at=START_AT + timedelta(hours=5)))
    prices = (0.40,) * 12 + (0.10,) * 4 + (0.40,) * 8
    plan = planned(flat_problem(24, import_price_eur_per_kwh=prices, heat=(heat_pump(24, room=None, tank=hygienic),)))
    assert plan.unmet == ()
    assert max(plan.heat[0].tank_c[:20]) == pytest.approx(60.0, abs=0.01)
    used_wh = [each / 4 for each in plan.heat[0].tank_power_w]
    assert sum(used_wh) == pytest.approx(862, abs=5)
    assert sum(used_wh[12:16]) == pytest.approx(sum(used_wh))


def test_a_hygiene_run_may_be_hotter_than_the_tank_is_kept():
    hygienic = tank(
        24, temperature_max_c=55.0, hygiene=HygieneInput(temperature_c=60.0, by_at=START_AT + timedelta(hours=5))
    )
    plan = planned(flat_problem(24, heat=(heat_pump(24, room=None, tank=hygienic),)))
    assert plan.unmet == ()
    assert max(plan.heat[0].tank_c) == pytest.approx(60.0, abs=0.01)


def test_a_hygiene_run_that_comes_too_soon_is_as_hot_as_it_gets():
    """775 Wh in a quarter of an hour are 3,100 W; 2,500 W make 58.06 degrees C less what is lost."""
    hygienic = tank(hygiene=HygieneInput(temperature_c=60.0, by_at=START_AT + timedelta(minutes=15)))
    plan = planned(flat_problem(heat=(heat_pump(room=None, tank=hygienic),)))
    assert plan.heat[0].power_w[0] == 2500.0
    assert [(each.wish, round(each.shortfall, 1)) for each in plan.unmet] == [(Wish.PROTECTION, 2.0)]


def test_draws_are_heated_for_before_the_dear_hour():
    """2,326 Wh tapped in the dear hour: 10 K, twice what is left above 45 degrees C."""
    draws = (0.0,) * 4 + (2326.0,) * 4
    pump = heat_pump(room=None, tank=tank(draws_w=draws))
    plan = planned(flat_problem(import_price_eur_per_kwh=(0.10,) * 4 + (0.60,) * 4, heat=(pump,)))
    assert plan.unmet == ()
    assert not any(plan.heat[0].power_w[4:])
    assert plan.heat[0].tank_c[-1] == pytest.approx(45.0, abs=0.01)


def test_one_compressor_serves_room_or_tank_with_all_its_power():
    cold = heat_pump(room=room(temperature_c=17.0), tank=tank(temperature_c=30.0))
    own = heated(flat_problem(heat=(cold,)))
    assert own.power_w == (2500.0,) * 8
    assert max(own.tank_power_w) <= 2500.0
    assert 0 < sum(own.tank_power_w) < sum(own.power_w)
