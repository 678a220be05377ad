"""From the state of the house and its outlook to a planning problem."""

import math
from collections.abc import Sequence
from datetime import timedelta

from hems.app.month_peak import peaks_of
from hems.app.posing_heat import heat_input, running_from
from hems.app.posing_limits import operator_export_w, operator_import_w
from hems.app.year_balance import marginal_prices
from hems.control.estimate import FUSE_USE_RATIO, Estimate
from hems.control.exchange import Ceiling, export_ceilings, import_ceilings
from hems.control.headroom import feed_in_power_w, plannable_power_w, static_reserve
from hems.control.residual import FAST_METER_S
from hems.control.state import ControlState, SwitchMemory
from hems.domain.command import Limit
from hems.domain.outlook import CarTask, Outlook
from hems.domain.override import ChargeNow
from hems.domain.plan import Plan
from hems.domain.power import ALL_PHASES, VOLTAGE_V, PhaseValues
from hems.domain.problem import (
    BatteryInput,
    CarbonInput,
    CarInput,
    CarTarget,
    ChargeMode,
    CircuitInput,
    HeatInput,
    PlanningProblem,
    PvInput,
)
from hems.domain.reading import CarState
from hems.domain.site import MAIN, Charger, Site
from hems.domain.time import Now, SlotGrid

TERMINAL_VALUE_RATIO = 0.5
"""Worth of a stored kWh at the end of the horizon, as a share of the mean purchase price. At 48 h it decides nothing:
from 0 to 1 it moves the worth of a kWh now by 0.02 ct at most; at 24 h the best of those tried (design)."""

BAND_DEVIATIONS = 2.56
"""From the 10 % to the 90 % quantile, in standard deviations of a normal distribution."""

SAME_STAY = timedelta(hours=2)
"""A learned departure moves a little with each quarter hour that the car stays."""
CHANGE_COST_EUR = 0.005
"""Half a cent for each quarter hour in which a device is on that was announced off, or the reverse: what a household
would not notice on its bill, and does notice on its page."""


def pose(
    state: ControlState,
    seen: Estimate,
    outlook: Outlook,
    limits: Sequence[Limit],
    now: Now,
    overrides: Sequence[ChargeNow] = (),
    announced: Plan | None = None,
) -> PlanningProblem:
    """The planning problem of this moment. Devices without a usable reading are left out.

    What an override charges is load that the plan lives with; afterwards the car is planned for what it still needs.
    So is what a heat pump will draw that cannot be planned: it is silent, or nobody knows how cold it will be.

    The connection's limit is the guard's: what its fuses leave for controlled devices, plus the load that they
    already leave room for.

    Args:
        state: the house's memory.
        seen: this tick's estimate.
        outlook: what is expected.
        limits: of the grid operator.
        now: this moment.
        overrides: the owner's word.
        announced: the plan in force: changing it has a price.
    """
    site = state.site
    grid = outlook.grid
    buy, sell, netting = marginal_prices(site, outlook)
    charging = {each.device_id: each for each in overrides if _charges(seen, each, now)}
    asked_w = [
        sum(override_power_w(state, each, outlook, slot, now) for each in charging.values())
        for slot in range(grid.count)
    ]
    heat = _heat(state, seen, outlook, announced, now)
    planned_pumps = {each.device_id for each in heat}
    unplanned = [drawn.mean_w for pump_id, drawn in outlook.heat.items() if pump_id not in planned_pumps]
    own_w = tuple(map(sum, zip(outlook.load.mean_w, *unplanned, strict=True)))
    import_max_w = _import_max_w(state, import_ceilings(site, ()), own_w, asked_w)
    export_max_w = (_least_w(export_ceilings(site, ()), feed_in_power_w(state)),) * grid.count
    return PlanningProblem(
        issued_at=now.at,
        grid=grid,
        import_price_eur_per_kwh=buy,
        export_price_eur_per_kwh=sell,
        load_power_w=tuple(map(sum, zip(own_w, asked_w, strict=True))),
        import_power_max_w=import_max_w,
        export_power_max_w=export_max_w,
        operator_import_max_w=operator_import_w(
            site, limits, grid, own_w=own_w, sun_w=_sun_w(outlook), free_w=import_max_w
        ),
        operator_export_max_w=operator_export_w(site, limits, grid, free_w=export_max_w),
        net_error_w=_net_error_w(outlook),
        pv=_pv(site, outlook),
        batteries=_batteries(site, seen, terminal_value_eur_per_kwh=TERMINAL_VALUE_RATIO * sum(buy) / len(buy)),
        cars=tuple(
            car
            for task in outlook.cars
            if (car := _car(state, seen, task, outlook, now, charging.get(task.device_id), announced)) is not None
        )
        + tuple(_expected_car(state, task) for task in outlook.expected_cars),
        heat=heat,
        circuits=_circuits(state, outlook.grid),
        peaks=peaks_of(site, outlook),
        netting=netting,
        carbon=_carbon(site, grid),
        change_cost_eur=CHANGE_COST_EUR,
        announced_gap_eur=0.0 if announced is None else announced.gap_eur,
        known_price_slots=outlook.published_count,
    )


def _carbon(site: Site, grid: SlotGrid) -> CarbonInput | None:
    """Emissions by the clock; None where the household does not price them."""
    carbon = site.tariff.carbon
    if carbon is None:
        return None
    starts = (at.astimezone(site.zone) for at in grid.starts())
    return CarbonInput(
        intensity_g_per_kwh=tuple(map(carbon.intensity_g_per_kwh, starts)), price_eur_per_kg=carbon.price_eur_per_kg
    )


def _import_max_w(
    state: ControlState, ceilings: Sequence[Ceiling], own_w: Sequence[float], asked_w: Sequence[float]
) -> tuple[float, ...]:
    """What the fuses and the contract let in: the load, and what is left beside it."""
    controllable_w = plannable_power_w(state)
    return tuple(
        _least_w(ceilings, load_w + max(controllable_w, charging_w))
        for load_w, charging_w in zip(own_w, asked_w, strict=True)
    )


def _least_w(ceilings: Sequence[Ceiling], otherwise_w: float) -> float:
    return min([otherwise_w, *(each.power_max_w for each in ceilings)])


def _sun_w(outlook: Outlook) -> tuple[float, ...]:
    return tuple(sum(plant.mean_w[slot] for plant in outlook.pv.values()) for slot in range(outlook.grid.count))


def _pv(site: Site, outlook: Outlook) -> tuple[PvInput, ...]:
    return tuple(
        PvInput(
            device_id=plant.id,
            production_power_w=outlook.pv[plant.id].mean_w,
            curtailable=plant.curtailable,
            circuit_id=plant.circuit,
            phases=plant.phases,
        )
        for plant in site.pv
        if plant.id in outlook.pv
    )


def _net_error_w(outlook: Outlook) -> tuple[float, ...]:
    """Standard deviation of load less production per slot, by the forecasts' own bands; plants see one sky [W]."""
    load = outlook.load
    return tuple(
        math.hypot(
            load.p90_w[slot] - load.p10_w[slot],
            sum(plant.p90_w[slot] - plant.p10_w[slot] for plant in outlook.pv.values()),
        )
        / BAND_DEVIATIONS
        for slot in range(outlook.grid.count)
    )


def _batteries(site: Site, seen: Estimate, *, terminal_value_eur_per_kwh: float) -> tuple[BatteryInput, ...]:
    found = []
    for battery in site.batteries:
        values = seen.batteries.get(battery.id)
        if values is None or values.stored_wh is None:
            continue
        found.append(
            BatteryInput(
                device_id=battery.id,
                stored_wh=values.stored_wh,
                floor_wh=battery.floor_wh,
                ceiling_wh=battery.ceiling_wh,
                reserve_wh=battery.reserve_wh,
                charge_power_max_w=battery.charge_power_max_w,
                discharge_power_max_w=battery.discharge_power_max_w,
                charge_efficiency_ratio=battery.charge_efficiency_ratio,
                discharge_efficiency_ratio=battery.discharge_efficiency_ratio,
                terminal_value_eur_per_kwh=terminal_value_eur_per_kwh,
                circuit_id=battery.circuit,
                phases=battery.phases,
            )
        )
    return tuple(found)


def override_power_w(state: ControlState, override: ChargeNow, outlook: Outlook, slot: int, now: Now) -> float:
    """Mean power of an override in a slot of the outlook: what the charger gives and the fuse leaves [W]."""
    charger = next(each for each in state.site.chargers if each.id == override.device_id)
    start_at = max(outlook.grid.slot_start(slot), now.at)
    end_at = min(outlook.grid.slot_start(slot + 1), override.until_at)
    seconds = max(0.0, (end_at - start_at) / timedelta(seconds=1))
    left_w = plannable_power_w(state)
    if state.site.meter.period_s <= FAST_METER_S:
        # The guard keeps room for what it sees, not for what might start unseen.
        left_w = max(left_w, feed_in_power_w(state) - outlook.load.mean_w[slot])
    return min(charger.power_max_w, left_w) * seconds / outlook.grid.slot_s


def _charges(seen: Estimate, override: ChargeNow, now: Now) -> bool:
    """Whether an override has any effect: a car is there and wants power."""
    values = seen.chargers.get(override.device_id)
    return values is not None and values.car not in (CarState.ABSENT, CarState.FINISHED) and now.at < override.until_at


def _car(
    state: ControlState,
    seen: Estimate,
    task: CarTask,
    outlook: Outlook,
    now: Now,
    override: ChargeNow | None,
    announced: Plan | None,
) -> CarInput | None:
    """A present car with what it still needs, or one that is yet to come with all that it will need."""
    charger = next(each for each in state.site.chargers if each.id == task.device_id)
    controllable_w = plannable_power_w(state)
    values = seen.chargers.get(task.device_id)
    present = task.arrival_at <= now.at
    done_wh = 0.0
    if present:
        if values is None or values.car in (CarState.ABSENT, CarState.FINISHED):
            return None
        done_wh = values.session_energy_wh
    arrival_at, given_wh = task.arrival_at, 0.0
    if override is not None:
        slots = range(outlook.grid.count)
        given_wh = sum(override_power_w(state, override, outlook, slot, now) for slot in slots) * outlook.grid.slot_h
        arrival_at = min(override.until_at, task.departure_at - timedelta(seconds=outlook.grid.slot_s))
    return CarInput(
        device_id=task.device_id,
        arrival_at=arrival_at,
        departure_at=task.departure_at,
        energy_needed_wh=max(0.0, task.session_target_wh - done_wh - given_wh),
        modes=_modes(charger, controllable_w),
        targets=tuple(
            CarTarget(
                at=each.at,
                energy_wh=max(0.0, each.energy_wh - done_wh - given_wh),
                probability_ratio=each.probability_ratio,
            )
            for each in task.ends
        ),
        announced_on=_announced_on(announced, task, outlook.grid) if present else (),
        session_energy_wh=done_wh,
        circuit_id=charger.circuit,
    )


def _expected_car(state: ControlState, task: CarTask) -> CarInput:
    """A stay that is only likely, with the energy that is to be expected of it."""
    charger = next(each for each in state.site.chargers if each.id == task.device_id)
    return CarInput(
        device_id=task.device_id,
        arrival_at=task.arrival_at,
        departure_at=task.departure_at,
        energy_needed_wh=task.probability_ratio * task.session_target_wh,
        modes=_modes(charger, plannable_power_w(state)),
        circuit_id=charger.circuit,
    )


def _modes(charger: Charger, controllable_w: float) -> tuple[ChargeMode, ...]:
    """Ways to charge, inside what the connection leaves; the smallest is always one."""
    found: list[ChargeMode] = []
    for count in charger.phase_counts:
        least_w = charger.power_at_w(current_a=charger.current_min_a, phase_count=count)
        most_w = min(charger.power_at_w(current_a=charger.current_max_a, phase_count=count), controllable_w)
        if most_w >= least_w or not found:
            phases = charger.wired_phases(count)
            found.append(ChargeMode(phases=phases, power_min_w=least_w, power_max_w=max(least_w, most_w)))
    return tuple(found)


def _announced_on(plan: Plan | None, task: CarTask, grid: SlotGrid) -> tuple[bool, ...]:
    cars = () if plan is None else plan.cars
    same = (
        each
        for each in cars
        if each.device_id == task.device_id and abs(each.departure_at - task.departure_at) < SAME_STAY
    )
    planned = next(same, None)
    return () if planned is None else running_from(plan, planned.power_w, grid)


def _circuits(state: ControlState, grid: SlotGrid) -> tuple[CircuitInput, ...]:
    """The fuses, where they say more than the connection's limit: sub-circuits, and devices on some phases only.

    Behind the main fuse the load counts with the room that the guard keeps for it.
    """
    site = state.site
    uneven = any(
        device.phases != site.connection.phases or (isinstance(device, Charger) and len(device.phase_counts) > 1)
        for device in site.controllables
    )
    if len(site.circuits) == 1 and not uneven:
        return ()
    kept_w = static_reserve(site, state.residual_highs, PhaseValues())
    found = []
    for circuit in site.circuits:
        kept = tuple((kept_w.on(phase) if circuit.id == MAIN else 0.0,) * grid.count for phase in ALL_PHASES)
        rating_w = circuit.fuse_a * VOLTAGE_V * FUSE_USE_RATIO
        found.append(
            CircuitInput(
                circuit_id=circuit.id,
                parent_id=circuit.parent,
                phase_power_max_w=(rating_w, rating_w, rating_w),
                phase_load_w=(kept[0], kept[1], kept[2]),
            )
        )
    return tuple(found)


def _heat(
    state: ControlState, seen: Estimate, outlook: Outlook, announced: Plan | None, now: Now
) -> tuple[HeatInput, ...]:
    site = state.site
    if outlook.outdoor_c is None:
        return ()
    return tuple(
        heat_input(
            pump,
            seen.heat_pumps[pump.id],
            memory=state.switches.get(pump.id, SwitchMemory()),
            outdoor_c=outlook.outdoor_c,
            grid=outlook.grid,
            zone=site.zone,
            announced=announced,
            now=now,
        )
        for pump in site.heat_pumps
        if pump.id in seen.heat_pumps
    )
