"""The MQTT driver in virtual time: readings, and two contacts that are switched but never both closed."""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.domain.command import BatteryPower, HeatPumpPower
from hems.domain.power import PhaseValues
from hems.domain.reading import GridValues, HeatPumpValues
from hems.domain.site import DeviceId
from hems.domain.wiring import MqttMeter, MqttPoint, MqttRelay
from hems.ports import Answer, DeviceReading, Driver, Outcome
from hems.sim.virtual_time import VirtualClock, run
from hems_drivers.mqtt import mqtt_driver
from tests.support.eventually import START_AT, running
from tests.support.memory_mqtt import MemoryBroker, MemoryMqtt
from tests.support.relays import HEAT_PUMP, FakeRelay
from tests.support.simulated import order

METER, PUMP = DeviceId("grid"), DeviceId("pump")
SHELLY = MqttMeter(
    power=MqttPoint(topic="em", path=("total_act_power",)),
    phase_power=tuple(MqttPoint(topic="em", path=(f"{phase}_act_power",)) for phase in "abc"),
)
LEASE_S = 90.0


@dataclass
class House:
    """A driver with a meter and a heat pump behind two relays, at a broker in memory."""

    clock: VirtualClock
    broker: MemoryBroker
    link: MemoryMqtt
    driver: Driver
    relays: tuple[FakeRelay, FakeRelay]
    readings: list[tuple[DeviceId, DeviceReading]] = field(default_factory=list)
    both_closed: bool = False

    async def command(self, power_w: float | None, *, lease_s: float = LEASE_S) -> Answer:
        action = HeatPumpPower(power_w=power_w)
        return await self.driver.apply(order(PUMP, action, mono_s=self.clock.monotonic_s(), lease_s=lease_s))

    async def keep(self, power_w: float | None, seconds: float) -> Answer:
        """The same command every ten seconds, as the tick gives it; the last answer."""
        end_s = self.clock.monotonic_s() + seconds
        answer = await self.command(power_w)
        while self.clock.monotonic_s() < end_s:
            await self.wait(10)
            answer = await self.command(power_w)
        return answer

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.monotonic_s() + seconds)

    @property
    def block(self) -> FakeRelay:
        return self.relays[0]

    @property
    def boost(self) -> FakeRelay:
        return self.relays[1]

    @property
    def contacts(self) -> tuple[bool, bool]:
        return self.block.on, self.boost.on


def in_a_house(
    test: Callable[[House], Awaitable[None]],
    *,
    meter: MqttMeter = SHELLY,
    setup: Callable[[House], None] = lambda _house: None,
    rng: random.Random | None = None,
) -> None:
    async def main() -> None:
        clock, broker = VirtualClock(START_AT), MemoryBroker()

        def changed() -> None:
            house.both_closed = house.both_closed or all(house.contacts)

        def relay(wiring: MqttRelay) -> FakeRelay:
            return FakeRelay(broker, wiring, changed=changed, rng=rng)

        link = broker.link()
        driver = mqtt_driver(link, meters={METER: meter}, heat_pumps={PUMP: HEAT_PUMP}, clock=clock)
        house = House(clock, broker, link, driver, (relay(HEAT_PUMP.block), relay(HEAT_PUMP.boost)))
        setup(house)

        def report(device_id: DeviceId, reading: DeviceReading) -> None:
            house.readings.append((device_id, reading))

        async with running(house.block.run()), running(house.boost.run()), running(driver.run(report)):
            await house.wait(0.5)
            async with running(link.run()):
                await house.wait(0)
                await house.wait(0)
                await test(house)
        assert not house.both_closed, "both contacts were closed"

    run(main())


def by_itself(test: Callable[[House], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that gets a house of its own."""

    def made() -> None:
        in_a_house(test)

    made.__name__ = test.__name__
    return made


EM = {"id": 0, "total_act_power": 300.5, "a_act_power": -100, "b_act_power": 400.5, "c_act_power": 0.0}


@by_itself
async def test_a_meter_reports_total_and_phases_of_one_message_with_the_second_of_its_arrival(house: House):
    await house.wait(7)
    house.broker.publish("em", json.dumps(EM))
    await house.wait(0)
    ((device_id, reading),) = house.readings
    phases = PhaseValues(l1=-100.0, l2=400.5, l3=0.0)
    assert device_id == METER
    assert reading.mono_s == 7.5
    assert reading.value == GridValues(power_w=300.5, phase_power_w=phases, phase_power_high_w=phases)


@by_itself
async def test_a_meter_whose_phases_are_not_all_numbers_reports_its_total_only(house: House):
    house.broker.publish("em", json.dumps(EM | {"b_act_power": None}))
    await house.wait(0)
    assert [each.value for _, each in house.readings] == [
        GridValues(power_w=300.5, phase_power_w=None, phase_power_high_w=None)
    ]


def test_phases_with_topics_of_their_own_count_while_they_are_fresh():
    meter = MqttMeter(power=MqttPoint(topic="p"), phase_power=tuple(MqttPoint(topic=each) for each in ("a", "b", "c")))

    async def test(house: House) -> None:
        for topic, payload in (("a", "1"), ("b", "2"), ("c", "3"), ("p", "6")):
            house.broker.publish(topic, payload)
        await house.wait(16)
        house.broker.publish("p", "7")
        await house.wait(0)
        first, second = (reading.value for _, reading in house.readings)
        phases = PhaseValues(l1=1.0, l2=2.0, l3=3.0)
        assert first == GridValues(power_w=6.0, phase_power_w=phases, phase_power_high_w=phases)
        assert second == GridValues(power_w=7.0, phase_power_w=None, phase_power_high_w=None)

    in_a_house(test, meter=meter)


@pytest.mark.parametrize(
    "payload",
    [
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "true",
        "null",
        "twelve",
        "",
        "1e99",
        "9" * 5000,
        '"12"',
        "[1]",
        "0x10",
        "1_000",
    ],
)
def test_what_is_no_number_is_no_reading_and_said_once(payload: str, caplog: pytest.LogCaptureFixture):
    meter = MqttMeter(power=MqttPoint(topic="p"))

    async def test(house: House) -> None:
        for _ in range(5):
            house.broker.publish("p", payload)
            house.broker.publish("pump/meter", f'{{"power": {payload}}}' if payload != "[1]" else payload)
        await house.wait(0)
        assert house.readings == []

    in_a_house(test, meter=meter)
    assert sorted(each.getMessage().split(":")[0] for each in caplog.records) == ["p", "pump/meter#power"]


@by_itself
async def test_a_heat_pump_reports_its_power_with_temperatures_that_are_not_too_old(house: House):
    house.broker.publish("room", '{"temperature": 20.5, "battery": 80}')
    house.broker.publish("tank", "48.25")
    house.broker.publish("pump/meter", '{"power": 1200}')
    await house.wait(3000)
    house.broker.publish("tank", "47")
    await house.wait(1000)
    house.broker.publish("pump/meter", '{"power": 0}')
    await house.wait(0)
    assert [reading.value for _, reading in house.readings] == [
        HeatPumpValues(power_w=1200.0, room_c=20.5, tank_c=48.25),
        HeatPumpValues(power_w=0.0, room_c=None, tank_c=47.0),
    ]


def test_what_the_broker_kept_from_before_is_no_reading():
    def setup(house: House) -> None:
        house.broker.publish("em", json.dumps(EM), retain=True)
        house.broker.publish("room", '{"temperature": 20.5}', retain=True)
        house.broker.publish("pump/meter", '{"power": 900}', retain=True)

    async def test(house: House) -> None:
        await house.wait(5)
        assert house.readings == []
        house.broker.publish("pump/meter", '{"power": 800}')
        await house.wait(0)
        assert [reading.value for _, reading in house.readings] == [HeatPumpValues(power_w=800.0)]

    in_a_house(test, setup=setup)


@by_itself
async def test_contacts_are_opened_first_of_all_and_follow_commands_then(house: House):
    assert (await house.command(2000.0)).outcome is Outcome.REJECTED
    await house.wait(5)
    assert (house.block.commands, house.boost.commands) == ([False], [False])
    await house.wait(600)
    for power_w, contacts in ((2000.0, (False, True)), (0.0, (True, False)), (None, (False, False))):
        assert (await house.keep(power_w, 30)).outcome is Outcome.ACCEPTED
        assert house.contacts == contacts


@by_itself
async def test_the_same_command_is_published_again_at_a_third_of_its_lease_only(house: House):
    await house.wait(700)
    await house.command(1500.0)
    before = len(house.boost.commands)
    for _ in range(300):
        await house.wait(1)
        assert (await house.command(1500.0)).outcome is Outcome.ACCEPTED
    await house.wait(0.1)
    assert len(house.boost.commands) - before == 300 // (LEASE_S / 3)


@by_itself
async def test_a_boost_is_kept_for_ten_minutes_unless_it_must_be_blocked(house: House):
    await house.wait(700)
    await house.command(1500.0)
    early = await house.keep(None, 590)
    assert early.outcome is Outcome.REJECTED
    assert "more, or the heat pump ignores" in early.detail
    assert house.contacts == (False, True)
    await house.keep(None, 20)
    assert house.contacts == (False, False)
    assert (await house.command(1500.0)).outcome is Outcome.REJECTED
    assert (await house.command(0.0)).outcome is Outcome.ACCEPTED
    assert house.contacts == (True, False)
    assert (await house.command(1500.0)).outcome is Outcome.ACCEPTED
    assert house.contacts == (False, True)


@by_itself
async def test_contacts_are_opened_when_no_command_comes_in_time(house: House):
    await house.wait(700)
    await house.command(0.0)
    await house.wait(LEASE_S - 2)
    assert house.contacts == (True, False)
    await house.wait(5)
    assert house.contacts == (False, False)


@by_itself
async def test_a_command_whose_lease_is_over_is_not_published(house: House):
    await house.wait(700)
    late = order(PUMP, HeatPumpPower(power_w=0.0), mono_s=house.clock.monotonic_s() - LEASE_S, lease_s=LEASE_S)
    assert (await house.driver.apply(late)).outcome is Outcome.REJECTED
    assert house.block.commands == [False]


@by_itself
async def test_block_is_not_closed_before_boost_says_that_it_is_open(house: House):
    await house.wait(700)
    await house.command(1500.0)
    house.boost.stuck = True
    answer = await house.keep(0.0, 60)
    assert answer.outcome is Outcome.REJECTED
    assert "says that it is not" in answer.detail
    assert house.contacts == (False, True)
    house.boost.stuck = False
    assert (await house.keep(0.0, 20)).outcome is Outcome.ACCEPTED
    assert house.contacts == (True, False)


@by_itself
async def test_a_relay_that_never_tells_its_state_is_unconfirmed_and_not_flooded(house: House):
    house.block.mute = house.boost.mute = True
    await house.wait(700)
    before = len(house.boost.commands)
    answer = await house.keep(0.0, 100)
    assert answer.outcome is Outcome.UNCONFIRMED
    assert "does not say in time on pump/boost/status" in answer.detail
    assert len(house.boost.commands) - before <= 11
    assert house.contacts == (False, False)


@pytest.mark.parametrize("retains", [True, False])
def test_a_relay_that_tells_only_changes_is_followed_if_the_broker_keeps_its_state(
    retains: bool, caplog: pytest.LogCaptureFixture
):
    def setup(house: House) -> None:
        for relay in house.relays:
            relay.only_changes, relay.retains = True, retains
            if retains:
                relay.press(on=False)

    async def test(house: House) -> None:
        await house.wait(5)
        for power_w in (0.0, 1500.0, 0.0, None, 0.0):
            expected = Outcome.ACCEPTED if retains else Outcome.UNCONFIRMED
            assert (await house.command(power_w)).outcome is expected
            await house.wait(31)

    in_a_house(test, setup=setup)
    assert sum("let it publish its state" in each.getMessage() for each in caplog.records) == (not retains)


@by_itself
async def test_a_contact_that_somebody_switches_by_hand_is_switched_back(house: House):
    await house.wait(700)
    await house.command(0.0)
    house.block.press(on=False)
    assert (await house.keep(0.0, 20)).outcome is Outcome.ACCEPTED
    assert house.contacts == (True, False)


@by_itself
async def test_without_a_broker_commands_are_rejected_with_the_reason_and_work_again_later(house: House):
    await house.wait(700)
    house.broker.stop()
    answer = await house.command(0.0)
    assert answer.outcome is Outcome.REJECTED
    assert "no connection" in answer.detail
    house.broker.start()
    assert (await house.keep(0.0, 20)).outcome is Outcome.ACCEPTED
    assert house.contacts == (True, False)


@by_itself
async def test_contacts_are_opened_at_a_clean_stop_and_a_relay_that_is_stuck_is_said(house: House):
    await house.wait(700)
    await house.command(0.0)
    await house.driver.rest()
    assert house.contacts == (False, False)
    await house.command(0.0)
    house.block.stuck = True
    started_s = house.clock.monotonic_s()
    await house.driver.rest()
    assert house.clock.monotonic_s() - started_s <= 4.0


@by_itself
async def test_commands_for_meters_and_other_actions_are_rejected(house: House):
    await house.wait(5)
    assert house.driver.devices == {METER, PUMP}
    for device_id, action in ((METER, HeatPumpPower(power_w=0.0)), (PUMP, BatteryPower(power_w=0.0))):
        answer = await house.driver.apply(order(device_id, action, mono_s=house.clock.monotonic_s()))
        assert answer.outcome is Outcome.REJECTED


STEPS = st.lists(
    st.tuples(st.sampled_from([None, 0.0, 1500.0]), st.sampled_from([0.5, 3.0, 30.0, 120.0, 700.0]), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(
    steps=STEPS,
    seed=st.integers(0, 2**16),
    delay_max_s=st.sampled_from([0.0, 1.0, 6.0, 25.0]),
    lost_ratio=st.sampled_from([0.0, 0.2]),
    only_changes=st.booleans(),
)
def test_both_contacts_are_never_closed_whatever_relays_and_commands_do(
    steps: list[tuple[float | None, float, bool]],
    seed: int,
    delay_max_s: float,
    lost_ratio: float,
    only_changes: bool,
):
    logging.disable(logging.WARNING)

    async def test(house: House) -> None:
        for relay in (house.block, house.boost):
            relay.delay_max_s, relay.lost_ratio, relay.only_changes = delay_max_s, lost_ratio, only_changes
        for power_w, seconds, impatient in steps:
            if impatient:
                asking = asyncio.create_task(house.command(power_w))
                await house.wait(0.3)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            else:
                await house.keep(power_w, seconds)
        for relay in (house.block, house.boost):
            relay.delay_max_s = relay.lost_ratio = 0.0
            relay.only_changes = False
        answer = await house.keep(0.0, 100)
        assert answer.outcome is Outcome.ACCEPTED
        assert house.contacts == (True, False)

    try:
        in_a_house(test, rng=random.Random(seed))
    finally:
        logging.disable(logging.NOTSET)
