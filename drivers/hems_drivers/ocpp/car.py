"""What a charger knows of its car, put together from statuses and meter values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hems.domain.power import VOLTAGE_V
from hems.domain.reading import CarState, ChargerValues, Quality, Reading
from hems.domain.site import Charger
from hems_drivers.ocpp.inbound import Measured
from hems_drivers.ocpp.transactions import Session

CARS: Mapping[str, CarState] = {
    "Available": CarState.ABSENT,
    "Reserved": CarState.ABSENT,
    "Preparing": CarState.CONNECTED,
    "SuspendedEVSE": CarState.CONNECTED,
    "SuspendedEV": CarState.CONNECTED,
    "Charging": CarState.CHARGING,
    "Finishing": CarState.FINISHED,
}
"""Faulted and Unavailable are missing: what a charger in trouble draws is not known."""
FINISHED_AFTER_S = 600.0
FINISHED_ENERGY_MIN_WH = 500.0
"""A car that refuses (SuspendedEV) what it is offered for ten minutes, and took at least this in its stay, is full. One
that took nothing waits for its own timer or sleeps, and must go on being offered; a pause for balancing cells or for
starting to charge is shorter than ten minutes."""
CARRIES_A = 1.0
"""Less is what the meter of a phase shows that nothing is connected to."""
DRAWS_W = 100.0
"""More than a charger needs for itself."""
MEASURED_AGE_MAX_S = 30.0
"""What was measured longer ago no longer contradicts a status that says that nothing flows: the last value of a session
often comes after its end."""
WINDOW_S = 60.0
"""Shortest time over which an energy register in steps of 10 Wh tells a power, to 0.6 kW."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the station was last told to offer, until it ends."""

    current_a: float = 0.0
    phase_count: int | None = None


class CarView:
    """Statuses and meter values of one charger, and what they amount to."""

    def __init__(self, charger: Charger) -> None:
        self._charger = charger
        self.status = ""
        self.register_wh: float | None = None
        self._whole_down = False
        self._heard_mono_s = 0.0
        self._power_w: float | None = None
        self._measured_mono_s = -math.inf
        self.known_mono_s = 0.0
        """When the power was last known to be what it is."""
        self._metered = False
        self._anchor: tuple[float, float] | None = None
        self._offered_a: float | None = None
        self._phase_count: int | None = None
        self._refused_since_mono_s: float | None = None
        self._full = False
        self.cut = False
        """The session was ended by us, because the charger ignored a pause; its car may go on later."""

    def hear(self, mono_s: float) -> None:
        """Anything came: what it said last still holds, or it would have told.

        Not so the power of a car that charges; only the meter tells it.
        """
        self._heard_mono_s = mono_s
        if not self.flowing:
            self.known_mono_s = mono_s
            if mono_s - self._measured_mono_s > MEASURED_AGE_MAX_S:
                self._power_w = 0.0

    @property
    def draws(self) -> bool:
        """Whether the car takes more than a charger needs for itself."""
        return self._power_w is not None and self._power_w >= DRAWS_W

    @property
    def flowing(self) -> bool:
        """Whether energy may flow, by status; also where there is none."""
        return self.status in ("", "Charging")

    def on_station_status(self, status: str) -> None:
        """Status of the whole station (connector 0)."""
        self._whole_down = status in ("Faulted", "Unavailable")

    def on_status(self, status: str) -> None:
        """Status of the connector. Where it says that no energy flows, what flowed before is over."""
        if status == self.status:
            return
        self.status = status
        self._refused_since_mono_s = None
        if status in ("Available", "Charging"):
            self._full = self.cut = False
        if status == "Available":
            self._phase_count = None
        if status != "Charging" and status in CARS:
            self._power_w, self._anchor, self._offered_a = 0.0, None, None

    def on_measured(self, measured: Measured, *, mono_s: float, told: Told) -> None:
        """Meter values of now."""
        if measured.register_wh is not None:
            self.register_wh = measured.register_wh
        self._offered_a = self._believable_a(measured.offered_current_a)
        carrying = sum(amps >= CARRIES_A for amps in measured.phase_current_a.values())
        if len(measured.phase_current_a) >= len(self._charger.phases) and carrying:
            self._phase_count = min(carrying, len(self._charger.phases))
        power_w = measured.power_w
        if power_w is None and measured.plain_current_a is not None:
            power_w = measured.plain_current_a * VOLTAGE_V * self._phases_used(told)
        if power_w is not None:
            self._metered = True
        elif not self._metered and measured.register_wh is not None:
            power_w = self._by_register(measured.register_wh, mono_s, told)
        if power_w is not None:
            # Meters show a few watts backwards where nothing flows.
            self._power_w = 0.0 if -DRAWS_W < power_w < 0 else power_w
            self._measured_mono_s = self.known_mono_s = mono_s

    def _by_register(self, register_wh: float, mono_s: float, told: Told) -> float:
        """Power where only energy is told [W]; what is offered until there is an answer, the most that it can be."""
        if self._anchor is None:
            self._anchor = (register_wh, mono_s)
            self._power_w = None
        since_wh, since_mono_s = self._anchor
        if mono_s - since_mono_s < WINDOW_S:
            offered_w = self._charger.power_at_w(current_a=told.current_a, phase_count=self._phases_used(told))
            return offered_w if self._power_w is None else self._power_w
        self._anchor = (register_wh, mono_s)
        return (register_wh - since_wh) * 3600 / (mono_s - since_mono_s)

    def _believable_a(self, offered_a: float | None) -> float | None:
        return offered_a if offered_a is not None and 0 <= offered_a <= 1.1 * self._charger.current_max_a else None

    def _phases_used(self, told: Told) -> int:
        return self._phase_count or told.phase_count or len(self._charger.phases)

    def reading(self, *, mono_s: float, session: Session, told: Told) -> Reading[ChargerValues] | None:
        """What can be said now; None: nothing yet.

        Stamped with when it was last known to be so: while a car charges, its last meter value; else the last word of
        the station, because it tells every change of status.
        """
        if self._whole_down or self.status in ("Faulted", "Unavailable"):
            return Reading(value=None, mono_s=self._heard_mono_s, quality=Quality.ABSENT)
        started = session.transaction is not None and session.transaction.meter_start_wh is not None
        if self._power_w is None:
            return None
        if started and self.register_wh is None and self._measured_mono_s == -math.inf:
            # After a restart of ours a session under way must not look as if nothing had been charged.
            return None
        car = self._car(mono_s, session, told)
        if car is None:
            return None
        values = ChargerValues(
            car=car,
            power_w=self._power_w,
            session_energy_wh=0.0 if car is CarState.ABSENT else session.energy_wh(self.register_wh),
            offered_current_a=told.current_a if self._offered_a is None else self._offered_a,
            phase_count=self._phases_used(told),
        )
        vouched = self._metered or not self.flowing
        return Reading(value=values, mono_s=self.known_mono_s, quality=Quality.GOOD if vouched else Quality.SUBSTITUTED)

    def _car(self, mono_s: float, session: Session, told: Told) -> CarState | None:
        if not self.status:
            # After a restart of ours a station that cannot be asked tells no status before the next change.
            known = session.transaction is not None or self.draws
            return (CarState.CHARGING if self.draws else CarState.CONNECTED) if known else None
        if self.status == "SuspendedEV" and told.current_a > 0:
            if self._refused_since_mono_s is None:
                self._refused_since_mono_s = mono_s
            refused_s = mono_s - self._refused_since_mono_s
            fed = session.energy_wh(self.register_wh) >= FINISHED_ENERGY_MIN_WH
            self._full = self._full or (fed and refused_s >= FINISHED_AFTER_S)
        else:
            self._refused_since_mono_s = None
        car = CarState.CONNECTED if self.cut else CARS[self.status]
        return CarState.FINISHED if self._full and car is CarState.CONNECTED else car
