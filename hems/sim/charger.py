"""Charger and the cars that come to it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from hems.domain.command import Action, ChargeCurrent
from hems.domain.power import VOLTAGE_V
from hems.domain.reading import CarState, ChargerValues
from hems.domain.site import Charger
from hems.sim.data import Session
from hems.sim.devices import NEVER_S, DeviceState, Scalar, number

TAPER_RATIO = 0.05
"""Last part of a session in which a car lowers its power towards the smallest current."""
SLEEP_AFTER_S = 7_200
"""A car that was offered nothing for two hours sleeps."""
WAKE_S = (60, 120)
"""A sleeping car needs this long before it draws: shortest and longest."""
PHASE_SWITCH_S = 30
"""Pause while the charger changes between one and three phases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One session in seconds since the start of the run."""

    start_s: int
    end_s: int
    energy_wh: float
    deliverable_wh: float
    """What full power over the whole stay could give, at most what is wanted [Wh]."""
    taper_wh: float
    """Energy at the end of the session that comes at falling power [Wh]."""


def stay_of(session: Session, *, start_at: datetime, charger: Charger) -> Stay:
    """A session as this run sees it.

    A car that is there already when the run starts counts as plugged in at the start and wants all its energy.
    The taper takes at most half of the session's slack, so that what is possible at full power stays possible.

    Source of the taper's cost: with power falling linearly in the remaining energy from ``full`` to ``least``, an
    energy E takes E ln(full/least)/(full - least) hours instead of E/full.
    """
    start_s = max(0, round((session.plugin_at - start_at).total_seconds()))
    end_s = round((session.plugout_at - start_at).total_seconds())
    full_w = charger.power_max_w
    connected_h = (end_s - start_s) / 3600
    slack_h = connected_h - session.energy_wh / full_w
    least_w = _least_power_w(charger, max(charger.phase_counts))
    taper_wh = TAPER_RATIO * session.energy_wh if full_w > least_w else 0.0
    if taper_wh > 0:
        extra_h_per_wh = math.log(full_w / least_w) / (full_w - least_w) - 1 / full_w
        taper_wh = max(0.0, min(taper_wh, slack_h / 2 / extra_h_per_wh))
    return Stay(
        start_s=start_s,
        end_s=end_s,
        energy_wh=session.energy_wh,
        deliverable_wh=min(session.energy_wh, full_w * connected_h),
        taper_wh=taper_wh,
    )


def _least_power_w(charger: Charger, phase_count: int) -> float:
    return min(charger.current_min_a * phase_count * VOLTAGE_V, charger.power_max_w)


class SimCharger:
    """Charger with a list of sessions; cars charge on all offered phases.

    Safe state: 0 A. ``unmanaged`` makes it the plain charger of a house without any control: full current whenever
    nothing holds a lease. A current below the smallest one is none; a number of phases that it cannot switch to
    is not followed.
    """

    def __init__(
        self, charger: Charger, sessions: Sequence[Session], *, start_at: datetime, seed: int, unmanaged: bool
    ) -> None:
        self.charger = charger
        stays = (stay_of(session, start_at=start_at, charger=charger) for session in sessions)
        self._stays = tuple(stay for stay in stays if stay.end_s > 0)
        self._seed = seed
        self._unmanaged = unmanaged
        self.power_w = 0.0
        self.unmet_wh = 0.0
        """Energy that cars left without, against what full power could have given [Wh]."""
        self._clock_s = 0
        self._stay = 0
        self._energy_wh = 0.0
        self._unoffered_s = 0
        self._waking_s = 0
        self._asleep = False
        self._wakes = 0
        self._switching_s = 0
        self._phase_count = max(charger.phase_counts)
        self._wanted_a = 0.0
        self.apply(None)

    @property
    def stay(self) -> Stay | None:
        """The session of the car that is plugged in."""
        if self._stay < len(self._stays) and self._stays[self._stay].start_s <= self._clock_s:
            return self._stays[self._stay]
        return None

    @property
    def phase_count(self) -> int:
        """Phases in use, or that would be used."""
        return self._phase_count

    @property
    def offered_a(self) -> float:
        """Current offered to the car now [A]."""
        charger = self.charger
        if self._switching_s > 0 or self._wanted_a < charger.current_min_a:
            return 0.0
        nameplate_a = charger.power_max_w / (self._phase_count * VOLTAGE_V)
        return min(self._wanted_a, charger.current_max_a, nameplate_a)

    def apply(self, action: Action | None) -> None:
        """Offer a current; a change of phases pauses for 30 s while a car is there."""
        if action is None:
            full_a = self.charger.current_max_a if self._unmanaged else 0.0
            action = ChargeCurrent(
                current_a=full_a,
                phase_count=max(self.charger.phase_counts) if self._unmanaged else self._phase_count,
            )
        if not isinstance(action, ChargeCurrent):
            raise TypeError(f"{self.charger.id} takes a charge current, got {action.kind}")
        self._wanted_a = action.current_a
        if action.phase_count != self._phase_count and action.phase_count in self.charger.phase_counts:
            self._phase_count = action.phase_count
            self._switching_s = PHASE_SWITCH_S if self.stay is not None else 0
        if self.offered_a > 0:
            self._offer_seen()

    def give_all(self) -> None:
        """Offer what it can, as a charger does that has just started and was told nothing yet."""
        self.apply(ChargeCurrent(current_a=self.charger.current_max_a, phase_count=max(self.charger.phase_counts)))

    def _offer_seen(self) -> None:
        """A car that sleeps starts to wake when it sees an offer."""
        if self.stay is None:
            return
        if self._unoffered_s >= SLEEP_AFTER_S and not self._asleep:
            generator = np.random.default_rng([self._seed, 3, self._stay, self._wakes])
            self._waking_s = int(generator.integers(WAKE_S[0], WAKE_S[1] + 1))
            self._wakes += 1
            self._asleep = True
        self._unoffered_s = 0

    def _drawn_w(self) -> float:
        """Power that the car takes now, were the stretch short [W]."""
        stay, offered_a = self.stay, self.offered_a
        if stay is None or offered_a == 0 or self._asleep or self._finished(stay):
            return 0.0
        offered_w = self.charger.power_at_w(current_a=offered_a, phase_count=self._phase_count)
        remaining_wh = stay.energy_wh - self._energy_wh
        if remaining_wh >= stay.taper_wh:
            return offered_w
        full_a = min(self.charger.current_max_a, self.charger.power_max_w / (self._phase_count * VOLTAGE_V))
        full_w = self.charger.power_at_w(current_a=full_a, phase_count=self._phase_count)
        least_w = _least_power_w(self.charger, self._phase_count)
        return min(offered_w, least_w + (full_w - least_w) * remaining_wh / stay.taper_wh)

    def _finished(self, stay: Stay) -> bool:
        return stay.energy_wh - self._energy_wh <= 1e-6

    def next_change_s(self) -> float:
        """Arrival, departure, end of a pause, waking, taper or end of charging, whichever comes first."""
        if self._stay >= len(self._stays):
            return NEVER_S
        stay = self._stays[self._stay]
        changes_s: list[float] = [(stay.start_s if self._clock_s < stay.start_s else stay.end_s) - self._clock_s]
        if self._switching_s > 0:
            changes_s.append(self._switching_s)
        if self._asleep and self.offered_a > 0:
            changes_s.append(self._waking_s)
        drawn_w = self._drawn_w()
        if drawn_w > 0:
            remaining_wh = stay.energy_wh - self._energy_wh
            until_taper_wh = remaining_wh - stay.taper_wh
            changes_s.append((until_taper_wh if until_taper_wh > 1e-6 else remaining_wh) * 3600 / drawn_w)
        return min(changes_s)

    def advance(self, seconds: int) -> None:
        """Charge for a stretch; the car comes, sleeps, wakes, finishes or leaves at its end."""
        stay = self.stay
        if stay is not None:
            remaining_wh = stay.energy_wh - self._energy_wh
            self.power_w = min(self._drawn_w(), remaining_wh * 3600 / seconds)
            self._energy_wh += self.power_w * seconds / 3600
            self._pass_time(seconds)
        else:
            self.power_w = 0.0
            self._switching_s = max(0, self._switching_s - seconds)
        self._clock_s += seconds
        if stay is not None and self._clock_s >= stay.end_s:
            self._leave(stay)

    def _pass_time(self, seconds: int) -> None:
        if self.offered_a == 0:
            self._unoffered_s += seconds
        elif self._asleep:
            self._waking_s -= seconds
            self._asleep = self._waking_s > 0
        if self._switching_s > 0:
            self._switching_s = max(0, self._switching_s - seconds)
            if self.offered_a > 0:
                self._offer_seen()

    def _leave(self, stay: Stay) -> None:
        self.unmet_wh += max(0.0, stay.deliverable_wh - self._energy_wh)
        self._stay += 1
        self._energy_wh = 0.0
        self._unoffered_s = self._waking_s = self._wakes = 0
        self._asleep = False

    def values(self) -> ChargerValues:
        """What the charger knows of the car. Power is that of the last stretch, 0 once the car has gone."""
        stay = self.stay
        if stay is None:
            car = CarState.ABSENT
        elif self._finished(stay):
            car = CarState.FINISHED
        else:
            car = CarState.CHARGING if self.power_w > 0 and self.offered_a > 0 else CarState.CONNECTED
        return ChargerValues(
            car=car,
            power_w=self.power_w if stay is not None else 0.0,
            session_energy_wh=self._energy_wh,
            offered_current_a=self.offered_a,
            phase_count=self._phase_count,
        )

    def state(self) -> dict[str, Scalar]:
        """Session, car and offer."""
        return {
            "power_w": self.power_w,
            "unmet_wh": self.unmet_wh,
            "clock_s": self._clock_s,
            "stay": self._stay,
            "energy_wh": self._energy_wh,
            "unoffered_s": self._unoffered_s,
            "waking_s": self._waking_s,
            "asleep": self._asleep,
            "wakes": self._wakes,
            "switching_s": self._switching_s,
            "phase_count": self._phase_count,
            "wanted_a": self._wanted_a,
        }

    def restore(self, state: DeviceState) -> None:
        """Inverse of :meth:`state`."""
        self.power_w = number(state, "power_w")
        self.unmet_wh = number(state, "unmet_wh")
        self._clock_s = round(number(state, "clock_s"))
        self._stay = round(number(state, "stay"))
        self._energy_wh = number(state, "energy_wh")
        self._unoffered_s = round(number(state, "unoffered_s"))
        self._waking_s = round(number(state, "waking_s"))
        self._asleep = bool(state["asleep"])
        self._wakes = round(number(state, "wakes"))
        self._switching_s = round(number(state, "switching_s"))
        self._phase_count = round(number(state, "phase_count"))
        self._wanted_a = number(state, "wanted_a")
