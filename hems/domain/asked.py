"""What people and partners ask of the house beside its plan, as the tick gets it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hems.domain.flex import Setpoint
from hems.domain.override import ChargeNow
from hems.domain.site import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Overrides of the owner, and the accepted setpoint of this moment."""

    overrides: tuple[ChargeNow, ...] = ()
    setpoint: Setpoint | None = None
    car_power_max_w: Mapping[DeviceId, float] = field(default_factory=dict)
    """Most that a car takes while the setpoint is followed: what the promise counted on. The owner's word is stronger,
    and so is a departure that could not be met otherwise."""


NOTHING_ASKED = Asked()
