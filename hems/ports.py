"""What the world offers, as Protocols over domain types. Adapters implement them without inheriting."""

from datetime import datetime
from typing import Protocol

from hems.domain.problem import PlanningProblem


class Clock(Protocol):
    """Both kinds of time, and waiting."""

    def now(self) -> datetime:
        """Wall time, aware UTC; may step."""
        ...

    def monotonic_s(self) -> float:
        """Never steps back; its zero means nothing [s]."""
        ...

    def wall_is_trusted(self) -> bool:
        """Whether wall time has been confirmed since boot."""
        ...

    async def sleep_until(self, monotonic_s: float) -> None:
        """Return at or soon after a monotonic second; at once if it has passed."""
        ...


class Files(Protocol):
    """The operations that durable files need, each one a point where power can fail.

    Paths are relative to the root that the implementation was made with; errors are OSError.
    """

    def read(self, path: str) -> bytes | None:
        """Whole content, None if there is no such file."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Create or truncate; nothing is promised before :meth:`sync`."""
        ...

    def append(self, path: str, content: bytes) -> None:
        """Add at the end; nothing is promised before :meth:`sync`."""
        ...

    def truncate(self, path: str, size: int) -> None:
        """Cut to a size; nothing is promised before :meth:`sync`."""
        ...

    def sync(self, path: str) -> None:
        """After this the content of the file survives a power cut."""
        ...

    def rename(self, before: str, after: str) -> None:
        """Replace atomically and make the change of name durable."""
        ...

    def remove(self, path: str) -> None:
        """Delete; no error if there is none."""
        ...


class Planner(Protocol):
    """Turns a problem into the raw text of a plan, somewhere else, within a deadline."""

    def answer(self, problem: PlanningProblem) -> bytes:
        """The worker's answer, untrusted: parse and check it.

        Raises:
            WorkerError: killed, silent beyond the deadline, out of memory, or gone.
        """
        ...

    def close(self) -> None:
        """End the worker; no process is left."""
        ...


class WorkerProcess(Protocol):
    """A child process that speaks lines on its standard streams."""

    def send_line(self, line: bytes) -> None:
        """Write one line. Raises OSError when the process is gone."""
        ...

    def receive_line(self, *, timeout_s: float) -> bytes | None:
        """Next line; None when the deadline passed. Raises EOFError when the process is gone."""
        ...

    def kill(self) -> None:
        """End it at once and reap it."""
        ...


class Spawn(Protocol):
    """Starts worker processes."""

    def __call__(self, module: str, *, memory_max_bytes: int) -> WorkerProcess:
        """Start ``python -m module`` with an address-space limit."""
        ...
