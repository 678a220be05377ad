"""What a box turned out to be on one connection, and which of its models stand for the devices of the site file."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from hems.domain.errors import OperatingError
from hems.domain.site import Battery, DeviceId, GridMeter, PvPlant
from hems.ports import Clock
from hems_drivers.lease import WriteGate
from hems_drivers.modbus.request import Priority
from hems_drivers.sunspec.control import Control
from hems_drivers.sunspec.discovery import Box, Place
from hems_drivers.sunspec.models import (
    BATTERY_ID,
    CURTAILMENT_ID,
    INVERTER_IDS,
    METER_IDS,
    MPPT_ID,
    NAMEPLATE_ID,
    SETTINGS_ID,
    STATUS_ID,
    STORAGE_ID,
)
from hems_drivers.sunspec.procedures import Curtailment, Procedure, Storage
from hems_drivers.sunspec.unit import Unit

log = logging.getLogger(__name__)

PV_ONLY = 4
"""DERTyp of an inverter whose output is that of its modules, whatever battery stands beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What the site file has at a connection; at least one of them."""

    meter: GridMeter | None
    pv: PvPlant | None
    battery: Battery | None

    @property
    def devices(self) -> tuple[GridMeter | PvPlant | Battery, ...]:
        """Those that there are."""
        return tuple(each for each in (self.meter, self.pv, self.battery) if each is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What is known of the box on one connection. Places are None where nobody needs them."""

    box: Box
    unit: Unit
    meter: Place | None
    inverter: Place | None
    status: Place | None
    bank: Place | None
    modules: Place | None
    shared_output: bool
    """Whether the inverter's output is that of modules and battery together."""
    controls: Mapping[DeviceId, Control]


async def open_session(
    box: Box, unit: Unit, roles: Roles, *, gates: dict[DeviceId, WriteGate], clock: Clock, name: str
) -> Session:
    """Assign models to devices, and read what their controls hold. ``gates`` are kept from session to session.

    Raises:
        OperatingError: something is missing that the site file says is there.
        LinkError: no answer.
    """
    _require(box, roles, name=name)
    controls = {
        device_id: Control(
            device_id=device_id,
            unit=unit,
            place=place,
            block=await unit.block(place, priority=Priority.DISCOVERY),
            procedure=procedure,
            gate=gates.setdefault(device_id, WriteGate(device_id, power_max_w=power_max_w)),
            clock=clock,
        )
        for device_id, place, procedure, power_max_w in await _controllable(unit, box, roles)
    }
    if roles.battery is not None and controls[roles.battery.id].block.raw("ChaGriSet") == 0:
        log.warning("%s: %s is set to charge from its modules only (ChaGriSet 0)", name, roles.battery.name)
    bank = box.first(BATTERY_ID) if roles.battery is not None else None
    return Session(
        box=box,
        unit=unit,
        meter=box.first(*METER_IDS) if roles.meter is not None else None,
        inverter=box.first(*INVERTER_IDS) if roles.pv is not None or roles.battery is not None else None,
        status=box.first(STATUS_ID) if roles.battery is not None else None,
        bank=bank,
        modules=box.first(MPPT_ID) if roles.battery is not None else None,
        shared_output=roles.battery is not None and await _der_type(unit, box) != PV_ONLY,
        controls=controls,
    )


def _require(box: Box, roles: Roles, *, name: str) -> None:
    """What the site file says must be there."""
    needs = (
        (roles.meter, METER_IDS, "meter (models 201 to 204, 211 to 214)"),
        (roles.pv, INVERTER_IDS, "inverter (models 101 to 103, 111 to 113)"),
        (roles.battery, (STORAGE_ID,), "storage control (model 124)"),
    )
    for device, model_ids, words in needs:
        if device is not None and box.first(*model_ids) is None:
            have = ", ".join(str(place.model_id) for place in box.places)
            raise OperatingError(
                f"{name}: {device.name} should be here, but {box.identity.manufacturer} {box.identity.model} has no "
                f"{words}; it has {have}. Check the connection, the unit number, and the menu of the device"
            )
    if roles.pv is not None and roles.pv.curtailable and box.first(CURTAILMENT_ID) is None:
        log.warning("%s: %s cannot be limited, it has no model 123", name, roles.pv.name)


async def _der_type(unit: Unit, box: Box) -> int | None:
    place = box.first(NAMEPLATE_ID)
    return None if place is None else (await unit.block(place, priority=Priority.DISCOVERY)).raw("DERTyp")


async def _controllable(unit: Unit, box: Box, roles: Roles) -> list[tuple[DeviceId, Place, Procedure, float]]:
    """Device, model, procedure, and the power that is 100 % of the device's deadband [W]."""
    found: list[tuple[DeviceId, Place, Procedure, float]] = []
    battery, pv = roles.battery, roles.pv
    if battery is not None and (place := box.first(STORAGE_ID)) is not None:
        power_max_w = max(battery.charge_power_max_w, battery.discharge_power_max_w)
        found.append((battery.id, place, Storage(), power_max_w))
    if pv is not None and pv.curtailable and (place := box.first(CURTAILMENT_ID)) is not None:
        found.append((pv.id, place, Curtailment(power_max_w=await _power_max_w(unit, box)), pv.peak_w))
    return found


async def _power_max_w(unit: Unit, box: Box) -> float | None:
    """What 100 % of production means: the setting (121), else the nameplate (120)."""
    for model_id, point in ((SETTINGS_ID, "WMax"), (NAMEPLATE_ID, "WRtg")):
        place = box.first(model_id)
        if place is not None:
            power_w = (await unit.block(place, priority=Priority.DISCOVERY)).value(point)
            if power_w is not None:
                return power_w
    return None
