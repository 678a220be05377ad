"""From ticks to means: per quarter hour for forecasts and history, per minute for the aggregator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hems.control.estimate import Estimate
from hems.domain.reading import CarState
from hems.domain.site import Charger, DeviceId, Site
from hems.domain.time import SLOT_S, Now, floor_to, from_unix_s, unix_s

KNOWN_MIN_RATIO = 0.5
"""A mean over less of its time is no measurement: half a slot without a meter says little about the whole."""
STEP_MAX_S = 60.0
"""Between two ticks further apart nobody saw what flowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Mean powers of one stretch; None where it was not measured long enough. Load convention [W]."""

    start_at: datetime
    duration_s: int
    grid_power_w: float | None
    load_power_w: float | None
    """What nothing controls, while every device told its part; never negative: less than zero is a meter's time lag."""
    device_power_w: Mapping[DeviceId, float | None]
    level_pct: Mapping[DeviceId, float | None]
    """State of charge of batteries at the end."""
    sun_w: Mapping[DeviceId, float | None]
    """What the sun gave each plant, >= 0; None where it was held back at any moment."""
    offered_w: Mapping[DeviceId, float | None] = field(default_factory=dict)
    """What chargers offered to a car, >= 0; what it drew of it says something of the car only where it was all."""
    room_c: Mapping[DeviceId, float | None] = field(default_factory=dict)
    """Temperature of the rooms of heat pumps at the end [degrees C]."""
    tank_c: Mapping[DeviceId, float | None] = field(default_factory=dict)
    ghi_wm2: float | None = None
    """Irradiance on the level as it was expected last, >= 0; None: nobody knew."""
    outdoor_c: float | None = None
    """Temperature outside as it was expected last [degrees C]; None: nobody knew."""


@dataclass(slots=True)
class _Sum:
    energy_ws: float = 0.0
    known_s: float = 0.0

    def add(self, power_w: float | None, seconds: float) -> None:
        if power_w is not None:
            self.energy_ws += power_w * seconds
            self.known_s += seconds

    def mean_w(self, duration_s: int) -> float | None:
        return self.energy_ws / self.known_s if self.known_s >= KNOWN_MIN_RATIO * duration_s else None


@dataclass(slots=True)
class _Stretch:
    start_at: datetime
    grid: _Sum = field(default_factory=_Sum)
    load: _Sum = field(default_factory=_Sum)
    devices: dict[DeviceId, _Sum] = field(default_factory=dict)
    sun: dict[DeviceId, _Sum] = field(default_factory=dict)
    offered: dict[DeviceId, _Sum] = field(default_factory=dict)
    held_back: frozenset[DeviceId] = frozenset()


class Meterage:
    """Means over stretches of one length, by the wall clock. While that is not trusted nothing is recorded."""

    def __init__(self, site: Site, *, duration_s: int = SLOT_S) -> None:
        """Stretches start at multiples of ``duration_s`` since 1970 [s]."""
        self._site = site
        self._duration_s = duration_s
        self._stretch: _Stretch | None = None
        self._before_mono_s: float | None = None

    def tick(self, seen: Estimate, now: Now, *, held_back: frozenset[DeviceId] = frozenset()) -> Means | None:
        """Book what is measured for the time since the tick before; returns the stretch that has just ended.

        A power counts for the time before it was seen: a meter's telegram tells the mean since the one before.

        Args:
            seen: this tick's estimate.
            now: this tick.
            held_back: plants whose production is limited: what they make says nothing of the sun.
        """
        if not now.wall_trusted:
            self._stretch = self._before_mono_s = None
            return None
        start_at = floor_to(now.at, self._duration_s)
        gap_s = 0.0 if self._before_mono_s is None else now.mono_s - self._before_mono_s
        self._before_mono_s = now.mono_s
        if self._stretch is None or start_at < self._stretch.start_at:
            self._stretch = _Stretch(start_at=start_at)
        if gap_s <= STEP_MAX_S:
            # The part before the edge belongs to the stretch that ends; with a tick a second that is within 0.1 %.
            self._book(self._stretch, seen, gap_s)
        self._stretch.held_back |= held_back
        if start_at == self._stretch.start_at:
            return None
        ended, self._stretch = self._stretch, _Stretch(start_at=start_at)
        return self._means(ended, seen)

    def _book(self, stretch: _Stretch, seen: Estimate, gap_s: float) -> None:
        stretch.grid.add(None if seen.grid is None else seen.grid.power_w, gap_s)
        stretch.load.add(seen.load_w, gap_s)
        for device in self._site.controllables:
            stretch.devices.setdefault(device.id, _Sum()).add(seen.power_w(device.id), gap_s)
        for charger in self._site.chargers:
            stretch.offered.setdefault(charger.id, _Sum()).add(_offered_w(charger, seen), gap_s)
        for plant in self._site.pv:
            # Otherwise the nights of an inverter that sleeps would be unknown, and sun be expected in them.
            sleeps = plant.id in seen.asleep and seen.load_w is not None
            stretch.sun.setdefault(plant.id, _Sum()).add(0.0 if sleeps else seen.power_w(plant.id), gap_s)

    def _means(self, stretch: _Stretch, seen: Estimate) -> Means:
        load_w = stretch.load.mean_w(self._duration_s)
        levels: dict[DeviceId, float | None] = {}
        for battery in self._site.batteries:
            values = seen.batteries.get(battery.id)
            stored_wh = None if values is None else values.stored_wh
            levels[battery.id] = None if stored_wh is None else 100 * stored_wh / battery.capacity_wh
        return Means(
            start_at=stretch.start_at,
            duration_s=self._duration_s,
            grid_power_w=stretch.grid.mean_w(self._duration_s),
            load_power_w=None if load_w is None else max(0.0, load_w),
            device_power_w={key: each.mean_w(self._duration_s) for key, each in stretch.devices.items()},
            level_pct=levels,
            sun_w={plant.id: self._sun_w(stretch, plant.id) for plant in self._site.pv},
            offered_w={key: each.mean_w(self._duration_s) for key, each in stretch.offered.items()},
            room_c={key: each.room_c for key, each in seen.heat_pumps.items()},
            tank_c={key: each.tank_c for key, each in seen.heat_pumps.items()},
        )

    def _sun_w(self, stretch: _Stretch, plant_id: DeviceId) -> float | None:
        power_w = stretch.sun.get(plant_id, _Sum()).mean_w(self._duration_s)
        return None if power_w is None or plant_id in stretch.held_back else max(0.0, -power_w)


def _offered_w(charger: Charger, seen: Estimate) -> float | None:
    values = seen.chargers.get(charger.id)
    if values is None:
        return None
    if values.car is not CarState.CHARGING:
        return 0.0
    return charger.power_at_w(current_a=values.offered_current_a, phase_count=values.phase_count)


class Recent:
    """The last slots of one series in memory, one value per slot, for forecasts. Gaps are None.

    They end with the slot that was put last, also where that lies before others: the clock was set back. What was
    dated wrongly lies out of sight then, and what was known before is there again.
    """

    def __init__(self, *, end_at: datetime, values: list[float | None], slots_max: int) -> None:
        """``values`` end at ``end_at``, a slot's edge; at most ``slots_max`` are kept."""
        self._end = _slot(end_at)
        self._slots_max = slots_max
        kept = values[-slots_max:]
        self._known = {slot: each for slot, each in enumerate(kept, start=self._end - len(kept)) if each is not None}
        """By slot since 1970, in the order in which they were put."""

    @property
    def start_at(self) -> datetime:
        """Start of the oldest known slot."""
        return from_unix_s(self._start * SLOT_S)

    @property
    def values(self) -> tuple[float | None, ...]:
        """Oldest first."""
        return tuple(map(self._known.get, range(self._start, self._end)))

    @property
    def last(self) -> tuple[datetime, float] | None:
        """Start and value of the newest known slot."""
        slot = max((each for each in self._known if each < self._end), default=None)
        return None if slot is None else (from_unix_s(slot * SLOT_S), self._known[slot])

    def at(self, start_at: datetime) -> float | None:
        """The slot that starts then."""
        return self._known.get(_slot(start_at))

    def put(self, start_at: datetime, value: float | None) -> None:
        """Add a slot; slots between are unknown, a slot that is there already is replaced."""
        slot = _slot(start_at)
        self._end = slot + 1
        self._known.pop(slot, None)
        if value is not None:
            self._known[slot] = value
        if len(self._known) > self._slots_max:
            del self._known[next(iter(self._known))]

    @property
    def _start(self) -> int:
        first = self._end - self._slots_max
        return min((slot for slot in self._known if first <= slot < self._end), default=self._end)


def _slot(start_at: datetime) -> int:
    return int(unix_s(start_at)) // SLOT_S
