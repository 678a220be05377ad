"""kill -9 while all stores are written to. Longer: ``python -m tests.store.kill --kills 4500``."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

KINDS = ("consumed", "document", "episode", "history", "limit", "outbox", "telemetry")
ROOT = Path(__file__).parents[2]


def killed(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "tests.store.kill", "--folder", str(folder), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path):
    code, figures = killed(tmp_path, "--kills", "40", "--seed", "3")
    assert (code, figures["unreadable"], figures["lost"]) == (0, 0, 0), figures["troubles"]
    assert figures["kills"] == 40
    assert set(figures["acknowledged"]) == set(KINDS)


def test_the_storage_that_tinydb_brings_along_is_caught_by_the_same_kills(tmp_path: Path):
    code, figures = killed(tmp_path, "--kills", "30", "--variant", "stock")
    assert code == 1
    assert figures["unreadable"] > 0


def test_who_says_durable_before_it_is_written_is_caught(tmp_path: Path):
    code, figures = killed(tmp_path, "--kills", "40", "--seed", "3", "--variant", "early")
    assert code == 1
    assert figures["lost"] > 0
    assert figures["unreadable"] == 0
