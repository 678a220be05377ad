"""A central system under test, and a charge point of another maker (npm ocpp-rpc, strict mode) that a test leads."""

import asyncio
import atexit
import json
import logging
import random
import shutil
import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hems.domain.command import Authority, ChargeCurrent, Command, Lease
from hems.domain.power import ALL_PHASES
from hems.domain.reading import CarState, ChargerValues, Reading
from hems.domain.site import Charger, DeviceId
from hems.domain.wiring import OcppConnection
from hems.ports import Answer, DeviceReading
from hems.runtime.clock import ScaledClock
from hems_drivers.ocpp.server import CentralSystem, central_system

SCRIPT = Path(__file__).parents[1] / "drivers" / "ocpp" / "charge_point.cjs"
MODULE = Path(__file__).parents[1] / "counterparts" / "node_modules" / "ocpp-rpc"
IDENTITY, PASSWORD = "CP-0042", "correct horse"
CAR = DeviceId("driveway")
SPEED = 20.0
DEADLINE_S = 8.0

MEASURANDS = ("Power.Active.Import", "Energy.Active.Import.Register", "Current.Import", "Current.Offered")
SAMPLED = "MeterValuesSampledData"
CONFIGURATION: Mapping[str, tuple[str, bool]] = {
    "HeartbeatInterval": ("86400", False),
    "MeterValueSampleInterval": ("60", False),
    "MeterValuesSampledData": ("Energy.Active.Import.Register", False),
    "WebSocketPingInterval": ("0", False),
    "NumberOfConnectors": ("1", True),
    "SupportedFeatureProfiles": ("Core,SmartCharging,RemoteTrigger", True),
    "ChargeProfileMaxStackLevel": ("8", True),
    "ChargingScheduleAllowedChargingRateUnit": ("Current", True),
}


def charger(**changes: Any) -> Charger:
    values: dict[str, Any] = {
        "id": CAR,
        "name": "Driveway",
        "current_min_a": 6.0,
        "current_max_a": 16.0,
        "power_max_w": 11_040.0,
        "phases": ALL_PHASES,
    }
    return Charger(**{**values, **changes})


class DictMemory:
    """What the app keeps on disk; ``error`` is what a disk that takes nothing raises."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.error: Exception | None = None

    async def load(self) -> bytes | None:
        return self.content

    async def save(self, content: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.content = content


class House:
    """A running central system with what it reported."""

    def __init__(self, driver: CentralSystem, clock: ScaledClock) -> None:
        self.driver = driver
        self.clock = clock
        self.readings: list[Reading[ChargerValues]] = []

    def report(self, device_id: DeviceId, reading: DeviceReading) -> None:
        assert device_id in self.driver.devices
        assert reading.value is None or isinstance(reading.value, ChargerValues)
        assert reading.mono_s <= self.clock.monotonic_s()
        self.readings.append(reading)  # type: ignore[arg-type]

    @property
    def latest(self) -> ChargerValues | None:
        return self.readings[-1].value if self.readings else None

    @property
    def car(self) -> CarState | None:
        return None if self.latest is None else self.latest.car

    @property
    def power_w(self) -> float | None:
        return None if self.latest is None else self.latest.power_w

    @property
    def energy_wh(self) -> float | None:
        return None if self.latest is None else self.latest.session_energy_wh

    @property
    def age_s(self) -> float:
        return self.clock.monotonic_s() - self.readings[-1].mono_s

    def command(self, current_a: float, *, phase_count: int = 3, lasts_s: float = 60.0) -> Command:
        return Command(
            device_id=CAR,
            action=ChargeCurrent(current_a=current_a, phase_count=phase_count),
            lease=Lease(granted_mono_s=self.clock.monotonic_s(), duration_s=lasts_s),
            authority=Authority.PLAN,
        )


def house_clock(speed: float = SPEED) -> ScaledClock:
    epoch_s = asyncio.get_running_loop().time()
    return ScaledClock(speed=speed, start_at=datetime(2026, 6, 1, 12, tzinfo=UTC), epoch_s=epoch_s - 1_000 / speed)


@asynccontextmanager
async def running(
    *,
    memory: DictMemory | None = None,
    clock: ScaledClock | None = None,
    chargers: Mapping[str, tuple[Charger, OcppConnection]] | None = None,
    port: int = 0,
    one: Charger | None = None,
) -> AsyncGenerator[House, None]:
    """A central system at work, ended cleanly."""
    clock = clock or house_clock()
    known = chargers or {IDENTITY: (one or charger(), OcppConnection(identity=IDENTITY, password=PASSWORD))}
    driver = central_system(
        known, host="127.0.0.1", port=port, memory=memory or DictMemory(), clock=clock, random=random.Random(7)
    )
    house = House(driver, clock)
    task = asyncio.create_task(driver.run(house.report))
    try:
        await until(lambda: driver.bound_port is not None or task.done(), "the port is open")
        yield house
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def until(condition: Callable[[], object], what: str, *, within_s: float = DEADLINE_S) -> None:
    """Wait until something holds."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                await pause(0.01)
    except TimeoutError:
        pytest.fail(f"not within {within_s:g} s: {what}")


async def pause(seconds: float) -> None:
    """Let others run for a real moment."""
    waker = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, waker.set)
    await waker.wait()


class StationError(Exception):
    """The charge point could not: the text is the code of OCPP, or what node says."""

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


class Station:
    """A charge point. ``calls`` are those that it got, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.closed: list[int] = []
        self.broken: list[dict[str, Any]] = []
        """Frames of ours that break the schemas of the other maker."""

    async def listen(self) -> None:
        async for line in self._reader:
            said = json.loads(line)
            match said.get("event"):
                case "call":
                    self.calls.append((said["method"], said["params"]))
                case "closed":
                    self.closed.append(said["code"])
                case "broken":
                    self.broken.append(said)
                case _:
                    waiting = self._waiting.pop(said["id"])
                    if "error" in said:
                        waiting.set_exception(StationError(said["error"], said["code"]))
                    else:
                        waiting.set_result(said["answer"])

    async def do(self, action: str, **parameters: Any) -> Any:
        self._count += 1
        waiting = self._waiting[self._count] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({"id": self._count, "action": action, **parameters}).encode() + b"\n")
        async with asyncio.timeout(DEADLINE_S):
            return await waiting

    async def connect(
        self,
        identity: str = IDENTITY,
        password: str | None = PASSWORD,
        protocols: Sequence[str] = ("ocpp1.6",),
        *,
        strict: bool = True,
    ) -> Any:
        return await self.do("connect", identity=identity, password=password, protocols=protocols, strict=strict)

    async def call(self, method: str, **params: Any) -> Any:
        return await self.do("call", method=method, params=params)

    async def boot(self) -> Any:
        await self.connect()
        return await self.call("BootNotification", chargePointVendor="Vendor", chargePointModel="Model")

    async def ready(self) -> None:
        """Started, limited to nothing, and set up."""
        await self.boot()
        await self.status("Available")
        await self.set_up()

    async def set_up(self) -> None:
        """The last key that is set has been."""
        await until(lambda: self.values(SAMPLED), "set up")

    async def status(self, status: str, *, connector: int = 1, error: str = "NoError") -> None:
        await self.call("StatusNotification", connectorId=connector, errorCode=error, status=status)

    async def start(self, clock: ScaledClock, *, meter_start_wh: int = 10_000, tag: str = "CARD") -> int:
        answer = await self.call(
            "StartTransaction", connectorId=1, idTag=tag, meterStart=meter_start_wh, timestamp=stamp(clock)
        )
        return int(answer["transactionId"])

    async def stop(self, transaction_id: int, *, meter_stop_wh: int) -> Any:
        at = "2026-06-01T13:00:00Z"
        return await self.call("StopTransaction", transactionId=transaction_id, meterStop=meter_stop_wh, timestamp=at)

    async def bring(self, house: House, current_a: float, *, phase_count: int = 3, lasts_s: float = 60.0) -> Answer:
        """The answer to a command; what was sent for it has been told by then."""
        answer = await house.driver.apply(house.command(current_a, phase_count=phase_count, lasts_s=lasts_s))
        await self.do("limit")
        return answer

    async def measure(self, clock: ScaledClock, transaction_id: int | None = None, **values: float) -> None:
        """Power [W], register [Wh] and currents L1.. [A] of now."""
        await self.call("MeterValues", **meter_values(clock, transaction_id, **values))

    def names(self) -> list[str]:
        return [method for method, _ in self.calls]

    def told(self, method: str) -> list[dict[str, Any]]:
        return [params for name, params in self.calls if name == method]

    def values(self, key: str) -> list[str]:
        """What a key of the configuration was set to, or was tried to be."""
        return [each["value"] for each in self.told("ChangeConfiguration") if each["key"] == key]

    def profiles(self, purpose: str) -> list[dict[str, Any]]:
        found = [params["csChargingProfiles"] for params in self.told("SetChargingProfile")]
        return [each for each in found if each["chargingProfilePurpose"] == purpose]


def stamp(clock: ScaledClock, ago_s: float = 0.0) -> str:
    return (clock.now() - timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def sampled(value: object, measurand: str | None = None, unit: str | None = None, **more: Any) -> dict[str, Any]:
    parts = {"value": value, "measurand": measurand, "unit": unit, **more}
    return {key: each for key, each in parts.items() if each is not None}


def meter_values(
    clock: ScaledClock, transaction_id: int | None = None, *, ago_s: float = 0.0, **values: float
) -> dict[str, Any]:
    names = {"power_w": ("Power.Active.Import", "W"), "register_wh": ("Energy.Active.Import.Register", "Wh")}
    samples = [
        sampled(str(value), *names[name])
        if name in names
        else sampled(str(value), "Current.Import", "A", phase=name.upper())
        for name, value in values.items()
    ]
    content: dict[str, Any] = {
        "connectorId": 1,
        "meterValue": [{"timestamp": stamp(clock, ago_s), "sampledValue": samples}],
    }
    return content if transaction_id is None else {**content, "transactionId": transaction_id}


@asynccontextmanager
async def station(
    house: House,
    *,
    configuration: Mapping[str, tuple[str, bool]] | None = None,
    measurands: Sequence[str] = MEASURANDS,
) -> AsyncGenerator[Station, None]:
    """A charge point of another maker, not connected yet. Nothing of ours may break its schemas."""
    options = {
        "endpoint": f"ws://127.0.0.1:{house.driver.bound_port}/ocpp",
        "configuration": {**CONFIGURATION, **(configuration or {})},
        "measurands": measurands,
        "speed": house.clock.speed,
        "pingIntervalMs": 60_000,
    }
    reader, writer = await asyncio.open_connection("127.0.0.1", stations_port())
    writer.write(json.dumps(options).encode() + b"\n")
    each = Station(reader, writer)
    listening = asyncio.create_task(each.listen())
    try:
        yield each
        assert each.broken == []
    finally:
        writer.close()
        await writer.wait_closed()
        await listening


@cache
def stations_port() -> int:
    """Port of a process full of charge points, started once: node takes a quarter of a second to load."""
    node = shutil.which("node")
    if node is None or not MODULE.is_dir():
        pytest.skip("needs node and tests/counterparts/node_modules (npm ci in tests/counterparts)")
    process = subprocess.Popen([node, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None

    def end() -> None:
        process.kill()
        process.communicate()

    atexit.register(end)
    return int(process.stdout.readline())


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
