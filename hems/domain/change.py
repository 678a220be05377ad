"""What a new plan does otherwise than the one before, and which input changed it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hems.domain.site import DeviceId


class Input(StrEnum):
    """What a plan is made of, as far as it can change between two plans."""

    LOAD = "load"
    SUN = "sun"
    PRICES_PUBLISHED = "prices_published"
    """Known from now on, expected before."""
    PRICES = "prices"
    """Otherwise expected, or published otherwise."""
    CAR_CAME = "car_came"
    CAR_LEFT = "car_left"
    CAR_NEED = "car_need"
    """Energy other than the old plan would have left to charge."""
    CAR_DEPARTURE = "car_departure"
    STORED = "stored"
    """Energy in a battery other than the old plan expected at this moment."""
    LIMIT = "limit"
    """Of the connection, a fuse or the grid operator."""
    TEMPERATURE = "temperature"
    """Of room or hot water, or outside."""
    APPLIANCE = "appliance"
    PROMISE = "promise"
    """To the aggregator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChange:
    """One input that is not what the old plan was made of, in the hours that both plans cover."""

    changed: Input
    device_id: DeviceId | None
    """None: the whole house."""
    energy_wh: float
    """How much more, < 0: less. Load, sun and stored energy as they are; a car's and an appliance's need; heat as
    electricity. 0 where it is no amount of energy."""
    effect_eur: float
    """What the change costs by the marginal prices of the plans, < 0: saves."""
    weight_eur: float
    """How much it matters to the decision, >= 0: the larger of the effect and of what acting on it brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """What one device does otherwise in the hours that both plans cover."""

    device_id: DeviceId
    moved_wh: float
    """Energy that is taken or given at another time, or no longer: half of all that differs, or what was added."""
    energy_wh: float
    """How much more it takes in all these hours, < 0: less."""
    start_before_at: datetime | None
    """When it was to start next; where it runs already, the beginning of these hours. None: not at all."""
    start_after_at: datetime | None
    soon: bool
    """On or off is otherwise within the next two hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """A plan against the one before."""

    at: datetime
    """When the new plan was made."""
    before_at: datetime
    devices: tuple[DeviceChange, ...]
    """Those that do something else worth telling, the most notable first."""
    inputs: tuple[InputChange, ...]
    """By weight, the largest first."""
    cause: InputChange | None
    """None: nothing notable has changed in what the plan is made of."""
    confirmed: bool
    """Solved again with the cause as it was before, the old decision came back."""
