"""From the state of the house and its outlook to a planning problem."""

from collections.abc import Sequence
from datetime import timedelta

from hems.control.estimate import Estimate
from hems.control.exchange import export_ceilings, import_ceilings
from hems.control.headroom import FAST_METER_S, feed_in_power_w, plannable_power_w
from hems.control.state import ControlState
from hems.domain.command import Limit
from hems.domain.outlook import CarTask, Outlook
from hems.domain.override import ChargeNow
from hems.domain.problem import BatteryInput, CarInput, HeatInput, PlanningProblem, PvInput
from hems.domain.reading import CarState
from hems.domain.site import Site
from hems.domain.time import Now
from hems.planning.heat_band import heat_band

TERMINAL_VALUE_RATIO = 0.5
"""Worth of a stored kWh at the end of the horizon, as a share of the mean purchase price: irrelevant at 48 h, and at
24 h the best of those tried (design, planner measurements)."""


def pose(
    state: ControlState,
    seen: Estimate,
    outlook: Outlook,
    limits: Sequence[Limit],
    now: Now,
    overrides: Sequence[ChargeNow] = (),
) -> PlanningProblem:
    """The planning problem of this moment. Devices without a usable reading are left out.

    What an override charges is load that the plan lives with; afterwards the car is planned for what it still needs.
    So is what a heat pump will draw that cannot be planned: it is silent, or nobody knows how cold it will be.

    The connection's limit is the guard's: what its fuses leave for controlled devices, plus the load that they
    already leave room for.
    """
    site = state.site
    grid = outlook.grid
    buy = outlook.import_price_eur_per_kwh
    charging = {each.device_id: each for each in overrides if _charges(seen, each, now)}
    asked_w = [
        sum(override_power_w(state, each, outlook, slot, now) for each in charging.values())
        for slot in range(grid.count)
    ]
    heat = _heat(site, seen, outlook)
    planned_pumps = {each.device_id for each in heat}
    unplanned = [drawn.mean_w for pump_id, drawn in outlook.heat.items() if pump_id not in planned_pumps]
    own_w = tuple(map(sum, zip(outlook.load.mean_w, *unplanned, strict=True)))
    controllable_w = plannable_power_w(state)
    import_limits_w = [each.power_max_w for each in import_ceilings(site, limits)]
    export_max_w = min([feed_in_power_w(state), *(each.power_max_w for each in export_ceilings(site, limits))])
    return PlanningProblem(
        issued_at=now.at,
        grid=grid,
        import_price_eur_per_kwh=buy,
        export_price_eur_per_kwh=outlook.export_price_eur_per_kwh,
        load_power_w=tuple(map(sum, zip(own_w, asked_w, strict=True))),
        import_power_max_w=tuple(
            min([load_w + max(controllable_w, charging_w), *import_limits_w])
            for load_w, charging_w in zip(own_w, asked_w, strict=True)
        ),
        export_power_max_w=(export_max_w,) * grid.count,
        pv=tuple(
            PvInput(device_id=plant.id, production_power_w=outlook.pv[plant.id].mean_w, curtailable=plant.curtailable)
            for plant in site.pv
            if plant.id in outlook.pv
        ),
        batteries=_batteries(site, seen, terminal_value_eur_per_kwh=TERMINAL_VALUE_RATIO * sum(buy) / len(buy)),
        cars=tuple(
            car
            for task in outlook.cars
            if (car := _car(state, seen, task, outlook, now, charging.get(task.device_id))) is not None
        ),
        heat=heat,
        known_price_slots=outlook.published_count,
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
    state: ControlState, seen: Estimate, task: CarTask, outlook: Outlook, now: Now, override: ChargeNow | None
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
        power_min_w=charger.power_min_w,
        power_max_w=max(charger.power_min_w, min(charger.power_max_w, controllable_w)),
        session_energy_wh=done_wh,
    )


def _heat(site: Site, seen: Estimate, outlook: Outlook) -> tuple[HeatInput, ...]:
    if outlook.outdoor_c is None:
        return ()
    return tuple(
        heat_band(pump, seen.heat_pumps[pump.id], outdoor_c=outlook.outdoor_c, grid=outlook.grid, zone=site.zone)
        for pump in site.heat_pumps
        if pump.id in seen.heat_pumps
    )
