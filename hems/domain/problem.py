"""Everything the planner may know, as one document (``hems/planning-problem/2``).

One value per slot of ``grid`` in every series. Powers are means over the slot in load convention [W] unless
the name gives a direction. The problem is never infeasible: device limits and physics are hard, wishes are
soft (design page, decision 9), and a measured state outside its band is accepted and steered back. What a
household does not have is left out: every part has a default that means "none".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from hems.domain.documents import STRICT
from hems.domain.power import ALL_PHASES, Phase
from hems.domain.site import MAIN, CircuitId, DeviceId
from hems.domain.time import SlotGrid

PROBLEM_SCHEMA: Literal["hems/planning-problem/2"] = "hems/planning-problem/2"

Series = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taper:
    """Power falls in a straight line towards one end of a storage."""

    from_wh: float
    """Stored energy at which the power begins to fall, on the way up or on the way down."""
    end_power_w: float
    """What is left of it at the end of the window, >= 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryInput:
    """One battery. Energy above empty on the DC side; power on the AC side, behind a hybrid inverter at its DC bus."""

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
    cycle_cost_eur_per_kwh: float = 0.0
    """Wear of one kWh taken out, on the side of ``discharge_power_max_w``."""
    charge_taper: Taper | None = None
    """Towards the ceiling, by the energy at the end of a slot."""
    discharge_taper: Taper | None = None
    charges_from_grid: bool = True
    """False is a wish: store own surplus only."""
    sells: bool = True
    """False is a wish: nothing out of this battery into the grid."""
    inverter_id: DeviceId | None = None
    """The hybrid inverter whose DC side it is on; None: it has its own connection to AC."""
    circuit_id: CircuitId = MAIN
    phases: tuple[Phase, ...] = ALL_PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeMode:
    """One way to charge a car: on these conductors 0 or ``power_min_w..power_max_w``."""

    phases: tuple[Phase, ...]
    power_min_w: float
    power_max_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CarTarget:
    """Energy that a car should have got by an instant, or might need then."""

    at: datetime
    energy_wh: float
    """Charged from the start of the grid on, AC side [Wh]."""
    probability_ratio: float = 1.0
    """How likely it is that the car leaves then, 0..1: what is missing costs ``missing_price_eur_per_kwh`` as often."""
    minimum: bool = False
    """The car's "always at least": a wish that ranks above the departure, whatever it costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarDischarge:
    """A car that may give energy back (V2G, V2H)."""

    power_max_w: float
    available_wh: float
    """May be taken out below what the car has at the start of the grid, counted as charged energy (AC side in)."""
    round_trip_efficiency_ratio: float
    """Energy that comes back for energy charged, AC to AC."""
    cycle_cost_eur_per_kwh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CarInput:
    """One car at one charger, connected from ``arrival_at`` (or the start) to ``departure_at``."""

    device_id: DeviceId
    arrival_at: datetime
    departure_at: datetime
    energy_needed_wh: float
    """Still to be charged by departure, AC side [Wh]; a wish, the car leaves anyway."""
    modes: tuple[ChargeMode, ...]
    """Ways to charge, by rising power: one, or on one phase and on three."""
    targets: tuple[CarTarget, ...] = ()
    """Earlier than the departure: minimum, or an early departure that may happen."""
    missing_price_eur_per_kwh: float = 0.6
    """What a kWh costs on the road that a car lacks at an early departure."""
    energy_max_wh: float | None = None
    """Most that still fits; None: charge no more than needed. More than needed is charged when it earns money."""
    taper: Taper | None = None
    """Towards ``energy_max_wh``, by the energy charged by the end of a slot."""
    discharge: CarDischarge | None = None
    charging_mode: int | None = None
    """Index of the mode in which it charges at present; None: it does not."""
    switch_cost_eur: float = 0.0
    """Of a start, and of a change between phases."""
    announced_on: tuple[bool, ...] = ()
    """Whether the plan in force charges, from the first slot on: a change costs ``change_cost_eur``."""
    session_energy_wh: float = 0.0
    """Charged since plug-in when the problem was posed; nothing to plan with, copied into the plan [Wh]."""
    circuit_id: CircuitId = MAIN

    @property
    def power_max_w(self) -> float:
        """Most in any mode [W]."""
        return max((mode.power_max_w for mode in self.modes), default=0.0)

    @property
    def power_min_w(self) -> float:
        """Least above zero in any mode [W]."""
        return min((mode.power_min_w for mode in self.modes), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomInput:
    """Heated space as one heat capacity: C dT/dt = cop * power + gains - loss * (T - outdoor)."""

    temperature_c: float
    comfort_min_c: Series
    comfort_max_c: Series
    """At the end of each slot; both are wishes."""
    capacity_wh_per_k: float
    loss_w_per_k: float
    outdoor_c: Series
    gains_w: Series
    """Heat from the sun and from people, >= 0."""
    cop_ratio: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class HygieneInput:
    """A tank must have been this hot once by an instant: a wish that ranks as device protection."""

    temperature_c: float
    by_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TankInput:
    """Hot water as one mixed volume: C dT/dt = cop * power - draws - loss * (T - ambient)."""

    temperature_c: float
    temperature_min_c: float
    temperature_max_c: float
    """At the end of each slot; both are wishes. A hygiene run may pass the upper one."""
    capacity_wh_per_k: float
    loss_w_per_k: float
    ambient_c: float
    draws_w: Series
    cop_ratio: Series
    hygiene: HygieneInput | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatInput:
    """A heat pump that heats a room, a tank or both, one compressor for both.

    In the first hours it runs at 0 or ``power_min_w..power_max_w`` as slot mean; later slots are a coarse outlook.
    """

    device_id: DeviceId
    power_min_w: float
    power_max_w: float
    levels_w: Series = ()
    """Powers at which it can run (SG-Ready: normal, boost), rising; empty: any between smallest and largest."""
    room: RoomInput | None = None
    tank: TankInput | None = None
    running: bool = False
    state_s: float = 1e9
    """For how long it has been running, or resting."""
    min_run_s: float = 0.0
    min_rest_s: float = 0.0
    rest_max_s: float | None = None
    """Longest that it may be held at rest on end: then it goes by its own thermostat. None: as long as wanted."""
    start_cost_eur: float = 0.0
    announced_on: tuple[bool, ...] = ()
    """Whether the plan in force runs it, from the first slot on: a change costs ``change_cost_eur``."""
    circuit_id: CircuitId = MAIN
    phases: tuple[Phase, ...] = ALL_PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceInput:
    """A dishwasher or washing machine: a fixed profile that starts once."""

    device_id: DeviceId
    profile_w: Series
    """Mean power per slot from the start on, >= 0."""
    earliest_at: datetime
    """Not before; with ``started_at`` of no account."""
    deadline_at: datetime
    """Wish: done by then."""
    started_at: datetime | None = None
    """Under way since: it goes on to its end."""
    announced_start_at: datetime | None = None
    """Start in the plan in force: another slot costs ``change_cost_eur``."""
    circuit_id: CircuitId = MAIN
    phases: tuple[Phase, ...] = (Phase.L1,)


@dataclass(frozen=True, slots=True, kw_only=True)
class PvInput:
    """One plant's expected production, >= 0; behind a hybrid inverter at its DC bus [W]."""

    device_id: DeviceId
    production_power_w: Series
    curtailable: bool
    inverter_id: DeviceId | None = None
    circuit_id: CircuitId = MAIN
    phases: tuple[Phase, ...] = ALL_PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class InverterInput:
    """A hybrid inverter: PV and battery on one DC bus behind one AC connection."""

    device_id: DeviceId
    give_power_max_w: float
    """AC power out of it at most, >= 0."""
    take_power_max_w: float
    """AC power into it at most, >= 0; 0: it cannot charge from AC."""
    efficiency_ratio: float
    circuit_id: CircuitId = MAIN
    phases: tuple[Phase, ...] = ALL_PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitInput:
    """A fuse: what may flow on each phase, either way, and what flows that nothing controls."""

    circuit_id: CircuitId
    parent_id: CircuitId | None
    """None for the main fuse only."""
    phase_power_max_w: tuple[float, float, float]
    """Per phase L1, L2, L3, >= 0."""
    phase_load_w: tuple[Series, Series, Series] | None = None
    """Uncontrolled load behind it per phase, with all that its sub-circuits carry. None: ``load_power_w`` in equal
    parts behind the main fuse, nothing behind any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakInput:
    """A capacity tariff: the highest mean import of the month costs, above what is paid for already."""

    price_eur_per_kw: float
    paid_power_w: float
    """Peak of the month so far, or what is charged at least; import up to it costs nothing more."""
    counts: tuple[bool, ...] = ()
    """Slots that count; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NettingInput:
    """Net metering: export earns its price only as far as the year's import exceeds it."""

    balance_wh: float
    """Import less export of the year so far plus what is expected of its rest after the horizon; < 0: used up."""
    surplus_price_eur_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonInput:
    """Emissions of imported energy as a cost."""

    intensity_g_per_kwh: Series
    price_eur_per_kg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentInput:
    """An accepted setpoint or schedule: mean power at the connection that was promised."""

    commitment_id: str
    grid_power_w: tuple[float | None, ...]
    """Import positive; None where nothing was promised."""
    tolerance_w: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningProblem:
    """A planning problem; see the module."""

    __pydantic_config__: ClassVar = STRICT

    issued_at: datetime
    grid: SlotGrid
    import_price_eur_per_kwh: Series
    """All that one more kWh costs: market, tax, grid fee of that slot."""
    export_price_eur_per_kwh: Series
    load_power_w: Series
    """Expected load that nothing controls, >= 0 [W]."""
    import_power_max_w: Series
    """Most that the connection may draw per slot (fuse, contract), >= 0 [W]."""
    export_power_max_w: Series
    net_error_w: Series = ()
    """How far off load less production may be: standard deviation per slot, >= 0 [W]; empty: certain."""
    operator_import_max_w: Series | None = None
    """A grid operator's limit on import; None: none is in force."""
    operator_export_max_w: Series | None = None
    pv: tuple[PvInput, ...] = ()
    batteries: tuple[BatteryInput, ...] = ()
    inverters: tuple[InverterInput, ...] = ()
    cars: tuple[CarInput, ...] = ()
    heat: tuple[HeatInput, ...] = ()
    appliances: tuple[ApplianceInput, ...] = ()
    circuits: tuple[CircuitInput, ...] = ()
    """Empty: the connection's limits alone."""
    peaks: tuple[PeakInput, ...] = ()
    netting: NettingInput | None = None
    carbon: CarbonInput | None = None
    commitments: tuple[CommitmentInput, ...] = ()
    change_cost_eur: float = 0.0
    """Price of one slot in which a device is on that was announced off, or the reverse: calm."""
    announced_gap_eur: float = 0.0
    """``gap_eur`` of the plan in force: what keeps to it may be as far above its bound."""
    known_price_slots: int = field(default=0)
    """Slots with published prices; the rest is predicted. For explanations only."""
    schema: Literal["hems/planning-problem/2"] = PROBLEM_SCHEMA

    def __post_init__(self) -> None:
        for name, values in self._series():
            if len(values) != self.grid.count:
                raise ValueError(f"{name} has {len(values)} values for {self.grid.count} slots")
        for what, known, used in (
            ("circuit", {each.circuit_id for each in self.circuits} | {MAIN}, self._circuits_used()),
            ("inverter", {each.device_id for each in self.inverters}, self._inverters_used()),
        ):
            unknown = sorted(set(used) - set(known))
            if unknown:
                raise ValueError(f"{what} {unknown[0]} is named by a device and not described")

    def _series(self) -> Iterator[tuple[str, Sequence[object]]]:
        yield "import_price_eur_per_kwh", self.import_price_eur_per_kwh
        yield "export_price_eur_per_kwh", self.export_price_eur_per_kwh
        yield "load_power_w", self.load_power_w
        yield "import_power_max_w", self.import_power_max_w
        yield "export_power_max_w", self.export_power_max_w
        yield "net_error_w", self.net_error_w or self.load_power_w
        yield "operator_import_max_w", self.operator_import_max_w or self.load_power_w
        yield "operator_export_max_w", self.operator_export_max_w or self.load_power_w
        for plant in self.pv:
            yield f"pv {plant.device_id} production_power_w", plant.production_power_w
        for pump in self.heat:
            if pump.room is not None:
                for name in ("comfort_min_c", "comfort_max_c", "outdoor_c", "gains_w", "cop_ratio"):
                    yield f"heat {pump.device_id} room {name}", getattr(pump.room, name)
            if pump.tank is not None:
                for name in ("draws_w", "cop_ratio"):
                    yield f"heat {pump.device_id} tank {name}", getattr(pump.tank, name)
        for circuit in self.circuits:
            for phase, values in zip(ALL_PHASES, circuit.phase_load_w or (), strict=False):
                yield f"circuit {circuit.circuit_id} load on {phase}", values
        for number, peak in enumerate(self.peaks):
            yield f"peak {number} counts", peak.counts or self.load_power_w
        if self.carbon is not None:
            yield "carbon intensity_g_per_kwh", self.carbon.intensity_g_per_kwh
        for commitment in self.commitments:
            yield f"commitment {commitment.commitment_id} grid_power_w", commitment.grid_power_w

    def _circuits_used(self) -> Iterator[CircuitId]:
        for placed in (self.pv, self.batteries, self.inverters, self.cars, self.heat, self.appliances):
            for each in placed:
                yield each.circuit_id
        for circuit in self.circuits:
            if circuit.parent_id is not None:
                yield circuit.parent_id

    def _inverters_used(self) -> Iterator[DeviceId]:
        for members in (self.pv, self.batteries):
            for each in members:
                if each.inverter_id is not None:
                    yield each.inverter_id
