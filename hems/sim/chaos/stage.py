"""Which faults of a script are on, and what that means for whoever judges the house."""

from collections.abc import Collection
from dataclasses import replace
from enum import StrEnum

from hems.domain.command import Authority, Limit
from hems.domain.site import DeviceId, PvPlant
from hems.sim.chaos.script import Injected, Script, WorldFault
from hems.sim.faults import HARD_OF_HEARING, LYING, Fault
from hems.sim.house import SimHouse


class Circumstance(StrEnum):
    """How much the guard could know and do, best first."""

    CLEAR = "clear"
    """Every device speaks and listens, and so does the meter."""
    ISLANDED = "grid failed"
    """The meter is dead, and the battery says why."""
    DEVICE_SILENT = "device silent"
    DEVICE_DEAF = "device deaf"
    """A device does not follow, or the daemon itself is down."""
    METER_SILENT = "meter silent"
    READING_LIES = "reading lies"
    """What is read could be true and is not."""


UNREAD = frozenset({Fault.SILENT, Fault.ABSENT, Fault.ABSURD})
UNREAD_GRACE_S, DEAF_GRACE_S, BLIND_GRACE_S, LIE_GRACE_S = 35, 65, 20, 65
"""For so long after its end a fault still explains an excess: readings age for 30 s, leases last 60 s [s]."""


class Stage:
    """A script on its way over a house. Turn it at every step, in order."""

    def __init__(self, house: SimHouse, script: Script) -> None:
        """Nothing has begun."""
        self.house = house
        self.on: list[Injected] = []
        self.begun_count = 0
        self._coming = list(script)
        self._ended_s: dict[Circumstance, int] = {}

    def turn(self) -> tuple[list[Injected], list[Injected]]:
        """Begin and end what is due; returns what began and what ended. Faults of devices act at once."""
        now_s = self.house.elapsed_s
        ended = [each for each in self.on if each.end_s <= now_s]
        for each in ended:
            self.on.remove(each)
            if isinstance(each.fault, Fault) and each.target is not None:
                self.house.disturb(each.target, None)
            if each.fault is WorldFault.GRID_OUTAGE:
                self.house.cut_off(False)
            self._ended_s[self._means(each)] = now_s
        begun = [each for each in self._coming if each.start_s <= now_s]
        self._coming = self._coming[len(begun) :]
        for each in begun:
            self.on.append(each)
            self.begun_count += 1
            if isinstance(each.fault, Fault) and each.target is not None:
                self.house.disturb(each.target, each.fault)
            if each.fault is WorldFault.GRID_OUTAGE:
                self.house.cut_off(True)
        return begun, ended

    @property
    def calm(self) -> bool:
        """Nothing is wrong now."""
        return not self.on

    def next_edge_s(self) -> int | None:
        """Second at which the next fault begins or ends; None: nothing comes any more."""
        edges = [each.end_s for each in self.on] + [each.start_s for each in self._coming[:1]]
        return min(edges, default=None)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What the grid operator allows now."""
        return tuple(limit for each in self.on if (limit := self._limit(each)) is not None)

    def _limit(self, each: Injected) -> Limit | None:
        limit = Limit(authority=Authority.OPERATOR, source="chaos")
        match each.fault:
            case WorldFault.IMPORT_LIMIT:
                return replace(limit, import_power_max_w=each.amount)
            case WorldFault.EXPORT_LIMIT:
                return replace(limit, export_power_max_w=each.amount)
            case WorldFault.DIMMED:
                site = self.house.site
                consumers = (one.id for one in site.controllables if not isinstance(one, PvPlant))
                return replace(limit, dimmed_power_max_w=each.amount, dims=frozenset(consumers))
            case _:
                return None

    def is_on(self, *faults: Fault | WorldFault) -> bool:
        """Whether any of these is on."""
        return any(each.fault in faults for each in self.on)

    def hard_of_hearing(self) -> Collection[DeviceId]:
        """Devices that do not follow now."""
        return {each.target for each in self.on if each.fault in HARD_OF_HEARING and each.target is not None}

    def blind_since_s(self) -> int | None:
        """Since when the grid meter says nothing that can be used; None: it does."""
        meter_id = self.house.site.meter.id
        return next((each.start_s for each in self.on if each.target == meter_id and each.fault in UNREAD), None)

    def islanded_for_s(self) -> int:
        """For how long the grid has failed; 0: it has not [s]."""
        outages = (each for each in self.on if each.fault is WorldFault.GRID_OUTAGE)
        return max((self.house.elapsed_s - each.start_s for each in outages), default=0)

    def silent_for_s(self, device_id: DeviceId) -> int:
        """For how long a device has said nothing that can be used; 0: it speaks [s]."""
        now_s, mute = self.house.elapsed_s, UNREAD | {Fault.REBOOTED}
        return max(
            (now_s - each.start_s for each in self.on if each.target == device_id and each.fault in mute), default=0
        )

    def circumstance(self) -> Circumstance:
        """The worst that is on, or that was on a moment ago."""
        found = {self._means(each) for each in self.on}
        for means, grace_s in (
            (Circumstance.ISLANDED, BLIND_GRACE_S),
            (Circumstance.DEVICE_SILENT, UNREAD_GRACE_S),
            (Circumstance.DEVICE_DEAF, DEAF_GRACE_S),
            (Circumstance.METER_SILENT, BLIND_GRACE_S),
            (Circumstance.READING_LIES, LIE_GRACE_S),
        ):
            if means in self._ended_s and self.house.elapsed_s - self._ended_s[means] < grace_s:
                found.add(means)
        return max(found, key=list(Circumstance).index, default=Circumstance.CLEAR)

    def _means(self, each: Injected) -> Circumstance:
        if each.fault is WorldFault.GRID_OUTAGE:
            return Circumstance.ISLANDED
        if each.fault in LYING:
            return Circumstance.READING_LIES
        if each.target == self.house.site.meter.id:
            return Circumstance.METER_SILENT
        if each.fault in HARD_OF_HEARING or each.fault is WorldFault.KILLED:
            return Circumstance.DEVICE_DEAF
        return Circumstance.DEVICE_SILENT if each.fault in UNREAD else Circumstance.CLEAR
