"""What chargers leave to each other where not all fits: everybody's smallest current first, then by need.

Chargers are served one after another. Before each of them, what the later ones need is held back: the mean power that
gets their cars ready in time, at least their smallest current; of a car whose need nobody knows an equal part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hems.control.estimate import Estimate
from hems.control.exchange import Exchange
from hems.control.headroom import Headroom
from hems.control.want import Want
from hems.domain.power import Phase
from hems.domain.reading import CarState
from hems.domain.site import Charger, DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one car would like and needs."""

    charger: Charger
    phases: tuple[Phase, ...]
    """Those that it charges on."""
    wanted_w: float
    need_w: float | None
    """Mean power that gets it ready in time; None: nobody knows [W]."""
    is_urgent: bool

    @property
    def least_w(self) -> float:
        """At the smallest current [W]."""
        return self.charger.power_at_w(current_a=self.charger.current_min_a, phase_count=len(self.phases))


def claims(chargers: Sequence[Charger], seen: Estimate, wants: Mapping[DeviceId, Want]) -> list[Claim]:
    """Cars that are there and would like to charge, the neediest first; equals in the order of the site file.

    One that does not do what it is told counts with what it draws already.
    """
    found = []
    for charger in chargers:
        values, want = seen.chargers.get(charger.id), wants.get(charger.id)
        if values is None or want is None or values.car is CarState.ABSENT or charger.id in seen.disobeying_w:
            continue
        wanted_w = min(want.known_w, charger.power_max_w)
        if wanted_w < charger.power_min_w:
            continue
        count = values.phase_count if values.phase_count in charger.phase_counts else charger.phase_counts[-1]
        phases = charger.wired_phases(count)
        found.append(
            Claim(charger=charger, phases=phases, wanted_w=wanted_w, need_w=want.need_w, is_urgent=want.urgent)
        )
    return sorted(found, key=lambda each: (not each.is_urgent, -(each.need_w or 0.0)))


def in_order(chargers: Sequence[Charger], claimed: Sequence[Claim]) -> list[Charger]:
    """Every charger once: who claims nothing takes nothing, and comes last."""
    first = [each.charger for each in claimed]
    return first + [each for each in chargers if each not in first]


@dataclass(slots=True, kw_only=True)
class Held:
    """What is held back for later chargers while one is served."""

    room: Headroom
    connection: Exchange
    held: list[tuple[Claim, float]]

    def hold(self, claim: Claim, power_w: float) -> None:
        """As if its turn had been."""
        self.room.take(claim.charger.circuit, claim.phases, power_w)
        self.connection.reserve(claim.charger.id, power_w)
        self.held.append((claim, power_w))

    def release(self) -> None:
        """Their turn comes."""
        while self.held:
            self.release_last()

    def release_last(self) -> None:
        """Drop what was held back last."""
        claim, power_w = self.held.pop()
        self.room.give_back(claim.charger.circuit, claim.phases, power_w)
        self.connection.reserve(claim.charger.id, -power_w)


def hold_for_others(charger: Charger, claimed: Sequence[Claim], room: Headroom, connection: Exchange) -> Held:
    """Hold back what later claims need, the neediest first, as long as the charger keeps its own smallest current."""
    held = Held(room=room, connection=connection, held=[])
    position = next((index for index, each in enumerate(claimed) if each.charger.id == charger.id), None)
    if position is None:
        return held
    mine, later = claimed[position], claimed[position + 1 :]
    for index, claim in enumerate(later):
        left_w, _ = room.tightest(claim.charger.circuit, claim.phases, importing=True)
        equal_w = max(left_w, 0.0) * len(claim.phases) / (len(later) - index + 1)
        need_w = equal_w if claim.need_w is None else claim.need_w
        if mine.is_urgent and not claim.is_urgent:
            need_w = 0.0
        for power_w in (min(max(need_w, claim.least_w), claim.wanted_w), claim.least_w):
            held.hold(claim, power_w)
            if _keeps_its_least(mine, room, connection):
                break
            held.release_last()
    return held


def _keeps_its_least(mine: Claim, room: Headroom, connection: Exchange) -> bool:
    left_w, _ = room.tightest(mine.charger.circuit, mine.phases, importing=True)
    bounds_w = [each.range.upper_w for each in connection.import_bounds(mine.charger.id, 0.0)]
    return min([left_w * len(mine.phases), *bounds_w]) >= mine.least_w
