"""What no house can measure: lost frames, undecoded sentinels, 2^64. Such a reading is not acted on.

The bounds are wide on purpose. They come from fuse and nameplate, and a nameplate that was entered somewhat too small
must not silence a device. A reading with one impossible number is not used at all: a frame that is wrong in one field
has no right to be believed in the others.

Whoever fills the image may ask the same questions first and keep the last good reading until it is stale; the tick asks
them in any case.
"""

from hems.domain.power import VOLTAGE_V, PhaseValues
from hems.domain.reading import BatteryValues, ChargerValues, GridValues, HeatPumpValues, PvValues
from hems.domain.site import Battery, Charger, HeatPump, PvPlant, Site

FUSE_OVER_RATIO = 4.0
"""At four times its rating a gG fuse melts within seconds (IEC 60269): more is not measured for long."""
NAMEPLATE_OVER_RATIO = 2.0
NAMEPLATE_OVER_W = 1_000.0
"""Room for small devices, whose nameplate is often rounded."""
CAPACITY_OVER_RATIO = 1.2
"""A new battery holds some per cent more than it is sold with."""
SESSION_MAX_WH = 1e6
"""Ten times the largest car battery."""
TEMPERATURE_C = (-60.0, 150.0)


def plausible_grid(values: GridValues, site: Site) -> bool:
    """Whether the connection can carry this at all; NaN never passes."""
    phase_max_w = FUSE_OVER_RATIO * site.circuits[0].fuse_a * VOLTAGE_V
    if not abs(values.power_w) <= phase_max_w * site.connection.phase_count:
        return False
    mean, high = values.phase_power_w, values.phase_power_high_w
    return (mean is None or _phases_within(mean, phase_max_w)) and (high is None or _phases_within(high, phase_max_w))


def plausible_pv(values: PvValues, plant: PvPlant) -> bool:
    """Whether a plant can make this; at night an inverter draws some watts."""
    return _within(-values.power_w, -plant.peak_w / 10, plant.peak_w)


def plausible_battery(values: BatteryValues, battery: Battery) -> bool:
    """Whether power, energy and the limits of the BMS can be true."""
    stored_wh = values.stored_wh
    return (
        _within(values.power_w, -battery.discharge_power_max_w, battery.charge_power_max_w)
        and (stored_wh is None or 0.0 <= stored_wh <= battery.capacity_wh * CAPACITY_OVER_RATIO)
        and _magnitude(values.charge_power_max_w)
        and _magnitude(values.discharge_power_max_w)
    )


def plausible_charger(values: ChargerValues, charger: Charger) -> bool:
    """Whether power, session and phases can be true; a car may use fewer phases than are wired."""
    return (
        _within(values.power_w, 0.0, charger.power_max_w)
        and 0.0 <= values.session_energy_wh <= SESSION_MAX_WH
        and 0.0 <= values.offered_current_a <= FUSE_OVER_RATIO * charger.current_max_a
        and 1 <= values.phase_count <= len(charger.phases)
    )


def plausible_heat_pump(values: HeatPumpValues, heat_pump: HeatPump) -> bool:
    """Whether power and temperatures can be true."""
    return (
        _within(values.power_w, 0.0, heat_pump.power_max_w)
        and _temperature(values.room_c)
        and _temperature(values.tank_c)
    )


def _within(power_w: float, lower_w: float, upper_w: float) -> bool:
    """Inside twice the nameplate and a kilowatt, either way."""
    return (
        lower_w * NAMEPLATE_OVER_RATIO - NAMEPLATE_OVER_W
        <= power_w
        <= upper_w * NAMEPLATE_OVER_RATIO + NAMEPLATE_OVER_W
    )


def _phases_within(values: PhaseValues, power_max_w: float) -> bool:
    return abs(values.l1) <= power_max_w and abs(values.l2) <= power_max_w and abs(values.l3) <= power_max_w


def _magnitude(power_w: float | None) -> bool:
    """A BMS limit: any size (some say 65 kW for "no limit"), but a number and not negative."""
    return power_w is None or power_w >= 0.0


def _temperature(temperature_c: float | None) -> bool:
    return temperature_c is None or TEMPERATURE_C[0] <= temperature_c <= TEMPERATURE_C[1]
