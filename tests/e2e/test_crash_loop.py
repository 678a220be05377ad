"""The daemon as a process that dies again and again: from the fourth start on it guards, shows itself, and stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_service import command_of
from tests.support.eventually import eventually
from tests.support.notify_standin import supervised

PLANTED = """
import os, signal, sys
from hems.app.planner_loop import PlannerLoop

def crash(self):
    os.kill(os.getpid(), signal.SIGKILL)

PlannerLoop.replan = crash
from hems.cli import main
main()
"""
"""What a library that crashes on the planner's way does to the whole process, within a second of the first tick."""


def status_of(port: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hems", "status", "--port", port, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=dict(os.environ))


async def test_killed_three_times_it_starts_in_safe_mode_and_whole_after_a_clean_stop(tmp_path: Path) -> None:
    command = command_of(tmp_path)
    port = command[command.index("--port") + 1]
    async with supervised(command, folder=tmp_path, watchdog_s=15.0) as service:
        for number in range(1, 4):
            await service.until_ready(timeout_s=30, times=number)
            assert "safe mode" not in service.status
            assert service.process is not None
            service.process.kill()
        await service.until_ready(timeout_s=30, times=4)
        await service.until(lambda: service.status.endswith("nothing else: safe mode"), timeout_s=5)
        await eventually(lambda: status_of(port).returncode == 1, what="the page answers")
        text = status_of(port).stdout
        assert "Mode safe_hold" in text, "the meter of this house is silent"
        assert "Safe mode: hems crashed 3 times in a row soon after its start." in text
        state = json.loads(status_of(port, "--json").stdout)
        assert state["notices"][0]["level"] == "problem"
        assert state["notices"][0]["text"].startswith("Safe mode")
        assert state["plan"] is None
        assert await service.terminate(timeout_s=20) == 0
    assert service.log_path.read_text().count("Safe mode: hems crashed 3 times") == 1

    (tmp_path / "notify").unlink()
    async with supervised(command, folder=tmp_path, watchdog_s=15.0) as service:
        await service.until_ready(timeout_s=30)
        await service.until(lambda: "the guard is in control" in service.status, timeout_s=5)
        assert "safe mode" not in service.status
        await service.terminate(timeout_s=20)


async def test_what_crashes_the_process_on_the_planners_way_ends_with_the_third_time(tmp_path: Path) -> None:
    _, _, _, *arguments = command_of(tmp_path)
    command = [sys.executable, "-c", PLANTED, *arguments]
    async with supervised(command, folder=tmp_path, watchdog_s=8.0) as service:
        await service.until(lambda: service.status.endswith("nothing else: safe mode"), timeout_s=60)
        pings = service.pings
        await service.until(lambda: service.pings >= pings + 4, timeout_s=30)
        assert service.starts == 4
        assert [each for each in service.events if each.startswith("ended")] == ["ended -9"] * 3
        assert await service.terminate(timeout_s=20) == 0


@pytest.mark.parametrize("made", ["a folder", "junk", "no rights"])
async def test_no_record_of_starts_can_keep_the_daemon_from_starting(made: str, tmp_path: Path) -> None:
    command = command_of(tmp_path)
    documents = tmp_path / "state" / "documents"
    documents.mkdir(parents=True)
    record = documents / "starts.json"
    if made == "a folder":
        record.mkdir()
    else:
        record.write_bytes(os.urandom(300))
    if made == "no rights":
        record.chmod(0)
    async with supervised(command, folder=tmp_path, watchdog_s=15.0) as service:
        await service.until_ready(timeout_s=30)
        assert await service.terminate(timeout_s=20) == 0
    assert "Traceback" not in service.log_path.read_text()
