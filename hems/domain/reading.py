"""What was measured, how old it is and what it is worth. Unknown is None with a quality, never 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from hems.domain.power import PhaseValues
from hems.domain.site import DeviceId

T = TypeVar("T")


class Quality(StrEnum):
    """Worth of a reading, best first."""

    GOOD = "good"
    SUBSTITUTED = "substituted"
    """A stand-in that its maker vouches for."""
    SUSPECT = "suspect"
    """Outside what is plausible, or frozen while others move."""
    STALE = "stale"
    """Older than its maximum age."""
    ABSENT = "absent"
    """The device says that it has no value."""
    BAD = "bad"
    """Could not be read or decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """A value as received at ``mono_s`` (monotonic), or None with the reason in ``quality``."""

    value: T | None
    mono_s: float
    quality: Quality = Quality.GOOD

    def usable(self, *, mono_s: float, max_age_s: float) -> T | None:
        """The value if it may be acted on now, else None."""
        good = self.quality in (Quality.GOOD, Quality.SUBSTITUTED)
        return self.value if good and mono_s - self.mono_s <= max_age_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridValues:
    """The connection: import positive, export negative."""

    power_w: float
    """Mean since the image before [W]."""
    phase_power_w: PhaseValues | None
    """The same per phase; None where the meter does not tell phases apart."""
    phase_power_high_w: PhaseValues | None
    """Highest one-second power per phase seen since the image before [W]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PvValues:
    """PV inverter: power <= 0."""

    power_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryValues:
    """Home battery, AC side for power, DC side for energy."""

    power_w: float
    stored_wh: float | None
    """Energy above empty [Wh], None where the battery does not say."""
    charge_power_max_w: float | None = None
    """What the BMS allows now, >= 0 [W]; None: nothing said, the nameplate counts."""
    discharge_power_max_w: float | None = None
    islanded: bool | None = None
    """Its inverter feeds the house by itself, cut off from the grid; None: it does not say."""


class CarState(StrEnum):
    """What the charger knows of the car (IEC 61851 states, in words)."""

    ABSENT = "absent"
    CONNECTED = "connected"
    """Plugged in, taking nothing."""
    CHARGING = "charging"
    FINISHED = "finished"
    """Says that it wants no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerValues:
    """Charger and the car at it."""

    car: CarState
    power_w: float
    session_energy_wh: float
    """Energy since plug-in, >= 0 [Wh]."""
    offered_current_a: float
    """Current that the charger offers now, 0 when it offers none [A]."""
    phase_count: int
    """Phases in use, or that would be used: 1 or 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPumpValues:
    """Heat pump with what it heats."""

    power_w: float
    room_c: float | None = None
    tank_c: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """All readings, frozen for one tick, so that every rule sees the same house.

    A device that never answered is missing from its mapping.
    """

    grid: Reading[GridValues] | None = None
    pv: Mapping[DeviceId, Reading[PvValues]] = field(default_factory=dict)
    batteries: Mapping[DeviceId, Reading[BatteryValues]] = field(default_factory=dict)
    chargers: Mapping[DeviceId, Reading[ChargerValues]] = field(default_factory=dict)
    heat_pumps: Mapping[DeviceId, Reading[HeatPumpValues]] = field(default_factory=dict)
