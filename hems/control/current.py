"""From a power that is allowed to a current and a number of phases that a car accepts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hems.domain.power import VOLTAGE_V
from hems.domain.site import Charger

CURRENT_STEP_A = 0.1
"""Resolution of an offered current (OCPP 1.6 allows one decimal) [A]. Rounded down, so that no limit is passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a charger may offer; 0 A is a pause."""

    current_a: float
    phase_count: int
    power_w: float


def highest_power_w(charger: Charger, headroom_a: Mapping[int, float]) -> float:
    """Most that the charger may draw when each number of phases has its own headroom [W]; 0 below the minimum."""
    return max((_power_range(charger, count, amps)[1] for count, amps in headroom_a.items()), default=0.0)


def choose_offer(charger: Charger, *, power_w: float, headroom_a: Mapping[int, float], keep_count: int) -> Offer:
    """Largest offer that is not above a power, preferring the number of phases in use.

    Args:
        charger: minimum, maximum and nameplate.
        power_w: wanted power, already inside the limits [W].
        headroom_a: current left on the worst wired phase, by number of phases that may be used now [A].
        keep_count: number of phases in use; taken when it comes within 5 % of the best.

    Returns:
        An offer with power <= power_w, or a pause where even the smallest current is above it.
    """
    best = Offer(current_a=0.0, phase_count=keep_count, power_w=0.0)
    for count in sorted(headroom_a, key=lambda each: each != keep_count):
        low_w, high_w = _power_range(charger, count, headroom_a[count])
        if high_w <= 0 or power_w < low_w * (1 - 1e-9):
            continue
        amps = min(power_w, high_w) / (count * VOLTAGE_V)
        stepped_a = round(math.floor(amps / CURRENT_STEP_A + 1e-6) * CURRENT_STEP_A, 1)
        # A smallest current between two steps, 6.25 A say, is itself an offer.
        current_a = max(stepped_a, charger.current_min_a)
        power_here_w = charger.power_at_w(current_a=current_a, phase_count=count)
        if power_here_w > best.power_w * 1.05:
            best = Offer(current_a=current_a, phase_count=count, power_w=power_here_w)
    return best


def _power_range(charger: Charger, count: int, headroom_a: float) -> tuple[float, float]:
    """Smallest and largest power on a number of phases; (0, 0) where the minimum does not fit."""
    nameplate_a = charger.power_max_w / (count * VOLTAGE_V)
    most_a = min(charger.current_max_a, headroom_a, nameplate_a)
    if most_a < charger.current_min_a:
        return 0.0, 0.0
    return charger.current_min_a * count * VOLTAGE_V, most_a * count * VOLTAGE_V
