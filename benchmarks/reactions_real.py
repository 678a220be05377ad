"""Reactions in real time: ``hems run`` as a process, against the simulated devices over their real protocols.

Killed, wedged, and started with every subset of devices absent.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]

from hems.config import load_site
from hems.runtime.clock import ScaledClock
from hems.sim.data import Session
from hems.sim.demo import site_text
from hems.sim.servers.broker import broker
from hems.sim.servers.chargepoint import ChargePoint
from hems.sim.servers.charging_link import ChargingLink
from hems.sim.servers.heat_pump import MqttHeatPump
from hems.sim.servers.inverter import HybridInverter
from hems.sim.servers.living import LivingHouse, begun
from hems.sim.servers.modbus import ModbusServer
from hems.sim.servers.p1 import P1Meter
from hems.sim.servers.sunspec import InverterUnit
from hems.sim.servers.truth import demo_data
from tests.support.demo import CLOCK
from tests.support.demo_daemon import free_port

WALLBOX = "of the benchmark"
WATCHDOG_S, RESTART_S = 15.0, 2.0
"""``WatchdogSec`` and ``RestartSec`` of the unit."""
SETTLE_S = 20.0
"""Until every device has been told something, its timer among it."""
OPERATOR = """
grid_operator:
  name: Operator
  connection: broker
  production: {failsafe: 0 %, contacts: [{state: k1, limit: 0 %}]}
"""
"""Never heard: feeding in is limited to 0 W, so that the modules hold a command too."""
SUN_W = 4_000.0
"""At any hour: there is something to hold back."""
KINDS = ("grid", "inverter", "charger", "heat pump")


@dataclass
class House:
    """The devices, with the truth about them."""

    living: LivingHouse
    inverter: HybridInverter
    point: ChargePoint
    pump: MqttHeatPump
    boxes: Mapping[str, object]
    site: str
    folder: Path
    has_car: bool
    page_port: int = field(default_factory=free_port)

    def rests(self) -> dict[str, bool]:
        """Which devices with a timer are at their resting value; none is while the daemon steers them all."""
        settings = self.inverter.settings
        battery = {"battery": settings[124, "StorCtl_Mod"] == 0}
        if self.has_car:  # it takes more than the sun gives: nothing has to be held back
            return battery | {"charger": self._offered_a() == 0}
        return battery | {"modules": settings[123, "WMaxLim_Ena"] == 0}

    def _offered_a(self) -> float:
        return self.point.offer(self.point.now).current_a

    async def absent(self, kinds: Sequence[str]) -> None:
        """Exactly these devices are lost from now on."""
        for kind, box in self.boxes.items():
            if kind in kinds:
                box.lose()  # type: ignore[attr-defined]
            else:
                await box.regain()  # type: ignore[attr-defined]


@asynccontextmanager
async def house(*, has_car: bool = True) -> AsyncIterator[House]:
    """The demo's full house in this process, at this moment of real time; a car wants 60 kWh, or is away."""
    start_at, text = CLOCK.now(), site_text("full", p1_port=1, modbus_port=1, ocpp_port=free_port())
    site = load_site(text, "full.yaml")
    clock = ScaledClock(speed=1.0, start_at=start_at, epoch_s=CLOCK.monotonic_s())
    stay = Session(plugin_at=start_at, plugout_at=start_at + timedelta(hours=12), energy_wh=60_000.0)
    data = demo_data(site, start_at)
    data = replace(data, sessions=(stay,) if has_car else (), pv_w=np.full_like(data.pv_w, SUN_W))
    living = begun(site, data, clock, start_at=start_at)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mqtt_port, ocpp_port = await stack.enter_async_context(broker()), free_port()
        inverter = HybridInverter(living, plant=site.pv[0], battery=site.batteries[0])
        modbus = ModbusServer({1: InverterUnit(living, inverter)})
        p1 = await stack.enter_async_context(P1Meter(living, zone=site.zone))
        await stack.enter_async_context(modbus.endpoint)
        pump = MqttHeatPump(living, site.heat_pumps[0], port=mqtt_port)
        point = ChargePoint(living, site.chargers[0])
        link = ChargingLink(
            living, point, url=f"ws://127.0.0.1:{ocpp_port}/ocpp/demo-wallbox", identity="demo-wallbox",
            password=WALLBOX,
        )  # fmt: skip
        boxes = {"grid": p1.endpoint, "inverter": modbus.endpoint, "charger": link, "heat pump": pump}
        made = House(living, inverter, point, pump, boxes, site="", folder=folder, has_car=has_car)
        await made.absent(())
        text = site_text(
            "full", p1_port=p1.endpoint.port, modbus_port=modbus.endpoint.port, mqtt_port=mqtt_port,
            ocpp_port=ocpp_port,
        )  # fmt: skip
        made.site = str(folder / "site.yaml")
        _describe(text, folder)
        tasks = [asyncio.create_task(each) for each in (living.run(), pump.run(), link.run())]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _describe(text: str, folder: Path) -> None:
    """The site file: without a habit a car charges when it is plugged in."""
    at_once = text.replace('    usual: {ready_by: "07:30", energy: 10 kWh}\n', "")
    assert at_once != text
    (folder / "site.yaml").write_text(at_once + OPERATOR)
    (folder / "secrets.yaml").write_text(f'wallbox: "{WALLBOX}"\n')
    (folder / "secrets.yaml").chmod(0o600)


@dataclass
class Running:
    """A daemon's process."""

    process: asyncio.subprocess.Process
    ready_s: float
    """From its exec to READY: the guard is in control."""
    cpu_s: float
    """Of a processor that it took for that."""
    listener: socket.socket

    async def said(self, word: str) -> None:
        """Until it says this to the service manager."""
        await _said(self.listener, word)

    async def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.terminate()
        await self.process.wait()
        self.listener.close()


async def started(house: House, planted: str = "") -> Running:
    """Start the daemon and wait until its guard is in control.

    Args:
        house: the devices.
        planted: Python text that runs first, a fault; empty: the product as it is.
    """
    address = house.folder / "notify"
    address.unlink(missing_ok=True)
    for kept in (house.folder / "state" / "documents").glob("starts.json*"):
        kept.unlink()  # what follows are no crashes
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setblocking(False)
    listener.bind(str(address))
    arguments = ["run", house.site, "--state-dir", str(house.folder / "state"), "--port", str(house.page_port)]
    arguments += ["--ocpp-host", "127.0.0.1", "--trust-clock", "--prices-url", "http://127.0.0.1:9"]
    run = [sys.executable, "-m", "hems", *arguments]
    if planted:
        run = [sys.executable, "-c", f"{planted}\nfrom hems.cli import main\nmain()", *arguments]
    environment = os.environ | {
        "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6)), "PYTHONFAULTHANDLER": "1"
    }  # fmt: skip
    log = (house.folder / "log").open("ab")
    began_s = CLOCK.monotonic_s()
    process = await asyncio.create_subprocess_exec(*run, env=environment, stdout=log, stderr=log)
    log.close()
    try:
        async with asyncio.timeout(30.0):
            await _said(listener, "READY=1")
    except TimeoutError:
        raise AssertionError((house.folder / "log").read_text()[-2_000:]) from None
    ready_s = CLOCK.monotonic_s() - began_s
    times = psutil.Process(process.pid).cpu_times()
    return Running(process=process, ready_s=ready_s, cpu_s=times.user + times.system, listener=listener)


async def _said(listener: socket.socket, word: str) -> None:
    while word not in (await asyncio.get_running_loop().sock_recv(listener, 4_096)).decode().splitlines():
        pass


async def _until(condition: Callable[[], bool], *, within_s: float) -> float:
    """Seconds until it holds; infinite if it does not in time."""
    began_s = CLOCK.monotonic_s()
    while not condition():
        if CLOCK.monotonic_s() - began_s > within_s:
            return float("inf")
        await CLOCK.sleep_until(CLOCK.monotonic_s() + 0.05)
    return CLOCK.monotonic_s() - began_s


@dataclass(frozen=True, slots=True)
class Gone:
    """After kill -9 of the daemon."""

    rest_s: Mapping[str, float]
    """Until each device with a timer was at its resting value."""
    relays_moved: bool
    """Whether the heat pump's contacts changed within that time."""
    reconciled_s: float
    """From the next start's exec until every device held a command again."""


async def killed(times: int, planted: str = "") -> list[Gone]:
    """Kill a daemon that steers everything, and watch the devices; half of the times a car is there."""
    found = []
    for has_car in (True, False):
        async with house(has_car=has_car) as devices:
            found += [await _killed(devices, planted) for _ in range(times)]
    return found


async def _killed(devices: House, planted: str) -> Gone:
    daemon = await started(devices, planted)
    await CLOCK.sleep_until(CLOCK.monotonic_s() + SETTLE_S)
    assert await _until(lambda: not any(devices.rests().values()), within_s=40.0) < float("inf"), devices.rests()
    relays = (devices.pump.relays.block, devices.pump.relays.boost)
    daemon.process.kill()
    await daemon.process.wait()
    daemon.listener.close()
    kinds = list(devices.rests())
    rests = await asyncio.gather(
        *(_until(lambda kind=kind: devices.rests()[kind], within_s=90.0) for kind in kinds)  # type: ignore[misc]
    )
    moved = relays != (devices.pump.relays.block, devices.pump.relays.boost)
    again = await started(devices)
    reconciled_s = await _until(lambda: not any(devices.rests().values()), within_s=60.0) + again.ready_s
    await again.stop()
    return Gone(dict(zip(kinds, rests, strict=True)), moved, reconciled_s)


async def starts(planted: str = "") -> dict[str, tuple[float, float]]:
    """From exec to the guard in control, and the processor's time in it, for every subset of absent devices [s]."""
    found = {}
    async with house() as devices:
        for count in range(len(KINDS) + 1):
            for kinds in combinations(KINDS, count):
                await devices.absent(kinds)
                daemon = await started(devices, planted)
                found[", ".join(kinds) or "none"] = (daemon.ready_s, daemon.cpu_s)
                await daemon.stop()
    return found


WEDGE = "import signal, time\nsignal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))"


async def wedged(times: int, watchdog_s: float = WATCHDOG_S) -> list[float]:
    """From the moment at which the loop hangs to the guard of the next process in control, as systemd does it [s]."""
    found = []
    async with house() as devices:
        for _ in range(times):
            daemon = await started(devices, WEDGE)
            await CLOCK.sleep_until(CLOCK.monotonic_s() + 5.0)
            began_s = CLOCK.monotonic_s()
            daemon.process.send_signal(signal.SIGUSR1)
            with suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(watchdog_s):
                        await daemon.said("WATCHDOG=1")
            daemon.process.send_signal(signal.SIGABRT)
            await daemon.process.wait()
            await CLOCK.sleep_until(CLOCK.monotonic_s() + RESTART_S)
            again = await started(devices)
            found.append(CLOCK.monotonic_s() - began_s)
            await again.stop()
            daemon.listener.close()
    return found
