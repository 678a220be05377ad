"""Reason codes with typed parameters: what a rule knew when it decided.

A reason is the rule's own statement, made where the decision is made; ``hems.explain`` only puts it in words.
Parameters are true for the whole control episode that they open: a rule whose numbers changed opens a new one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """A meter, or a plant that nobody limits: it only reports."""

    code: Literal["measures"] = "measures"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoresSurplus:
    """Stored is worth more than sold."""

    value_eur_per_kwh: float
    """Worth of a kWh put in, after charging losses."""
    export_price_eur_per_kwh: float
    code: Literal["stores_surplus"] = "stores_surplus"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoversLoad:
    """Buying is dearer than what the stored energy is worth."""

    value_eur_per_kwh: float
    """Worth of a kWh taken out, with discharging losses."""
    import_price_eur_per_kwh: float
    code: Literal["covers_load"] = "covers_load"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuysForLater:
    """Buying now is cheaper than what a stored kWh will save."""

    value_eur_per_kwh: float
    import_price_eur_per_kwh: float
    code: Literal["buys_for_later"] = "buys_for_later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sells:
    """Selling now earns more than the stored energy is worth."""

    value_eur_per_kwh: float
    export_price_eur_per_kwh: float
    code: Literal["sells"] = "sells"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepsForLater:
    """Kept on purpose: worth more later than the power it would save now."""

    value_eur_per_kwh: float
    import_price_eur_per_kwh: float
    code: Literal["keeps_for_later"] = "keeps_for_later"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavesRoom:
    """Selling the surplus earns more now than storing it would save: the room is kept for later sun."""

    value_eur_per_kwh: float
    export_price_eur_per_kwh: float
    code: Literal["leaves_room"] = "leaves_room"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """No surplus to store and nothing worth covering."""

    code: Literal["waits"] = "waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowsPlan:
    """Prices reward waste (negative purchase price): the plan's power is taken as it is."""

    import_price_eur_per_kwh: float
    code: Literal["follows_plan"] = "follows_plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class SparesPeak:
    """Gives, or waits, because a higher quarter hour than the month has, or is planned to have, costs money."""

    peak_power_w: float
    """Import of the house up to which it costs nothing more [W]."""
    code: Literal["spares_peak"] = "spares_peak"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfConsumes:
    """No plan: the battery stores what is left over and covers what is missing."""

    code: Literal["self_consumes"] = "self_consumes"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaysIdle:
    """Nothing manages the device: the battery of a house without any strategy."""

    code: Literal["stays_idle"] = "stays_idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCar:
    """No car is plugged in."""

    code: Literal["no_car"] = "no_car"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarFinished:
    """The car has what it asked for, or wants no more."""

    code: Literal["car_finished"] = "car_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarAsleep:
    """Current is offered and the car takes nothing. How much changes with the sun: that is telemetry."""

    code: Literal["car_asleep"] = "car_asleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargesCheap:
    """Power costs no more now than it would in the other slots that remain before departure."""

    import_price_eur_per_kwh: float
    value_eur_per_kwh: float
    departure_at: datetime
    code: Literal["charges_cheap"] = "charges_cheap"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargesOnSurplus:
    """Charging on what the roof makes beyond the house's need."""

    export_price_eur_per_kwh: float
    departure_at: datetime
    code: Literal["charges_on_surplus"] = "charges_on_surplus"


@dataclass(frozen=True, slots=True, kw_only=True)
class MustCharge:
    """From now on only charging without a pause reaches the target before departure."""

    departure_at: datetime
    code: Literal["must_charge"] = "must_charge"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargesLate:
    """It should have left by now, and has not got all that it needs."""

    ready_at: datetime
    code: Literal["charges_late"] = "charges_late"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitsForPrice:
    """Cheaper power, or sun, comes before departure."""

    import_price_eur_per_kwh: float
    next_at: datetime | None
    """Start of the next planned charging; None where the plan counts on nothing but surplus."""
    next_price_eur_per_kwh: float | None
    departure_at: datetime
    code: Literal["waits_for_price"] = "waits_for_price"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargesOnPlugIn:
    """No plan: the car charges as soon as it is there."""

    code: Literal["charges_on_plug_in"] = "charges_on_plug_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitsForPlan:
    """A plan is being made that knows the car; until then it gets no more than the least it needs to go on."""

    code: Literal["waits_for_plan"] = "waits_for_plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtails:
    """Each exported kWh would cost money."""

    export_price_eur_per_kwh: float
    code: Literal["curtails"] = "curtails"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducesFreely:
    """Everything that the sun gives."""

    code: Literal["produces_freely"] = "produces_freely"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatsAsPlanned:
    """Planned for this slot: heat is needed or cheap now."""

    import_price_eur_per_kwh: float
    code: Literal["heats_as_planned"] = "heats_as_planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestsAsPlanned:
    """Warm enough until cheaper power comes."""

    next_at: datetime | None
    code: Literal["rests_as_planned"] = "rests_as_planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatsForComfort:
    """Room or tank at its lower end: heat comes before cost."""

    code: Literal["heats_for_comfort"] = "heats_for_comfort"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestsWarmEnough:
    """Room and tank at their upper end."""

    code: Literal["rests_warm_enough"] = "rests_warm_enough"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsByThermostat:
    """No plan: on at the lower end of the band, off at the upper end."""

    running: bool
    code: Literal["runs_by_thermostat"] = "runs_by_thermostat"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatsByItself:
    """Nobody knows how warm it is: the pump's own thermostat does."""

    code: Literal["heats_by_itself"] = "heats_by_itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestedLongEnough:
    """Nobody may hold it at rest for longer: its own thermostat decides until it has had its turn."""

    rest_max_s: float
    code: Literal["rested_long_enough"] = "rested_long_enough"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerCharges:
    """The owner asked for it, whatever it costs."""

    until_at: datetime
    code: Literal["owner_charges"] = "owner_charges"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowsSetpoint:
    """Keeps the whole house at the power that the aggregator was promised."""

    power_w: float
    """Of the house at its connection, import positive [W]."""
    until_at: datetime
    code: Literal["follows_setpoint"] = "follows_setpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSilent:
    """No usable reading: the device gets its safe value."""

    code: Literal["device_silent"] = "device_silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridMeterSilent:
    """No usable grid reading: only what fits the fuse at worst is allowed."""

    code: Literal["grid_meter_silent"] = "grid_meter_silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsIsland:
    """The grid has failed: inverters go by their own rules, and feed the house."""

    code: Literal["feeds_island"] = "feeds_island"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsInIsland:
    """The grid has failed, and the household wants this to run as long as the battery holds enough."""

    soc_min_pct: float
    code: Literal["runs_in_island"] = "runs_in_island"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestsInIsland:
    """The grid has failed, and what the battery holds is kept for other things."""

    soc_min_pct: float | None
    """It runs when the battery holds clearly more than this; None: not before the grid is back."""
    code: Literal["rests_in_island"] = "rests_in_island"


Reason = (
    Measures
    | StoresSurplus
    | CoversLoad
    | BuysForLater
    | Sells
    | KeepsForLater
    | LeavesRoom
    | Waits
    | FollowsPlan
    | SparesPeak
    | SelfConsumes
    | StaysIdle
    | NoCar
    | CarFinished
    | CarAsleep
    | ChargesCheap
    | ChargesOnSurplus
    | MustCharge
    | ChargesLate
    | WaitsForPrice
    | ChargesOnPlugIn
    | WaitsForPlan
    | Curtails
    | ProducesFreely
    | HeatsAsPlanned
    | RestsAsPlanned
    | HeatsForComfort
    | RestsWarmEnough
    | RunsByThermostat
    | HeatsByItself
    | RestedLongEnough
    | OwnerCharges
    | FollowsSetpoint
    | DeviceSilent
    | GridMeterSilent
    | FeedsIsland
    | RunsInIsland
    | RestsInIsland
)
