"""A plan: what the house should do, why, and what it could not fulfil (``hems/plan/1``).

A plan is advice. It speaks in values and intentions: per storage and slot the worth of a stored kWh, what the
power is meant for, and the planned power as tie-break. The tick acts on values; nothing executes watts.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from hems.domain.documents import STRICT
from hems.domain.site import DeviceId
from hems.domain.time import SlotGrid

PLAN_SCHEMA: Literal["hems/plan/1"] = "hems/plan/1"


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
    """The connection limit, bent only by load or PV that nothing controls."""
    DEPARTURE = "departure"
    HEAT_MIN = "heat_min"
    HEAT_MAX = "heat_max"
    RESERVE = "reserve"
    WINDOW = "window"
    """A battery found outside its window, on its way back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetWish:
    """One wish that the plan bends, by how much at worst, and when first."""

    wish: Wish
    device_id: DeviceId | None
    shortfall_wh: float
    """Energy missing or over at the worst moment (connection: energy beyond the limit over the horizon) [Wh]."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryPlan:
    """One battery's slots."""

    device_id: DeviceId
    power_w: tuple[float, ...]
    """Load convention: positive charges."""
    stored_wh: tuple[float, ...]
    """At the end of each slot."""
    value_eur_per_kwh: tuple[float, ...] | None
    """Worth of one more stored kWh at the end of the slot; None where nothing knows it (rules)."""
    purpose: tuple[Purpose, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarPlan:
    """One car's slots."""

    device_id: DeviceId
    power_w: tuple[float, ...]
    value_eur_per_kwh: tuple[float, ...] | None
    """Worth of one more charged kWh: what it would otherwise cost later."""
    energy_needed_wh: float
    """Copied from the problem: how much the plan meant to charge."""
    departure_at: datetime
    session_energy_wh: float = 0.0
    """Copied from the problem: what the session had when the plan was made. Target: this plus what was needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPlan:
    """One heat pump's slots: mean electrical power, >= 0 [W]."""

    device_id: DeviceId
    power_w: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PvPlan:
    """One plant's production after curtailment, >= 0 [W]."""

    device_id: DeviceId
    production_power_w: tuple[float, ...]


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
    reproducible: bool
    """False when a wall-clock limit cut the search short."""
    import_price_eur_per_kwh: tuple[float, ...]
    export_price_eur_per_kwh: tuple[float, ...]
    """The prices that the plan was made for; the tick acts by them."""
    grid_power_w: tuple[float, ...]
    batteries: tuple[BatteryPlan, ...]
    cars: tuple[CarPlan, ...]
    heat: tuple[HeatPlan, ...]
    pv: tuple[PvPlan, ...]
    cost_eur: float
    """Energy cost over the horizon less the worth of what is stored at its end."""
    unmet: tuple[UnmetWish, ...]
    schema: Literal["hems/plan/1"] = PLAN_SCHEMA
