"""What a new plan does otherwise than the one before, and which input changed it.

Inputs are compared in the hours that both plans cover, and priced by the marginal prices of both plans: half of each,
so that a change that moves the price is priced in the middle. Whether the heaviest one was the cause can be tried:
:func:`as_before` puts it back into the new problem, and solved again the old decision comes back, or does not.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hems.domain.change import DeviceChange, Input, InputChange, PlanChange
from hems.domain.plan import AppliancePlan, BatteryPlan, CarPlan, HeatPlan, Plan
from hems.domain.problem import HeatInput, PlanningProblem, Series
from hems.domain.site import DeviceId
from hems.planning.changed_inputs import (
    Both,
    changed_inputs,
    expected_level,
    expected_wh,
    left_wh,
    passed_slots,
)
from hems.planning.reading import ON_W

NOTABLE_EUR = 0.02
"""Below two cents no household asks why."""
NOTABLE_WH = 500.0
NOTABLE_START_S = 1800.0
SOON_S = 7200
SOON_SLOTS_MIN = 2
"""Two quarter hours otherwise on or off in the next two hours are told; one alone is rounding."""
RESTORED_RATIO = 0.5
"""The old decision is back when less than half of the moved energy is left otherwise."""
TRIES_MAX = 3


def changes(before: tuple[PlanningProblem, Plan], after: tuple[PlanningProblem, Plan]) -> PlanChange | None:
    """What is otherwise; None where nothing is worth telling, or the plans share no hour.

    Args:
        before: the problem and the plan that were in force.
        after: the new ones, on a grid of the same slots.
    """
    both = Both.of(before, after)
    if both is None:
        return None
    # Nobody watches a battery as a car, a heat pump or a dishwasher.
    batteries = {each.device_id for each in both.plan.batteries}
    devices = sorted(_devices(both), key=lambda each: (each.device_id in batteries, not each.soon, -each.moved_wh))
    if not devices:
        return None
    inputs = tuple(sorted(changed_inputs(both), key=lambda each: -each.weight_eur))
    heavy = [each for each in inputs if each.weight_eur >= NOTABLE_EUR]
    return PlanChange(
        at=both.plan.issued_at,
        before_at=both.old_plan.issued_at,
        devices=tuple(devices),
        inputs=inputs,
        cause=heavy[0] if heavy else None,
        confirmed=False,
    )


def confirmed(
    change: PlanChange,
    before: tuple[PlanningProblem, Plan],
    after: tuple[PlanningProblem, Plan],
    solve: Callable[[PlanningProblem], Plan],
) -> PlanChange:
    """The change with its cause tried: the first input, by weight, without which the old decision comes back.

    At most ``TRIES_MAX`` problems are solved. Where none brings it back, the heaviest stays the likely cause.
    """
    both = Both.of(before, after)
    if both is None:
        return change
    moved_wh = distance_wh(both)
    for each in [each for each in change.inputs if each.weight_eur >= NOTABLE_EUR][:TRIES_MAX]:
        again = solve(as_before(before, after[0], each))
        restored = Both.of(before, (after[0], again))
        if restored is not None and distance_wh(restored) <= RESTORED_RATIO * moved_wh:
            return replace(change, cause=each, confirmed=True)
    return change


def as_before(before: tuple[PlanningProblem, Plan], problem: PlanningProblem, change: InputChange) -> PlanningProblem:
    """The new problem with one input as the old plan had it, in the hours that both cover."""
    return _Undo(before[0], before[1], problem).undone(change)


def distance_wh(both: Both) -> float:
    """Energy that the plans' devices take or give otherwise, all in all."""
    return sum(
        abs(new - old) * both.slot_h for _, old_w, new_w in _powers(both) for old, new in zip(old_w, new_w, strict=True)
    )


def _powers(both: Both) -> Iterator[tuple[DeviceId, Series, Series]]:
    """Per device that either plan steers: power in the common slots, in the old plan and in the new one."""
    nothing: Series = (0.0,) * both.count
    old, new = _by_device(both.old_plan), _by_device(both.plan)
    for device_id in sorted(old.keys() | new.keys()):
        yield (
            device_id,
            both.old(old[device_id]) if device_id in old else nothing,
            both.new(new[device_id]) if device_id in new else nothing,
        )


def _by_device(plan: Plan) -> dict[DeviceId, Series]:
    """Planned power; several cars at one charger, one after the other, together [W]."""
    planned: tuple[BatteryPlan | CarPlan | HeatPlan | AppliancePlan, ...]
    planned = (*plan.batteries, *plan.cars, *plan.heat, *plan.appliances)
    found: dict[DeviceId, Series] = {}
    for each in planned:
        before = found.get(each.device_id, (0.0,) * plan.grid.count)
        found[each.device_id] = tuple(map(sum, zip(before, each.power_w, strict=True)))
    return found


def _devices(both: Both) -> Iterable[DeviceChange]:
    soon = min(both.count, SOON_S // both.problem.grid.slot_s)
    for device_id, old_w, new_w in _powers(both):
        changed_wh = [(new - old) * both.slot_h for old, new in zip(old_w, new_w, strict=True)]
        more, less = sum(each for each in changed_wh if each > 0), -sum(each for each in changed_wh if each < 0)
        found = DeviceChange(
            device_id=device_id,
            moved_wh=max(more, less),
            energy_wh=more - less,
            start_before_at=_start(both, old_w),
            start_after_at=_start(both, new_w),
            soon=sum(_state(old) != _state(new) for old, new in zip(old_w[:soon], new_w[:soon], strict=True))
            >= SOON_SLOTS_MIN,
        )
        if found.moved_wh >= NOTABLE_WH or (found.moved_wh > 0 and _start_moved(found)):
            yield found


def _state(power_w: float) -> int:
    return (power_w > ON_W) - (power_w < -ON_W)


def _start(both: Both, power_w: Series) -> datetime | None:
    first = next((slot for slot, each in enumerate(power_w) if abs(each) > ON_W), None)
    return None if first is None else both.start_at + timedelta(seconds=first * both.problem.grid.slot_s)


def _start_moved(found: DeviceChange) -> bool:
    before_at, after_at = found.start_before_at, found.start_after_at
    if before_at is None or after_at is None:
        return before_at is not after_at
    return abs((after_at - before_at) / timedelta(seconds=1)) >= NOTABLE_START_S


@dataclass(frozen=True, slots=True)
class _Undo:
    """Puts inputs of the old problem into the new one."""

    old: PlanningProblem
    old_plan: Plan
    problem: PlanningProblem

    def undone(self, change: InputChange) -> PlanningProblem:
        match change.changed:
            case Input.LOAD:
                return replace(self.problem, load_power_w=self._kept(self.old.load_power_w, self.problem.load_power_w))
            case Input.SUN:
                return self._sun(change.device_id)
            case Input.PRICES | Input.PRICES_PUBLISHED:
                return replace(
                    self.problem,
                    import_price_eur_per_kwh=self._kept(
                        self.old.import_price_eur_per_kwh, self.problem.import_price_eur_per_kwh
                    ),
                    export_price_eur_per_kwh=self._kept(
                        self.old.export_price_eur_per_kwh, self.problem.export_price_eur_per_kwh
                    ),
                )
            case Input.CAR_CAME | Input.CAR_LEFT | Input.CAR_NEED | Input.CAR_DEPARTURE:
                return self._car(change.device_id)
            case Input.STORED:
                return self._stored(change.device_id)
            case Input.TEMPERATURE:
                return self._heat(change.device_id)
            case Input.APPLIANCE:
                kept = tuple(each for each in self.old.appliances if each.device_id == change.device_id)
                others = tuple(each for each in self.problem.appliances if each.device_id != change.device_id)
                return replace(self.problem, appliances=(*others, *kept))
            case Input.LIMIT:
                return self._limits()
            case Input.PROMISE:
                promised = tuple(
                    replace(each, grid_power_w=self._kept_or_none(each.grid_power_w)) for each in self.old.commitments
                )
                return replace(self.problem, commitments=promised)

    def _sun(self, device_id: DeviceId | None) -> PlanningProblem:
        was = {each.device_id: each.production_power_w for each in self.old.pv}
        plants = tuple(
            replace(each, production_power_w=self._kept(was[each.device_id], each.production_power_w))
            if each.device_id == device_id and each.device_id in was
            else each
            for each in self.problem.pv
        )
        return replace(self.problem, pv=plants)

    def _car(self, device_id: DeviceId | None) -> PlanningProblem:
        """The car as it was, with what the old plan would have left to charge."""
        others = tuple(each for each in self.problem.cars if each.device_id != device_id)
        now = next((each for each in self.problem.cars if each.device_id == device_id), None)
        kept = tuple(
            replace(
                each,
                energy_needed_wh=left_wh(self.old, self.old_plan, self.problem, each),
                charging_mode=None if now is None else now.charging_mode,
                announced_on=() if now is None else now.announced_on,
            )
            for each in self.old.cars
            if each.device_id == device_id
        )
        return replace(self.problem, cars=(*others, *kept))

    def _stored(self, device_id: DeviceId | None) -> PlanningProblem:
        batteries = tuple(
            replace(each, stored_wh=expected)
            if each.device_id == device_id
            and (expected := expected_wh(self.old, self.old_plan, self.problem, each.device_id)) is not None
            else each
            for each in self.problem.batteries
        )
        return replace(self.problem, batteries=batteries)

    def _heat(self, device_id: DeviceId | None) -> PlanningProblem:
        was = {each.device_id: each for each in self.old.heat}
        planned = {each.device_id: each for each in self.old_plan.heat}
        return replace(
            self.problem,
            heat=tuple(
                self._pump(was[each.device_id], planned[each.device_id], each)
                if each.device_id == device_id and each.device_id in was and each.device_id in planned
                else each
                for each in self.problem.heat
            ),
        )

    def _pump(self, old: HeatInput, plan: HeatPlan, pump: HeatInput) -> HeatInput:
        room, tank = pump.room, pump.tank
        if room is not None and old.room is not None:
            room = replace(
                room,
                temperature_c=expected_level(self.old, self.problem, old.room.temperature_c, plan.room_c),
                outdoor_c=self._kept(old.room.outdoor_c, room.outdoor_c),
                gains_w=self._kept(old.room.gains_w, room.gains_w),
            )
        if tank is not None and old.tank is not None:
            tank = replace(
                tank,
                temperature_c=expected_level(self.old, self.problem, old.tank.temperature_c, plan.tank_c),
                draws_w=self._kept(old.tank.draws_w, tank.draws_w),
            )
        return replace(pump, room=room, tank=tank)

    def _limits(self) -> PlanningProblem:
        old, new = self.old, self.problem
        return replace(
            new,
            import_power_max_w=self._kept(old.import_power_max_w, new.import_power_max_w),
            export_power_max_w=self._kept(old.export_power_max_w, new.export_power_max_w),
            operator_import_max_w=None
            if old.operator_import_max_w is None
            else self._kept(old.operator_import_max_w, new.operator_import_max_w or new.import_power_max_w),
            operator_export_max_w=None
            if old.operator_export_max_w is None
            else self._kept(old.operator_export_max_w, new.operator_export_max_w or new.export_power_max_w),
        )

    def _kept(self, old: Series, new: Series) -> Series:
        """The old series where it reaches, the new one beyond."""
        passed = passed_slots(self.old, self.problem)
        return (*old[passed:][: len(new)], *new[max(0, len(old) - passed) :])

    def _kept_or_none(self, old: tuple[float | None, ...]) -> tuple[float | None, ...]:
        passed, count = passed_slots(self.old, self.problem), self.problem.grid.count
        left = old[passed:][:count]
        return (*left, *(None,) * (count - len(left)))
