"""Independent judges of a simulated house: they look at the truth after each step and list what may not be.

Nothing here uses the formulas of the devices, the guard or the planner; each rule is restated from physics or from
the contract. ``Checkers.after_step`` is called once after every ``SimHouse.advance``; ``finish``, at the end of a
run, takes all its decision episodes. Tests plant a fault for each rule and see it found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from hems.control.state import ControlState
from hems.domain.command import ChargeCurrent
from hems.domain.decision import DecisionEpisode
from hems.domain.site import DeviceId, Site
from hems.sim.house import SimHouse
from hems.sim.meter import Stretch

POWER_TOLERANCE_W = 1e-3
ENERGY_TOLERANCE_WH = 1e-3
VIOLATIONS_MAX = 1_000
"""A broken run breaks every second; the first thousand tell enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule at one time, with its numbers."""

    at: datetime
    rule: str
    device_id: str
    text: str


class Checkers:
    """All rules over one house.

    ``fuse_exceeded_s`` counts per circuit. An excess is a violation only with ``fuse_is_a_rule``: a tick of a minute
    cannot answer a kettle, a tick of a second can.
    """

    def __init__(self, site: Site, *, fuse_is_a_rule: bool = False) -> None:
        self.violations: list[Violation] = []
        """The first thousand."""
        self.violation_count = 0
        self.fuse_exceeded_s = {str(circuit.id): 0 for circuit in site.circuits}
        self._site = site
        self._fuse_is_a_rule = fuse_is_a_rule
        self._stored_wh: dict[str, float] = {}
        self._held_spans: dict[str, list[tuple[int, int]]] = {}
        self._checked_s: int | None = None
        self._start_at: datetime | None = None

    def after_step(self, house: SimHouse, control: ControlState | None = None) -> None:
        """Judge the stretches of the house's last step.

        Args:
            house: just advanced.
            control: memory of the tick that gave the commands; None: nobody keeps episodes, or ``finish`` judges them.
        """
        self._start_at = house.start_at
        for stretch in house.stretches:
            if self._checked_s is not None and stretch.start_s != self._checked_s:
                self._found(stretch.start_s, "time", "house", f"second {self._checked_s} was not judged")
            self._checked_s = stretch.end_s
            self._energy(house, stretch)
            self._leases(house, stretch)
            self._currents(stretch)
            self._limits(house, stretch)
            self._fuses(house, stretch)
            self._note_held(stretch)
            if control is not None:
                self._open_episodes(house, stretch, control)
        self._batteries(house)

    def finish(self, episodes: Iterable[DecisionEpisode]) -> None:
        """Every second in which a device followed a command lies in exactly one decision episode of that device."""
        by_device: dict[str, list[tuple[float, float]]] = {}
        for episode in episodes:
            span = (self._elapsed_s(episode.opened_at), self._elapsed_s(episode.closed_at))
            by_device.setdefault(str(episode.device_id), []).append(span)
        for device_id, spans in self._held_spans.items():
            own = sorted(by_device.get(device_id, []))
            for before, after in pairwise(own):
                if after[0] < before[1]:
                    self._found(
                        int(after[0]), "episode", device_id, f"two episodes from {after[0]:g} s to {before[1]:g} s"
                    )
            for start_s, end_s in spans:
                for gap_s in _uncovered(start_s, end_s, own):
                    text = f"a command from second {gap_s[0]:g} to {gap_s[1]:g} lies in no episode"
                    self._found(int(gap_s[0]), "episode", device_id, text)

    def _found(self, elapsed_s: float, rule: str, device_id: str, text: str) -> None:
        self.violation_count += 1
        if len(self.violations) < VIOLATIONS_MAX:
            assert self._start_at is not None
            at = self._start_at + timedelta(seconds=elapsed_s)
            self.violations.append(Violation(at=at, rule=rule, device_id=str(device_id), text=text))

    def _elapsed_s(self, at: datetime) -> float:
        assert self._start_at is not None
        return (at - self._start_at).total_seconds()

    def _seconds_w(self, house: SimHouse, stretch: Stretch) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        unix_s = round(house.start_at.timestamp()) + stretch.start_s
        return house.household.seconds(unix_s, stretch.seconds)

    def _energy(self, house: SimHouse, stretch: Stretch) -> None:
        """What the grid gives is what devices and household take, and phases add up."""
        house_w = float(self._seconds_w(house, stretch).sum()) / stretch.seconds
        needed_w = sum(stretch.power_w.values()) + house_w
        if abs(needed_w - stretch.grid_power_w) > POWER_TOLERANCE_W:
            text = f"grid {stretch.grid_power_w:.3f} W, devices and household {needed_w:.3f} W"
            self._found(stretch.start_s, "energy", "grid", text)

    def _leases(self, house: SimHouse, stretch: Stretch) -> None:
        """No command is followed past its lease."""
        end_mono_s = house.mono_s - house.elapsed_s + stretch.end_s
        for device_id, held in stretch.held.items():
            if end_mono_s > held.expires_mono_s + 1e-6:
                over_s = end_mono_s - held.expires_mono_s
                self._found(stretch.start_s, "lease", device_id, f"followed {over_s:.1f} s past its lease")

    def _currents(self, stretch: Stretch) -> None:
        """A charger is told nothing between 0 and its smallest current, nor phases that it does not have."""
        for charger in self._site.chargers:
            held = stretch.held.get(charger.id)
            if held is None or not isinstance(held.action, ChargeCurrent):
                continue
            current_a = held.action.current_a
            if current_a != 0 and not charger.current_min_a <= current_a <= charger.current_max_a:
                text = f"{current_a} A, allowed 0 or {charger.current_min_a}..{charger.current_max_a} A"
                self._found(stretch.start_s, "current", charger.id, text)
            if held.action.phase_count not in charger.phase_counts:
                self._found(stretch.start_s, "current", charger.id, f"{held.action.phase_count} phases")

    def _limits(self, house: SimHouse, stretch: Stretch) -> None:
        """Every device stays on its nameplate."""
        site = self._site
        bounds_w: dict[DeviceId, tuple[float, float]] = {}
        for plant in site.pv:
            bounds_w[plant.id] = (-max(plant.peak_w, house.pv[plant.id].available_w), 0.0)
        for battery in site.batteries:
            bounds_w[battery.id] = (-battery.discharge_power_max_w, battery.charge_power_max_w)
        for charger in site.chargers:
            bounds_w[charger.id] = (0.0, charger.power_max_w)
        for pump in site.heat_pumps:
            bounds_w[pump.id] = (0.0, pump.power_max_w)
        for device_id, (lower_w, upper_w) in bounds_w.items():
            power_w = stretch.power_w[device_id]
            if not lower_w - POWER_TOLERANCE_W <= power_w <= upper_w + POWER_TOLERANCE_W:
                text = f"{power_w:.1f} W, allowed {lower_w:.0f}..{upper_w:.0f} W"
                self._found(stretch.start_s, "nameplate", device_id, text)

    def _fuses(self, house: SimHouse, stretch: Stretch) -> None:
        """Count the seconds in which a phase of the main fuse carries more than its rating (230 V)."""
        main = self._site.circuits[0]
        phases_w = self._seconds_w(house, stretch) + np.array(stretch.device_phase_w)
        current_a = np.abs(phases_w).max(axis=1) / 230.0
        over_s = int((current_a > main.fuse_a * (1 + 1e-9)).sum())
        self._count_fuse(stretch, str(main.id), over_s, float(current_a.max()), main.fuse_a)
        for circuit in self._site.circuits[1:]:
            branch_a = self._branch_current_a(house, stretch, str(circuit.id))
            over_s = stretch.seconds if branch_a > circuit.fuse_a * (1 + 1e-9) else 0
            self._count_fuse(stretch, str(circuit.id), over_s, branch_a, circuit.fuse_a)

    def _branch_current_a(self, house: SimHouse, stretch: Stretch, circuit: str) -> float:
        """Highest phase current of a branch circuit; a charging car loads the phases it charges on."""
        site = self._site
        parents = {str(each.id): str(each.parent) for each in site.circuits}
        phases_w = dict.fromkeys(("L1", "L2", "L3"), 0.0)
        for device in site.controllables:
            above, at = [], str(device.circuit)
            while at != "None":
                above.append(at)
                at = parents[at]
            if circuit not in above:
                continue
            charger = house.chargers.get(device.id)
            wired = device.phases if charger is None else device.phases[: charger.phase_count]
            for phase in wired:
                phases_w[str(phase)] += stretch.power_w[device.id] / len(wired)
        return max(abs(power_w) for power_w in phases_w.values()) / 230.0

    def _count_fuse(self, stretch: Stretch, circuit: str, over_s: int, highest_a: float, fuse_a: float) -> None:
        if over_s == 0:
            return
        self.fuse_exceeded_s[circuit] += over_s
        if self._fuse_is_a_rule:
            text = f"{over_s} s above {fuse_a:g} A, highest {highest_a:.1f} A"
            self._found(stretch.start_s, "fuse", circuit, text)

    def _batteries(self, house: SimHouse) -> None:
        """Stored energy is inside 0..capacity, moves as power and losses say, and does not leave the window."""
        for battery in self._site.batteries:
            now_wh = house.batteries[battery.id].stored_wh
            before_wh = self._stored_wh.get(battery.id)
            self._stored_wh[battery.id] = now_wh
            at_s = house.elapsed_s
            if not -ENERGY_TOLERANCE_WH <= now_wh <= battery.capacity_wh + ENERGY_TOLERANCE_WH:
                self._found(at_s, "battery", battery.id, f"{now_wh:.3f} Wh in {battery.capacity_wh:g} Wh")
            if before_wh is None:
                continue  # the first step of a run: nothing to compare with
            expected_wh = before_wh
            for stretch in house.stretches:
                energy_wh = stretch.power_w[battery.id] * stretch.seconds / 3600
                expected_wh += max(energy_wh, 0) * battery.charge_efficiency_ratio
                expected_wh += min(energy_wh, 0) / battery.discharge_efficiency_ratio
            if abs(now_wh - expected_wh) > ENERGY_TOLERANCE_WH:
                self._found(at_s, "battery", battery.id, f"stored {now_wh:.3f} Wh, power says {expected_wh:.3f} Wh")
            floor_wh, ceiling_wh = (
                battery.capacity_wh * pct / 100 for pct in (battery.soc_min_pct, battery.soc_max_pct)
            )
            deeper = now_wh < min(before_wh, floor_wh) - ENERGY_TOLERANCE_WH
            higher = now_wh > max(before_wh, ceiling_wh) + ENERGY_TOLERANCE_WH
            if deeper or higher:
                text = f"from {before_wh:.1f} to {now_wh:.1f} Wh, window {floor_wh:g}..{ceiling_wh:g} Wh"
                self._found(at_s, "window", battery.id, text)

    def _open_episodes(self, house: SimHouse, stretch: Stretch, control: ControlState) -> None:
        """Whoever follows a command has an open decision."""
        start_at = house.start_at + timedelta(seconds=stretch.start_s)
        for device_id in stretch.held:
            episode = control.episodes.get(device_id)
            if episode is None or episode.opened_at > start_at:
                self._found(stretch.start_s, "episode", device_id, "follows a command without an open decision")

    def _note_held(self, stretch: Stretch) -> None:
        for device_id in stretch.held:
            spans = self._held_spans.setdefault(str(device_id), [])
            if spans and spans[-1][1] == stretch.start_s:
                spans[-1] = (spans[-1][0], stretch.end_s)
            else:
                spans.append((stretch.start_s, stretch.end_s))

    def state(self) -> dict[str, Any]:
        """Findings and memory, as JSON."""
        return {
            "violations": [{**asdict(each), "at": each.at.isoformat()} for each in self.violations],
            "violation_count": self.violation_count,
            "fuse_exceeded_s": dict(self.fuse_exceeded_s),
            "stored_wh": dict(self._stored_wh),
            "held_spans": {key: [list(span) for span in spans] for key, spans in self._held_spans.items()},
            "checked_s": self._checked_s,
            "start_at": None if self._start_at is None else self._start_at.isoformat(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        self.violations = [
            Violation(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in state["violations"]
        ]
        self.violation_count = state["violation_count"]
        self.fuse_exceeded_s = dict(state["fuse_exceeded_s"])
        self._stored_wh = dict(state["stored_wh"])
        self._held_spans = {key: [(span[0], span[1]) for span in spans] for key, spans in state["held_spans"].items()}
        self._checked_s = state["checked_s"]
        self._start_at = None if state["start_at"] is None else datetime.fromisoformat(state["start_at"])


def _uncovered(start_s: float, end_s: float, spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Parts of ``start_s .. end_s`` that no span covers."""
    gaps: list[tuple[float, float]] = []
    at_s = start_s
    for from_s, to_s in spans:
        if to_s <= at_s or from_s >= end_s:
            continue
        if from_s > at_s:
            gaps.append((at_s, from_s))
        at_s = max(at_s, to_s)
    if at_s < end_s:
        gaps.append((at_s, end_s))
    return gaps
