"""Tolerances and the two forms that most findings have."""

from collections.abc import Iterator, Sequence

from hems.domain.plan import Remedy, RemedyKind, Unit, UnmetWish, Wish
from hems.domain.power import Phase
from hems.domain.site import CircuitId, DeviceId
from hems.domain.time import SlotGrid

POWER_TOLERANCE_W = 0.5
"""Device powers, sums: rounding of a solver."""

TOLERANCES = {Unit.WH: 1.0, Unit.W: 1.0, Unit.K: 0.05, Unit.S: 1.0}
"""A wish bent by less is met, a limit passed by less is kept: nobody could notice."""

RANKS = {wish: rank for rank, wish in enumerate(Wish)}
"""Strongest first."""


def outside(
    name: str,
    series: Sequence[float],
    lower: Sequence[float],
    upper: Sequence[float],
    tolerance_w: float = POWER_TOLERANCE_W,
) -> Iterator[str]:
    """The first slot outside its bounds."""
    for slot, (power_w, lower_w, upper_w) in enumerate(zip(series, lower, upper, strict=True)):
        if not lower_w - tolerance_w <= power_w <= upper_w + tolerance_w:
            yield f"{name}: {power_w:.1f} W in slot {slot} is outside {lower_w:.1f} .. {upper_w:.1f} W"
            return


def bent_at_worst(
    grid: SlotGrid, wish: Wish, device_id: DeviceId, missing: Sequence[float], *, unit: Unit, kind: RemedyKind
) -> Iterator[UnmetWish]:
    """A wish that counts by its worst slot, if any is bent."""
    bent = [slot for slot, each in enumerate(missing) if each > TOLERANCES[unit]]
    if bent:
        yield UnmetWish(
            wish=wish,
            device_id=device_id,
            shortfall=max(missing),
            unit=unit,
            at=grid.slot_start(bent[0]),
            remedy=Remedy(kind=kind, amount=max(missing), unit=unit),
        )


def bent_in_sum(
    grid: SlotGrid,
    wish: Wish,
    over_w: Sequence[float],
    *,
    kind: RemedyKind = RemedyKind.RAISE_LIMIT,
    circuit_id: CircuitId | None = None,
    phase: Phase | None = None,
) -> Iterator[UnmetWish]:
    """A wish that counts by the energy beyond a power, and is satisfied by moving that power."""
    bent = [slot for slot, each in enumerate(over_w) if each > TOLERANCES[Unit.W]]
    if bent:
        yield UnmetWish(
            wish=wish,
            device_id=None,
            shortfall=sum(over_w[slot] for slot in bent) * grid.slot_h,
            unit=Unit.WH,
            at=grid.slot_start(bent[0]),
            remedy=Remedy(kind=kind, amount=max(over_w), unit=Unit.W),
            circuit_id=circuit_id,
            phase=phase,
        )
