"""A grid operator's limit in words."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from hems.domain.operator import LimitState, Way
from hems.explain.words import clock, kilowatts


def limit_notice(
    who: str,
    way: Way,
    state: LimitState,
    limit_w: float,
    *,
    names: Sequence[str],
    until_at: datetime | None,
    zone: ZoneInfo,
) -> str:
    """What is limited, by whom or for want of whom, and until when.

    ``names`` are those of the devices that are limited together; none: the whole connection is.
    """
    until = "" if until_at is None else f" until {clock(until_at, zone)}"
    what = _what(way, names)
    kept = f"{what} is kept to {kilowatts(limit_w)}"
    match state:
        case LimitState.LIMITED:
            beside = " The rest of the house is not limited." if names else ""
            return f"{who} limits {what} to {kilowatts(limit_w)}{until}.{beside}"
        case LimitState.INIT:
            return f"{who} has not been heard since the start: {kept} meanwhile."
        case _:
            return f"{who} is silent: {kept} until it is heard again."


def _what(way: Way, names: Sequence[str]) -> str:
    if way is Way.PRODUCTION:
        return "what the house feeds in"
    *others, last = names or ("the house",)
    takers = f"{', '.join(others)} and {last}" if others else last
    return f"what {takers} {'take' if others else 'takes'} from the grid"
