"""Means follow the trusted wall clock; what was not measured for half of its time was not measured."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hems.app.measuring import Means, Meterage, Recent
from hems.control.estimate import estimate
from hems.control.state import ControlState
from hems.domain.reading import CarState
from hems.domain.site import DeviceId
from hems.domain.time import SLOT_S, Now, floor_to
from tests.support.houses import BATTERY, GRID, PV, home_a
from tests.support.moments import START_AT, House

SITE = home_a()


def seconds_of(meterage: Meterage, houses: list[House], *, first_s: int = 0, trusted: bool = True) -> list[Means]:
    found = []
    for second, house in enumerate(houses, start=first_s):
        now = Now(at=START_AT + timedelta(seconds=second), mono_s=float(second), wall_trusted=trusted)
        seen = estimate(ControlState.start(SITE), house.image(SITE, now.mono_s), now)
        if (means := meterage.tick(seen, now)) is not None:
            found.append(means)
    return found


def test_a_minute_is_the_mean_of_its_seconds() -> None:
    houses = [House(load_w=300.0, pv_w=100.0)] * 30 + [House(load_w=900.0, pv_w=100.0, battery_w=200.0)] * 31
    (minute,) = seconds_of(Meterage(SITE, duration_s=60), houses)

    assert minute.start_at == START_AT
    # 29 seconds of 300 W and 31 of 900 W: the first tick has no time before it.
    assert minute.load_power_w == pytest.approx((29 * 300 + 31 * 900) / 60)
    assert minute.sun_w == {PV: pytest.approx(100.0)}
    assert minute.grid_power_w == pytest.approx((29 * 200 + 31 * 1_000) / 60)
    assert minute.level_pct == {BATTERY: 50.0}


def test_a_slot_with_less_than_half_of_its_time_measured_is_unknown() -> None:
    blind = House(without=(GRID,))
    (mostly_blind,) = seconds_of(Meterage(SITE, duration_s=60), [House()] * 29 + [blind] * 32)
    (mostly_seen,) = seconds_of(Meterage(SITE, duration_s=60), [House()] * 32 + [blind] * 29)

    assert mostly_blind.grid_power_w is None
    assert mostly_blind.load_power_w is None
    assert mostly_seen.grid_power_w == pytest.approx(500.0)


@pytest.mark.parametrize("device_id", [each.id for each in SITE.controllables])
def test_the_load_is_unknown_while_a_device_is_silent_whose_power_is_in_it(device_id: DeviceId) -> None:
    seen = House(load_w=400.0, car=CarState.CHARGING, car_w=4_140.0, pv_w=3_000.0, battery_w=-1_000.0)
    hidden = replace(seen, without=(device_id,))
    (mostly_hidden,) = seconds_of(Meterage(SITE, duration_s=60), [seen] * 29 + [hidden] * 32)
    (mostly_seen,) = seconds_of(Meterage(SITE, duration_s=60), [seen] * 32 + [hidden] * 29)

    assert mostly_hidden.grid_power_w == pytest.approx(540.0)
    assert mostly_hidden.load_power_w is None
    assert mostly_seen.load_power_w == pytest.approx(400.0)


def test_an_inverter_that_sleeps_hides_nothing() -> None:
    """It made 20 W of 6 kW when it last answered, an hour ago, or 16 hours."""
    for age_s, last_w, grid_w, known in (
        (3_600.0, 20.0, 400.0, True),
        (16 * 3_600.0, 20.0, 400.0, True),
        (20 * 3_600.0, 20.0, 400.0, False),
        (3_600.0, 2_000.0, 400.0, False),
        (3_600.0, 20.0, -500.0, False),
    ):
        now = Now(at=START_AT, mono_s=age_s, wall_trusted=False)
        image = House(load_w=grid_w, without=(PV,)).image(SITE, now.mono_s)
        image = replace(image, pv=House(pv_w=last_w).image(SITE, 0.0).pv)
        seen = estimate(ControlState.start(SITE), image, now)
        assert seen.load_w == (pytest.approx(grid_w) if known else None), (age_s, last_w, grid_w)
        # Nor does it take room from a car, in the dark when cars charge: 2 kW on each phase would be 8.7 A.
        sleeps = last_w == 20.0 and age_s < 18 * 3_600.0
        assert seen.masked_w.total == pytest.approx(0.0 if sleeps else 6_000.0)


def test_a_night_of_an_inverter_that_sleeps_is_a_night_without_sun() -> None:
    meterage, found = Meterage(SITE, duration_s=60), []
    for second in range(62):
        now = Now(at=START_AT + timedelta(seconds=second), mono_s=3_600.0 + second, wall_trusted=True)
        image = replace(House(without=(PV,)).image(SITE, now.mono_s), pv=House(pv_w=20.0).image(SITE, 0.0).pv)
        found += [means] if (means := meterage.tick(estimate(ControlState.start(SITE), image, now), now)) else []
    assert found[0].sun_w == {PV: 0.0}


def test_sun_that_was_held_back_says_nothing_of_the_sun() -> None:
    meterage = Meterage(SITE, duration_s=60)
    found = []
    for second in range(62):
        now = Now(at=START_AT + timedelta(seconds=second), mono_s=float(second), wall_trusted=True)
        seen = estimate(ControlState.start(SITE), House(pv_w=1_000.0).image(SITE, now.mono_s), now)
        held_back = frozenset({PV}) if second == 30 else frozenset()
        found += [means] if (means := meterage.tick(seen, now, held_back=held_back)) else []

    assert found[0].sun_w == {PV: None}
    assert found[0].device_power_w[PV] == pytest.approx(-1_000.0)


def test_nothing_is_dated_while_the_clock_is_not_trusted() -> None:
    assert seconds_of(Meterage(SITE, duration_s=60), [House()] * 200, trusted=False) == []


def test_a_clock_that_jumps_books_nothing_for_time_that_nobody_saw() -> None:
    meterage = Meterage(SITE, duration_s=60)
    seconds_of(meterage, [House(load_w=100.0)] * 40)
    (before,) = seconds_of(meterage, [House(load_w=5_000.0)], first_s=4_000)

    assert before.load_power_w == pytest.approx(100.0)


def test_a_gap_in_the_history_is_unknown_and_old_slots_fall_out() -> None:
    recent = Recent(end_at=START_AT, values=[1.0, 2.0], slots_max=4)
    recent.put(START_AT, 3.0)
    recent.put(START_AT + timedelta(minutes=30), 5.0)

    assert recent.values == (2.0, 3.0, None, 5.0)
    assert recent.start_at == START_AT - timedelta(minutes=15)


def test_a_clock_that_was_set_back_replaces_what_it_measures_again() -> None:
    recent = Recent(end_at=START_AT, values=[1.0, 2.0], slots_max=4)
    recent.put(START_AT - timedelta(minutes=15), 9.0)

    assert recent.values == (1.0, 9.0)


def test_a_step_of_years_starts_a_new_history() -> None:
    recent = Recent(end_at=START_AT, values=[1.0, 2.0], slots_max=4)
    recent.put(START_AT + timedelta(days=7_000), 9.0)

    assert recent.values == (9.0,)


@pytest.mark.parametrize("days", [0.1, 40.0, 7_000.0, -0.1, -40.0, -7_000.0])
def test_a_clock_that_was_wrong_for_an_hour_costs_the_history_nothing(days: float) -> None:
    recent = Recent(end_at=START_AT, values=[1.0, 2.0, 3.0, None, 5.0, 6.0], slots_max=96)
    wrong_at = floor_to(START_AT + timedelta(days=days), SLOT_S)
    for slot in range(4):
        recent.put(wrong_at + timedelta(seconds=SLOT_S * slot), 99.0)
    recent.put(START_AT + timedelta(minutes=60), 7.0)
    recent.put(START_AT + timedelta(minutes=75), None)

    known = (1.0, 2.0, 3.0, None, 5.0, 6.0, None, None, None, None, 7.0, None)
    assert recent.values[-len(known) :] == known
    assert recent.start_at + timedelta(seconds=SLOT_S * len(recent.values)) == START_AT + timedelta(minutes=90)


def test_a_clock_that_goes_to_and_fro_fills_no_memory() -> None:
    recent = Recent(end_at=START_AT, values=[], slots_max=4)
    for day in range(100):
        recent.put(START_AT + timedelta(days=day % 7), float(day))

    assert len(recent._known) <= 4
