"""Two contacts of a heat pump that are switched but never both closed, in virtual time."""

import asyncio
import logging
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hems.domain.command import BatteryPower, HeatPumpPower
from hems.ports import Outcome
from hems.sim.memory_mqtt import MemoryBroker
from hems.sim.virtual_time import VirtualClock, run
from hems_drivers.mqtt.relays import Relay
from tests.support.eventually import START_AT, running
from tests.support.relays import HEAT_PUMP, LEASE_S, METER, PUMP, House, by_itself, in_a_house
from tests.support.simulated import order


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


def test_the_late_answer_to_an_older_command_does_not_make_a_relay_count_as_open():
    async def main() -> None:
        broker = MemoryBroker()
        link = broker.link()
        relay = Relay(HEAT_PUMP.block, link)
        clock = VirtualClock(START_AT)
        async with running(link.run()):
            await clock.sleep_until(1.0)
            for on in (False, True, False):
                await relay.tell(on=on)
            broker.publish("pump/block", "off")  # the first command, late; the relay has yet to close and to open
            await clock.sleep_until(2.0)
            assert relay.on is False
            assert not relay.is_open
            assert not await relay.obeys(on=False)
            await clock.sleep_until(32.0)
            assert relay.is_open

    run(main())


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
