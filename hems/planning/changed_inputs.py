"""How the inputs of a plan differ from those of the one before, each priced by the marginal prices of both."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Self, TypeVar

from hems.domain.change import Input, InputChange
from hems.domain.plan import Plan
from hems.domain.problem import CarInput, HeatInput, PlanningProblem, Series
from hems.domain.site import DeviceId
from hems.planning.reading import connected_ratio

DEPARTURE_S = 900
"""A departure moved by less is the same."""
SMALL_EUR = 1e-6

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """Two plans of one house with what they were made of, and the slots that both cover."""

    old_problem: PlanningProblem
    old_plan: Plan
    problem: PlanningProblem
    plan: Plan
    passed: int
    """Slots of the old grid that are over."""
    count: int
    """Slots that both cover, >= 1."""

    @classmethod
    def of(cls, before: tuple[PlanningProblem, Plan], after: tuple[PlanningProblem, Plan]) -> Self | None:
        """None where they share no slot, or their slots are of different length."""
        old, new = before[1].grid, after[1].grid
        if old.slot_s != new.slot_s or new.start_at < old.start_at or before[0].grid != old or after[0].grid != new:
            return None
        passed = passed_slots(before[0], after[0])
        count = min(old.count - passed, new.count)
        if count < 1:
            return None
        return cls(
            old_problem=before[0],
            old_plan=before[1],
            problem=after[0],
            plan=after[1],
            passed=passed,
            count=count,
        )

    @property
    def slot_h(self) -> float:
        """Length of a slot [h]."""
        return self.problem.grid.slot_h

    @property
    def start_at(self) -> datetime:
        """Beginning of the first common slot."""
        return self.problem.grid.start_at

    def old(self, series: Sequence[_T]) -> tuple[_T, ...]:
        """Values of the old grid in the common slots."""
        return tuple(series[self.passed : self.passed + self.count])

    def new(self, series: Sequence[_T]) -> tuple[_T, ...]:
        """Values of the new grid in the common slots."""
        return tuple(series[: self.count])

    def prices(self) -> Series:
        """What a kWh costs inside the plans: the mean of both [EUR/kWh]."""
        return tuple(
            (before + after) / 2
            for before, after in zip(self.old(_marginal(self.old_plan)), self.new(_marginal(self.plan)), strict=True)
        )


def _marginal(plan: Plan) -> Series:
    """Without an explanation (rules) the price of buying stands for it."""
    return plan.import_price_eur_per_kwh if plan.explanation is None else plan.explanation.marginal_price_eur_per_kwh


def passed_slots(old: PlanningProblem, new: PlanningProblem) -> int:
    """Slots of the old grid that are over at the start of the new one."""
    return old.grid.whole_slots_before(new.grid.start_at)


def elapsed_ratio(old: PlanningProblem, new: PlanningProblem) -> Series:
    """Share of each slot of the old grid between the two problems, 0..1."""
    start_s, end_s = ((each.issued_at - old.grid.start_at) / timedelta(seconds=old.grid.slot_s) for each in (old, new))
    # A grid may begin a moment before or after its problem was posed.
    return tuple(
        max(0.0, min(slot + 1, end_s) - max(float(slot), start_s)) for slot in range(passed_slots(old, new) + 1)
    )


def expected_wh(old: PlanningProblem, plan: Plan, new: PlanningProblem, device_id: DeviceId) -> float | None:
    """Energy that a battery should have by the old plan when the new problem was posed; None: unknown to it [Wh]."""
    battery = next((each for each in old.batteries if each.device_id == device_id), None)
    planned = next((each for each in plan.batteries if each.device_id == device_id), None)
    if battery is None or planned is None:
        return None
    return expected_level(old, new, battery.stored_wh, planned.stored_wh)


def expected_level(old: PlanningProblem, new: PlanningProblem, start: float, planned: Series) -> float:
    """A level that was ``start`` when the old problem was posed and follows its plan until the new one was posed."""
    steps = (after - before for before, after in pairwise((start, *planned)))
    return start + sum(step * share for step, share in zip(steps, elapsed_ratio(old, new), strict=False))


def left_wh(old: PlanningProblem, plan: Plan, new: PlanningProblem, car: CarInput) -> float:
    """What a car would have left to charge by the old plan when the new problem was posed, >= 0 [Wh]."""
    planned = next((each.power_w for each in plan.cars if each.device_id == car.device_id), ())
    elapsed = zip(planned, elapsed_ratio(old, new), strict=False)
    return max(0.0, car.energy_needed_wh - sum(power_w * share for power_w, share in elapsed) * old.grid.slot_h)


def changed_inputs(both: Both) -> Iterator[InputChange]:
    """Every input that differs, in no order."""
    for each in (_load, _sun, _prices, _stored, _cars, _heat, _appliances, _limits, _promises):
        yield from (found for found in each(both) if found.weight_eur > SMALL_EUR)


def _change(
    changed: Input, effect_eur: float, *, energy_wh: float = 0.0, device_id: DeviceId | None = None, acting: float = 0.0
) -> InputChange:
    return InputChange(
        changed=changed,
        device_id=device_id,
        energy_wh=energy_wh,
        effect_eur=effect_eur,
        weight_eur=max(abs(effect_eur), abs(acting)),
    )


def _priced(both: Both, changed_w: Iterable[float]) -> tuple[float, float]:
    """Energy [Wh] and its cost [EUR] of a change of load."""
    energy_wh = cost_eur = 0.0
    for change_w, price in zip(changed_w, both.prices(), strict=True):
        energy_wh += change_w * both.slot_h
        cost_eur += change_w * both.slot_h / 1000 * price
    return energy_wh, cost_eur


def _minus(new: Series, old: Series) -> list[float]:
    return [after - before for after, before in zip(new, old, strict=True)]


def _load(both: Both) -> Iterator[InputChange]:
    changed_w = _minus(both.new(both.problem.load_power_w), both.old(both.old_problem.load_power_w))
    energy_wh, cost_eur = _priced(both, changed_w)
    yield _change(Input.LOAD, cost_eur, energy_wh=energy_wh)


def _sun(both: Both) -> Iterator[InputChange]:
    was = {each.device_id: each.production_power_w for each in both.old_problem.pv}
    for plant in both.problem.pv:
        if plant.device_id in was:
            changed_w = _minus(both.new(plant.production_power_w), both.old(was[plant.device_id]))
            energy_wh, worth_eur = _priced(both, changed_w)
            yield _change(Input.SUN, -worth_eur, energy_wh=energy_wh, device_id=plant.device_id)


def _prices(both: Both) -> Iterator[InputChange]:
    """Other prices for what is bought and sold. Acting on them saves what the old exchange costs more than the new."""
    buy = _minus(both.new(both.problem.import_price_eur_per_kwh), both.old(both.old_problem.import_price_eur_per_kwh))
    sell = _minus(both.new(both.problem.export_price_eur_per_kwh), both.old(both.old_problem.export_price_eur_per_kwh))
    was_eur, now_eur = (
        [
            both.slot_h / 1000 * (max(power_w, 0.0) * more - max(-power_w, 0.0) * earns)
            for power_w, more, earns in zip(powers_w, buy, sell, strict=True)
        ]
        for powers_w in (both.old(both.old_plan.grid_power_w), both.new(both.plan.grid_power_w))
    )
    known = range(max(0, both.old_problem.known_price_slots - both.passed), both.problem.known_price_slots)
    for changed, slots in (
        (Input.PRICES_PUBLISHED, [slot for slot in range(both.count) if slot in known]),
        (Input.PRICES, [slot for slot in range(both.count) if slot not in known]),
    ):
        before_eur, after_eur = (sum(each[slot] for slot in slots) for each in (was_eur, now_eur))
        yield _change(changed, (before_eur + after_eur) / 2, acting=before_eur - after_eur)


def _stored(both: Both) -> Iterator[InputChange]:
    values = {each.device_id: each.value_eur_per_kwh for each in both.plan.batteries}
    for battery in both.problem.batteries:
        expected = expected_wh(both.old_problem, both.old_plan, both.problem, battery.device_id)
        if expected is not None:
            value = (values.get(battery.device_id) or both.prices())[0]
            energy_wh = battery.stored_wh - expected
            yield _change(Input.STORED, -energy_wh / 1000 * value, energy_wh=energy_wh, device_id=battery.device_id)


def _cars(both: Both) -> Iterator[InputChange]:
    was, now = (_first_by_charger(each.cars) for each in (both.old_problem, both.problem))
    for device_id in sorted(was.keys() | now.keys()):
        old, new = was.get(device_id), now.get(device_id)
        left = 0.0 if old is None else left_wh(both.old_problem, both.old_plan, both.problem, old)
        if old is None and new is not None:
            cost_eur = _fill_eur(both, new, new.energy_needed_wh)
            yield _change(Input.CAR_CAME, cost_eur, energy_wh=new.energy_needed_wh, device_id=device_id)
        elif old is not None and new is None:
            yield _change(Input.CAR_LEFT, -_fill_eur(both, old, left), energy_wh=-left, device_id=device_id)
        elif old is not None and new is not None:
            needed = new.energy_needed_wh
            more_eur = _fill_eur(both, old, needed) - _fill_eur(both, old, left)
            yield _change(Input.CAR_NEED, more_eur, energy_wh=needed - left, device_id=device_id)
            if max(abs(new.departure_at - old.departure_at), _later(new, old)) >= timedelta(seconds=DEPARTURE_S):
                moved_eur = _fill_eur(both, new, needed) - _fill_eur(both, old, needed)
                yield _change(Input.CAR_DEPARTURE, moved_eur, device_id=device_id)


def _first_by_charger(cars: Sequence[CarInput]) -> dict[DeviceId, CarInput]:
    """The car that is there, or comes first."""
    return {each.device_id: each for each in sorted(cars, key=lambda car: car.arrival_at, reverse=True)}


def _later(new: CarInput, old: CarInput) -> timedelta:
    """By how much an arrival moved; one that came early is there, and nothing else."""
    return max(timedelta(0), new.arrival_at - old.arrival_at)


def _fill_eur(both: Both, car: CarInput, energy_wh: float) -> float:
    """What charging costs in the cheapest common slots of a stay; what does not fit, at the dearest price."""
    prices, cost_eur, left = both.prices(), 0.0, energy_wh
    share = connected_ratio(car, both.problem.grid)[: both.count]
    for price, slot_wh in sorted(
        (prices[slot], car.power_max_w * each * both.slot_h) for slot, each in enumerate(share)
    ):
        taken = min(left, slot_wh)
        cost_eur += taken / 1000 * price
        left -= taken
    return cost_eur + left / 1000 * max(prices)


def _heat(both: Both) -> Iterator[InputChange]:
    """Heat that the pump need not make, or has to: as electricity."""
    was = {each.device_id: each for each in both.old_problem.heat}
    planned = {each.device_id: each for each in both.old_plan.heat}
    for pump in both.problem.heat:
        old, plan = was.get(pump.device_id), planned.get(pump.device_id)
        if old is not None and plan is not None:
            changed_w = [0.0] * both.count
            for slot, change_w in _more_heat_w(both, old, pump):
                changed_w[slot] += change_w
            energy_wh, cost_eur = _priced(both, changed_w)
            missing = _colder_wh(both, old, pump, plan.room_c, plan.tank_c)
            cost_eur += missing / 1000 * sum(both.prices()) / both.count
            yield _change(Input.TEMPERATURE, cost_eur, energy_wh=energy_wh + missing, device_id=pump.device_id)


def _more_heat_w(both: Both, old: HeatInput, new: HeatInput) -> Iterator[tuple[int, float]]:
    """Per slot the electrical power that other weather and other draws ask for."""
    if old.room is not None and new.room is not None:
        outdoor = _minus(both.new(new.room.outdoor_c), both.old(old.room.outdoor_c))
        gains = _minus(both.new(new.room.gains_w), both.old(old.room.gains_w))
        for slot, (warmer, gain) in enumerate(zip(outdoor, gains, strict=True)):
            yield slot, -(new.room.loss_w_per_k * warmer + gain) / _cop(new.room.cop_ratio)
    if old.tank is not None and new.tank is not None:
        for slot, drawn in enumerate(_minus(both.new(new.tank.draws_w), both.old(old.tank.draws_w))):
            yield slot, drawn / _cop(new.tank.cop_ratio)


def _colder_wh(both: Both, old: HeatInput, new: HeatInput, room_c: Series, tank_c: Series) -> float:
    """Electricity that room and tank lack against what the old plan expected for this moment [Wh]."""
    found = 0.0
    for before, after, planned in ((old.room, new.room, room_c), (old.tank, new.tank, tank_c)):
        if before is not None and after is not None:
            expected_c = expected_level(both.old_problem, both.problem, before.temperature_c, planned)
            found += (expected_c - after.temperature_c) * after.capacity_wh_per_k / _cop(after.cop_ratio)
    return found


def _cop(ratios: Series) -> float:
    return max(1.0, sum(ratios) / len(ratios))


def _appliances(both: Both) -> Iterator[InputChange]:
    """One that is asked for, or no longer."""
    was, now = ({each.device_id for each in problem.appliances} for problem in (both.old_problem, both.problem))
    for sign, ids, plan, common in (
        (1.0, now - was, both.plan, both.new),
        (-1.0, was - now, both.old_plan, both.old),
    ):
        for each in plan.appliances:
            if each.device_id in ids:
                energy_wh, cost_eur = _priced(both, [sign * power_w for power_w in common(each.power_w)])
                yield _change(Input.APPLIANCE, cost_eur, energy_wh=energy_wh, device_id=each.device_id)


def _limits(both: Both) -> Iterator[InputChange]:
    """Other room at the connection. Acting on it is worth the energy that no longer fits, or fits now."""
    was, now = both.old(_room_w(both.old_problem)), both.new(_room_w(both.problem))
    was_price, now_price = both.old(_limit_price(both.old_plan)), both.new(_limit_price(both.plan))
    old_w, new_w = both.old(both.old_plan.grid_power_w), both.new(both.plan.grid_power_w)
    effect_eur = acting_eur = 0.0
    for slot, price in enumerate(both.prices()):
        less_wh = (was[slot] - now[slot]) * both.slot_h
        effect_eur += less_wh / 1000 * (now_price if less_wh > 0 else was_price)[slot]
        squeezed_w = max(0.0, old_w[slot] - now[slot]) if less_wh > 0 else max(0.0, new_w[slot] - was[slot])
        acting_eur += squeezed_w * both.slot_h / 1000 * abs(price)
    yield _change(Input.LIMIT, effect_eur, acting=acting_eur)


def _room_w(problem: PlanningProblem) -> Series:
    """Import that connection and grid operator allow [W]."""
    operator_w = problem.operator_import_max_w or problem.import_power_max_w
    return tuple(min(both) for both in zip(problem.import_power_max_w, operator_w, strict=True))


def _limit_price(plan: Plan) -> Series:
    return (0.0,) * plan.grid.count if plan.explanation is None else plan.explanation.limit_price_eur_per_kwh


def _promises(both: Both) -> Iterator[InputChange]:
    """What was promised anew, or no longer: worth as much as it differs from what would have been exchanged."""
    acting_eur = 0.0
    was, now = both.old(_promised_w(both.old_problem)), both.new(_promised_w(both.problem))
    old_w, new_w = both.old(both.old_plan.grid_power_w), both.new(both.plan.grid_power_w)
    for before, after, old, new, price in zip(was, now, old_w, new_w, both.prices(), strict=True):
        if after is not None and after != before:
            acting_eur += abs(after - old) * both.slot_h / 1000 * abs(price)
        elif before is not None and after is None:
            acting_eur += abs(before - new) * both.slot_h / 1000 * abs(price)
    yield _change(Input.PROMISE, 0.0, acting=acting_eur)


def _promised_w(problem: PlanningProblem) -> tuple[float | None, ...]:
    return tuple(
        next((each.grid_power_w[slot] for each in problem.commitments if each.grid_power_w[slot] is not None), None)
        for slot in range(problem.grid.count)
    )
