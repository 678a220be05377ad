"""What no command of a tick may be, by the truth of the simulation and by the site file."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from hems.domain.command import (
    BatteryPower,
    BatteryReleased,
    ChargeCurrent,
    Command,
    HeatPumpPower,
    Limit,
    ProductionLimit,
)
from hems.domain.site import Charger, CircuitId, Controllable, DeviceId, PvPlant, Site
from hems.sim.chaos.stage import Circumstance, Stage
from hems.sim.chaos.sums import Flows, charged_on, nameplate_on_w, told_draw_w, told_feed_w

VOLTAGE_V = 230.0
REACTION_S = 10
"""Most time above a fuse or limit that controlled load may cause, with a meter of a second."""
LEASE_MAX_S, LEASE_MIN_S = 1_800.0, 60.0
SHARE_RATIO = 0.95
"""Of a fuse's rating: so much is planned with, as is published."""
STALE_S = 32
"""A device that has said nothing for longer is told its safe value [s]."""
LIMIT_SLACK_W = 100.0
"""Meters and converters are no more exact than this; what draws less is no load that could give way [W]."""
ISLANDED_S = 15
"""After so long without a grid, nothing else wrong, inverters are left alone and loads rest [s]."""
SETTLE_S = 15
"""After ticks far apart: the meter's mean over a minute says less of a second than that of a second [s]."""
NEAR_TICKS_S = 2.0
PHASES = ("L1", "L2", "L3")

PowerOf = Callable[[DeviceId, Command, Site], float]


class Found(NamedTuple):
    """A rule that a command breaks."""

    rule: str
    where: str
    text: str


def reaction_s(site: Site) -> int:
    """Decision 11: ten seconds, for slow meters two periods and five seconds."""
    period_s = site.meter.period_s
    return REACTION_S if period_s <= NEAR_TICKS_S else round(2 * period_s + 5)


class CommandRules:
    """Judges the commands of one house, tick by tick."""

    def __init__(self, stage: Stage, flows: Flows) -> None:
        """Nothing seen yet."""
        self._stage = stage
        self._site: Site = stage.house.site
        self._flows = flows
        self._far_mono_s = -math.inf
        """When ticks were far apart last."""

    def broken_by(
        self, told: Mapping[DeviceId, Command], limits: Sequence[Limit], *, mono_s: float, gap_s: float
    ) -> Iterator[Found]:
        """Rules that these commands break; there is one for each device."""
        if gap_s > NEAR_TICKS_S:
            self._far_mono_s = mono_s
        circumstance = self._stage.circumstance()
        is_clear = circumstance is Circumstance.CLEAR and mono_s - self._far_mono_s > SETTLE_S
        for command in told.values():
            yield from self._lease(command, mono_s, gap_s)
            yield from self._nameplate(command)
        if is_clear:
            yield from self._fuses(told)
            yield from self._limits(told, limits)
            yield from self._bms(told)
        if circumstance is not Circumstance.READING_LIES:
            yield from self._windows(told, slack_s=2 if is_clear else 35)
            yield from self._silent(told)
        yield from self._blind(told)
        if (
            circumstance is Circumstance.ISLANDED
            and self._stage.islanded_for_s() > ISLANDED_S
            and gap_s <= NEAR_TICKS_S
        ):
            yield from self._island(told)

    def _lease(self, command: Command, mono_s: float, gap_s: float) -> Iterator[Found]:
        lease = command.lease
        longest_s = min(max(LEASE_MIN_S, 2.5 * gap_s), LEASE_MAX_S)
        if abs(lease.granted_mono_s - mono_s) > 1e-6 or not 0 < lease.duration_s <= longest_s + 1e-6:
            text = f"granted {lease.granted_mono_s - mono_s:+.1f} s from now for {lease.duration_s:g} s"
            yield Found("lease", command.device_id, text)

    def _nameplate(self, command: Command) -> Iterator[Found]:
        device = next(each for each in self._site.controllables if each.id == command.device_id)
        match command.action:
            case ChargeCurrent(current_a=current_a, phase_count=count) if isinstance(device, Charger):
                fits = current_a == 0 or device.current_min_a <= current_a <= device.current_max_a
                if not fits or count not in device.phase_counts:
                    yield Found("nameplate", device.id, f"{current_a:g} A on {count} phases")
            case BatteryPower(power_w=power_w):
                battery = next(each for each in self._site.batteries if each.id == device.id)
                if not -battery.discharge_power_max_w <= power_w <= battery.charge_power_max_w:
                    yield Found("nameplate", device.id, f"{power_w:g} W")
            case HeatPumpPower(power_w=float(power_w)):
                pump = next(each for each in self._site.heat_pumps if each.id == device.id)
                if power_w and not pump.power_min_w * (1 - 1e-6) <= power_w <= pump.power_max_w:
                    yield Found("nameplate", device.id, f"{power_w:g} W")
            case ProductionLimit(production_power_max_w=float(limit_w)) if not limit_w >= 0:
                yield Found("nameplate", device.id, f"production limit {limit_w:g} W")
            case _:
                pass

    def _fuses(self, told: Mapping[DeviceId, Command]) -> Iterator[Found]:
        """What is told to run, and the least that the household drew in the last seconds, fits each fuse."""
        household_w = self._least_household_w()
        draws_w, feeds_w = self._sums(told, told_draw_w), self._sums(told, self._feed_w)
        discharges_w = self._sums(told, _discharge_w)
        for circuit in self._site.circuits:
            fuse_w = circuit.fuse_a * VOLTAGE_V * (1 + 1e-6)
            # No meter of a branch lags: its commands keep to the published share exactly.
            share_ratio = 1.0 if circuit.parent is None else SHARE_RATIO
            for number, phase in enumerate(PHASES):
                draw_w, feed_w = draws_w[circuit.id][number], feeds_w[circuit.id][number]
                beside_w = household_w[number] if circuit.parent is None else 0.0
                if draw_w > 0 and draw_w + beside_w > share_ratio * fuse_w:
                    text = f"{draw_w:.0f} W told beside {beside_w:.0f} W on {phase} of {circuit.fuse_a:g} A"
                    yield Found("fuse", str(circuit.id), text)
                if discharges_w[circuit.id][number] > 0 and feed_w > fuse_w:
                    yield Found("fuse", str(circuit.id), f"{feed_w:.0f} W told to flow out on {phase}")

    def _sums(self, told: Mapping[DeviceId, Command], of: PowerOf) -> dict[CircuitId, list[float]]:
        """A power of these commands behind each fuse, on L1, L2, L3 [W]."""
        found = {circuit.id: [0.0, 0.0, 0.0] for circuit in self._site.circuits}
        for device in self._site.controllables:
            if device.id not in told or not (power_w := of(device.id, told[device.id], self._site)):
                continue
            phases = charged_on(device, told[device.id].action)
            for circuit in self._site.circuits:
                if device.id in self._flows.behind[circuit.id]:
                    for phase in phases:
                        found[circuit.id][PHASES.index(phase)] += power_w / len(phases)
        return found

    def _feed_w(self, device_id: DeviceId, command: Command, site: Site) -> float:
        made_w = max(0.0, -self._stage.house.devices[device_id].power_w)
        return told_feed_w(device_id, command, site, made_w)

    def _limits(self, told: Mapping[DeviceId, Command], limits: Sequence[Limit]) -> Iterator[Found]:
        """What is told to run, with the least household and all that is made now, keeps the import limits."""
        if not limits:
            return
        least_w = sum(self._least_household_w())
        made_w = sum(max(0.0, -each.power_w) for each in self._stage.house.devices.values())
        draw_w = sum(told_draw_w(key, command, self._site) for key, command in told.items())
        for limit in limits:
            ceiling_w = limit.import_power_max_w
            if ceiling_w is not None and draw_w > 0 and draw_w + least_w - made_w > ceiling_w + LIMIT_SLACK_W:
                text = f"{draw_w:.0f} W told beside {least_w:.0f} W and {made_w:.0f} W made, limit {ceiling_w:.0f} W"
                yield Found("operator limit", "house", text)
            dimmed_w = sum(told_draw_w(key, command, self._site) for key, command in told.items() if key in limit.dims)
            if (most_w := limit.dimmed_power_max_w) is not None:
                grid_w = draw_w + least_w - made_w
                if min(dimmed_w, grid_w) > most_w + LIMIT_SLACK_W:
                    text = f"{dimmed_w:.0f} W of dimmed devices told, {grid_w:.0f} W of the house, limit {most_w:.0f} W"
                    yield Found("operator limit", "house", text)

    def _least_household_w(self) -> list[float]:
        house = self._stage.house
        look_s = reaction_s(self._site)
        end_s = round(house.start_at.timestamp()) + house.elapsed_s
        count = min(look_s, end_s % 86_400, house.elapsed_s)
        if count < look_s:
            return [0.0, 0.0, 0.0]  # midnight, or the run has just begun
        least: list[float] = house.household.seconds(end_s - count, count).min(axis=0).tolist()
        return least

    def _windows(self, told: Mapping[DeviceId, Command], *, slack_s: int) -> Iterator[Found]:
        """No battery is sent out of its window before the lease ends; what it said last may be ``slack_s`` old."""
        for battery in self._site.batteries:
            action, lease = told[battery.id].action, told[battery.id].lease
            if not isinstance(action, BatteryPower):
                continue
            stored_wh = self._stage.house.batteries[battery.id].stored_wh
            full_w = max(battery.charge_power_max_w, battery.discharge_power_max_w)
            slack_wh = full_w * slack_s / 3600 / battery.discharge_efficiency_ratio + 1.0
            hours = lease.duration_s / 3600
            if action.power_w < 0:
                end_wh = stored_wh + action.power_w * hours / battery.discharge_efficiency_ratio
                outside = end_wh < battery.capacity_wh * battery.soc_min_pct / 100 - slack_wh
            else:
                end_wh = stored_wh + action.power_w * hours * battery.charge_efficiency_ratio
                outside = action.power_w > 0 and end_wh > battery.capacity_wh * battery.soc_max_pct / 100 + slack_wh
            if outside:
                yield Found("window", battery.id, f"{action.power_w:.0f} W at {stored_wh:.0f} Wh")

    def _blind(self, told: Mapping[DeviceId, Command]) -> Iterator[Found]:
        """Without the meter for long enough: batteries rest, and beside what runs there is room for an appliance."""
        since_s = self._stage.blind_since_s()
        if since_s is None or self._stage.house.elapsed_s - since_s <= self._site.meter.max_age_s + 1:
            return
        for battery in self._site.batteries:
            action = told[battery.id].action
            if isinstance(action, BatteryPower) and action.power_w != 0:
                yield Found("blind", battery.id, f"{action.power_w:.0f} W without the grid meter")
        main = self._site.circuits[0]
        for phase, draw_w in zip(PHASES, self._sums(told, told_draw_w)[main.id], strict=True):
            if draw_w > 0 and draw_w + 13.0 * VOLTAGE_V > main.fuse_a * VOLTAGE_V:
                yield Found("blind", "main", f"{draw_w:.0f} W told on {phase} without the grid meter")

    def _island(self, told: Mapping[DeviceId, Command]) -> Iterator[Found]:
        """Who feeds the house is left alone, and nothing draws that the household does not want in an outage."""
        wanted = {each.device_id for each in self._site.backup.loads}
        for battery in self._site.batteries:
            if not isinstance(told[battery.id].action, BatteryReleased):
                yield Found("island", battery.id, f"told {told[battery.id].action} while it feeds the house")
        for device_id, command in told.items():
            if device_id not in wanted and (draw_w := told_draw_w(device_id, command, self._site)) > 0:
                yield Found("island", device_id, f"{draw_w:.0f} W told without a grid")

    def _bms(self, told: Mapping[DeviceId, Command]) -> Iterator[Found]:
        """No battery is told more than its management allows, which changes slowly."""
        for battery in self._site.batteries:
            action, own = told[battery.id].action, self._stage.house.batteries[battery.id]
            if isinstance(action, BatteryPower):
                charge_w, discharge_w = own.charge_power_max_w(), own.discharge_power_max_w()
                if not -discharge_w * 1.05 - LIMIT_SLACK_W <= action.power_w <= charge_w * 1.05 + LIMIT_SLACK_W:
                    text = f"{action.power_w:.0f} W, its management allows {-discharge_w:.0f} to {charge_w:.0f} W"
                    yield Found("management", battery.id, text)

    def _silent(self, told: Mapping[DeviceId, Command]) -> Iterator[Found]:
        """Who has been silent is told to rest, and has room for its nameplate beside what the others are told."""
        silent = [each for each in self._site.controllables if self._stage.silent_for_s(each.id) > STALE_S]
        for device in silent:
            action = told[device.id].action
            power_w = told_draw_w(device.id, told[device.id], self._site)
            by_itself = isinstance(action, HeatPumpPower) and action.power_w is None
            discharges = isinstance(action, BatteryPower) and action.power_w < 0
            if (power_w > 0 and not by_itself) or discharges:
                yield Found("silent", device.id, f"{power_w:.0f} W told to a device that does not answer")
        if silent and self._stage.blind_since_s() is None:
            yield from self._room_for(silent, told)

    def _room_for(self, silent: Sequence[Controllable], told: Mapping[DeviceId, Command]) -> Iterator[Found]:
        others = {key: command for key, command in told.items() if key not in {each.id for each in silent}}
        draws_w = self._sums(others, told_draw_w)
        for circuit in self._site.circuits:
            for phase, draw_w in zip(PHASES, draws_w[circuit.id], strict=True):
                kept_w = sum(
                    nameplate_on_w(each, phase)
                    for each in silent
                    if each.id in self._flows.behind[circuit.id] and not isinstance(each, PvPlant)
                )
                if draw_w > 0 and kept_w > 0 and draw_w + kept_w > circuit.fuse_a * VOLTAGE_V * (1 + 1e-6):
                    text = f"{draw_w:.0f} W told on {phase} beside {kept_w:.0f} W that silent devices may draw"
                    yield Found("silent", str(circuit.id), text)


def _discharge_w(device_id: DeviceId, command: Command, site: Site) -> float:
    """What a battery is told to give, >= 0 [W]."""
    del device_id, site
    return max(0.0, -command.action.power_w) if isinstance(command.action, BatteryPower) else 0.0
