"""The daemon in virtual time: useful with whatever answers, calm about what does not, and at rest when it stops."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest

from hems.domain.change import Input
from hems.domain.command import BatteryPower, HeatPumpPower
from hems.domain.errors import BadInputError
from hems.domain.events import Mode
from hems.domain.flex import Setpoint
from hems.domain.plan import Origin
from hems.domain.reading import CarState
from hems.domain.site import CarHabit, DeviceId
from hems.domain.snapshot import PlainState
from hems.domain.wiring import AggregatorWiring
from hems.sim import virtual_time
from hems.sim.memory_mqtt import MemoryBroker
from hems.store.history import SlotValue
from tests.support.houses import BATTERY, CHARGER, GRID, HEAT_PUMP, PV, home_b
from tests.support.living import flat_market, living
from tests.support.simulated import START_AT, flat_data, stay

SITE = home_b()
DATA = flat_data(SITE, days=4, load_w=600.0, pv_w=1_500.0, sessions=(stay(0.3, 10.0, 8.0),))
DEVICES = (GRID, PV, BATTERY, CHARGER, HEAT_PUMP)
SUBSETS = [subset for count in range(len(DEVICES) + 1) for subset in combinations(DEVICES, count)]


def test_a_quiet_hour_gives_a_plan_a_record_and_no_complaint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(3_600.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.mode is Mode.NORMAL
            assert snapshot.plan is not None
            assert snapshot.plan.origin is Origin.SOLVER
            assert house.daemon.planner.plans >= 4
            assert all(device.state is not PlainState.PROBLEM for device in snapshot.devices)
            assert snapshot.notices == ()
            store = house.daemon.parts.store
            means = store.history.slots("load_w", START_AT, START_AT + timedelta(minutes=45))
            assert means == pytest.approx([600.0] * 3, abs=30.0)
            assert house.daemon.recorder.dropped == 0
        assert house.driver.rested
        assert list(store.telemetry.read(START_AT, START_AT + timedelta(hours=1)))

    with caplog.at_level(logging.WARNING):
        virtual_time.run(main())
    assert [each.getMessage() for each in caplog.records] == []


def test_a_plan_that_changed_says_what_and_why_on_the_page(tmp_path: Path) -> None:
    """The car comes at 00:18 and needs 8 kWh by 08:00: nobody expected it."""
    habit = CarHabit(departure_s=8 * 3600, energy_wh=8_000.0)
    site = replace(SITE, chargers=(replace(SITE.chargers[0], habit=habit),))

    async def main() -> None:
        async with living(site, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(1_200.0)
            change = house.daemon.planner.change
            assert change is not None
            assert change.cause is not None
            assert change.cause.changed is Input.CAR_CAME
            view = house.daemon.house.plan_view()
            assert view.changed is not None
            assert view.changed.text.startswith("Changed at ")
            assert {each.device_id for each in view.blocks} >= {BATTERY, CHARGER}
            assert len(view.marginal_eur_per_kwh) == len(view.load_power_w)

    virtual_time.run(main())


@pytest.mark.parametrize("absent", SUBSETS, ids=lambda subset: "+".join(subset) or "none")
def test_every_subset_may_be_absent_at_the_start(
    absent: tuple[DeviceId, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            house.driver.lost = set(absent)
            await house.until(60.0)
            snapshot = house.daemon.house.snapshot()
            states = {device.id: device.state for device in snapshot.devices}
            assert {key for key, state in states.items() if state is PlainState.PROBLEM} == set(absent)
            assert (snapshot.mode is Mode.SAFE_HOLD) is (GRID in absent)
            assert (snapshot.home_power_w is None) is bool(absent)
            told = {command.device_id for command in house.driver.applied}
            assert told == {each.id for each in SITE.controllables} - set(absent)
            assert snapshot.plan is not None

            house.driver.lost = set()
            await house.until(120.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.mode is Mode.NORMAL
            assert snapshot.notices == ()
            assert snapshot.home_power_w is not None

    with caplog.at_level(logging.INFO):
        virtual_time.run(main())
    texts = [each.getMessage() for each in caplog.records]
    for device_id in absent:
        name = next(each.name for each in SITE.devices if each.id == device_id)
        assert sum(text.startswith(f"{name} does not answer") for text in texts) == 1
        assert texts.count(f"{name} answers") == 1


@pytest.mark.parametrize("device_id", DEVICES)
def test_each_device_may_be_lost_and_come_back_in_flight(
    device_id: DeviceId, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(300.0)
            house.driver.lost = {device_id}
            await house.until(420.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.mode is (Mode.SAFE_HOLD if device_id == GRID else Mode.DEGRADED)
            assert [notice.level for notice in snapshot.notices] == ["problem"]
            others = {command.device_id for command in house.driver.applied[-8:]}
            assert others >= {each.id for each in SITE.controllables} - {device_id}
            if device_id == GRID:
                last = [each for each in house.driver.applied if each.device_id == BATTERY][-1]
                assert last.action == BatteryPower(power_w=0.0)
            house.driver.lost = set()
            await house.until(480.0)
            assert house.daemon.house.snapshot().mode is Mode.NORMAL

    with caplog.at_level(logging.INFO):
        virtual_time.run(main())
    texts = [each.getMessage() for each in caplog.records]
    assert sum("does not answer" in text for text in texts) == 1
    assert sum(text.endswith(" answers") for text in texts) == 1


def test_a_clock_that_was_forty_days_ahead_for_half_an_hour_costs_the_memory_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(4_000.0)
            house.clock.step_wall(40 * 86_400.0)
            await house.until(6_000.0)
            house.clock.step_wall(-40 * 86_400.0)
            await house.until(12_000.0)
            view = house.daemon.house.plan_view()
            past = view.load_power_w[: view.past_count]
            # 13 quarter hours: all but the two around each step and those in between.
            assert sum(each is not None for each in past) >= 9
            assert past[-5:] == pytest.approx((600.0,) * 5, abs=30.0)

    virtual_time.run(main())


@pytest.mark.parametrize("has_aggregator", [True, False], ids=["with an aggregator", "without one"])
def test_minutes_wait_on_disk_for_an_aggregator_and_for_nobody_else(has_aggregator: bool, tmp_path: Path) -> None:
    broker = MemoryBroker()
    broker.stop()
    wiring = AggregatorWiring(connection="b", aggregator_id="agg", home_id="home")

    async def main() -> None:
        aggregator = (wiring, broker.link()) if has_aggregator else None
        async with living(SITE, DATA, tmp_path, start_at=START_AT, aggregator=aggregator) as house:
            await house.until(301.0)
            waiting = house.daemon.parts.store.outbox.pending(100)
            assert len(waiting) == (5 if has_aggregator else 0)
        written = [path.name for path in (tmp_path / "outbox").glob("*") if path.stat().st_size]
        assert bool(written) is has_aggregator

    virtual_time.run(main())


def test_without_a_trusted_clock_the_house_goes_by_rules_and_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT, trusted=False) as house:
            await house.until(600.0)
            snapshot = house.daemon.house.snapshot()
            assert snapshot.plan is None
            assert "clock is not confirmed" in snapshot.notices[0].text
            assert {each.action for each in house.driver.applied if each.device_id == BATTERY}
            until_at = START_AT + timedelta(hours=2)
            with pytest.raises(BadInputError, match="clock"):
                await house.daemon.house.charge_now(device_id=CHARGER, until_at=until_at, by="owner")
            house.clock.trusted = True
            await house.until(900.0)
            assert house.daemon.house.snapshot().plan is not None

    virtual_time.run(main())


def test_without_any_price_the_fallback_of_the_site_file_counts(tmp_path: Path) -> None:
    async def main() -> None:
        market = flat_market(START_AT, published=False)
        async with living(SITE, DATA, tmp_path, start_at=START_AT, market=market) as house:
            await house.until(120.0)
            price = house.daemon.house.snapshot().price
            assert price.import_eur_per_kwh == 0.30
            assert price.published_until_at is None
            assert "fallback rate of 30 ct" in price.source
            assert house.daemon.house.snapshot().plan is not None

    virtual_time.run(main())


def test_a_part_that_keeps_failing_is_on_the_page_until_it_is_well_again(tmp_path: Path) -> None:
    async def main() -> None:
        is_broken = True

        async def prices() -> None:
            if is_broken:
                raise ValueError("2026-10-05T09:07:13+00:00 is not the start of a quarter hour")
            await asyncio.Event().wait()

        market = replace(flat_market(START_AT), tasks=(("prices", prices),))
        async with living(SITE, DATA, tmp_path, start_at=START_AT, market=market) as house:
            await house.until(600.0)
            (notice,) = house.daemon.house.snapshot().notices
            assert notice.text.startswith('The part "prices" of hems fails again and again: ')
            assert "not the start of a quarter hour" in notice.text
            is_broken = False
            await house.until(800.0)
            assert house.daemon.house.snapshot().notices == ()

    virtual_time.run(main())


def test_a_broken_planner_leaves_the_old_plan_then_rules_and_says_why(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(120.0)
            house.planner.broken = True
            await house.until(1_000.0)
            status = house.daemon.house.snapshot().plan
            assert status is not None
            assert status.origin is Origin.SOLVER
            assert status.trouble is not None
            assert "old plan" in status.trouble

    virtual_time.run(main())


def test_an_sg_ready_pump_that_the_plan_lets_rest_is_let_go_before_it_helps_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Cheap hours begin at 04:00; a heavy house at 20.3 degrees stays warm, but the pump's own thermostat starts."""
    pump = SITE.heat_pumps[0]
    assert pump.room is not None
    heavy = replace(pump.room, time_constant_h=300.0)
    contacts = replace(pump, power_min_w=pump.power_max_w, rest_max_s=7_200.0, room=heavy)
    site = replace(SITE, heat_pumps=(contacts,))
    data = flat_data(site, days=4, load_w=600.0, pv_w=0.0)
    market = flat_market(START_AT, cheap_hours=(4, 5))
    told: list[float | None] = []

    async def main() -> None:
        async with living(site, data, tmp_path, start_at=START_AT, market=market) as house:
            house.driver.house.heat_pumps[HEAT_PUMP].room_c = 20.3
            for minute in range(150):
                await house.until(60.0 * minute + 30.0)
                told.append([e.action.power_w for e in house.driver.applied if isinstance(e.action, HeatPumpPower)][-1])

    with caplog.at_level(logging.WARNING):
        virtual_time.run(main())
    assert [each.getMessage() for each in caplog.records] == []
    assert told[:120] == [0.0] * 120
    assert None in told[120:]


@pytest.mark.parametrize(("part_ratio", "way"), [(0.0, "feed"), (1.0, "take")])
def test_a_flex_event_is_told_as_what_was_agreed(part_ratio: float, way: str, tmp_path: Path) -> None:
    """Without the grid meter nobody knows what the house does, and it is not said."""

    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT) as house:
            await house.until(360.0)
            envelope = house.daemon.house.envelope()
            assert envelope is not None
            bounds_w = envelope.bounds_w(900)
            assert bounds_w is not None
            power_w = round(bounds_w[0] + part_ratio * (bounds_w[1] - bounds_w[0]), 1)
            setpoint = Setpoint(
                event_id="e",
                envelope_id=envelope.envelope_id,
                revision=0,
                start_at=house.daemon.house.live().now.at,
                step_s=60,
                power_w=(power_w,) * 15,
            )
            assert await house.daemon.house.flex.offer(setpoint) is None
            house.driver.lost = {GRID}
            await house.until(420.0)
            silence, event = (each.text for each in house.daemon.house.snapshot().notices)
            assert silence.startswith("Grid does not answer: batteries rest")
            what = f"{way} {abs(power_w) / 1000:.1f} kW {'into' if way == 'feed' else 'from'} the grid"
            assert event == f"Flex event until 01:20: the house is to {what}."

    virtual_time.run(main())


def test_charge_now_is_priced_before_and_ends_by_itself(tmp_path: Path) -> None:
    habit = CarHabit(departure_s=8 * 3600, energy_wh=8_000.0)
    site = replace(SITE, chargers=(replace(SITE.chargers[0], habit=habit),))

    async def main() -> None:
        async with living(site, DATA, tmp_path, start_at=START_AT) as house:
            running = house.daemon.house
            until_at = START_AT + timedelta(seconds=3_000)
            await house.until(10.0)
            with pytest.raises(BadInputError, match="no car is plugged in"):
                await running.quote(device_id=CHARGER, until_at=until_at)
            await house.until(1_200.0)  # the car came at 1,080 s
            (car,) = [each for each in running.snapshot().devices if each.id == CHARGER]
            assert car.reason_code in ("waits_for_price", "charges_on_surplus")  # 900 W of sun are left over
            quote = await running.quote(device_id=CHARGER, until_at=until_at)
            assert quote.extra_cost_eur is not None
            assert 0.05 < quote.extra_cost_eur < 1.0
            assert quote.energy_wh == pytest.approx(11_000 * 0.5, rel=0.1)
            override = await running.charge_now(device_id=CHARGER, until_at=until_at, by="owner")
            await house.until(1_900.0)  # it may have to wait ten minutes for its contactor
            (car,) = [each for each in running.snapshot().devices if each.id == CHARGER]
            assert (car.reason_code, car.actor, car.override) == ("owner_charges", "you", override)
            assert car.power_w is not None
            assert car.power_w > 10_000.0
            await house.until(3_100.0)
            (car,) = [each for each in running.snapshot().devices if each.id == CHARGER]
            assert car.override is None
            assert car.reason_code != "owner_charges"
        assert house.daemon.house.overrides.in_force(house.daemon.house.live().now) == ()

    virtual_time.run(main())


def test_an_override_survives_a_restart_and_can_be_taken_back(tmp_path: Path) -> None:
    data = flat_data(SITE, days=4, load_w=600.0, sessions=(stay(0.0, 20.0, 30.0),))
    until_at = START_AT + timedelta(hours=2)

    async def before() -> None:
        async with living(SITE, data, tmp_path, start_at=START_AT) as house:
            await house.until(60.0)
            await house.daemon.house.charge_now(device_id=CHARGER, until_at=until_at, by="owner")

    async def after() -> None:
        async with living(SITE, data, tmp_path, start_at=START_AT) as house:
            await house.until(60.0)
            running = house.daemon.house
            (kept,) = running.overrides.in_force(running.live().now)
            assert kept.until_at == until_at
            await running.end_override(kept.id, by="owner")
            with pytest.raises(BadInputError, match="no override"):
                await running.end_override(kept.id, by="owner")
            await house.until(120.0)
            assert running.overrides.in_force(running.live().now) == ()

    virtual_time.run(before())
    virtual_time.run(after())


def test_the_past_is_known_again_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with living(SITE, DATA, tmp_path, start_at=START_AT + timedelta(hours=6)) as house:
            slots = [START_AT + timedelta(minutes=15 * index) for index in range(24)]
            house.daemon.parts.store.history.put_slots(
                [SlotValue(series="load_w", start_at=each, value=432.0) for each in slots]
            )
            await house.until(60.0)
            view = house.daemon.house.plan_view()
            assert view.load_power_w[: view.past_count] == (432.0,) * 24
            assert view.import_eur_per_kwh[view.past_count] is not None
            assert len(view.grid_power_w) == len(view.import_eur_per_kwh) == len(view.devices[0].power_w)

    virtual_time.run(main())


def test_a_car_that_leaves_takes_its_override_along(tmp_path: Path) -> None:
    data = flat_data(SITE, days=4, load_w=600.0, sessions=(stay(0.0, 0.2, 30.0), stay(0.4, 5.0, 30.0)))

    async def main() -> None:
        async with living(SITE, data, tmp_path, start_at=START_AT) as house:
            await house.until(60.0)
            running = house.daemon.house
            until_at = START_AT + timedelta(hours=2)
            await running.charge_now(device_id=CHARGER, until_at=until_at, by="owner")
            await house.until(800.0)
            assert running.overrides.in_force(running.live().now) == ()
            assert house.driver.house.chargers[CHARGER].values().car is CarState.ABSENT

    virtual_time.run(main())
