"""What is wanted of a device, before anything protects anything."""

import math
from dataclasses import dataclass

from hems.domain.command import Authority
from hems.domain.site import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What the dispatch would like a device to do.

    ``power_w`` in load convention; for PV ``-power_w`` is the most it should produce, and None is everything.
    """

    device_id: DeviceId
    power_w: float | None
    urgent: bool = False
    """Outranks a charger's minimum run and rest. A compressor's minimum times protect it and stay."""
    need_w: float | None = None
    """Mean power that gets a car ready in time; None: nobody knows. Where not all fits, chargers share by it."""
    authority: Authority = Authority.PLAN
    """Who wants it. It is recorded; it widens nothing."""

    @property
    def known_w(self) -> float:
        """Power in numbers: nothing wanted, or no number, is rest [W]."""
        return 0.0 if self.power_w is None or math.isnan(self.power_w) else self.power_w
