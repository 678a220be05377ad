"""A hybrid inverter: modules and a battery behind one box, with its own control and its own timers.

Storage control (SunSpec 124). ``StorCtl_Mod`` bit 0 puts ``InWRte`` in force, bit 1 ``OutWRte``; both are signed
percentages of ``WChaMax``. ``InWRte`` is the most that the battery charges with, ``OutWRte`` the most that it
discharges with; a negative one forces the other direction, so that both at +P and -P hold a charge power P. Between
the two the inverter does what it does without any control: it keeps the exchange with the grid at zero. Where they
contradict each other the battery rests. ``ChaGriSet`` 0 lets it charge with the production of its own modules only.

Production limit (123). While ``WMaxLim_Ena`` is 1, the modules give at most ``WMaxLimPct`` of ``WMax``. (Real hybrids
limit the AC output and go on charging with the rest; here modules and battery are two devices of the physics.)

Each write to a block restarts its timer, in house time; when ``RvrtTms`` seconds are over, the block's switch is
cleared and the inverter is on its own again. 0: never.
"""

from hems.domain.command import BatteryPower, ProductionLimit
from hems.domain.site import Battery, PvPlant
from hems.sim.servers.living import LivingHouse

RATE_MAX = 10_000
"""100 % with two decimals."""
CHARGE_BIT, DISCHARGE_BIT = 1, 2
NAMEPLATE_W = 6_000

Setting = tuple[int, str]
"""Model and point."""
SETTINGS: dict[Setting, tuple[int, int]] = {
    (123, "Conn"): (1, 1),
    (123, "WMaxLimPct"): (0, RATE_MAX),
    (123, "WMaxLimPct_WinTms"): (0, 0),
    (123, "WMaxLimPct_RvrtTms"): (0, 0xFFFE),
    (123, "WMaxLimPct_RmpTms"): (0, 0),
    (123, "WMaxLim_Ena"): (0, 1),
    (124, "StorCtl_Mod"): (0, CHARGE_BIT | DISCHARGE_BIT),
    (124, "MinRsvPct"): (0, RATE_MAX),
    (124, "OutWRte"): (-RATE_MAX, RATE_MAX),
    (124, "InWRte"): (-RATE_MAX, RATE_MAX),
    (124, "InOutWRte_WinTms"): (0, 0),
    (124, "InOutWRte_RvrtTms"): (0, 0xFFFE),
    (124, "InOutWRte_RmpTms"): (0, 0),
    (124, "ChaGriSet"): (0, 1),
}
"""What can be written, with the lowest and highest value taken. It cannot ramp, delay or disconnect."""
_TIMER = {123: "WMaxLimPct_RvrtTms", 124: "InOutWRte_RvrtTms"}
_SWITCH = {123: "WMaxLim_Ena", 124: "StorCtl_Mod"}


class HybridInverter:
    """Acts on the house before each of its steps."""

    def __init__(self, living: LivingHouse, *, plant: PvPlant, battery: Battery) -> None:
        self.plant = plant
        self.battery = battery
        self.settings: dict[Setting, int] = dict.fromkeys(SETTINGS, 0) | {
            (123, "Conn"): 1,
            (123, "WMaxLimPct"): RATE_MAX,
            (124, "OutWRte"): RATE_MAX,
            (124, "InWRte"): RATE_MAX,
            (124, "ChaGriSet"): 1,
        }
        self.yield_wh = 0.0
        """Energy that the modules gave since the start [Wh]."""
        self._living = living
        self._reverts_mono_s: dict[int, float] = {}
        living.before_step(self._act)
        living.after_step(self._count)

    @property
    def pv_power_w(self) -> float:
        """Production, <= 0 [W]."""
        return self._living.house.pv[self.plant.id].power_w

    @property
    def battery_power_w(self) -> float:
        """Positive charges [W]."""
        return self._living.house.batteries[self.battery.id].power_w

    @property
    def rate_w(self) -> float:
        """``WChaMax``: what 100 % of either rate means, >= 0 [W]."""
        return max(self.battery.charge_power_max_w, self.battery.discharge_power_max_w)

    def set(self, changes: dict[Setting, int]) -> None:
        """Take settings that are within their range, and restart the timers of their blocks."""
        self.settings |= changes
        for model in {model for model, _ in changes}:
            self._reverts_mono_s.pop(model, None)
            timer_s = self.settings[model, _TIMER[model]]
            if timer_s:
                self._reverts_mono_s[model] = self._living.house.mono_s + timer_s

    def _act(self) -> None:
        house = self._living.house
        for model, at_mono_s in list(self._reverts_mono_s.items()):
            if at_mono_s <= house.mono_s:
                del self._reverts_mono_s[model]
                self.settings[model, _SWITCH[model]] = 0
        limit_w = self.production_limit_w()
        house.pv[self.plant.id].apply(ProductionLimit(production_power_max_w=limit_w))
        house.batteries[self.battery.id].apply(BatteryPower(power_w=self._battery_wanted_w()))

    def production_limit_w(self) -> float | None:
        """Most that the modules may give; None: no limit is in force [W]."""
        if not self.settings[123, "WMaxLim_Ena"]:
            return None
        return self.settings[123, "WMaxLimPct"] / RATE_MAX * NAMEPLATE_W

    def _battery_wanted_w(self) -> float:
        """Own control inside the rates in force; positive charges [W]."""
        mode = self.settings[124, "StorCtl_Mod"]
        upper_w, lower_w = self.rate_w, -self.rate_w
        if mode & CHARGE_BIT:
            upper_w = self.settings[124, "InWRte"] / RATE_MAX * self.rate_w
        if mode & DISCHARGE_BIT:
            lower_w = -self.settings[124, "OutWRte"] / RATE_MAX * self.rate_w
        if lower_w > upper_w:
            return 0.0
        others_w = self._living.grid_power_w - self.battery_power_w
        wanted_w = min(max(-others_w, lower_w), upper_w)
        if not self.settings[124, "ChaGriSet"]:
            wanted_w = min(wanted_w, -self.pv_power_w)
        stored_pct = 100 * self._living.house.batteries[self.battery.id].stored_wh / self.battery.capacity_wh
        if stored_pct <= self.settings[124, "MinRsvPct"] / 100:
            wanted_w = max(0.0, wanted_w)
        return wanted_w

    def _count(self) -> None:
        for stretch in self._living.house.stretches:
            self.yield_wh += -stretch.power_w[self.plant.id] * stretch.seconds / 3600
