"""A simulated house that lives in scaled time: whole house seconds of true physics, as many as the clock says."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta

from hems.domain.site import Site
from hems.domain.time import SLOT_S, floor_to
from hems.runtime.clock import ScaledClock
from hems.sim.data import HouseData
from hems.sim.house import SimHouse
from hems.sim.meter import PhasePower
from hems.sim.servers.clouds import Clouds

SEED = 1
"""Of everything made up in a demo house."""
PACE_S = 0.05
"""Real seconds between two looks at the clock, at least: 20 a second cost little and look smooth [s]."""
STEPS_MAX = 20
"""Steps in one go, so that servers answer in between; a house that is further behind takes longer ones."""

IMPORT_BEFORE_WH, EXPORT_BEFORE_WH = 8_765_432.0, 6_543_210.0
"""What the counters stood at when the simulation began."""

Control = Callable[[], None]


class LivingHouse:
    """Advances the house up to its clock and lets devices act before, and servers speak after, each step.

    Steps are one second, longer only where the house is behind: at its start, which is a quarter hour of the data,
    after the machine slept, and above some 400 times real time.
    """

    def __init__(self, house: SimHouse, data: HouseData, clock: ScaledClock, *, seed: int) -> None:
        """``data`` is what the house was made with; its monotonic second 0 must be the clock's."""
        self.house = house
        self._data = data
        self.clock = clock
        self.grid_phase_w: PhasePower = (0.0, 0.0, 0.0)
        """Exchange with the grid in the last step, import positive [W]."""
        self.import_wh, self.export_wh = IMPORT_BEFORE_WH, EXPORT_BEFORE_WH
        """Counters of the grid meter; phases are summed before, as Dutch and German meters do [Wh]."""
        self._clouds = Clouds(seed=seed)
        self._before: list[Control] = []
        self._after: list[Control] = []

    def before_step(self, control: Control) -> None:
        """Call ``control`` before each step: a device's own timers and control loops act there."""
        self._before.append(control)

    def after_step(self, tell: Control) -> None:
        """Call ``tell`` after each step."""
        self._after.append(tell)

    @property
    def grid_power_w(self) -> float:
        """Exchange with the grid in the last step, import positive [W]."""
        return sum(self.grid_phase_w)

    async def run(self) -> None:
        """Live until cancelled.

        Raises:
            BadInputError: the data has ended.
        """
        while True:
            now_s = self.clock.monotonic_s()
            await self.clock.sleep_until(max(self.house.mono_s + 1, now_s + PACE_S * self.clock.speed))
            self.catch_up()

    def catch_up(self) -> None:
        """Live up to the last whole second of the clock, or as far as one go allows."""
        behind_s = math.floor(self.clock.monotonic_s() - self.house.mono_s)
        step_s = max(1, math.ceil(behind_s / STEPS_MAX))
        for _ in range(min(STEPS_MAX, behind_s)):
            left_s = math.floor(self.clock.monotonic_s() - self.house.mono_s)
            if left_s < 1:
                return
            self.step(min(step_s, left_s, SLOT_S - self.house.elapsed_s % SLOT_S))

    def step(self, step_s: int) -> None:
        """Let the house live for some seconds inside a slot."""
        house = self.house
        house.enter_slot()
        self._shine()
        for control in self._before:
            control()
        house.advance(step_s)
        energy_ws = [0.0, 0.0, 0.0]
        for stretch in house.stretches:
            power_w = stretch.grid_power_w
            self.import_wh += max(0.0, power_w) * stretch.seconds / 3600
            self.export_wh += max(0.0, -power_w) * stretch.seconds / 3600
            for phase in range(3):
                energy_ws[phase] += (stretch.device_phase_w[phase] + stretch.household_phase_w[phase]) * stretch.seconds
        self.grid_phase_w = (energy_ws[0] / step_s, energy_ws[1] / step_s, energy_ws[2] / step_s)
        for tell in self._after:
            tell()

    def _shine(self) -> None:
        """Sun of the coming step: the slot's mean, with clouds."""
        house = self.house
        mean_w = float(self._data.pv_w[self._data.slot_index(house.at)])
        shining_w = mean_w * self._clouds.factor(house.at, mean_w)
        peak_w = sum(plant.plant.peak_w for plant in house.pv.values())
        for plant in house.pv.values():
            plant.available_w = shining_w * plant.plant.peak_w / peak_w


def begun(site: Site, data: HouseData, clock: ScaledClock, *, start_at: datetime) -> LivingHouse:
    """A house that is at the clock's second 0 at ``start_at``; it begins with the quarter hour before."""
    begins_at = floor_to(start_at, SLOT_S)
    start_mono_s = (begins_at - start_at) / timedelta(seconds=1)
    house = SimHouse(site, data, seed=SEED, start_at=begins_at, start_mono_s=start_mono_s)
    return LivingHouse(house, data, clock, seed=SEED)
