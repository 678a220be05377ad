"""Everything the planner may know, as one document (``hems/planning-problem/1``).

One value per slot of ``grid`` in every series. Powers are means over the slot in load convention [W] unless
the name gives a direction. The problem is never infeasible: device limits and physics are hard, wishes are
soft (design page, decision 9), and a measured state outside its band is accepted and steered back.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from hems.domain.documents import STRICT
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid

PROBLEM_SCHEMA: Literal["hems/planning-problem/1"] = "hems/planning-problem/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryInput:
    """One battery. Power on the AC side, energy above empty on the DC side."""

    device_id: DeviceId
    stored_wh: float
    """Measured at the start of the grid; may lie outside floor..ceiling."""
    floor_wh: float
    ceiling_wh: float
    reserve_wh: float
    """Wish: not below this, except to serve what ranks above it."""
    charge_power_max_w: float
    discharge_power_max_w: float
    charge_efficiency_ratio: float
    discharge_efficiency_ratio: float
    terminal_value_eur_per_kwh: float
    """Worth of a stored kWh at the end of the horizon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarInput:
    """One car at one charger, connected from ``arrival_at`` (or the start) to ``departure_at``."""

    device_id: DeviceId
    """The charger."""
    arrival_at: datetime
    departure_at: datetime
    energy_needed_wh: float
    """Still to be charged by departure, AC side [Wh]; a wish, the car leaves anyway."""
    power_min_w: float
    """Smallest power above zero: charging is 0 or power_min_w..power_max_w."""
    power_max_w: float
    session_energy_wh: float = 0.0
    """Charged since plug-in when the problem was posed; nothing to plan with, copied into the plan [Wh]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatInput:
    """Heat pump as a power and energy band: room and tank folded into electrical energy.

    Electrical energy used from the start of the grid to the end of slot i should lie in
    ``energy_min_wh[i] .. energy_max_wh[i]``: below it someone is cold, above it too warm. Both are wishes.
    """

    device_id: DeviceId
    power_min_w: float
    """Smallest power while running; running is 0 or power_min_w..power_max_w, as slot mean any power between."""
    power_max_w: float
    energy_min_wh: tuple[float, ...]
    energy_max_wh: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PvInput:
    """One plant's expected production, >= 0 [W]."""

    device_id: DeviceId
    production_power_w: tuple[float, ...]
    curtailable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningProblem:
    """A planning problem; see the module."""

    __pydantic_config__: ClassVar = STRICT

    issued_at: datetime
    grid: SlotGrid
    import_price_eur_per_kwh: tuple[float, ...]
    export_price_eur_per_kwh: tuple[float, ...]
    load_power_w: tuple[float, ...]
    """Expected load that nothing controls, >= 0 [W]."""
    import_power_max_w: tuple[float, ...]
    """Most that the connection may draw per slot (fuse, contract, operator), >= 0 [W]."""
    export_power_max_w: tuple[float, ...]
    pv: tuple[PvInput, ...] = ()
    batteries: tuple[BatteryInput, ...] = ()
    cars: tuple[CarInput, ...] = ()
    heat: tuple[HeatInput, ...] = ()
    known_price_slots: int = field(default=0)
    """Slots with published prices; the rest is predicted. For explanations only."""
    schema: Literal["hems/planning-problem/1"] = PROBLEM_SCHEMA

    def __post_init__(self) -> None:
        series = {
            "import_price_eur_per_kwh": self.import_price_eur_per_kwh,
            "export_price_eur_per_kwh": self.export_price_eur_per_kwh,
            "load_power_w": self.load_power_w,
            "import_power_max_w": self.import_power_max_w,
            "export_power_max_w": self.export_power_max_w,
            **{f"pv {plant.device_id}": plant.production_power_w for plant in self.pv},
            **{f"heat {pump.device_id} energy_min_wh": pump.energy_min_wh for pump in self.heat},
            **{f"heat {pump.device_id} energy_max_wh": pump.energy_max_wh for pump in self.heat},
        }
        for name, values in series.items():
            if len(values) != self.grid.count:
                raise ValueError(f"{name} has {len(values)} values for {self.grid.count} slots")
