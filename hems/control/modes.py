"""How much the house can do, and the events that tell when this or a device changes."""

from collections.abc import Sequence
from datetime import datetime

from hems.control.estimate import Estimate
from hems.control.state import ControlState
from hems.domain.command import Authority, Limit
from hems.domain.events import (
    DeviceCameBack,
    DeviceWentSilent,
    Event,
    FuseExceeded,
    LimitEngaged,
    LimitLifted,
    MeterFrozen,
    Mode,
    ModeChanged,
)
from hems.domain.power import VOLTAGE_V


def mode_now(seen: Estimate, limits: Sequence[Limit]) -> Mode:
    """The most restrictive one that applies."""
    if seen.is_island:
        return Mode.ISLANDED
    if seen.grid is None:
        return Mode.SAFE_HOLD
    if any(limit.authority is Authority.OPERATOR for limit in limits):
        return Mode.GRID_LIMITED
    return Mode.DEGRADED if seen.silent else Mode.NORMAL


def changes(
    state: ControlState, seen: Estimate, limits: Sequence[Limit], mode: Mode, at: datetime
) -> tuple[Event, ...]:
    """What is different from the tick before; each change is told once."""
    found: list[Event] = []
    # Sorted, because the order of a set differs between runs.
    frozen = {state.site.meter.id} if seen.grid_is_frozen else set()
    lost = sorted(seen.silent - state.silent)
    found += [(MeterFrozen if each in frozen else DeviceWentSilent)(at=at, device_id=each) for each in lost]
    found += [DeviceCameBack(at=at, device_id=each) for each in sorted(state.silent - seen.silent)]
    sources = limit_sources(limits)
    found += [LimitEngaged(at=at, authority=a, source=s) for a, s in sources if (a, s) not in state.limit_sources]
    found += [LimitLifted(at=at, authority=a, source=s) for a, s in state.limit_sources if (a, s) not in sources]
    if mode is not state.mode:
        found.append(ModeChanged(at=at, before=state.mode, after=mode, missing=tuple(sorted(seen.silent))))
    if fuse_exceeded(state, seen) and not state.fuse_exceeded:
        main = state.site.circuits[0]
        found.append(FuseExceeded(at=at, circuit=main.id, current_a=_highest_current_a(state, seen)))
    return tuple(found)


def limit_sources(limits: Sequence[Limit]) -> tuple[tuple[Authority, str], ...]:
    """Who limits, strongest first."""
    return tuple(sorted({(limit.authority, limit.source) for limit in limits}))


def fuse_exceeded(state: ControlState, seen: Estimate) -> bool:
    """Whether more than the main fuse's rating is measured on a phase; blind, as it was."""
    if seen.grid is None:
        return state.fuse_exceeded
    return _highest_current_a(state, seen) > state.site.circuits[0].fuse_a


def _highest_current_a(state: ControlState, seen: Estimate) -> float:
    """Highest import of a phase since the tick before; 0 where the meter does not tell phases apart [A]."""
    high = None if seen.grid is None else seen.grid.phase_power_high_w
    return 0.0 if high is None else max(high.on(phase) for phase in state.site.connection.phases) / VOLTAGE_V
