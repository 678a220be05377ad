"""What an owner asks for against the plan: a verb, an end, and a price that was shown before."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from hems.domain.documents import STRICT
from hems.domain.site import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeNow:
    """Charge the car at full power until ``until_at``, whatever it costs; ends by itself, also when the car leaves."""

    __pydantic_config__: ClassVar = STRICT

    id: str
    device_id: DeviceId
    asked_at: datetime
    until_at: datetime
    by: str
    """Who asked, as it is shown: a name or a role."""
    verb: Literal["charge_now"] = "charge_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an override would cost, before anybody asks for it."""

    __pydantic_config__: ClassVar = STRICT

    device_id: DeviceId
    until_at: datetime
    energy_wh: float
    """Expected to be charged until then, AC side [Wh]."""
    extra_cost_eur: float | None
    """Against the present plan, negative where it is cheaper; None where there is no plan to compare with."""
    priced_until_at: datetime
    """Up to here the prices are published, beyond it they are expected."""
