"""Runs a command under the system call filter of a unit file, without systemd.

    python tests/support/unit_filter.py systemd/hems.service COMMAND ...

Groups of calls are those of the installed systemd (``systemd-analyze syscall-filter``); the filter is loaded with
libseccomp, as systemd does it. What is not allowed fails with EPERM.
"""

import ctypes
import ctypes.util
import errno
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
PR_SET_NO_NEW_PRIVS = 38


@cache
def expanded(name: str) -> frozenset[str]:
    """System calls of a group, or the call itself."""
    if not name.startswith("@"):
        return frozenset({name})
    done = subprocess.run(
        ["/usr/bin/systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True, timeout=20
    )
    words = [line.strip() for line in done.stdout.splitlines()[1:]]
    names = [word for word in words if word and not word.startswith("#")]
    return frozenset().union(*(expanded(each) for each in names))


def allowed_calls(unit: Path) -> frozenset[str]:
    """What the lines ``SystemCallFilter=`` of a unit leave, in their order; @default is always allowed."""
    allowed = set(expanded("@default"))
    for line in unit.read_text().splitlines():
        key, _, value = line.partition("=")
        if key != "SystemCallFilter":
            continue
        calls = frozenset[str]().union(*(expanded(each) for each in value.removeprefix("~").split()))
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return frozenset(allowed | expanded("@default"))


def load_filter(calls: frozenset[str]) -> None:
    """From here on this process and its children can make no other call."""
    name = ctypes.util.find_library("seccomp")
    if name is None:
        raise FileNotFoundError("libseccomp is not installed")
    libc, library = ctypes.CDLL(None, use_errno=True), ctypes.CDLL(name, use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(ERRNO | errno.EPERM)))
    for call in calls:
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # negative: not of this architecture
            library.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), ctypes.c_int(number), ctypes.c_uint(0))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or (code := library.seccomp_load(context)) != 0:
        raise OSError(f"the filter cannot be loaded ({code})")


if __name__ == "__main__":
    load_filter(allowed_calls(Path(sys.argv[1])))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command to watch
