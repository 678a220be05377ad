"""Merit order of one moment: sun, battery, car, grid, by what a kWh is worth to each.

The site buys at the import price and sells at the export price; a storage buys what is worth more to it than it costs
now, and sells what is worth less. The plan supplies the worth (the dual of the stored energy) and, where the worth
equals a price, its planned power as the tie-break: on that margin the plan was indifferent and chose for a reason that
lies later. Forecast errors are met at once, because nothing here knows what was forecast.

Storages trade with the house and the grid, not with each other: a battery whose energy is worth less than a car's does
not charge the car while that waits for a price.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from hems.domain.power import PowerRange
from hems.domain.site import DeviceId

TIE_EUR_PER_KWH = 0.0015
"""Worths closer to a price than this count as equal to it: the planner's tie-break costs are of this size."""


class Trade(Enum):
    """Why a storage has its power."""

    BUYS = auto()
    SELLS = auto()
    STORES_SURPLUS = auto()
    COVERS_LOAD = auto()
    KEEPS = auto()
    """Could cover load, but is worth more later."""
    LEAVES_ROOM = auto()
    """Could store surplus, but selling it earns more."""
    IDLE = auto()
    FOLLOWS_PLAN = auto()
    SPARES_PEAK = auto()
    """Gives, or waits, so that the month's highest quarter hour does not grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One storage in the market of the moment; powers are magnitudes on the AC side [W]."""

    device_id: DeviceId
    charge_power_min_w: float
    """Smallest charging power above zero; 0 for a battery."""
    charge_power_max_w: float
    discharge_power_max_w: float
    bid_eur_per_kwh: float
    """Worth of one AC kWh put in."""
    ask_eur_per_kwh: float
    """Worth of what one AC kWh taken out costs inside; never below the bid."""
    planned_power_w: float
    drawn_power_w: float | None = None
    """What it takes at present [W]: a car asleep, tapering or held back draws less than it is offered, and nobody
    else may count on more. None: it draws what it is told."""

    able_power: PowerRange = PowerRange(lower_w=-math.inf, upper_w=math.inf)
    """What it can do at present. It may be told more, so that the guard says what limits it; nobody counts on it."""

    def expected_w(self, told_w: float) -> float:
        """Power that the others may count on when this storage is told a power [W]."""
        return self.able_power.clamp(told_w if self.drawn_power_w is None else min(told_w, self.drawn_power_w))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """Power of a storage, load convention [W], and why."""

    power_w: float
    trade: Trade


def clear(
    net_w: float,
    storages: Sequence[Storage],
    *,
    import_price_eur_per_kwh: float,
    export_price_eur_per_kwh: float,
    peak_w: float = math.inf,
) -> dict[DeviceId, Cleared]:
    """Power of each storage for the house's present balance.

    Args:
        net_w: everything but the storages, load convention: negative is surplus [W].
        storages: bids and asks.
        import_price_eur_per_kwh: what one bought kWh costs.
        export_price_eur_per_kwh: what one sold kWh earns.
        peak_w: import that raises no peak which costs money [W].

    Where the purchase price is negative, or selling earns more than buying costs, prices reward waste and the plan's
    power is taken as it is. Below a sale price of zero nothing is discharged into the grid.
    """
    if import_price_eur_per_kwh < 0 or export_price_eur_per_kwh > import_price_eur_per_kwh:
        powers = {each.device_id: _as_planned(each) for each in storages}
        if export_price_eur_per_kwh < 0:
            _keep_out_of_grid(net_w, storages, powers)
        _spare_peak(net_w, storages, powers, peak_w)
        return powers
    powers = {
        each.device_id: _against_grid(each, import_price_eur_per_kwh, export_price_eur_per_kwh) for each in storages
    }
    left_w = net_w + sum(each.expected_w(powers[each.device_id].power_w) for each in storages)
    if left_w < 0:
        _share_surplus(-left_w, storages, powers, import_price_eur_per_kwh, export_price_eur_per_kwh)
    elif left_w > 0:
        _cover_load(left_w, storages, powers, import_price_eur_per_kwh)
    _spare_peak(net_w, storages, powers, peak_w)
    return powers


def _as_planned(storage: Storage) -> Cleared:
    power_w = min(max(storage.planned_power_w, -storage.discharge_power_max_w), storage.charge_power_max_w)
    if 0 < power_w < storage.charge_power_min_w:
        power_w = storage.charge_power_min_w
    return Cleared(power_w=power_w, trade=Trade.FOLLOWS_PLAN)


def _keep_out_of_grid(net_w: float, storages: Sequence[Storage], powers: dict[DeviceId, Cleared]) -> None:
    """Planned discharges only as far as the house and the other storages draw: the plan's load may not be there."""
    expected_w = {each.device_id: each.expected_w(powers[each.device_id].power_w) for each in storages}
    drawn_w = net_w + sum(max(each_w, 0.0) for each_w in expected_w.values())
    given_w = -sum(min(each_w, 0.0) for each_w in expected_w.values())
    if given_w > max(drawn_w, 0.0):
        share_ratio = max(drawn_w, 0.0) / given_w
        for device_id, cleared in powers.items():
            if cleared.power_w < 0:
                powers[device_id] = replace(cleared, power_w=expected_w[device_id] * share_ratio)


def _against_grid(storage: Storage, buy_at: float, sell_at: float) -> Cleared:
    """What is worth trading with the grid, whatever the house does."""
    planned_w = storage.planned_power_w
    if storage.bid_eur_per_kwh > buy_at + TIE_EUR_PER_KWH:
        return _buys(storage, storage.charge_power_max_w)
    if storage.bid_eur_per_kwh >= buy_at - TIE_EUR_PER_KWH and planned_w > 0:
        return _buys(storage, min(planned_w, storage.charge_power_max_w))
    if sell_at > 0 and storage.discharge_power_max_w > 0:
        if storage.ask_eur_per_kwh < sell_at - TIE_EUR_PER_KWH:
            return Cleared(power_w=-storage.discharge_power_max_w, trade=Trade.SELLS)
        if storage.ask_eur_per_kwh <= sell_at + TIE_EUR_PER_KWH and planned_w < 0:
            return Cleared(power_w=-min(-planned_w, storage.discharge_power_max_w), trade=Trade.SELLS)
    return Cleared(power_w=0.0, trade=Trade.IDLE)


def _buys(storage: Storage, power_w: float) -> Cleared:
    if storage.charge_power_max_w <= 0:
        return Cleared(power_w=0.0, trade=Trade.IDLE)
    return Cleared(power_w=max(power_w, storage.charge_power_min_w), trade=Trade.BUYS)


def _share_surplus(
    surplus_w: float, storages: Iterable[Storage], powers: dict[DeviceId, Cleared], buy_at: float, sell_at: float
) -> None:
    """Highest bid first; each takes what it may while it is worth more than selling."""
    for storage in sorted(storages, key=lambda each: -each.bid_eur_per_kwh):
        cleared = powers[storage.device_id]
        room_w = storage.charge_power_max_w - cleared.power_w
        if cleared.trade is Trade.SELLS or room_w <= 0 or surplus_w <= 0:
            continue
        wanted_w = min(room_w, surplus_w)
        if storage.bid_eur_per_kwh < sell_at - TIE_EUR_PER_KWH:
            wanted_w = 0.0
        elif storage.bid_eur_per_kwh <= sell_at + TIE_EUR_PER_KWH:
            wanted_w = min(wanted_w, max(storage.planned_power_w - cleared.power_w, 0.0))
        if 0 < cleared.power_w + wanted_w < storage.charge_power_min_w:
            wanted_w = _smallest_if_worth_it(storage, surplus_w, buy_at, sell_at)
        if wanted_w > 0:
            trade = cleared.trade if cleared.trade is Trade.BUYS else Trade.STORES_SURPLUS
            powers[storage.device_id] = Cleared(power_w=cleared.power_w + wanted_w, trade=trade)
            told_w = powers[storage.device_id].power_w
            taken_w = storage.expected_w(told_w) - storage.expected_w(cleared.power_w)
            surplus_w = max(0.0, surplus_w - taken_w)
        elif cleared.trade is Trade.IDLE:
            powers[storage.device_id] = Cleared(power_w=0.0, trade=Trade.LEAVES_ROOM)


def _spare_peak(net_w: float, storages: Sequence[Storage], powers: dict[DeviceId, Cleared], peak_w: float) -> None:
    """No import above the peak: the lowest bids buy less, then the lowest asks give.

    Who buys is cut by what it is told, because a car that has not begun to draw will; nobody gives for that. A car that
    should charge in this slot keeps its smallest power: pauses wear it, and the plan has counted on that.
    """
    over_w = net_w + sum(each.able_power.clamp(powers[each.device_id].power_w) for each in storages) - peak_w
    for storage in sorted(storages, key=lambda each: each.bid_eur_per_kwh):
        told_w = powers[storage.device_id].power_w
        if over_w <= 0 or told_w <= 0:
            continue
        least_w = min(storage.charge_power_min_w, told_w)
        left_w = max(told_w - over_w, least_w if storage.planned_power_w > 0 else 0.0)
        left_w = 0.0 if left_w < least_w else left_w
        over_w -= storage.able_power.clamp(told_w) - storage.able_power.clamp(left_w)
        trade = powers[storage.device_id].trade if left_w > 0 else Trade.SPARES_PEAK
        powers[storage.device_id] = Cleared(power_w=left_w, trade=trade)
    over_w = net_w + sum(each.expected_w(powers[each.device_id].power_w) for each in storages) - peak_w
    for storage in sorted(storages, key=lambda each: each.ask_eur_per_kwh):
        given_w = powers[storage.device_id].power_w
        given_more_w = min(storage.discharge_power_max_w + min(given_w, 0.0), over_w)
        if given_w > 0 or given_more_w <= 0:
            continue
        over_w -= storage.expected_w(given_w) - storage.expected_w(given_w - given_more_w)
        powers[storage.device_id] = Cleared(power_w=given_w - given_more_w, trade=Trade.SPARES_PEAK)


def _smallest_if_worth_it(storage: Storage, surplus_w: float, buy_at: float, sell_at: float) -> float:
    """The smallest charging power where surplus pays for what must be bought beside it, else 0 [W]."""
    smallest_w = storage.charge_power_min_w
    from_sun_w = min(surplus_w, smallest_w)
    cost = from_sun_w * sell_at + (smallest_w - from_sun_w) * buy_at
    return smallest_w if smallest_w * storage.bid_eur_per_kwh > cost else 0.0


def _cover_load(missing_w: float, storages: Iterable[Storage], powers: dict[DeviceId, Cleared], buy_at: float) -> None:
    """Lowest ask first; each gives what it may while it is worth less than buying."""
    for storage in sorted(storages, key=lambda each: each.ask_eur_per_kwh):
        cleared = powers[storage.device_id]
        left_w = storage.discharge_power_max_w + min(cleared.power_w, 0.0)
        if cleared.trade is Trade.BUYS or left_w <= 0 or missing_w <= 0:
            continue
        given_w = min(left_w, missing_w)
        if storage.ask_eur_per_kwh > buy_at + TIE_EUR_PER_KWH:
            given_w = 0.0
        elif storage.ask_eur_per_kwh >= buy_at - TIE_EUR_PER_KWH:
            given_w = min(given_w, max(-storage.planned_power_w + min(cleared.power_w, 0.0), 0.0))
        if given_w > 0:
            trade = cleared.trade if cleared.trade is Trade.SELLS else Trade.COVERS_LOAD
            told_w = cleared.power_w - given_w
            powers[storage.device_id] = Cleared(power_w=told_w, trade=trade)
            missing_w = max(0.0, missing_w - storage.expected_w(cleared.power_w) + storage.expected_w(told_w))
        elif cleared.trade is Trade.IDLE:
            powers[storage.device_id] = Cleared(power_w=0.0, trade=Trade.KEEPS)
