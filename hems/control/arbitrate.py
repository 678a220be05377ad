"""Decision rights: bounds in order of authority, each narrowing what the stronger ones left."""

from collections.abc import Sequence
from dataclasses import dataclass

from hems.domain.command import Authority, LimitedBy, LimitRule
from hems.domain.power import PowerRange

TOLERANCE_W = 1.0
"""A limit that changes less than this did not limit anything a person would notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What one rule allows a device, load convention."""

    authority: Authority
    rule: LimitRule
    range: PowerRange
    circuit: str | None = None


def settle(bounds: Sequence[Bound], wanted_w: float) -> tuple[float, tuple[LimitedBy, ...]]:
    """Power that comes nearest to what is wanted, and the bounds that kept it away.

    Bounds are applied by authority (stable within one authority). A weaker bound that does not meet what the
    stronger ones left is reduced to the nearest point of it: it can never widen, and never empty, the range.

    Args:
        bounds: what each rule allows, in any order; none leaves everything.
        wanted_w: preferred power [W].

    Returns:
        The settled power [W], inside the strongest bound in any case, and what limited it, strongest first.
    """
    allowed: PowerRange | None = None
    limited: list[LimitedBy] = []
    power_w = wanted_w
    for bound in sorted(bounds, key=lambda each: each.authority):
        allowed = bound.range if allowed is None else allowed.narrowed_to(bound.range)
        settled_w = allowed.clamp(power_w)
        if abs(settled_w - power_w) > TOLERANCE_W:
            limited.append(
                LimitedBy(authority=bound.authority, rule=bound.rule, limit_w=settled_w, circuit=bound.circuit)
            )
        power_w = settled_w
    return power_w, tuple(limited)
