"""One SunSpec box: meter, inverter, battery, or all of them behind one unit number."""

import asyncio
import logging
from dataclasses import replace
from typing import TypeVar

from hems.domain.command import BatteryPower, BatteryReleased, Command, ProductionLimit
from hems.domain.errors import OperatingError
from hems.domain.reading import Quality, Reading
from hems.domain.site import Battery, DeviceId, GridMeter, PvPlant
from hems.domain.wiring import ModbusConnection
from hems.ports import Answer, Clock, Outcome, Report
from hems_drivers.lease import WriteGate, is_urgent
from hems_drivers.modbus.link import Link, Links
from hems_drivers.modbus.request import LinkError, Priority, RefusedError
from hems_drivers.sunspec.control import ACCEPTED
from hems_drivers.sunspec.discovery import Box, Identity, discover, identity
from hems_drivers.sunspec.models import COMMON, Block
from hems_drivers.sunspec.session import Roles, Session, open_session
from hems_drivers.sunspec.unit import MapMovedError, Unit
from hems_drivers.sunspec.values import (
    MODULES_END,
    battery_power_w,
    battery_values,
    feeds_island,
    grid_values,
    output_w,
    pv_values,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

PERIOD_S = 1.0
IDENTITY_PERIOD_S = 60.0
"""How often it is asked who it is: registers that move are found by their headers, a swapped box by this."""
REST_TIMEOUT_S = 5.0
"""How long a goodbye may take [real s]."""


class SunSpecDriver:
    """Implements :class:`hems.ports.Driver`; made by :func:`sunspec_driver`."""

    def __init__(
        self, *, name: str, unit: int, roles: Roles, link: Link, clock: Clock, period_s: float = PERIOD_S
    ) -> None:
        self._name, self._unit, self._roles = name, unit, roles
        self._link, self._clock, self._period_s = link, clock, period_s
        self._gates: dict[DeviceId, WriteGate] = {}
        self._session: Session | None = None
        self._identity: Identity | None = None
        self._identified_mono_s = float("-inf")
        self._identifying = asyncio.Lock()
        self._told: set[str] = set()

    @property
    def devices(self) -> frozenset[DeviceId]:
        """Devices that it reads or steers."""
        return frozenset(device.id for device in self._roles.devices)

    async def run(self, report: Report) -> None:
        """Identify the box, put it to rest, and read it until cancelled.

        Raises:
            OperatingError: this is no SunSpec device, or it lacks what the site file says that it has.
        """
        async with self._link.in_use():
            next_s = self._clock.monotonic_s()
            while True:
                try:
                    await self._poll(await self._ready(), report)
                except MapMovedError as error:
                    self._tell(f"{error}; it is identified anew")
                    self._session = None
                except RefusedError as error:
                    self._tell(f"{self._name}: {error}")
                except LinkError as error:
                    log.debug("%s", error)  # the link tells when a unit falls silent and when it is back
                next_s = max(next_s + self._period_s, self._clock.monotonic_s())
                await self._clock.sleep_until(next_s)

    async def apply(self, command: Command) -> Answer:
        """Make a device follow a command."""
        over_s = self._clock.monotonic_s() - command.lease.expires_mono_s
        if over_s >= 0:
            return _rejected(f"its lease ended {over_s:.0f} s ago")
        pv = self._roles.pv
        match command.action:
            case BatteryPower(power_w=power_w):
                wanted_w: float | None = power_w
            case BatteryReleased():
                wanted_w = None
            case ProductionLimit(production_power_max_w=wanted_w):
                if pv is not None and pv.id == command.device_id and not pv.curtailable:
                    return ACCEPTED if wanted_w is None else _rejected("the site file does not let us limit it")
            case _:
                return _rejected(f"a SunSpec device does not follow {command.action.kind}")
        session = self._session
        if session is None:
            return _rejected(f"{self._name}: not identified yet; nothing is written before that")
        control = session.controls.get(command.device_id)
        if control is None:
            return _rejected(f"{self._name}: the device has no registers for it")
        return await control.follow(wanted_w, lease=command.lease, urgent=is_urgent(command))

    async def rest(self) -> None:
        """Leave the battery at 0 W and the modules released; what was never identified was never written to."""
        if self._session is None:
            return
        try:
            async with asyncio.timeout(REST_TIMEOUT_S), self._link.in_use():
                for control in (await self._ready()).controls.values():
                    await control.rest()
        except TimeoutError:
            log.warning("%s: no answer within %g s; it may not be at rest", self._name, REST_TIMEOUT_S)
        except OperatingError as error:
            log.warning("%s: it may not be at rest: %s", self._name, error)

    async def _ready(self) -> Session:
        """The box as known on this connection; identified anew after a reconnect and once a minute."""
        async with self._identifying:
            session = self._session
            if session is not None and session.unit.connection != self._link.connection:
                session = None
            if session is not None and await self._is_the_same(session):
                return session
            box, unit = await self._identify()
            self._identified_mono_s = self._clock.monotonic_s()
            if session is not None and session.box == box and session.unit == unit:
                return session
            self._meet(box)
            self._session = await open_session(
                box, unit, self._roles, gates=self._gates, clock=self._clock, name=self._name
            )
            return self._session

    async def _is_the_same(self, session: Session) -> bool:
        """Whether the same box is there as a minute ago.

        It is asked who it is and nothing else: walking through its models takes a slow box many seconds.
        """
        mono_s = self._clock.monotonic_s()
        if mono_s < self._identified_mono_s + IDENTITY_PERIOD_S:
            return True
        common = session.box.first(COMMON)
        try:
            same = common is not None and await identity(session.unit.read, common) == session.box.identity
        except RefusedError:
            same = False
        if same:
            self._identified_mono_s = mono_s
        return same

    async def _identify(self) -> tuple[Box, Unit]:
        """Walk through the models, all on one connection."""
        connection: int | None = None

        async def read(address: int, count: int) -> tuple[int, ...]:
            nonlocal connection
            words = await self._link.read(
                unit=self._unit, address=address, count=count, priority=Priority.DISCOVERY, on_connection=connection
            )
            connection = connection or self._link.connection_count
            return words

        box = await discover(read, name=self._name)
        assert connection is not None, "identified without reading"  # noqa: S101 - an invariant
        return box, Unit(link=self._link, unit=self._unit, connection=connection)

    def _meet(self, box: Box) -> None:
        """Tell who it is; somebody else than before has no commands in force."""
        if self._identity is None:
            log.info(
                "%s: %s; models %s", self._name, box.identity, ", ".join(str(each.model_id) for each in box.places)
            )
        elif self._identity != box.identity:
            log.warning("%s: was %s, is now %s; treated as a new device", self._name, self._identity, box.identity)
            self._gates.clear()
        self._identity = box.identity

    async def _poll(self, session: Session, report: Report) -> None:
        """Everything once. What one model refuses does not keep the others from being read."""
        for control in session.controls.values():
            await control.keep_at_rest()
        for part in (self._poll_meter, self._poll_inverter):
            try:
                await part(session, report)
            except RefusedError as error:
                self._tell(f"{self._name}: {error}")

    async def _poll_meter(self, session: Session, report: Report) -> None:
        if self._roles.meter is not None and session.meter is not None:
            block = await session.unit.block(session.meter)
            values = grid_values(block, manufacturer=session.box.identity.manufacturer)
            report(self._roles.meter.id, self._reading(values))

    async def _poll_inverter(self, session: Session, report: Report) -> None:
        """Output, battery and modules: one is computed from the others, so they are read one after another."""
        inverter = await session.unit.block(session.inverter) if session.inverter is not None else None
        charging_w = await self._poll_battery(session, inverter, report)
        pv = self._roles.pv
        if pv is None or inverter is None:
            return
        delivered_w, quality = output_w(inverter)
        battery_w = charging_w if session.shared_output else 0.0
        values = pv_values(delivered_w, battery_w) if delivered_w is not None and battery_w is not None else None
        report(pv.id, self._reading(values, quality))
        if pv.id in session.controls:
            await session.controls[pv.id].look()

    async def _poll_battery(self, session: Session, inverter: Block | None, report: Report) -> float | None:
        """Read and report the battery; its power [W], positive charges."""
        battery, unit = self._roles.battery, session.unit
        if battery is None:
            return None
        bank = await unit.block(session.bank) if session.bank is not None else None
        modules = None
        if session.modules is not None and battery_power_w(bank, None) is None:
            modules = await unit.block(session.modules, count=MODULES_END)
        storage = await session.controls[battery.id].look()
        power_w = battery_power_w(bank, modules)
        if power_w is None and self._roles.pv is None and inverter is not None:
            delivered_w, _ = output_w(inverter)  # nothing but the battery is behind it
            power_w = None if delivered_w is None else -delivered_w
        values = None
        if power_w is None:
            self._tell(
                f"{self._name}: the device does not tell the power of {battery.name} (W of model 802, or DCW of a "
                "tracker of model 160 that is named StCha or StDisCha): what battery and modules do is unknown, "
                "and the battery rests"
            )
        else:
            values = battery_values(power_w, bank=bank, storage=storage, capacity_wh=battery.capacity_wh)
            if session.status is not None and inverter is not None:
                delivered_w, _ = output_w(inverter)
                status = await unit.block(session.status)
                values = replace(values, islanded=feeds_island(status, delivered_w))
        report(battery.id, self._reading(values))
        return power_w

    def _reading(self, value: T | None, quality: Quality = Quality.GOOD) -> Reading[T]:
        """As of now, when its last register has just arrived."""
        known = Quality.ABSENT if value is None else quality
        return Reading(value=value, mono_s=self._clock.monotonic_s(), quality=known)

    def _tell(self, trouble: str) -> None:
        """Log each trouble once."""
        if trouble not in self._told:
            self._told.add(trouble)
            log.warning("%s", trouble)


def _rejected(detail: str) -> Answer:
    return Answer(outcome=Outcome.REJECTED, detail=detail)


def sunspec_driver(
    connection: ModbusConnection,
    *,
    meter: GridMeter | None,
    pv: PvPlant | None,
    battery: Battery | None,
    links: Links,
    clock: Clock,
    period_s: float = PERIOD_S,
) -> SunSpecDriver:
    """A driver for what the site file has at one connection; a reading every ``period_s`` [house s]."""
    return SunSpecDriver(
        name=str(connection),
        unit=connection.unit,
        roles=Roles(meter=meter, pv=pv, battery=battery),
        link=links.of(connection),
        clock=clock,
        period_s=period_s,
    )
