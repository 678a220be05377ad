"""Stays of cars out of what chargers say."""

from datetime import UTC, datetime, timedelta

from hems.app.sessions import SessionWatch
from hems.domain.reading import CarState, ChargerValues
from hems.domain.session import ChargingSession
from hems.domain.site import DeviceId

CAR = DeviceId("driveway")
START_AT = datetime(2024, 5, 1, tzinfo=UTC)


def said(car: CarState, energy_wh: float = 0.0) -> dict[DeviceId, ChargerValues]:
    return {CAR: ChargerValues(car=car, power_w=0.0, session_energy_wh=energy_wh, offered_current_a=0.0, phase_count=3)}


def after(hours: float) -> datetime:
    return START_AT + timedelta(hours=hours)


def watch_with_a_car(energy_wh: float = 5_000.0, car: CarState = CarState.CHARGING) -> SessionWatch:
    watch = SessionWatch()
    assert watch.see(said(CarState.CONNECTED), after(1)) == {CAR: None}
    assert watch.see(said(car, energy_wh), after(2)) == {}
    return watch


def test_a_stay_is_told_when_it_ends():
    ended = watch_with_a_car().see(said(CarState.ABSENT), after(3))
    assert ended == {
        CAR: ChargingSession(plugged_at=after(1), unplugged_at=after(3), energy_wh=5_000.0, was_full=False)
    }


def test_a_car_that_took_no_more_was_full():
    (ended,) = watch_with_a_car(car=CarState.FINISHED).see(said(CarState.ABSENT), after(3)).values()
    assert ended is not None
    assert ended.was_full


def test_a_silent_charger_ends_nothing():
    watch = watch_with_a_car()
    assert watch.see({}, after(4)) == {}
    (ended,) = watch.see(said(CarState.ABSENT), after(5)).values()
    assert ended is not None
    assert ended.unplugged_at == after(5)


def test_a_counter_that_falls_is_another_car():
    watch = watch_with_a_car()
    (ended,) = watch.see(said(CarState.CHARGING, 50.0), after(3)).values()
    assert ended is not None
    assert ended.energy_wh == 5_000.0
    assert watch.arrivals_at == {CAR: after(3)}


def test_a_stay_that_began_before_the_clock_was_right_is_not_kept():
    watch = SessionWatch()
    watch.see(said(CarState.CHARGING, 10.0), after(-900_000), is_dated=False)
    assert watch.see(said(CarState.ABSENT), after(3)) == {CAR: None}


def test_a_car_that_was_there_before_a_restart_came_when_it_came():
    watch = watch_with_a_car()
    watch.remember(CAR, after(-5))
    watch.remember(DeviceId("other"), after(-5))
    assert watch.arrivals_at == {CAR: after(-5)}
