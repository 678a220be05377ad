"""Which small faults of the guard, of arbitration and of the operator's limit the fast tests notice.

    python -m benchmarks.mutation --state FOLDER [--minutes 30] [guard arbitrate operator …]

Each mutant is one change of a module, made in memory, in a process of its own that runs the tests which pass its
lines, first those that have noticed most so far, up to the first that fails. Drawn examples are the same each time and
have no deadline, so a verdict is no chance. A process may use ten seconds of processor and five times what the
unchanged module needs for the same tests; what is ended there counts as noticed. FOLDER keeps the verdicts: the next
sitting goes on with the rest, with all of a module whose code has changed, and, where tests have changed, with those
that nobody had noticed.
"""

import argparse
import ast
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import multiprocessing
import os
import pkgutil
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import coverage
import pytest

import hems.domain
from benchmarks.mutation_changes import Change, changes
from tests.mutants.equivalent import EQUIVALENT

ROOT = Path(__file__).parents[1]
MODULES = (
    *("guard", "arbitrate", "operator"),
    *("headroom", "exchange", "lending", "sharing", "current", "switching"),
    *("island", "backup"),
)
TESTS = (
    "tests/unit/control",
    *(f"tests/property/test_{name}.py" for name in ("arbitrate", "guard", "dimming", "island")),
)
LIKELY = 20
SPARE_S = 10.0
SPARE_TIMES = 5.0


@dataclass(frozen=True, kw_only=True)
class Passes:
    """What the tests do with the unchanged code."""

    lines: dict[str, dict[int, list[str]]]
    """By module and line the tests that pass it."""
    seconds: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one mutant."""

    name: str
    killed_by: str | None
    """A test, ``time``, or ``import`` where the module cannot even be loaded; None: it survived."""
    tests: str
    """Which state of the tests says so."""


class _Planted(importlib.machinery.SourceFileLoader):
    """Loads a module from a syntax tree."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        super().__init__(name, str(path_of(name.rpartition(".")[2])))
        self._tree = tree

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # the name of the interface
        return compile(self._tree, self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, tree: ast.Module) -> None:
        self._name = f"hems.control.{module}"
        self._tree = tree

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, _Planted(fullname, self._tree))


class _Watch:
    """Notes which test passes which line, how long it takes, and what failed."""

    def __init__(self, *, wanted: Sequence[str] | None = None, measured: coverage.Coverage | None = None) -> None:
        self.wanted = wanted
        self.measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: str | None = None

    def pytest_sessionstart(self) -> None:
        from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415  # after pytest has loaded its plugin

        # A counterexample is enough: it need not be made small. How busy the machine is must not decide.
        settings.register_profile(
            "mutants",
            max_examples=30,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.wanted is not None:
            found = {item.nodeid: item for item in items}
            items[:] = [found[test] for test in self.wanted if test in found]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if self.measured is not None:
            self.measured.switch_context(item.nodeid)
        began_s = time.process_time()
        result = yield
        self.seconds[item.nodeid] = time.process_time() - began_s
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid


def _forget_loaded() -> None:
    """What this process has loaded knows the unchanged module; the domain knows none of them."""
    for name in [*sys.modules]:
        if name.startswith(("hems.", "hems_drivers.", "tests.")) and not name.startswith("hems.domain"):
            del sys.modules[name]


def path_of(module: str) -> Path:
    """Its source."""
    return ROOT / "hems" / "control" / f"{module}.py"


def run_tests(watch: _Watch) -> int:
    """Run tests here, as the normal command does but for drawn examples; pytest's exit code."""
    files = TESTS if watch.wanted is None else sorted({test.split("::")[0] for test in watch.wanted})
    return int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *files], plugins=[watch]))


def apart(work: Callable[[], dict[str, Any]], *, limit_s: float) -> tuple[dict[str, Any] | None, int | None]:
    """Do something in a fork that may use so much processor time: its answer, and its exit code."""
    context = multiprocessing.get_context("fork")
    reading, writing = context.Pipe(duplex=False)

    def child() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 1, int(limit_s) + 2))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        writing.send(work())

    process = context.Process(target=child)
    process.start()
    writing.close()
    try:
        answer = reading.recv()
    except EOFError:
        answer = None
    process.join()
    return answer, process.exitcode


def unchanged() -> Passes:
    """Run all tests on the unchanged code and note what they pass.

    Raises:
        SystemExit: one of them fails there.
    """

    def work() -> dict[str, Any]:
        measured = coverage.Coverage(data_file=None, include=[str(path_of(module)) for module in MODULES])
        measured.start()
        watch = _Watch(measured=measured)
        code = run_tests(watch)
        measured.stop()
        lines = {module: measured.get_data().contexts_by_lineno(str(path_of(module))) for module in MODULES}
        return {"code": code, "failed": watch.failed, "seconds": watch.seconds, "lines": lines}

    found, status = apart(work, limit_s=600.0)
    if found is None or found["code"] != 0:
        raise SystemExit(f"the tests fail without any change: {found and found['failed']}, status {status}")
    lines = {
        module: {int(line): [test for test in tests if test] for line, tests in by_line.items()}
        for module, by_line in found["lines"].items()
    }
    return Passes(lines=lines, seconds=found["seconds"])


def judge(module: str, change: Change, passes: Passes, killers: Counter[str | None]) -> str | None:
    """Who notices a change: a test, ``time`` or ``import``; None: nobody."""
    by_line = passes.lines[module]
    here = {test for line in range(change.first_line, change.last_line + 1) for test in by_line.get(line, [])}
    if not here:  # a constant, a field: whoever uses the module may notice
        here = {test for tests in by_line.values() for test in tests}
    tests = sorted(here, key=lambda test: (-killers[test], passes.seconds[test]))
    # Who noticed most so far is asked alone: to collect all tests costs more than to run these.
    likely = [test for test in tests[:LIKELY] if killers[test]]
    for asked in (likely, tests[len(likely) :]):
        if asked and (killer := _killer(module, change, asked, passes)) is not None:
            return killer
    return None


def _killer(module: str, change: Change, tests: Sequence[str], passes: Passes) -> str | None:
    def work() -> dict[str, Any]:
        _forget_loaded()
        sys.meta_path.insert(0, _Finder(module, change.tree))
        watch = _Watch(wanted=tests)
        return {"code": run_tests(watch), "failed": watch.failed}

    limit_s = SPARE_S + SPARE_TIMES * sum(passes.seconds[test] for test in tests)
    found, status = apart(work, limit_s=limit_s)
    if status == -signal.SIGXCPU:
        return "time"
    match found:
        case {"code": 0}:
            return None
        case {"code": 1, "failed": str(test)}:
            return test
        case {"code": 1 | 2 | 4, "failed": None}:  # interrupted while the tests were collected
            return "import"
    raise RuntimeError(f"no verdict on {module}: {change.name}: {found}, status {status}")


def digest(*texts: str) -> str:
    """Of a state of code or tests."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def kept(path: Path) -> dict[str, Verdict]:
    """Verdicts of earlier sittings; the last word on each mutant counts."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {verdict.name: verdict for verdict in (Verdict(**json.loads(line)) for line in lines)}


def sit(module: str, passes: Passes, folder: Path, tests: str, until_s: float) -> tuple[list[Verdict], int]:
    """Judge what is not judged yet, as long as there is time: all verdicts, and how many are missing."""
    source = path_of(module).read_text()
    path = folder / f"{module}-{digest(ast.dump(ast.parse(source)))}.jsonl"
    known, missing = kept(path), 0
    verdicts: list[Verdict] = []
    for change in changes(source):
        verdict = known.get(change.name)
        valid = verdict is not None and (
            verdict.tests == tests or verdict.killed_by in (*passes.seconds, "import", "time")
        )
        if verdict is None or not valid:
            if time.perf_counter() > until_s:
                missing += 1
                continue
            killers = Counter(each.killed_by for each in verdicts)
            verdict = Verdict(name=change.name, killed_by=judge(module, change, passes, killers), tests=tests)
            with path.open("a") as file:
                file.write(json.dumps(asdict(verdict)) + "\n")
        verdicts.append(verdict)
    return verdicts, missing


def main() -> None:
    """Judge, and print killed and survived by module."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("modules", nargs="*", choices=[[], *MODULES], default=[])
    arguments.add_argument("--state", type=Path, required=True, help="folder that keeps the verdicts")
    arguments.add_argument("--minutes", type=float, default=1e6, help="end the sitting after this time")
    given = arguments.parse_args()
    given.state.mkdir(parents=True, exist_ok=True)
    until_s = time.perf_counter() + given.minutes * 60
    tests = digest(*(path.read_text() for path in sorted((ROOT / "tests").rglob("*.py"))))
    os.nice(10)
    os.chdir(ROOT)
    for below in pkgutil.iter_modules(hems.domain.__path__, "hems.domain."):
        importlib.import_module(below.name)  # once, not in each fork
    passes = unchanged()
    print(f"{len(passes.seconds)} tests pass the unchanged code in {sum(passes.seconds.values()):.0f} s of processor")
    for module in given.modules or MODULES:
        verdicts, missing = sit(module, passes, given.state, tests, until_s)
        survived = [verdict.name for verdict in verdicts if verdict.killed_by is None]
        alike = [name for name in survived if f"{module}.{name}" in EQUIVALENT]
        killed, known = len(verdicts) - len(survived), max(len(verdicts), 1)
        print(
            f"\n{module}: {len(verdicts)} mutants, {killed} killed ({killed / known:.1%}), {len(survived)} survived"
            f" ({len(alike)} of them change nothing)" + (f", {missing} not judged yet" if missing else "")
        )
        for name in sorted({*survived} - {*alike}):
            print(f"  survived: {name}")
        gone = {name for name in EQUIVALENT if name.startswith(f"{module}.")} - {f"{module}.{name}" for name in alike}
        for name in sorted(gone) if not missing else []:
            print(f"  listed as changing nothing, and killed or gone: {name}")


if __name__ == "__main__":
    main()
