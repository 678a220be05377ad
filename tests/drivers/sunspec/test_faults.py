"""The driver and devices that fall silent, come back, change, or fail in part."""

import asyncio
import struct

from hems.domain.command import BatteryPower, ProductionLimit
from hems.ports import Outcome
from tests.support.eventually import eventually
from tests.support.houses import BATTERY, GRID, PV
from tests.support.modbus import Peer, Send, hybrid, image, place, scripted, tcp
from tests.support.sunspec import ACCEPTED, CURTAILMENT, WORDS, Device, battery_writes, device, house


async def test_no_confirmation_is_unconfirmed_and_after_the_reconnect_it_is_identified_before_it_is_written():
    async with device() as (box, peer), house(peer.port) as home:
        await home.read()
        box.silent_after_writes = len(box.wrote)
        answer = await home.order(BatteryPower(power_w=1_000.0))
        assert answer.outcome is Outcome.UNCONFIRMED
        assert "no answer within" in answer.detail
        box.silent_after_writes = None
        before = len(peer.requests)
        await eventually(lambda: peer.connection_count == 2)
        await home.read()
        assert peer.requests[before][7:] == struct.pack(">BHH", 3, 40_000, 2)
        count = len(box.wrote)
        assert await home.order(BatteryPower(power_w=1_000.0)) == ACCEPTED
        assert box.wrote[count:] == battery_writes(2_000)


async def test_a_device_that_shows_a_new_value_a_moment_later_has_taken_it():
    async with device() as (box, peer), house(peer.port, period_s=1000.0) as home:
        await home.read()
        box.shows_late = True
        assert await home.order(BatteryPower(power_w=1_000.0)) == ACCEPTED


async def test_a_device_that_takes_single_registers_only_is_written_one_by_one():
    async with device() as (box, peer), house(peer.port, battery=None) as home:
        box.takes_single = True
        await home.read()
        limit = ProductionLimit(production_power_max_w=1_500.0)
        assert await home.order(limit, device_id=PV) == ACCEPTED
        steps = [(CURTAILMENT + 5, 2_500), (CURTAILMENT + 7, 60), (CURTAILMENT + 9, 1)]
        assert box.wrote == [struct.pack(">BBHH", 1, 6, *step).hex() for step in steps]


async def test_limits_that_must_change_together_are_not_written_one_by_one():
    async with device() as (box, peer), house(peer.port) as home:
        box.takes_single = True
        await home.read()
        answer = await home.order(BatteryPower(power_w=1_000.0))
        assert answer.outcome is Outcome.REJECTED
        assert "it does not know this function (exception 1)" in answer.detail
        assert box.wrote == []


async def test_another_box_at_the_same_address_is_told_and_starts_at_rest(caplog):
    async with device() as (box, peer), house(peer.port, speed=100.0) as home:
        await home.read()
        await home.order(BatteryPower(power_w=1_000.0), lease_s=1e6)
        count = len(box.wrote)
        box.words = image(hybrid(m1={"SN": "S-2"}))
        await eventually(lambda: len(box.wrote) > count)
        await home.read()
        assert box.wrote[count : count + 3] == battery_writes(0)
    assert "was Maker Box 6, serial S-1, firmware 1.0, is now Maker Box 6, serial S-2" in caplog.text


WHO, MARKER = struct.pack(">BHH", 3, 40_002, 66), struct.pack(">BHH", 3, 40_000, 2)


def asked_for(peer: Peer, what: bytes) -> int:
    """How often."""
    return sum(each[7:] == what for each in peer.requests)


async def test_who_it_is_is_asked_each_minute_without_walking_through_its_map():
    """A walk takes a box that answers in 0.1 s more than four, in which nothing else is read."""
    async with device() as (_, peer), house(peer.port, speed=100.0):
        await eventually(lambda: asked_for(peer, WHO) == 4)
        assert asked_for(peer, MARKER) == 1


async def test_a_box_that_does_not_say_who_it_is_any_more_is_walked_through():
    box, refusals = Device(WORDS), [b"\x83\x04"]

    async def answer(request: bytes, send: Send, writer: asyncio.StreamWriter) -> None:
        if request[7:] == WHO and asked_for(peer, WHO) > 1 and refusals:
            send(tcp(request, refusals.pop()))
        else:
            await box.answer(request, send, writer)

    async with scripted(answer) as peer, house(peer.port, speed=100.0) as home:
        await eventually(lambda: asked_for(peer, MARKER) == 2)
        await home.read()
        await eventually(lambda: asked_for(peer, WHO) == 4)
        assert asked_for(peer, MARKER) == 2


async def test_a_map_that_moves_is_noticed_at_the_next_reading_and_never_read_wrongly(caplog):
    async with device() as (box, peer), house(peer.port) as home:
        await home.read()
        right = {device_id: reading.value for device_id, reading in home.latest.items()}
        models = hybrid()
        box.words = image([*models[:1], *reversed(models[1:])])
        for _ in range(3):
            await home.read()
            assert {device_id: reading.value for device_id, reading in home.latest.items()} == right
    assert caplog.text.count("is no longer at") == 1


async def test_one_model_that_fails_does_not_hide_the_others(caplog):
    async with device() as (box, peer), house(peer.port) as home:
        await home.read()
        box.refuse_reads_at = place(WORDS, 203)
        home.latest.clear()
        await eventually(lambda: {PV, BATTERY} <= home.latest.keys())
        assert GRID not in home.latest
        box.refuse_reads_at = None
        await home.read()
    assert caplog.text.count("it failed to do it (exception 4)") == 1


async def test_a_device_that_is_gone_for_a_while_comes_back_by_itself(caplog):
    caplog.set_level("INFO")
    async with device() as (_, peer), house(peer.port, speed=50.0) as home:
        await home.read()
        peer.refuses = True
        peer.hang_up()
        await eventually(lambda: "cannot connect" in caplog.text or "ended the connection" in caplog.text)
        peer.refuses = False
        await home.read()
        assert "again" in caplog.text
    assert caplog.text.count("Traceback") == 0
