"""From blocks to what the house knows: its signs, its units, and None where the device says nothing."""

from dataclasses import replace

from hems.domain.power import PhaseValues
from hems.domain.reading import BatteryValues, GridValues, PvValues, Quality
from hems_drivers.sunspec.models import Block, Kind, Point, decode, text

ONE_PHASE_METERS = (201, 211)
CONNECTED = 1
"""Bit of ECPConn."""
SLEEPS = (1, 2)
"""Operating states off and sleeping: an inverter without sun, which then has no power to tell."""

MODULE_FIRST, MODULE_WORDS, MODULES_MAX = 10, 20, 4
"""Model 160: where its groups begin, their size, and how many fit into one reading of 100 registers."""
MODULES_END = MODULE_FIRST + MODULES_MAX * MODULE_WORDS
MODULE_NAME = slice(1, 9)
MODULE_CURRENT = Point(offset=9, kind=Kind.UINT16, scale=2)
MODULE_VOLTAGE = Point(offset=10, kind=Kind.UINT16, scale=3)
MODULE_POWER = Point(offset=11, kind=Kind.UINT16, scale=4)
"""Offsets in a group; their scale factors are at the begin of the model."""

SIGN_BY_MANUFACTURER = {"solaredge": -1.0}
"""Meters that count export as positive, by their maker (lower case). SunSpec leaves the sign to the installation."""


def grid_values(meter: Block, *, manufacturer: str) -> GridValues | None:
    """What flows through a meter at the grid connection; None where it does not tell its power."""
    sign = SIGN_BY_MANUFACTURER.get(manufacturer.lower(), 1.0)
    power_w = meter.value("W")
    if power_w is None:
        return None
    phases = [meter.value(name) for name in ("WphA", "WphB", "WphC")]
    if meter.model_id in ONE_PHASE_METERS:
        phases = [power_w, 0.0, 0.0]
    l1, l2, l3 = phases
    phase_power_w = None
    if l1 is not None and l2 is not None and l3 is not None:
        phase_power_w = PhaseValues(l1=sign * l1, l2=sign * l2, l3=sign * l3)
    return GridValues(power_w=sign * power_w, phase_power_w=phase_power_w, phase_power_high_w=phase_power_w)


def output_w(inverter: Block) -> tuple[float | None, Quality]:
    """AC power that an inverter delivers, modules and battery together, and what that is worth.

    A sleeping inverter often has no power to tell; then it is 0, which its state vouches for.
    """
    power_w = inverter.value("W")
    if power_w is not None:
        return power_w, Quality.GOOD
    return (0.0, Quality.SUBSTITUTED) if inverter.value("St") in SLEEPS else (None, Quality.ABSENT)


def battery_power_w(bank: Block | None, modules: Block | None) -> float | None:
    """Power into the battery: from its own model (802, where positive discharges), else from model 160.

    Some hybrids tell charging and discharging as two trackers of model 160, named so; trackers of modules are not
    counted. DC power in both cases: what the inverter loses on the way is counted with the modules.
    """
    power_w = bank.value("W") if bank is not None else None
    if power_w is not None:
        return -power_w
    return _tracker_power_w(modules.words) if modules is not None else None


def _tracker_power_w(words: tuple[int, ...]) -> float | None:
    """Sum over the trackers of the battery; None where there are none, or one of them does not tell."""
    total_w: float | None = None
    for start in range(MODULE_FIRST, len(words) - MODULE_WORDS + 1, MODULE_WORDS):
        name = text(words[start:][MODULE_NAME]).lower()
        sign = -1.0 if "discha" in name else 1.0 if "stcha" in name else 0.0
        if sign:
            power_w = _module_power_w(words, start)
            if power_w is None:
                return None
            total_w = (total_w or 0.0) + sign * power_w
    return total_w


def _module_power_w(words: tuple[int, ...], start: int) -> float | None:
    """Power of one tracker as it says, else from its current and voltage."""
    power_w, current_a, voltage_v = (
        decode(words, replace(point, offset=start + point.offset))
        for point in (MODULE_POWER, MODULE_CURRENT, MODULE_VOLTAGE)
    )
    if power_w is None and current_a is not None and voltage_v is not None:
        return current_a * voltage_v
    return power_w


def pv_values(delivered_w: float, charging_w: float) -> PvValues:
    """Production of the modules: what the inverter delivers and what it puts into its battery.

    Never above 0: the few watts that an inverter draws at night belong to the unmetered load.
    """
    return PvValues(power_w=min(0.0, -(delivered_w + charging_w)))


def state_of_charge_pct(bank: Block | None, storage: Block | None) -> float | None:
    """How full it is: model 802, else 124."""
    soc_pct = bank.value("SoC") if bank is not None else None
    if soc_pct is None and storage is not None:
        soc_pct = storage.value("ChaState")
    return soc_pct if soc_pct is not None and 0.0 <= soc_pct <= 100.0 else None


def battery_values(power_w: float, *, bank: Block | None, storage: Block | None, capacity_wh: float) -> BatteryValues:
    """A battery; energy follows from its state of charge and the capacity of the site file."""
    soc_pct = state_of_charge_pct(bank, storage)
    return BatteryValues(
        power_w=power_w,
        stored_wh=None if soc_pct is None else capacity_wh * soc_pct / 100,
        charge_power_max_w=_allowed_w(bank, "AChaMax"),
        discharge_power_max_w=_allowed_w(bank, "ADisChaMax"),
    )


def feeds_island(status: Block, delivered_w: float | None) -> bool | None:
    """Whether an inverter feeds a house without the grid (model 122); None where it does not say.

    ``ECPConn`` has bit 0 set while the connection point is closed. Some inverters open it at night too: then they
    deliver nothing.
    """
    connected = status.value("ECPConn")
    if connected is None or delivered_w is None:
        return None
    return not int(connected) & CONNECTED and delivered_w > 0


def _allowed_w(bank: Block | None, current: str) -> float | None:
    """What the BMS allows now: its current limit at its voltage (DC)."""
    if bank is None:
        return None
    current_a, voltage_v = bank.value(current), bank.value("V")
    return None if current_a is None or voltage_v is None else current_a * voltage_v
