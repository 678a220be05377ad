"""What simulated devices have in common, and the PV plant.

A device holds an action until it is given another one or None; None is its safe state. It advances by whole
seconds in which its power is constant; the house never steps past a device's ``next_change_s``.
"""

import math
from collections.abc import Mapping
from typing import Protocol

from hems.domain.command import Action, ProductionLimit
from hems.domain.reading import BatteryValues, ChargerValues, HeatPumpValues, PvValues
from hems.domain.site import PvPlant

NEVER_S = math.inf
Scalar = float | int | bool | None
DeviceState = Mapping[str, Scalar]
"""What a device remembers, as JSON scalars."""
Values = PvValues | BatteryValues | ChargerValues | HeatPumpValues


class SimDevice(Protocol):
    """A device with physics."""

    @property
    def power_w(self) -> float:
        """AC power of the last stretch, load convention [W]."""
        ...

    def apply(self, action: Action | None) -> None:
        """Hold this from now on; None: the safe state. Raises TypeError for an action of another device kind."""
        ...

    def next_change_s(self) -> float:
        """Seconds until the device changes by itself; infinite when it does not."""
        ...

    def advance(self, seconds: int) -> None:
        """Let time pass; at most ``next_change_s``, rounded up to a whole second."""
        ...

    def values(self) -> Values:
        """What its own measurement says now."""
        ...

    def state(self) -> dict[str, Scalar]:
        """Everything it remembers."""
        ...

    def restore(self, state: DeviceState) -> None:
        """Inverse of :meth:`state`."""
        ...


def number(state: DeviceState, name: str) -> float:
    """A number of a stored state. Raises ValueError when it is none."""
    value = state[name]
    if value is None:
        raise ValueError(f"stored state has no {name}")
    return float(value)


def optional_number(state: DeviceState, name: str) -> float | None:
    """A number of a stored state, or None."""
    value = state[name]
    return None if value is None else float(value)


class SimPv:
    """PV plant: what the sun gives, cut by a limit at once. Safe state: released."""

    def __init__(self, plant: PvPlant) -> None:
        self.plant = plant
        self.available_w = 0.0
        """Set by the house before each stretch: production possible, >= 0 [W]."""
        self.power_w = 0.0
        self._limit_w: float | None = None

    def apply(self, action: Action | None) -> None:
        """Hold a production limit; a plant that cannot be limited ignores it, as its inverter would."""
        if action is not None and not isinstance(action, ProductionLimit):
            raise TypeError(f"{self.plant.id} takes a production limit, got {action.kind}")
        self._limit_w = None if action is None or not self.plant.curtailable else action.production_power_max_w

    def next_change_s(self) -> float:
        """Never: the sun changes at slot edges, where the house steps anyway."""
        return NEVER_S

    def advance(self, seconds: int) -> None:  # noqa: ARG002 - constant within a stretch
        """Produce what is available, at most the limit."""
        produced_w = self.available_w if self._limit_w is None else min(self.available_w, max(0.0, self._limit_w))
        self.power_w = -produced_w

    def values(self) -> PvValues:
        """Power, <= 0."""
        return PvValues(power_w=self.power_w)

    def state(self) -> dict[str, Scalar]:
        """Limit and last power."""
        return {"power_w": self.power_w, "limit_w": self._limit_w}

    def restore(self, state: DeviceState) -> None:
        """Inverse of :meth:`state`."""
        self.power_w = number(state, "power_w")
        self._limit_w = optional_number(state, "limit_w")
