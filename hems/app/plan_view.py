"""Past hours and the plan on one time axis, as a page or a script draws them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from hems.app.outlook import Prices
from hems.app.snapshot import kind_of
from hems.domain.change import PlanChange
from hems.domain.plan import Plan, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.problem import PlanningProblem
from hems.domain.site import Battery, Device, DeviceId, GridMeter, Site
from hems.domain.snapshot import DeviceSeries, PlanView, Series
from hems.domain.time import SLOT_S, SlotGrid, floor_to
from hems.explain.blocks import blocks_of, value_of
from hems.explain.changes import change_view
from hems.explain.words import coming

PAST_SLOTS = 24
"""Six hours back."""
AHEAD_SLOTS = 120
"""Thirty hours ahead: today and tomorrow."""
CHANGE_SHOWN = timedelta(hours=6)
"""An older change of the plan is history."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Slot means of the past hours, oldest first, load convention; None where nothing was measured [W]."""

    grid_power_w: Sequence[float | None]
    load_power_w: Sequence[float | None]
    import_eur_per_kwh: Sequence[float | None]
    export_eur_per_kwh: Sequence[float | None]
    device_power_w: Mapping[DeviceId, Sequence[float | None]]
    level_pct: Mapping[DeviceId, Sequence[float | None]]


def plan_view_of(
    site: Site,
    *,
    at: datetime,
    measured: Measured,
    plan: Plan | None,
    problem: PlanningProblem | None,
    priced: Prices,
    price_source: str,
    change: PlanChange | None = None,
) -> PlanView:
    """The view of this moment.

    Args:
        site: names and kinds.
        at: now; the slot under way is the first planned one.
        measured: exactly ``PAST_SLOTS`` values a series.
        plan: the plan in force; None leaves its series empty.
        problem: the newest one, for expected load and the connection's limit: it may be newer than the plan, where the
            planner had no answer to it.
        priced: household prices from a slot at or before this one.
        price_source: where they come from, in words.
        change: the last notable one of the plan.
    """
    now_at = floor_to(at, SLOT_S)
    ahead = SlotGrid(start_at=now_at, count=AHEAD_SLOTS)
    grid = None if plan is None else plan.grid
    posed = None if problem is None else problem.grid
    return PlanView(
        at=at,
        timezone=site.timezone,
        currency=site.currency,
        start_at=now_at - timedelta(seconds=SLOT_S * PAST_SLOTS),
        slot_s=SLOT_S,
        past_count=PAST_SLOTS,
        import_eur_per_kwh=(*measured.import_eur_per_kwh, *_on(ahead, priced.grid, priced.import_eur_per_kwh)),
        export_eur_per_kwh=(*measured.export_eur_per_kwh, *_on(ahead, priced.grid, priced.export_eur_per_kwh)),
        published_count=PAST_SLOTS + _published(ahead, priced),
        price_source=price_source,
        grid_power_w=(*measured.grid_power_w, *_on(ahead, grid, () if plan is None else plan.grid_power_w)),
        load_power_w=(*measured.load_power_w, *_on(ahead, posed, () if problem is None else problem.load_power_w)),
        import_power_max_w=(
            *(None,) * PAST_SLOTS,
            *_on(ahead, posed, () if problem is None else problem.import_power_max_w),
        ),
        devices=tuple(_device(device, measured, plan, ahead) for device in site.controllables),
        issued_at=None if plan is None else plan.issued_at,
        origin=None if plan is None else plan.origin,
        cost_eur=None if plan is None else round(plan.cost_eur, 2),
        unmet=() if plan is None else tuple(_unmet(site, each, at) for each in plan.unmet),
        marginal_eur_per_kwh=(
            *(None,) * PAST_SLOTS,
            *_on(ahead, plan.grid, plan.explanation.marginal_price_eur_per_kwh),
        )
        if plan is not None and plan.explanation is not None
        else (),
        blocks=() if plan is None else blocks_of(plan, site, at),
        changed=None if change is None or at - change.at > CHANGE_SHOWN else change_view(change, site),
    )


def _device(device: Device, measured: Measured, plan: Plan | None, ahead: SlotGrid) -> DeviceSeries:
    assert not isinstance(device, GridMeter)
    unknown: Series = (None,) * PAST_SLOTS
    power_w = tuple(measured.device_power_w.get(device.id, unknown))
    grid = None if plan is None else plan.grid
    level: Series = ()
    if isinstance(device, Battery):
        stored_wh = next((each.stored_wh for each in plan.batteries if each.device_id == device.id), ()) if plan else ()
        planned_pct = tuple(100 * each / device.capacity_wh for each in stored_wh)
        level = (*measured.level_pct.get(device.id, unknown), *_on(ahead, grid, planned_pct))
    past: tuple[None, ...] = (None,) * PAST_SLOTS
    value = None if plan is None else value_of(plan, device.id)
    reasons = None
    if plan is not None and plan.explanation is not None:
        reasons = next((each for each in plan.explanation.devices if each.device_id == device.id), None)
    return DeviceSeries(
        id=device.id,
        name=device.name,
        kind=kind_of(device),
        power_w=(*power_w, *_on(ahead, grid, _planned_w(device.id, plan))),
        level_pct=level,
        value_eur_per_kwh=() if value is None else (*past, *_on(ahead, grid, value)),
        decided_by=() if reasons is None else (*past, *_picked(ahead, grid, reasons.decided_by)),
        alternative_eur_per_kwh=() if reasons is None else (*past, *_on(ahead, grid, reasons.alternative_eur_per_kwh)),
    )


def _planned_w(device_id: DeviceId, plan: Plan | None) -> tuple[float, ...]:
    """Planned power of a device, load convention; empty where the plan does not have it [W]."""
    if plan is None:
        return ()
    planned: dict[DeviceId, tuple[float, ...]] = {each.device_id: each.power_w for each in plan.batteries}
    planned |= {each.device_id: each.power_w for each in plan.cars}
    planned |= {each.device_id: each.power_w for each in plan.heat}
    planned |= {each.device_id: tuple(-power_w for power_w in each.production_power_w) for each in plan.pv}
    return planned.get(device_id, ())


def _on(ahead: SlotGrid, grid: SlotGrid | None, values: Sequence[float]) -> Series:
    """Values of one grid on another; None where it does not reach."""
    return tuple(None if each is None else round(each, 4) for each in _picked(ahead, grid, values))


def _picked(ahead: SlotGrid, grid: SlotGrid | None, values: Sequence[_T]) -> tuple[_T | None, ...]:
    if grid is None or not values:
        return (None,) * ahead.count
    found: list[_T | None] = []
    for start_at in ahead.starts():
        index = grid.index_at(start_at)
        found.append(None if index is None or index >= len(values) else values[index])
    return tuple(found)


def _published(ahead: SlotGrid, priced: Prices) -> int:
    until_at = priced.grid.slot_start(priced.published_count)
    return min(ahead.whole_slots_before(until_at), ahead.count)


_WISHES = {
    Wish.CONNECTION: "passes a fuse's or the connection's limit with load that nothing controls",
    Wish.OPERATOR: "passes the grid operator's limit with load that nothing controls",
    Wish.PROTECTION: "is cut short, or not hot enough, for its own protection",
    Wish.MINIMUM: "has less than it should always have",
    Wish.DEPARTURE: "leaves without all that it should have",
    Wish.APPLIANCE: "is done later than wished",
    Wish.HEAT_MIN: "gets colder than wished",
    Wish.HEAT_MAX: "gets warmer than wished",
    Wish.COMMITMENT: "does not keep what was promised to the aggregator",
    Wish.RESERVE: "goes below the reserve",
    Wish.WINDOW: "is outside its range",
    Wish.GRID_CHARGE: "is charged from the grid",
    Wish.SELLING: "sells into the grid",
}
_REMEDIES = {
    RemedyKind.RAISE_LIMIT: "It would fit with {amount} more at that limit.",
    RemedyKind.LATER: "It would fit {amount} later.",
    RemedyKind.WANT_LESS: "It would fit with {amount} less.",
    RemedyKind.WIDER_BAND: "It would fit with a band {amount} wider.",
    RemedyKind.LOWER_PROMISE: "It would fit with a promise {amount} lower.",
}


def _unmet(site: Site, unmet: UnmetWish, now_at: datetime) -> str:
    """One bent wish in a sentence."""
    device = next((each.name for each in site.devices if each.id == unmet.device_id), "The house")
    when = coming(unmet.at, now_at, site.zone)
    remedy = _REMEDIES[unmet.remedy.kind].format(amount=_amount(unmet.remedy.amount, unmet.remedy.unit))
    return f"{device} {_WISHES[unmet.wish]} ({_amount(unmet.shortfall, unmet.unit)}, {when}). {remedy}"


def _amount(amount: float, unit: Unit) -> str:
    """An amount as a household reads it."""
    match unit:
        case Unit.WH:
            return f"{amount / 1000:.1f} kWh"
        case Unit.W:
            return f"{amount / 1000:.1f} kW"
        case Unit.K:
            return f"{amount:.1f} degrees"
        case Unit.S:
            minutes = max(1, round(amount / 60))
            return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
