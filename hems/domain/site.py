"""The house as the installer describes it: connection, circuits, devices by capability, tariff."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import NewType
from zoneinfo import ZoneInfo

from hems.domain.power import ALL_PHASES, VOLTAGE_V, Phase
from hems.domain.tariff import Tariff

DeviceId = NewType("DeviceId", str)
CircuitId = NewType("CircuitId", str)

MAIN = CircuitId("main")
"""The circuit behind the main fuse: root of every circuit tree."""


class Capability(StrEnum):
    """What a device can do for us; planner and tick look at these, never at brands."""

    READS_POWER = "reads_power"
    LIMITS_PRODUCTION = "limits_production"
    SETS_POWER = "sets_power"
    SETS_CURRENT = "sets_current"
    SWITCHES_PHASES = "switches_phases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A fuse and what hangs behind it. ``parent`` is None for the main fuse only."""

    id: CircuitId
    fuse_a: float
    """Rated current per phase [A]."""
    parent: CircuitId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConnection:
    """Where the site meets the grid."""

    phase_count: int
    """1 or 3."""
    import_power_max_w: float | None = None
    """Contractual limit, >= 0 [W]; None: the fuse alone limits."""
    export_power_max_w: float | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that the connection has."""
        return ALL_PHASES[: self.phase_count]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridMeter:
    """Meter of the connection."""

    id: DeviceId
    name: str
    period_s: float
    """Time between two telegrams [s]."""

    @property
    def max_age_s(self) -> float:
        """Older than this is stale: two periods and 5 s for slow meters, 10 s for a one-second meter."""
        return max(10.0, 2 * self.period_s + 5.0)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It reads."""
        return frozenset({Capability.READS_POWER})


@dataclass(frozen=True, slots=True, kw_only=True)
class PvPlane:
    """One orientation of modules."""

    peak_w: float
    tilt_deg: float
    azimuth_deg: float
    """Compass direction that it faces: 180 is south [deg]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PvPlant:
    """Photovoltaic plant behind one inverter."""

    id: DeviceId
    name: str
    planes: tuple[PvPlane, ...]
    curtailable: bool
    phases: tuple[Phase, ...] = ALL_PHASES
    circuit: CircuitId = MAIN

    @property
    def peak_w(self) -> float:
        """Sum of the planes' peak power, >= 0 [W]."""
        return sum(plane.peak_w for plane in self.planes)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It reads, and limits where the installer allows it."""
        extra = {Capability.LIMITS_PRODUCTION} if self.curtailable else set()
        return frozenset({Capability.READS_POWER} | extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Home battery: power on the AC side, energy on the DC side."""

    id: DeviceId
    name: str
    capacity_wh: float
    charge_power_max_w: float
    discharge_power_max_w: float
    charge_efficiency_ratio: float
    discharge_efficiency_ratio: float
    soc_min_pct: float
    """Lower end of the window: physics or warranty, not a wish."""
    soc_max_pct: float
    reserve_soc_pct: float
    """Kept for outages: a wish, >= soc_min_pct."""
    phases: tuple[Phase, ...] = ALL_PHASES
    circuit: CircuitId = MAIN

    @property
    def floor_wh(self) -> float:
        """Stored energy at the lower end of the window [Wh]."""
        return self.capacity_wh * self.soc_min_pct / 100

    @property
    def ceiling_wh(self) -> float:
        """Stored energy at the upper end of the window [Wh]."""
        return self.capacity_wh * self.soc_max_pct / 100

    @property
    def reserve_wh(self) -> float:
        """Stored energy to keep for outages [Wh]."""
        return self.capacity_wh * max(self.reserve_soc_pct, self.soc_min_pct) / 100

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It reads and takes a power."""
        return frozenset({Capability.READS_POWER, Capability.SETS_POWER})


@dataclass(frozen=True, slots=True, kw_only=True)
class CarHabit:
    """What the household usually wants of a car that is plugged in, where nothing else is told."""

    departure_s: int
    """Local time of day by which it should be ready, seconds after midnight."""
    energy_wh: float
    """Energy of a session, AC side [Wh]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charger:
    """Charging equipment (EVSE) for one car."""

    id: DeviceId
    name: str
    current_min_a: float
    """Smallest current that a car accepts (IEC 61851: 6 A) [A]."""
    current_max_a: float
    power_max_w: float
    """Most that the charger gives, all phases together [W]."""
    phases: tuple[Phase, ...] = ALL_PHASES
    """First one is the phase of one-phase charging."""
    switches_phases: bool = False
    habit: CarHabit | None = None
    """None: nothing is known, a car charges as soon as it is plugged in."""
    circuit: CircuitId = MAIN

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It reads and takes a current; some change between one and three phases."""
        extra = {Capability.SWITCHES_PHASES} if self.switches_phases else set()
        return frozenset({Capability.READS_POWER, Capability.SETS_CURRENT} | extra)

    @property
    def phase_counts(self) -> tuple[int, ...]:
        """Numbers of phases it can charge on, ascending."""
        return (1, len(self.phases)) if self.switches_phases and len(self.phases) > 1 else (len(self.phases),)

    def power_at_w(self, *, current_a: float, phase_count: int) -> float:
        """Power at an offered current, capped by the nameplate [W]."""
        return min(current_a * phase_count * VOLTAGE_V, self.power_max_w)

    @property
    def power_min_w(self) -> float:
        """Smallest power above zero [W]."""
        return self.power_at_w(current_a=self.current_min_a, phase_count=self.phase_counts[0])

    def wired_phases(self, phase_count: int) -> tuple[Phase, ...]:
        """Phases that carry the current when charging on ``phase_count``."""
        return self.phases[:phase_count]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomModel:
    """Heated space as one heat capacity: C dT/dt = heat - loss * (T - outdoor)."""

    comfort_min_c: float
    comfort_max_c: float
    loss_w_per_k: float
    time_constant_h: float
    """Capacity over loss [h]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TankModel:
    """Hot water tank as one mixed volume."""

    volume_l: float
    temperature_min_c: float
    temperature_max_c: float
    loss_w_per_k: float
    draw_wh_per_day: float
    """Heat tapped on an ordinary day [Wh]."""
    draw_hours_ratio: tuple[float, ...] = ()
    """Share of it in each of 24 local hours; empty: as ordinary households do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPump:
    """Heat pump for a room, a tank, or both."""

    id: DeviceId
    name: str
    power_min_w: float
    """Smallest electrical power while it runs, > 0 [W]."""
    power_max_w: float
    min_run_s: float
    min_rest_s: float
    cop_at_7c_ratio: float
    """Heat per electricity at 7 degrees C outside."""
    rest_max_s: float | None = None
    """Longest that it may be held at rest on end; then it goes by its own thermostat [s]. None: as long as wanted."""
    room: RoomModel | None = None
    tank: TankModel | None = None
    phases: tuple[Phase, ...] = ALL_PHASES
    circuit: CircuitId = MAIN

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It reads and takes a power."""
        return frozenset({Capability.READS_POWER, Capability.SETS_POWER})


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupLoad:
    """Something that may run while the grid has failed."""

    device_id: DeviceId
    soc_min_pct: float
    """As long as the battery holds this much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What the household wants of the battery while the grid has failed, where its inverter can feed the house."""

    power_max_w: float | None = None
    """Most that the inverter gives without a grid, all phases together, > 0 [W]; None: what the battery gives."""
    loads: tuple[BackupLoad, ...] = ()
    """Chargers and heat pumps that may run, the most important first; all others rest."""


Device = GridMeter | PvPlant | Battery | Charger | HeatPump
Controllable = PvPlant | Battery | Charger | HeatPump


@dataclass(frozen=True, kw_only=True)
class Site:
    """One household behind one grid connection. Immutable; built by ``hems.config`` only."""

    name: str
    timezone: str
    currency: str
    connection: GridConnection
    circuits: tuple[Circuit, ...]
    """Circuit tree; the first one is the main fuse."""
    meter: GridMeter
    tariff: Tariff
    pv: tuple[PvPlant, ...] = ()
    batteries: tuple[Battery, ...] = ()
    chargers: tuple[Charger, ...] = ()
    heat_pumps: tuple[HeatPump, ...] = ()
    backup: Backup = Backup()

    @cached_property
    def zone(self) -> ZoneInfo:
        """Time zone of the house, never of the machine."""
        return ZoneInfo(self.timezone)

    def import_price_eur_per_kwh(self, spot_eur_per_kwh: float, at: datetime) -> float:
        """What one kWh costs at a market price and an instant."""
        return self.tariff.import_formula.price_eur_per_kwh(spot_eur_per_kwh, at.astimezone(self.zone))

    def export_price_eur_per_kwh(self, spot_eur_per_kwh: float, at: datetime) -> float:
        """What one kWh earns at a market price and an instant."""
        return self.tariff.export_formula.price_eur_per_kwh(spot_eur_per_kwh, at.astimezone(self.zone))

    @property
    def controllables(self) -> tuple[Controllable, ...]:
        """Every device that the tick decides on, in a fixed order."""
        return (*self.pv, *self.batteries, *self.chargers, *self.heat_pumps)

    @property
    def devices(self) -> tuple[Device, ...]:
        """Every device, the meter first."""
        return (self.meter, *self.controllables)

    @cached_property
    def _circuit_by_id(self) -> dict[CircuitId, Circuit]:
        return {circuit.id: circuit for circuit in self.circuits}

    def circuits_above(self, circuit: CircuitId) -> tuple[Circuit, ...]:
        """The circuit itself and all that feed it, up to the main fuse."""
        chain: list[Circuit] = []
        at: CircuitId | None = circuit
        while at is not None:
            found = self._circuit_by_id[at]
            chain.append(found)
            at = found.parent
        return tuple(chain)
