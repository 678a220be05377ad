"""``hems simulate``: strategies side by side, a table on the terminal, a report in a file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hems.config import load_site
from hems.domain.errors import BadInputError
from hems.runtime.files import SystemFiles
from hems.sim.report import report
from hems.sim.settings import Settings, parse_departures, parse_execution, parse_start, parse_strategies
from hems.sim.simulate import Task, run_all
from hems.store import document

SAMPLE = Path(__file__).parents[1] / "sim" / "sample"
"""Five weeks of a measured house with made-up prices, shipped with the product."""
SAMPLE_START = "2024-06-10"
SITE_COPY = "site.yaml"


def simulate(
    site_path: Path,
    *,
    data: Path | None,
    start: str | None,
    days: int,
    strategy: str,
    report_path: Path | None,
    step_s: int,
    seed: int,
    departures: str,
    execute: str,
    resume: bool,
    jobs: int,
    as_json: bool,
) -> int:
    """Run, report, and print. Exit code 0, or 1 when a checker found a violation."""
    text = read_text(site_path)
    site = load_site(text, str(site_path))
    settings = Settings(
        folder=SAMPLE if data is None else data,
        start_at=parse_start(start or SAMPLE_START, site),
        days=days,
        step_s=step_s,
        seed=seed,
        departures=parse_departures(departures),
        execution=parse_execution(execute),
    )
    if resume and report_path is None:
        raise BadInputError("--resume: name the report of the run that is to go on with --report")
    folder = work_folder(report_path or Path("hems-simulation.json"))
    document.save(SystemFiles(folder), SITE_COPY, text.encode())
    tasks = [
        Task(site=site, settings=settings, strategy=name, folder=folder, resume=resume)
        for name in parse_strategies(strategy)
    ]
    figures = _run(tasks, jobs=jobs, days=days)
    result = report(site, settings, figures)
    if report_path is not None:
        content = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
        document.save(SystemFiles(report_path.absolute().parent), report_path.name, content.encode())
    if as_json:
        print(json.dumps(result))
    else:
        _print_table(result, sample=data is None)
        print(f"Why? hems explain DEVICE --at TIME --record {os.path.relpath(folder)}")
    return 1 if any(each["violations"] for each in figures.values()) else 0


def work_folder(report_path: Path) -> Path:
    """Where checkpoints and decision records of a report lie: r.json has r.record/ beside it."""
    return report_path.absolute().with_suffix(".record")


def read_text(path: Path) -> str:
    """Text of a file. Raises BadInputError with the file's name."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInputError(f"{path}: cannot be read: {reason}") from None


def _run(tasks: list[Task], *, jobs: int, days: int) -> dict[str, dict[str, Any]]:
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # On standard error, so that --json leaves standard output to the answer.
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = {task.strategy: bars.add_task(task.strategy, total=days) for task in tasks}
        return run_all(tasks, jobs=jobs, progress=lambda strategy, done: bars.update(bar[strategy], completed=done))


COLUMNS: tuple[tuple[str, str, Callable[[dict[str, Any]], str]], ...] = (
    ("cost", "EUR", lambda each: f"{each['cost_eur']:.2f}"),
    ("import", "kWh", lambda each: f"{each['import_wh'] / 1000:.0f}"),
    ("export", "kWh", lambda each: f"{each['export_wh'] / 1000:.0f}"),
    ("peak", "kW", lambda each: f"{each['peak_import_w'] / 1000:.1f}"),
    ("battery", "kWh", lambda each: f"{each['battery_throughput_wh'] / 1000:.0f}"),
    ("unmet", "car kWh", lambda each: f"{each['unmet_car_wh'] / 1000:.2f}"),
    ("cold", "K h", lambda each: f"{each['discomfort_degree_h'] + each['tank_discomfort_degree_h']:.1f}"),
    ("fuse", "s over", lambda each: str(each["fuse_exceeded_s"])),
    ("plans", "", lambda each: str(each["plans"] or "")),
)
"""Heading, unit, and how a figure is written; narrow enough for 80 characters."""


def _print_table(result: dict[str, Any], *, sample: bool) -> None:
    console = Console()
    title = f"{result['site']}, {result['days']} days from {result['start']} ({result['data']})"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("strategy", no_wrap=True)
    for heading, unit, _ in COLUMNS:
        table.add_column(f"{heading}\n{unit}", justify="right", no_wrap=True)
    for name, each in result["strategies"].items():
        table.add_row(name, *(write(each) for _, _, write in COLUMNS))
    console.print(table)
    for key, words in (
        ("captured_value_ratio", "perfect foresight"),
        ("captured_of_informed_ratio", "a perfect forecast"),
    ):
        if result[key] is not None:
            console.print(f"The plan captures {result[key]:.2f} of what {words} would save against the rules.")
    if sample:
        console.print("Load, sun and car are measured (see NOTICE in the data folder); the prices are made up.")
    for name, each in result["strategies"].items():
        for violation in each["first_violations"]:
            console.print(f"[red]{name}: {violation}[/red]")
