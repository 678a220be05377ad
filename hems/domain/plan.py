"""A plan: what the house should do, why, and what it could not fulfil (``hems/plan/2``).

A plan is advice. It speaks in values and intentions: per storage and slot the worth of a stored kWh, what the
power is meant for, and the planned power as tie-break. The tick acts on values; nothing executes watts.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from hems.domain.documents import STRICT
from hems.domain.power import Phase
from hems.domain.site import CircuitId, DeviceId
from hems.domain.time import SlotGrid

PLAN_SCHEMA: Literal["hems/plan/2"] = "hems/plan/2"

Series = tuple[float, ...]


class Purpose(StrEnum):
    """What a storage's power in a slot is meant for."""

    CHARGE_FROM_GRID = "charge_from_grid"
    STORE_SURPLUS = "store_surplus"
    COVER_LOAD = "cover_load"
    SELL = "sell"
    SELF_CONSUME = "self_consume"
    """Both ways: store what is left over, cover what is missing."""
    HOLD = "hold"


class Wish(StrEnum):
    """What a household may wish and a plan may have to bend, strongest first."""

    CONNECTION = "connection"
    """A fuse or the connection limit, bent only by load or PV that nothing controls."""
    OPERATOR = "operator"
    """The grid operator's limit."""
    PROTECTION = "protection"
    """Minimum run and rest, hygiene run."""
    MINIMUM = "minimum"
    """The car's "always at least"."""
    DEPARTURE = "departure"
    APPLIANCE = "appliance"
    """Done by its deadline."""
    HEAT_MIN = "heat_min"
    HEAT_MAX = "heat_max"
    COMMITMENT = "commitment"
    """An accepted setpoint."""
    RESERVE = "reserve"
    WINDOW = "window"
    """A battery found outside its window, on its way back."""
    GRID_CHARGE = "grid_charge"
    """Never charge this battery from the grid."""
    SELLING = "selling"
    """Never sell out of this battery."""


class Unit(StrEnum):
    """What an amount counts."""

    WH = "Wh"
    W = "W"
    K = "K"
    S = "s"


class RemedyKind(StrEnum):
    """What could be changed so that a wish fits."""

    RAISE_LIMIT = "raise_limit"
    LATER = "later"
    """A later departure or deadline."""
    WANT_LESS = "want_less"
    """Less energy, a lower reserve."""
    WIDER_BAND = "wider_band"
    LOWER_PROMISE = "lower_promise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """The smallest change that would satisfy a bent wish, everything else being as planned."""

    kind: RemedyKind
    amount: float
    unit: Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetWish:
    """One wish that the plan bends, by how much at worst, and when first."""

    wish: Wish
    device_id: DeviceId | None
    """None: the site as a whole."""
    shortfall: float
    """Missing or too much, > 0, in ``unit``: energy beyond a limit over the horizon, degrees at the worst moment."""
    unit: Unit
    at: datetime
    remedy: Remedy
    circuit_id: CircuitId | None = None
    """The fuse, where the wish is one's."""
    phase: Phase | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryPlan:
    """One battery's slots."""

    device_id: DeviceId
    power_w: Series
    """Load convention: positive charges."""
    stored_wh: Series
    """At the end of each slot."""
    value_eur_per_kwh: Series | None
    """Worth of one more stored kWh at the end of the slot; None where nothing knows it (rules)."""
    purpose: tuple[Purpose, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarPlan:
    """One car's slots."""

    device_id: DeviceId
    power_w: Series
    """Load convention: negative gives back."""
    phase_count: tuple[int, ...]
    """Conductors that it charges on; 0 where it does not charge."""
    value_eur_per_kwh: Series | None
    """Worth of one more charged kWh: what it would otherwise cost later."""
    energy_needed_wh: float
    """Copied from the problem: how much the plan meant to charge."""
    departure_at: datetime
    session_energy_wh: float = 0.0
    """Copied from the problem: what the session had when the plan was made. Target: this plus what was needed."""
    ready_ratio: float | None = None
    """How likely it has what it needs when it leaves, 0..1; None where its departure was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPlan:
    """One heat pump's slots: mean electrical power, >= 0 [W], and what it leads to."""

    device_id: DeviceId
    power_w: Series
    tank_power_w: Series = ()
    """The part of it that heats the tank; empty without a tank."""
    room_c: Series = ()
    """At the end of each slot; empty without a room."""
    tank_c: Series = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliancePlan:
    """When an appliance starts."""

    device_id: DeviceId
    start_at: datetime
    """In the past where it is under way."""
    power_w: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class PvPlan:
    """One plant's production after curtailment, >= 0 [W]."""

    device_id: DeviceId
    production_power_w: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class InverterPlan:
    """One hybrid inverter's AC side, load convention [W]."""

    device_id: DeviceId
    power_w: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a plan costs over its horizon [EUR]."""

    energy_eur: float = 0.0
    """Import less what export earns."""
    peak_eur: float = 0.0
    """For raising the month's peak."""
    carbon_eur: float = 0.0
    wear_eur: float = 0.0
    """Cycles of batteries, starts, changes between phases."""
    stored_eur: float = 0.0
    """Worth of what is stored at the end, >= 0: to be taken off."""

    @property
    def total_eur(self) -> float:
        """All of it, less the worth of what is stored."""
        return self.energy_eur + self.peak_eur + self.carbon_eur + self.wear_eur - self.stored_eur


class Decider(StrEnum):
    """What decides a device's power in a slot: the price, or the limit that it runs into."""

    PRICE = "price"
    """Energy is worth less, or more, to it than at another time."""
    OWN_SUN = "own_sun"
    """The surplus of the moment, which would earn less in the grid."""
    POWER_MAX = "power_max"
    POWER_MIN = "power_min"
    """It cannot run slower."""
    FULL = "full"
    EMPTY = "empty"
    CONNECTION = "connection"
    """The connection or a fuse is at its limit."""
    OPERATOR = "operator"
    PEAK = "peak"
    """More would raise the month's peak."""
    COMMITMENT = "commitment"
    AWAY = "away"
    """Not connected, or not yet allowed."""
    DONE = "done"
    """It needs no more."""
    COMFORT = "comfort"
    PROTECTION = "protection"
    """Minimum run or rest, or a programme under way."""
    INDIFFERENT = "indifferent"
    """Another choice would cost the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReasons:
    """Why a device does in each slot what it does, from the duals of the program with its on/off pattern fixed."""

    device_id: DeviceId
    decided_by: tuple[Decider, ...]
    alternative_eur_per_kwh: Series
    """What one kWh costs more at least if it is moved from or into this slot, >= 0: the next best alternative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The prices inside a plan."""

    marginal_price_eur_per_kwh: Series
    """What one more kWh of load costs the house in this slot, all consequences counted."""
    limit_price_eur_per_kwh: Series
    """What one kWh more room at the connection or a fuse would save, >= 0."""
    devices: tuple[DeviceReasons, ...]


class Origin(StrEnum):
    """Who made a plan."""

    SOLVER = "solver"
    RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan; see the module."""

    __pydantic_config__: ClassVar = STRICT

    issued_at: datetime
    grid: SlotGrid
    origin: Origin
    gap_eur: float = 0.0
    """How far above its bound the last search for what is on and off had stopped."""
    reproducible: bool
    """False when a wall-clock limit cut the search short."""
    import_price_eur_per_kwh: Series
    export_price_eur_per_kwh: Series
    """The prices that the plan was made for; the tick acts by them."""
    carbon_price_eur_per_kwh: Series = ()
    """What emissions of an imported kWh cost besides; empty: they cost nothing."""
    grid_power_w: Series
    batteries: tuple[BatteryPlan, ...]
    cars: tuple[CarPlan, ...]
    heat: tuple[HeatPlan, ...]
    pv: tuple[PvPlan, ...]
    appliances: tuple[AppliancePlan, ...] = ()
    inverters: tuple[InverterPlan, ...] = ()
    cost: Cost
    unmet: tuple[UnmetWish, ...]
    peak_power_w: tuple[float | None, ...] = ()
    """Import up to which a capacity tariff charges no more than is paid or planned: what the month has reached, or this
    plan makes it reach. None where a slot does not count; empty without such a tariff [W]."""
    explanation: Explanation | None = None
    """None where nobody solved anything (rules)."""
    schema: Literal["hems/plan/2"] = PLAN_SCHEMA

    @property
    def cost_eur(self) -> float:
        """Cost over the horizon less the worth of what is stored at its end."""
        return self.cost.total_eur
