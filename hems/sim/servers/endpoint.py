"""A TCP port on loopback that can vanish: new connections refused, packets of open ones dropped."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
BUFFERED_BYTES_MAX = 65_536
"""A peer that reads this much too slowly misses what comes then."""

RESET = struct.pack("ii", 1, 0)
"""Linger for 0 s: the connection ends with a reset."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Endpoint:
    """Serves connections from :meth:`regain` on while it is present; its port is its own all the time.

    A bound socket that does not listen refuses connections and keeps its port from others: that is how it is lost.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.port = 0
        """Known inside the context."""
        self.present = False
        """False: whoever serves a connection drops what comes and sends nothing."""
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        self._socket = _bound(0)
        self.port = self._socket.getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lose()
        self._drop_connections()
        if self._socket is not None:
            self._socket.close()

    @property
    def connections(self) -> int:
        """How many peers are connected."""
        return len(self._open)

    async def regain(self) -> None:
        """Listen again. Connections from before are reset: their peers have missed something."""
        if self.present:
            return
        self._drop_connections()
        self._server = await asyncio.start_server(self._connected, sock=self._socket)
        self.present = True

    def lose(self) -> None:
        """As if the cable were pulled."""
        self.present = False
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket = _bound(self.port)

    def send_to_all(self, content: bytes) -> None:
        """To every connection that keeps up."""
        if not self.present:
            return
        for writer in list(self._open):
            if not writer.is_closing() and writer.transport.get_write_buffer_size() < BUFFERED_BYTES_MAX:
                writer.write(content)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass  # the peer has gone: its right
        except asyncio.CancelledError:
            pass  # we end it; the stream's own callback would report it as an error of the program
        finally:
            self._open.pop(writer, None)
            writer.transport.abort()

    def _drop_connections(self) -> None:
        for writer, task in list(self._open.items()):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            task.cancel()


def _bound(port: int) -> socket.socket:
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    own.bind((LOOPBACK, port))
    return own
