"""A worker as a child process: lines over pipes, capped in memory and priority, with deadlines, never left behind."""

import os
import resource
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LINE_MAX_BYTES = 4 * 1024 * 1024
"""Longest answer read: a plan of seven days with twenty devices has half a megabyte."""

SEND_TIMEOUT_S = 5.0
"""A child that does not read is stopped or stuck: a problem of 48 h fits the pipe at once."""

NICENESS = 10
"""The tick goes before the planner."""

CHUNK_BYTES = 65_536


def spawn(module: str, *, memory_max_bytes: int) -> "PipeProcess":
    """Start ``python -m module`` with an address-space limit; implements :class:`hems.ports.Spawn`.

    The limit is set from outside right after the start (no code between fork and exec, which is unsafe under
    threads), long before the child gets its first line.

    Raises:
        OSError: the process cannot be started.
    """
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        bufsize=0,
        start_new_session=True,  # Ctrl-C in a terminal is the parent's to answer; the worker ends with its input
    )
    process = PipeProcess(child)
    try:
        resource.prlimit(child.pid, resource.RLIMIT_AS, (memory_max_bytes, memory_max_bytes))
        with suppress(PermissionError):  # a hardened unit may forbid it; the plan is made all the same
            os.setpriority(os.PRIO_PROCESS, child.pid, NICENESS)
    except ProcessLookupError:
        process.kill()
        raise
    return process


class PipeProcess:
    """Implements :class:`hems.ports.WorkerProcess`."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._child = child
        self._stdin, self._stdout = child.stdin.fileno(), child.stdout.fileno()
        self._received = b""
        self._is_closed = False
        self._in_use = threading.Lock()
        """Whoever talks over the pipes holds it, and they are closed with it: a descriptor closed under a thread
        that waits for it wakes nobody, and its number may soon be that of another file."""
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)

    @property
    def pid(self) -> int:
        """Process id, for tests and logs."""
        return self._child.pid

    def send_line(self, line: bytes) -> None:
        """Write one line.

        Raises:
            OSError: the process is gone, does not read, or has said something that nobody asked for.
            EOFError: it was ended by :meth:`kill`.
        """
        with self._talking():
            self._send(line)

    def _send(self, line: bytes) -> None:
        if self._received or _ready(self._stdout, selectors.EVENT_READ, 0.0):
            raise OSError("it ended, or wrote a line that was not asked for")
        rest = memoryview(line + b"\n")
        deadline_s = _monotonic_s() + SEND_TIMEOUT_S
        while rest:
            if not _ready(self._stdin, selectors.EVENT_WRITE, deadline_s - _monotonic_s()):
                raise TimeoutError(f"it did not read its input for {SEND_TIMEOUT_S:.0f} s")
            rest = rest[os.write(self._stdin, rest) :]

    def receive_line(self, *, timeout_s: float) -> bytes | None:
        """Next line without its end; None when the deadline passed.

        Raises:
            EOFError: the process is gone.
            OSError: the line is longer than 4 MiB.
        """
        with self._talking():
            return self._receive(timeout_s)

    def _receive(self, timeout_s: float) -> bytes | None:
        deadline_s = _monotonic_s() + timeout_s
        pieces = [self._received]
        length = len(self._received)
        while b"\n" not in pieces[-1]:
            if length > LINE_MAX_BYTES:
                raise OSError(f"its answer is longer than {LINE_MAX_BYTES} bytes")
            if not _ready(self._stdout, selectors.EVENT_READ, deadline_s - _monotonic_s()):
                self._received = b"".join(pieces)
                return None
            piece = os.read(self._stdout, CHUNK_BYTES)
            if not piece:
                raise EOFError("it ended")
            pieces.append(piece)
            length += len(piece)
        line, _, self._received = b"".join(pieces).partition(b"\n")
        return line

    @contextmanager
    def _talking(self) -> Iterator[None]:
        with self._in_use:
            if self._is_closed:
                raise EOFError("it was ended")
            yield

    def kill(self) -> None:
        """End it at once and reap it, from any thread: one that waits for it hears of its end. Once is enough."""
        self._child.kill()
        self._child.wait()
        with self._in_use:
            self._is_closed = True
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    pipe.close()


def _ready(descriptor: int, event: int, timeout_s: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        return bool(selector.select(max(0.0, timeout_s)))


def _monotonic_s() -> float:
    return time.monotonic()  # noqa: TID251 - deadlines of a real process need the real clock
