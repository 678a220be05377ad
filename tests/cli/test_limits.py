"""``hems limits``: the record of a grid operator's limits as table, CSV and JSON."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

from typer.testing import CliRunner

from hems.cli import app
from hems.domain.operator import LimitPeriod, LimitState, Way
from hems.runtime.clock import SystemClock
from hems.store.findings import Findings
from hems.store.history import History


def limits(*arguments: str, folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["limits", "--state-dir", str(folder), *arguments])
    return result.exit_code, result.output


def test_periods_are_told_in_three_forms(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite", Findings())
    assert limits(folder=tmp_path) == (1, "The grid operator has limited nothing in the last 90 days.\n")
    began_at = SystemClock().now() - timedelta(days=1)
    period = LimitPeriod(
        way=Way.CONSUMPTION,
        state=LimitState.LIMITED,
        started_at=began_at,
        until_at=began_at,
        written_w=0.0,
        limit_w=7_560.0,
    )
    assert history.put_limit(period)
    ended = LimitPeriod(
        way=Way.CONSUMPTION,
        state=LimitState.LIMITED,
        started_at=began_at,
        until_at=began_at + timedelta(hours=2),
        written_w=0.0,
        limit_w=7_560.0,
        mean_w=7_100.0,
        high_w=7_500.0,
        above_s=0.0,
    )
    assert history.put_limit(ended)
    assert history.limits(began_at, began_at + timedelta(days=1)) == [ended]
    code, shown = limits(folder=tmp_path)
    assert code == 0
    assert "7.6 kW" in shown
    assert "limited" in shown
    (row,) = csv.DictReader(io.StringIO(limits("--csv", folder=tmp_path)[1]))
    assert (row["written_w"], row["limit_w"], row["until_at"]) == (
        "0.0",
        "7560.0",
        ended.until_at.isoformat().replace("+00:00", "Z"),
    )
    document = json.loads(limits("--json", folder=tmp_path)[1])
    assert document["periods"][0]["mean_w"] == 7_100.0
    history.close()


def test_a_folder_without_history_is_bad_input(tmp_path: Path) -> None:
    code, text = limits(folder=tmp_path)
    assert code != 0
    assert "Traceback" not in text
