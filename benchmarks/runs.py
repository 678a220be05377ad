"""Simulated runs that are kept: each finished one is a file, one that was stopped goes on where it was.

A file is named after everything that decides its figures: the source files that its strategy uses, the site file, the
data, and what was asked. Figures of different states of the product are therefore never mixed.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import hems
from hems.app.posing import pose
from hems.config import load_site
from hems.domain.problem import PlanningProblem
from hems.domain.site import Site
from hems.runtime.files import SystemFiles
from hems.sim.data import read_folder
from hems.sim.foresight import Foresight
from hems.sim.knowledge import Departures
from hems.sim.settings import Execution, Settings, parse_start
from hems.sim.simulate import DAY_S, Task, run_task
from hems.store import document

SOURCES = Path(hems.__file__).parent
UNPLANNED = ("config", "control", "domain", "sim")
PLANNED = (*UNPLANNED, "app", "planning", "runtime", "solving", "workers")
FORECAST = (*PLANNED, "forecast", "learning")
PACKAGES: Mapping[str, tuple[str, ...]] = {"unmanaged": UNPLANNED, "rules": UNPLANNED, "perfect": PLANNED}
"""Whose source decides a strategy's figures; all of them for those that are not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One strategy over some days of one house."""

    site: Path
    data: Path
    start: str
    """Local date."""
    days: int
    strategy: str
    departures: Departures = "told"
    execution: Execution = "value"
    foresight: Foresight | None = None
    """In place of the strategy's own."""
    calm: bool = True
    """False: every plan is made as if none had been announced before."""

    @property
    def name(self) -> str:
        """For people; :func:`key` tells runs apart."""
        return f"{self.site.stem}-{self.start}-{self.days}d-{self.strategy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run gave."""

    run: Run
    figures: Mapping[str, Any]
    """As in the report of a simulation."""
    import_eur_per_kwh: tuple[float, ...]
    """Mean purchase price of each day."""
    took_s: float
    """Wall time of the last sitting [s]."""

    def cost_eur(self, first: int = 0, end: int | None = None) -> float:
        """Cost of the days ``first .. end - 1``.

        What is stored and awaited at both ends is valued at the window's mean price. The whole run from its start
        costs what its report says.
        """
        days = self.figures["days"]
        end = len(days) if end is None else end
        if first == 0 and end == len(days):
            return float(self.figures["cost_eur"])
        if first < 1:
            raise ValueError("what was stored before the first day is not kept: start a window after it")
        before, after = days[first - 1], days[end - 1]
        gained_wh = after["deliverable_wh"] - before["deliverable_wh"]
        awaited_wh = after["pending_car_wh"] - before["pending_car_wh"]
        price = sum(self.import_eur_per_kwh[first:end]) / (end - first)
        spent_eur = after["energy_cost_eur"] - before["energy_cost_eur"]
        return float(spent_eur + (awaited_wh - gained_wh) / 1000 * price)


class Shelf:
    """Finished runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = SystemFiles(folder)

    def find(self, run: Run) -> Result | None:
        """A finished run of this state of the product; None where there is none."""
        content = self._files.read(self._name(run))
        if content is None:
            return None
        kept = json.loads(content)
        return Result(
            run=run,
            figures=kept["figures"],
            import_eur_per_kwh=tuple(kept["import_eur_per_kwh"]),
            took_s=kept["took_s"],
        )

    def complete(self, runs: Sequence[Run]) -> None:
        """Do what is not there yet, one run at a time."""
        left = [each for each in dict.fromkeys(runs) if self.find(each) is None]
        for number, run in enumerate(left, start=1):
            print(f"[{number}/{len(left)}] {run.name} {run.foresight or ''} …", flush=True)
            result = self._make(run)
            print(f"    {result.figures['cost_eur']:.2f} EUR, {result.took_s:.0f} s", flush=True)

    def _name(self, run: Run) -> str:
        return f"{run.name}-{key(run)[:12]}.json"

    def _make(self, run: Run) -> Result:
        site = site_of(run.site)
        settings = Settings(
            folder=run.data,
            start_at=parse_start(run.start, site),
            days=run.days,
            departures=run.departures,
            execution=run.execution,
        )
        folder = self._folder / f"{run.name}-{key(run)[:12]}.record"
        task = Task(
            site=site, settings=settings, strategy=run.strategy, folder=folder, resume=True, foresight=run.foresight
        )
        began_s = time.perf_counter()
        with nullcontext() if run.calm else _nothing_announced():
            figures = run_task(task, progress=lambda *_: None)
        took_s = time.perf_counter() - began_s
        kept = {"figures": figures, "import_eur_per_kwh": daily_prices(run, site), "took_s": round(took_s, 1)}
        document.save(self._files, self._name(run), json.dumps(kept).encode())
        shutil.rmtree(folder)
        found = self.find(run)
        assert found is not None
        return found


@contextmanager
def _nothing_announced() -> Iterator[None]:
    """The same planner, to which an announced plan is worth nothing."""

    def pose_anew(*arguments: Any, **named: Any) -> PlanningProblem:  # noqa: ANN401
        return replace(pose(*arguments, **(named | {"announced": None})), change_cost_eur=0.0)

    with mock.patch("hems.sim.loop.pose", pose_anew):
        yield


def site_of(path: Path) -> Site:
    return load_site(path.read_text(), str(path))


def daily_prices(run: Run, site: Site) -> list[float]:
    """Mean purchase price of each day of a run [EUR/kWh]."""
    data = read_folder(run.data, site=site)
    first = data.slot_index(parse_start(run.start, site))
    per_day = DAY_S // data.grid.slot_s
    prices = data.import_eur_per_kwh[first : first + run.days * per_day]
    means: list[float] = prices.reshape(run.days, per_day).mean(axis=1).tolist()
    return means


def key(run: Run) -> str:
    """Of everything that decides a run's figures."""
    parts = [
        _source_digest(PACKAGES.get(run.strategy, FORECAST) if run.foresight is None else FORECAST),
        _digest((run.site,)),
        _digest(tuple(sorted(run.data.iterdir()))),
        repr((run.start, run.days, run.strategy, run.departures, run.execution, run.foresight)),
        *(() if run.calm else ("not calm",)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _source_digest(packages: tuple[str, ...]) -> str:
    return _digest(tuple(path for package in packages for path in sorted((SOURCES / package).rglob("*.py"))))


@cache
def _digest(paths: tuple[Path, ...]) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path.name}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()
