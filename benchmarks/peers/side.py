"""A planner in a process of its own, spoken to in lines of JSON."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TextIO

HERE = Path(__file__).parent


def pin() -> None:
    """This process and its children on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ["OMP_NUM_THREADS"] = "1"


class Side:
    """One planner's process; ``greeting`` is what it says of its imports, where it says anything."""

    def __init__(self, process: subprocess.Popen[str], complaints: TextIO, *, greets: bool) -> None:
        self._process, self._complaints = process, complaints
        self.greeting: dict[str, Any] = self._read() if greets else {}

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """The answer to one job.

        Raises:
            RuntimeError: the process ended; with the end of what it wrote to standard error.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job, default=str) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            raise RuntimeError(f"{self._process.args!r} ended: {self._complaints.read()[-2000:]}")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def running(command: Sequence[str], *, greets: bool = True) -> Iterator[Side]:
    """A side while it is needed."""
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        try:
            yield Side(process, complaints, greets=greets)
        finally:
            process.kill()


def ours() -> AbstractContextManager[Side]:
    """Our planner, in this interpreter's environment."""
    return running([sys.executable, "-m", "benchmarks.peers.ours_side"])


def peer(interpreter: Path, script: str, *, greets: bool = True) -> AbstractContextManager[Side]:
    """A script beside this file in a peer's environment."""
    return running([str(interpreter), str(HERE / script)], greets=greets)
