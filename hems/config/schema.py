"""The site file as typed models. Devices are in :mod:`hems.config.devices`.

Scalars come in as the text that was written; each field decides what it is. Checks here look at one value; what
needs two settings is in :mod:`hems.config.crosschecks`, where every message can name its place.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from hems import wire
from hems.config.addresses import (
    Baud,
    Hostname,
    Identity,
    ListenPort,
    MqttUrl,
    Port,
    SerialPort,
    SerialUnitId,
    StopBits,
    TopicLevel,
    UnitId,
    WebAddress,
)
from hems.config.backup import BackupEntry
from hems.config.devices import MAIN_NAME, DeviceEntry
from hems.config.fields import (
    Area,
    Latitude,
    Longitude,
    Model,
    Name,
    PhaseCount,
    Reference,
    SecretField,
    TimeZone,
    Version,
)
from hems.config.operator import GridOperatorEntry
from hems.config.quantity import (
    Current,
    Fee,
    Intensity,
    Metered,
    Power,
    PowerLimit,
    Price,
    PricePerMass,
    PricePerPower,
    Ratio,
)
from hems.config.times import Day, DayOfYear, IntensityWindowEntry, PricePart, TimedPriceEntry, WindowEntry
from hems.domain.wiring import OCPP_PORT


class Grid(Model):
    """The connection to the grid."""

    phases: PhaseCount
    fuse: Current
    """Main fuse, per phase; always respected."""
    import_limit: Power | None = None
    """Of the contract; without it the fuse alone limits."""
    export_limit: PowerLimit | None = None


class LocationEntry(Model):
    """Where the house stands, for the weather forecast. Two decimals (1 km) are enough; more is not sent."""

    lat: Latitude
    lon: Longitude


class SiteSection(Model):
    """The house."""

    name: Name
    location: LocationEntry | None = None
    """Without it there is no weather forecast."""
    timezone: TimeZone
    currency: Literal["EUR"] = "EUR"
    grid: Grid


class Dsmr(Model):
    """Customer port (P1) of a smart meter: at a serial port, or behind a reader in the network."""

    type: Literal["dsmr"]
    port: SerialPort | None = None
    host: Hostname | None = None
    tcp_port: Port | None = None
    """Of the reader in the network. Default: 23."""


class ModbusTcp(Model):
    """Modbus over TCP."""

    type: Literal["modbus_tcp"]
    host: Hostname
    port: Port = 502
    unit: UnitId = 1


class ModbusRtu(Model):
    """A unit on an RS-485 line; what hangs on one line has the same port, speed, parity and stop bits."""

    type: Literal["modbus_rtu"]
    port: SerialPort
    baud: Baud = 9_600
    """Default: 9600."""
    parity: Literal["none", "even", "odd"] = "none"
    """Default: none."""
    stop_bits: StopBits = 1
    """Default: 1."""
    unit: SerialUnitId = 1
    """Default: 1."""


class Ocpp(Model):
    """A charger that calls us at ws://HOST:listen/ocpp/IDENTITY."""

    type: Literal["ocpp"]
    identity: Identity
    password: SecretField
    listen: ListenPort = OCPP_PORT
    """Where we wait for it. Default: 8887; chargers may share a port."""


class Mqtt(Model):
    """A broker."""

    type: Literal["mqtt"]
    url: MqttUrl
    """mqtt://HOST, or mqtts://HOST with encryption; with :PORT where it is not 1883 or 8883."""
    user: Name | None = None
    password: SecretField | None = None


class Http(Model):
    """A box that answers with JSON when it is asked: the grid operator's."""

    type: Literal["http"]
    url: WebAddress


class Bridge(Model):
    """A microcontroller on USB with the firmware of firmware-bridge: the grid operator's relay contacts."""

    type: Literal["bridge"]
    port: SerialPort


class Simulated(Model):
    """No device at all: for simulated houses."""

    type: Literal["simulated"]


Connection = Annotated[
    Dsmr | ModbusTcp | ModbusRtu | Ocpp | Mqtt | Http | Bridge | Simulated, Field(discriminator="type")
]


class CircuitEntry(Model):
    """A fuse behind the main fuse."""

    name: Name
    fuse: Current
    """Per phase."""
    parent: Reference = MAIN_NAME
    """The circuit that feeds it."""


class DayAhead(Model):
    """The market price of a bidding zone, without tax."""

    type: Literal["day_ahead"]
    area: Area


class Fixed(Model):
    """One price for every hour."""

    type: Literal["fixed"]
    price: Price


class TimeOfUse(TimedPriceEntry):
    """Prices by the clock: two or more rates."""

    type: Literal["time_of_use"]


Source = Annotated[DayAhead | Fixed | TimeOfUse, Field(discriminator="type")]


class ImportTariff(Model):
    """What a kWh costs: (source + add) with VAT on top, + add_incl_vat."""

    source: Source
    add: dict[str, PricePart] = Field(default_factory=dict)
    """Parts of the price, before VAT; one that goes by the clock has a price and windows."""
    add_incl_vat: dict[str, PricePart] = Field(default_factory=dict)
    """Parts of the price that contain their VAT already."""
    vat: Ratio = 0.0
    """On the source and on add. Default: 0 %."""
    fallback: Price | None = None
    """Price outside all windows to plan with while no market price is known; a price of the contract needs none."""


class ExportTariff(Model):
    """What a kWh earns: source + add - subtract, without VAT."""

    same_as: Literal["import"] | None = None
    """Use the source of the import tariff, without its VAT and additions."""
    source: Source | None = None
    add: Price = 0.0
    subtract: Price = 0.0


class CapacityEntry(Model):
    """A charge on the highest quarter hour of each month, as mean import."""

    price: PricePerPower
    """For each kW of the month's peak, with VAT."""
    minimum: PowerLimit = 0.0
    """Charged at least, in Belgium 2.5 kW. Default: 0 kW."""
    windows: tuple[WindowEntry, ...] = ()
    """When quarter hours count. Default: always."""


class MeteredEntry(Model):
    """What the meter counted."""

    import_: Metered = Field(alias="import")
    export: Metered


class SoFarEntry(MeteredEntry):
    """Of the billing year under way."""

    until: Day
    """Day of the reading; not counted itself."""


class NetMeteringEntry(Model):
    """Over a year, each kWh fed in counts against one that was bought; export says what more than that earns."""

    last_bill: MeteredEntry
    """Of a whole year: stands for the days that nobody measured, and for those to come."""
    year_starts: DayOfYear = (1, 1)
    """First day of the billing year. Default: 01-01."""
    so_far: SoFarEntry | None = None
    """Between the start of this billing year and the installation, read off the meter."""
    subtract: Fee = 0.0
    """Kept back from each netted kWh, with VAT. Default: 0 EUR/kWh."""


class Co2Entry(Model):
    """What avoiding CO2 of bought energy is worth to the household; nobody bills it."""

    price: PricePerMass
    intensity: Intensity
    """Of the grid's energy whenever no window fits, as the grid operator or the supplier publishes it."""
    windows: tuple[IntensityWindowEntry, ...] = ()
    """Times with another one; the first that fits counts. Default: none."""


class TariffSection(Model):
    """What energy costs and earns."""

    import_: ImportTariff = Field(alias="import")
    export: ExportTariff
    capacity: CapacityEntry | None = None
    net_metering: NetMeteringEntry | None = None
    co2: Co2Entry | None = None


class AggregatorSection(Model):
    """Whom the house tells what it can promise."""

    connection: Reference
    """A broker."""
    id: TopicLevel
    """What the aggregator calls itself in its topics."""
    home: TopicLevel
    """What the aggregator calls this house: a pseudonym, never the address."""


class SiteFile(Model):
    """Everything an installer writes about one house."""

    version: Version
    site: SiteSection
    connections: dict[str, Connection]
    circuits: tuple[CircuitEntry, ...] = ()
    devices: tuple[DeviceEntry, ...]
    tariff: TariffSection
    aggregator: AggregatorSection | None = None
    grid_operator: GridOperatorEntry | None = None
    backup: BackupEntry | None = None


def site_schema() -> dict[str, Any]:
    """JSON Schema of the site file, for editors."""
    schema: dict[str, Any] = _as_written(wire.schema_of(TypeAdapter(SiteFile), title="site"))
    return schema


def _as_written(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """The schema of what stands in a file.

    Without null, because an empty setting is an error, and without defaults, which are numbers in house units here
    and texts in the file: the descriptions say them as one writes them.
    """
    if isinstance(node, list):
        return [_as_written(each) for each in node]
    if not isinstance(node, dict):
        return node
    written = {key: _as_written(each) for key, each in node.items() if key not in ("default", "anyOf")}
    for option in node.get("anyOf", []):
        if option != {"type": "null"}:
            written |= {key: each for key, each in _as_written(option).items() if key not in written}
    return written
