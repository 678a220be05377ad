"""Two problems a quarter of an hour apart that differ in one input, and in the little that always differs."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from hems.domain.change import Input
from hems.domain.plan import Plan
from hems.domain.problem import PlanningProblem, Series
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid
from hems.planning.changed_inputs import expected_level, expected_wh, left_wh
from hems.planning.plausible import plausible
from tests.support.problems import car, house_problem

COUNT = 96
AHEAD = COUNT + 1
"""The new problem reaches a slot further."""
KNOWN = 48


def first_problem(seed: int) -> PlanningProblem:
    """Battery, sun, a car and a heat pump; published prices for twelve hours."""
    house = house_problem(seed, with_heat=True, count=AHEAD)
    return replace(_cut(house, 0), known_price_slots=KNOWN)


def next_problem(seed: int, plan: Plan) -> PlanningProblem:
    """A quarter of an hour later: everything went as planned, but load and sun are seen a little differently."""
    rng = random.Random(seed + 1)
    old = first_problem(seed)
    new = _cut(house_problem(seed, with_heat=True, count=AHEAD), 1)
    moment = replace(old, issued_at=new.issued_at, grid=new.grid)
    heat_plan = plan.heat[0]
    pump = new.heat[0]
    assert pump.room is not None
    assert pump.tank is not None
    return replace(
        new,
        known_price_slots=KNOWN - 1,
        load_power_w=tuple(each * rng.uniform(0.95, 1.05) for each in new.load_power_w),
        pv=tuple(replace(each, production_power_w=_noisy(rng, each.production_power_w)) for each in new.pv),
        batteries=tuple(
            replace(each, stored_wh=(expected_wh(old, plan, moment, each.device_id) or 0.0) + rng.gauss(0, 20))
            for each in new.batteries
        ),
        cars=tuple(
            replace(
                each,
                energy_needed_wh=left_wh(old, plan, moment, each),
                announced_on=tuple(power_w > 1 for power_w in plan.cars[0].power_w[1:]),
                charging_mode=0 if plan.cars[0].power_w[0] > 1 else None,
            )
            for each in old.cars
        ),
        heat=(
            replace(
                pump,
                room=replace(pump.room, temperature_c=expected_level(old, moment, 20.0, heat_plan.room_c)),
                tank=replace(pump.tank, temperature_c=expected_level(old, moment, 50.0, heat_plan.tank_c)),
                running=heat_plan.power_w[0] > 1,
                announced_on=tuple(power_w > 1 for power_w in heat_plan.power_w[1:]),
            ),
        ),
        change_cost_eur=0.005,
    )


def _noisy(rng: random.Random, series: Series) -> Series:
    return tuple(each * rng.uniform(0.97, 1.03) for each in series)


def _cut(house: PlanningProblem, first: int) -> PlanningProblem:
    """``COUNT`` slots from one on."""

    def cut(series: Series) -> Series:
        return series[first : first + COUNT]

    start_at = house.grid.slot_start(first)
    pump = house.heat[0]
    assert pump.room is not None
    assert pump.tank is not None
    room = replace(
        pump.room,
        comfort_min_c=cut(pump.room.comfort_min_c),
        comfort_max_c=cut(pump.room.comfort_max_c),
        outdoor_c=cut(pump.room.outdoor_c),
        gains_w=cut(pump.room.gains_w),
        cop_ratio=cut(pump.room.cop_ratio),
    )
    tank = replace(pump.tank, draws_w=cut(pump.tank.draws_w), cop_ratio=cut(pump.tank.cop_ratio))
    return replace(
        house,
        issued_at=start_at,
        grid=SlotGrid(start_at=start_at, count=COUNT),
        import_price_eur_per_kwh=cut(house.import_price_eur_per_kwh),
        export_price_eur_per_kwh=cut(house.export_price_eur_per_kwh),
        load_power_w=cut(house.load_power_w),
        import_power_max_w=cut(house.import_power_max_w),
        export_power_max_w=cut(house.export_power_max_w),
        pv=tuple(replace(each, production_power_w=cut(each.production_power_w)) for each in house.pv),
        heat=(replace(pump, room=room, tank=tank),),
    )


def _load(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    first, more_w = rng.randrange(60), rng.uniform(1000, 3000)
    return replace(
        problem,
        load_power_w=tuple(
            each + (more_w if first <= slot < first + 20 else 0.0) for slot, each in enumerate(problem.load_power_w)
        ),
    )


def _sun(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    ratio = rng.choice([0.2, 0.4, 1.6])
    return replace(
        problem,
        pv=tuple(
            replace(each, production_power_w=tuple(ratio * power_w for power_w in each.production_power_w))
            for each in problem.pv
        ),
    )


def _published(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    level = rng.choice([-0.08, 0.08])
    changed = [0.0] * (KNOWN - 1) + [level + rng.gauss(0, 0.04) for _ in range(COUNT - KNOWN + 1)]
    return replace(
        problem,
        known_price_slots=COUNT,
        import_price_eur_per_kwh=tuple(
            each + more for each, more in zip(problem.import_price_eur_per_kwh, changed, strict=True)
        ),
        export_price_eur_per_kwh=tuple(
            each + more for each, more in zip(problem.export_price_eur_per_kwh, changed, strict=True)
        ),
    )


def _prices(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    level = rng.choice([-0.1, 0.1])
    first = rng.randrange(30)
    changed = [level if first <= slot < first + 16 else 0.0 for slot in range(COUNT)]
    return replace(
        problem,
        import_price_eur_per_kwh=tuple(
            each + more for each, more in zip(problem.import_price_eur_per_kwh, changed, strict=True)
        ),
        export_price_eur_per_kwh=tuple(
            each + more for each, more in zip(problem.export_price_eur_per_kwh, changed, strict=True)
        ),
    )


def _car_came(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    arrived = car(
        device_id=DeviceId("second_charger"),
        arrival_at=problem.grid.start_at,
        departure_at=problem.grid.start_at + timedelta(hours=rng.uniform(5, 20)),
        energy_needed_wh=rng.uniform(5000, 20_000),
    )
    return replace(problem, cars=(*problem.cars, arrived))


def _car_left(_: random.Random, problem: PlanningProblem) -> PlanningProblem:
    return replace(problem, cars=())


def _car_need(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    more_wh = rng.uniform(4000, 12_000)
    return replace(
        problem, cars=tuple(replace(each, energy_needed_wh=each.energy_needed_wh + more_wh) for each in problem.cars)
    )


def _stored(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    def other(stored_wh: float) -> float:
        return stored_wh - rng.uniform(2000, 4000) if stored_wh > 5500 else stored_wh + rng.uniform(2000, 4000)

    return replace(
        problem, batteries=tuple(replace(each, stored_wh=other(each.stored_wh)) for each in problem.batteries)
    )


def _limit(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    first = rng.randrange(8)
    return replace(
        problem,
        import_power_max_w=tuple(
            1800.0 if first <= slot < first + 40 else each for slot, each in enumerate(problem.import_power_max_w)
        ),
    )


def _temperature(rng: random.Random, problem: PlanningProblem) -> PlanningProblem:
    pump = problem.heat[0]
    assert pump.room is not None
    colder = rng.uniform(5.0, 10.0)
    room = replace(pump.room, outdoor_c=tuple(each - colder for each in pump.room.outdoor_c))
    return replace(problem, heat=(replace(pump, room=room),))


PLANTED: dict[Input, Callable[[random.Random, PlanningProblem], PlanningProblem]] = {
    Input.LOAD: _load,
    Input.SUN: _sun,
    Input.PRICES_PUBLISHED: _published,
    Input.PRICES: _prices,
    Input.CAR_CAME: _car_came,
    Input.CAR_LEFT: _car_left,
    Input.CAR_NEED: _car_need,
    Input.STORED: _stored,
    Input.LIMIT: _limit,
    Input.TEMPERATURE: _temperature,
}


def planted(seed: int, changed: Input, plan: Plan) -> PlanningProblem:
    """The next problem with one input changed on purpose."""
    return plausible(PLANTED[changed](random.Random(seed + 2), next_problem(seed, plan)))
