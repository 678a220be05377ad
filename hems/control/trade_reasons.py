"""From a trade of the moment to the reason that is recorded: the numbers that decided, rounded to 0.1 ct."""

from hems.control.merit import Cleared, Trade
from hems.control.moment import Moment
from hems.domain import reasons
from hems.domain.plan import CarPlan, Purpose
from hems.domain.reasons import Reason
from hems.domain.site import Battery


def battery_reason(cleared: Cleared, moment: Moment, battery: Battery) -> Reason:
    """Why a battery has its power, in the prices of this slot."""
    plan = next((each for each in moment.plan.batteries if each.device_id == battery.id), None)
    if plan is None or plan.value_eur_per_kwh is None:
        holds = plan is not None and plan.purpose[moment.slot] is Purpose.HOLD
        return reasons.StaysIdle() if holds else reasons.SelfConsumes()
    worth = plan.value_eur_per_kwh[moment.slot]
    put_in = round(worth * battery.charge_efficiency_ratio, 3)
    taken_out = round(worth / battery.discharge_efficiency_ratio, 3)
    buy_at, sell_at = round(moment.buy_at, 3), round(moment.sell_at, 3)
    match cleared.trade:
        case Trade.BUYS:
            return reasons.BuysForLater(value_eur_per_kwh=put_in, import_price_eur_per_kwh=buy_at)
        case Trade.STORES_SURPLUS:
            return reasons.StoresSurplus(value_eur_per_kwh=put_in, export_price_eur_per_kwh=sell_at)
        case Trade.SELLS:
            return reasons.Sells(value_eur_per_kwh=taken_out, export_price_eur_per_kwh=sell_at)
        case Trade.COVERS_LOAD:
            return reasons.CoversLoad(value_eur_per_kwh=taken_out, import_price_eur_per_kwh=buy_at)
        case Trade.KEEPS:
            return reasons.KeepsForLater(value_eur_per_kwh=taken_out, import_price_eur_per_kwh=buy_at)
        case Trade.LEAVES_ROOM:
            return reasons.LeavesRoom(value_eur_per_kwh=put_in, export_price_eur_per_kwh=sell_at)
        case Trade.FOLLOWS_PLAN:
            return reasons.FollowsPlan(import_price_eur_per_kwh=buy_at)
        case Trade.SPARES_PEAK:
            return reasons.SparesPeak(peak_power_w=round(moment.peak_w, -2))
        case Trade.IDLE:
            return reasons.Waits()


def car_reason(cleared: Cleared, moment: Moment, car: CarPlan) -> Reason:
    """Why a car charges or waits, in the prices of this slot."""
    buy_at = round(moment.buy_at, 3)
    values = car.value_eur_per_kwh or ()
    if cleared.trade is Trade.FOLLOWS_PLAN and cleared.power_w > 0:
        return reasons.FollowsPlan(import_price_eur_per_kwh=buy_at)
    if cleared.trade is Trade.BUYS and cleared.power_w > 0:
        worth = round(values[moment.slot], 3)
        return reasons.ChargesCheap(
            import_price_eur_per_kwh=buy_at, value_eur_per_kwh=worth, departure_at=car.departure_at
        )
    if cleared.trade is Trade.SPARES_PEAK:
        return reasons.SparesPeak(peak_power_w=round(moment.peak_w, -2))
    if cleared.power_w > 0:
        return reasons.ChargesOnSurplus(
            export_price_eur_per_kwh=round(moment.sell_at, 3), departure_at=car.departure_at
        )
    following = (slot for slot in range(moment.slot + 1, moment.plan.grid.count) if car.power_w[slot] > 0)
    following_slot = next(following, None)
    prices = moment.plan.import_price_eur_per_kwh
    return reasons.WaitsForPrice(
        import_price_eur_per_kwh=buy_at,
        next_at=None if following_slot is None else moment.plan.grid.slot_start(following_slot),
        next_price_eur_per_kwh=None if following_slot is None else round(prices[following_slot], 3),
        departure_at=car.departure_at,
    )
