"""``hems forecasts``: what was forecast, held against what was measured."""

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hems.cli.past import open_past
from hems.forecast.scores import ForecastScore, scores
from hems.runtime.clock import SystemClock


def forecasts(*, state_dir: Path, days: int, as_json: bool) -> int:
    """Print scores of the last days; works beside a daemon at work. Exit code 0, or 1 where there is nothing yet."""
    history = open_past(state_dir)
    now_at = SystemClock().now()
    kept = history.forecasts(now_at - timedelta(days=days), now_at)
    found = scores(kept, history.slots)
    history.close()
    if as_json:
        print(
            json.dumps({"schema": "hems/forecast-scores/1", "days": days, "scores": [asdict(each) for each in found]})
        )
    elif not found:
        print(f"No forecast of the last {days} days can be judged yet: it takes a day, and a week before it.")
    else:
        _print(found, days)
    return 0 if found else 1


def _print(found: list[ForecastScore], days: int) -> None:
    table = Table(title=f"Forecasts of the last {days} days", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("of", "lead"):
        table.add_column(heading, no_wrap=True)
    for heading in ("off by\nW", "yesterday\nW", "last week\nW", "better\nby", "in band\nof 80 %", "quarter\nhours"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in found:
        table.add_row(
            _name(each.series),
            each.lead,
            f"{each.mean_absolute_error_w:.0f}",
            f"{each.yesterday_error_w:.0f}",
            f"{each.last_week_error_w:.0f}",
            "" if each.skill_ratio is None else f"{100 * each.skill_ratio:.0f} %",
            f"{100 * each.coverage_ratio:.0f} %",
            str(each.slots),
        )
    Console().print(table)


def _name(series: str) -> str:
    return "the house" if series == "load_w" else f"sun on {series.removesuffix('.sun_w')}"
