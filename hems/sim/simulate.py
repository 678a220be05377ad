"""Several strategies over the same days, each in a process of its own, resumable day by day.

Beside the report lies a folder with one checkpoint and one decision record per strategy. After a crash at any moment
``resume`` goes on from the last whole day and ends with the very same figures.
"""

import hashlib
import json
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from hems import __version__, wire
from hems.domain.errors import BadInputError, OperatingError
from hems.domain.site import Site
from hems.ports import Files, Planner
from hems.runtime.files import SystemFiles
from hems.runtime.planner import WorkerPlanner
from hems.runtime.worker_process import spawn
from hems.sim.data import HouseData, read_folder
from hems.sim.days import deliverable_wh
from hems.sim.foresight import FORESIGHT, Foresight
from hems.sim.house import SimHouse
from hems.sim.loop import ClosedLoop
from hems.sim.outlook import outlooks_for
from hems.sim.report import end_correction_eur, figures, mean_import_price
from hems.sim.settings import Settings
from hems.store import document, episodes

CHECKPOINT_SCHEMA = "hems/simulation-checkpoint/4"
DAY_S = 86_400

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
    foresight: Foresight | None = None
    """In place of the strategy's own; benchmarks ask what single unknowns cost."""

    @property
    def looks_ahead(self) -> Foresight | None:
        """What the strategy is given of the truth; None for one without a plan."""
        return self.foresight or FORESIGHT.get(self.strategy)


def checkpoint_name(strategy: str) -> str:
    """File of a strategy's last whole day."""
    return f"{strategy}.checkpoint.json"


def record_name(strategy: str) -> str:
    """File of a strategy's decision record."""
    return f"{strategy}.episodes.jsonl"


def run_all(tasks: Sequence[Task], *, jobs: int, progress: Progress) -> dict[str, dict[str, Any]]:
    """Figures of every task by strategy. One job runs in this process, several in processes of their own.

    Whatever ends this call, an interrupt too, ends those processes; whole days stay on disk.

    Raises:
        OperatingError: data, settings or a checkpoint cannot be used, or a disk is full.
    """
    if jobs == 1 or len(tasks) == 1:
        return {task.strategy: run_task(task, progress=progress) for task in tasks}
    waiting = list(tasks)
    running: dict[Connection, tuple[str, SpawnProcess]] = {}
    figures_by: dict[str, dict[str, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                reader, process = _start(waiting[0])
                running[reader] = (waiting.pop(0).strategy, process)
            for reader in [each for each in wait(list(running)) if isinstance(each, Connection)]:
                strategy, process = running[reader]
                said = _hear(reader, strategy)
                if isinstance(said, int):
                    progress(strategy, said)
                else:
                    figures_by[strategy] = said
                    process.join()
                    del running[reader]
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()
    return {task.strategy: figures_by[task.strategy] for task in tasks}


def _start(task: Task) -> tuple[Connection, SpawnProcess]:
    context = get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_run_telling, args=(task, writer), name=f"hems {task.strategy}")
    process.start()
    writer.close()
    return reader, process


def _hear(reader: Connection, strategy: str) -> int | dict[str, Any]:
    """Finished days or figures."""
    try:
        said: int | dict[str, Any] | OperatingError = reader.recv()
    except EOFError:
        raise OperatingError(f"{strategy}: its process ended; go on with --resume") from None
    if isinstance(said, OperatingError):
        raise said
    return said


def _run_telling(task: Task, told: Connection) -> None:
    # Ctrl-C reaches the whole group. This process and the planner that it starts leave it to the parent to end them:
    # a planner that died first would put a day by rules into the checkpoint.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        told.send(run_task(task, progress=lambda _, days: told.send(days)))
    except OperatingError as error:
        told.send(error)


def run_task(task: Task, *, progress: Progress) -> dict[str, Any]:
    """Figures of one strategy, from the start or from its last checkpoint."""
    settings, site = task.settings, task.site
    data = read_folder(settings.folder, site=site)
    data.require_span(settings.start_at, settings.end_at, site=site)
    outlooks = outlooks_for(task.looks_ahead, site, data, seed=settings.seed, departures=settings.departures)
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
            execution=settings.execution,
            step_s=settings.step_s,
            stopwatch=time.perf_counter,
        )
        run_days(task, loop, SystemFiles(task.folder), fingerprint=_fingerprint(task, data), progress=progress)
    end_eur = end_correction_eur(
        house, stored_at_start_wh=stored_at_start_wh, mean_import_eur_per_kwh=mean_import_price(data, settings)
    )
    return figures(loop, end_eur=end_eur)


def run_days(
    task: Task, loop: ClosedLoop, files: Files, *, fingerprint: str, progress: Progress, day_s: int = DAY_S
) -> None:
    """Run day by day, each followed by a checkpoint, to the end of the decision record.

    Args:
        task: which days, and whether to go on from the last checkpoint.
        loop: as it is at the start of the run.
        files: where checkpoint and record lie.
        fingerprint: of everything that decides the figures.
        progress: told after each day.
        day_s: time between two checkpoints; tests have short days [s].

    Raises:
        OperatingError: the disk takes no more. The last checkpoint is good.
        BadInputError: the checkpoint is of another run.
        RecordDamagedError: the record is not the one that the checkpoint belongs to.
    """
    try:
        _days(task, loop, files, fingerprint=fingerprint, progress=progress, day_s=day_s)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OperatingError(f"{task.folder}: {reason}; whole days are kept, go on with --resume") from None


def _days(task: Task, loop: ClosedLoop, files: Files, *, fingerprint: str, progress: Progress, day_s: int) -> None:
    days_done, log_size = _restore(task, loop, files, fingerprint) if task.resume else (0, 0)
    if days_done == 0:
        # Before the record is cut: an older checkpoint must not outlive the record that it counts on.
        save_checkpoint(files, task.strategy, loop, fingerprint=fingerprint, days=0, log_size=0)
    record = record_name(task.strategy)
    log = episodes.EpisodeLog(files, record, size=log_size)
    for day in range(days_done, task.settings.days):
        closed, _ = loop.run((day + 1) * day_s)
        loop.note_day()
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
    run = {"fingerprint": fingerprint, "days": days, "log_size": log_size, "loop": loop.snapshot()}
    checkpoint = {"schema": CHECKPOINT_SCHEMA, "sha256": _digest(run), "run": run}
    document.save(files, checkpoint_name(strategy), json.dumps(checkpoint, sort_keys=True).encode())


def _restore(task: Task, loop: ClosedLoop, files: Files, fingerprint: str) -> tuple[int, int]:
    """Days done and size of the record; (0, 0) where there is no checkpoint yet."""
    name = checkpoint_name(task.strategy)
    content = files.read(name)
    if content is None:
        return 0, 0
    try:
        checkpoint = json.loads(content)
        run = checkpoint["run"]
        whole = checkpoint["sha256"] == _digest(run)
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise BadInputError(f"{task.folder / name}: not a checkpoint, or damaged; start again without --resume")
    if run["fingerprint"] != fingerprint:
        raise BadInputError(
            f"{task.folder / name}: made with another site, data, start, step or seed; start again without --resume"
        )
    if run["days"] > task.settings.days:
        raise BadInputError(
            f"{task.folder / name}: {run['days']} days are done already; ask for as many, or start without --resume"
        )
    loop.restore(run["loop"])
    return run["days"], run["log_size"]


def _digest(run: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def _fingerprint(task: Task, data: HouseData) -> str:
    """Of everything that decides the figures, but the number of days: a longer run goes on from a shorter one."""
    settings = task.settings
    decisive = [wire.digest(task.site), _data_digest(data), settings.start_at, settings.step_s, settings.seed]
    text = "\n".join(
        str(each)
        for each in [
            CHECKPOINT_SCHEMA,
            __version__,
            *decisive,
            settings.departures,
            settings.execution,
            task.strategy,
            task.looks_ahead,
        ]
    )
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
