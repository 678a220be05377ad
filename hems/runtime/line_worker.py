"""Questions to a worker process as lines, with a deadline and a memory cap; one that fails is replaced."""

from hems.domain.errors import WorkerError
from hems.ports import Spawn, WorkerProcess


class LineWorker:
    """Starts its process with the first question, and a fresh one after a failure or so many answers.

    Args:
        spawn: starts processes.
        module: the worker to run; tests name misbehaving ones.
        name: in messages.
        deadline_s: of an answer.
        memory_max_bytes: address space.
        jobs_max: answers of one process; 1: nothing stays in memory between two questions.
    """

    def __init__(
        self, spawn: Spawn, module: str, *, name: str, deadline_s: float, memory_max_bytes: int, jobs_max: int
    ) -> None:
        self._spawn = spawn
        self._module = module
        self._name = name
        self._deadline_s = deadline_s
        self._memory_max_bytes = memory_max_bytes
        self._jobs_max = jobs_max
        self._worker: WorkerProcess | None = None
        self._jobs = 0

    def ask(self, question: bytes) -> bytes:
        """The worker's answer, untrusted. After a failure the worker is gone and the next call starts another.

        Raises:
            WorkerError: no answer; says why in one sentence.
        """
        try:
            worker = self._ready()
            worker.send_line(question)
            line = worker.receive_line(timeout_s=self._deadline_s)
        except (OSError, EOFError) as error:
            self.close()
            raise WorkerError(f"{self._name}: {error}") from None
        if line is None:
            self.close()
            raise WorkerError(f"{self._name}: no answer within {self._deadline_s:g} s, it was stopped")
        self._jobs += 1
        if self._jobs >= self._jobs_max:
            self.close()
        return line

    def close(self) -> None:
        """End the worker, from any thread; no process is left. The next question starts another."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def _ready(self) -> WorkerProcess:
        if self._worker is None:
            self._worker = self._spawn(self._module, memory_max_bytes=self._memory_max_bytes)
            self._jobs = 0
        return self._worker
