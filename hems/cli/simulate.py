"""``hems simulate``: strategies side by side, a table on the terminal, a report in a file."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hems import wire
from hems.cli.text import read_text
from hems.config import load_site
from hems.domain.errors import BadInputError
from hems.domain.site import Site
from hems.runtime.files import SystemFiles
from hems.sim.report import report
from hems.sim.settings import STRATEGIES, Settings, parse_departures, parse_execution, parse_start, parse_strategies
from hems.sim.simulate import Task, checkpoint_name, record_name, run_all
from hems.store import document

SAMPLE = Path(__file__).parents[1] / "sim" / "sample"
"""Seven weeks of a measured house with made-up prices, shipped with the product."""
SAMPLE_START = "2024-09-09"
SITE_COPY = "site.yaml"
INTERRUPTED = 130
"""What shells expect of a program that ended by Ctrl-C."""


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
    if jobs < 1:
        raise BadInputError(f"--jobs: at least one, got {jobs}")
    names = parse_strategies(strategy)
    folder = work_folder(report_path or Path("hems-simulation.json"))
    _prepare(folder, text, site, names, resume=resume)
    tasks = [Task(site=site, settings=settings, strategy=name, folder=folder, resume=resume) for name in names]
    try:
        figures = _run(tasks, jobs=jobs, days=days)
    except KeyboardInterrupt:
        again = "" if report_path is None else f"; go on with --resume --report {report_path}"
        print(f"Stopped. Whole days are kept{again}", file=sys.stderr)
        return INTERRUPTED
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
    """Where checkpoints and decision records of a report lie: r.json has r.record/ beside it.

    Raises:
        BadInputError: the report's path is a folder, or the folder's own.
    """
    if report_path.is_dir() or not report_path.name:
        raise BadInputError(f"--report: {report_path} is a folder; name a file in it")
    folder = report_path.absolute().with_suffix(".record")
    if folder.name == report_path.name:
        raise BadInputError(f"--report: {report_path}: decision records go there; name the report otherwise")
    return folder


def _prepare(folder: Path, text: str, site: Site, strategies: Sequence[str], *, resume: bool) -> None:
    """A copy of the site file for ``hems explain``; what another run left behind goes, or is gone on with.

    Raises:
        BadInputError: the run that is to go on is of another site.
    """
    files = SystemFiles(folder)
    before = files.read(SITE_COPY)
    if resume and before is not None:
        if wire.digest(load_site(before.decode(), str(folder / SITE_COPY))) != wire.digest(site):
            raise BadInputError(f"{folder / SITE_COPY}: the run there is of another site; start again without --resume")
        return
    for name in STRATEGIES:
        if name not in strategies:
            files.remove(checkpoint_name(name))
            files.remove(record_name(name))
    document.save(files, SITE_COPY, text.encode())


def _run(tasks: list[Task], *, jobs: int, days: int) -> dict[str, dict[str, Any]]:
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # On standard error, so that --json leaves standard output to the answer.
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
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
