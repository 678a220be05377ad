"""What people and partners ask of the house beside its plan, as the tick gets it."""

from dataclasses import dataclass

from hems.domain.flex import Setpoint
from hems.domain.override import ChargeNow


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Overrides of the owner, and the accepted setpoint of this moment."""

    overrides: tuple[ChargeNow, ...] = ()
    setpoint: Setpoint | None = None


NOTHING_ASKED = Asked()
