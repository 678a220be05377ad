"""A scenario folder: a complaint, the house, what is known in it, and what its plan has to be like.

``site.yaml`` is an ordinary site file. ``inputs.yaml`` says in the household's words what is measured and expected;
values that change with the hour are steps by the clock (``{"00:00": 300 W, "17:00": 1.5 kW}``, each day alike).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from hems.app.posing import pose
from hems.config import load_site_file
from hems.control.estimate import estimate
from hems.control.state import ControlState, SwitchMemory
from hems.domain.command import Authority, Limit
from hems.domain.forecast import Forecast
from hems.domain.outlook import CarTask, Outlook
from hems.domain.power import PhaseValues
from hems.domain.problem import CircuitInput, PlanningProblem
from hems.domain.reading import (
    BatteryValues,
    CarState,
    ChargerValues,
    GridValues,
    HeatPumpValues,
    Image,
    PvValues,
    Reading,
)
from hems.domain.site import MAIN, Charger, Site
from hems.domain.time import Now, SlotGrid

SLOTS = 192
MONO_S = 1_000_000.0
FACTORS = {
    "W": 1.0, "kW": 1e3, "GW": 1e9, "Wh": 1.0, "kWh": 1e3, "A": 1.0, "%": 1.0, "degC": 1.0, "min": 60.0, "h": 3600.0,
    "ct/kWh": 0.01, "EUR/kWh": 1.0, "EUR/kW": 1.0, "EUR": 1.0,
}  # fmt: skip
QUANTITY = r"-?\d+(?:\.\d+)? (?:" + "|".join(sorted(map(re.escape, FACTORS), key=len, reverse=True)) + ")"


def quantity(text: str) -> float:
    """A number with its unit, in house units."""
    number, unit = text.split()
    return float(number) * FACTORS[unit]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One folder, read."""

    folder: Path

    @cached_property
    def site(self) -> Site:
        return load_site_file(self.folder / "site.yaml")

    @cached_property
    def inputs(self) -> Mapping[str, Any]:
        return _yaml(self.folder / "inputs.yaml")

    @cached_property
    def expected(self) -> Mapping[str, Any]:
        return _yaml(self.folder / "expected.yaml")

    @cached_property
    def start_at(self) -> datetime:
        """In UTC; the file has the local time."""
        return datetime.fromisoformat(self.inputs["time"]).replace(tzinfo=self.site.zone).astimezone(UTC)

    @cached_property
    def grid(self) -> SlotGrid:
        return SlotGrid(start_at=self.start_at, count=SLOTS)

    def at(self, clock: str) -> datetime:
        """The next time that the clock says so, from the start on."""
        hours, minutes = map(int, clock.split(":"))
        found = self.start_at.astimezone(self.site.zone).replace(hour=hours, minute=minutes).astimezone(UTC)
        return found if found >= self.start_at else found + timedelta(days=1)

    def slot(self, clock: str) -> int:
        """The slot that begins, or the end of the one that ends, at that time."""
        return round((self.at(clock) - self.start_at) / timedelta(seconds=self.grid.slot_s))

    def steps(self, value: str | Mapping[str, str]) -> tuple[float, ...]:
        """A value per slot."""
        if isinstance(value, str):
            return (quantity(value),) * SLOTS
        clocks = sorted(value)
        found = []
        for start_at in self.grid.starts():
            now = start_at.astimezone(self.site.zone).strftime("%H:%M")
            begun = [each for each in clocks if each <= now]
            found.append(quantity(value[begun[-1] if begun else clocks[-1]]))
        return tuple(found)

    @cached_property
    def problem(self) -> PlanningProblem:
        """What is asked of the planner, as the daemon asks it."""
        now = Now(at=self.start_at, mono_s=MONO_S, wall_trusted=True)
        state = replace(ControlState.start(self.site), switches=self._switches())
        seen = estimate(state, self._image(), now)
        return self._with_loaded_phases(pose(state, seen, self._outlook(), self._limits(), now))

    def load_on(self, phase: str) -> tuple[float, ...]:
        """What nothing controls on a phase [W]."""
        given = self.inputs.get("load_on", {})
        return self.steps(given[phase]) if phase in given else tuple(each / 3 for each in self._load_w)

    @property
    def _load_w(self) -> tuple[float, ...]:
        if "load" in self.inputs:
            return self.steps(self.inputs["load"])
        return tuple(map(sum, zip(*(self.steps(each) for each in self.inputs["load_on"].values()), strict=True)))

    def _outlook(self) -> Outlook:
        spot = self.steps(self.inputs.get("spot", "0 ct/kWh"))
        starts = tuple(self.grid.starts())
        outdoor = self.inputs.get("outdoor")
        return Outlook(
            grid=self.grid,
            import_price_eur_per_kwh=tuple(map(self.site.import_price_eur_per_kwh, spot, starts)),
            export_price_eur_per_kwh=tuple(map(self.site.export_price_eur_per_kwh, spot, starts)),
            published_count=SLOTS,
            load=self._forecast(self._load_w),
            pv={plant.id: self._forecast(self.steps(self.inputs["sun"][plant.name])) for plant in self.site.pv},
            cars=tuple(self._task(name, car) for name, car in self.inputs.get("cars", {}).items()),
            month_peak_w=quantity(self.inputs.get("month_peak", "0 W")),
            year_balance_wh=quantity(balance) if (balance := self.inputs.get("year_balance")) else None,
            outdoor_c=None if outdoor is None else self.steps(outdoor),
        )

    def _forecast(self, power_w: tuple[float, ...]) -> Forecast:
        return Forecast.certain(power_w, grid=self.grid, issued_at=self.start_at)

    def _task(self, name: str, car: Mapping[str, str]) -> CarTask:
        charger = next(each for each in self.site.chargers if each.name == name)
        arrives = car.get("arrives")
        return CarTask(
            device_id=charger.id,
            arrival_at=self.start_at if arrives is None else self.at(arrives),
            departure_at=self.at(car["ready_by"]),
            session_target_wh=quantity(car["needs"]) + quantity(car.get("charged", "0 Wh")),
        )

    def _limits(self) -> tuple[Limit, ...]:
        if "operator" not in self.inputs:
            return ()
        power_w = quantity(self.inputs["operator"])
        return (Limit(authority=Authority.OPERATOR, source="scenario", import_power_max_w=power_w),)

    def _switches(self) -> dict[Any, SwitchMemory]:
        found = {}
        for pump in self.site.heat_pumps:
            given = self.inputs["pumps"][pump.name]
            for word in ("running_for", "resting_for"):
                if word in given:
                    since_s = MONO_S - quantity(given[word])
                    found[pump.id] = SwitchMemory(running=word == "running_for", switched_mono_s=since_s)
        return found

    def _image(self) -> Image:
        phases = PhaseValues(**{phase.lower(): self.load_on(phase)[0] for phase in ("L1", "L2", "L3")})
        grid = GridValues(power_w=phases.total, phase_power_w=phases, phase_power_high_w=phases)
        pumps = self.inputs.get("pumps", {})
        return Image(
            grid=_read(grid),
            pv={
                each.id: _read(PvValues(power_w=-self.steps(self.inputs["sun"][each.name])[0])) for each in self.site.pv
            },
            batteries={
                each.id: _read(
                    BatteryValues(
                        power_w=0.0,
                        stored_wh=quantity(self.inputs["batteries"][each.name]) / 100 * each.capacity_wh,
                        charge_power_max_w=None,
                    )
                )
                for each in self.site.batteries
            },
            chargers={each.id: _read(self._charger(each)) for each in self.site.chargers},
            heat_pumps={
                each.id: _read(
                    HeatPumpValues(
                        power_w=0.0,
                        room_c=_degrees(pumps[each.name].get("room")),
                        tank_c=_degrees(pumps[each.name].get("tank")),
                    )
                )
                for each in self.site.heat_pumps
            },
        )

    def _charger(self, charger: Charger) -> ChargerValues:
        car = self.inputs.get("cars", {}).get(charger.name)
        there = car is not None and "arrives" not in car
        return ChargerValues(
            car=CarState.CONNECTED if there else CarState.ABSENT,
            power_w=0.0,
            session_energy_wh=quantity(car.get("charged", "0 Wh")) if there else 0.0,
            offered_current_a=0.0,
            phase_count=charger.phase_counts[-1],
        )

    def _with_loaded_phases(self, problem: PlanningProblem) -> PlanningProblem:
        """What the posing does not say yet: the load that one phase carries."""
        if "load_on" not in self.inputs:
            return problem
        l1, l2, l3 = (self.load_on(phase) for phase in ("L1", "L2", "L3"))
        circuits = (self.fuses[0], *problem.circuits[1:])
        return replace(problem, circuits=(replace(circuits[0], phase_load_w=(l1, l2, l3)), *circuits[1:]))

    @property
    def fuses(self) -> tuple[CircuitInput, ...]:
        """Every fuse with its rating and what is expected behind it: nothing uncontrolled behind sub-circuits."""
        zero = (0.0,) * SLOTS
        return tuple(
            CircuitInput(
                circuit_id=each.id,
                parent_id=each.parent,
                phase_power_max_w=(each.fuse_a * 230.0,) * 3,
                phase_load_w=(self.load_on("L1"), self.load_on("L2"), self.load_on("L3"))
                if each.id == MAIN
                else (zero, zero, zero),
            )
            for each in self.site.circuits
        )


def _degrees(text: str | None) -> float | None:
    return None if text is None else quantity(text)


def _read(value: Any) -> Reading[Any]:
    return Reading(value=value, mono_s=MONO_S)


def _yaml(path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = YAML(typ="safe").load(path)
    return found
