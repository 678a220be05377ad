"""The layers are law: a planted violation of each contract is found."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLANTS = {
    "the core reaches up": ("hems/control/guard.py", "import hems.wire", "The layers"),
    "rooms know each other": ("hems/planning/check.py", "import hems.forecast.load", "The layers"),
    "adapters know each other": ("hems/store/document.py", "import hems.runtime.files", "The layers"),
    "the core looks at the clock": ("hems/control/tick.py", "import time", "The core is pure"),
    "the core validates by library": ("hems/domain/plan.py", "import pydantic", "The core is pure"),
    "the daemon loads the solver": ("hems/app/planning.py", "import hems.solving.plan", "Only the plan worker"),
    "the solver is used elsewhere": ("hems/sim/loop.py", "import ortools", "ortools is used"),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("hems", "drivers"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on a copy of the source, which hides the installed one."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": f"{tree}:{tree / 'drivers'}"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_source_keeps_its_layers(tree: Path):
    assert lint(tree).returncode == 0


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_violation_is_found(tree: Path, plant: str):
    file, line, contract = PLANTS[plant]
    target = tree / file
    before = target.read_text()
    target.write_text(f"{before}\n{line}\n")
    try:
        done = lint(tree)
    finally:
        target.write_text(before)
    broken = [each for each in done.stdout.splitlines() if "BROKEN" in each]
    assert done.returncode == 1
    assert any(each.startswith(contract) for each in broken), done.stdout
