"""Every time zone that a site file may name, and the moments at which its clocks change."""

import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

ZONES = sorted(zoneinfo.available_timezones())
FIRST_AT, YEARS = datetime(2024, 1, 1, tzinfo=UTC), 10
LEAP_DAY_AT = datetime(2028, 2, 29, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
LOOK = timedelta(days=10)
"""No zone changes its clock twice within it: Morocco's month of Ramadan has the shortest stay."""


def shown(at: datetime, zone: ZoneInfo) -> datetime:
    """What calendar and clock on the wall show."""
    return at.astimezone(zone).replace(tzinfo=None)


@cache
def switches(key: str) -> tuple[datetime, ...]:
    """First instants of another offset: by halving, from the zone's offsets alone."""
    zone, found = ZoneInfo(key), []
    offset = FIRST_AT.astimezone(zone).utcoffset()
    for look in range(YEARS * 365 // LOOK.days):
        before, after = FIRST_AT + look * LOOK, FIRST_AT + (look + 1) * LOOK
        if after.astimezone(zone).utcoffset() == offset:
            continue
        while after - before > timedelta(minutes=1):
            middle = before + timedelta(minutes=(after - before) // timedelta(minutes=2))
            if middle.astimezone(zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        found.append(after)
        offset = after.astimezone(zone).utcoffset()
    return tuple(found)


@st.composite
def zones_and_moments(draw: st.DrawFn, *, keys: list[str] | None = None) -> tuple[ZoneInfo, datetime]:
    """A zone, and a whole quarter hour within two days of a switch of its clocks, of 29 February or of any day."""
    key = draw(st.sampled_from(ZONES if keys is None else keys))
    anywhen = st.integers(0, YEARS * 365).map(lambda day: FIRST_AT + timedelta(days=day))
    near = draw(st.one_of(*map(st.just, switches(key)), st.just(LEAP_DAY_AT), anywhen))
    return ZoneInfo(key), near + QUARTER * draw(st.integers(-192, 192))
