"""What each device should do, as tables of cycles. Numbers are worked out by hand from the prices in the row.

Home A: battery 10 kWh, 5 kW, 95 % each way; a stored kWh worth 0.20 EUR is worth 0.19 when put in and 0.2105 when
taken out. Charger 6 to 16 A on one or three phases (1.38 to 3.68 kW, 4.14 to 11.04 kW). Plant of 6 kWp.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.control.state import ControlState
from hems.control.tick import TickResult, tick
from hems.domain import reasons
from hems.domain.command import Authority, Limit
from hems.domain.plan import Plan, Purpose
from hems.domain.reading import CarState, PvValues, Reading
from hems.domain.reasons import Reason
from hems.domain.site import DeviceId, PvPlane
from tests.support.houses import BATTERY, CHARGER, PV, home_a
from tests.support.moments import START_AT, Cycles, House, now_after, once, plan_of, power_of, reason_of

CHARGING = House(load_w=500.0, car=CarState.CHARGING, car_w=11_040.0, offered_a=16.0)
WAITING = House(load_w=500.0, car=CarState.CONNECTED)


def kind_of(result: TickResult, device_id: DeviceId) -> type[Reason]:
    return type(reason_of(result, device_id))


@pytest.mark.parametrize(
    ("house", "plan", "battery_w", "why"),
    [
        # The sun makes 3 kW, the house needs 0.5: 2.5 kW are left; stored at 0.19 they beat selling at 0.10.
        (House(pv_w=3_000.0), plan_of(), 2_500.0, reasons.StoresSurplus),
        # What the battery does at present is not load: the same surplus while it charges already.
        (House(pv_w=3_000.0, battery_w=1_000.0), plan_of(), 2_500.0, reasons.StoresSurplus),
        # More surplus than the battery takes.
        (House(load_w=0.0, pv_w=5_800.0), plan_of(), 5_000.0, reasons.StoresSurplus),
        # Selling at 0.205 beats 0.19, but not the 0.2105 that a kWh costs inside: leave room.
        (House(pv_w=3_000.0), plan_of(sell_at=0.205), 0.0, reasons.LeavesRoom),
        # Selling at 0.25 earns more than the 0.2105 that a kWh costs inside: all 5 kW.
        (House(), plan_of(sell_at=0.25), -5_000.0, reasons.Sells),
        # 1.5 kW missing; 0.2105 inside against 0.30 from the grid: cover it.
        (House(load_w=1_500.0), plan_of(), -1_500.0, reasons.CoversLoad),
        # Worth 0.40 later: keep it.
        (House(load_w=1_500.0), plan_of(battery_value=0.40, sell_at=0.10, buy_at=0.40), 0.0, reasons.KeepsForLater),
        # Buying at 0.15 beats 0.19: buy with full power.
        (House(), plan_of(buy_at=0.15), 5_000.0, reasons.BuysForLater),
        # Negative purchase price: the plan's own power.
        (House(), plan_of(buy_at=-0.05, sell_at=-0.10, battery_w=2_200.0), 2_200.0, reasons.FollowsPlan),
        # Planned to discharge 3 kW at a negative sale price, but only 0.5 kW are drawn.
        (House(), plan_of(buy_at=-0.05, sell_at=-0.10, battery_w=-3_000.0), -500.0, reasons.FollowsPlan),
        # A plan by rules knows no value: plain self-consumption between the prices.
        (House(load_w=1_500.0), plan_of(battery_value=None), -1_500.0, reasons.SelfConsumes),
        (House(load_w=1_500.0), plan_of(battery_value=None, purpose=Purpose.HOLD), 0.0, reasons.StaysIdle),
        # Full or empty batteries neither store nor cover.
        (House(pv_w=3_000.0, stored_wh=10_000.0), plan_of(), 0.0, reasons.Waits),
        (House(load_w=1_500.0, stored_wh=1_000.0), plan_of(), 0.0, reasons.Waits),
        # On the tie the plan's power decides: 0.19 against a price of 0.19.
        (House(), plan_of(buy_at=0.19, battery_w=1_200.0), 1_200.0, reasons.BuysForLater),
    ],
)
def test_the_battery_serves_whatever_its_energy_is_worth_most_for(
    house: House, plan: Plan, battery_w: float, why: type[Reason]
) -> None:
    result = once(home_a(), house, plan)
    assert power_of(result, BATTERY) == pytest.approx(battery_w, abs=1.0)
    assert kind_of(result, BATTERY) is why


def test_the_reason_carries_the_numbers_that_decided() -> None:
    result = once(home_a(), House(load_w=1_500.0), plan_of())
    assert reason_of(result, BATTERY) == reasons.CoversLoad(value_eur_per_kwh=0.211, import_price_eur_per_kwh=0.3)
    result = once(home_a(), House(pv_w=3_000.0), plan_of())
    assert reason_of(result, BATTERY) == reasons.StoresSurplus(value_eur_per_kwh=0.19, export_price_eur_per_kwh=0.1)


@pytest.mark.parametrize(
    ("house", "plan", "trusted"),
    [
        (House(load_w=1_500.0), None, True),
        (House(load_w=1_500.0), plan_of(battery_value=0.50, buy_at=0.60), False),
    ],
    ids=["no plan", "a wall clock that nobody vouches for"],
)
def test_without_a_plan_for_this_moment_the_battery_serves_the_house(
    house: House, plan: Plan | None, trusted: bool
) -> None:
    result = Cycles(home_a()).tick(0.0, house, plan, trusted=trusted)
    assert power_of(result, BATTERY) == pytest.approx(-1_500.0)
    assert reason_of(result, BATTERY) == reasons.SelfConsumes()


def test_a_plan_that_is_over_is_no_plan() -> None:
    """The plan has eight slots of 900 s: it holds at 7,199 s and not at 7,200 s. It would keep, rules would cover."""
    plan = plan_of(battery_value=0.41, buy_at=0.40)
    cycles = Cycles(home_a())
    last = cycles.tick(7_199.0, House(load_w=1_500.0), plan)
    assert (power_of(last, BATTERY), kind_of(last, BATTERY)) == (0.0, reasons.KeepsForLater)
    after = cycles.tick(7_200.0, House(load_w=1_500.0), plan)
    assert power_of(after, BATTERY) == pytest.approx(-1_500.0)
    assert reason_of(after, BATTERY) == reasons.SelfConsumes()


@pytest.mark.parametrize(
    ("house", "plan", "car_w", "why"),
    [
        (House(), None, 0.0, reasons.NoCar),
        (House(car=CarState.FINISHED), None, 0.0, reasons.CarFinished),
        (WAITING, None, 11_040.0, reasons.ChargesOnPlugIn),
        # Waits: 0.30 now, worth 0.15.
        (WAITING, plan_of(car_value=0.15), 0.0, reasons.WaitsForPrice),
        # Price-driven: worth 0.30, bought at 0.20.
        (WAITING, plan_of(car_value=0.30, buy_at=0.20), 11_040.0, reasons.ChargesCheap),
        # Nothing is missing any more (30 kWh were wanted, the session has them).
        (
            replace(WAITING, session_wh=30_000.0),
            plan_of(car_value=0.30, car_needs_wh=30_000.0),
            0.0,
            reasons.CarFinished,
        ),
        # 10 kWh at 11.04 kW take 54 minutes; departure in 65: less than 15 minutes to spare even at full power.
        (
            WAITING,
            plan_of(car_value=0.01, car_needs_wh=10_000.0, departure_at=START_AT + timedelta(minutes=65)),
            11_040.0,
            reasons.MustCharge,
        ),
        (
            WAITING,
            plan_of(car_value=0.01, car_needs_wh=10_000.0, departure_at=START_AT + timedelta(hours=6)),
            0.0,
            reasons.WaitsForPrice,
        ),
        # A battery full, 2.3 kW of surplus: 10 A on one phase.
        (
            House(load_w=500.0, pv_w=2_800.0, stored_wh=10_000.0, car=CarState.CONNECTED, phase_count=1),
            plan_of(car_value=0.15),
            2_300.0,
            reasons.ChargesOnSurplus,
        ),
        # 1.2 kW of surplus are less than 6 A: 180 W must be bought at 0.30, and still 1.38 kWh are worth 0.207 EUR
        # for 0.174.
        (
            House(load_w=500.0, pv_w=1_700.0, stored_wh=10_000.0, car=CarState.CONNECTED, phase_count=1),
            plan_of(car_value=0.15),
            1_380.0,
            reasons.ChargesOnSurplus,
        ),
        # 0.5 kW of surplus: 0.88 kW bought would cost more than the charge is worth.
        (
            House(load_w=500.0, pv_w=1_000.0, stored_wh=10_000.0, car=CarState.CONNECTED, phase_count=1),
            plan_of(car_value=0.15),
            0.0,
            reasons.WaitsForPrice,
        ),
    ],
)
def test_the_car_charges_when_it_is_worth_it_or_must(
    house: House, plan: Plan | None, car_w: float, why: type[Reason]
) -> None:
    result = once(home_a(), house, plan)
    assert power_of(result, CHARGER) == pytest.approx(car_w, abs=1.0)
    assert kind_of(result, CHARGER) is why


def test_a_waiting_car_says_when_it_goes_on() -> None:
    plan = plan_of(
        car_value=0.15, buy_at=(0.30, 0.30, 0.12, 0.12, 0.3, 0.3, 0.3, 0.3), car_w=(0.0, 0.0, 7_000.0) + (0.0,) * 5
    )
    result = once(home_a(), WAITING, plan)
    assert reason_of(result, CHARGER) == reasons.WaitsForPrice(
        import_price_eur_per_kwh=0.3,
        next_at=START_AT + timedelta(minutes=30),
        next_price_eur_per_kwh=0.12,
        departure_at=START_AT + timedelta(hours=20),
    )


def test_the_highest_worth_gets_the_sun_first() -> None:
    """4 kW of surplus: a car at 0.25 before a battery at 0.19; with the car at 0.15 the battery comes first."""
    house = House(load_w=500.0, pv_w=4_500.0, car=CarState.CHARGING, car_w=4_140.0, offered_a=6.0)
    first = once(home_a(), replace(house, load_w=360.0), plan_of(car_value=0.25))
    assert power_of(first, CHARGER) == pytest.approx(4_140.0, abs=1.0)
    assert power_of(first, BATTERY) == pytest.approx(0.0, abs=1.0)
    second = once(home_a(), house, plan_of(car_value=0.15))
    assert power_of(second, BATTERY) == pytest.approx(4_000.0, abs=1.0)


def test_a_car_that_takes_nothing_leaves_the_sun_to_the_battery() -> None:
    """It is offered 4.14 kW of the surplus and draws none: the battery stores all of it."""
    house = House(load_w=360.0, pv_w=4_500.0, car=CarState.CONNECTED, offered_a=6.0)
    result = once(home_a(), house, plan_of(car_value=0.25))
    assert power_of(result, CHARGER) == pytest.approx(4_140.0, abs=1.0)
    assert power_of(result, BATTERY) == pytest.approx(4_140.0, abs=1.0)


def test_the_battery_covers_what_a_car_draws_and_not_what_it_is_offered() -> None:
    """11.04 kW offered, 1.5 kW drawn (the end of a charge): 2 kW with the house."""
    house = House(load_w=500.0, car=CarState.CHARGING, car_w=1_500.0, offered_a=16.0)
    assert power_of(once(home_a(), house, None), BATTERY) == pytest.approx(-2_000.0, abs=1.0)


def test_a_car_that_ignores_its_offer_is_said_to_be_asleep_after_150_seconds() -> None:
    cycles = Cycles(home_a())
    offered = replace(WAITING, offered_a=16.0)
    rows = [
        (0.0, WAITING, reasons.ChargesOnPlugIn),  # offered now
        (60.0, offered, reasons.ChargesOnPlugIn),  # ignored since now
        (150.0, offered, reasons.ChargesOnPlugIn),
        (210.0, offered, reasons.CarAsleep),
        (270.0, replace(CHARGING, offered_a=16.0), reasons.CarAsleep),  # it draws: known at the next tick
        (330.0, CHARGING, reasons.ChargesOnPlugIn),
    ]
    for at_s, house, why in rows:
        result = cycles.tick(at_s, house)
        assert (at_s, kind_of(result, CHARGER)) == (at_s, why)
        # Ticks of 60 s: 13 A are kept free for what may start unseen, less the spare 5 %: 11.2 A fit.
        assert power_of(result, CHARGER) == pytest.approx(11.2 * 3 * 230.0)


def test_a_plant_is_held_back_only_while_selling_costs_money() -> None:
    """Selling costs 0.05: the house draws 0.5 kW, the battery would take 5: 5.5 kW may be made."""
    house = House(load_w=500.0, pv_w=3_000.0)
    curtailed = once(home_a(), house, plan_of(sell_at=-0.05))
    assert power_of(curtailed, PV) == pytest.approx(-5_500.0)
    assert reason_of(curtailed, PV) == reasons.Curtails(export_price_eur_per_kwh=-0.05)
    free = once(home_a(), house, plan_of(sell_at=0.0))
    assert (power_of(free, PV), reason_of(free, PV)) == (None, reasons.ProducesFreely())


def test_a_held_back_plant_still_fills_the_battery() -> None:
    """Closed loop: the plant makes what it may, up to 5.6 kW of sun, the battery follows; nothing is exported."""
    cycles = Cycles(home_a())
    plan = plan_of(sell_at=-0.05)
    made_w, battery_w = 500.0, 0.0
    for second in range(10):
        result = cycles.tick(float(second), House(load_w=500.0, pv_w=made_w, battery_w=battery_w), plan)
        limit_w, told_w = power_of(result, PV), power_of(result, BATTERY)
        assert limit_w is not None
        assert told_w is not None
        made_w, battery_w = min(5_600.0, -limit_w), told_w
    assert made_w == pytest.approx(5_500.0)
    assert battery_w == pytest.approx(5_000.0)


def test_a_full_battery_and_a_sleeping_car_leave_the_plant_only_the_house() -> None:
    house = House(load_w=500.0, pv_w=3_000.0, stored_wh=10_000.0, car=CarState.CONNECTED, offered_a=16.0)
    result = once(home_a(), house, plan_of(sell_at=-0.05))
    assert power_of(result, PV) == pytest.approx(-500.0)


def test_a_battery_that_charges_slowly_leaves_the_plant_no_more_than_it_takes() -> None:
    """Nearly full, its management allows 800 W: counted with its 5 kW, the rest would be fed in at a cost."""
    house = House(load_w=500.0, pv_w=3_000.0, charge_max_w=800.0)
    result = once(home_a(), house, plan_of(sell_at=-0.05))
    assert power_of(result, PV) == pytest.approx(-1_300.0)


def test_production_stops_while_buying_earns_money() -> None:
    result = once(home_a(), House(load_w=500.0, pv_w=3_000.0), plan_of(buy_at=-0.02, sell_at=-0.06))
    assert power_of(result, PV) == pytest.approx(0.0)


def test_a_plant_that_cannot_be_limited_is_left_alone() -> None:
    house = home_a()
    fixed = replace(house, pv=(replace(house.pv[0], curtailable=False),))
    result = once(fixed, House(pv_w=3_000.0), plan_of(sell_at=-0.05))
    assert (power_of(result, PV), reason_of(result, PV)) == (None, reasons.ProducesFreely())


@pytest.mark.parametrize(
    ("load_w", "old_w", "old_answers", "old_curtailable", "told_w"),
    [
        # The old one alone makes more than the house draws.
        (3_000.0, 4_000.0, True, False, (0.0, None)),
        # What it leaves is for the other one alone, whatever its peak.
        (3_000.0, 500.0, True, False, (-2_500.0, None)),
        # Silent, it hides 0.5 kW of the load; what is told to it nobody may count on.
        (3_000.0, 500.0, False, False, (-2_500.0, None)),
        (3_000.0, 500.0, False, True, (-2_500.0, None)),
        # Both can be limited: 3 kW in parts of 6 and 3 kWp.
        (3_000.0, 1_000.0, True, True, (-2_000.0, -1_000.0)),
    ],
)
def test_plants_that_can_be_limited_share_what_the_others_leave(
    load_w: float, old_w: float, old_answers: bool, old_curtailable: bool, told_w: tuple[float, float | None]
) -> None:
    old = DeviceId("old")
    plane = PvPlane(peak_w=3_000.0, tilt_deg=35.0, azimuth_deg=180.0)
    house = home_a()
    second = replace(house.pv[0], id=old, name="Old", planes=(plane,), curtailable=old_curtailable)
    # No export limit: it would have a say of its own.
    connection = replace(house.connection, export_power_max_w=None)
    site = replace(house, connection=connection, pv=(house.pv[0], second), batteries=(), chargers=())
    made = House(load_w=load_w, pv_w=2_000.0 + old_w)
    plan = replace(plan_of(sell_at=-0.05), batteries=())
    state = ControlState.start(site)
    for at_s in (0.0, 1.0):
        now = now_after(at_s)
        pv = {PV: Reading(value=PvValues(power_w=-2_000.0), mono_s=now.mono_s)}
        if old_answers:
            pv[old] = Reading(value=PvValues(power_w=-old_w), mono_s=now.mono_s)
        image = replace(made.image(site, now.mono_s), pv=pv)
        result = tick(state, image, plan, (), now)
        state = result.state
    assert (power_of(result, PV), power_of(result, old)) == told_w


def test_silent_devices_are_told_so_and_the_others_go_on() -> None:
    result = once(home_a(), House(load_w=1_500.0, car=CarState.CONNECTED, without=(CHARGER,)), None)
    assert (power_of(result, CHARGER), reason_of(result, CHARGER)) == (0.0, reasons.DeviceSilent())
    assert power_of(result, BATTERY) == pytest.approx(-1_500.0)


def test_without_the_grid_meter_the_battery_rests_and_the_car_buys_what_fits_at_worst() -> None:
    """No day's high yet: 13 A are kept for the house; 25 A x 0.95 - 13 A leave 10.75 A, in steps of 0.1 A 10.7."""
    house = replace(WAITING, without=(home_a().meter.id,))
    result = once(home_a(), house, plan_of(car_value=0.30, buy_at=0.20))
    assert (power_of(result, BATTERY), reason_of(result, BATTERY)) == (0.0, reasons.GridMeterSilent())
    assert power_of(result, CHARGER) == pytest.approx(10.7 * 3 * 230.0)
    assert kind_of(result, CHARGER) is reasons.ChargesCheap
    dear = once(home_a(), house, plan_of(car_value=0.15))
    assert (power_of(dear, CHARGER), kind_of(dear, CHARGER)) == (0.0, reasons.WaitsForPrice)


def test_an_operators_limit_outranks_a_car_that_must_charge() -> None:
    limit = Limit(authority=Authority.OPERATOR, source="grid operator", import_power_max_w=4_200.0)
    plan = plan_of(car_value=0.3, car_needs_wh=10_000.0, departure_at=START_AT + timedelta(minutes=65))
    result = once(home_a(), WAITING, plan, limits=(limit,))
    # 4.2 kW less 0.5 kW of house: 16 A on one phase are 3.68 kW.
    assert power_of(result, CHARGER) == pytest.approx(3_680.0)
