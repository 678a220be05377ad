"""Whether a house under faults stayed inside its limits, by the truth of the simulation and sums of its own.

Nothing here uses the arithmetic of the guard, of the estimate or of the devices: fuses are amperes at 230 V, summed per
phase from what devices really draw. Commands are judged when they are made, currents second by second.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hems.control.tick import TickResult
from hems.domain.command import BatteryPower, ChargeCurrent, Command, HeatPumpPower, Limit, ProductionLimit
from hems.domain.site import Charger, Circuit, DeviceId, Site
from hems.sim.chaos.stage import Circumstance, Stage
from hems.sim.chaos.sums import Flows, charged_on, told_draw_w, told_feed_w
from hems.sim.checkers import Checkers
from hems.sim.meter import Stretch
from hems.sim.series import FloatArray

VOLTAGE_V = 230.0
REACTION_S = 10
"""Most time above a fuse or limit that controlled load may cause, with a meter of a second."""
LEASE_MAX_S, LEASE_MIN_S = 1_800.0, 60.0
UNREAD_S, DEAF_S = 30, 60
"""What more is allowed while a device is silent (its last word counts for 30 s), or does not follow (a lease)."""
LIMIT_SLACK_W = 100.0
"""Meters and converters are no more exact than this; what draws less is no load that could give way [W]."""
SETTLE_S = 15
"""After ticks far apart: the meter's mean over a minute says less of a second than that of a second [s]."""
NEAR_TICKS_S, FAR_TICKS = 2.0, "ticks far apart"
KEPT_MAX = 50

PowerOf = Callable[[DeviceId, Command, Site], float]
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
        self._over: dict[str, _Excess] = {}
        """What is exceeded now."""
        self._ticked_mono_s: float | None = None
        self._gap_s = self._look_s = 1.0
        """From the tick before to the last one, and to the one after it, whichever is longer."""
        self._far_mono_s = -math.inf
        """When ticks were far apart last."""
        self._open_since: dict[DeviceId, object] = {}

    # --- commands ---

    def after_tick(self, result: TickResult, mono_s: float, limits: Sequence[Limit]) -> None:
        """Judge the commands and the record of a tick."""
        self._gap_s = 1.0 if self._ticked_mono_s is None else mono_s - self._ticked_mono_s
        self._ticked_mono_s = mono_s
        if self._gap_s > NEAR_TICKS_S:
            self._far_mono_s = mono_s
        told = {command.device_id: command for command in result.commands}
        if len(told) != len(result.commands) or set(told) != {each.id for each in self._site.controllables}:
            self._found("command", "house", "not one command for each device")
        for command in result.commands:
            self._lease(command, mono_s)
            self._nameplate(command)
        if mono_s - self._far_mono_s > SETTLE_S and self._stage.circumstance() is Circumstance.CLEAR:
            self._commanded_fuses(told)
            self._commanded_limits(told, limits)
        if self._stage.circumstance() is not Circumstance.READING_LIES:
            self._windows(told)
        self._blind(told)
        self._episodes(result, told)

    def _lease(self, command: Command, mono_s: float) -> None:
        lease = command.lease
        longest_s = min(max(LEASE_MIN_S, 2.5 * self._gap_s), LEASE_MAX_S)
        if abs(lease.granted_mono_s - mono_s) > 1e-6 or not 0 < lease.duration_s <= longest_s + 1e-6:
            text = f"granted {lease.granted_mono_s - mono_s:+.1f} s from now for {lease.duration_s:g} s"
            self._found("lease", command.device_id, text)

    def _nameplate(self, command: Command) -> None:
        device = next(each for each in self._site.controllables if each.id == command.device_id)
        match command.action:
            case ChargeCurrent(current_a=current_a, phase_count=count) if isinstance(device, Charger):
                fits = current_a == 0 or device.current_min_a <= current_a <= device.current_max_a
                if not fits or count not in device.phase_counts:
                    self._found("nameplate", device.id, f"{current_a:g} A on {count} phases")
            case BatteryPower(power_w=power_w):
                battery = next(each for each in self._site.batteries if each.id == device.id)
                if not -battery.discharge_power_max_w <= power_w <= battery.charge_power_max_w:
                    self._found("nameplate", device.id, f"{power_w:g} W")
            case HeatPumpPower(power_w=float(power_w)):
                pump = next(each for each in self._site.heat_pumps if each.id == device.id)
                if power_w and not pump.power_min_w * (1 - 1e-6) <= power_w <= pump.power_max_w:
                    self._found("nameplate", device.id, f"{power_w:g} W")
            case ProductionLimit(production_power_max_w=float(limit_w)) if not limit_w >= 0:
                self._found("nameplate", device.id, f"production limit {limit_w:g} W")
            case _:
                pass

    def _commanded_fuses(self, told: Mapping[DeviceId, Command]) -> None:
        """What is told to run, and the least that the household drew in the last seconds, fits each fuse."""
        household_w = self._least_household_w()
        for circuit in self._site.circuits:
            for number, phase in enumerate(("L1", "L2", "L3")):
                draw_w = sum(self._told_on(told, circuit, phase, told_draw_w))
                beside_w = household_w[number] if circuit.parent is None else 0.0
                if draw_w > 0 and draw_w + beside_w > circuit.fuse_a * VOLTAGE_V * (1 + 1e-6):
                    text = f"{draw_w:.0f} W told beside {beside_w:.0f} W on {phase} of {circuit.fuse_a:g} A"
                    self._found("fuse", str(circuit.id), text)
                feed_w = sum(self._told_on(told, circuit, phase, self._feed_w))
                discharge_w = sum(self._told_on(told, circuit, phase, _discharge_w))
                if discharge_w > 0 and feed_w > circuit.fuse_a * VOLTAGE_V * (1 + 1e-6):
                    self._found("fuse", str(circuit.id), f"{feed_w:.0f} W told to flow out on {phase}")

    def _told_on(self, told: Mapping[DeviceId, Command], circuit: Circuit, phase: str, of: PowerOf) -> Iterator[float]:
        for device in self._site.controllables:
            if device.id in told and device.id in self._flows.behind[circuit.id]:
                phases = charged_on(device, told[device.id].action)
                if phase in phases:
                    yield of(device.id, told[device.id], self._site) / len(phases)

    def _feed_w(self, device_id: DeviceId, command: Command, site: Site) -> float:
        made_w = max(0.0, -self._stage.house.devices[device_id].power_w)
        return told_feed_w(device_id, command, site, made_w)

    def _commanded_limits(self, told: Mapping[DeviceId, Command], limits: Sequence[Limit]) -> None:
        """What is told to run, with the least household and all that is made now, keeps the import limits."""
        least_w = sum(self._least_household_w())
        made_w = sum(max(0.0, -each.power_w) for each in self._stage.house.devices.values())
        draw_w = sum(told_draw_w(key, command, self._site) for key, command in told.items())
        for limit in limits:
            ceiling_w = limit.import_power_max_w
            if ceiling_w is not None and draw_w > 0 and draw_w + least_w - made_w > ceiling_w + LIMIT_SLACK_W:
                text = f"{draw_w:.0f} W told beside {least_w:.0f} W and {made_w:.0f} W made, limit {ceiling_w:.0f} W"
                self._found("operator limit", "house", text)
            dimmed_w = sum(told_draw_w(key, command, self._site) for key, command in told.items() if key in limit.dims)
            if (most_w := limit.dimmed_power_max_w) is not None:
                grid_w = draw_w + least_w - made_w
                if min(dimmed_w, grid_w) > most_w + LIMIT_SLACK_W:
                    text = f"{dimmed_w:.0f} W of dimmed devices told, {grid_w:.0f} W of the house, limit {most_w:.0f} W"
                    self._found("operator limit", "house", text)

    def _least_household_w(self) -> list[float]:
        house = self._stage.house
        look_s = self.reaction_s
        end_s = round(house.start_at.timestamp()) + house.elapsed_s
        count = min(look_s, end_s % 86_400, house.elapsed_s)
        if count < look_s:
            return [0.0, 0.0, 0.0]  # midnight, or the run has just begun
        least: list[float] = house.household.seconds(end_s - count, count).min(axis=0).tolist()
        return least

    def _windows(self, told: Mapping[DeviceId, Command]) -> None:
        """No battery is sent out of its window before the lease ends, as far as its age of 35 s lets it be known."""
        for battery in self._site.batteries:
            action, lease = told[battery.id].action, told[battery.id].lease
            if not isinstance(action, BatteryPower):
                continue
            stored_wh = self._stage.house.batteries[battery.id].stored_wh
            full_w = max(battery.charge_power_max_w, battery.discharge_power_max_w)
            slack_wh = full_w * 35 / 3600 / battery.discharge_efficiency_ratio + 1.0
            hours = lease.duration_s / 3600
            if action.power_w < 0:
                end_wh = stored_wh + action.power_w * hours / battery.discharge_efficiency_ratio
                outside = end_wh < battery.capacity_wh * battery.soc_min_pct / 100 - slack_wh
            else:
                end_wh = stored_wh + action.power_w * hours * battery.charge_efficiency_ratio
                outside = action.power_w > 0 and end_wh > battery.capacity_wh * battery.soc_max_pct / 100 + slack_wh
            if outside:
                self._found("window", battery.id, f"{action.power_w:.0f} W at {stored_wh:.0f} Wh")

    def _blind(self, told: Mapping[DeviceId, Command]) -> None:
        """Without the meter for long enough: batteries rest, and beside what runs there is room for an appliance."""
        since_s = self._stage.blind_since_s()
        if since_s is None or self._stage.house.elapsed_s - since_s <= self._site.meter.max_age_s + 1:
            return
        for battery in self._site.batteries:
            action = told[battery.id].action
            if isinstance(action, BatteryPower) and action.power_w != 0:
                self._found("blind", battery.id, f"{action.power_w:.0f} W without the grid meter")
        main = self._site.circuits[0]
        for phase in ("L1", "L2", "L3"):
            draw_w = sum(self._told_on(told, main, phase, told_draw_w))
            if draw_w > 0 and draw_w + 13.0 * VOLTAGE_V > main.fuse_a * VOLTAGE_V:
                self._found("blind", "main", f"{draw_w:.0f} W told on {phase} without the grid meter")

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

    @property
    def reaction_s(self) -> int:
        """Decision 11: ten seconds, for slow meters two periods and five seconds."""
        period_s = self._site.meter.period_s
        return REACTION_S if period_s <= 2 else round(2 * period_s + 5)

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
        for circuit in self._site.circuits:
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
        yield from self._over_limits(stretch, seconds_w.sum(axis=1), relief[self._site.circuits[0].id])

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
            allowed_s = self._allowed_s(one)
            if not one.told and allowed_s is not None and lasted_s > allowed_s:
                one.told = True
                self._found("above limit", name, f"{lasted_s} s, {one.worst.value}: allowed {allowed_s} s")
            self._over[name] = one
        if not exceeded[-1]:
            self._over.pop(name, None)

    def _allowed_s(self, one: "_Excess") -> int | None:
        """How long an excess may last; None: nothing is promised. A tick each minute cannot answer a kettle."""
        more_s = {Circumstance.CLEAR: 0, Circumstance.DEVICE_SILENT: UNREAD_S, Circumstance.DEVICE_DEAF: DEAF_S}
        return None if one.worst not in more_s or one.look_s > NEAR_TICKS_S else self.reaction_s + more_s[one.worst]

    def _found(self, rule: str, where: str, text: str) -> None:
        self.broken_count += 1
        if len(self.broken) < KEPT_MAX:
            faults = tuple(str(each) for each in self._stage.on)
            second_s = self._stage.house.elapsed_s
            self.broken.append(Broken(second_s=second_s, rule=rule, where=str(where), text=text, faults=faults))


def _discharge_w(device_id: DeviceId, command: Command, site: Site) -> float:
    """What a battery is told to give, >= 0 [W]."""
    del device_id, site
    return max(0.0, -command.action.power_w) if isinstance(command.action, BatteryPower) else 0.0
