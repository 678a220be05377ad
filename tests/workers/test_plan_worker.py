"""The planner across the process boundary: real processes, killed, stopped, starved and lying."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hems.cli.plan import plan as plan_command
from hems.domain.errors import WorkerError
from hems.domain.plan import Origin
from hems.ports import WorkerProcess
from hems.runtime import planner as planner_module
from hems.runtime.planner import WorkerPlanner, checked_plan
from hems.runtime.worker_process import PipeProcess, spawn
from hems.wire import canonical, fast_json
from tests.support.problems import flat_problem, house_problem

PROBLEM = house_problem(4)


class Spawner:
    """The real spawn that remembers its children."""

    def __init__(self, memory_max_bytes: int | None = None) -> None:
        self.children: list[PipeProcess] = []
        self.memory_max_bytes = memory_max_bytes

    def __call__(self, module: str, *, memory_max_bytes: int) -> WorkerProcess:
        child = spawn(module, memory_max_bytes=self.memory_max_bytes or memory_max_bytes)
        self.children.append(child)
        return child

    def running(self) -> list[int]:
        return [child.pid for child in self.children if Path(f"/proc/{child.pid}").exists()]


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    children = Spawner()
    yield children
    for child in children.children:
        child.kill()


def test_a_worker_plans_one_problem_after_the_other_in_one_process(spawner: Spawner):
    with WorkerPlanner(spawner) as planner:
        plans = [checked_plan(problem, planner.answer(problem)) for problem in (PROBLEM, house_problem(5), PROBLEM)]
        assert len(spawner.running()) == 1
    assert spawner.running() == [], "no process is left"
    assert plans[0] == plans[2]
    assert plans[0].origin is Origin.SOLVER


def test_two_fresh_processes_make_the_same_plan_to_the_bit(spawner: Spawner):
    answers = []
    for _ in range(2):
        with WorkerPlanner(spawner) as planner:
            answers.append(canonical(checked_plan(PROBLEM, planner.answer(PROBLEM))))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("before", [True, False], ids=["between problems", "while it works"])
def test_a_killed_worker_is_one_error_and_the_next_call_works(spawner: Spawner, *, before: bool):
    with WorkerPlanner(spawner) as planner:
        planner.answer(PROBLEM)
        os.kill(spawner.children[0].pid, signal.SIGSTOP)
        if before:
            spawner.children[0].kill()
            with pytest.raises(WorkerError, match=r"plan worker: "):
                planner.answer(PROBLEM)
        else:
            child = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.2; kill -9 {spawner.children[0].pid}"])
            with pytest.raises(WorkerError, match="it ended"):
                planner.answer(PROBLEM)
            child.wait()
        assert checked_plan(PROBLEM, planner.answer(PROBLEM)).cars


def test_a_silent_worker_is_stopped_at_the_deadline_and_the_next_call_works(spawner: Spawner):
    with WorkerPlanner(spawner, deadline_s=2.0) as planner:
        planner.answer(PROBLEM)
        os.kill(spawner.children[0].pid, signal.SIGSTOP)
        with pytest.raises(WorkerError, match="no answer within 2 s"):
            planner.answer(PROBLEM)
        assert spawner.running() == []
        assert planner.answer(PROBLEM)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("garbage", "answer: document"),
        ("schemaless", "answer: plan"),
        ("hungry", "it ended"),
        ("wordy", "longer than 4194304 bytes"),
        ("lying", "plan refused: battery battery: 50000.0 W"),
        ("there_is_no_such_worker", "it ended"),
    ],
)
def test_a_misbehaving_worker_never_gets_a_plan_through(spawner: Spawner, name: str, words: str):
    with WorkerPlanner(spawner, module=f"tests.support.bad_workers.{name}") as planner:
        for _ in range(2):
            with pytest.raises(WorkerError, match=words) as caught:
                checked_plan(PROBLEM, planner.answer(PROBLEM))
            assert len(str(caught.value).splitlines()) == 1


def test_a_worker_that_is_ended_by_another_thread_keeps_nobody_waiting(spawner: Spawner):
    """A stop ends the worker while the planner's thread waits for its plan, on one core as on a busy machine."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        for _ in range(20):
            with WorkerPlanner(spawner, module="tests.support.bad_workers.silent") as planner:
                waiting = threading.Thread(target=_expect_trouble, args=(planner,), daemon=True)
                waiting.start()
                while not spawner.running():
                    waiting.join(0.01)
                waiting.join(0.1)

                planner.close()

                waiting.join(3.0)
                assert not waiting.is_alive()
    finally:
        os.sched_setaffinity(0, cores)


def _expect_trouble(planner: WorkerPlanner) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # wakes last
    with pytest.raises(WorkerError):
        planner.answer(PROBLEM)


def test_a_worker_without_memory_for_the_solver_is_an_error():
    starved = Spawner(memory_max_bytes=60 * 1024 * 1024)
    with WorkerPlanner(starved) as planner, pytest.raises(WorkerError):
        planner.answer(PROBLEM)
    assert starved.running() == []


def test_a_worker_is_replaced_after_its_share_of_jobs(spawner: Spawner, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(planner_module, "JOBS_MAX", 2)
    with WorkerPlanner(spawner) as planner:
        for _ in range(4):
            planner.answer(flat_problem())
    assert len(spawner.children) == 2


def test_a_line_that_is_no_problem_is_refused_with_a_reason_and_the_worker_lives():
    run = subprocess.run(
        [sys.executable, "-m", "hems.workers.plan"],
        input=b'{"schema": 1}\n' + fast_json(flat_problem()) + b"\n",
        capture_output=True,
        check=True,
    )
    refused, planned = run.stdout.splitlines()
    assert refused.startswith(b'{"error":"problem: ')
    assert checked_plan(flat_problem(), planned).origin is Origin.SOLVER


def test_the_daemon_side_loads_neither_solver_nor_numpy():
    code = (
        "import sys, hems.control, hems.planning.check, hems.planning.fallback, hems.runtime.planner,"
        " hems.runtime.worker_process, hems.cli.plan;"
        "sys.exit(any(name.split('.')[0] in {'ortools', 'numpy', 'pandas'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_prints_the_plan_as_canonical_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "problem.json"
    path.write_bytes(canonical(PROBLEM))
    assert plan_command(path) == 0
    printed = capsys.readouterr().out
    with WorkerPlanner(spawn) as planner:
        assert printed.encode() == canonical(checked_plan(PROBLEM, planner.answer(PROBLEM))) + b"\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), ("{", "Invalid JSON"), ('{"grid": {}}', "grid.start_at: Field required")],
)
def test_the_command_refuses_what_is_no_problem_with_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
):
    path = tmp_path / "problem.json"
    if content is not None:
        path.write_text(content)
    assert plan_command(path) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
