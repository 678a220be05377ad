"""Minutes of the grid's power from what was recorded each second: what a report needs of the time before a restart."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import fmean

from hems.app.recorder import GRID
from hems.domain.flex import TelemetryMinute
from hems.domain.time import floor_to
from hems.store.columns import Chunk

MINUTE_S = 60
KNOWN_MIN_S = 30


def minutes_of(chunks: Iterable[Chunk], *, since_at: datetime) -> list[TelemetryMinute]:
    """Means of the minutes that began at or after ``since_at``; one that was seen for less than half is left out."""
    seconds_w: dict[datetime, list[float]] = defaultdict(list)
    for chunk in chunks:
        for second, power_w in enumerate(chunk.values.get(GRID, ())):
            start_at = floor_to(chunk.start_at + timedelta(seconds=second), MINUTE_S)
            if power_w is not None and start_at >= since_at:
                seconds_w[start_at].append(power_w)
    return [
        TelemetryMinute(
            boot="", seq=index, start_at=start_at, grid_power_w=round(fmean(each), 1), setpoint_w=None, mode=""
        )
        for index, (start_at, each) in enumerate(sorted(seconds_w.items()))
        if len(each) >= KNOWN_MIN_S
    ]
