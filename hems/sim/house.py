"""A whole house with true physics, driven step by step in virtual time.

``image`` is what the devices say, ``apply`` what they are told, ``advance`` what then happens. Everything follows
from site, data and seed; ``state`` and ``restore`` continue a run exactly.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from hems.domain.command import Command
from hems.domain.errors import BadInputError
from hems.domain.power import VOLTAGE_V, spread
from hems.domain.reading import Image, Reading
from hems.domain.site import CircuitId, DeviceId, Site
from hems.domain.time import SLOT_S, Now, unix_s
from hems.sim import islanding
from hems.sim.battery import COARSE_STEP_S, SimBattery
from hems.sim.charger import SimCharger
from hems.sim.data import HouseData, Session
from hems.sim.devices import SimDevice, SimPv
from hems.sim.faults import Disturbances, Fault
from hems.sim.heat import HotWaterDraws, SimHeatPump
from hems.sim.household import Household
from hems.sim.meter import Held, PhasePower, SimMeter, Stretch
from hems.sim.netting import billing_year
from hems.sim.remembered import action_from, action_state, reading_from, reading_state
from hems.sim.tariff import WallClock, carbon_intensity, counted_months
from hems.sim.totals import Totals

STRETCH_MAX_S = 60
"""Longest stretch of constant device power: tapers and temperatures are followed at least once a minute [s]."""


class SimHouse:
    """One house. Its clock is whole seconds since ``start_at``.

    Args:
        site: the house as its controller knows it.
        data: what happens in it.
        seed: of appliances, phases, cars and hot water.
        start_at: start of the run, a whole slot of the data.
        meter_latency_s: age of the newest second that the meter knows [s].
        battery_lag_s: time from a command to its effect; left out in steps of a minute and more [s].
        stored_ratio: battery energy at the start, of its capacity.
        unmanaged: chargers give full current when nothing is told to them.
        start_mono_s: monotonic time at the start [s].
        more_sessions: of the chargers beside the first, whose cars are those of the data.
        household: in place of the one that follows from data and seed.
    """

    is_cut_off = False
    """It has no grid: its batteries feed it."""

    def __init__(
        self,
        site: Site,
        data: HouseData,
        *,
        seed: int,
        start_at: datetime,
        meter_latency_s: float = 1.0,
        battery_lag_s: int = 1,
        stored_ratio: float = 0.5,
        unmanaged: bool = False,
        start_mono_s: float = 0.0,
        more_sessions: Mapping[DeviceId, Sequence[Session]] | None = None,
        household: Household | None = None,
    ) -> None:
        if unix_s(start_at) % SLOT_S:
            raise BadInputError(f"a run starts at a quarter hour, not at {start_at.isoformat()}")
        self.site = site
        self.start_at = start_at
        self.elapsed_s = 0
        self.totals = Totals(fuse_exceeded_s={str(circuit.id): 0 for circuit in site.circuits})
        self.stretches: tuple[Stretch, ...] = ()
        """What happened in the last step, oldest first."""
        self.held: dict[DeviceId, Held] = {}
        """Commands in force."""
        self._data = data
        self._start_mono_s = start_mono_s
        self._start_unix_s = round(unix_s(start_at))
        self._first_slot = data.slot_index(start_at)
        capacity, carbon = site.tariff.capacity, site.tariff.carbon
        clock = WallClock.of(data.grid, site.zone)
        self._intensity = None if carbon is None else carbon_intensity(carbon, clock)
        self._counting = None if capacity is None else counted_months(capacity, clock)
        self.household = household or Household(site=site, data=data, seed=seed)
        self.meter = SimMeter(site.meter, self.household, start_unix_s=self._start_unix_s, latency_s=meter_latency_s)
        self.pv = {plant.id: SimPv(plant) for plant in site.pv}
        self.batteries = {
            battery.id: SimBattery(battery, stored_wh=stored_ratio * battery.capacity_wh, lag_s=battery_lag_s)
            for battery in site.batteries
        }
        self.chargers = {
            charger.id: SimCharger(
                charger,
                data.sessions if charger is site.chargers[0] else (more_sessions or {}).get(charger.id, ()),
                start_at=start_at,
                seed=seed,
                unmanaged=unmanaged,
            )
            for charger in site.chargers
        }
        self.heat_pumps = {pump.id: SimHeatPump(pump) for pump in site.heat_pumps}
        self._draws = {
            pump.id: HotWaterDraws(pump.tank, zone=site.zone, seed=seed) for pump in site.heat_pumps if pump.tank
        }
        self.devices: dict[DeviceId, SimDevice] = {
            **self.pv, **self.batteries, **self.chargers, **self.heat_pumps
        }  # fmt: skip
        self._shares = {
            device.id: {count: spread(1.0, device.phases[:count]) for count in range(1, len(device.phases) + 1)}
            for device in site.controllables
        }
        self._circuits = {
            device.id: tuple(circuit.id for circuit in site.circuits_above(device.circuit))
            for device in site.controllables
        }
        self._fuse_w = {circuit.id: circuit.fuse_a * VOLTAGE_V * (1 + 1e-9) for circuit in site.circuits}
        self.disturbances = Disturbances()
        self._slot: int | None = None
        self._import_eur_per_kwh = self._export_eur_per_kwh = math.nan
        self._billing_year = ""

    @property
    def at(self) -> datetime:
        """True time of the house."""
        return self.start_at + timedelta(seconds=self.elapsed_s)

    @property
    def mono_s(self) -> float:
        """Monotonic time of the house [s]."""
        return self._start_mono_s + self.elapsed_s

    @property
    def now(self) -> Now:
        """This moment, for a controller whose clock is right."""
        return Now(at=self.at, mono_s=self.mono_s, wall_trusted=True)

    def disturb(self, device_id: DeviceId, fault: Fault | None) -> None:
        """Start or end (None) a fault of a device or of the meter. Faults are not part of :meth:`state`."""
        if device_id not in self.devices and device_id != self.site.meter.id:
            raise ValueError(f"there is no device {device_id}")
        self.disturbances.forget(device_id)
        if fault is None:
            self.disturbances.active.pop(device_id, None)
            return
        self.disturbances.active[device_id] = fault
        if fault in (Fault.REBOOTED, Fault.STUBBORN) and device_id in self.devices:
            self.held.pop(device_id, None)
            if fault is Fault.REBOOTED:
                self.devices[device_id].apply(None)
            if (charger := self.chargers.get(device_id)) is not None:
                charger.give_all()

    def cut_off(self, is_cut_off: bool) -> None:
        """Let the grid fail (the meter is dead, batteries feed the house) or return. Not part of :meth:`state`."""
        self.is_cut_off = is_cut_off
        self.disturb(self.site.meter.id, Fault.SILENT if is_cut_off else None)
        for battery in self.batteries.values():
            battery.islanded = is_cut_off

    def image(self, now: Now) -> Image:
        """What all devices say at this moment.

        Grid values are means and highest seconds since the image before, ``meter_latency_s`` late.

        Raises:
            ValueError: ``now`` is not the house's monotonic time (its wall clock may be wrong).
        """
        self._require_mono(now.mono_s)
        read = self.meter.read(elapsed_s=self.elapsed_s, start_mono_s=self._start_mono_s)
        return Image(
            grid=self.disturbances.say(self.site.meter.id, read),
            pv=self._readings(self.pv),
            batteries=self._readings(self.batteries),
            chargers=self._readings(self.chargers),
            heat_pumps=self._readings(self.heat_pumps),
        )

    def _readings(self, devices: Mapping[DeviceId, Any]) -> dict[DeviceId, Reading[Any]]:
        readings: dict[DeviceId, Reading[Any]] = {}
        for device_id, device in devices.items():
            said = self.disturbances.say(device_id, Reading(value=device.values(), mono_s=self.mono_s))
            if said is not None:
                readings[device_id] = said
        return readings

    def apply(self, commands: Iterable[Command], mono_s: float) -> None:
        """Hand commands to their devices; a command whose lease is over is not followed.

        Raises:
            ValueError: ``mono_s`` is not the house's time, or there is no such device.
            TypeError: the action is for another kind of device.
        """
        self._require_mono(mono_s)
        for command in commands:
            if command.device_id not in self.devices:
                raise ValueError(f"there is no device {command.device_id}")
            if command.lease.expires_mono_s - mono_s < 1 or not self.disturbances.hears(command, mono_s):
                continue
            self.devices[command.device_id].apply(command.action)
            self.held[command.device_id] = Held(action=command.action, expires_mono_s=command.lease.expires_mono_s)

    def advance(self, step_s: int = 60) -> None:
        """Let the house live for a step.

        Inside, it stops wherever a lease ends (rounded down to the second), a car comes, goes or changes, and at
        least every 60 s, so that results hardly depend on the step.

        Args:
            step_s: 1..900 whole seconds, inside one slot.

        Raises:
            ValueError: the step is too long or reaches over the edge of a slot.
            BadInputError: the data ends or lacks a price.
        """
        if not 1 <= step_s <= SLOT_S - self.elapsed_s % SLOT_S:
            raise ValueError(f"a step of {step_s} s at second {self.elapsed_s % SLOT_S} leaves its slot")
        self.enter_slot()
        left_s = step_s
        stretches: list[Stretch] = []
        while left_s > 0:
            self._expire()
            for device_id, held in self.disturbances.arrived(self.mono_s).items():
                self.devices[device_id].apply(held.action)
                self.held[device_id] = held
            if step_s >= COARSE_STEP_S:
                for battery in self.batteries.values():
                    battery.settle()
            stretch = self._advance_stretch(self._stretch_s(left_s))
            stretches.append(stretch)
            left_s -= stretch.seconds
        self.stretches = tuple(stretches)
        if self.elapsed_s % SLOT_S == 0:
            ended = self._first_slot + self.elapsed_s // SLOT_S - 1
            self.totals.close_slot(None if self._counting is None else self._counting[ended])

    def _require_mono(self, mono_s: float) -> None:
        if abs(mono_s - self.mono_s) > 1e-6:
            raise ValueError(f"the house is at {self.mono_s} s, not at {mono_s} s")

    def enter_slot(self) -> None:
        """Take sun, weather, hot water and prices of the slot under way, if that is not done yet.

        :meth:`advance` does it; who wants other sun inside the slot calls it first and sets ``pv[...].available_w``.

        Raises:
            BadInputError: the data ends or lacks a price.
        """
        slot = self._first_slot + self.elapsed_s // SLOT_S
        if slot == self._slot:
            return
        data = self._data
        if slot >= data.grid.count:
            raise BadInputError(f"the data ends at {data.grid.end_at.isoformat()}")
        peak_w = sum(plant.peak_w for plant in self.site.pv)
        for pv in self.pv.values():
            pv.available_w = float(data.pv_w[slot]) * pv.plant.peak_w / peak_w
        outdoor_c = math.nan if data.temp_c is None else float(data.temp_c[slot])
        for pump_id, pump in self.heat_pumps.items():
            pump.outdoor_c = outdoor_c
            pump.draw_w = self._draws[pump_id].power_w(self.at) if pump_id in self._draws else 0.0
        self._import_eur_per_kwh = float(data.import_eur_per_kwh[slot])
        self._export_eur_per_kwh = float(data.export_eur_per_kwh[slot])
        needed = [self._import_eur_per_kwh, self._export_eur_per_kwh, *([outdoor_c] if self.heat_pumps else [])]
        if any(math.isnan(value) for value in needed):
            raise BadInputError(f"no price or no outdoor temperature at {self.at.isoformat()}: choose other days")
        if (netting := self.site.tariff.net_metering) is not None:
            self._billing_year = billing_year(netting, self.at, self.site.zone).isoformat()
        self._slot = slot

    def _expire(self) -> None:
        for device_id in [key for key, held in self.held.items() if held.expires_mono_s - self.mono_s < 1]:
            del self.held[device_id]
            self.devices[device_id].apply(None)

    def _stretch_s(self, left_s: int) -> int:
        """Seconds until anything changes, at least 1."""
        if self.is_cut_off:
            return 1
        stretch_s: float = min(left_s, STRETCH_MAX_S, self.disturbances.next_s(self.mono_s))
        for held in self.held.values():
            stretch_s = min(stretch_s, math.floor(held.expires_mono_s - self.mono_s))
        for device in self.devices.values():
            stretch_s = min(stretch_s, device.next_change_s())
        return max(1, math.ceil(stretch_s))

    def _advance_stretch(self, seconds: int) -> Stretch:
        phase_w = dict.fromkeys(self._fuse_w, (0.0, 0.0, 0.0))
        power_w: dict[DeviceId, float] = {}
        held = dict(self.held)
        start_s, unix = self.elapsed_s, self._start_unix_s + self.elapsed_s
        l1, l2, l3 = self.household.seconds(unix, seconds).sum(axis=0).tolist()
        if self.is_cut_off:
            islanding.advance(
                self.pv.values(), self.batteries.values(), (*self.chargers.values(), *self.heat_pumps.values()),
                (l1 + l2 + l3) / seconds, seconds,
            )  # fmt: skip
        for device_id, device in self.devices.items():
            if not self.is_cut_off:
                device.advance(seconds)
            charger = self.chargers.get(device_id)
            counts = self._shares[device_id]
            shares = counts[max(counts) if charger is None else charger.phase_count]
            power_w[device_id] = own_w = device.power_w
            for circuit in self._circuits[device_id]:
                before = phase_w[circuit]
                phase_w[circuit] = (
                    before[0] + own_w * shares.l1, before[1] + own_w * shares.l2, before[2] + own_w * shares.l3
                )  # fmt: skip
        stretch = Stretch(
            start_s=start_s,
            seconds=seconds,
            power_w=power_w,
            device_phase_w=phase_w[self.site.circuits[0].id],
            household_phase_w=(l1 / seconds, l2 / seconds, l3 / seconds),
            held=held,
        )
        self.elapsed_s += seconds
        self._book(stretch, phase_w)
        self.meter.note(stretch)
        return stretch

    def _book(self, stretch: Stretch, phase_w: Mapping[CircuitId, PhasePower]) -> None:
        totals, hours = self.totals, stretch.seconds / 3600
        totals.book_grid(
            stretch.grid_power_w,
            seconds=stretch.seconds,
            import_eur_per_kwh=self._import_eur_per_kwh,
            export_eur_per_kwh=self._export_eur_per_kwh,
        )
        if (netting := self.site.tariff.net_metering) is not None:
            lost_eur = self._import_eur_per_kwh - netting.fee_eur_per_kwh - self._export_eur_per_kwh
            totals.book_netting(
                self._billing_year, stretch.grid_power_w, seconds=stretch.seconds, lost_eur_per_kwh=lost_eur
            )
        if self._intensity is not None and self._slot is not None:
            bought_kwh = max(0.0, stretch.grid_power_w) * hours / 1000
            totals.co2_g += bought_kwh * float(self._intensity[self._slot])
        for pv in self.pv.values():
            totals.curtailed_wh += (pv.available_w + pv.power_w) * hours
        for battery in self.batteries.values():
            totals.battery_throughput_wh += abs(battery.power_w) * hours
        for charger in self.chargers.values():
            totals.car_wh += charger.power_w * hours
        totals.unmet_car_wh = sum(charger.unmet_wh for charger in self.chargers.values())
        for pump in self.heat_pumps.values():
            totals.discomfort_degree_h += pump.discomfort_k() * hours
            totals.tank_discomfort_degree_h += pump.tank_discomfort_k() * hours
        for circuit, power_w in phase_w.items():
            exceeded_s = self._exceeded_s(circuit, power_w, stretch)
            if exceeded_s:
                totals.fuse_exceeded_s[str(circuit)] += exceeded_s

    def _exceeded_s(self, circuit: CircuitId, phase_w: PhasePower, stretch: Stretch) -> int:
        """Seconds in which any phase of a circuit was above its rated current, import or export."""
        fuse_w = self._fuse_w[circuit]
        if self.is_cut_off:
            return 0
        if circuit != self.site.circuits[0].id:
            return stretch.seconds if max(abs(power_w) for power_w in phase_w) > fuse_w else 0
        unix = self._start_unix_s + stretch.start_s
        highs_w = self.household.slot_high_w(unix)
        if all(-fuse_w <= own_w and own_w + high_w <= fuse_w for own_w, high_w in zip(phase_w, highs_w, strict=True)):
            return 0  # not even the slot's highest second reaches it, nor would no load at all
        each_w = np.abs(self.household.seconds(unix, stretch.seconds) + np.array(phase_w))
        return int((each_w.max(axis=1) > fuse_w).sum())

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on, as JSON; site, data, seed and options come from the constructor."""
        return {
            "elapsed_s": self.elapsed_s,
            "totals": self.totals.state(),
            "devices": {str(device_id): device.state() for device_id, device in self.devices.items()},
            "held": {str(key): [action_state(held.action), held.expires_mono_s] for key, held in self.held.items()},
            "meter": self.meter.state(),
            "meter_last": None if self.meter.last is None else reading_state(self.meter.last),
            "last": {str(device_id): reading_state(reading) for device_id, reading in self.disturbances.said.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state`, in a house made with the same arguments."""
        self.elapsed_s = state["elapsed_s"]
        self.totals = Totals.from_state(state["totals"])
        for device_id, own in state["devices"].items():
            self.devices[DeviceId(device_id)].restore(own)
        self.held = {
            DeviceId(key): Held(action=action_from(action), expires_mono_s=expires_mono_s)
            for key, (action, expires_mono_s) in state["held"].items()
        }
        last = state["meter_last"]
        self.meter.restore(state["meter"], last=None if last is None else reading_from(last))
        self.disturbances.restore_said({DeviceId(key): reading_from(each) for key, each in state["last"].items()})
        self._slot = None
