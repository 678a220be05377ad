"""``hems limits``: what the grid operator limited, and how it was kept, as he may ask for it."""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hems import wire
from hems.cli.past import open_past
from hems.domain.operator import LimitPeriod, LimitState, Way
from hems.explain.words import kilowatts
from hems.runtime.clock import SystemClock

COLUMNS = tuple(each.name for each in fields(LimitPeriod))
WORDS = {
    LimitState.INIT: "not heard yet",
    LimitState.LIMITED: "limited",
    LimitState.FAILSAFE: "silent",
    LimitState.UNLIMITED_AUTONOMOUS: "long silent",
}
WHAT = {Way.CONSUMPTION: "draw", Way.PRODUCTION: "feed-in"}


def limits(*, state_dir: Path, days: int, as_json: bool, as_csv: bool) -> int:
    """Print the periods of the last days; works beside a daemon at work. Exit code 0, or 1 where there is none."""
    history = open_past(state_dir)
    now_at = SystemClock().now()
    found = history.limits(now_at - timedelta(days=days), now_at + timedelta(days=1))
    history.close()
    if as_json:
        print(json.dumps({"schema": "hems/operator-limits/1", "periods": [_row(each) for each in found]}))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(each) for each in found)
    elif not found:
        print(f"The grid operator has limited nothing in the last {days} days.")
    else:
        _print(found, days)
    return 0 if found else 1


def _row(period: LimitPeriod) -> dict[str, str | float | None]:
    row: dict[str, str | float | None] = json.loads(wire.fast_json(period))
    return row


def _print(found: Sequence[LimitPeriod], days: int) -> None:
    table = Table(title=f"Limits of the last {days} days (UTC)", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("from", "lasted", "of", "operator"):
        table.add_column(heading, no_wrap=True)
    for heading in ("kept\nto", "highest\nminute", "above\ns"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in found:
        table.add_row(
            f"{each.started_at:%Y-%m-%d %H:%M:%S}",
            str(timedelta(seconds=round((each.until_at - each.started_at).total_seconds()))),
            WHAT[each.way],
            WORDS[each.state],
            kilowatts(each.limit_w),
            "" if each.high_w is None else kilowatts(each.high_w),
            f"{each.above_s:.0f}",
        )
    Console().print(table)
