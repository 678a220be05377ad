"""Three-phase grid meter with latency and its own telegram period."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hems.domain.command import Action
from hems.domain.power import PhaseValues
from hems.domain.reading import GridValues, Reading
from hems.domain.site import DeviceId, GridMeter
from hems.sim.household import Household

PhasePower = tuple[float, float, float]

MEMORY_S = 3_600
"""Kept for a reader that comes late, at least and at most twice this; in an unmanaged run nobody reads at all [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A command that a device follows."""

    action: Action
    expires_mono_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Whole seconds in which every device's power was constant: the truth, for meter and checkers."""

    start_s: int
    """Since the start of the run."""
    seconds: int
    power_w: Mapping[DeviceId, float]
    device_phase_w: PhasePower
    """All devices together."""
    household_phase_w: PhasePower
    """Mean of the uncontrolled load."""
    held: Mapping[DeviceId, Held]

    @property
    def end_s(self) -> int:
        """First second after it."""
        return self.start_s + self.seconds

    @property
    def grid_power_w(self) -> float:
        """Mean exchange with the grid, import positive [W]."""
        return sum(self.device_phase_w) + sum(self.household_phase_w)


class SimMeter:
    """Sees whole seconds, ``latency_s`` late, when a telegram comes.

    A telegram comes every ``period_s``. The mean since the image before is exact, as from energy counters; the
    highest second is that of the telegrams: a meter of 10 s sees one second in ten.
    """

    def __init__(self, meter: GridMeter, household: Household, *, start_unix_s: int, latency_s: float) -> None:
        self._period_s = max(1, round(meter.period_s))
        self._latency_s = latency_s
        self._household = household
        self._start_unix_s = start_unix_s
        self._pending: list[Stretch] = []
        self._seen_s = 0
        self.last: Reading[GridValues] | None = None

    def note(self, stretch: Stretch) -> None:
        """Something flowed."""
        self._pending.append(stretch)
        if self._pending[0].end_s <= stretch.end_s - 2 * MEMORY_S:
            self._pending = [each for each in self._pending if each.end_s > stretch.end_s - MEMORY_S]

    def read(self, *, elapsed_s: float, start_mono_s: float) -> Reading[GridValues]:
        """Newest telegram; the same reading again when none came since the last call."""
        telegram_s = math.floor((elapsed_s - self._latency_s) / self._period_s) * self._period_s
        if telegram_s > self._seen_s:
            values = self._between(max(self._seen_s, self._pending[0].start_s), telegram_s)
            self.last = Reading(value=values, mono_s=start_mono_s + telegram_s + self._latency_s)
            self._seen_s = telegram_s
            self._pending = [stretch for stretch in self._pending if stretch.end_s > telegram_s]
        if self.last is None:
            # Before the first telegram of a run: the house as it stands, its devices still at 0 W.
            first = PhaseValues(**_by_name(self._household.seconds(self._start_unix_s, 1)[0].tolist()))
            values = GridValues(power_w=first.total, phase_power_w=first, phase_power_high_w=first)
            self.last = Reading(value=values, mono_s=start_mono_s + elapsed_s)
        return self.last

    def _between(self, from_s: int, to_s: int) -> GridValues:
        energy_ws = [0.0, 0.0, 0.0]
        high_w = [-math.inf] * 3
        for stretch in self._pending:
            first_s, end_s = max(from_s, stretch.start_s), min(to_s, stretch.end_s)
            if end_s <= first_s:
                continue
            seconds = self._household.seconds(self._start_unix_s + first_s, end_s - first_s)
            sums_ws = seconds.sum(axis=0).tolist()
            seen = seconds[-(first_s + 1) % self._period_s :: self._period_s]
            highs_w = seen.max(axis=0).tolist() if len(seen) else high_w
            for phase, device_w in enumerate(stretch.device_phase_w):
                energy_ws[phase] += sums_ws[phase] + device_w * (end_s - first_s)
                high_w[phase] = max(high_w[phase], highs_w[phase] + device_w)
        mean = PhaseValues(**_by_name([energy / (to_s - from_s) for energy in energy_ws]))
        return GridValues(power_w=mean.total, phase_power_w=mean, phase_power_high_w=PhaseValues(**_by_name(high_w)))

    def state(self) -> dict[str, Any]:
        """What was noted and not read yet; commands are left out, a meter does not know them."""
        pending = [
            [each.start_s, each.seconds, list(each.device_phase_w), list(each.household_phase_w)]
            for each in self._pending
        ]
        return {"seen_s": self._seen_s, "pending": pending}

    def restore(self, state: Mapping[str, Any], *, last: Reading[GridValues] | None) -> None:
        """Inverse of :meth:`state`."""
        self._seen_s = state["seen_s"]
        self._pending = [
            Stretch(
                start_s=start_s,
                seconds=seconds,
                power_w={},
                device_phase_w=(device_w[0], device_w[1], device_w[2]),
                household_phase_w=(house_w[0], house_w[1], house_w[2]),
                held={},
            )
            for start_s, seconds, device_w, house_w in state["pending"]
        ]
        self.last = last


def _by_name(phases_w: list[float]) -> dict[str, float]:
    return {"l1": phases_w[0], "l2": phases_w[1], "l3": phases_w[2]}
