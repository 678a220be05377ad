"""What the daemon tells its service manager: ready, alive, in one sentence how it is, stopping (sd_notify protocol).

Thirty lines instead of a dependency: datagrams of ``NAME=value`` to the socket that ``NOTIFY_SOCKET`` names. Without
one (a terminal, a test) nothing is told to anybody.
"""

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Notifier:
    """Speaks to the service manager; never blocks, never raises."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Socket and watchdog as ``environment`` says."""
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of Linux's abstract names.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self.watchdog_s = _watchdog_s(environment)
        """Without a sign of life for so long we are killed [s]; None: nobody watches."""
        self._is_heard = True

    def ready(self) -> None:
        """The guard is in control; call once."""
        self._send("READY=1")

    def alive(self) -> None:
        """Sign of life. Only the guard's loop calls this, after a whole turn: whatever else hangs must not hide it."""
        if self.watchdog_s is not None:
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One sentence for ``systemctl status``."""
        self._send("STATUS=" + " ".join(text.split()))

    def stopping(self) -> None:
        """A clean stop has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Nothing is told after this."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError as error:
            if self._is_heard:
                log.warning("the service manager cannot be told %s: %s", text.split("=", 1)[0], error)
            self._is_heard = False
        else:
            self._is_heard = True


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    text = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not (text.isascii() and text.isdigit()) or int(text) == 0 or meant_for != str(os.getpid()):
        return None
    return int(text) / 1e6
