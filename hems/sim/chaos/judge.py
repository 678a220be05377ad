"""Whether a house under faults stayed inside its limits, by the truth of the simulation and sums of its own.

Nothing here uses the arithmetic of the guard, of the estimate or of the devices: fuses are amperes at 230 V, summed per
phase from what devices really draw. Commands are judged when they are made, currents second by second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hems.control.tick import TickResult
from hems.domain.command import Command, Limit
from hems.domain.site import DeviceId, Site
from hems.sim.chaos.rules import LIMIT_SLACK_W, NEAR_TICKS_S, VOLTAGE_V, CommandRules, reaction_s
from hems.sim.chaos.stage import Circumstance, Stage
from hems.sim.chaos.sums import Flows
from hems.sim.checkers import Checkers
from hems.sim.meter import Stretch
from hems.sim.series import FloatArray

UNREAD_S, DEAF_S = 30, 60
"""What more is allowed while a device is silent (its last word counts for 30 s), or does not follow (a lease)."""
FAR_TICKS = "ticks far apart"
ISLAND = "island"
"""What the inverters of a house without a grid are asked beyond what they can give."""
KEPT_MAX = 50

Seconds = np.ndarray[tuple[int], np.dtype[np.bool_]]
"""One truth value for each second of a stretch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One broken rule."""

    second_s: int
    rule: str
    where: str
    text: str
    faults: tuple[str, ...]
    """What was on."""


@dataclass(slots=True, kw_only=True)
class _Excess:
    """A fuse or limit that is exceeded while controlled load could give way."""

    since_s: int
    worst: Circumstance = Circumstance.CLEAR
    look_s: float = 0.0
    """Longest time between two ticks in it."""
    told: bool = False


class Judge:
    """Judges one run of one house. Call :meth:`after_tick` for each tick, :meth:`after_step` for each step."""

    def __init__(self, stage: Stage) -> None:
        """Nothing seen yet."""
        self.broken: list[Broken] = []
        """The first fifty."""
        self.broken_count = 0
        self.longest_over_s: dict[str, int] = {}
        """By circumstance: longest time at a stretch that a fuse or limit was exceeded while controlled load could have
        given way. Where ticks are far apart the time between two of them is in it, and it is kept apart."""
        self._stage = stage
        self._site: Site = stage.house.site
        period_s = self._site.meter.period_s
        self._meter = "" if period_s <= NEAR_TICKS_S else f", meter of {period_s:g} s"
        self._physics = Checkers(self._site)
        self._flows = Flows(self._site)
        self._rules = CommandRules(stage, self._flows)
        self._over: dict[str, _Excess] = {}
        """What is exceeded now."""
        self._ticked_mono_s: float | None = None
        self._gap_s = self._look_s = 1.0
        """From the tick before to the last one, and to the one after it, whichever is longer."""
        self._open_since: dict[DeviceId, object] = {}

    # --- commands ---

    def after_tick(self, result: TickResult, mono_s: float, limits: Sequence[Limit]) -> None:
        """Judge the commands and the record of a tick."""
        self._gap_s = 1.0 if self._ticked_mono_s is None else mono_s - self._ticked_mono_s
        self._ticked_mono_s = mono_s
        told = {command.device_id: command for command in result.commands}
        if len(told) != len(result.commands) or set(told) != {each.id for each in self._site.controllables}:
            self._found("command", "house", "not one command for each device")
            return
        for rule, where, text in self._rules.broken_by(told, limits, mono_s=mono_s, gap_s=self._gap_s):
            self._found(rule, where, text)
        self._episodes(result, told)

    def _episodes(self, result: TickResult, told: Mapping[DeviceId, Command]) -> None:
        """Each command lies in one open episode that says the same; a new one opens where the one before closed."""
        episodes = result.state.episodes
        for device_id, command in told.items():
            episode = episodes.get(device_id)
            deciding = (command.authority, *(each.authority for each in command.limited_by))
            if episode is None or episode.authority not in deciding:
                self._found("episode", device_id, "a command without an open episode of its authority")
            elif {each.rule for each in episode.limited_by} != {each.rule for each in command.limited_by}:
                self._found("episode", device_id, "its open episode names other limits than the command")
        for device_id, closed in ((each.device_id, each) for each in result.episodes):
            if closed.opened_at != self._open_since.get(device_id):
                self._found("episode", device_id, "an episode closed that was not open")
            if device_id in episodes and episodes[device_id].opened_at != closed.closed_at:
                self._found("episode", device_id, "a gap between two episodes")
        self._open_since = {key: each.opened_at for key, each in episodes.items()}

    def restarted(self) -> None:
        """Another daemon goes on: it has no open episodes yet."""
        self._open_since, self._ticked_mono_s = {}, None

    def crashed(self, text: str) -> None:
        """An exception left the product."""
        self._found("crash", "house", text)

    def late(self, text: str) -> None:
        """The house is not back to normal in time."""
        self._found("recovery", "house", text)

    def lost(self, what: str) -> None:
        """Something that was acknowledged is gone."""
        self._found("lost", "house", what)

    # --- what flowed ---

    def after_step(self) -> None:
        """Judge what flowed in the last step."""
        house = self._stage.house
        seen = len(self._physics.violations)
        self._physics.after_step(house)
        for each in self._physics.violations[seen:]:
            if not (each.rule == "nameplate" and self._stage.hard_of_hearing()):
                self._found(each.rule, each.device_id, each.text)
        self._look_s = max(self._gap_s, sum(each.seconds for each in house.stretches))
        for stretch in house.stretches:
            for name, exceeded in self._excesses(stretch):
                self._follow(name, stretch, exceeded)

    def _excesses(self, stretch: Stretch) -> Iterator[tuple[str, Seconds | None]]:
        """Per fuse and phase, and per limit: in which seconds it was exceeded; None where nothing could give way."""
        house = self._stage.house
        seconds_w = house.household.seconds(round(house.start_at.timestamp()) + stretch.start_s, stretch.seconds)
        deaf = self._stage.hard_of_hearing()
        relief = self._flows.could_give_way(house, stretch, deaf)
        main = self._site.circuits[0].id
        for circuit in self._site.circuits:
            if house.is_cut_off and circuit.id == main:
                continue  # nothing flows through it
            drawn_w = self._flows.drawn_w(house, stretch, circuit.id)
            fuse_w = circuit.fuse_a * VOLTAGE_V * (1 + 1e-6)
            for number in range(3):
                flow_w = drawn_w[number] + (
                    seconds_w[:, number] if circuit.parent is None else np.zeros(stretch.seconds)
                )
                draws_w, feeds_w = relief[circuit.id][number]
                where = f"{circuit.id} L{number + 1}"
                yield where, flow_w > fuse_w if draws_w > LIMIT_SLACK_W else None
                yield f"{where} out", flow_w < -fuse_w if feeds_w > LIMIT_SLACK_W else None
        if house.is_cut_off:
            lacking_w = seconds_w.sum(axis=1) + sum(stretch.power_w.values())
            draws_w = sum(each[0] for each in relief[main])
            yield ISLAND, lacking_w > LIMIT_SLACK_W if draws_w > LIMIT_SLACK_W else None
        else:
            yield from self._over_limits(stretch, seconds_w.sum(axis=1), relief[main])

    def _over_limits(
        self,
        stretch: Stretch,
        household_w: FloatArray,
        relief: Sequence[tuple[float, float]],
    ) -> Iterator[tuple[str, Seconds | None]]:
        grid_w = household_w + sum(stretch.power_w.values())
        draws_w, feeds_w = (sum(each[way] for each in relief) for way in (0, 1))
        connection = self._site.connection
        ceilings = [("contract", connection.import_power_max_w, connection.export_power_max_w)]
        ceilings += [("operator", each.import_power_max_w, each.export_power_max_w) for each in self._stage.limits]
        for name, import_w, export_w in ceilings:
            if import_w is not None:
                yield f"{name} import", grid_w > import_w + LIMIT_SLACK_W if draws_w > LIMIT_SLACK_W else None
            if export_w is not None:
                yield f"{name} export", grid_w < -export_w - LIMIT_SLACK_W if feeds_w > LIMIT_SLACK_W else None
        for each in self._stage.limits:
            if (most_w := each.dimmed_power_max_w) is not None:
                drawn_w = sum(max(stretch.power_w[key], 0.0) for key in each.dims)
                above = drawn_w > most_w + LIMIT_SLACK_W and draws_w > LIMIT_SLACK_W
                yield "operator dimmed", grid_w > most_w + LIMIT_SLACK_W if above else None

    def _follow(self, name: str, stretch: Stretch, exceeded: Seconds | None) -> None:
        """Count seconds at a stretch, and tell the one that lasts too long, once."""
        if exceeded is None or not exceeded.any():
            self._over.pop(name, None)
            return
        edges = np.flatnonzero(np.diff(np.concatenate(([False], exceeded, [False])).astype(int)))
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            one = self._over.get(name) if begin == 0 else None
            if one is None or (one.look_s > NEAR_TICKS_S and self._look_s <= NEAR_TICKS_S):
                one = _Excess(since_s=stretch.start_s + begin)  # the clock starts when somebody looks every second
            one.worst = max(one.worst, self._stage.circumstance(), key=list(Circumstance).index)
            one.look_s = max(one.look_s, self._look_s)
            lasted_s = stretch.start_s + end - one.since_s
            key = one.worst.value + self._meter if one.look_s <= NEAR_TICKS_S else FAR_TICKS
            self.longest_over_s[key] = max(self.longest_over_s.get(key, 0), lasted_s)
            allowed_s = self._allowed_s(name, one)
            if not one.told and allowed_s is not None and lasted_s > allowed_s:
                one.told = True
                self._found("above limit", name, f"{lasted_s} s, {one.worst.value}: allowed {allowed_s} s")
            self._over[name] = one
        if not exceeded[-1]:
            self._over.pop(name, None)

    def _allowed_s(self, name: str, one: "_Excess") -> int | None:
        """How long an excess may last; None: nothing is promised. A tick each minute cannot answer a kettle.

        Of an island nothing is promised while a device is silent: it may be the inverter that would say so.
        """
        more_s = {Circumstance.CLEAR: 0, Circumstance.ISLANDED: 0}
        if name != ISLAND:
            more_s |= {Circumstance.DEVICE_SILENT: UNREAD_S, Circumstance.DEVICE_DEAF: DEAF_S}
        if one.worst not in more_s or one.look_s > NEAR_TICKS_S:
            return None
        return reaction_s(self._site) + more_s[one.worst]

    def _found(self, rule: str, where: str, text: str) -> None:
        self.broken_count += 1
        if len(self.broken) < KEPT_MAX:
            faults = tuple(str(each) for each in self._stage.on)
            second_s = self._stage.house.elapsed_s
            self.broken.append(Broken(second_s=second_s, rule=rule, where=str(where), text=text, faults=faults))
