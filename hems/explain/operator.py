"""A grid operator's limit in words."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hems.domain.operator import LimitState, Way
from hems.explain.words import clock, kilowatts


def limit_notice(
    who: str, way: Way, state: LimitState, limit_w: float, *, is_dimmed: bool, until_at: datetime | None, zone: ZoneInfo
) -> str:
    """What is limited, by whom or for want of whom, and until when."""
    until = "" if until_at is None else f" until {clock(until_at, zone)}"
    kept = f"{_what(way, is_dimmed=is_dimmed)} is kept to {kilowatts(limit_w)}"
    match state:
        case LimitState.LIMITED:
            beside = " The household itself is not limited." if is_dimmed else ""
            return f"{who} limits {_what(way, is_dimmed=is_dimmed)} to {kilowatts(limit_w)}{until}.{beside}"
        case LimitState.INIT:
            return f"{who} has not been heard since the start: {kept} meanwhile."
        case _:
            return f"{who} is silent: {kept} until it is heard again."


def _what(way: Way, *, is_dimmed: bool) -> str:
    if way is Way.PRODUCTION:
        return "what the house feeds in"
    return "what car, heat pump and battery take from the grid" if is_dimmed else "what the house takes from the grid"
