"""What a plan says of itself is tried: energy is moved, load and room are added, and the house is solved again."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from hems.domain.plan import Decider, DeviceReasons, Explanation
from hems.domain.problem import PlanningProblem, PvInput, Series
from hems.domain.site import DeviceId
from hems.solving.plan import solve
from tests.support.odd_problems import odd_problem
from tests.support.perturbed import Tried, cost_with, moves, priced_again, tried, with_load, with_room
from tests.support.problems import (
    ONE_PHASE,
    THREE_PHASES,
    appliance,
    battery,
    car,
    circuit,
    flat_problem,
    full_problem,
    heat_pump,
    house_problem,
    room,
)

COUNT = 32


def _heated(seed: int) -> PlanningProblem:
    return house_problem(seed, with_heat=True, count=COUNT)


def _tight(seed: int) -> PlanningProblem:
    return replace(_heated(seed), import_power_max_w=(4000.0,) * COUNT, export_power_max_w=(1500.0,) * COUNT)


def _fused(seed: int) -> PlanningProblem:
    house = _heated(seed)
    cars = tuple(replace(each, modes=(ONE_PHASE, THREE_PHASES)) for each in house.cars)
    return replace(house, cars=cars, circuits=(circuit(phase_power_max_w=(1700.0,) * 3),))


def _sun_only(seed: int) -> PlanningProblem:
    house = house_problem(seed, count=COUNT)
    return replace(house, batteries=tuple(replace(each, charges_from_grid=False) for each in house.batteries))


def _full(seed: int) -> PlanningProblem:
    return full_problem(seed, count=COUNT)


def _all_tried(make: Callable[[int], PlanningProblem], seeds: range) -> list[tuple[int, Tried]]:
    found = [(seed, tried(make(seed))) for seed in seeds]
    return [(seed, each) for seed, each in found if each is not None]


@pytest.mark.parametrize(
    ("make", "seeds", "each"),
    [
        (_heated, range(4), 6),
        (_tight, range(4), 4),
        (_fused, range(3), 4),
        (_full, range(2), 4),
        (odd_problem, range(1, 30), 3),
    ],
)
def test_energy_moved_to_or_from_another_time_costs_at_least_what_is_said(make, seeds: range, each: int) -> None:
    compared, broken = 0, []
    for seed, at in _all_tried(make, seeds):
        for move in moves(at, random.Random(seed), each):
            costs = [cost for way in move.ways if (cost := cost_with(at, way)) is not None]
            if costs:
                compared += 1
                if min(costs) - at.cost_eur < move.said_eur_per_kwh * move.energy_kwh - at.rounding_eur:
                    broken.append((seed, move, min(costs) - at.cost_eur))
    assert compared >= 20
    assert len(broken) <= compared // 100, broken[:3]


@pytest.mark.parametrize(
    ("make", "seeds"), [(_tight, range(3)), (_fused, range(3)), (_sun_only, range(3)), (odd_problem, range(1, 30))]
)
def test_one_more_kwh_of_load_costs_the_marginal_price(make, seeds: range) -> None:
    """Price of a little less <= marginal price <= price of a little more: a kink lies between."""
    compared = 0
    for seed, at in _all_tried(make, seeds):
        rng = random.Random(seed)
        for slot in [rng.randrange(at.problem.grid.count) for _ in range(4)]:
            prices = _slopes(at, slot, with_load)
            said = at.explanation.marginal_price_eur_per_kwh[slot]
            if prices is not None and abs(said) < 10:
                compared += 1
                less, more = prices
                assert less - 1e-3 <= said <= more + 1e-3, (seed, slot)
    assert compared >= 10


def _slopes(
    at: Tried, slot: int, change: Callable[[PlanningProblem, int, float], PlanningProblem]
) -> tuple[float, float] | None:
    """Cost per kWh of a little less and of a little more."""
    step_kwh = 0.01
    here = priced_again(at, at.problem)
    less, more = (priced_again(at, change(at.problem, slot, sign * step_kwh)) for sign in (-1, 1))
    if here is None or less is None or more is None or abs(here - at.cost_eur) > at.rounding_eur:
        return None
    return (here - less) / step_kwh, (more - here) / step_kwh


def test_one_more_kwh_of_room_at_the_connection_saves_the_limit_price() -> None:
    compared = 0
    for seed, at in _all_tried(_tight, range(4)):
        limited = [slot for slot, price in enumerate(at.explanation.limit_price_eur_per_kwh) if price > 0.001]
        free = [slot for slot, price in enumerate(at.explanation.limit_price_eur_per_kwh) if price == 0]
        for slot in random.Random(seed).sample(limited, min(3, len(limited))) + free[:2]:
            slopes = _slopes(at, slot, with_room)
            if slopes is None:
                continue  # with less room there is no plan of this pattern
            compared += 1
            assert slopes[0] - 1e-3 <= -at.explanation.limit_price_eur_per_kwh[slot] <= slopes[1] + 1e-3, (seed, slot)
    assert compared >= 10


def test_one_more_kwh_through_the_fuse_saves_its_limit_price() -> None:
    """The car wants 10 kWh now at 10 ct; 1 kWh more room on each phase moves 3 kWh out of the hour at 40 ct."""
    problem = flat_problem(
        8,
        import_price_eur_per_kwh=_prices(0.10, 0.40),
        load_power_w=(300.0,) * 8,
        cars=(car(),),
        circuits=(circuit(phase_power_max_w=(2000.0,) * 3),),
    )
    prices = _explained(problem).limit_price_eur_per_kwh
    assert prices == pytest.approx([3 * 0.30] * 4 + [0.0] * 4, abs=0.001)


def _explained(problem: PlanningProblem) -> Explanation:
    found = solve(problem).plan.explanation
    assert found is not None
    return found


def _of(explanation: Explanation, device_id: str) -> DeviceReasons:
    return next(each for each in explanation.devices if each.device_id == DeviceId(device_id))


def _prices(*hourly: float) -> Series:
    return tuple(price for price in hourly for _ in range(4))


def test_a_car_waits_for_the_cheap_hour_and_says_what_it_would_lose() -> None:
    """20 ct now, 10 ct later: a kWh now costs 10 ct more. What does not fit into the cheap hour is charged before."""
    problem = flat_problem(8, import_price_eur_per_kwh=_prices(0.20, 0.10), load_power_w=(300.0,) * 8)
    fits = _of(_explained(replace(problem, cars=(car(energy_needed_wh=10_000.0),))), "charger")
    assert fits.decided_by[:4] == (Decider.PRICE,) * 4
    assert fits.alternative_eur_per_kwh[:4] == pytest.approx([0.10] * 4, abs=0.001)
    too_much = _of(_explained(replace(problem, cars=(car(energy_needed_wh=13_000.0),))), "charger")
    assert too_much.decided_by[4:] == (Decider.POWER_MAX,) * 4
    assert too_much.alternative_eur_per_kwh[4:] == pytest.approx([0.10] * 4, abs=0.001)


def test_a_car_that_cannot_charge_that_slowly_is_not_called_indifferent() -> None:
    """1.5 kW of sun that earn 5 ct are worth 20 ct to the car, but it takes 4.1 kW at least: the rest costs 60 ct."""
    problem = flat_problem(
        8,
        import_price_eur_per_kwh=_prices(0.60, 0.20),
        pv=(PvInput(device_id=DeviceId("roof"), production_power_w=(2000.0,) * 4 + (0.0,) * 4, curtailable=False),),
        load_power_w=(500.0,) * 8,
        cars=(car(energy_needed_wh=11_040.0),),
    )
    reasons = _of(_explained(problem), "charger")
    assert reasons.decided_by[0] is Decider.OWN_SUN  # part of a slot
    assert reasons.decided_by[1:4] == (Decider.POWER_MIN,) * 3


def test_a_battery_that_gave_all_in_the_dear_hour_is_empty() -> None:
    problem = flat_problem(
        8,
        import_price_eur_per_kwh=_prices(0.50, 0.30),
        load_power_w=(4000.0,) * 8,
        batteries=(battery(stored_wh=3000.0, terminal_value_eur_per_kwh=0.0),),
    )
    decided = _of(_explained(problem), "battery").decided_by
    assert set(decided[4:]) == {Decider.EMPTY}


def test_an_appliance_tells_what_the_next_best_start_would_cost() -> None:
    """1.1 kWh in an hour; the cheap hour saves 10 ct a kWh against the other, half of it against half an hour off."""
    problem = flat_problem(
        8, import_price_eur_per_kwh=_prices(0.30, 0.20), load_power_w=(300.0,) * 8, appliances=(appliance(),)
    )
    reasons = _of(_explained(problem), "dishwasher")
    # A quarter earlier: 0.5 kWh at the end move nothing, the first 0.5 of 1.1 kWh cost 10 ct more each.
    assert reasons.alternative_eur_per_kwh[0] == pytest.approx(0.10 * 0.5 / 1.1, abs=1e-6)
    assert set(reasons.decided_by) == {Decider.PRICE}


def test_load_behind_a_full_fuse_costs_what_it_displaces() -> None:
    """1 kWh of load in the cheap hour pushes 1 kWh of charging into the dear one."""
    problem = flat_problem(
        8,
        import_price_eur_per_kwh=_prices(0.10, 0.40),
        load_power_w=(300.0,) * 8,
        cars=(car(),),
        circuits=(circuit(phase_power_max_w=(2000.0,) * 3),),
    )
    assert _explained(problem).marginal_price_eur_per_kwh == pytest.approx([0.40] * 8, abs=0.001)


def test_a_heat_pump_tells_price_and_comfort() -> None:
    """Dear first, cheap then, dear again: it rests while it is warm enough, and never heats beyond the band."""
    problem = flat_problem(
        24,
        import_price_eur_per_kwh=_prices(0.50, 0.50, 0.10, 0.10, 0.50, 0.50),
        load_power_w=(300.0,) * 24,
        heat=(heat_pump(24, room=room(24, temperature_c=19.5)),),
    )
    reasons = _of(_explained(problem), "heat_pump")
    assert reasons.decided_by[0] is Decider.PRICE
    assert reasons.alternative_eur_per_kwh[0] > 0.2
