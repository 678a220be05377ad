"""What a stored kWh is worth when forecasts err.

The linear program prices stored energy as if its forecast came true: energy that the forecast house will not need
tonight is worth what selling it earns, and is sold; if the house then needs it, it is bought back dearly. Here the
worth of one battery's energy comes from a dynamic program over time, stored energy, and how far load less production is
off its forecast. What all other devices do is taken from the plan. The tick acts by these worths (decision 17), so that
keeping a reserve for a bad forecast, and leaving room for more sun than forecast, cost no rule of their own.

In a slot model of home A (months that constants are chosen on) this captured 0.74 of what perfect foresight saves,
the program's own duals 0.65; with errors of 0 it gives the duals back. Averaging duals over error paths had lost value
before (design): each path knows its future, and so never pays for a reserve.
"""

from dataclasses import dataclass, replace

import numpy as np

from hems.domain.plan import BatteryPlan, Plan
from hems.domain.problem import BatteryInput, PlanningProblem, Series
from hems.solving.constraints.connection import buying
from hems.solving.program import Numbers
from hems.solving.reasons import PRICE_MAX_EUR_PER_KWH

OFF_RATIO = np.linspace(-1.8, 1.8, 5)
"""How far off the forecast may be, in standard deviations; five points stand for all."""
MEMORY_H = 2.0
"""The error's correlation falls to 1/e in this time. Measured on one home: 1 to 2 h for the load, 7 h for the sun, 2 to
3 h for their difference. In closed loop 2 h captured 0.744, 4 h 0.729, 8 h 0.693."""
LEVELS = 41
"""Of stored energy: steps of 0.22 kWh in a battery of 10 kWh; the worth is the slope between neighbours."""
POWERS = 11
"""Battery powers that are tried, beside the one that balances the house."""
STEPS = (24, 24)
"""Slots that stand alone, then slots in pairs; the rest goes by fours."""
OVER_LIMIT_EUR_PER_KWH = 1.0
"""Above what the connection allows: dearer than any usual price, so that energy is kept for such a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """A battery: energy above its floor [kWh], power on the AC side [kW]."""

    levels: Numbers
    charge_kw: float
    discharge_kw: float
    gain: float
    loss: float
    wear: float
    """Of one kWh taken out [EUR]."""
    end_value: float
    from_grid: bool
    sells: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One slot or some: means."""

    slots: int
    hours: float
    net_kw: float
    """The house without this battery, import positive."""
    error_kw: float
    buy: float
    sell: float
    import_max_kw: float


def hedged(problem: PlanningProblem, plan: Plan) -> Plan:
    """The plan with the worth of each battery's energy as it is under forecasts that err.

    Unchanged without errors, and where limits beyond the connection price energy in ways that only the program knows:
    a peak, a commitment, an operator's limit, net metering, a battery outside its window.

    Args:
        problem: plausible.
        plan: its solution, with duals.
    """
    special = problem.peaks or problem.commitments or problem.netting is not None
    limited = problem.operator_import_max_w is not None or problem.operator_export_max_w is not None
    if special or limited or not any(problem.net_error_w):
        return plan
    batteries = tuple(
        _hedged(problem, plan, battery, own) for battery, own in zip(problem.batteries, plan.batteries, strict=True)
    )
    return replace(plan, batteries=batteries)


def _hedged(problem: PlanningProblem, plan: Plan, battery: BatteryInput, own: BatteryPlan) -> BatteryPlan:
    store = _store(problem, battery)
    stored_kwh = (battery.stored_wh - max(battery.floor_wh, battery.reserve_wh)) / 1000
    if store is None or not 0 <= stored_kwh <= store.levels[-1]:
        return own
    steps = _steps(problem, plan, own)
    return replace(own, value_eur_per_kwh=_worth(store, steps, stored_kwh))


def _store(problem: PlanningProblem, battery: BatteryInput) -> _Store | None:
    """The battery above its reserve; None where nothing is left to decide."""
    span_kwh = (battery.ceiling_wh - max(battery.floor_wh, battery.reserve_wh)) / 1000
    if span_kwh <= 0 or battery.charge_power_max_w + battery.discharge_power_max_w <= 0:
        return None
    through = next((each.efficiency_ratio for each in problem.inverters if each.device_id == battery.inverter_id), 1.0)
    return _Store(
        levels=np.linspace(0.0, span_kwh, LEVELS),
        charge_kw=battery.charge_power_max_w / 1000 / through,
        discharge_kw=battery.discharge_power_max_w / 1000 * through,
        gain=battery.charge_efficiency_ratio * through,
        loss=battery.discharge_efficiency_ratio * through,
        wear=battery.cycle_cost_eur_per_kwh,
        end_value=battery.terminal_value_eur_per_kwh,
        from_grid=battery.charges_from_grid,
        sells=battery.sells,
    )


def _steps(problem: PlanningProblem, plan: Plan, own: BatteryPlan) -> list[_Step]:
    """The horizon in steps that grow: what happens tomorrow decides little of what a kWh is worth in this slot."""
    offered_w = sum((np.array(plant.production_power_w) for plant in problem.pv), start=np.zeros(plan.grid.count))
    made_w = sum((np.array(plant.production_power_w) for plant in plan.pv), start=np.zeros(plan.grid.count))
    series = {
        "net_kw": (np.array(plan.grid_power_w) - np.array(own.power_w) - (offered_w - made_w)) / 1000,
        "error_kw": np.array(problem.net_error_w) / 1000,
        "buy": buying(problem),
        # What cannot be sold at a loss is held back, where that is possible.
        "sell": np.maximum(problem.export_price_eur_per_kwh, 0.0)
        if any(plant.curtailable for plant in problem.pv)
        else np.array(problem.export_price_eur_per_kwh),
        "import_max_kw": np.array(problem.import_power_max_w) / 1000,
    }
    single, paired = STEPS
    starts = [*range(single), *range(single, single + paired, 2), *range(single + paired, plan.grid.count, 4)]
    starts = [each for each in starts if each < plan.grid.count]
    ends = [*starts[1:], plan.grid.count]
    return [
        _Step(
            slots=end - start,
            hours=(end - start) * plan.grid.slot_h,
            **{name: float(values[start:end].mean()) for name, values in series.items()},
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def _worth(store: _Store, steps: list[_Step], stored_kwh: float) -> Series:
    """Worth of one more kWh at the end of each slot, along the way on which the forecast comes true."""
    ahead: list[Numbers] = []
    cost_to_go = np.tile(-store.end_value * store.levels, (len(OFF_RATIO), 1))
    for step in reversed(steps):
        ahead.append(_drift(step.hours) @ cost_to_go)
        cost, after = _moves(store, step, step.net_kw + step.error_kw * OFF_RATIO, store.levels)
        cost_to_go = (cost + _between(store, ahead[-1], after)).min(axis=2)
    worth: list[float] = []
    as_forecast = len(OFF_RATIO) // 2
    for step, later in zip(steps, reversed(ahead), strict=True):
        expected = later[as_forecast : as_forecast + 1]
        cost, after = _moves(store, step, np.array([step.net_kw]), np.array([stored_kwh]))
        stored_kwh = float(after.flat[np.argmin(cost + _between(store, expected, after))])
        worth.extend([_slope(store, expected[0], stored_kwh)] * step.slots)
    clean = np.clip(np.round(worth, 6), -PRICE_MAX_EUR_PER_KWH, PRICE_MAX_EUR_PER_KWH) + 0.0  # no negative zero
    return tuple(clean.tolist())


def _drift(hours: float) -> Numbers:
    """Chance of being off by each ratio after a step, given each ratio before it: first-order autoregressive."""
    kept = np.exp(-hours / MEMORY_H)
    # A step so short that the points are too far apart for it still moves a little between them.
    spread = max(np.sqrt(1 - kept**2), 0.25)
    chance = np.exp(-0.5 * ((OFF_RATIO[None, :] - kept * OFF_RATIO[:, None]) / spread) ** 2)
    return np.asarray(chance / chance.sum(axis=1, keepdims=True))


def _moves(store: _Store, step: _Step, net_kw: Numbers, stored_kwh: Numbers) -> tuple[Numbers, Numbers]:
    """Cost of the step, and energy after it, for each state of the world, level, and battery power."""
    tried_kw = np.linspace(-store.discharge_kw, store.charge_kw, POWERS)
    least_kw = np.full(len(net_kw), -store.discharge_kw)
    most_kw = np.full(len(net_kw), store.charge_kw)
    if not store.sells:
        least_kw = np.maximum(least_kw, -np.maximum(net_kw, 0.0))
    if not store.from_grid:
        most_kw = np.minimum(most_kw, np.maximum(-net_kw, 0.0))
    power_kw = np.concatenate([np.tile(tried_kw, (len(net_kw), 1)), -net_kw[:, None]], axis=1)
    power_kw = np.clip(power_kw, least_kw[:, None], most_kw[:, None])
    change_kwh = np.where(power_kw > 0, power_kw * store.gain, power_kw / store.loss) * step.hours
    after_kwh = np.clip(stored_kwh[None, :, None] + change_kwh[:, None, :], 0.0, store.levels[-1])
    change_kwh = after_kwh - stored_kwh[None, :, None]
    power_kw = np.where(change_kwh > 0, change_kwh / store.gain, change_kwh * store.loss) / step.hours
    grid_kw = net_kw[:, None, None] + power_kw
    cost = np.where(grid_kw > 0, step.buy, step.sell) * grid_kw
    cost += OVER_LIMIT_EUR_PER_KWH * np.maximum(grid_kw - step.import_max_kw, 0.0)
    cost += store.wear * np.maximum(-power_kw, 0.0)
    return cost * step.hours, after_kwh


def _between(store: _Store, at_levels: Numbers, stored_kwh: Numbers) -> Numbers:
    """Cost to go at any energy, by straight lines between the levels; per state of the world."""
    position = stored_kwh / store.levels[1]
    below = np.minimum(position.astype(np.int64), LEVELS - 2)
    world = np.arange(len(at_levels))[:, None, None]
    lower, upper = at_levels[world, below], at_levels[world, below + 1]
    return np.asarray(lower + (position - below) * (upper - lower))


def _slope(store: _Store, at_levels: Numbers, stored_kwh: float) -> float:
    """What one kWh more saves, over a level on each side."""
    step = store.levels[1]
    around = np.clip([stored_kwh - step, stored_kwh + step], 0.0, store.levels[-1])
    lower, upper = np.interp(around, store.levels, at_levels)
    return float(lower - upper) / float(around[1] - around[0])
