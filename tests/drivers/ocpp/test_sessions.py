"""From a charger's start to the end of a session, against a charge point of another maker."""

import asyncio

import pytest

from hems.domain.reading import CarState, Quality
from hems.ports import Outcome
from tests.support.ocpp import DictMemory, house_clock, pause, running, station, until, warnings

Z = "TxDefaultProfile"


async def test_a_charger_that_starts_is_limited_to_nothing_before_anything_else_is_set():
    async with running() as house, station(house) as each:
        answer = await each.boot()
        assert (answer["status"], answer["interval"]) == ("Accepted", 10)
        await each.status("Available")
        await until(
            lambda: "MeterValuesSampledData" in [one["key"] for one in each.told("ChangeConfiguration")], "set up"
        )
        assert each.names().index("SetChargingProfile") < each.names().index("ChangeConfiguration")
        floor, offer = each.profiles(Z)[:2]
        assert floor["chargingSchedule"] == {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0}],
        }
        assert (floor["stackLevel"], floor["chargingProfileKind"]) == (7, "Relative")
        assert (offer["stackLevel"], offer["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]) == (8, 0)
        configuration = await each.do("configuration")
        assert configuration["MeterValueSampleInterval"] == "10"
        assert configuration["WebSocketPingInterval"] == "30"
        assert configuration["MeterValuesSampledData"].startswith("Power.Active.Import,Energy")


async def test_a_session_is_read_from_plug_in_to_departure():
    async with running() as house, station(house) as each:
        await each.ready()
        await until(lambda: house.latest and house.latest.car is CarState.ABSENT, "no car")
        await each.status("Preparing")
        assert house.car is CarState.CONNECTED
        assert (await each.bring(house, 10)).outcome is Outcome.ACCEPTED
        assert house.power_w == 0
        transaction_id = await each.start(house.clock)
        await each.status("Charging")
        await each.measure(house.clock, transaction_id, power_w=6_900, register_wh=12_500, l1=10, l2=10, l3=10)
        assert (house.car, house.power_w) == (CarState.CHARGING, 6_900)
        assert house.latest is not None
        assert house.latest.session_energy_wh == 2_500
        assert house.latest.phase_count == 3
        assert house.latest.offered_current_a == 10
        assert house.readings[-1].quality is Quality.GOOD
        await each.call(
            "StopTransaction", transactionId=transaction_id, meterStop=13_000, timestamp="2026-06-01T13:00:00Z"
        )
        await each.status("Finishing")
        assert (house.latest.car, house.latest.power_w, house.latest.session_energy_wh) == (CarState.FINISHED, 0, 3_000)
        await each.status("Available")
        assert (house.car, house.energy_wh) == (CarState.ABSENT, 0)
        await each.status("Preparing")
        assert (house.car, house.energy_wh) == (CarState.CONNECTED, 0)


async def test_an_offer_is_a_transaction_profile_that_ends_with_its_lease_and_is_read_back():
    async with running(clock=house_clock(30)) as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        transaction_id = await each.start(house.clock)
        await each.status("Charging")
        assert (await each.bring(house, 13.7)).outcome is Outcome.ACCEPTED
        profile = each.profiles("TxProfile")[-1]
        assert profile["transactionId"] == transaction_id
        assert profile["chargingSchedule"]["duration"] == 60 + 60
        assert "GetCompositeSchedule" in each.names()
        assert (await each.do("limit"))["limit"] == 13.7
        await house.clock.sleep_until(house.clock.monotonic_s() + 63)
        assert (await each.do("limit"))["limit"] == 0


async def test_an_offer_is_refreshed_at_a_third_and_written_at_once_only_where_it_must_be():
    async with running(clock=house_clock(10)) as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        await each.start(house.clock)
        await each.bring(house, 10)
        count = len(each.profiles("TxProfile"))
        for current_a in (10, 10.1, 10.4):
            await each.bring(house, current_a)
        assert len(each.profiles("TxProfile")) == count
        await each.bring(house, 9.9)
        assert len(each.profiles("TxProfile")) == count + 1
        await house.clock.sleep_until(house.clock.monotonic_s() + 21)
        await each.bring(house, 9.9)
        assert len(each.profiles("TxProfile")) == count + 2


async def test_what_was_offered_before_a_session_does_not_come_back_after_it():
    async with running() as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        await each.bring(house, 16)
        assert (await each.do("limit"))["limit"] == 16
        transaction_id = await each.start(house.clock)
        await each.bring(house, 6)
        await each.stop(transaction_id, meter_stop_wh=10_100)
        assert (await each.do("limit"))["limit"] == 0


async def test_a_current_is_kept_within_the_charger():
    async with running() as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        for current_a, limit in ((5.9, 0), (6, 6), (40, 16), (7.35, 7.3), (0, 0)):
            assert (await each.bring(house, current_a)).outcome is Outcome.ACCEPTED
            assert (await each.do("limit"))["limit"] == limit


async def test_a_station_that_counts_in_watts_is_told_watts():
    allowed = {"ChargingScheduleAllowedChargingRateUnit": ("Power", True)}
    async with running() as house, station(house, configuration=allowed) as each:
        await each.ready()
        await each.status("Preparing")
        await each.bring(house, 10)
        assert await each.do("limit") == {"unit": "W", "startPeriod": 0, "limit": 6_900}


async def test_a_stop_of_ours_pauses_every_charger():
    async with running() as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        await each.start(house.clock)
        await each.bring(house, 16)
        await house.driver.rest()
        assert (await each.do("limit"))["limit"] == 0


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("unanswered", ["SetChargingProfile", "GetCompositeSchedule"])
async def test_a_stop_of_ours_overrules_a_raise_that_has_no_answer_yet(unanswered: str, cancelled: bool):
    async with running(clock=house_clock(1)) as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        await each.start(house.clock)
        await each.bring(house, 0)
        await each.do("override", method=unanswered, silent=True)
        count = len(each.calls)
        raising = asyncio.create_task(house.driver.apply(house.command(16)))
        await until(lambda: unanswered in each.names()[count:], "the raise has arrived")
        await each.do("override", method=unanswered)
        if cancelled:
            raising.cancel()
            await asyncio.wait([raising])
        await house.driver.rest()
        assert (await each.do("limit"))["limit"] == 0
        told = [each["chargingSchedule"]["chargingSchedulePeriod"] for each in each.profiles("TxProfile")]
        assert [periods[0]["limit"] for periods in told[-2:]] == [16, 0]
        await asyncio.wait([raising])


async def test_a_session_goes_on_over_a_restart_of_ours():
    memory = DictMemory()
    async with running(memory=memory) as house:
        port = house.driver.bound_port
        async with station(house) as each:
            await each.ready()
            await each.status("Preparing")
            transaction_id = await each.start(house.clock, meter_start_wh=50_000)
            await each.status("Charging")
            await each.measure(house.clock, transaction_id, power_w=4_000, register_wh=52_000)
    clock = house.clock
    async with running(memory=memory, clock=clock, port=port or 0) as again, station(again) as each:
        await each.connect()
        await each.status("SuspendedEV")
        assert again.readings == []
        await each.status("Charging")
        await each.measure(clock, transaction_id, power_w=4_000, register_wh=53_500)
        assert (again.car, again.energy_wh) == (CarState.CHARGING, 3_500)
        assert {each.value.session_energy_wh for each in again.readings if each.value} == {3_500}
        await until(lambda: "SetChargingProfile" in each.names(), "the floor is laid without a start of the station")
        await each.call(
            "StopTransaction", transactionId=transaction_id, meterStop=54_000, timestamp="2026-06-01T13:00:00Z"
        )
        await each.status("Finishing")
        assert again.energy_wh == 4_000
        assert await each.start(clock, meter_start_wh=54_000) == transaction_id + 1


async def test_a_car_that_waits_for_a_card_is_started():
    async with running() as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        await each.bring(house, 10)
        await until(lambda: "RemoteStartTransaction" in each.names(), "started from here")
        assert each.told("RemoteStartTransaction")[0]["connectorId"] == 1


async def test_a_car_that_is_offered_nothing_is_not_started():
    async with running(clock=house_clock(60)) as house, station(house) as each:
        await each.ready()
        await each.status("Preparing")
        await each.bring(house, 0)
        await house.clock.sleep_until(house.clock.monotonic_s() + 15)
        assert "RemoteStartTransaction" not in each.names()


async def test_an_idle_station_is_asked_when_it_is_silent_and_its_reading_stays_fresh():
    async with running(clock=house_clock(20)) as house, station(house) as each:
        await each.ready()
        await house.clock.sleep_until(house.clock.monotonic_s() + 40)
        assert house.age_s < 30
        assert len(each.told("TriggerMessage")) >= 4


async def test_readings_of_a_charging_car_age_when_its_meter_is_silent_though_heartbeats_come():
    async with running(clock=house_clock(60)) as house, station(house) as each:
        await each.ready()
        transaction_id = await each.start(house.clock)
        await each.status("Charging")
        await each.measure(house.clock, transaction_id, power_w=7_000, register_wh=11_000)
        measured_mono_s = house.readings[-1].mono_s
        await house.clock.sleep_until(house.clock.monotonic_s() + 40)
        await each.call("Heartbeat")
        assert house.readings[-1].mono_s == measured_mono_s
        assert {"requestedMessage": "MeterValues", "connectorId": 1} in each.told("TriggerMessage")


async def test_a_lost_station_is_reported_no_more_and_takes_no_commands():
    async with running(clock=house_clock(60)) as house, station(house) as each:
        await each.ready()
        await each.do("close")
        await until(lambda: each.closed, "closed")
        await pause(0.05)
        count = len(house.readings)
        await house.clock.sleep_until(house.clock.monotonic_s() + 40)
        assert len(house.readings) == count
        assert (await each.bring(house, 10)).outcome is Outcome.REJECTED


async def test_a_charger_in_trouble_has_no_value(caplog: pytest.LogCaptureFixture):
    async with running() as house, station(house) as each:
        await each.ready()
        await each.status("Faulted", error="GroundFailure")
        assert house.latest is None
        assert house.readings[-1].quality is Quality.ABSENT
        assert any("GroundFailure" in each for each in warnings(caplog))
        await each.status("Available")
        assert house.latest is not None


async def test_a_command_whose_time_is_over_is_not_written():
    async with running() as house, station(house) as each:
        await each.ready()
        late = house.command(10, lasts_s=0.0)
        assert (await house.driver.apply(late)).outcome is Outcome.REJECTED
        limits = [one["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] for one in each.profiles(Z)]
        assert set(limits) == {0}
