"""All devices of a demo house behind their servers, in one process and one scaled time."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from hems.config import load_site
from hems.domain.errors import BadInputError
from hems.domain.site import Site
from hems.runtime.clock import ScaledClock
from hems.sim.charger import SimCharger
from hems.sim.data import HouseData, Session
from hems.sim.demo import METER_UNIT, MODBUS_UNIT, OCPP_IDENTITY, OCPP_PATH, require_house, site_text
from hems.sim.servers.broker import broker
from hems.sim.servers.chargepoint import ChargePoint
from hems.sim.servers.charging_link import ChargingLink
from hems.sim.servers.endpoint import LOOPBACK
from hems.sim.servers.heat_pump import MqttHeatPump
from hems.sim.servers.inverter import HybridInverter
from hems.sim.servers.living import SEED, LivingHouse, begun
from hems.sim.servers.modbus import ModbusServer
from hems.sim.servers.p1 import P1Meter
from hems.sim.servers.sunspec import InverterUnit, meter_unit
from hems.sim.servers.truth import demo_data

log = logging.getLogger(__name__)

KINDS = ("grid", "pv", "battery", "charger", "heat_pump")


class Box(Protocol):
    """Something that can vanish from the network and come back. Its physics go on."""

    async def regain(self) -> None:
        """Be reachable."""
        ...

    def lose(self) -> None:
        """Refuse connections, drop what comes over open ones, send nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What is simulated, from when on and how fast."""

    house: str
    speed: float
    start_at: datetime
    epoch_s: float
    """Machine's monotonic second at which the house's clock shows ``start_at``."""
    absent: frozenset[str] = frozenset()
    """Devices, or kinds of them, that are not there at first."""
    ocpp_url: str | None = None
    """Where the charger finds its central system; without a path, that of its identity is used."""

    @property
    def clock(self) -> ScaledClock:
        """The house's clock."""
        return ScaledClock(speed=self.speed, start_at=self.start_at, epoch_s=self.epoch_s)


class Devices:
    """The boxes by the names of their devices."""

    def __init__(self, living: LivingHouse, data: HouseData, boxes: Mapping[str, Box], ready: dict[str, Any]) -> None:
        self.living = living
        self.ready = ready
        """How everything is reached, as JSON."""
        self._data = data
        self._boxes = boxes

    async def obey(self, order: Mapping[str, Any]) -> None:
        """Follow one order: ``lose`` or ``regain`` a device, ``plug`` in a car or ``unplug`` it.

        Raises:
            BadInputError: it cannot be followed; nothing was changed.
        """
        match order:
            case {"lose": str(name)}:
                self._box(name).lose()
            case {"regain": str(name)}:
                await self._box(name).regain()
            case {"plug": {"energy_kwh": int() | float() as energy_kwh, "hours": int() | float() as hours}}:
                self._plug(energy_kwh * 1000, timedelta(hours=hours))
            case {"unplug": True}:
                self._unplug()
            case _:
                raise BadInputError(
                    'an order is {"lose": NAME}, {"regain": NAME}, {"plug": {"energy_kwh": 20, "hours": 8}} '
                    f'or {{"unplug": true}}, got {order}'
                )
        log.info("done: %s", order)

    def _box(self, name: str) -> Box:
        if name not in self._boxes:
            raise BadInputError(f'there is no device "{name}"; there are {", ".join(self._boxes)}')
        return self._boxes[name]

    def _charger(self) -> SimCharger:
        for charger in self.living.house.chargers.values():
            return charger
        raise BadInputError("this house has no charger")

    def _plug(self, energy_wh: float, stay: timedelta) -> None:
        charger, at = self._charger(), self.living.house.at
        if charger.stay is not None:
            raise BadInputError("a car is plugged in already: unplug it first")
        if energy_wh <= 0 or stay < timedelta(minutes=1):
            raise BadInputError("a car wants some energy and stays for a minute at least")
        self._replace(charger, (Session(plugin_at=at, plugout_at=at + stay, energy_wh=energy_wh),))

    def _unplug(self) -> None:
        charger = self._charger()
        if charger.stay is None:
            raise BadInputError("no car is plugged in")
        self._replace(charger, ())

    def _replace(self, charger: SimCharger, first: tuple[Session, ...]) -> None:
        """The same charger, with other cars to come: ``first``, then those of the sample that come after it."""
        house = self.living.house
        free_at = first[-1].plugout_at if first else house.at
        later = tuple(session for session in self._data.sessions if session.plugin_at >= free_at)
        device_id = charger.charger.id
        house.chargers[device_id] = house.devices[device_id] = SimCharger(
            charger.charger, (*first, *later), start_at=house.at, seed=SEED, unmanaged=False
        )


@asynccontextmanager
async def serve(demo: Demo) -> AsyncIterator[Devices]:
    """Devices that live and answer while the context lasts; what is not absent is reachable from the start.

    Raises:
        BadInputError: unknown house or device, or the data has ended.
        OperatingError: there is no broker.
    """
    require_house(demo.house)
    site = load_site(site_text(demo.house, p1_port=1, modbus_port=1), f"{demo.house}.yaml")
    data = demo_data(site, demo.start_at)
    living = begun(site, data, demo.clock, start_at=demo.start_at)
    async with AsyncExitStack() as stack:
        mqtt_port = await stack.enter_async_context(broker())
        inverter = HybridInverter(living, plant=site.pv[0], battery=site.batteries[0])
        modbus = ModbusServer({MODBUS_UNIT: InverterUnit(living, inverter), METER_UNIT: meter_unit(living)})
        p1 = await stack.enter_async_context(P1Meter(living, zone=site.zone))
        await stack.enter_async_context(modbus.endpoint)
        by_kind: dict[str, Box] = {"grid": p1.endpoint, "pv": modbus.endpoint, "battery": modbus.endpoint}
        ids = {"grid": site.meter.id, "pv": site.pv[0].id, "battery": site.batteries[0].id}
        start = await stack.enter_async_context(_background())
        password = secrets.token_hex(16)
        for pump in site.heat_pumps:
            heat_pump = MqttHeatPump(living, pump, port=mqtt_port)
            by_kind["heat_pump"], ids["heat_pump"] = heat_pump, pump.id
            start(heat_pump.run())
        for charger in site.chargers:
            point = ChargePoint(living, charger)
            url = _ocpp_url(demo.ocpp_url)
            if url is not None:
                link = ChargingLink(living, point, url=url, identity=OCPP_IDENTITY, password=password)
                by_kind["charger"], ids["charger"] = link, charger.id
                start(link.run())
        boxes = by_kind | {str(ids[kind]): box for kind, box in by_kind.items()}
        ready = _ready(demo, site, modbus=modbus.endpoint.port, p1=p1.endpoint.port, mqtt=mqtt_port, password=password)
        devices = Devices(living, data, boxes, ready)
        unknown = demo.absent - set(boxes) - set(KINDS)
        if unknown:
            raise BadInputError(f"--absent: there is no {', '.join(sorted(unknown))}; there are {', '.join(boxes)}")
        away = [boxes[name] for name in demo.absent if name in boxes]
        for box in by_kind.values():
            if box not in away:
                await box.regain()
        start(living.run())
        yield devices


@asynccontextmanager
async def _background() -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Starts tasks that end with the context. What one of them raises ends the context, and comes out as it is."""
    started: list[asyncio.Task[None]] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            yield lambda work: started.append(tasks.create_task(work))
            for task in started:
                task.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def _ocpp_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise BadInputError(f'--ocpp-url: "{url}" is no websocket address, as ws://127.0.0.1:8887')
    return url if parts.path not in ("", "/") else parts._replace(path=OCPP_PATH).geturl()


def _ready(demo: Demo, site: Site, *, modbus: int, p1: int, mqtt: int, password: str) -> dict[str, Any]:
    ready: dict[str, Any] = {
        "modbus": {"host": LOOPBACK, "port": modbus, "unit": MODBUS_UNIT, "meter_unit": METER_UNIT},
        "p1": {"host": LOOPBACK, "port": p1},
        "mqtt": {"host": LOOPBACK, "port": mqtt},
        "start_at": demo.start_at.isoformat(),
        "speed": demo.speed,
        "epoch_s": demo.epoch_s,
        "site": {
            "house": demo.house,
            "name": site.name,
            "timezone": site.timezone,
            "devices": [str(device.id) for device in site.devices],
        },
    }
    if site.chargers:
        ready["ocpp"] = {"url_path": OCPP_PATH, "identity": OCPP_IDENTITY, "password": password}
    return ready
