"""Battery with losses and a BMS that tapers near both ends."""

from hems.domain.command import Action, BatteryPower, BatteryReleased
from hems.domain.reading import BatteryValues
from hems.domain.site import Battery
from hems.domain.storage import stored_change_wh, sustainable_power
from hems.sim.devices import NEVER_S, DeviceState, Scalar, number, optional_number

CHARGE_TAPER_FROM_RATIO = 0.90
"""Of capacity: above it the BMS lowers the charge power, as constant-voltage charging does."""
DISCHARGE_TAPER_BAND_RATIO = 0.05
"""Of capacity above the floor: below it the BMS lowers the discharge power."""
TAPER_END_RATIO = 0.10
"""Of nameplate power: what is left at the very end of the taper."""
COARSE_STEP_S = 60
"""In steps of this length or more the response lag of a second is left out [s]."""


class SimBattery:
    """Battery on the AC side. Safe state: 0 W. No standby loss.

    A command acts ``lag_s`` seconds after it came; a newer one replaces a waiting one.
    """

    def __init__(self, battery: Battery, *, stored_wh: float, lag_s: int = 1) -> None:
        if not 0 <= stored_wh <= battery.capacity_wh:
            raise ValueError(f"{battery.id}: {stored_wh} Wh do not fit in {battery.capacity_wh} Wh")
        self.battery = battery
        self.stored_wh = stored_wh
        self.power_w = 0.0
        self.islanded: bool | None = None
        """What its inverter says of the grid; None: nothing."""
        self._lag_s = lag_s
        self._acting_w = 0.0
        self._waiting_w: float | None = None
        self._waiting_s = 0

    def apply(self, action: Action | None) -> None:
        """Hold a power. Released it rests; without a grid it does what :meth:`balance` says."""
        if action is not None and not isinstance(action, BatteryPower | BatteryReleased):
            raise TypeError(f"{self.battery.id} takes a battery power, got {action.kind}")
        wanted_w = action.power_w if isinstance(action, BatteryPower) else 0.0
        if self._lag_s == 0:
            self._acting_w, self._waiting_w = wanted_w, None
        elif wanted_w != (self._acting_w if self._waiting_w is None else self._waiting_w):
            self._waiting_w, self._waiting_s = wanted_w, self._lag_s

    def settle(self) -> None:
        """Let a waiting command act now: for steps that are long against the lag."""
        if self._waiting_w is not None:
            self._acting_w, self._waiting_w = self._waiting_w, None

    def next_change_s(self) -> float:
        """When a waiting command acts."""
        return NEVER_S if self._waiting_w is None else self._waiting_s

    def charge_power_max_w(self) -> float:
        """What the BMS allows now for charging, >= 0 [W]."""
        battery = self.battery
        taper_from_wh = CHARGE_TAPER_FROM_RATIO * battery.capacity_wh
        room_ratio = (battery.capacity_wh - self.stored_wh) / (battery.capacity_wh - taper_from_wh)
        if self.stored_wh >= battery.ceiling_wh:
            return 0.0
        return battery.charge_power_max_w * _tapered(room_ratio)

    def discharge_power_max_w(self) -> float:
        """What the BMS allows now for discharging, >= 0 [W]."""
        battery = self.battery
        above_floor_ratio = (self.stored_wh - battery.floor_wh) / (DISCHARGE_TAPER_BAND_RATIO * battery.capacity_wh)
        if above_floor_ratio <= 0:
            return 0.0
        return battery.discharge_power_max_w * _tapered(above_floor_ratio)

    def advance(self, seconds: int) -> None:
        """Hold what the command, the BMS and the stored energy allow for the whole stretch."""
        self._move(self._acting_w, seconds)
        if self._waiting_w is not None:
            self._waiting_s -= seconds
            if self._waiting_s <= 0:
                self.settle()

    def balance(self, missing_w: float, seconds: int) -> None:
        """Without a grid: give what is missing, or take what is too much (< 0), whatever it is told."""
        self._move(-missing_w, seconds)

    def _move(self, wanted_w: float, seconds: int) -> None:
        allowed_w = min(max(wanted_w, -self.discharge_power_max_w()), self.charge_power_max_w())
        self.power_w = sustainable_power(self.stored_wh, self.battery, seconds).clamp(allowed_w)
        after_wh = self.stored_wh + stored_change_wh(self.power_w, self.battery, seconds)
        self.stored_wh = min(max(after_wh, 0.0), self.battery.capacity_wh)

    def values(self) -> BatteryValues:
        """Power, stored energy and what the BMS allows."""
        return BatteryValues(
            power_w=self.power_w,
            stored_wh=self.stored_wh,
            charge_power_max_w=self.charge_power_max_w(),
            discharge_power_max_w=self.discharge_power_max_w(),
            islanded=self.islanded,
        )

    def state(self) -> dict[str, Scalar]:
        """Stored energy and commands."""
        return {
            "stored_wh": self.stored_wh,
            "power_w": self.power_w,
            "acting_w": self._acting_w,
            "waiting_w": self._waiting_w,
            "waiting_s": self._waiting_s,
        }

    def restore(self, state: DeviceState) -> None:
        """Inverse of :meth:`state`."""
        self.stored_wh = number(state, "stored_wh")
        self.power_w = number(state, "power_w")
        self._acting_w = number(state, "acting_w")
        self._waiting_w = optional_number(state, "waiting_w")
        self._waiting_s = round(number(state, "waiting_s"))


def _tapered(room_ratio: float) -> float:
    """Share of nameplate power: 1 with a full band of room left, 0.1 at its end."""
    return TAPER_END_RATIO + (1 - TAPER_END_RATIO) * min(1.0, max(0.0, room_ratio))
