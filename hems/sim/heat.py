"""Heat pump with a room and a hot water tank."""

import math
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from hems.domain.command import Action, HeatPumpPower
from hems.domain.heat import DRAW_SHARES, cop_ratio, tank_capacity_wh_per_k
from hems.domain.reading import HeatPumpValues
from hems.domain.site import HeatPump, TankModel
from hems.domain.time import civil_day, local_day
from hems.sim.devices import NEVER_S, DeviceState, Scalar, number, optional_number

COLD_WATER_C = 10.0
OVERHEAT_K = 3.0
"""The device itself stops heating what is this far above its band [K]."""
START_RATIO = 0.2
STOP_RATIO = 0.8
"""Own thermostat: starts when the needier of room and tank is below 20 % of its band, stops above 80 %."""
DRAW_DAY_SIGMA = 0.2


class HotWaterDraws:
    """Seeded hot water use: a morning and an evening, another amount every day (sd 20 %)."""

    def __init__(self, tank: TankModel, *, zone: ZoneInfo, seed: int) -> None:
        self._tank = tank
        self._zone = zone
        self._seed = seed
        self._day: date | None = None
        self._power_w: list[float] = []
        self._midnight_at: datetime | None = None

    def power_w(self, at: datetime) -> float:
        """Heat tapped in the slot that contains an instant, mean [W]."""
        day = local_day(at, self._zone)
        if day != self._day or self._midnight_at is None:
            self._make_day(day)
        assert self._midnight_at is not None
        return self._power_w[int((at - self._midnight_at).total_seconds() // 900)]

    def _make_day(self, day: date) -> None:
        span = civil_day(day, self._zone)
        generator = np.random.default_rng([self._seed, 4, day.toordinal()])
        total_wh = self._tank.draw_wh_per_day * float(generator.lognormal(-(DRAW_DAY_SIGMA**2) / 2, DRAW_DAY_SIGMA))
        chances = generator.exponential(size=100)
        count = round(span.duration_s) // 900
        power_w = [0.0] * count
        for from_h, to_h, share in DRAW_SHARES:
            slots = [slot for slot in range(count) if from_h <= slot / 4 < to_h]  # clock-change days: an hour off
            weight = sum(float(chances[slot]) for slot in slots)
            for slot in slots:
                power_w[slot] += total_wh * share * float(chances[slot]) / weight * 4
        self._day, self._power_w, self._midnight_at = day, power_w, span.start_at


class SimHeatPump:
    """Heat pump that keeps its own minimum run and rest, and sends its heat where it is needed more.

    Safe state: its own thermostat, which modulates with the need; it goes by it, too, when it is held at rest for too
    long, until it is told something else. Room: C dT/dt = heat - loss (T - outdoor), solved
    exactly for constant heat. Tank: the same towards the room, minus what is tapped.
    """

    def __init__(self, pump: HeatPump) -> None:
        self.pump = pump
        self.outdoor_c = 7.0
        """Set by the house before each stretch."""
        self.draw_w = 0.0
        """Heat tapped from the tank, >= 0 [W]; set by the house before each stretch."""
        self.power_w = 0.0
        self.room_c = None if pump.room is None else (pump.room.comfort_min_c + pump.room.comfort_max_c) / 2
        self.tank_c = None if pump.tank is None else (pump.tank.temperature_min_c + pump.tank.temperature_max_c) / 2
        self.overheat_k = 0.0
        """Warmth that the pump put into a room that was above its band already, as far as it has not leaked out [K]."""
        self._wanted_w: float | None = None
        self._running = False
        self._since_s = 10**9
        self._held_s = 0
        """For how long it has been told to rest on end."""

    def apply(self, action: Action | None) -> None:
        """Hold an electrical power, or the thermostat."""
        if action is not None and not isinstance(action, HeatPumpPower):
            raise TypeError(f"{self.pump.id} takes a heat pump power, got {action.kind}")
        self._wanted_w = None if action is None else action.power_w
        if self._wanted_w != 0:
            self._held_s = 0

    def next_change_s(self) -> float:
        """End of a minimum run or rest, where a held command can act, or of its patience with being held at rest."""
        dwell_s = self.pump.min_run_s if self._running else self.pump.min_rest_s
        ends_s = [dwell_s - self._since_s]
        if self._wanted_w == 0 and self.pump.rest_max_s is not None:
            ends_s.append(self.pump.rest_max_s - self._held_s)
        return min((each for each in ends_s if each > 0), default=NEVER_S)

    def _room_ratio(self) -> float | None:
        """Place of the room in its band: 0 at the lower end, 1 at the upper."""
        room = self.pump.room
        if room is None or self.room_c is None:
            return None
        return (self.room_c - room.comfort_min_c) / (room.comfort_max_c - room.comfort_min_c)

    def _tank_ratio(self) -> float | None:
        tank = self.pump.tank
        if tank is None or self.tank_c is None:
            return None
        return (self.tank_c - tank.temperature_min_c) / (tank.temperature_max_c - tank.temperature_min_c)

    def _too_hot(self) -> bool:
        room, tank = self.pump.room, self.pump.tank
        room_hot = room is None or self.room_c is None or self.room_c >= room.comfort_max_c + OVERHEAT_K
        tank_hot = tank is None or self.tank_c is None or self.tank_c >= tank.temperature_max_c + OVERHEAT_K
        return room_hot and tank_hot

    def _thermostat_w(self) -> float:
        """Own control: proportional to the need between start and stop."""
        pump = self.pump
        ratios = [ratio for ratio in (self._room_ratio(), self._tank_ratio()) if ratio is not None]
        need_ratio = min(ratios) if ratios else 1.0
        if need_ratio >= STOP_RATIO or (not self._running and need_ratio > START_RATIO):
            return 0.0
        share = min(1.0, max(0.0, (STOP_RATIO - need_ratio) / STOP_RATIO))
        return pump.power_min_w + share * (pump.power_max_w - pump.power_min_w)

    def _next_power_w(self) -> float:
        """Power after own control, limits and dwell times."""
        pump = self.pump
        patient = pump.rest_max_s is None or self._held_s < pump.rest_max_s
        wanted_w = self._thermostat_w() if self._wanted_w is None or not patient else self._wanted_w
        if self._too_hot():
            wanted_w = 0.0
        runs = wanted_w >= pump.power_min_w
        if self._running and not runs and self._since_s < pump.min_run_s:
            return pump.power_min_w
        if not self._running and runs and self._since_s < pump.min_rest_s:
            return 0.0
        return min(wanted_w, pump.power_max_w) if runs else 0.0

    def advance(self, seconds: int) -> None:
        """Heat room or tank, whichever is lower in its band."""
        self.power_w = self._next_power_w()
        running = self.power_w > 0
        self._since_s = seconds if running != self._running else self._since_s + seconds
        self._running = running
        if self._wanted_w == 0:
            self._held_s += seconds
        heat_w = self.power_w * cop_ratio(self.pump, self.outdoor_c)
        room_ratio, tank_ratio = self._room_ratio(), self._tank_ratio()
        to_tank = tank_ratio is not None and (room_ratio is None or tank_ratio < room_ratio)
        self._pass_heat(seconds, to_room_w=0.0 if to_tank else heat_w, to_tank_w=heat_w if to_tank else 0.0)

    def _pass_heat(self, seconds: int, *, to_room_w: float, to_tank_w: float) -> None:
        room, tank = self.pump.room, self.pump.tank
        around_tank_c = 20.0 if self.room_c is None else self.room_c
        if room is not None and self.room_c is not None:
            settled_c = self.outdoor_c + to_room_w / room.loss_w_per_k
            decay = math.exp(-seconds / 3600 / room.time_constant_h)
            above_k = to_room_w / room.loss_w_per_k if self.room_c >= room.comfort_max_c else 0.0
            self.overheat_k = above_k + (self.overheat_k - above_k) * decay
            self.room_c = settled_c + (self.room_c - settled_c) * decay
        if tank is not None and self.tank_c is not None:
            net_w = to_tank_w - self.draw_w - tank.loss_w_per_k * (self.tank_c - around_tank_c)
            after_c = self.tank_c + net_w * seconds / 3600 / tank_capacity_wh_per_k(tank)
            self.tank_c = max(after_c, COLD_WATER_C)

    def discomfort_k(self) -> float:
        """How far the room is below its band, or above it by the pump's doing [K].

        Hot weather is not the pump's doing: unmanaged, home B would have 272 degree hours from June to September.
        """
        room = self.pump.room
        if room is None or self.room_c is None:
            return 0.0
        return max(room.comfort_min_c - self.room_c, min(self.room_c - room.comfort_max_c, self.overheat_k), 0.0)

    def tank_discomfort_k(self) -> float:
        """How far the water is below its lower temperature [K]."""
        tank = self.pump.tank
        return 0.0 if tank is None or self.tank_c is None else max(tank.temperature_min_c - self.tank_c, 0.0)

    def values(self) -> HeatPumpValues:
        """Power and temperatures."""
        return HeatPumpValues(power_w=self.power_w, room_c=self.room_c, tank_c=self.tank_c)

    def state(self) -> dict[str, Scalar]:
        """Temperatures and dwell."""
        return {
            "power_w": self.power_w,
            "room_c": self.room_c,
            "overheat_k": self.overheat_k,
            "tank_c": self.tank_c,
            "wanted_w": self._wanted_w,
            "running": self._running,
            "since_s": self._since_s,
            "held_s": self._held_s,
        }

    def restore(self, state: DeviceState) -> None:
        """Inverse of :meth:`state`."""
        self.power_w = number(state, "power_w")
        self.room_c = optional_number(state, "room_c")
        self.overheat_k = number(state, "overheat_k")
        self.tank_c = optional_number(state, "tank_c")
        self._wanted_w = optional_number(state, "wanted_w")
        self._running = bool(state["running"])
        self._since_s = round(number(state, "since_s"))
        self._held_s = round(number(state, "held_s"))
