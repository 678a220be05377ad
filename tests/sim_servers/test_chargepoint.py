"""The charge point against a strict central system of another make, over a real websocket."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hems.domain.reading import CarState
from hems.sim.servers.chargepoint import ChargePoint
from hems.sim.servers.charging_link import ChargingLink
from tests.support.eventually import eventually, running
from tests.support.sim_servers import NOON_AT, PLUGIN_AT, PLUGOUT_AT, living_house

HERE = Path(__file__).parent
OCPP_RPC = HERE.parent / "counterparts" / "node_modules" / "ocpp-rpc"
SPEED = 60.0
PASSWORD = "of-the-test"  # noqa: S105 - opens nothing
pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not OCPP_RPC.exists(), reason="node, or ocpp-rpc in tests/counterparts, is missing"
)


class CentralSystem:
    """The foreign process, what it was told, and what it is told to do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.port = 0
        self.told: list[dict[str, Any]] = []

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            said = json.loads(line)
            self.port = said.get("port", self.port)
            self.told.append(said)

    def order(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def ask(self, action: str, **payload: Any) -> Any:
        count = len(self.told)
        self.order(action=action, payload=payload)
        await eventually(lambda: [each for each in self.told[count:] if each.get("answer") == action], what=action)
        (answer,) = [each for each in self.told[count:] if each.get("answer") == action]
        return answer.get("payload", answer)

    def calls(self, action: str) -> list[dict[str, Any]]:
        return [each["payload"] for each in self.told if each.get("action") == action]

    @property
    def statuses(self) -> list[str]:
        return [each["status"] for each in self.calls("StatusNotification") if each["connectorId"] == 1]


@asynccontextmanager
async def central_system() -> AsyncIterator[CentralSystem]:
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "central_system.js"), str(OCPP_RPC),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    system = CentralSystem(process)
    try:
        async with running(system.listen()):
            await eventually(lambda: system.port, what="the central system listens")
            yield system
            assert not [each for each in system.told if "broken" in each], "a message broke the schemas"
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class Station:
    """A living house with its charge point."""

    def __init__(self, at: datetime, speed: float = SPEED, *, epoch_before_s: float = 0.0) -> None:
        self.living = living_house(at=at, speed=speed, epoch_before_s=epoch_before_s)
        self.point = ChargePoint(self.living, self.living.house.site.chargers[0])

    @property
    def values(self) -> Any:
        return self.point.values

    def link(self, port: int) -> ChargingLink:
        url = f"ws://127.0.0.1:{port}/ocpp/demo-wallbox"
        return ChargingLink(self.living, self.point, url=url, identity="demo-wallbox", password=PASSWORD)


@asynccontextmanager
async def charging(system: CentralSystem, *, at: datetime = PLUGIN_AT, speed: float = SPEED) -> AsyncIterator[Station]:
    station = Station(at, speed)
    link = station.link(system.port)
    await link.regain()
    async with running(link.run()):
        await eventually(lambda: system.statuses == ["Available"], what="it is online before the car comes")
        async with running(station.living.run()):
            yield station


def profile(limit_a: float, *, number: int = 1, level: int = 1, **schedule: Any) -> dict[str, Any]:
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": number,
            "stackLevel": level,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute" if "startSchedule" in schedule else "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
                **schedule,
            },
        },
    }


async def test_it_names_itself_and_tells_the_life_of_a_car_from_plug_in_to_departure() -> None:
    async with central_system() as system, charging(system, speed=1_000) as station:
        await eventually(lambda: system.calls("StopTransaction"), what="the car has left")
        (hello, *_) = [each for each in system.told if "connected" in each]
        assert hello == {"connected": "demo-wallbox", "password": PASSWORD, "protocols": ["ocpp1.6"]}
        (start, *_), (stop, *_) = system.calls("StartTransaction"), system.calls("StopTransaction")
        assert [each for each in system.statuses if each != "SuspendedEVSE"][:3] == [
            "Available",
            "Preparing",
            "Charging",
        ]
        assert stop["transactionId"] == 7
        assert stop["reason"] == "EVDisconnected"
        charged_wh = stop["meterStop"] - start["meterStart"]
        assert charged_wh == pytest.approx(2_660, abs=30), "45 min are enough for 2.66 kWh"
        began, ended = (datetime.fromisoformat(each["timestamp"]) for each in (start, stop))
        assert PLUGIN_AT <= began < PLUGIN_AT + timedelta(minutes=15), "house time"
        assert abs(ended - PLUGOUT_AT) < timedelta(seconds=60)
        assert [each["idTag"] for each in system.calls("Authorize")][:1] == [start["idTag"]]
        await eventually(lambda: not station.point.untold)


async def test_meter_values_come_in_house_time_and_say_what_the_car_takes() -> None:
    async with central_system() as system, charging(system) as station:
        assert await system.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="5") == {
            "status": "Accepted"
        }
        count = len(system.calls("MeterValues"))
        await eventually(lambda: len(system.calls("MeterValues")) >= count + 6)
        samples = system.calls("MeterValues")[count + 1 :][:5]
        at = [datetime.fromisoformat(each["meterValue"][0]["timestamp"]) for each in samples]
        gaps_s = [(after - before).total_seconds() for before, after in pairwise(at)]
        assert all(5 <= gap_s <= 12 for gap_s in gaps_s), gaps_s
        values = {
            (each["measurand"], each.get("phase")): float(each["value"])
            for each in samples[-1]["meterValue"][0]["sampledValue"]
        }
        assert values["Power.Active.Import", None] == pytest.approx(11_000, abs=50)
        assert values["Current.Import", "L2"] == pytest.approx(15.94, abs=0.1)
        assert samples[-1]["transactionId"] == station.point.transaction.id  # type: ignore[union-attr]


async def test_a_profile_is_followed_and_ends_with_its_duration_in_house_time() -> None:
    async with central_system() as system, charging(system) as station:
        await eventually(lambda: station.values.car is CarState.CHARGING)
        offers: list[tuple[datetime, float]] = []
        station.living.after_step(lambda: offers.append((station.living.house.at, station.values.offered_current_a)))
        ends_at = station.living.house.at.replace(microsecond=0) + timedelta(seconds=120)
        start = (ends_at - timedelta(seconds=180)).isoformat().replace("+00:00", "Z")
        answer = await system.ask("SetChargingProfile", **profile(8.0, startSchedule=start, duration=180))
        assert answer == {"status": "Accepted"}
        await eventually(lambda: station.values.offered_current_a == 8.0)
        schedule = await system.ask("GetCompositeSchedule", connectorId=1, duration=600, chargingRateUnit="A")
        limits = [each["limit"] for each in schedule["chargingSchedule"]["chargingSchedulePeriod"]]
        assert limits == [8, 16]
        await eventually(lambda: offers[-1][0] > ends_at and offers[-1][1] > 15)
        limited = [at for at, offered_a in offers if offered_a == 8.0]
        free_again_at = next(at for at, offered_a in offers if at > limited[0] and offered_a > 8.0)
        assert limited[-1] <= ends_at < free_again_at <= ends_at + timedelta(seconds=30)


def test_a_lasting_limit_of_0_a_holds_from_the_first_second_even_if_the_house_is_behind_its_clock() -> None:
    station = Station(PLUGIN_AT, epoch_before_s=100.0)
    station.living.step(55)
    floor = profile(0.0)
    assert station.point.answer("SetChargingProfile", floor) == {"status": "Accepted"}
    for _ in range(30):
        station.living.step(1)
        assert station.values.power_w == 0
    assert station.point.transaction is not None


async def test_a_pause_suspends_and_clearing_it_goes_on() -> None:
    async with central_system() as system, charging(system) as station:
        await eventually(lambda: "Charging" in system.statuses)
        await system.ask("SetChargingProfile", **profile(0.0))
        await eventually(lambda: system.statuses[-1] == "SuspendedEVSE")
        assert station.values.power_w == 0
        assert await system.ask("ClearChargingProfile", id=1) == {"status": "Accepted"}
        await eventually(lambda: system.statuses[-1] == "Charging")
        assert await system.ask("ClearChargingProfile", id=1) == {"status": "Unknown"}


async def test_remote_stop_ends_the_transaction_and_remote_start_begins_another() -> None:
    async with central_system() as system, charging(system) as station:
        await eventually(lambda: system.calls("StartTransaction"))
        await eventually(lambda: station.point.transaction is not None and station.point.transaction.id == 7)
        assert await system.ask("RemoteStopTransaction", transactionId=99) == {"status": "Rejected"}
        assert await system.ask("RemoteStopTransaction", transactionId=7) == {"status": "Accepted"}
        await eventually(lambda: system.statuses[-1] == "Finishing")
        assert system.calls("StopTransaction")[-1]["reason"] == "Remote"
        assert station.values.power_w == 0
        assert await system.ask("RemoteStartTransaction", idTag="SOMEBODY", connectorId=1) == {"status": "Accepted"}
        await eventually(lambda: len(system.calls("StartTransaction")) == 2)
        assert system.calls("StartTransaction")[-1]["idTag"] == "SOMEBODY"


async def test_who_is_not_authorised_gets_nothing() -> None:
    async with central_system() as system:
        system.order(accept={"authorize": "Blocked"})
        async with charging(system) as station:
            await eventually(lambda: system.calls("Authorize") and system.statuses[-1:] == ["Finishing"])
            assert station.values.power_w == 0
            assert not system.calls("StartTransaction")


async def test_what_happened_without_the_central_system_is_told_in_order_afterwards() -> None:
    async with central_system() as system:
        station = Station(PLUGIN_AT)
        for _ in range(100):
            station.living.step(60)  # a car came and went, and another one; the third is there
        assert len(station.point.untold) == 2
        assert station.point.transaction is not None
        link = station.link(system.port)
        await link.regain()
        async with running(link.run()), running(station.living.run()):
            await eventually(lambda: station.point.transaction and station.point.transaction.id is not None)
        actions = [each["action"] for each in system.told if each.get("action", "").endswith("Transaction")]
        assert actions == ["StartTransaction", "StopTransaction"] * (len(actions) // 2) + ["StartTransaction"]
        meters: list[int] = [each["meterStart"] for each in system.calls("StartTransaction")]
        assert meters == sorted(meters)


async def test_lost_it_is_silent_and_charges_on_and_regained_it_comes_back() -> None:
    async with central_system() as system:
        station = Station(PLUGIN_AT)
        link = station.link(system.port)
        await link.regain()
        async with running(link.run()), running(station.living.run()):
            await eventually(lambda: station.point.transaction and station.point.transaction.id is not None)
            link.lose()
            at = station.living.house.elapsed_s
            await eventually(lambda: station.living.house.elapsed_s > at + 20, what="what was under way has come")
            count = len(system.told)
            await eventually(lambda: station.living.house.elapsed_s > at + 60)
            assert system.told[count:] == []
            assert station.values.power_w > 10_000
            await link.regain()
            await eventually(lambda: len(system.calls("BootNotification")) == 2)
            await eventually(lambda: len(system.calls("MeterValues")[-1:]) == 1 and system.statuses[-1] == "Charging")
            assert len(system.calls("StartTransaction")) == 1, "the session goes on"


async def test_it_comes_back_after_the_central_system_hung_up() -> None:
    async with central_system() as system, charging(system):
        await eventually(lambda: system.calls("BootNotification"))
        system.order(hang_up=True)
        await eventually(lambda: len(system.calls("BootNotification")) == 2)


ANSWERS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, "NotImplemented"),
    ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 2}, "Rejected"),
    ("ChangeConfiguration", {"key": "NumberOfConnectors", "value": "2"}, "Rejected"),
    ("ChangeConfiguration", {"key": "Colour", "value": "2"}, "NotSupported"),
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "soon"}, "Rejected"),
    ("UnlockConnector", {"connectorId": 1}, "NotSupported"),
    ("DataTransfer", {"vendorId": "somebody"}, "UnknownVendorId"),
    ("SetChargingProfile", profile(6.0, level=9), "Rejected"),
    ("RemoteStartTransaction", {"idTag": "NOBODY"}, "Rejected"),
    ("RemoteStopTransaction", {"transactionId": 1}, "Rejected"),
    ("TriggerMessage", {"requestedMessage": "MeterValues"}, "Accepted"),
    ("Reset", {"type": "Soft"}, "Accepted"),
)


async def test_every_call_has_its_answer() -> None:
    async with central_system() as system, charging(system, at=NOON_AT):
        for action, payload, status in ANSWERS:
            assert await system.ask(action, **payload) == {"status": status}, (action, payload)
        await eventually(lambda: system.calls("MeterValues"), what="what was triggered")
        await eventually(lambda: len(system.calls("BootNotification")) == 2, what="after the reset")
        assert (await system.ask("GetLocalListVersion"))["error"] in ("NotImplemented", "NotSupported")


async def test_its_configuration_names_what_a_controller_needs() -> None:
    async with central_system() as system, charging(system, at=NOON_AT):
        told = await system.ask("GetConfiguration")
        values = {each["key"]: each["value"] for each in told["configurationKey"]}
        assert values["ChargingScheduleAllowedChargingRateUnit"] == "Current,Power"
        assert values["ConnectorSwitch3to1PhaseSupported"] == "true"
        some = await system.ask("GetConfiguration", key=["HeartbeatInterval", "Colour"])
        assert some["unknownKey"] == ["Colour"]
        assert [each["key"] for each in some["configurationKey"]] == ["HeartbeatInterval"]
