"""Hold blocks: powers at the grid connection that batteries can hold whatever the rest of the house does.

A promise is made before a setpoint comes and before the weather does. So a block counts on the worst: on the residual
(all that is not a battery) anywhere inside its band, on any start while the envelope is valid, on a battery that has
moved meanwhile, on losses both ways. The proof is one line: stored energy grows with battery power, battery power is
asked power minus residual, so of all that may happen between the down and the up block, (up, low residual) is stored
highest and (down, high residual) lowest at every moment. If these two paths fit, every sequence in between fits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hems.domain.flex import Direction, Envelope, HoldBlock
from hems.domain.site import Battery
from hems.domain.time import SlotGrid, floor_to

HOLD_DURATIONS_S = (900, 1_800, 3_600, 7_200)
VALID_S = 1_200
"""How long an envelope stands unless its maker says otherwise."""
CHARGE_TAPER_FROM_RATIO = 0.90
"""Of capacity: above it the management lowers the charge power, so a promise does not charge there."""
DISCHARGE_TAPER_BAND_RATIO = 0.05
"""Of capacity above the window's lower end: there it lowers the discharge power, so a promise does not discharge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldBattery:
    """A battery that answers."""

    battery: Battery
    stored_wh: float
    """Energy above empty now, DC side."""
    charge_power_max_w: float | None = None
    """What its management allows now, >= 0; None: nothing said, the nameplate counts."""
    discharge_power_max_w: float | None = None
    unasked_low_w: float | None = None
    """Lowest power (positive charges) that we give it before a setpoint starts; None: anything that it can do."""
    unasked_high_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldInput:
    """What a promise is made of.

    ``residual_low_w`` and ``residual_high_w`` bound, per slot of ``grid``, the power of everything but batteries (load,
    PV, cars and heat pumps with their plans), import positive. They bound means over the steps of a setpoint: what
    swings inside a step is made good inside the step.
    """

    now_at: datetime
    grid: SlotGrid
    residual_low_w: tuple[float, ...]
    residual_high_w: tuple[float, ...]
    batteries: tuple[HoldBattery, ...]
    import_max_w: float | None = None
    """What connection, fuses and operator leave, a magnitude; None: unlimited."""
    export_max_w: float | None = None
    valid_s: int = VALID_S
    """A setpoint may start from now until this much later."""

    def __post_init__(self) -> None:
        low, high = self.residual_low_w, self.residual_high_w
        if not len(low) == len(high) == self.grid.count:
            raise ValueError(f"{self.grid.count} slots need as many residuals, got {len(low)} and {len(high)}")
        if not all(-math.inf < each_low <= each_high < math.inf for each_low, each_high in zip(low, high, strict=True)):
            raise ValueError("a residual band has finite bounds, the lower one first")
        if self.now_at < self.grid.start_at or self.valid_s < 0:
            raise ValueError("the slots begin after now, or the validity is negative")
        if any(not math.isfinite(each.stored_wh) for each in self.batteries):
            raise ValueError("stored energy is unknown: leave a silent battery out")


def hold_blocks(hold: HoldInput, *, durations_s: Sequence[int] = HOLD_DURATIONS_S) -> tuple[HoldBlock, ...]:
    """For each duration an up and a down block, as far as promises reach; whole watts, rounded inwards.

    Args:
        hold: state and expectation of the house.
        durations_s: ascending; those that the slots do not cover, and those that cannot be held, are left out.
    """
    blocks: list[HoldBlock] = []
    for duration_s in durations_s:
        if not hold.batteries or not _covers(hold, duration_s):
            break
        down_w, up_w = _bounds_w(hold, duration_s)
        if down_w > up_w:
            break
        blocks.append(HoldBlock(direction=Direction.UP, power_w=float(up_w), duration_s=duration_s))
        blocks.append(HoldBlock(direction=Direction.DOWN, power_w=float(down_w), duration_s=duration_s))
    return tuple(blocks)


def envelope(
    hold: HoldInput,
    *,
    envelope_id: str,
    baseline_w: tuple[float, ...],
    confidence_ratio: float,
    null_reason: str | None = None,
    durations_s: Sequence[int] = HOLD_DURATIONS_S,
) -> Envelope:
    """The promise as a document.

    Args:
        hold: state and expectation of the house.
        envelope_id: a new ULID.
        baseline_w: what the house would do unasked at its connection, import positive, a mean per slot from the slot of
            ``hold.now_at`` on.
        confidence_ratio: with which the residual stays inside its band.
        null_reason: why nothing is offered though it could be (an owner's wish, a commitment that is being followed).
        durations_s: ascending.
    """
    blocks = () if null_reason is not None else hold_blocks(hold, durations_s=durations_s)
    return Envelope(
        envelope_id=envelope_id,
        issued_at=hold.now_at,
        valid_until_at=hold.now_at + timedelta(seconds=hold.valid_s),
        step_s=hold.grid.slot_s,
        start_at=floor_to(hold.now_at, hold.grid.slot_s),
        baseline_w=baseline_w,
        hold_blocks=blocks,
        confidence_ratio=confidence_ratio,
        null_reason=None if blocks else null_reason or _why_nothing(hold, durations_s[0]),
    )


def split_w(total_w: float, batteries: Sequence[Battery]) -> tuple[float, ...]:
    """Power of each battery for a total, positive charges: in proportion to nameplate power in that direction.

    Blocks are computed for this split. It needs no memory, so certificate and tick cannot disagree about it.
    """
    return tuple(
        total_w * (charge_share if total_w > 0 else discharge_share)
        for charge_share, discharge_share in _shares(batteries)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tank:
    """A battery seen from one side: a push fills it, the contrary empties it. Charging and discharging are mirrored."""

    room_wh: float
    """How much may go in, from the fullest start; negative: it must be emptied first."""
    power_max_w: float
    share_ratio: float
    """Of the whole push."""
    back_share_ratio: float
    fill_ratio: float
    """Stored energy per energy pushed."""
    back_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """The worst case of one direction; power and residual have their signs turned for the down side."""

    tanks: tuple[_Tank, ...]
    residual_w: tuple[float, ...]
    limit_w: float


def _bounds_w(hold: HoldInput, duration_s: int) -> tuple[int, int]:
    """Lowest and highest power that can be held; the house has no promise where they are in the wrong order."""
    return -_reach_w(hold, _down_side(hold), duration_s), _reach_w(hold, _up_side(hold), duration_s)


def _up_side(hold: HoldInput) -> _Side:
    tanks = []
    for each, (charge_share, discharge_share) in zip(hold.batteries, _battery_shares(hold), strict=True):
        battery = each.battery
        full_wh = min(battery.ceiling_wh, battery.capacity_wh * CHARGE_TAPER_FROM_RATIO)
        drift_w = max(0.0, _unless_none(each.unasked_high_w, battery.charge_power_max_w))
        drifted_wh = each.stored_wh + drift_w * battery.charge_efficiency_ratio * hold.valid_s / 3600
        tanks.append(
            _Tank(
                room_wh=full_wh - max(each.stored_wh, min(battery.ceiling_wh, drifted_wh)),
                power_max_w=min(battery.charge_power_max_w, _unless_none(each.charge_power_max_w, math.inf)),
                share_ratio=charge_share,
                back_share_ratio=discharge_share,
                fill_ratio=battery.charge_efficiency_ratio,
                back_ratio=1 / battery.discharge_efficiency_ratio,
            )
        )
    limit_w = _unless_none(hold.import_max_w, math.inf)
    return _Side(tanks=tuple(tanks), residual_w=hold.residual_low_w, limit_w=limit_w)


def _down_side(hold: HoldInput) -> _Side:
    tanks = []
    for each, (charge_share, discharge_share) in zip(hold.batteries, _battery_shares(hold), strict=True):
        battery = each.battery
        tapered_wh = battery.floor_wh + battery.capacity_wh * DISCHARGE_TAPER_BAND_RATIO
        empty_wh = max(battery.reserve_wh, tapered_wh)
        drift_w = max(0.0, -_unless_none(each.unasked_low_w, -battery.discharge_power_max_w))
        drifted_wh = each.stored_wh - drift_w / battery.discharge_efficiency_ratio * hold.valid_s / 3600
        tanks.append(
            _Tank(
                room_wh=min(each.stored_wh, max(battery.floor_wh, drifted_wh)) - empty_wh,
                power_max_w=min(battery.discharge_power_max_w, _unless_none(each.discharge_power_max_w, math.inf)),
                share_ratio=discharge_share,
                back_share_ratio=charge_share,
                fill_ratio=1 / battery.discharge_efficiency_ratio,
                back_ratio=battery.charge_efficiency_ratio,
            )
        )
    limit_w = _unless_none(hold.export_max_w, math.inf)
    return _Side(tanks=tuple(tanks), residual_w=tuple(-each_w for each_w in hold.residual_high_w), limit_w=limit_w)


def _reach_w(hold: HoldInput, side: _Side, duration_s: int) -> int:
    """Furthest power of this side that fits every start, by bisection: what fits at a power fits below it."""
    windows = [_window(hold, side.residual_w, start_s, duration_s) for start_s in _starts_s(hold, duration_s)]
    least_w = min(residual_w for window in windows for _, residual_w in window)
    fitting_w = math.floor(min(least_w, side.limit_w))  # no push at all
    failing_w = math.floor(min(least_w + sum(tank.power_max_w for tank in side.tanks), side.limit_w)) + 1
    while failing_w - fitting_w > 1:
        tried_w = (fitting_w + failing_w) // 2
        if all(_fits(tank, window, tried_w) for tank in side.tanks for window in windows):
            fitting_w = tried_w
        else:
            failing_w = tried_w
    return fitting_w


def _fits(tank: _Tank, window: Sequence[tuple[float, float]], power_w: float) -> bool:
    filled_wh = 0.0
    for hours, residual_w in window:
        push_w = power_w - residual_w
        if push_w <= 0:
            filled_wh += push_w * tank.back_share_ratio * tank.back_ratio * hours
            continue
        filled_wh += push_w * tank.share_ratio * tank.fill_ratio * hours
        if push_w * tank.share_ratio > tank.power_max_w or filled_wh > tank.room_wh:
            return False
    return True


def _starts_s(hold: HoldInput, duration_s: int) -> list[float]:
    """Starts after now among which the worst one is.

    With constant residuals per slot, energy between start and end is linear in the start until one of the two passes
    a boundary of slots; so the extremes lie there, or at the ends of the validity.
    """
    offset_s = (hold.now_at - hold.grid.start_at).total_seconds()
    boundaries_s = [index * hold.grid.slot_s - offset_s for index in range(hold.grid.count + 1)]
    candidates_s = {0.0, float(hold.valid_s), *boundaries_s, *(each_s - duration_s for each_s in boundaries_s)}
    return sorted(each_s for each_s in candidates_s if 0 <= each_s <= hold.valid_s)


def _window(
    hold: HoldInput, residual_w: Sequence[float], start_s: float, duration_s: float
) -> list[tuple[float, float]]:
    """Hours and residual of each slot between a start and the end of a hold."""
    offset_s = (hold.now_at - hold.grid.start_at).total_seconds()
    begin_s, end_s = offset_s + start_s, offset_s + start_s + duration_s
    pieces = []
    for index in range(int(begin_s // hold.grid.slot_s), hold.grid.count):
        slot_begin_s = index * hold.grid.slot_s
        inside_s = min(end_s, slot_begin_s + hold.grid.slot_s) - max(begin_s, slot_begin_s)
        if inside_s <= 0:
            break
        pieces.append((inside_s / 3600, residual_w[index]))
    return pieces


def _covers(hold: HoldInput, duration_s: int) -> bool:
    return hold.now_at + timedelta(seconds=hold.valid_s + duration_s) <= hold.grid.end_at


def _shares(batteries: Sequence[Battery]) -> list[tuple[float, float]]:
    charge_w = sum(each.charge_power_max_w for each in batteries)
    discharge_w = sum(each.discharge_power_max_w for each in batteries)
    return [
        (
            each.charge_power_max_w / charge_w if charge_w > 0 else 1 / len(batteries),
            each.discharge_power_max_w / discharge_w if discharge_w > 0 else 1 / len(batteries),
        )
        for each in batteries
    ]


def _battery_shares(hold: HoldInput) -> list[tuple[float, float]]:
    return _shares([each.battery for each in hold.batteries])


def _unless_none(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _why_nothing(hold: HoldInput, duration_s: int) -> str:
    if not hold.batteries:
        return "no battery answers"
    if not _covers(hold, duration_s):
        return f"what the house will need is not known for {hold.valid_s + duration_s} s"
    down_w, up_w = _bounds_w(hold, duration_s)
    return (
        f"for {duration_s} s the house could be held at {up_w} W at most and at {down_w} W at least, "
        "which leaves nothing: its own need is too uncertain for what the batteries have left, or a limit forbids it"
    )
