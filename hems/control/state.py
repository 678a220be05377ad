"""What the tick remembers from one moment to the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hems.control.frozen import Still
from hems.control.island import Claim
from hems.domain.command import Authority, LimitedBy
from hems.domain.events import Mode
from hems.domain.power import PhaseValues
from hems.domain.reasons import Reason
from hems.domain.site import DeviceId, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class HourHigh:
    """Highest residual load per phase in one hour of monotonic time."""

    hour: int
    """``mono_s // 3600``."""
    high_w: PhaseValues


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Power of one device: measured at a moment, or what it was told and may be on its way to since then."""

    mono_s: float
    phase_w: PhaseValues
    told_at_w: float | None = None
    """What it drew when it was told; None: this is a measurement [W]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchMemory:
    """When a device that runs or rests was last switched; None: not since start."""

    running: bool = False
    switched_mono_s: float | None = None
    phase_count: int | None = None
    phases_switched_mono_s: float | None = None
    ignored_since_mono_s: float | None = None
    """Since when a car has taken nothing of what is offered."""
    held_since_mono_s: float | None = None
    """Since when a heat pump has been told to rest and has not run; None: it runs, or nobody holds it."""
    let_go_since_mono_s: float | None = None
    """Since when a heat pump that was held goes by itself; None: it was not held, or has had its turn since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatSlot:
    """How much of a slot's planned heat has been run; slots are named by their start."""

    slot_start_at: datetime
    energy_wh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEpisode:
    """A control episode that has not ended, with its running summary."""

    opened_at: datetime
    authority: Authority
    reason: Reason
    limited_by: tuple[LimitedBy, ...]
    plan_issued_at: datetime | None
    power_min_w: float | None = None
    power_max_w: float | None = None
    energy_ws: float = 0.0
    known_s: float = 0.0
    """Time for which the power was known [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlState:
    """Everything that survives a tick. Start with :meth:`start`; only ``tick`` makes the next one."""

    site: Site
    mode: Mode = Mode.NORMAL
    silent: frozenset[DeviceId] = frozenset()
    fuse_exceeded: bool = False
    limit_sources: tuple[tuple[Authority, str], ...] = ()
    residual_highs: tuple[HourHigh, ...] = ()
    """One entry per hour, oldest first, at most a day."""
    residual_w: float | None = None
    """Load that nothing controls, as at the tick before [W]; None: not known yet."""
    residual_high_w: PhaseValues | None = None
    recovering_since_mono_s: float | None = None
    """When a grid meter that was silent came back; None: it is not back, or has been for long."""
    grid_still: Still | None = None
    """The grid reading while it stays the same."""
    island_claim: Claim | None = None
    """That an inverter says that it feeds the house without the grid, true or not; None: none does."""
    drawn_lately: Mapping[DeviceId, tuple[Drawn, ...]] = field(default_factory=dict)
    """What each device drew and was told in the last seconds, oldest first."""
    device_phase_w: PhaseValues | None = None
    """Power of all metered devices per phase at the tick before [W]."""
    told_power_w: Mapping[DeviceId, float] = field(default_factory=dict)
    """What each device was expected to draw under its last command."""
    overdrawing_since_mono_s: Mapping[DeviceId, float] = field(default_factory=dict)
    """Since when a device has drawn more than it was told."""
    astray_since_mono_s: Mapping[DeviceId, float] = field(default_factory=dict)
    """Since when a device has done something else than it was told."""
    switches: Mapping[DeviceId, SwitchMemory] = field(default_factory=dict)
    heat_slots: Mapping[DeviceId, HeatSlot] = field(default_factory=dict)
    unplanned_since_mono_s: Mapping[DeviceId, float] = field(default_factory=dict)
    """Since when there has been a car that a plan should know and none does, per charger."""
    episodes: Mapping[DeviceId, OpenEpisode] = field(default_factory=dict)
    ticked_mono_s: float | None = None

    @classmethod
    def start(cls, site: Site) -> "ControlState":
        """Nothing known yet."""
        return cls(site=site)
