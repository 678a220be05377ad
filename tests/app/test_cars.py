"""Cars and the plan in the running daemon: nothing is bought before a plan knows the car, and one is made soon."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hems.domain.command import ChargeCurrent
from hems.domain.flex import Setpoint
from hems.domain.site import CarHabit, Site
from hems.runtime.files import SystemFiles
from hems.sim import virtual_time
from hems.sim.virtual_time import VirtualClock
from hems.store.history import CarSession
from hems.store.house_store import HouseStore
from tests.support.houses import CHARGER, home_b
from tests.support.living import BALLAST_BYTES, Living, living
from tests.support.simulated import START_AT, flat_data, stay


def with_habit(*, departure_s: int = 8 * 3_600, energy_wh: float = 8_000.0) -> Site:
    """A site whose car is usually ready by a local time of day [s] with so much energy."""
    site, habit = home_b(), CarHabit(departure_s=departure_s, energy_wh=energy_wh)
    return replace(site, chargers=(replace(site.chargers[0], habit=habit),))


def offers_a(house: Living) -> set[float]:
    """All offers to the car since they were last asked for [A]."""
    found = {each.action.current_a for each in house.driver.applied if isinstance(each.action, ChargeCurrent)}
    house.driver.applied.clear()
    return found


@pytest.mark.parametrize("arrival_h", [0.0, 0.3], ids=["there at the start", "comes later"])
def test_a_car_is_offered_nothing_before_a_plan_knows_it(arrival_h: float, tmp_path: Path) -> None:
    """Buying is dear until 03:00, and the car leaves at 08:00: nothing may be bought before."""
    site = with_habit()
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0, sessions=(stay(arrival_h, 10.0, 8.0),))

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(arrival_h * 3_600 + 120.0)
            car = next(each for each in house.daemon.house.snapshot().devices if each.id == CHARGER)
            assert car.reason_code == "waits_for_price"
            assert offers_a(house) == {0.0}

    virtual_time.run(main())


def test_a_car_that_stays_beyond_its_departure_is_planned_again_at_once(tmp_path: Path) -> None:
    """It has what it needs at 02:10, in the middle of a slot that is dear, and stays: nothing more is bought."""
    site = with_habit(departure_s=2 * 3_600 + 600, energy_wh=2_000.0)
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0, sessions=(stay(0.0, 40.0, 30.0),))
    departure_s = 3_600.0 + 600.0

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(departure_s - 2.0)
            assert max(offers_a(house)) > 0.0
            plans = house.daemon.planner.plans
            await house.until(departure_s + 290.0)
            assert offers_a(house) == {0.0}
            assert house.daemon.planner.plans == plans + 1

    virtual_time.run(main())


def test_a_charger_that_missed_the_plan_is_planned_when_it_answers_again(tmp_path: Path) -> None:
    """It is silent across a quarter hour, for 90 s, while buying is dear."""
    site = with_habit()
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0, sessions=(stay(0.0, 40.0, 30.0),))

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(1_740.0)
            house.driver.lost = {CHARGER}
            await house.until(1_830.0)
            plans = house.daemon.planner.plans
            house.driver.lost = set()
            await house.until(2_690.0)
            assert offers_a(house) == {0.0}
            assert house.daemon.planner.plans == plans + 1

    virtual_time.run(main())


def test_a_car_that_is_short_at_its_departure_goes_on_charging_until_it_has_what_it_needs(tmp_path: Path) -> None:
    """10 kWh by 01:30, half an hour after it came: 5 kWh are missing, and who leaves at 02:00 must not find 5 kWh."""
    site = with_habit(departure_s=3_600 + 1_800, energy_wh=10_000.0)
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0, sessions=(stay(0.0, 40.0, 30.0),))

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(1_800.0)
            assert 4_000.0 < charged_wh(house) < 6_500.0
            await house.until(1_900.0)
            car = next(each for each in house.daemon.house.snapshot().devices if each.id == CHARGER)
            assert car.headline == "Charging: the car should have been ready at 01:30 and is still short."
            await house.until(3_600.0)
            assert charged_wh(house) > 9_500.0
            await house.until(2.0 * 3_600.0)
            assert charged_wh(house) == pytest.approx(10_000.0, abs=300.0)

    virtual_time.run(main())


def test_a_late_car_takes_no_more_than_an_aggregator_was_promised(tmp_path: Path) -> None:
    """The setpoint was agreed before the usual departure, after which nothing was expected at the charger."""
    site = with_habit(departure_s=3_600 + 1_800, energy_wh=14_000.0)
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0, sessions=(stay(0.0, 40.0, 30.0),))

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT, stored_ratio=0.8) as house:
            await house.until(1_330.0)
            envelope = house.daemon.house.envelope()
            bounds_w = None if envelope is None else envelope.bounds_w(1_800)
            assert envelope is not None
            assert bounds_w is not None, envelope.null_reason
            asked = Setpoint(
                event_id="e",
                envelope_id=envelope.envelope_id,
                revision=0,
                start_at=house.daemon.house.live().now.at,
                step_s=60,
                power_w=(round(sum(bounds_w) / 2, 1),) * 30,
            )
            assert await house.daemon.house.flex.offer(asked) is None
            await house.until(1_900.0)
            before_wh = charged_wh(house)
            await house.until(3_000.0)
            assert charged_wh(house) == before_wh
            grid = house.daemon.house.live().result.estimate.grid
            assert grid is not None
            assert grid.power_w == pytest.approx(asked.power_w[0], abs=300.0)
            await house.until(4_500.0)
            assert charged_wh(house) > before_wh

    virtual_time.run(main())


def charged_wh(house: Living) -> float:
    """Since the car was plugged in."""
    return house.daemon.house.live().result.estimate.chargers[CHARGER].session_energy_wh


def test_a_stay_is_kept_when_it_ends_and_when_it_only_began(tmp_path: Path) -> None:
    site = home_b()
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0, sessions=(stay(0.1, 0.2, 1.0), stay(0.5, 9.0, 6.0)))

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(0.6 * 3_600.0)
            first, second = house.daemon.parts.store.history.sessions(CHARGER, START_AT, START_AT + timedelta(days=1))
            assert first.unplugged_at is not None
            assert first.was_full
            assert first.energy_wh == pytest.approx(1_000, abs=1)
            assert (first.unplugged_at - first.plugged_at).total_seconds() == pytest.approx(720, abs=5)
            assert second.unplugged_at is None

    virtual_time.run(main())


def test_a_car_of_which_nothing_was_told_is_planned_by_what_was_seen(tmp_path: Path) -> None:
    """Ten nights are on disk: on the eleventh it waits for the cheap hours instead of charging at once."""
    site = home_b()
    site = replace(site, chargers=(replace(site.chargers[0], habit=None),))
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0, sessions=(stay(0.0, 10.0, 6.0),))

    async def main() -> None:
        store = HouseStore(tmp_path, SystemFiles(tmp_path), VirtualClock(START_AT), ballast_bytes=BALLAST_BYTES)
        for day in range(1, 11):
            plugged_at = START_AT - timedelta(days=day)
            store.history.put_session(
                CarSession(
                    device_id=CHARGER,
                    plugged_at=plugged_at,
                    unplugged_at=plugged_at + timedelta(hours=10),
                    energy_wh=6_000.0,
                    was_full=True,
                )
            )
        store.close()
        async with living(site, data, tmp_path, start_at=START_AT) as house:
            await house.until(120.0)
            car = next(each for each in house.daemon.house.snapshot().devices if each.id == CHARGER)
            assert car.reason_code == "waits_for_price"

    virtual_time.run(main())
