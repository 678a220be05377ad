"""A plan by rules, for when no solver answers: self-consumption, car on plug-in, heat along its lower edge."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hems.domain.plan import BatteryPlan, Origin, Plan, Purpose
from hems.domain.problem import BatteryInput, CarInput, ChargeMode, PlanningProblem, Series
from hems.planning.constraints.circuit import car_phases
from hems.planning.flows import Conductors, Flow, Weights
from hems.planning.outcome import Powers, plan_of
from hems.planning.plausible import plausible
from hems.planning.reading import (
    ON_W,
    appliance_power_w,
    appliance_starts,
    connected_ratio,
    energy_max_wh,
    on_off_slots,
    taper_power_w,
)
from hems.planning.sources import Sources
from hems.planning.thermostat import (
    HeatState,
    first_state,
    is_protected,
    least_w,
    must_run,
    next_state,
    thermostat_w,
)


def fallback_plan(problem: PlanningProblem) -> Plan:
    """What the house does without a planner, as a plan that passes the check.

    Appliances start as soon as they fit. Then slot by slot: cars take full power from plug-in on as far as every fuse
    allows, before heat, as the wishes are ranked; heat pumps keep the lower edge of their comfort; batteries store
    what is left over and cover what is missing above their reserve (above their floor where load alone exceeds a
    limit); PV is curtailed beyond the export limit, and to zero export where exporting costs money.
    """
    problem = plausible(problem)
    rules = _Rules(problem)
    slots = [rules.decide(slot) for slot in range(problem.grid.count)]
    powers = Powers(
        batteries=_by_device(len(problem.batteries), [each.batteries for each in slots]),
        cars=_by_device(len(problem.cars), [each.cars for each in slots]),
        car_phases=tuple(tuple(each.car_phases[i] for each in slots) for i in range(len(problem.cars))),
        room_heat=_by_device(len(problem.heat), [each.room_heat for each in slots]),
        tank_heat=_by_device(len(problem.heat), [each.tank_heat for each in slots]),
        starts=rules.starts,
        pv=_by_device(len(problem.pv), [each.pv for each in slots]),
    )
    plan = plan_of(problem, powers, values=None, origin=Origin.RULES)
    return replace(plan, batteries=tuple(_self_consuming(each) for each in plan.batteries))


def _self_consuming(battery: BatteryPlan) -> BatteryPlan:
    return replace(battery, purpose=(Purpose.SELF_CONSUME,) * len(battery.purpose))


def _by_device(count: int, slots: Sequence[Sequence[float]]) -> tuple[Series, ...]:
    return tuple(tuple(each[index] for each in slots) for index in range(count))


@dataclass(slots=True)
class _Slot:
    """What is decided for one slot, one number per device."""

    cars: list[float]
    car_phases: list[int]
    room_heat: list[float]
    tank_heat: list[float]
    batteries: list[float] = field(default_factory=list)
    pv: list[float] = field(default_factory=list)


class _Rules:
    """The house on its way through the horizon."""

    def __init__(self, problem: PlanningProblem) -> None:
        self._problem = problem
        self._conductors = Conductors(problem)
        self._connected = [connected_ratio(car, problem.grid) for car in problem.cars]
        self._charged_wh = [0.0] * len(problem.cars)
        self._stored_wh = [battery.stored_wh for battery in problem.batteries]
        self._heat: list[HeatState] = [first_state(pump) for pump in problem.heat]
        self._placed: list[tuple[Weights, Series]] = []
        self.starts = tuple(self._place(index) for index in range(len(problem.appliances)))

    def _place(self, index: int) -> int:
        """The first start at which an appliance fits whatever the sun does; late rather than never."""
        appliance, grid = self._problem.appliances[index], self._problem.grid
        first = appliance_starts(appliance, grid)[0]
        if appliance.started_at is not None:
            return first  # what nothing controls has it already
        weights = self._conductors.weights(appliance.circuit_id, appliance.phases)
        rooms = [self._conductors.flow(slot, self._placed).room_up_w(weights) for slot in range(grid.count)]
        for start in range(first, grid.count):
            if all(power_w <= room_w for power_w, room_w in zip(appliance.profile_w, rooms[start:], strict=False)):
                self._placed.append((weights, appliance_power_w(appliance, start, grid)))
                return start
        return max(first, grid.count)

    def decide(self, slot: int) -> _Slot:
        """Decisions of the next slot; the house moves on.

        First as if all the sun could be used. Where some must be held back that a phase or a battery counted on, again
        with only the sun that fits without anybody's help.
        """
        decided = self._decided(slot, careful=False) or self._decided(slot, careful=True)
        assert decided is not None, "without anybody's help the flows are those that nothing controls"
        self._move_on(slot, decided)
        return decided

    def _decided(self, slot: int, *, careful: bool) -> _Slot | None:
        problem = self._problem
        flow = self._conductors.flow(slot, self._placed)
        sources = Sources(problem, self._conductors, flow, slot)
        if careful:
            sources.keep_limits()
        decided = _Slot(
            cars=[0.0] * len(problem.cars),
            car_phases=[0] * len(problem.cars),
            room_heat=[0.0] * len(problem.heat),
            tank_heat=[0.0] * len(problem.heat),
        )
        kept_w = self._keep_running(flow)
        guarded = [index for index in range(len(problem.heat)) if self._is_guarded(slot, index)]
        for index in guarded:
            self._heat_up(slot, index, flow, decided, kept_w[index])
        for index in range(len(problem.cars)):
            self._charge(slot, index, flow, decided)
        for index in range(len(problem.heat)):
            if index not in guarded:
                self._heat_up(slot, index, flow, decided, 0.0)
        for index, battery in enumerate(problem.batteries):
            lowest_w, highest_w = self._battery_range_w(slot, index, battery)
            decided.batteries.append(sources.self_consume(battery, lowest_w=lowest_w, highest_w=highest_w))
        if problem.export_price_eur_per_kwh[slot] < 0:
            sources.export_nothing()
        without_w = max(0.0, flow.now[0])
        sources.keep_limits()
        buys = max(decided.batteries, default=0.0) > ON_W and flow.now[0] > without_w + ON_W
        decided.pv = sources.production_w()
        return decided if flow.fits and (careful or not buys) else None

    def _charge(self, slot: int, index: int, flow: Flow, decided: _Slot) -> None:
        """In the mode that gets most; the last bit of energy takes part of a slot."""
        car, grid = self._problem.cars[index], self._problem.grid
        share, charged_wh = self._connected[index][slot], self._charged_wh[index]
        left_w = max(0.0, _wanted_wh(car) - charged_wh) / grid.slot_h
        taken_w = taper_power_w(
            car.taper,
            power_max_w=car.power_max_w,
            end_wh=energy_max_wh(car),
            stored_wh=charged_wh,
            wh_per_w=grid.slot_h,
        )
        best_w, best = 0.0, None
        for mode in car.modes:
            offered_w = min(mode.power_max_w * share, flow.room_up_w(self._car_weights(car, mode)))
            starts = slot >= on_off_slots(grid) or offered_w >= mode.power_min_w * share
            if starts and offered_w > best_w:
                best_w, best = offered_w, mode
        power_w = min(best_w, left_w, taken_w)
        if best is not None and power_w > ON_W:
            flow.add(self._car_weights(car, best), power_w)
            decided.cars[index], decided.car_phases[index] = power_w, len(best.phases)

    def _car_weights(self, car: CarInput, mode: ChargeMode) -> Weights:
        return self._conductors.weights(car.circuit_id, car_phases(car, mode.power_max_w, len(mode.phases)))

    def _is_guarded(self, slot: int, index: int) -> bool:
        return is_protected(self._problem.heat[index], self._heat[index], slot, self._problem.grid)

    def _pump_weights(self, index: int) -> Weights:
        pump = self._problem.heat[index]
        return self._conductors.weights(pump.circuit_id, pump.phases)

    def _keep_running(self, flow: Flow) -> list[float]:
        """Holds room for each pump that must run on, before anybody takes more than that [W]."""
        kept_w = []
        for index, pump in enumerate(self._problem.heat):
            weights, needed_w = self._pump_weights(index), least_w(pump)
            keeps = must_run(pump, self._heat[index]) and needed_w <= flow.room_up_w(weights)
            kept_w.append(needed_w if keeps else 0.0)
            flow.add(weights, kept_w[index])
        return kept_w

    def _heat_up(self, slot: int, index: int, flow: Flow, decided: _Slot, kept_w: float) -> None:
        """By its thermostat, in what is left besides ``kept_w`` that is its own; no start that could not last."""
        pump, state, weights = self._problem.heat[index], self._heat[index], self._pump_weights(index)
        flow.add(weights, -kept_w)
        offered_w = flow.room_up_w(weights) if state.running or self._can_last(slot, index, decided) else 0.0
        room_w, tank_w = thermostat_w(pump, state, offered_w=offered_w, slot=slot, grid=self._problem.grid)
        flow.add(weights, room_w + tank_w)
        decided.room_heat[index], decided.tank_heat[index] = room_w, tank_w

    def _can_last(self, slot: int, index: int, decided: _Slot) -> bool:
        """Whether a run that starts now has room for its minimum, beside the other runs that are not over."""
        pumps, grid = self._problem.heat, self._problem.grid
        weights, slots = self._pump_weights(index), math.ceil(pumps[index].min_run_s / grid.slot_s)
        for later in range(slot + 1, min(on_off_slots(grid), slot + slots)):
            flow = self._conductors.flow(later, self._placed)
            for other, state in enumerate(self._heat):
                runs = state.running or decided.room_heat[other] + decided.tank_heat[other] > ON_W
                lasted_s = (state.state_s if state.running else 0.0) + (later - slot) * grid.slot_s
                if other != index and runs and lasted_s < pumps[other].min_run_s:
                    flow.add(self._pump_weights(other), least_w(pumps[other]))
            if flow.room_up_w(weights) < least_w(pumps[index]):
                return False
        return True

    def _battery_range_w(self, slot: int, index: int, battery: BatteryInput) -> tuple[float, float]:
        """Most that it can give (negative) and take in this slot, with its tapers [W]."""
        stored_wh, slot_h = self._stored_wh[index], self._problem.grid.slot_h
        floor_wh = max(battery.floor_wh, battery.reserve_wh)
        if self._conductors.exceeded(slot):
            floor_wh = battery.floor_wh
        gain, loss = slot_h * battery.charge_efficiency_ratio, slot_h / battery.discharge_efficiency_ratio
        take_w = taper_power_w(
            battery.charge_taper,
            power_max_w=battery.charge_power_max_w,
            end_wh=battery.ceiling_wh,
            stored_wh=stored_wh,
            wh_per_w=gain,
        )
        give_w = taper_power_w(
            battery.discharge_taper,
            power_max_w=battery.discharge_power_max_w,
            end_wh=battery.floor_wh,
            stored_wh=stored_wh,
            wh_per_w=loss,
        )
        room_w, draw_w = max(0.0, battery.ceiling_wh - stored_wh) / gain, max(0.0, stored_wh - floor_wh) / loss
        return -min(give_w, draw_w), min(take_w, room_w)

    def _move_on(self, slot: int, decided: _Slot) -> None:
        problem = self._problem
        for index, power_w in enumerate(decided.cars):
            self._charged_wh[index] += power_w * problem.grid.slot_h
        for index, battery in enumerate(problem.batteries):
            change_wh = decided.batteries[index] * problem.grid.slot_h
            ratio = battery.charge_efficiency_ratio if change_wh >= 0 else 1 / battery.discharge_efficiency_ratio
            self._stored_wh[index] += change_wh * ratio
        for index, pump in enumerate(problem.heat):
            self._heat[index] = next_state(
                pump,
                self._heat[index],
                room_w=decided.room_heat[index],
                tank_w=decided.tank_heat[index],
                slot=slot,
                grid=problem.grid,
            )


def _wanted_wh(car: CarInput) -> float:
    """What is certainly asked for, by the departure or before, as far as it fits."""
    asked = [each.energy_wh for each in car.targets if each.minimum or each.probability_ratio >= 1]
    return min(energy_max_wh(car), max(car.energy_needed_wh, *asked, 0.0))
