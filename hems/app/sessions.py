"""Which cars are there, since when, and what each stay was: from what chargers say, tick by tick."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from hems.domain.reading import CarState, ChargerValues
from hems.domain.session import ChargingSession
from hems.domain.site import DeviceId

ANOTHER_CAR_WH = 100.0
"""A counter that falls by more belongs to another session: the car changed between two looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A car that is there."""

    plugged_at: datetime
    energy_wh: float
    was_full: bool
    is_dated: bool
    """The clock was trusted when it was first seen."""


class SessionWatch:
    """Remembers the cars that are there. A charger that is silent changes nothing."""

    def __init__(self) -> None:
        """Nobody is there."""
        self.present: dict[DeviceId, OpenSession] = {}

    @property
    def arrivals_at(self) -> dict[DeviceId, datetime]:
        """Since when a car is at each charger that has one."""
        return {device_id: each.plugged_at for device_id, each in self.present.items()}

    def see(
        self, chargers: Mapping[DeviceId, ChargerValues], at: datetime, *, is_dated: bool = True
    ) -> dict[DeviceId, ChargingSession | None]:
        """Take what chargers say now.

        Returns:
            Chargers whose car came, went or changed, each with the stay that ended, as far as there was one that can
            be dated.
        """
        changed: dict[DeviceId, ChargingSession | None] = {}
        for device_id, values in chargers.items():
            before = self.present.get(device_id)
            there = values.car is not CarState.ABSENT
            if before is not None and (not there or values.session_energy_wh < before.energy_wh - ANOTHER_CAR_WH):
                changed[device_id] = _ended(before, at) if is_dated else None
                del self.present[device_id]
                before = None
            if there and before is None:
                changed.setdefault(device_id, None)
                before = OpenSession(plugged_at=at, energy_wh=0.0, was_full=False, is_dated=is_dated)
            if there and before is not None:
                self.present[device_id] = replace(
                    before, energy_wh=values.session_energy_wh, was_full=values.car is CarState.FINISHED
                )
        return changed

    def remember(self, device_id: DeviceId, plugged_at: datetime) -> None:
        """A car that is there was there before we started, since this moment."""
        now = self.present.get(device_id)
        if now is not None and (plugged_at < now.plugged_at or not now.is_dated):
            self.present[device_id] = replace(now, plugged_at=plugged_at, is_dated=True)


def _ended(session: OpenSession, at: datetime) -> ChargingSession | None:
    if not session.is_dated or at <= session.plugged_at:
        return None
    return ChargingSession(
        plugged_at=session.plugged_at, unplugged_at=at, energy_wh=session.energy_wh, was_full=session.was_full
    )
