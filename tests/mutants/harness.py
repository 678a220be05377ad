"""Planting a fault in a copy of the source, and running the test that must notice it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
TIMEOUT_S = 50
NO_CACHES = shutil.ignore_patterns("__pycache__", "node_modules", "build")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One planted fault and the test that must notice it."""

    name: str
    file: str
    """From the root of the repository."""
    before: str
    after: str
    test: str


def complete(folder: Path) -> None:
    """Make a folder with some of the source runnable on its own."""
    # A counterexample is enough: it need not be made small. The same examples each time: a verdict is no chance.
    (folder / "conftest.py").write_text(
        "from hypothesis import Phase, settings\n\n"
        "settings.register_profile('mutants', max_examples=1_000, derandomize=True,"
        " phases=[Phase.generate], database=None)\n"
    )
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib\nasyncio_mode = auto\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    (folder / "test_where.py").write_text(
        "import pathlib\nimport hems.control.guard\n\n\n"
        "def test_the_copy_is_what_is_tested():\n"
        "    assert pathlib.Path(hems.control.guard.__file__).is_relative_to(pathlib.Path(__file__).parent)\n"
    )


def run_tests(folder: Path, *tests: str, profile: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy."""
    path = os.pathsep.join([str(folder), str(folder / "drivers")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "CI": "false"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--hypothesis-profile={profile}"]
    return subprocess.run(
        [*command, "test_where.py", *tests],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def survivors(mutants: Sequence[Mutant], copy_to: Callable[[Path], None], folder: Path) -> str:
    """What is wrong with the deaths of these mutants; empty: each died as it should."""
    folders = [folder / str(number) for number in range(len(mutants))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = pool.map(lambda mutant, at: _kill(mutant, copy_to, at), mutants, folders)
        return "\n".join(verdict for verdict in verdicts if verdict is not None)


def _kill(mutant: Mutant, copy_to: Callable[[Path], None], folder: Path) -> str | None:
    copy_to(folder)
    path = folder / mutant.file
    source = path.read_text()
    if (times := source.count(mutant.before)) != 1:
        return f"{mutant.name}: its text occurs {times} times in {mutant.file}"
    path.write_text(source.replace(mutant.before, mutant.after))
    result = run_tests(folder, mutant.test, profile="mutants")
    if result.returncode == 0:
        return f"{mutant.name}: survived {mutant.test}"
    if result.returncode != 1 or "\n1 failed, " not in result.stdout:
        return f"{mutant.name}: no verdict\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
    return None
