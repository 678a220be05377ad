"""Events as one line of a log: who, what, and what is done about it."""

from hems.domain.events import (
    DeviceCameBack,
    DeviceDoesNotFollow,
    DeviceFollowsAgain,
    DeviceWentSilent,
    Event,
    ForecastRefused,
    FuseExceeded,
    LimitEngaged,
    LimitLifted,
    MeterFrozen,
    Mode,
    ModeChanged,
    PlanAdopted,
    PlanRefused,
)
from hems.domain.site import Site
from hems.explain.english import consequence_of_silence
from hems.explain.words import clock

MODE_WORDS = {
    Mode.NORMAL: "everything works",
    Mode.DEGRADED: "something is missing, the rest goes on with tighter bounds",
    Mode.GRID_LIMITED: "the grid operator limits the house",
    Mode.ISLANDED: "the grid has failed, the battery feeds the house",
    Mode.SAFE_HOLD: "the grid meter is silent: only what fits the fuse at worst is allowed",
}


def event_line(event: Event, site: Site) -> str:
    """One sentence without its end."""
    devices = {each.id: each for each in site.devices}
    names = {each.id: each.name for each in site.devices}
    match event:
        case DeviceWentSilent(device_id=device_id):
            return f"{names[device_id]} does not answer; {consequence_of_silence(devices[device_id])}"
        case MeterFrozen(device_id=device_id):
            return f"{names[device_id]} says the same over and over while devices change: it is not believed"
        case DeviceCameBack(device_id=device_id):
            return f"{names[device_id]} answers"
        case DeviceDoesNotFollow(device_id=device_id, told_w=told_w, measured_w=measured_w):
            return f"{names[device_id]} was told {told_w:.0f} W and does {measured_w:.0f} W for a minute"
        case DeviceFollowsAgain(device_id=device_id):
            return f"{names[device_id]} does what it is told again"
        case LimitEngaged(source=source):
            return f"a limit of {source} is in force"
        case LimitLifted(source=source):
            return f"the limit of {source} has ended"
        case FuseExceeded(circuit=circuit, current_a=current_a):
            return f"{current_a:.1f} A on the fuse of {circuit}: more than its rating"
        case ModeChanged(after=after):
            return f"mode {after.value}: {MODE_WORDS[after]}"
        case PlanAdopted(issued_at=issued_at, origin=origin):
            return f"plan of {clock(issued_at, site.zone)} by {origin} is in force"
        case PlanRefused(problem=problem, instead=instead):
            return f"no new plan: {problem}; {instead} instead"
        case ForecastRefused(problem=problem):
            return f"no forecast of the worker: {problem}; a plainer one instead"


def is_trouble(event: Event) -> bool:
    """Whether somebody should look at it."""
    troubles = DeviceWentSilent | MeterFrozen | DeviceDoesNotFollow | FuseExceeded | PlanRefused | ForecastRefused
    return isinstance(event, troubles) or (
        isinstance(event, ModeChanged) and event.after in (Mode.SAFE_HOLD, Mode.ISLANDED)
    )
