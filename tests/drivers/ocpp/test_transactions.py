"""Transactions of stations that repeat, forget or tell things late, against a charge point of another maker."""

import pytest

from hems.domain.reading import CarState
from tests.support.ocpp import DictMemory, house_clock, running, station, until


async def test_a_start_that_is_asked_twice_is_one_transaction():
    async with running() as house, station(house) as each:
        await each.ready()
        start = {"connectorId": 1, "idTag": "CARD", "meterStart": 5, "timestamp": "2026-06-01T12:00:00Z"}
        ids = {(await each.call("StartTransaction", **start))["transactionId"] for _ in range(3)}
        assert len(ids) == 1


async def test_a_stop_of_an_unknown_transaction_and_any_card_are_accepted():
    async with running() as house, station(house) as each:
        await each.ready()
        stop = await each.stop(99, meter_stop_wh=1)
        assert stop["idTagInfo"]["status"] == "Accepted"
        assert (await each.call("Authorize", idTag="anything"))["idTagInfo"]["status"] == "Accepted"


async def test_a_transaction_of_which_nothing_is_known_is_taken_over():
    async with running() as house, station(house) as each:
        await each.ready()
        await each.do("transaction", number=4711)
        await each.status("Charging")
        await each.measure(house.clock, 4711, power_w=3_000, register_wh=70_000)
        await each.measure(house.clock, 4711, power_w=3_000, register_wh=70_500)
        assert house.latest
        assert house.latest.session_energy_wh == 500
        await each.bring(house, 8)
        assert each.told("SetChargingProfile")[-1]["csChargingProfiles"].get("transactionId") == 4711


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_last_value_of_an_ended_transaction_does_not_open_it_again(restarted: bool):
    memory, clock = DictMemory(), house_clock(60)
    async with running(memory=memory, clock=clock) as house:
        port = house.driver.bound_port
        async with station(house) as each:
            await each.ready()
            await each.status("Preparing")
            transaction_id = await each.start(clock, meter_start_wh=10_000)
            await each.status("Charging")
            await each.measure(clock, transaction_id, power_w=6_900, register_wh=22_000)
            await each.stop(transaction_id, meter_stop_wh=22_000)
            if not restarted:
                await each.status("Finishing")
                await each.measure(clock, transaction_id, power_w=20, register_wh=22_000)
                assert (house.car, house.power_w, house.energy_wh) == (CarState.FINISHED, 20, 12_000)
                await each.status("Preparing")
                await each.bring(house, 10, lasts_s=600)
                await until(lambda: "RemoteStartTransaction" in each.names(), "the next session is started")
                assert each.profiles("TxProfile") == []
                return
    async with running(memory=memory, clock=clock, port=port or 0) as again, station(again) as each:
        await each.connect()
        await each.status("Finishing")
        await each.measure(clock, transaction_id, power_w=20, register_wh=22_000)
        assert (again.car, again.power_w, again.energy_wh) == (CarState.FINISHED, 20, 12_000)


async def test_a_transaction_that_goes_on_after_a_moment_of_available_is_steered_and_counted():
    """A station that starts again while a car charges may say that no car is there before it goes on."""
    async with running() as house, station(house) as each:
        await each.ready()
        transaction_id = await each.start(house.clock, meter_start_wh=10_000)
        await each.status("Charging")
        await each.measure(house.clock, transaction_id, power_w=7_000, register_wh=12_000)
        await each.status("Available")
        await each.measure(house.clock, transaction_id, power_w=7_000, register_wh=12_200)
        assert (house.car, house.energy_wh) == (CarState.ABSENT, 0.0)
        await each.status("Charging")
        await each.measure(house.clock, transaction_id, power_w=7_000, register_wh=12_500)
        await each.measure(house.clock, transaction_id, power_w=7_000, register_wh=13_000)
        assert (house.car, house.energy_wh) == (CarState.CHARGING, 500.0)
        await each.bring(house, 6)
        assert each.profiles("TxProfile")[-1]["transactionId"] == transaction_id
        assert each.names()[-1] == "GetCompositeSchedule"


async def test_a_value_of_the_car_before_takes_nothing_from_the_session_under_way():
    """Its stop was lost, and the station sends what it had kept of it."""
    async with running() as house, station(house) as each:
        await each.ready()
        first = await each.start(house.clock, meter_start_wh=10_000)
        await each.status("Charging")
        await each.status("Available")
        await each.status("Preparing")
        second = await each.start(house.clock, meter_start_wh=12_000, tag="B")
        await each.status("Charging")
        await each.measure(house.clock, second, power_w=7_000, register_wh=18_000)
        assert house.energy_wh == 6_000.0
        await each.measure(house.clock, first, power_w=7_000, register_wh=18_000)
        await each.measure(house.clock, second, power_w=7_000, register_wh=18_100)
        assert house.energy_wh == 6_100.0


async def test_a_last_value_after_a_stop_that_came_after_the_car_had_gone_opens_nothing():
    async with running() as house, station(house) as each:
        await each.ready()
        transaction_id = await each.start(house.clock, meter_start_wh=10_000)
        await each.status("Charging")
        await each.measure(house.clock, transaction_id, power_w=7_000, register_wh=12_000)
        await each.status("Available")
        await each.measure(house.clock, transaction_id, power_w=0, register_wh=12_000)
        await each.stop(transaction_id, meter_stop_wh=12_000)
        await each.status("Preparing")
        await each.measure(house.clock, transaction_id, power_w=20, register_wh=12_000)
        await each.bring(house, 10, lasts_s=600)
        assert each.profiles("TxProfile") == []
        second = await each.start(house.clock, meter_start_wh=12_000, tag="B")
        await each.status("Charging")
        await each.measure(house.clock, transaction_id, power_w=20, register_wh=12_000)
        await each.measure(house.clock, second, power_w=7_000, register_wh=13_000)
        assert house.energy_wh == 1_000


async def test_a_late_value_of_the_transaction_before_does_not_end_the_one_under_way():
    async with running() as house, station(house) as each:
        await each.ready()
        first = await each.start(house.clock, meter_start_wh=10_000, tag="A")
        await each.stop(first, meter_stop_wh=22_000)
        second = await each.start(house.clock, meter_start_wh=22_000, tag="B")
        await each.status("Charging")
        await each.measure(house.clock, first, power_w=0, register_wh=21_900)
        await each.measure(house.clock, second, power_w=7_000, register_wh=23_000)
        assert house.energy_wh == 13_000
        await each.bring(house, 8)
        assert each.profiles("TxProfile")[-1]["transactionId"] == second


@pytest.mark.parametrize(("stop_wh", "energy_wh"), [(13_000, 3_000), (12_000, 2_500), (900_000, 2_500)])
@pytest.mark.parametrize("number", [0, -1])
async def test_a_stop_without_a_number_ends_the_session_whose_register_it_continues(
    number: int, stop_wh: int, energy_wh: float
):
    async with running(clock=house_clock(60)) as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        transaction_id = await each.start(house.clock, meter_start_wh=10_000)
        await each.status("Charging")
        await each.measure(house.clock, transaction_id, power_w=6_900, register_wh=12_500)
        await each.stop(number, meter_stop_wh=stop_wh)
        await each.status("Preparing")
        assert house.energy_wh == energy_wh
        await each.bring(house, 10)
        assert (each.profiles("TxProfile") == []) == (stop_wh == 13_000)
