"""The load that nothing controls, second by second and phase by phase.

Measured load is flat over a quarter or half hour; a fuse is not tested by that. This module puts seeded appliance
pulses and a seeded phase split under each slot mean and keeps the mean exactly: pulses take at most 85 % of the
slot's energy, a flat base takes the rest. Everything is a function of (seed, day, slot), so that a run which is
resumed sees the same seconds.

The house alone never exceeds its cap, 80 % of the main fuse per phase (20 A of 25 A): an ordinary house does not
blow its fuse without a car. Appliance powers and times are nameplate values of common European appliances; they run
about as often as at home (oven or hob in 8 quarter hours a day, a kettle in 6), but at any hour and in any mixture.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hems.domain.errors import BadInputError
from hems.domain.power import VOLTAGE_V
from hems.domain.site import Site
from hems.domain.time import SLOT_S, unix_s
from hems.sim.data import HouseData
from hems.sim.series import FloatArray

SLOTS_PER_DAY = 96
DAY_S = SLOTS_PER_DAY * SLOT_S
CAP_OF_FUSE_RATIO = 0.8
PULSE_ENERGY_RATIO = 0.85
"""Most of a slot's energy that pulses may take; the rest is base load."""
SHARE_PERIODS_H = (5.3, 17.9, 61.7)
"""Periods of the phase split's drift [h]; without a common multiple inside a year."""
SHARE_SWING = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """Something that switches: on for ``on_s``, then off for ``off_s``, ``pulses_max`` times in a slot."""

    name: str
    power_w: float
    on_s: tuple[int, int]
    """Shortest and longest pulse [s]."""
    off_s: int
    pulses_max: int
    chance: float
    """Probability that it is considered in a slot; it then runs if the slot's energy and the cap allow."""


APPLIANCES = (
    Appliance(name="fridge", power_w=90.0, on_s=(300, 600), off_s=900, pulses_max=1, chance=0.7),
    Appliance(name="oven", power_w=2_500.0, on_s=(40, 90), off_s=70, pulses_max=7, chance=0.08),
    Appliance(name="washing machine", power_w=2_000.0, on_s=(240, 600), off_s=900, pulses_max=1, chance=0.05),
    Appliance(name="kettle", power_w=2_000.0, on_s=(90, 210), off_s=300, pulses_max=2, chance=0.06),
    Appliance(name="microwave", power_w=1_300.0, on_s=(60, 180), off_s=60, pulses_max=2, chance=0.05),
)


class Household:
    """One-second phase power of everything uncontrolled."""

    def __init__(self, *, site: Site, data: HouseData, seed: int) -> None:
        self._phase_count = site.connection.phase_count
        self._data = data
        self._seed = seed
        self._slot_zero = round(unix_s(data.grid.start_at)) // SLOT_S
        fuse_w = site.circuits[0].fuse_a * VOLTAGE_V
        self.cap_w = CAP_OF_FUSE_RATIO * fuse_w
        """Most that the house alone draws on a phase, unless a slot's mean alone is more [W]."""
        mean_max_w = float(data.uncontrolled_load_w.max()) / self._phase_count
        if mean_max_w > fuse_w:
            raise BadInputError(
                f"a load of {mean_max_w * self._phase_count:.0f} W does not fit behind {site.circuits[0].fuse_a:g} A "
                f"on {self._phase_count} phases: the data is of another house"
            )
        generator = np.random.default_rng([seed, 1])
        self._appliance_phase = [int(phase) for phase in generator.permutation(len(APPLIANCES)) % self._phase_count]
        self._share_offset_h = generator.uniform(0, 1_000, size=(len(SHARE_PERIODS_H), self._phase_count))
        self._days: dict[int, FloatArray] = {}
        self._highs: dict[int, list[list[float]]] = {}

    def seconds(self, unix_start_s: int, count: int) -> FloatArray:
        """Power of each second on L1, L2, L3, all >= 0 [W]; shape (count, 3). Must lie within one UTC day."""
        day, offset_s = divmod(unix_start_s, DAY_S)
        return self._day(day)[offset_s : offset_s + count]

    def slot_high_w(self, unix_start_s: int) -> list[float]:
        """Highest second per phase in the slot that contains an instant [W]."""
        day, offset_s = divmod(unix_start_s, DAY_S)
        self._day(day)
        return self._highs[day][offset_s // SLOT_S]

    def _day(self, day: int) -> FloatArray:
        found = self._days.get(day)
        if found is None:
            found = self._make_day(day)
            found.flags.writeable = False
            self._days = {kept: self._days[kept] for kept in self._days if kept == day - 1}
            self._days[day] = found
            slots = found.reshape(SLOTS_PER_DAY, SLOT_S, 3)
            self._highs = {kept: self._highs[kept] for kept in self._highs if kept in self._days}
            self._highs[day] = slots.max(axis=1).tolist()
        return found

    def _make_day(self, day: int) -> FloatArray:
        """All seconds of a UTC day; slots outside the data are 0."""
        generator = np.random.default_rng([self._seed, 2, day])
        power_w = np.zeros((SLOTS_PER_DAY, SLOT_S, 3))
        shares = self._base_shares(day)
        for slot in range(SLOTS_PER_DAY):
            draws = generator.random((len(APPLIANCES), 3))  # always drawn: one slot's data does not move the next one's
            index = day * SLOTS_PER_DAY + slot - self._slot_zero
            if not 0 <= index < self._data.grid.count:
                continue
            heat_w = float(self._data.heat_pump_w[index]) / self._phase_count
            load_w = float(self._data.load_w[index])
            cap_w = max(self.cap_w - heat_w, load_w / self._phase_count)
            self._fill_slot(power_w[slot], load_w=load_w, cap_w=cap_w, shares=shares[slot], draws=draws)
            power_w[slot, :, : self._phase_count] += heat_w
            highest_w = float(power_w[slot].max())
            assert highest_w <= max(self.cap_w, cap_w + heat_w) + 1e-6, f"house alone at {highest_w} W on a phase"
        return power_w.reshape(DAY_S, 3)

    def _base_shares(self, day: int) -> FloatArray:
        """Share of the base load on each phase per slot: slow, seeded, positive, sum 1."""
        hours = (day * SLOTS_PER_DAY + np.arange(SLOTS_PER_DAY)) * (SLOT_S / 3600)
        logits = np.zeros((SLOTS_PER_DAY, self._phase_count))
        for period_h, offsets_h in zip(SHARE_PERIODS_H, self._share_offset_h, strict=True):
            logits += SHARE_SWING * np.sin(2 * np.pi * (hours[:, None] + offsets_h) / period_h)
        weights = np.exp(logits)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)

    def _fill_slot(
        self, out_w: FloatArray, *, load_w: float, cap_w: float, shares: FloatArray, draws: npt.NDArray[np.float64]
    ) -> None:
        """Write pulses and base of one slot so that its mean over all phases is ``load_w``."""
        energy_ws = load_w * SLOT_S
        pulse_ws = 0.0
        share = _shares_below(cap_w, load_w=load_w, shares=shares)
        highs_w = [0.0] * self._phase_count
        for appliance, phase, draw in zip(APPLIANCES, self._appliance_phase, draws, strict=True):
            if draw[0] >= appliance.chance:
                continue
            on_s = round(appliance.on_s[0] + draw[1] * (appliance.on_s[1] - appliance.on_s[0]))
            step_s = on_s + appliance.off_s
            start_s = round(draw[2] * max(0, min(SLOT_S - on_s, appliance.off_s)))
            for _ in range(appliance.pulses_max):
                end_s = start_s + on_s
                after_ws = pulse_ws + appliance.power_w * on_s
                if end_s > SLOT_S or after_ws > PULSE_ENERGY_RATIO * energy_ws:
                    break
                here = out_w[start_s:end_s, phase]
                high_w = max(highs_w[phase], float(here.max()) + appliance.power_w)
                base_w = (energy_ws - after_ws) / SLOT_S * share[phase]
                if high_w + base_w > cap_w:
                    break
                here += appliance.power_w
                highs_w[phase] = high_w
                pulse_ws = after_ws
                start_s += step_s
        base_w = (energy_ws - pulse_ws) / SLOT_S
        for phase in range(self._phase_count):
            out_w[:, phase] += base_w * share[phase]


def _shares_below(cap_w: float, *, load_w: float, shares: FloatArray) -> list[float]:
    """The shares, drawn towards equal ones just so far that the whole load as base stays below the cap."""
    even = 1 / len(shares)
    excess = float(shares.max()) - even
    room = cap_w / load_w - even if load_w > 0 else excess
    keep = 1.0 if excess <= room else max(0.0, room / excess)
    return [even + keep * (float(share) - even) for share in shares]
