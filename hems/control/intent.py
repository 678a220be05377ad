"""What is wanted of one device, and why."""

from dataclasses import dataclass

from hems.control.want import Want
from hems.domain.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One device's want and the reason for it."""

    want: Want
    reason: Reason
