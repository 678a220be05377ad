"""Devices of the site file: one entry per physical box, with its defaults."""

from typing import Annotated, Final, Literal

from pydantic import Field

from hems.config.addresses import Point, Topic
from hems.config.fields import (
    ChargingPhases,
    CopRatio,
    Flag,
    Model,
    Name,
    PhaseName,
    Profile,
    Reference,
    TimeOfDay,
    Word,
)
from hems.config.quantity import (
    Azimuth,
    Band,
    Current,
    Duration,
    Efficiency,
    Energy,
    Heat,
    HeatLoss,
    PeakPower,
    Percent,
    PercentBand,
    Period,
    Power,
    TemperatureBand,
    Tilt,
    TimeConstant,
    Volume,
)

MAIN_NAME: Final = "main"
"""How the file calls the circuit behind the main fuse."""


class _Device(Model):
    name: Name
    """As on the page; its id is made of it ("Home battery" is home-battery)."""
    connection: Reference
    """One of the names under connections."""
    profile: Profile | None = None
    """Register map of the model family, where the connection speaks Modbus."""


class _Wired(_Device):
    circuit: Reference = MAIN_NAME
    """The circuit that feeds it."""
    phase: PhaseName | None = None
    """Phase of a one-phase device; for a charger on three phases, the one on its first terminal."""


class MeterTopics(Model):
    """Where a meter publishes; import is positive."""

    power: Point
    phases: tuple[Point, ...] | None = None
    """Power of L1, L2 and L3, where the meter tells them apart."""


class RelayTopics(Model):
    """A relay: what changes it, and where it tells its state."""

    command: Topic
    state: Point
    on: Word = "on"
    """What is sent, and told, for closed. Default: on."""
    off: Word = "off"
    """Default: off."""


class HeatPumpTopics(Model):
    """The two relays of an SG-Ready heat pump, and what is measured of it."""

    power: Point
    room: Point | None = None
    tank: Point | None = None
    block: RelayTopics
    boost: RelayTopics


class GridMeterEntry(_Device):
    """The meter of the grid connection."""

    kind: Literal["grid_meter"]
    period: Period = 10.0
    """Time between two telegrams. A DSMR 4 meter sends every 10 s, a DSMR 5 meter every 1 s."""
    mqtt: MeterTopics | None = None
    """Where the connection is a broker."""


class Plane(Model):
    """Modules of one orientation."""

    peak: PeakPower
    tilt: Tilt
    azimuth: Azimuth
    """Compass direction that it faces: 180 deg is south."""


class SolarPart(Model):
    """Photovoltaic modules."""

    planes: Annotated[tuple[Plane, ...], Field(min_length=1)]
    curtailable: Flag = False
    """Whether we may limit the production. Off by default: then nothing is written to the inverter for it."""


class BatteryPart(Model):
    """A home battery: power on the AC side, energy inside."""

    capacity: Energy
    """Usable capacity."""
    max_charge: Power | None = None
    """Default: the power that fills the capacity in two hours (0.5 C), 5 kW for 10 kWh."""
    max_discharge: Power | None = None
    """Default: as max_charge."""
    charge_efficiency: Efficiency = 0.95
    discharge_efficiency: Efficiency = 0.95
    """0.95 each way is 90 % there and back, a usual figure for lithium batteries with their inverter."""
    window: PercentBand = Band(0.0, 100.0)
    """Charge that physics or warranty allow. Default: all of the usable capacity."""
    reserve: Percent | None = None
    """Part kept for outages, a wish. Default: 10 %, or the lower end of the window where that is higher."""


class HybridInverterEntry(_Wired):
    """Modules and a battery behind one inverter; becomes two devices, NAME PV and NAME battery."""

    kind: Literal["hybrid_inverter"]
    pv: SolarPart
    battery: BatteryPart


class SolarEntry(_Wired, SolarPart):
    """Modules behind an inverter of their own."""

    kind: Literal["solar"]


class BatteryEntry(_Wired, BatteryPart):
    """A battery with an inverter of its own."""

    kind: Literal["battery"]


class UsualCharge(Model):
    """What the household usually wants of a car that is plugged in."""

    ready_by: TimeOfDay
    """Local time of day."""
    energy: Energy
    """To be charged by then."""


class ChargerEntry(_Wired):
    """Charging equipment for one car."""

    kind: Literal["charger"]
    phases: ChargingPhases
    """1, 3, or auto where it changes between them while it works."""
    min_current: Current = 6.0
    """Smallest current that a car accepts (IEC 61851: 6 A)."""
    max_current: Current
    max_power: Power | None = None
    """Default: max_current on all its phases at 230 V."""
    usual: UsualCharge | None = None
    """What a car that is plugged in usually needs. Without it, a car charges as soon as it is plugged in."""


class Comfort(Model):
    """What the household wants."""

    room: TemperatureBand


class HouseModel(Model):
    """How the heated rooms lose heat."""

    time_constant: TimeConstant
    """How long the house takes to lose 63 % of the difference to outside: 20 h light, 40 h brick, 100 h insulated."""
    loss: HeatLoss
    """Heat lost per degree of difference."""


class Tank(Model):
    """Hot water."""

    volume: Volume
    temperature: TemperatureBand
    loss: HeatLoss = 2.0
    """Default: 2 W/K, which is 2.2 kWh a day at 45 degrees above the room."""
    daily_draw: Heat = 6_000.0
    """Heat tapped on an ordinary day. Default: 6 kWh, four people at 1.5 kWh."""


class HeatPumpEntry(_Wired):
    """Heat pump for the rooms, a tank, or both."""

    kind: Literal["heat_pump"]
    min_power: Power
    """Smallest electrical power while it runs."""
    max_power: Power
    min_run: Duration = 1_200.0
    """Shortest run, for the compressor. Default: 20 min."""
    min_rest: Duration = 600.0
    """Default: 10 min."""
    cop_at_7: CopRatio = 3.8
    """Heat per electricity at 7 degrees outside, from the data sheet (A7/W35, less for radiators)."""
    comfort: Comfort | None = None
    """Needed, with house_model, where it warms the rooms."""
    house_model: HouseModel | None = None
    tank: Tank | None = None
    mqtt: HeatPumpTopics | None = None
    """Where the connection is a broker."""


DeviceEntry = Annotated[
    GridMeterEntry | HybridInverterEntry | SolarEntry | BatteryEntry | ChargerEntry | HeatPumpEntry,
    Field(discriminator="kind"),
]
WiredEntry = HybridInverterEntry | SolarEntry | BatteryEntry | ChargerEntry | HeatPumpEntry


def charging_phase_count(entry: ChargerEntry) -> int:
    """Most phases that a charger uses."""
    return 1 if entry.phases == 1 else 3
