"""The image that the tick gets: the newest reading of each device that can be true."""

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import replace

from hems.control.plausible import (
    plausible_battery,
    plausible_charger,
    plausible_grid,
    plausible_heat_pump,
    plausible_pv,
)
from hems.domain.power import PhaseValues
from hems.domain.reading import (
    BatteryValues,
    ChargerValues,
    GridValues,
    HeatPumpValues,
    Image,
    PvValues,
    Reading,
)
from hems.domain.site import DeviceId, Site
from hems.ports import DeviceReading

log = logging.getLogger(__name__)

JUST_AFTER_S = 0.001


class ImageKeeper:
    """Collects what drivers report. A reading that cannot be true does not replace the last good one."""

    def __init__(self, site: Site) -> None:
        """Nothing is known yet."""
        self._site = site
        self._grid: Reading[GridValues] | None = None
        self._telegrams: list[GridValues] = []
        """Since the image before."""
        self._pv: dict[DeviceId, Reading[PvValues]] = {}
        self._batteries: dict[DeviceId, Reading[BatteryValues]] = {}
        self._chargers: dict[DeviceId, Reading[ChargerValues]] = {}
        self._heat_pumps: dict[DeviceId, Reading[HeatPumpValues]] = {}
        self._plants = {each.id: each for each in site.pv}
        self._battery_of = {each.id: each for each in site.batteries}
        self._charger_of = {each.id: each for each in site.chargers}
        self._heat_pump_of = {each.id: each for each in site.heat_pumps}
        self._doubted: set[DeviceId] = set()
        self._unheard = {each.id for each in site.devices}
        self.complete = asyncio.Event()
        """Set when every device has reported once."""
        self.refused = 0
        """Readings that cannot be true, since start."""

    def report(self, device_id: DeviceId, reading: DeviceReading) -> None:
        """Take a reading; implements :class:`hems.ports.Report`."""
        if self._take(device_id, reading):
            self._unheard.discard(device_id)
            if not self._unheard:
                self.complete.set()
            if device_id in self._doubted:
                self._doubted.discard(device_id)
                log.info("%s: its readings can be true again", device_id)
            return
        self.refused += 1
        if device_id not in self._doubted:
            self._doubted.add(device_id)
            log.warning("%s: a reading that cannot be true is not used: %s", device_id, reading.value)

    def recall(self, pv: Mapping[DeviceId, Reading[PvValues]]) -> None:
        """Plants that were asleep before this start, for those that have not answered since."""
        self._pv = {**pv, **self._pv}

    def blind_mono_s(self, since_mono_s: float) -> float:
        """When the meter's last telegram will be too old to act on, if that is later; infinite if it is already.

        A tick at that moment, and not at the next full second, is a second less without a safe command.
        """
        if self._grid is None:
            return math.inf
        blind_s = self._grid.mono_s + self._site.meter.max_age_s + JUST_AFTER_S
        return blind_s if blind_s > since_mono_s else math.inf

    def _take(self, device_id: DeviceId, reading: DeviceReading) -> bool:
        match reading.value:
            case GridValues() as grid if device_id == self._site.meter.id:
                if not plausible_grid(grid, self._site):
                    return False
                self._telegrams.append(grid)
                self._grid = replace(reading, value=grid)
            case PvValues() as pv if device_id in self._plants:
                if not plausible_pv(pv, self._plants[device_id]):
                    return False
                self._pv[device_id] = replace(reading, value=pv)
            case BatteryValues() as battery if device_id in self._battery_of:
                if not plausible_battery(battery, self._battery_of[device_id]):
                    return False
                self._batteries[device_id] = replace(reading, value=battery)
            case ChargerValues() as charger if device_id in self._charger_of:
                if not plausible_charger(charger, self._charger_of[device_id]):
                    return False
                self._chargers[device_id] = replace(reading, value=charger)
            case HeatPumpValues() as pump if device_id in self._heat_pump_of:
                if not plausible_heat_pump(pump, self._heat_pump_of[device_id]):
                    return False
                self._heat_pumps[device_id] = replace(reading, value=pump)
            case None:
                # The device says that it has no value: the last one ages, which says the same a little later.
                pass
            case _:
                raise ValueError(f"{device_id} is no device of the site that reports {type(reading.value).__name__}")
        return True

    def image(self) -> Image:
        """Everything as of now; what the meter said since the image before counts with its mean and its highest."""
        if self._grid is not None and self._telegrams:
            self._grid = replace(self._grid, value=_summed_up(self._telegrams))
            self._telegrams = []
        return Image(
            grid=self._grid,
            pv=dict(self._pv),
            batteries=dict(self._batteries),
            chargers=dict(self._chargers),
            heat_pumps=dict(self._heat_pumps),
        )


def _summed_up(telegrams: list[GridValues]) -> GridValues:
    if len(telegrams) == 1:
        return telegrams[0]
    means = [each.phase_power_w for each in telegrams if each.phase_power_w is not None]
    highs = [each.phase_power_high_w for each in telegrams if each.phase_power_high_w is not None]
    whole = len(means) == len(telegrams) == len(highs)
    high = highs[0] if whole else None
    for each in highs[1:] if whole else ():
        high = each if high is None else high.highest_with(each)
    return GridValues(
        power_w=sum(each.power_w for each in telegrams) / len(telegrams),
        phase_power_w=_mean(means) if whole else None,
        phase_power_high_w=high,
    )


def _mean(phases: list[PhaseValues]) -> PhaseValues:
    count = len(phases)
    return PhaseValues(
        l1=sum(each.l1 for each in phases) / count,
        l2=sum(each.l2 for each in phases) / count,
        l3=sum(each.l3 for each in phases) / count,
    )
