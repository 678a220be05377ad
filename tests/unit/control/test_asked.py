"""What owner and aggregator ask for is done inside what the guard leaves, and the record says who asked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.control.tick import TickResult
from hems.domain import reasons
from hems.domain.asked import Asked
from hems.domain.command import Authority, Limit
from hems.domain.flex import Setpoint
from hems.domain.override import ChargeNow
from hems.domain.plan import Plan
from hems.domain.reading import CarState
from hems.domain.site import DeviceId
from tests.support.houses import BATTERY, CHARGER, GRID, home_a
from tests.support.moments import START_AT, Cycles, House, plan_of, power_of, reason_of

DEAR = plan_of(buy_at=0.60, car_value=0.20, car_needs_wh=5_000.0)
CAR = House(load_w=500.0, car=CarState.CONNECTED)


def charge_now(minutes: float = 60.0) -> Asked:
    until_at = START_AT + timedelta(minutes=minutes)
    override = ChargeNow(id="1", device_id=CHARGER, asked_at=START_AT, until_at=until_at, by="owner")
    return Asked(overrides=(override,))


def hold(power_w: float, *, after_s: float = 0.0, steps: int = 2) -> Asked:
    start_at = START_AT + timedelta(seconds=after_s)
    return Asked(
        setpoint=Setpoint(
            event_id="e", envelope_id="n", revision=1, start_at=start_at, step_s=900, power_w=(power_w,) * steps
        )
    )


def ticks(house: House, asked: Asked, *, at_s: float = 1.0, **others: object) -> TickResult:
    cycles = Cycles(home_a())
    plan = others.pop("plan", plan_of())
    cycles.tick(at_s - 1.0, house, plan, asked=asked, **others)  # type: ignore[arg-type]
    return cycles.tick(at_s, house, plan, asked=asked, **others)  # type: ignore[arg-type]


def authority_of(result: TickResult, device_id: DeviceId) -> Authority:
    return next(each.authority for each in result.commands if each.device_id == device_id)


def test_charge_now_charges_at_a_price_at_which_the_plan_would_wait() -> None:
    assert power_of(ticks(CAR, Asked(), plan=DEAR), CHARGER) == 0.0

    result = ticks(CAR, charge_now(), plan=DEAR)

    assert power_of(result, CHARGER) == 11_040.0
    assert reason_of(result, CHARGER) == reasons.OwnerCharges(until_at=START_AT + timedelta(hours=1))
    assert authority_of(result, CHARGER) is Authority.HOUSEHOLD


def test_charge_now_ends_by_itself() -> None:
    assert power_of(ticks(CAR, charge_now(10), plan=DEAR, at_s=599.0), CHARGER) == 11_040.0
    assert isinstance(reason_of(ticks(CAR, charge_now(10), plan=DEAR, at_s=600.0), CHARGER), reasons.WaitsForPrice)


@pytest.mark.parametrize(("car", "why"), [(CarState.ABSENT, reasons.NoCar), (CarState.FINISHED, reasons.CarFinished)])
def test_charge_now_offers_nothing_to_a_car_that_is_gone_or_full(car: CarState, why: type[reasons.Reason]) -> None:
    result = ticks(House(car=car), charge_now(), plan=DEAR)

    assert power_of(result, CHARGER) == 0.0
    assert isinstance(reason_of(result, CHARGER), why)


def test_charge_now_passes_neither_the_fuse_nor_the_grid_operator() -> None:
    # 20 of 25 A are in use on L1: 3.75 A less than the 6 A floor are left on it.
    full = House(load_phase_w=(20.0 * 230, 0.0, 0.0), car=CarState.CONNECTED)
    assert power_of(ticks(full, charge_now(), plan=DEAR), CHARGER) == 0.0
    limit = Limit(authority=Authority.OPERATOR, source="grid operator", import_power_max_w=4_200.0)
    told_w = power_of(ticks(CAR, charge_now(), plan=DEAR, limits=(limit,)), CHARGER)
    assert told_w is not None
    # The house itself takes 500 W of the 4,200 W.
    assert told_w <= 3_700.0


@pytest.mark.parametrize(
    ("house", "asked_w", "battery_w"),
    [
        # The house draws 500 W: 2,500 W more make 3,000.
        (House(load_w=500.0), 3_000.0, 2_500.0),
        # What the battery does at present is not load.
        (House(load_w=500.0, battery_w=1_000.0), 3_000.0, 2_500.0),
        (House(load_w=500.0, pv_w=2_000.0), -3_000.0, -1_500.0),
        (House(load_w=4_000.0), 0.0, -4_000.0),
        # More than the battery can do: what it can.
        (House(load_w=500.0), 9_000.0, 5_000.0),
    ],
)
def test_a_setpoint_is_met_by_the_battery(house: House, asked_w: float, battery_w: float) -> None:
    result = ticks(house, hold(asked_w))

    assert power_of(result, BATTERY) == pytest.approx(battery_w)
    assert reason_of(result, BATTERY) == reasons.FollowsSetpoint(
        power_w=asked_w, until_at=START_AT + timedelta(seconds=1_800)
    )
    assert authority_of(result, BATTERY) is Authority.SETPOINT


def test_a_charging_car_is_part_of_the_house_that_a_setpoint_holds() -> None:
    charging = House(load_w=500.0, car=CarState.CHARGING, car_w=4_140.0, offered_a=6.0)
    plan = plan_of(buy_at=0.10, car_value=0.11, car_w=(4_140.0,) * 8)

    result = ticks(charging, hold(2_000.0), plan=plan)

    assert power_of(result, BATTERY) == pytest.approx(2_000.0 - 500.0 - 4_140.0)


def test_outside_its_time_blind_and_without_a_trusted_clock_a_setpoint_moves_nothing() -> None:
    early = ticks(House(load_w=500.0), hold(3_000.0, after_s=900.0))
    late = ticks(House(load_w=500.0), hold(3_000.0), at_s=1_800.0)
    blind = ticks(House(load_w=500.0, without=(GRID,)), hold(3_000.0))
    timeless = ticks(House(load_w=500.0), hold(3_000.0), trusted=False)

    for result in (early, late, blind, timeless):
        assert not isinstance(reason_of(result, BATTERY), reasons.FollowsSetpoint)
        assert authority_of(result, BATTERY) is Authority.PLAN


def test_a_setpoint_never_passes_the_grid_operators_limit() -> None:
    limit = Limit(authority=Authority.OPERATOR, source="grid operator", import_power_max_w=2_000.0)

    result = ticks(House(load_w=500.0), hold(4_000.0), limits=(limit,))

    told_w = power_of(result, BATTERY)
    assert told_w is not None
    assert told_w <= 1_500.0


@pytest.mark.parametrize(("most_w", "told_w"), [(0.0, 0.0), (1_000.0, 0.0), (5_000.0, 4_900.0)])
@pytest.mark.parametrize("plan", [None, plan_of(buy_at=0.10, car_value=0.20, car_w=(11_040.0,) * 8)])
def test_while_a_setpoint_is_followed_a_car_takes_no_more_than_was_promised(
    plan: Plan | None, most_w: float, told_w: float
) -> None:
    asked = replace(hold(3_000.0), car_power_max_w={CHARGER: most_w})

    result = ticks(CAR, asked, plan=plan)

    told = power_of(result, CHARGER)
    assert told is not None
    assert told_w <= told <= most_w


def test_the_owner_and_a_departure_are_stronger_than_a_promise() -> None:
    promised = replace(hold(3_000.0), car_power_max_w={CHARGER: 0.0})
    late = plan_of(car_value=0.20, car_needs_wh=20_000.0, departure_at=START_AT + timedelta(hours=1))

    assert power_of(ticks(CAR, promised, plan=late), CHARGER) == 11_040.0
    assert power_of(ticks(CAR, replace(promised, overrides=charge_now().overrides), plan=DEAR), CHARGER) == 11_040.0
