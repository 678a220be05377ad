"""Several strategies over the same days, each in a process of its own, resumable day by day.

Beside the report lies a folder with one checkpoint and one decision record per strategy. After a crash at any moment
``resume`` goes on from the last whole day and ends with the very same figures.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from hems import __version__, wire
from hems.domain.errors import BadInputError
from hems.domain.site import Site
from hems.ports import Files, Planner
from hems.runtime.files import SystemFiles
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.data import HouseData, read_folder
from hems.sim.house import SimHouse
from hems.sim.loop import ClosedLoop
from hems.sim.outlook import outlooks_for
from hems.sim.report import deliverable_wh, end_correction_eur, figures, mean_import_price
from hems.sim.settings import Settings
from hems.store import document, episodes

CHECKPOINT_SCHEMA = "hems/simulation-checkpoint/1"
DAY_S = 86_400
PROGRESS_S = 0.5

Progress = Callable[[str, int], None]
"""Called with a strategy and its finished days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One strategy's run, as it is handed to a process."""

    site: Site
    settings: Settings
    strategy: str
    folder: Path
    """Of checkpoints and records."""
    resume: bool


def checkpoint_name(strategy: str) -> str:
    """File of a strategy's last whole day."""
    return f"{strategy}.checkpoint.json"


def record_name(strategy: str) -> str:
    """File of a strategy's decision record."""
    return f"{strategy}.episodes.jsonl"


def run_all(tasks: Sequence[Task], *, jobs: int, progress: Progress) -> dict[str, dict[str, Any]]:
    """Figures of every task by strategy. One job runs in this process, several in processes of their own.

    Raises:
        BadInputError: data, settings or a checkpoint cannot be used.
    """
    if jobs == 1 or len(tasks) == 1:
        return {task.strategy: run_task(task, progress=progress) for task in tasks}
    with get_context("spawn").Manager() as manager:
        told = manager.Queue()
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            runs = {task.strategy: pool.submit(_run_telling, task, told) for task in tasks}
            while not all(run.done() for run in runs.values()):
                with suppress(Empty):
                    progress(*told.get(timeout=PROGRESS_S))
            return {strategy: run.result() for strategy, run in runs.items()}


def _run_telling(task: Task, told: "Queue[tuple[str, int]]") -> dict[str, Any]:
    return run_task(task, progress=lambda strategy, days: told.put((strategy, days)))


def run_task(task: Task, *, progress: Progress) -> dict[str, Any]:
    """Figures of one strategy, from the start or from its last checkpoint."""
    settings, site = task.settings, task.site
    data = read_folder(settings.folder, site=site)
    data.require_span(settings.start_at, settings.end_at, site=site)
    outlooks = outlooks_for(task.strategy, site, data, seed=settings.seed, departures=settings.departures)
    managed = task.strategy != "unmanaged"
    house = SimHouse(site, data, seed=settings.seed, start_at=settings.start_at, unmanaged=not managed)
    stored_at_start_wh = deliverable_wh(house)
    with ExitStack() as stack:
        planner: Planner | None = None
        if outlooks is not None:
            planner = stack.enter_context(closing(WorkerPlanner(spawn)))
        loop = ClosedLoop(
            site,
            house,
            outlooks=outlooks,
            planner=planner,
            managed=managed,
            step_s=settings.step_s,
            stopwatch=time.perf_counter,
        )
        _run_days(task, loop, SystemFiles(task.folder), fingerprint=_fingerprint(task, data), progress=progress)
    end_eur = end_correction_eur(
        house, stored_at_start_wh=stored_at_start_wh, mean_import_eur_per_kwh=mean_import_price(data, settings)
    )
    return figures(loop, end_eur=end_eur)


def _run_days(task: Task, loop: ClosedLoop, files: Files, *, fingerprint: str, progress: Progress) -> None:
    days_done, log_size = _restore(task, loop, files, fingerprint) if task.resume else (0, 0)
    record = record_name(task.strategy)
    log = episodes.EpisodeLog(files, record, size=log_size)
    for day in range(days_done, task.settings.days):
        closed, _ = loop.run((day + 1) * DAY_S)
        log.append(closed)
        log.sync()
        save_checkpoint(files, task.strategy, loop, fingerprint=fingerprint, days=day + 1, log_size=log.size)
        progress(task.strategy, day + 1)
    log.append(loop.close_record())
    log.sync()
    if task.strategy != "unmanaged":
        loop.checkers.finish(episodes.read(files, record))


def save_checkpoint(
    files: Files, strategy: str, loop: ClosedLoop, *, fingerprint: str, days: int, log_size: int
) -> None:
    """Replace a strategy's checkpoint; afterwards a crash costs at most the day under way."""
    checkpoint = {
        "schema": CHECKPOINT_SCHEMA,
        "fingerprint": fingerprint,
        "days": days,
        "log_size": log_size,
        "loop": loop.snapshot(),
    }
    document.save(files, checkpoint_name(strategy), json.dumps(checkpoint, sort_keys=True).encode())


def _restore(task: Task, loop: ClosedLoop, files: Files, fingerprint: str) -> tuple[int, int]:
    """Days done and size of the record; (0, 0) where there is no checkpoint yet."""
    name = checkpoint_name(task.strategy)
    content = files.read(name)
    if content is None:
        return 0, 0
    try:
        checkpoint = json.loads(content)
        matches = checkpoint["fingerprint"] == fingerprint
    except (ValueError, KeyError, TypeError):
        raise BadInputError(f"{task.folder / name}: not a checkpoint; start again without --resume") from None
    if not matches:
        raise BadInputError(
            f"{task.folder / name}: made with another site, data, start, step or seed; start again without --resume"
        )
    loop.restore(checkpoint["loop"])
    return min(checkpoint["days"], task.settings.days), checkpoint["log_size"]


def _fingerprint(task: Task, data: HouseData) -> str:
    """Of everything that decides the figures, but the number of days: a longer run goes on from a shorter one."""
    settings = task.settings
    decisive = [wire.digest(task.site), _data_digest(data), settings.start_at, settings.step_s, settings.seed]
    text = "\n".join(str(each) for each in [*decisive, settings.departures, task.strategy, __version__])
    return hashlib.sha256(text.encode()).hexdigest()


def _data_digest(data: HouseData) -> str:
    """Of every number that the folder gave."""
    found = hashlib.sha256(f"{data.grid} {data.sessions}".encode())
    for series in (
        data.load_w,
        data.pv_w,
        data.heat_pump_w,
        data.import_eur_per_kwh,
        data.export_eur_per_kwh,
        data.temp_c,
    ):
        if series is not None:
            found.update(series.tobytes())
    return found.hexdigest()
