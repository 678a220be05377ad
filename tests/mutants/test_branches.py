"""Every branch of the guard, of arbitration and of the operator's limit is taken by the quick tests of their rules.

Drawn examples must not be what takes one: a branch that only chance takes is tested on some days.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.harness import ROOT


def coverage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COVERAGE_FILE": str(folder / "coverage"), "CI": "false"}
    command = [sys.executable, "-m", "coverage", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.timeout(300)  # 15 s alone
def test_every_branch_is_taken(tmp_path: Path) -> None:
    run = coverage(
        tmp_path, "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not hypothesis", "tests/unit/control"
    )
    assert run.returncode == 0, run.stdout[-3_000:]
    report = coverage(tmp_path, "report")
    assert report.returncode == 0, report.stdout
