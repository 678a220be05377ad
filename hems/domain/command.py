"""Commands are leases with provenance. Only ``hems.control.guard`` constructs a Command (a test walks the code)."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Literal

from hems.domain.site import DeviceId


class Authority(IntEnum):
    """Who decides, strongest first: a later one chooses only inside what the earlier ones left."""

    DEVICE = 0
    """Device safety: nameplate, BMS, minimum run."""
    FUSE = 1
    """Main fuse, sub-circuits, connection contract."""
    OPERATOR = 2
    """Grid operator's legal limit."""
    HOUSEHOLD = 3
    """Hard constraints of the household, and an owner's override."""
    SETPOINT = 4
    """Accepted setpoint of the aggregator."""
    PLAN = 5
    """Our own plan, or the rules that stand in for it."""


class LimitRule(StrEnum):
    """Which limit shaped a command."""

    NAMEPLATE = "nameplate"
    BMS = "bms"
    WINDOW = "window"
    """State of charge at an end of its window."""
    CURRENT_FLOOR = "current_floor"
    """Below the smallest current there is only off."""
    MIN_RUN = "min_run"
    MIN_REST = "min_rest"
    PHASE_DWELL = "phase_dwell"
    DEVICE_SILENT = "device_silent"
    MAIN_FUSE = "main_fuse"
    CIRCUIT_FUSE = "circuit_fuse"
    CONNECTION_IMPORT = "connection_import"
    CONNECTION_EXPORT = "connection_export"
    METER_STALE = "meter_stale"
    BACKUP_POWER = "backup_power"
    """Without the grid: what the inverter can give."""
    OPERATOR_IMPORT = "operator_import"
    OPERATOR_EXPORT = "operator_export"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedBy:
    """One limit that made a command different from what was wanted."""

    authority: Authority
    rule: LimitRule
    limit_w: float
    """What the rule left for the device, load convention [W]."""
    circuit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A bound on the site's exchange with the grid, from outside the house.

    Powers are magnitudes [W]; None leaves free what it would bound.
    """

    authority: Authority
    source: str
    import_power_max_w: float | None = None
    export_power_max_w: float | None = None
    dimmed_power_max_w: float | None = None
    """Most that the dimmed devices may draw from the grid together; the household's own load is not counted."""
    dims: frozenset[DeviceId] = frozenset()
    until_at: datetime | None = None
    """When it ends by itself; None: nobody says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """How long a command may stay without renewal; afterwards the device goes to its safe state."""

    granted_mono_s: float
    duration_s: float

    @property
    def expires_mono_s(self) -> float:
        """First monotonic second at which the command is void."""
        return self.granted_mono_s + self.duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryPower:
    """Hold this AC power; positive charges [W]. Safe state: 0 W."""

    power_w: float
    kind: Literal["battery_power"] = "battery_power"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryReleased:
    """Go by the inverter's own rules, which feed a house without a grid. Safe state: as :class:`BatteryPower`."""

    kind: Literal["battery_released"] = "battery_released"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeCurrent:
    """Offer this current on this many phases; 0 A pauses. Safe state: 0 A."""

    current_a: float
    phase_count: int
    kind: Literal["charge_current"] = "charge_current"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionLimit:
    """Produce at most this, >= 0 [W]; None releases. Safe state: released, or the plant's static export limit."""

    production_power_max_w: float | None
    kind: Literal["production_limit"] = "production_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPumpPower:
    """Run at this electrical power, 0 rests [W]; None: by its own thermostat, which is also the safe state."""

    power_w: float | None
    kind: Literal["heat_pump_power"] = "heat_pump_power"


Action = BatteryPower | BatteryReleased | ChargeCurrent | ProductionLimit | HeatPumpPower


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A guarded instruction to one device. A driver accepts nothing else."""

    device_id: DeviceId
    action: Action
    lease: Lease
    authority: Authority
    """Who wanted it."""
    limited_by: tuple[LimitedBy, ...] = ()
    """What made it differ from what was wanted, strongest first."""
