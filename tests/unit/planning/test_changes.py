"""What changed since the last plan: the input that was changed on purpose is named, noise is not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.domain.change import Input
from hems.domain.plan import Plan
from hems.domain.problem import PlanningProblem
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid
from hems.planning.changed_inputs import left_wh
from hems.planning.changes import changes, confirmed
from hems.planning.plausible import plausible
from hems.solving.plan import solve
from tests.support.planted import PLANTED, first_problem, next_problem, planted
from tests.support.problems import START_AT, battery, car, flat_problem

SEEDS = range(3)
QUARTER = timedelta(minutes=15)


def _solved(problem: PlanningProblem) -> Plan:
    return solve(problem).plan


def _pair(problem: PlanningProblem) -> tuple[PlanningProblem, Plan]:
    problem = plausible(problem)
    return problem, _solved(problem)


@pytest.fixture(scope="module")
def first() -> dict[int, tuple[PlanningProblem, Plan]]:
    return {seed: _pair(first_problem(seed)) for seed in SEEDS}


@pytest.mark.parametrize("changed", PLANTED)
def test_the_input_that_was_changed_is_named(changed: Input, first) -> None:
    named = []
    for seed in SEEDS:
        before = first[seed]
        quiet = next_problem(seed, before[1])
        if (
            changed in {Input.CAR_LEFT, Input.CAR_NEED}
            and left_wh(before[0], before[1], quiet, before[0].cars[0]) < 2000
        ):
            continue  # it has what it needs
        after = _pair(planted(seed, changed, before[1]))
        found = changes(before, after)
        assert found is not None
        named.append(confirmed(found, before, after, _solved).cause)
    assert named
    assert [each.changed for each in named if each is not None] == [changed] * len(named)


def test_what_differs_a_little_is_not_called_a_cause(first) -> None:
    for seed, before in first.items():
        found = changes(before, _pair(next_problem(seed, before[1])))
        assert found is None or found.cause is None


def _later(problem: PlanningProblem, **changed: object) -> PlanningProblem:
    start_at = START_AT + QUARTER
    moved = replace(problem, issued_at=start_at, grid=SlotGrid(start_at=start_at, count=problem.grid.count))
    return replace(moved, **changed)  # type: ignore[arg-type]


def test_a_car_that_moves_to_the_hour_that_became_cheap() -> None:
    """10 kWh by 12:00 UTC, 20 ct until 08:00 and 30 ct after; then from 10:00 on 10 ct are published."""
    charging = car(departure_at=START_AT + timedelta(hours=6), energy_needed_wh=10_000.0)
    expected = (0.20,) * 8 + (0.30,) * 24
    first = flat_problem(32, import_price_eur_per_kwh=expected, load_power_w=(300.0,) * 32, cars=(charging,))
    before = _pair(replace(first, known_price_slots=8))
    published = (*expected[1:16], *(0.10,) * 17)
    left = replace(charging, energy_needed_wh=left_wh(*before, _later(first), charging))
    after = _pair(_later(first, import_price_eur_per_kwh=published, known_price_slots=32, cars=(left,)))
    found = changes(before, after)
    assert found is not None
    assert found.cause is not None
    assert found.cause.changed is Input.PRICES_PUBLISHED
    moved = found.devices[0]
    assert moved.device_id == DeviceId("charger")
    assert moved.soon
    assert moved.start_before_at == START_AT + QUARTER
    assert moved.start_after_at == START_AT + timedelta(hours=4)
    assert moved.moved_wh == pytest.approx(left.energy_needed_wh, abs=10)
    assert confirmed(found, before, after, _solved).confirmed


def test_energy_missing_in_the_battery_is_priced_at_its_worth() -> None:
    """30 ct all day and load enough: a stored kWh saves 30 ct times 0.95; 2 kWh less than expected cost 57 ct."""
    house = flat_problem(
        32, load_power_w=(2000.0,) * 32, batteries=(battery(terminal_value_eur_per_kwh=0.0, reserve_wh=500.0),)
    )
    before = _pair(house)
    expected = before[1].batteries[0].stored_wh[0]
    after = _pair(_later(house, batteries=(replace(house.batteries[0], stored_wh=expected - 2000.0),)))
    found = changes(before, after)
    assert found is not None
    assert found.cause is not None
    assert found.cause.changed is Input.STORED
    assert found.cause.energy_wh == pytest.approx(-2000.0, abs=1)
    assert found.cause.effect_eur == pytest.approx(0.57, abs=0.005)


def test_plans_that_share_no_hour_are_not_compared() -> None:
    before = _pair(flat_problem(4))
    start_at = START_AT + timedelta(days=1)
    late = replace(flat_problem(4), issued_at=start_at, grid=SlotGrid(start_at=start_at, count=4))
    assert changes(before, _pair(late)) is None


def test_a_plan_that_does_the_same_is_no_change() -> None:
    house = flat_problem(8, load_power_w=(500.0,) * 8)
    before = _pair(house)
    dearer = _pair(replace(house, import_price_eur_per_kwh=(0.40,) * 8))
    assert changes(before, dearer) is None
