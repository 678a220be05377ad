"""Child processes that do not outlive the one that started them."""

import ctypes
import signal

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""
_LIBC = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """In a child, before it becomes its program: the kernel ends it with its parent, even if that one is killed."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
