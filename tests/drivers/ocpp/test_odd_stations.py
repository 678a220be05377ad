"""What chargers in the field do wrong, from their makers' and users' reports; each is a station that really did so."""

import pytest

from hems.domain.reading import CarState
from hems.ports import Outcome
from hems_drivers.ocpp import calls
from tests.support.ocpp import (
    MEASURANDS,
    SAMPLED,
    DictMemory,
    House,
    Station,
    charger,
    house_clock,
    running,
    sampled,
    stamp,
    station,
    until,
)


async def charging(house: House, each: Station, *, meter_start_wh: int = 10_000) -> int:
    """A session under way, with a station that is let off its own schemas."""
    await each.connect(strict=False)
    await each.call("BootNotification", chargePointVendor="Vendor", chargePointModel="Model")
    await each.set_up()
    transaction_id = await each.start(house.clock, meter_start_wh=meter_start_wh)
    await each.status("Charging")
    return transaction_id


async def test_an_odd_frame_is_understood_on_the_wire():
    async with running() as house, station(house) as each:
        transaction_id = await charging(house, each)
        samples = [
            sampled(7_000, "Power.Active.Import", "W", odd={}),
            sampled("12,5", None, "kWh"),
            sampled("OCMF|{}"),
            5,
        ]
        entry = {"timestamp": stamp(house.clock), "sampledValue": samples, "extra": True}
        await each.call("MeterValues", connectorId=1, transactionId=transaction_id, meterValue=entry, vendor={})
        assert (house.car, house.power_w, house.energy_wh) == (CarState.CHARGING, 7_000, 2_500)


async def test_values_that_say_nothing_are_answered_and_not_reported_as_zero():
    async with running() as house, station(house) as each:
        transaction_id = await charging(house, each)
        await each.measure(house.clock, transaction_id, power_w=7_000, register_wh=12_000)
        for odd in (
            [],
            [{"timestamp": "yesterday", "sampledValue": []}],
            {"sampledValue": {"value": "n/a"}},
            "text",
            None,
            7,
        ):
            assert await each.call("MeterValues", connectorId=1, transactionId=transaction_id, meterValue=odd) == {}
        assert (house.power_w, house.energy_wh) == (7_000, 2_000)


async def test_an_unknown_error_code_and_unknown_keys_are_accepted():
    async with running() as house, station(house) as each:
        await charging(house, each)
        told = {"connectorId": "1", "errorCode": "Error", "status": "suspendedev", "vendorSays": {"a": [1]}}
        assert await each.call("StatusNotification", **told) == {}
        assert house.car is CarState.CONNECTED
        assert await each.call("StatusNotification", connectorId=1, status="Dancing") == {}
        assert house.car is CarState.CONNECTED


async def test_what_a_station_saved_up_while_it_was_offline_is_no_present_power():
    async with running() as house, station(house) as each:
        transaction_id = await charging(house, each)
        await each.measure(house.clock, transaction_id, power_w=2_000, register_wh=13_000)
        for ago_s in (900, 800, 700, 600, 500):
            await each.measure(house.clock, transaction_id, ago_s=ago_s, power_w=11_000, register_wh=12_000)
        assert (house.power_w, house.energy_wh) == (2_000, 3_000)


async def test_a_station_whose_clock_is_an_hour_off_is_believed_after_some_values():
    async with running(clock=house_clock(60)) as house, station(house) as each:
        transaction_id = await charging(house, each)
        for _ in range(3):
            await each.measure(house.clock, transaction_id, ago_s=3_600, power_w=3_000, register_wh=12_000)
            await house.clock.sleep_until(house.clock.monotonic_s() + 6)
        assert house.power_w == 3_000


async def test_a_last_value_after_the_end_of_a_session_does_not_stay():
    async with running(clock=house_clock(60)) as house, station(house) as each:
        transaction_id = await charging(house, each)
        await each.stop(transaction_id, meter_stop_wh=12_000)
        await each.status("Finishing")
        await each.measure(house.clock, None, power_w=7_000)
        await house.clock.sleep_until(house.clock.monotonic_s() + 35)
        await each.call("Heartbeat")
        assert (house.car, house.power_w) == (CarState.FINISHED, 0)


async def test_measurands_are_set_one_by_one_where_the_list_is_refused():
    async with running() as house, station(house, measurands=[MEASURANDS[0], MEASURANDS[2]]) as each:
        await each.ready()
        keys = [
            "Power.Active.Import",
            "Power.Active.Import,Energy.Active.Import.Register",
            "Power.Active.Import,Current.Import",
        ]
        await until(lambda: len(each.values(SAMPLED)) == 5, "each one was tried")
        tried = each.values(SAMPLED)
        assert tried[1:4] == keys
        assert (await each.do("configuration"))[SAMPLED] == keys[2]


async def test_a_station_that_tells_nothing_of_itself_is_steered_all_the_same():
    async with running() as house, station(house) as each:
        await each.do("override", method="GetConfiguration", error="NotSupported")
        await each.do("override", method="TriggerMessage", error="NotImplemented")
        await each.ready()
        assert (await each.bring(house, 10)).outcome is Outcome.ACCEPTED
        assert (await each.do("limit"))["limit"] == 10
        assert each.values("MeterValueSampleInterval") == ["10"]
        assert each.values("WebSocketPingInterval") == ["30"]


@pytest.mark.parametrize("how", [{"silent": True}, {"error": "InternalError"}, {"reply": {"configurationKey": []}}])
async def test_a_configuration_that_was_not_told_is_asked_for_at_the_next_connection(
    how: dict[str, object], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(calls, "REPLY_TIMEOUT_S", 0.3)
    watts = {"ChargingScheduleAllowedChargingRateUnit": ("Power", True)}
    async with running() as house, station(house, configuration=watts) as each:
        await each.do("override", method="GetConfiguration", **how)
        await each.ready()
        await each.do("override", method="GetConfiguration")
        await each.connect()
        await each.status("Preparing")
        await until(lambda: len(each.told("GetConfiguration")) == 2, "asked again")
        await until(lambda: each.profiles("TxDefaultProfile")[-1]["stackLevel"] == 7, "set up again")
        await each.bring(house, 10)
        assert await each.do("limit") == {"unit": "W", "startPeriod": 0, "limit": 6_900}
        await each.connect()
        await each.status("Preparing")
        await until(lambda: len(each.profiles("TxDefaultProfile")) >= 5, "set up a third time")
        assert len(each.told("GetConfiguration")) == 2


@pytest.mark.parametrize("how", [{"reply": {"status": "Rejected"}}, {"error": "NotSupported"}, {"reply": {}}])
async def test_a_refused_limit_is_told_with_its_reason_and_not_hammered(how: dict[str, object]):
    async with running() as house, station(house) as each:
        await each.do("override", method="SetChargingProfile", **how)
        await each.connect(strict=False)
        await each.call("BootNotification", chargePointVendor="Vendor", chargePointModel="Model")
        await each.set_up()
        answers = [await each.bring(house, 10) for _ in range(5)]
        assert {each.outcome for each in answers} == {Outcome.REJECTED}
        assert "refuses a limit of 10 A" in answers[0].detail
        assert len(each.profiles("TxDefaultProfile")) <= 4


async def test_a_transaction_profile_that_is_refused_or_without_effect_gives_way_to_a_default_profile():
    async with running() as house, station(house) as each:
        await each.ready()
        await each.start(house.clock)
        composite = {
            "duration": 60,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0}],
        }
        await each.do(
            "override", method="GetCompositeSchedule", reply={"status": "Accepted", "chargingSchedule": composite}
        )
        answer = await each.bring(house, 10)
        assert answer.outcome is Outcome.REJECTED
        assert "goes by 0 A" in answer.detail
        assert each.told("ClearChargingProfile") == [{"id": each.profiles("TxProfile")[0]["chargingProfileId"]}]
        assert each.profiles("TxDefaultProfile")[-1]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 10
        assert await each.do("limit") == {"unit": "A", "startPeriod": 0, "limit": 10}


@pytest.mark.parametrize("how", [{"reply": {"status": "Accepted"}}, {"error": "NotImplemented"}])
async def test_a_station_that_cannot_say_what_it_offers_is_unconfirmed(how: dict[str, object]):
    async with running() as house, station(house) as each:
        await each.do("override", method="GetCompositeSchedule", **how)
        await each.ready()
        await each.start(house.clock)
        for current_a in (10, 12):
            assert (await each.bring(house, current_a)).outcome is Outcome.UNCONFIRMED
        assert len(each.told("GetCompositeSchedule")) == 1


async def test_a_station_with_one_level_is_raised_in_transactions_only():
    async with running() as house, station(house, configuration={"ChargeProfileMaxStackLevel": ("0", True)}) as each:
        await each.ready()
        assert (await each.bring(house, 10)).outcome is Outcome.UNCONFIRMED
        assert (await each.do("limit"))["limit"] == 0
        await each.start(house.clock)
        assert (await each.bring(house, 10)).outcome is Outcome.ACCEPTED
        assert (await each.do("limit"))["limit"] == 10


async def test_a_station_that_never_answers_is_hung_up_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "REPLY_TIMEOUT_S", 0.05)
    async with running() as house, station(house) as each:
        for method in ("GetConfiguration", "SetChargingProfile", "TriggerMessage", "ChangeConfiguration"):
            await each.do("override", method=method, silent=True)
        await each.boot()
        await until(lambda: each.closed, "the station is sent away, to call again")


@pytest.mark.parametrize(
    ("switches", "supported", "told"), [(True, "true", 1), (True, "false", None), (False, "true", None)]
)
async def test_phases_are_named_only_where_charger_and_station_change_them(
    switches: bool, supported: str, told: int | None
):
    ours = charger(switches_phases=switches)
    configuration = {"ConnectorSwitch3to1PhaseSupported": (supported, True)}
    async with running(one=ours) as house, station(house, configuration=configuration) as each:
        await each.ready()
        await each.start(house.clock)
        await each.bring(house, 10, phase_count=1)
        assert (await each.do("limit")).get("numberPhases") == told


async def test_half_a_character_on_a_card_stops_neither_the_session_nor_its_record():
    memory = DictMemory()
    async with running(memory=memory) as house, station(house) as each:
        await each.connect(strict=False)
        first = await each.start(house.clock, tag="\ud800")
        assert memory.content is not None
        assert str(first).encode() in memory.content
        await each.stop(first, meter_stop_wh=11_000)
        assert str(await each.start(house.clock)).encode() in memory.content
        assert each.closed == []


async def test_a_second_socket_of_a_station_gets_no_start():
    async with running() as house, station(house) as each:
        await each.ready()
        answer = await each.call(
            "StartTransaction", connectorId=2, idTag="CARD", meterStart=0, timestamp="2026-06-01T12:00:00Z"
        )
        assert answer["idTagInfo"]["status"] == "Blocked"


async def test_a_car_that_ignores_a_pause_is_stopped_and_may_go_on_later():
    async with running(clock=house_clock(60)) as house, station(house) as each:
        await each.ready()
        transaction_id = await each.start(house.clock)
        await each.status("Charging")
        await each.bring(house, 0)
        while "RemoteStopTransaction" not in each.names():
            await each.measure(house.clock, transaction_id, power_w=4_000, register_wh=12_000)
            await house.clock.sleep_until(house.clock.monotonic_s() + 5)
        assert each.told("RemoteStopTransaction") == [{"transactionId": transaction_id}]
        await each.stop(transaction_id, meter_stop_wh=12_000)
        await each.status("Finishing")
        assert house.car is CarState.CONNECTED
        await each.bring(house, 10, lasts_s=600)
        await until(lambda: "RemoteStartTransaction" in each.names(), "started again")


async def test_what_a_station_said_before_its_connection_was_lost_is_in_doubt():
    async with running(clock=house_clock(10)) as house, station(house) as each:
        await each.ready()
        await each.do("close")
        count = len(house.readings)
        await each.connect()
        await each.call("Heartbeat")
        assert len(house.readings) == count
        await house.clock.sleep_until(house.clock.monotonic_s() + 12)
        await each.call("Heartbeat")
        assert len(house.readings) > count
        assert house.car is CarState.ABSENT
