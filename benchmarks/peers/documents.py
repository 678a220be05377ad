"""The problems of :mod:`benchmarks.problems` as our planning problem, first and again."""

from dataclasses import replace

from benchmarks.problems import Facts
from hems.domain.plan import Plan
from hems.domain.power import ALL_PHASES
from hems.domain.problem import ApplianceInput, BatteryInput, CarInput, ChargeMode, PlanningProblem, PvInput
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid
from hems.planning.reading import ON_W


def problem_of(facts: Facts) -> PlanningProblem:
    """One document."""
    battery = facts.battery
    grid = SlotGrid(start_at=facts.start_at, count=facts.count, slot_s=facts.slot_s)
    return PlanningProblem(
        issued_at=facts.start_at,
        grid=grid,
        import_price_eur_per_kwh=facts.buy_eur_per_kwh,
        export_price_eur_per_kwh=facts.sell_eur_per_kwh,
        load_power_w=facts.load_w,
        import_power_max_w=(facts.connection_max_w,) * facts.count,
        export_power_max_w=(facts.connection_max_w,) * facts.count,
        pv=(PvInput(device_id=DeviceId("pv"), production_power_w=facts.pv_w, curtailable=facts.pv_curtailable),),
        batteries=(
            BatteryInput(
                device_id=DeviceId("battery"),
                stored_wh=battery.stored_wh,
                floor_wh=battery.floor_wh,
                ceiling_wh=battery.ceiling_wh,
                reserve_wh=battery.floor_wh,
                charge_power_max_w=battery.power_max_w,
                discharge_power_max_w=battery.power_max_w,
                charge_efficiency_ratio=battery.efficiency_ratio,
                discharge_efficiency_ratio=battery.efficiency_ratio,
                terminal_value_eur_per_kwh=battery.end_value_eur_per_kwh,
            ),
        ),
        cars=tuple(
            CarInput(
                device_id=DeviceId("car"),
                arrival_at=facts.start_at,
                departure_at=grid.slot_start(car.deadline_slot),
                energy_needed_wh=car.energy_wh,
                modes=(ChargeMode(phases=ALL_PHASES, power_min_w=car.power_min_w, power_max_w=car.power_max_w),),
            )
            for car in (facts.car,)
            if car is not None
        ),
        appliances=tuple(
            ApplianceInput(
                device_id=DeviceId("appliance"),
                profile_w=appliance.profile_w,
                earliest_at=facts.start_at,
                deadline_at=grid.slot_start(appliance.deadline_slot),
            )
            for appliance in (facts.appliance,)
            if appliance is not None
        ),
    )


def announced(problem: PlanningProblem, plan: Plan) -> PlanningProblem:
    """A later problem as the house poses it: with what the plan in force has told."""
    cars = {each.device_id: tuple(count > 0 for count in each.phase_count) for each in plan.cars}
    pumps = {each.device_id: tuple(power_w > ON_W for power_w in each.power_w) for each in plan.heat}
    starts = {each.device_id: each.start_at for each in plan.appliances}
    return replace(
        problem,
        announced_gap_eur=plan.gap_eur,
        cars=tuple(replace(each, announced_on=cars[each.device_id]) for each in problem.cars),
        heat=tuple(replace(each, announced_on=pumps[each.device_id]) for each in problem.heat),
        appliances=tuple(replace(each, announced_start_at=starts[each.device_id]) for each in problem.appliances),
    )
