"""The pure cycle: image in; commands, events and closed episodes out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hems.control import episodes, modes, obedience
from hems.control.dispatch import dispatch
from hems.control.estimate import Estimate, estimate
from hems.control.guard import permit
from hems.control.moment import moment_of
from hems.control.state import ControlState
from hems.domain.asked import NOTHING_ASKED, Asked
from hems.domain.command import Command, Limit
from hems.domain.decision import DecisionEpisode
from hems.domain.events import Event
from hems.domain.plan import Plan
from hems.domain.reading import Image
from hems.domain.reasons import DeviceSilent, Measures, Reason
from hems.domain.site import DeviceId
from hems.domain.time import Now

GAP_MAX_S = 900.0
"""No regular step is longer than a slot. After a longer gap nobody saw what flowed: it counts as unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickResult:
    """What one tick decided."""

    state: ControlState
    commands: tuple[Command, ...]
    """One for every controllable device, also for those at rest: a command not renewed is a lease that ends."""
    events: tuple[Event, ...]
    episodes: tuple[DecisionEpisode, ...]
    """Those that closed; the open ones are in the state."""
    estimate: Estimate


def tick(
    state: ControlState,
    image: Image,
    plan: Plan | None,
    limits: Sequence[Limit],
    now: Now,
    asked: Asked = NOTHING_ASKED,
) -> TickResult:
    """Decide for this moment.

    Args:
        state: what the tick before left.
        image: frozen readings.
        plan: the plan in force, checked; None where there is none.
        limits: limits from outside the house that hold now.
        now: this moment; ``mono_s`` never decreases from tick to tick.
        asked: what owner and aggregator ask for now.
    """
    gap_s = _gap_s(state, now)
    seen = estimate(state, image, now)
    # The guard and the dispatch look back through the highs that include this tick.
    looking = replace(state, residual_highs=seen.residual_highs)
    decided = dispatch(looking, seen, plan, now, asked)
    permitted = permit(looking, seen, {key: each.want for key, each in decided.intents.items()}, limits, now)
    moment = moment_of(plan, now)
    mode = modes.mode_now(seen, limits)
    astray_since_mono_s = obedience.astray(looking, seen, now)
    of_meter: Reason = DeviceSilent() if seen.grid is None else Measures()
    opened, closed = episodes.turn(
        state,
        measured_power_w={} if gap_s > GAP_MAX_S else _measured(state, seen),
        reasons={key: each.reason for key, each in decided.intents.items()} | {state.site.meter.id: of_meter},
        commands={command.device_id: command for command in permitted.commands},
        plan_issued_at=None if moment is None else moment.plan.issued_at,
        at=now.at,
        gap_s=gap_s,
    )
    after = ControlState(
        site=state.site,
        residual_highs=seen.residual_highs,
        mode=mode,
        silent=seen.silent,
        fuse_exceeded=modes.fuse_exceeded(state, seen),
        limit_sources=modes.limit_sources(limits),
        residual_w=state.residual_w if seen.residual_w is None else seen.residual_w,
        residual_high_w=state.residual_high_w if seen.residual_high_w is None else seen.residual_high_w,
        recovering_since_mono_s=seen.recovering_since_mono_s,
        grid_still=seen.grid_still,
        island_claim=seen.island_claim,
        drawn_lately=seen.drawn_lately,
        device_phase_w=seen.device_phase_w,
        told_power_w=permitted.expected_power_w,
        overdrawing_since_mono_s=seen.overdrawing_since_mono_s,
        astray_since_mono_s=astray_since_mono_s,
        switches=permitted.switches,
        heat_slots=decided.heat_slots,
        unplanned_since_mono_s=decided.unplanned_since_mono_s,
        episodes=opened,
        ticked_mono_s=now.mono_s,
    )
    return TickResult(
        state=after,
        commands=permitted.commands,
        events=(
            *modes.changes(state, seen, limits, mode, now.at),
            *obedience.changes(state, astray_since_mono_s, seen, now, now.at),
        ),
        episodes=closed,
        estimate=seen,
    )


def _gap_s(state: ControlState, now: Now) -> float:
    gap_s = 0.0 if state.ticked_mono_s is None else now.mono_s - state.ticked_mono_s
    assert gap_s >= 0, "monotonic time went back"
    return gap_s


def _measured(state: ControlState, seen: Estimate) -> dict[DeviceId, float | None]:
    power_w: dict[DeviceId, float | None] = {each.id: seen.power_w(each.id) for each in state.site.controllables}
    power_w[state.site.meter.id] = None if seen.grid is None else seen.grid.power_w
    return power_w
