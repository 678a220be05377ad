"""The wheel holds both packages, their data and the command, and nothing that is not product."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_both_packages_their_types_and_data_are_in_the_wheel(wheel: zipfile.ZipFile):
    names = set(wheel.namelist())
    assert {"hems/py.typed", "hems_drivers/py.typed", "hems/workers/plan.py", "hems/cli/__init__.py"} <= names
    assert {f"hems/sim/sample/{name}" for name in ("house.csv", "prices.csv", "ev_sessions.csv", "NOTICE.md")} <= names


def test_nothing_but_the_product_is_in_the_wheel(wheel: zipfile.ZipFile):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hems", "hems_drivers"}


def test_the_command_is_installed(wheel: zipfile.ZipFile):
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "hems = hems.cli:main" in wheel.read(entry_points).decode()
